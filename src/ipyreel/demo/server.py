"""The demo provider's door: HTTP on loopback, by Starlette and uvicorn, and nothing else.

The only module that imports either. What is answered is made in `provider`; here bodies are
read, answers sent (or cut off, where a fault says so), and requests noted down.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import json
import os
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from ipyreel.demo import misbehave, render_queue
from ipyreel.demo.answers import Answer, Visit
from ipyreel.demo.dialects import DIALECTS
from ipyreel.demo.faults import Faults
from ipyreel.demo.log import Log, Seen
from ipyreel.demo.provider import Provider, find_step
from ipyreel.demo.render_queue import RenderQueue
from ipyreel.demo.requests import Ask, Refused, Upload
from ipyreel.demo.state import Shelf
from ipyreel.values import Json

MAX_BODY = 64 * 2**20
CHUNK = 64 * 2**10
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoConfig:
    """How a demo server is set up; its jobs lie in `<home>/demo`.

    `speed` divides the length of every job, `expire` is how many seconds a finished video is
    kept, `key` the only key taken, `stub` answers all jobs with one tiny video at once,
    `log` opens `GET /__demo__/log`, `threads` render at the same time.
    """

    home: Path
    dialect: str = "demo"
    speed: float = 1.0
    expire: float = 86400.0
    key: str | None = field(default=None, repr=False)
    stub: bool = False
    log: bool = False
    threads: int = 1
    faults: Faults = field(default_factory=Faults)
    clock: Callable[[], float] = time.time


class Door:
    """The ASGI application: one request in, one answer (or a fault) out."""

    def __init__(self, config: DemoConfig, provider: Provider) -> None:
        self.config = config
        self.provider = provider
        self.log = Log()
        self._born = config.clock()
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        visit = _visit(request)
        if self.config.log and visit.path == "/__demo__/log":
            entries = [seen.to_dict() for seen in self.log.entries()]
            await _send(Answer(json={"requests": entries}), scope, receive, send)
            return
        body = await request.body()
        ask: Ask | None = None
        try:
            ask = await _read_ask(request, body)
            answer = await self._answer(visit, ask)
        except Refused as refused:
            answer = self.provider.refuse(refused)
        self._note(request, visit, body, ask, answer)
        await _send(answer, scope, receive, send)

    async def _answer(self, visit: Visit, ask: Ask) -> Answer:
        """Answer, or do what a fault wants; pictures are drawn beside the loop."""
        record = self.provider.record(visit)
        age = self.config.clock() - (record.created_at if record else self._born)
        do = self.config.faults.draw(visit.step, age)
        early = misbehave.instead(do)
        if early is not None:
            return early
        job_id = do["id"].replace("{n}", str(next(self._numbers))) if "id" in do else None
        if visit.query.get("variant", "video") != "video":
            answer = await asyncio.to_thread(self.provider.answer, visit, ask, job_id=job_id)
        else:
            answer = self.provider.answer(visit, ask, job_id=job_id)
        return misbehave.bend(do, answer, visit, self.provider) if do else answer

    def _note(
        self, request: Request, visit: Visit, body: bytes, ask: Ask | None, answer: Answer
    ) -> None:
        silent = answer.hang is not None or answer.hangup is not None
        seen = Seen(
            method=visit.method,
            path=visit.path,
            query=request.url.query,
            step=visit.step,
            at=self.config.clock(),
            authorization="authorization" in request.headers,
            content_type=request.headers.get("content-type"),
            sha256=hashlib.sha256(body).hexdigest(),
            fields=dict(ask.fields) if ask else None,
            files=tuple(upload.name for upload in ask.uploads) if ask else (),
            range=request.headers.get("range"),
            accepted=answer.created,
            job_id=answer.record.id if answer.record else visit.job_id or None,
            status=None if silent else answer.status,
        )
        self.log.note(seen)


def create_app(config: DemoConfig) -> Starlette:
    """Make the application; its folder is made at once, its rendering thread when needed.

    The `Door` is kept as `app.state.door`: its log and its provider are of use to tests.
    """
    shelf = Shelf(config.home)
    shelf.sweep(config.clock())
    if config.stub:
        render_queue.make_stub(shelf)
    shop = RenderQueue(shelf, clock=config.clock, threads=config.threads)
    provider = Provider(
        dialect=DIALECTS[config.dialect],
        shelf=shelf,
        shop=shop,
        clock=config.clock,
        speed=config.speed,
        keeps=config.expire,
        key=config.key,
        stub=config.stub,
    )
    door = Door(config, provider)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(shop.close)

    app = Starlette(routes=[Mount("/", app=door)], lifespan=lifespan)
    app.state.door = door
    return app


# --------------------------------------------------------------------------- requests


def _visit(request: Request) -> Visit:
    raw = request.scope.get("raw_path", b"").decode("ascii", "replace")
    step, job_id = find_step(request.method, raw)
    origin = f"{request.url.scheme}://{request.url.netloc}"
    return Visit(
        step=step,
        method=request.method,
        path=raw,
        job_id=job_id,
        query=dict(request.query_params),
        headers=dict(request.headers),
        origin=origin,
    )


async def _read_ask(request: Request, body: bytes) -> Ask:
    """Read the body of a POST: a form of either kind, otherwise JSON."""
    if request.method != "POST":
        return Ask(fields={})
    if len(body) > MAX_BODY:
        raise Refused(413, f"The request body is larger than {MAX_BODY} bytes.")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in FORMS:
        return await _read_form(request)
    try:
        fields = json.loads(body)
    except ValueError as error:
        message = "We could not parse the JSON body of your request."
        raise Refused(400, message, code="invalid_json") from error
    if not isinstance(fields, dict):
        raise Refused(400, "The JSON body of a request must be an object.", code="invalid_json")
    return Ask(fields=fields)


async def _read_form(request: Request) -> Ask:
    """Read a form; a name that comes again makes a list, as "images[]" does."""
    fields: dict[str, Json] = {}
    uploads: list[Upload] = []
    try:
        async with request.form(max_part_size=MAX_BODY) as form:
            for name, value in form.multi_items():
                if not isinstance(value, str):
                    data = await value.read()
                    uploads.append(Upload(name=name, data=data, media_type=value.content_type))
                elif name.endswith("[]"):
                    fields.setdefault(name[:-2], []).append(value)
                else:
                    fields[name] = value
    except HTTPException as error:
        raise Refused(400, f"The form could not be read: {error.detail}") from error
    except ValueError as error:  # of python-multipart: older Starlettes let it through
        raise Refused(400, f"The form could not be read: {error}") from error
    return Ask(fields=fields, uploads=tuple(uploads), is_form=True)


# ---------------------------------------------------------------------------- answers


async def _send(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    """Send an answer as it is, to its end or to where it is cut."""
    if answer.hang is not None:
        await _gone(receive, answer.hang)
        answer = replace(answer, hangup="close")
    if answer.hangup is not None:
        _hang_up(scope, reset=answer.hangup == "reset")
        await _gone(receive, None)
        return
    headers = [(name.encode(), value.encode()) for name, value in answer.head().items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    left = answer.cut
    for chunk in _chunks(answer):
        part = chunk if left is None else chunk[:left]
        await send({"type": "http.response.body", "body": part, "more_body": True})
        left = None if left is None else left - len(part)
        if left == 0:
            break
        if answer.pace is not None:
            await asyncio.sleep(len(part) / answer.pace)
    if left is not None:
        _hang_up(scope, reset=False)
        await _gone(receive, None)
        return
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _chunks(answer: Answer) -> Iterator[bytes]:
    """Read an answer's bytes piece by piece; slow answers in pieces of a tenth of a second."""
    size = CHUNK if answer.pace is None else max(1, min(CHUNK, int(answer.pace / 10)))
    if answer.file is None:
        body = answer.payload()
        yield from (body[at : at + size] for at in range(0, len(body), size))
        return
    left = answer.length
    with answer.file.open("rb") as file:
        file.seek(answer.start)
        while left > 0 and (chunk := file.read(min(size, left))):
            left -= len(chunk)
            yield chunk


async def _gone(receive: Receive, seconds: float | None) -> None:
    """Wait until the client, or we, have ended the connection, `seconds` at most."""

    async def ended() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(ended(), seconds)


def _hang_up(scope: Scope, *, reset: bool) -> None:
    """End the connection under the answer: with a RST, or after what was written is out."""
    line: asyncio.Transport = scope["state"]["line"]
    if reset:
        sock = line.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.abort()
    else:
        line.close()


class _Protocol(H11Protocol):
    """uvicorn's own protocol; it also shows its connection to the application."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, "line": transport}
        super().connection_made(transport)


class Listener(uvicorn.Server):
    """A uvicorn server on one bound socket that says when it is ready, and ends at once.

    `ready` is called with no argument when requests are answered. Signals are handled only
    where the server runs in the main thread.
    """

    def __init__(self, app: Starlette, sock: socket.socket, *, ready: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            loop="asyncio",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
        )
        super().__init__(config)
        self._sock = sock
        self._ready = ready

    def serve_forever(self) -> None:
        """Serve until `should_exit` is set."""
        self.run(sockets=[self._sock])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End every connection, also those that wait for an answer, then stop."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)


def bind(port: int) -> socket.socket:
    """Bind a socket on 127.0.0.1; port 0 takes a free one.

    Raises
    ------
    OSError
        The port is taken.
    """
    # asyncio turns Nagle's delay (40 ms for each answer) off only where the protocol is named.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # a server that ended a moment ago must not keep its port from us
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    return sock


@contextlib.contextmanager
def serve_in_thread(app: Starlette, port: int = 0) -> Iterator[str]:
    """Serve `app` in a thread for as long as the block lasts; gives the base URL, with /v1."""
    sock = bind(port)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}/v1"
    up = threading.Event()
    listener = Listener(app, sock, ready=up.set)
    thread = threading.Thread(target=listener.serve_forever, name="ipyreel-demo", daemon=True)
    thread.start()
    try:
        if not up.wait(20):
            raise RuntimeError("The demo server did not start within 20 seconds.")
        yield url
    finally:
        listener.should_exit = True
        thread.join(30)
