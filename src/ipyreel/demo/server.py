"""The demo server: HTTP on loopback with Starlette and uvicorn, and its access checks.

`provider` decides what is replied. Here requests are checked and read, replies sent (or cut off,
if a fault says so), and requests logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
import os
import re
import secrets
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
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from ipyreel.demo import faults, render_queue
from ipyreel.demo.dialects import DIALECTS
from ipyreel.demo.exchange import Call, LogEntry, Reply, RequestLog
from ipyreel.demo.faults import FaultError, Faults
from ipyreel.demo.jobs import JobFolder
from ipyreel.demo.provider import Provider, find_step
from ipyreel.demo.render_queue import RenderQueue
from ipyreel.demo.requests import Refused, RequestBody, Upload
from ipyreel.values import Json

MAX_BODY = 64 * 2**20
"""Most bytes of a request body."""

MOST_VALUES = 250_000
"""Values in a JSON body; in memory each takes thirty times its two characters."""

TOO_LARGE = 413
CHUNK = 64 * 2**10
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
EVERYWHERE = "0.0.0.0"  # noqa: S104 - chosen by the user who starts it


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoConfig:
    """How a demo server is set up; its jobs are kept in `<home>/demo`.

    `speed` divides the duration of every job; a finished video is kept for `expire` seconds;
    `key` is the only key accepted (None: any or none). The control routes under `/__demo__/`
    need `control_key`, or else `key`; without either they do not exist. `host` is accepted as
    the name of the server in addition to those of loopback. `stub` gives all jobs one tiny
    video at once, `threads` render at the same time.
    """

    home: Path
    dialect: str = "demo"
    speed: float = 1.0
    expire: float = 86400.0
    key: str | None = field(default=None, repr=False)
    control_key: str | None = field(default=None, repr=False)
    host: str = ""
    stub: bool = False
    threads: int = 1
    faults: Faults = field(default_factory=Faults)
    clock: Callable[[], float] = time.time


class MovableClock:
    """A clock that can be advanced, for the control route."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.offset = 0.0

    def __call__(self) -> float:
        """Return the time in seconds since the epoch."""
        return self._clock() + self.offset


class DemoApp:
    """The ASGI application: one request in, one reply (or a fault) out."""

    def __init__(self, config: DemoConfig, provider: Provider, clock: MovableClock) -> None:
        self.config = config
        self.provider = provider
        self.clock = clock
        self.log = RequestLog()
        self._started = clock()
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        incoming = _Incoming(receive)
        request = Request(scope, incoming)
        call = _read_call(request)
        control = call.path.startswith("/__demo__/")
        body: RequestBody | None = None
        try:
            _check_sender(call, self.config.host)
            if control:
                reply = await self._control(call, request)
            elif call.method == "POST":
                self.provider.check_key(call)  # before anything is read
                body = await _read_body(request)
                reply = await self._reply(call, body)
            else:
                reply = await self._reply(call, RequestBody())
        except Refused as refused:
            reply = self.provider.refuse(refused)
        except _ClientGone:
            return
        reply = replace(reply, headers={"x-request-id": _request_id(), **reply.headers})
        if not control:
            self._note(request, call, incoming, body, reply)
        await _send(reply, scope, receive, send)

    async def _reply(self, call: Call, body: RequestBody) -> Reply:
        """Return the reply, or a fault's; pictures are drawn in a thread."""
        record = self.provider.record(call)
        age = self.clock() - (record.created_at if record else self._started)
        do = self.config.faults.draw(call.step, age)
        early = faults.early_reply(do)
        if early is not None:
            return early
        job_id = do["id"].replace("{n}", str(next(self._numbers))) if "id" in do else None
        if call.query.get("variant", "video") != "video" or body.uploads:
            reply = await asyncio.to_thread(self.provider.reply, call, body, job_id=job_id)
        else:
            reply = self.provider.reply(call, body, job_id=job_id)
        return faults.spoil(do, reply, call, self.provider) if do else reply

    def _note(
        self,
        request: Request,
        call: Call,
        incoming: _Incoming,
        body: RequestBody | None,
        reply: Reply,
    ) -> None:
        silent = reply.hang is not None or reply.hangup is not None
        entry = LogEntry(
            method=call.method,
            path=call.path,
            query=request.url.query,
            step=call.step,
            at=self.clock(),
            authorization="authorization" in request.headers,
            content_type=request.headers.get("content-type"),
            sha256=incoming.digest.hexdigest(),
            fields=dict(body.fields) if body else None,
            files=tuple(upload.name for upload in body.uploads) if body else (),
            range=request.headers.get("range"),
            accepted=reply.created,
            job_id=reply.record.id if reply.record else call.job_id or None,
            status=None if silent else reply.status,
        )
        self.log.add(entry)

    async def _control(self, call: Call, request: Request) -> Reply:
        """Return the reply on `/__demo__/requests`, `/__demo__/faults` or `/__demo__/clock`."""
        key = self.config.control_key or self.config.key
        given = call.headers.get("authorization", "")
        if key is None:
            raise Refused(404, "This server was started without a key, so it cannot be controlled.")
        if not hmac.compare_digest(given.encode(), f"Bearer {key}".encode()):
            raise self.provider.dialect.wrong_key
        route = (call.method, call.path.removeprefix("/__demo__/"))
        if route == ("GET", "requests"):
            return Reply(json={"requests": [entry.to_dict() for entry in self.log.entries()]})
        table = self.config.faults
        if route == ("DELETE", "faults"):
            table.clear()
        elif route == ("POST", "faults"):
            try:
                table.extend(await _read_json(request))
            except FaultError as error:
                raise Refused(400, str(error)) from error
        elif route == ("POST", "clock"):
            self.clock.offset += _seconds_of(await _read_json(request))
            return Reply(json={"now": self.clock()})
        else:
            raise Refused(404, f"Invalid URL ({call.method} {call.path})")
        return Reply(json={"faults": len(table)})


def _seconds_of(data: Json) -> float:
    seconds = data.get("advance") if isinstance(data, dict) else None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 1e9:  # noqa: PLR2004
        raise Refused(400, 'Expected {"advance": seconds}, 0 or more.', param="advance")
    return float(seconds)


def create_app(config: DemoConfig) -> Starlette:
    """Return the application; creates its folder at once, its rendering thread when needed.

    The `DemoApp` is kept as `app.state.demo`: tests use its log and its provider.
    """
    clock = MovableClock(config.clock)
    jobs = JobFolder(config.home)
    jobs.clean_up(clock())
    if config.stub:
        render_queue.make_stub(jobs)
    queue = RenderQueue(jobs, clock=clock, threads=config.threads)
    provider = Provider(
        dialect=DIALECTS[config.dialect],
        jobs=jobs,
        queue=queue,
        clock=clock,
        speed=config.speed,
        keeps=config.expire,
        key=config.key,
        stub=config.stub,
    )
    demo = DemoApp(config, provider, clock)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(queue.close)

    app = Starlette(routes=[Mount("/", app=demo)], lifespan=lifespan)
    app.state.demo = demo
    return app


# --------------------------------------------------------------------------- requests


class _ClientGone(Exception):
    """The client closed the connection before its body was complete."""


class _Incoming:
    """Receives a request body up to a limit, and hashes it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._room = MAX_BODY
        self.digest = hashlib.sha256()

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise _ClientGone
        chunk = message.get("body", b"")
        self._room -= len(chunk)
        if self._room < 0:
            raise Refused(TOO_LARGE, f"The request body is larger than {MAX_BODY} bytes.")
        self.digest.update(chunk)
        return message


def _request_id() -> str:
    return f"req_{secrets.token_hex(16)}"


def _read_call(request: Request) -> Call:
    raw = request.scope.get("raw_path", b"").decode("ascii", "replace")
    step, job_id = find_step(request.method, raw)
    origin = f"{request.url.scheme}://{request.url.netloc}"
    return Call(
        step=step,
        method=request.method,
        path=raw,
        job_id=job_id,
        query=dict(request.query_params),
        headers=dict(request.headers),
        origin=origin,
    )


def _check_sender(call: Call, own_name: str) -> None:
    """Refuse requests of web pages, with their own origin or with a name that resolves to us.

    A page may send requests to loopback without asking; its `Origin` shows it. A page whose name
    resolves to 127.0.0.1 (DNS rebinding) has an origin like ours, but its own name as `Host`.
    """
    host = call.headers.get("host", "").lower()
    name = re.sub(r":[0-9]*$", "", host)
    # A server on every address has many addresses; a page's name cannot be one of them.
    any_address = own_name == EVERYWHERE and re.fullmatch(r"[0-9.]+", name)
    if name not in LOOPBACK and name != own_name.lower() and not any_address:
        raise Refused(403, "This server does not serve that host name.", code="wrong_host")
    origin = call.headers.get("origin")
    foreign = origin is not None and origin.lower() != f"http://{host}"
    # A page of another port requests a video or a frame without an `Origin`.
    if foreign or call.headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
        raise Refused(
            403, "Web pages of other origins may not use this server.", code="wrong_origin"
        )


async def _read_body(request: Request) -> RequestBody:
    """Read the body of a POST: a form of either kind, or JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in FORMS:
        return await _read_form(request)
    fields = await _read_json(request)
    if not isinstance(fields, dict):
        raise Refused(400, "The JSON body of a request must be an object.", code="invalid_json")
    return RequestBody(fields=fields)


async def _read_json(request: Request) -> Json:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        message = "Content-Type must be application/json or multipart/form-data."
        raise Refused(415, message, code="invalid_content_type")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
    if sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise Refused(400, f"The JSON body has more than {MOST_VALUES} values.")
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        message = "We could not parse the JSON body of your request."
        raise Refused(400, message, code="invalid_json") from error


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


async def _read_form(request: Request) -> RequestBody:
    """Read a form; "name[]" is read as a list, "name[part]" as an object."""
    fields: dict[str, Json] = {}
    uploads: list[Upload] = []
    try:
        async with request.form(max_files=20, max_fields=200, max_part_size=MAX_BODY) as form:
            for name, value in form.multi_items():
                if isinstance(value, str):
                    _add_field(fields, name, value)
                else:
                    uploads.append(Upload(name=name, data=await value.read()))
    except HTTPException as error:
        raise Refused(400, f"The form could not be read: {error.detail}") from error
    except ValueError as error:  # of python-multipart: older Starlettes let it through
        raise Refused(400, f"The form could not be read: {error}") from error
    return RequestBody(fields=fields, uploads=tuple(uploads), is_form=True)


def _add_field(fields: dict[str, Json], name: str, value: str) -> None:
    found = re.fullmatch(r"([^\[\]]+)\[([^\[\]]*)\]", name)
    if found is None:
        fields[name] = value
        return
    outer, inner = found[1], found[2]
    held = fields.setdefault(outer, {} if inner else [])
    if inner and isinstance(held, dict):
        held[inner] = value
    elif not inner and isinstance(held, list):
        held.append(value)
    else:
        raise Refused(400, f"The form uses '{outer}' in two ways.", param=outer)


# ---------------------------------------------------------------------------- replies


async def _send(reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a reply completely, or up to its cut."""
    if reply.hang is not None:
        await _until_gone(receive, reply.hang)
        reply = replace(reply, hangup="close")
    if reply.hangup is not None:
        _hang_up(scope, reset=reply.hangup == "reset")
        await _until_gone(receive, None)
        return
    headers = [(name.encode(), value.encode()) for name, value in reply.head().items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    left = reply.cut
    for chunk in _chunks(reply) if scope["method"] != "HEAD" else ():
        part = chunk if left is None else chunk[:left]
        await send({"type": "http.response.body", "body": part, "more_body": True})
        left = None if left is None else left - len(part)
        if left == 0:
            break
        if reply.pace is not None:
            await asyncio.sleep(len(part) / reply.pace)
    if left is not None:
        _hang_up(scope, reset=False)
        await _until_gone(receive, None)
        return
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    if reply.status == TOO_LARGE:  # do not take the rest of the body
        _hang_up(scope, reset=False)


def _chunks(reply: Reply) -> Iterator[bytes]:
    """Yield a reply's bytes in pieces; a slow one in pieces of a tenth of a second."""
    size = CHUNK if reply.pace is None else max(1, min(CHUNK, int(reply.pace / 10)))
    if reply.file is None:
        body = reply.payload()
        yield from (body[at : at + size] for at in range(0, len(body), size))
        return
    left = reply.length
    with reply.file.open("rb") as file:
        file.seek(reply.start)
        while left > 0 and (chunk := file.read(min(size, left))):
            left -= len(chunk)
            yield chunk


async def _until_gone(receive: Receive, seconds: float | None) -> None:
    """Wait until the client or the server has closed the connection, at most `seconds`."""

    async def closed() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(closed(), seconds)


def _hang_up(scope: Scope, *, reset: bool) -> None:
    """Close the connection: with a RST, or after the written bytes were sent."""
    line: asyncio.Transport = scope["state"]["line"]
    if reset:
        sock = line.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.abort()
    else:
        line.close()


class _Protocol(H11Protocol):
    """uvicorn's own protocol; it also gives the application access to its connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, "line": transport}
        super().connection_made(transport)


class Listener(uvicorn.Server):
    """A uvicorn server on a bound socket that reports when it is ready, and stops at once.

    `ready` is called without arguments when requests are served. Signals are handled only if the
    server runs in the main thread.
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
        )
        super().__init__(config)
        self._sock = sock
        self._ready = ready

    def serve_forever(self) -> None:
        """Serve until `stop` is called, or a signal is received."""
        self.run(sockets=[self._sock])

    def stop(self) -> None:
        """End `serve_forever`, from any thread."""
        self.should_exit = True
        if self.started:
            with contextlib.suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._stopping.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then call `ready`."""
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def main_loop(self) -> None:
        """Serve until the end. uvicorn's own loop sees `stop` up to 0.1 s later."""
        ticks = itertools.count()
        while not await self.on_tick(next(ticks)):
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close every connection, also those that wait for a reply, then stop.

        uvicorn itself would wait 0.1 s for connections to close.
        """
        for server in self.servers:
            server.close()
        for sock in sockets or ():
            sock.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        if self.server_state.tasks:
            await asyncio.wait(set(self.server_state.tasks), timeout=5)
        await self.lifespan.shutdown()


def bind(port: int, host: str = "127.0.0.1") -> socket.socket:
    """Return a bound socket; port 0 chooses a free one.

    Raises
    ------
    OSError
        The port is taken, or the host is not one of this machine.
    """
    # asyncio disables Nagle's delay (40 ms for each reply) only if the protocol is named.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # a server that ended a moment ago must not block its port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


@contextlib.contextmanager
def serve_in_thread(app: Starlette, port: int = 0) -> Iterator[str]:
    """Serve `app` in a thread during the block; yields the base URL, with /v1."""
    sock = bind(port)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}/v1"
    up = threading.Event()
    listener = Listener(app, sock, ready=up.set)
    thread = threading.Thread(target=listener.serve_forever, name="ipyreel-demo", daemon=True)
    thread.start()
    try:
        if not up.wait(60):
            raise RuntimeError("The demo server did not start within 60 seconds.")
        yield url
    finally:
        listener.stop()
        thread.join(60)
