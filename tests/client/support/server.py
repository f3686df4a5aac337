"""A server on raw sockets that answers by a script, including cuts and hangs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

OK = {200: "OK", 206: "Partial Content", 302: "Found"}
PIECE = 2**16


@dataclass
class Seen:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def json(self):
        return json.loads(self.body)


Handler = Callable[[Seen, asyncio.StreamWriter], Awaitable[None]]


def reply(status=200, body=b"", **headers) -> Handler:
    """Answer with a whole reply; a dict is sent as JSON, `_` in header names is `-`."""
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
        headers.setdefault("content_type", "application/json")
    headers.setdefault("content_length", str(len(body)))

    async def handle(_seen, writer):
        writer.write(head(status, headers) + body)
        await writer.drain()

    return handle


def head(status, headers):
    lines = [f"HTTP/1.1 {status} {OK.get(status, 'Said')}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def unmeasured(body) -> Handler:
    """Answer without a length: the end of the connection is the end of the body."""

    async def handle(_seen, writer):
        writer.write(head(200, {"connection": "close"}) + body)
        await writer.drain()
        writer.close()

    return handle


def cut(body, after, *, status=200, length=None, **headers) -> Handler:
    """Promise the whole body and close after `after` bytes of it."""

    async def handle(_seen, writer):
        promised = {"content_length": str(len(body) if length is None else length), **headers}
        writer.write(head(status, promised) + body[:after])
        await writer.drain()
        writer.close()

    return handle


async def reset(_seen, writer):
    """Throw the connection away without a word."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def hang(_seen, _writer):
    """Say nothing until the server closes."""
    await asyncio.Event().wait()


@dataclass(frozen=True)
class Reset:
    """A cut after so many bytes by a reset, not by closing."""

    after: int


@dataclass
class File:
    """A file that is served with ranges, cut at given byte counts: `cuts` in order, then whole.

    A range begins `early` bytes too early. `sent` counts the bytes of the body.
    """

    body: bytes
    cuts: list[int | Reset] = field(default_factory=list)
    etag: str | None = '"one"'
    last_modified: str | None = None
    ranges: bool = True
    content_type: str = "video/mp4"
    early: int = 0
    sent: int = 0

    async def __call__(self, seen, writer):
        first, status, size = self._first(seen), 200, len(self.body)
        headers = {"content_type": self.content_type}
        if self.etag:
            headers["etag"] = self.etag
        if self.last_modified:
            headers["last_modified"] = self.last_modified
        if first is not None and first >= size:
            headers |= {"content_range": f"bytes */{size}", "content_length": "0"}
            writer.write(head(416, headers))
            await writer.drain()
            return
        if first is not None:
            status = 206
            headers["content_range"] = f"bytes {first}-{size - 1}/{size}"
        first = first or 0
        cut = self.cuts.pop(0) if self.cuts else size
        end = min(size, first + (cut.after if isinstance(cut, Reset) else cut))
        writer.write(head(status, {**headers, "content_length": str(size - first)}))
        with memoryview(self.body) as body:
            for start in range(first, end, PIECE):
                writer.write(bytes(body[start : min(end, start + PIECE)]))
                await writer.drain()
        self.sent += end - first
        if isinstance(cut, Reset):
            await reset(seen, writer)
        elif end < size:
            writer.close()

    def _first(self, seen):
        wanted = seen.headers.get("range")
        if wanted is None or not self.ranges:
            return None
        if seen.headers.get("if-range") not in {None, self.etag, self.last_modified}:
            return None
        return max(0, int(wanted.removeprefix("bytes=").rstrip("-")) - self.early)


class Server:
    """Answers the n-th request by the n-th handler, later ones by the last one.

    `job` answers the questions about the job itself, which then do not count.
    """

    def __init__(self, *script: Handler, port=0, job: Handler | None = None):
        self.port = port
        self.job = job
        self.script = list(script)
        self.seen: list[Seen] = []
        self.asked = asyncio.Event()
        self._tasks = set()
        self._connections = 0

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=2**26)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"{self.origin}/v1"

    @property
    def posts(self):
        return [seen for seen in self.seen if seen.method == "POST"]

    @property
    def connections(self):
        return len({seen.connection for seen in self.seen})

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        self._connections += 1
        number = self._connections
        try:
            while not writer.is_closing():
                seen = await self._read(reader, number)
                if self.job is not None and seen.target == "/v1/videos/video_1":
                    await self.job(seen, writer)
                    continue
                self.seen.append(seen)
                self.asked.set()
                place = min(len(self.seen), len(self.script)) - 1
                await self.script[place](seen, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _read(self, reader, number):
        text = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = text.rstrip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        return Seen(method, target, headers, body, number)
