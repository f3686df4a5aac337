"""Plain HTTP to this very machine, over bare sockets: a line as fast as what reads it.

httpx reads through anyio, 64 KiB at a time: nothing that a network would notice, but four times
the work of the rest on loopback, and start-up time for what no such connection needs. May import
`httpx` with the `httpcore` it stands on, `addresses` and `within`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import httpcore
import httpx

from ipyreel.client.addresses import look_up, numeric
from ipyreel.client.within import within

PIECE = 2**19
"""Bytes that are read at most at once; larger ones fall out of the processor's caches."""

SHARED = (
    "ConnectError",
    "ConnectTimeout",
    "LocalProtocolError",
    "NetworkError",
    "PoolTimeout",
    "ProtocolError",
    "ProxyError",
    "ReadError",
    "ReadTimeout",
    "RemoteProtocolError",
    "TimeoutException",
    "UnsupportedProtocol",
    "WriteError",
    "WriteTimeout",
)
"""The exceptions that httpcore and httpx have each under the same name."""

IN_HTTPX: dict[type[Exception], type[httpx.TransportError]] = {
    getattr(httpcore, name): getattr(httpx, name) for name in SHARED
}


class Loopback(httpx.AsyncBaseTransport):
    """A transport for httpx that connects to http:// addresses of this machine."""

    def __init__(self, limits: httpx.Limits) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=Sockets(),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; raises httpx's own exceptions, as every transport does."""
        url = request.url
        asked = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _as_httpx():
            answer = await self._pool.handle_async_request(asked)
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx():
            async for piece in self._answer.aiter_stream():
                yield piece

    async def aclose(self) -> None:
        with _as_httpx():
            await self._answer.aclose()


@contextlib.contextmanager
def _as_httpx() -> Iterator[None]:
    try:
        yield
    except tuple(IN_HTTPX) as error:
        raise IN_HTTPX[type(error)](str(error)) from error


class Sockets(httpcore.AsyncNetworkBackend):
    """Connects by sockets of the loop itself, one address after the other.

    That is enough for this machine, where an address answers or refuses at once.
    """

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect; raises `httpcore.ConnectError` or `httpcore.ConnectTimeout`."""
        if local_address is not None:
            raise NotImplementedError("nobody here asks for an address to connect from")
        with _broken(httpcore.ConnectError):
            found = (host,) if numeric(host) is not None else await look_up(host, port)
            for last, address in enumerate(found, start=1 - len(found)):
                try:
                    return await _connect(address, port, timeout, tuple(socket_options or ()))
                except OSError:  # noqa: PERF203 - two addresses at most
                    if last == 0:
                        raise
            raise OSError("it has no address")

    async def sleep(self, seconds: float) -> None:
        """Wait; httpcore asks for it between attempts to connect."""
        await asyncio.sleep(seconds)


async def _connect(
    address: str, port: int, timeout: float | None, options: tuple[Any, ...]
) -> Socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(0)
        for option in ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), *options):
            sock.setsockopt(*option)
        connecting = asyncio.get_running_loop().sock_connect(sock, (address, port))
        await within(connecting, timeout, httpcore.ConnectTimeout)
    except BaseException:
        sock.close()
        raise
    return Socket(sock)


class Socket(httpcore.AsyncNetworkStream):
    """One connection, reading large pieces."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        """Return what is there, up to `PIECE` bytes; the parser takes any number of them."""
        with _broken(httpcore.ReadError):
            try:
                piece = self._socket.recv(PIECE)
            except (BlockingIOError, InterruptedError):
                reading = asyncio.get_running_loop().sock_recv(self._socket, PIECE)
                return await within(reading, timeout, httpcore.ReadTimeout)
        # A sender that is faster than we are never makes us wait: let others have their turn.
        await asyncio.sleep(0)
        return piece

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it."""
        with _broken(httpcore.WriteError):
            sending = asyncio.get_running_loop().sock_sendall(self._socket, buffer)
            await within(sending, timeout, httpcore.WriteTimeout)

    async def aclose(self) -> None:
        """Close the connection."""
        self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        """Tell what httpcore asks about: whether an idle connection was closed over there."""
        return self._has_news() if info == "is_readable" else None

    def _has_news(self) -> bool:
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True
        return True


@contextlib.contextmanager
def _broken(kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        text = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise kind(text) from error
