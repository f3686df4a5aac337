"""What all strict fakes share: a real socket, what came over it, jobs that move when asked.

A fake is as strict as the server it stands for: every rule names where it is known from. The
marks are those of the notes on the wire: [V] seen on the running server, [S] read in its
source, [D] its documentation, [I] somebody's report, [U] not known (the strictest reading).
"""

from __future__ import annotations

import json
import re
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from tests.client.support.films import mp4

KEY = "sk-dialects-0123456789abcdef"
FILM = mp4(bytes(2048), width=1280, height=720, seconds=8.0)
START = Path(__file__).with_name("start.png").read_bytes()
"""A picture of 1280x720, in bytes that no version of Pillow will write otherwise."""

SPLIT = b"\r\n###\r\n"
"""Separates two requests of a stored conversation."""


def words(text):
    """Return the set of the words in a text."""
    return frozenset(text.split())


class No(Exception):
    """A refusal: the status and the body of the answer."""

    def __init__(self, status, body, **headers):
        super().__init__(status, body)
        self.status, self.body, self.headers = status, body, headers


@dataclass
class Asked:
    """The body of a POST: `files` by name of the part, with bytes and media type."""

    fields: dict
    files: dict = field(default_factory=dict)
    is_form: bool = False

    def kind(self, name):
        """Name the JSON kind of a field as servers do in their sentences."""
        kinds = {str: "a string", bool: "a boolean", int: "an integer", float: "a decimal"}
        kinds |= {dict: "an object", list: "an array"}
        return kinds[type(self.fields[name])]


@dataclass
class Job:
    """A job of a fake: `polls` counts the questions, and with them it moves."""

    id: str
    asked: Asked
    polls: int = 0
    deleted: bool = False


@dataclass
class Seen:
    """One request: its line, its headers in lower case, and all of it as it came."""

    method: str
    path: str
    query: str
    headers: dict
    raw: bytes = b""


class Fake:
    """A server of one dialect; subclasses say what it refuses and how it answers.

    `fails`: the job ends badly; `drops`: the answer to a submission is lost; `late`: how often the
    file is said not to be ready after the job is completed; `gone`: it has expired.
    """

    name = ""
    provider = ""
    base = "/v1"
    key_header = "authorization"
    takes_key = True
    steps = ("queued", "in_progress", "completed")
    failed = "failed"
    ask: dict = {}  # noqa: RUF012 - what a person asks for, never changed
    failure = "CUDA out of memory"

    def __init__(self, *, fails=False, late=0, gone=False, drops=False):
        self.fails, self.late, self.gone, self.drops = fails, late, gone, drops
        self.seen: list[Seen] = []
        self.jobs: dict[str, Job] = {}
        self.url = self.origin = ""
        self.cdn = Cdn(self)

    # ---- what subclasses say ------------------------------------------------------------

    def check(self, asked):
        """Refuse a submission by raising `No`."""

    def new_id(self):
        return f"video_{len(self.jobs) + 1:032x}"

    def job(self, job, state):
        return {"id": job.id, "object": "video", "status": state}

    def created(self, job):
        return JSONResponse(self.job(job, self.steps[0]))

    def answered(self, job, state):
        return JSONResponse(self.job(job, state))

    def refuse(self, status, message, **more):
        """Make a refusal in the server's shape."""
        kind = more.pop("kind", "invalid_request_error")
        body = {"message": message, "type": kind, "param": None, "code": None, **more}
        return No(status, {"error": body})

    def wrong_key(self):
        return self.refuse(401, "Incorrect API key provided.", code="invalid_api_key")

    def unknown(self, segment):
        return self.refuse(404, f"Video with id '{segment}' not found.")

    def not_ready(self, _job):
        return self.refuse(404, "Video is not ready yet, use GET /v1/videos/{video_id}.")

    def expired(self, _job):
        return self.refuse(404, "Video content has expired.")

    def film(self, _request, _job):
        return Response(FILM, media_type="video/mp4")

    def other(self, request, parts):
        """Answer a route beside create, retrieve and content; most have none."""
        raise self.refuse(404, f"Invalid URL ({request.method} /{'/'.join(parts)})")

    def at_root(self, _request, _path):
        """Answer a path that is not below the base; most servers have none."""
        raise No(404, {"detail": "Not Found"})

    # ---- what all have ------------------------------------------------------------------

    def check_picture(self, asked, name="input_reference"):
        """Refuse a file under this name that is not the picture of the tests."""
        for data, media_type in asked.files.get(name, ()):
            if data != START or media_type != "image/png":
                raise self.refuse(400, f"{name} cannot be read")

    def listed(self, **more):
        """List all jobs, without pages."""
        rows = [self.job(job, self.state(job)) for job in self.jobs.values()]
        return JSONResponse({"object": "list", "data": rows, **more})

    def check_key(self, request):
        if not self.takes_key:
            return
        wanted = KEY if self.key_header != "authorization" else f"Bearer {KEY}"
        if request.headers.get(self.key_header) != wanted:
            raise self.wrong_key()

    def state(self, job):
        at = min(max(job.polls - 1, 0), len(self.steps) - 1)
        over = at == len(self.steps) - 1
        return self.failed if over and self.fails else self.steps[at]

    async def __call__(self, scope, receive, send):
        """Serve one request and keep it as it came over the wire."""
        request = Request(scope, receive)
        await request.body()
        wire = scope["state"]["wire"]
        seen = Seen(
            request.method,
            scope["raw_path"].decode(),
            request.url.query,
            dict(request.headers),
            bytes(wire.raw),
        )
        wire.raw.clear()
        self.seen.append(seen)
        try:
            answer = await self._answer(request, seen.path)
        except No as no:
            answer = JSONResponse(no.body, no.status, no.headers)
        if self.drops and request.method == "POST":
            wire.transport.abort()
        await answer(scope, receive, send)

    async def _answer(self, request, path):
        if not path.startswith(f"{self.base}/"):
            return self.at_root(request, path)
        self.check_key(request)
        parts = path.removeprefix(f"{self.base}/").split("/")
        if parts == ["videos"] and request.method == "POST":
            return await self._create(request)
        if parts[0] == "videos" and len(parts) in {2, 3} and request.method == "GET":
            job = self.jobs.get(parts[1])
            if job is None and len(parts) == 2:
                return await self._other(request, parts)
            if job is None:
                raise self.unknown(parts[1])
            return self._retrieve(job) if len(parts) == 2 else self._content(request, job)
        return await self._other(request, parts)

    async def _other(self, request, parts):
        answer = self.other(request, parts)
        return await answer if hasattr(answer, "__await__") else answer

    async def _create(self, request):
        asked = await read(request)
        blank = [name for name, value in asked.fields.items() if value in (None, "")]
        # Fields that were not given are not sent: the first rule for all dialects.
        if blank:
            raise self.refuse(400, f"{blank[0]} is blank")
        self.check(asked)
        return self.created(self.add(asked))

    def add(self, asked):
        job = Job(self.new_id(), asked)
        # Only the fully percent-encoded id finds it: "=", "+", "/" and ":" in a path are
        # taken for something else by one proxy or another (LiteLLM [V], Bifrost [S]).
        self.jobs[quote(job.id, safe="")] = job
        return job

    def _retrieve(self, job):
        job.polls += 1
        return self.answered(job, self.state(job))

    def _content(self, request, job):
        state = self.state(job)
        if state == self.failed and self.fails:
            raise self.no_film(job)
        if state != self.steps[-1] or self.late:
            self.late -= bool(self.late) and state == self.steps[-1]
            raise self.not_ready(job)
        if self.gone:
            raise self.expired(job)
        return self.film(request, job)

    def no_film(self, job):
        """Refuse the content of a job that failed."""
        return self.not_ready(job)


class Cdn:
    """Where the files lie: another origin, with signed addresses and no liking for keys."""

    def __init__(self, fake):
        self.fake, self.origin, self.seen = fake, "", []

    def place(self, job):
        return f"{self.origin}/films/{quote(job.id, safe='')}.mp4?X-Signature=abc%2Fdef&e=1"

    async def __call__(self, scope, receive, send):
        request = Request(scope, receive)
        self.seen.append(request)
        # S3 and TOS refuse a signed URL that comes with an Authorization header as well [U].
        bad = {"authorization", "api-key"} & set(request.headers)
        if request.url.path == "/start.png" and not bad:
            answer = Response(START, media_type="image/png")
        elif bad or request.url.query != "X-Signature=abc%2Fdef&e=1" or self.fake.gone:
            answer = Response("<Error><Code>AccessDenied</Code></Error>", 403)
        elif self.fake.late:  # it has not got there yet
            self.fake.late -= 1
            answer = Response("<Error><Code>NoSuchKey</Code></Error>", 404)
        else:
            answer = Response(FILM, media_type="video/mp4")
        await answer(scope, receive, send)


async def read(request):
    """Read the body of a POST: a form, otherwise JSON."""
    kind = request.headers.get("content-type", "")
    if not kind.startswith(("multipart/form-data", "application/x-www-form-urlencoded")):
        try:
            return Asked(json.loads(await request.body()))
        except ValueError:
            raise No(400, {"error": {"message": "the body is no JSON"}}) from None
    fields, files = {}, {}
    async with request.form() as form:
        for name, value in form.multi_items():
            if isinstance(value, str):
                fields[name] = value
            else:
                files.setdefault(name, []).append((await value.read(), value.content_type))
    return Asked(fields, files, is_form=True)


class Recorder(H11Protocol):
    """uvicorn's own protocol, which also keeps the bytes as they come."""

    def connection_made(self, transport):
        self.raw = bytearray()
        self.app_state = {**self.app_state, "wire": self}
        super().connection_made(transport)

    def data_received(self, data):
        self.raw += data
        super().data_received(data)


class _Server(uvicorn.Server):
    def __init__(self, app, up):
        options = {"interface": "asgi3", "lifespan": "off", "ws": "none", "loop": "asyncio"}
        options |= {"log_config": None, "access_log": False}
        super().__init__(uvicorn.Config(app, http=Recorder, **options))
        self._up = up

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self._up.set()

    async def shutdown(self, sockets=None):
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)


class Stage:
    """One server for all fakes, one at a time: starting it takes a while.

    It has two ports, one for the fake and one for its CDN, so that they differ in origin.
    """

    def __init__(self):
        self.fake = None
        self._socks = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self._ports = [sock.getsockname()[1] for sock in self._socks]
        up = threading.Event()
        self._server = _Server(self._app, up)
        run = {"target": self._server.run, "args": (self._socks,), "daemon": True}
        self._thread = threading.Thread(**run)
        self._thread.start()
        assert up.wait(60), "the stage did not start"

    async def _app(self, scope, receive, send):
        at_home = scope["server"][1] == self._ports[0]
        await (self.fake if at_home else self.fake.cdn)(scope, receive, send)

    def play(self, fake):
        """Let a fake answer from now on; gives it back, with its addresses."""
        self.fake = fake
        fake.origin, fake.cdn.origin = (f"http://127.0.0.1:{port}" for port in self._ports)
        fake.url = f"{fake.origin}{fake.base}"
        return fake

    def close(self):
        self._server.should_exit = True
        self._thread.join(120)
        for sock in self._socks:
            sock.close()


BOUNDARY = b"0123456789abcdef0123456789abcdef"
"""As long as httpx's own, which is random: lengths stay what they were."""


def settled(raw):
    """Return a request as it came, with what differs from machine to machine replaced."""
    found = re.search(rb"boundary=([0-9a-f]{32})", raw)
    if found:
        raw = raw.replace(found[1], BOUNDARY)
    raw = re.sub(rb"(?i)^(host: 127\.0\.0\.1):\d+", rb"\1:PORT", raw, flags=re.MULTILINE)
    return re.sub(rb"(?i)^(user-agent: ipyreel)/\S+", rb"\1/VERSION", raw, flags=re.MULTILINE)


def conversation(fake):
    """Return all requests in their order; a question that repeats the last one stands once."""
    said = [settled(seen.raw) for seen in fake.seen]
    kept = [raw for at, raw in enumerate(said) if at == 0 or raw != said[at - 1]]
    return SPLIT.join(kept)
