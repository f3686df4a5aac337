"""Holds clients: those of a session, with the demo server, and one for scripts without asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from ipyreel.catalog import Catalog, KeyRing, Provider
from ipyreel.catalog.choice import FALLBACK, require_base_url
from ipyreel.catalog.keys import Secret
from ipyreel.client import VideoClient
from ipyreel.client.addresses import strip_query
from ipyreel.demo.process import DemoServer
from ipyreel.errors import ConfigError
from ipyreel.jobs.loop import LoopThread
from ipyreel.jobs.run import JobConfig
from ipyreel.wire.urls import same_origin


@dataclass(slots=True, kw_only=True)
class Connections:
    """Gives clients with current keys; used on the loop's thread, except for `stop`.

    `catalog` is called each time, since providers may change. `approved` returns the origin
    that a person gave a provider in an earlier kernel. The demo server keeps its files in `home`
    and is started on first use.
    """

    home: Path
    catalog: Callable[[], Catalog]
    keys: KeyRing
    rules: JobConfig
    approved: Callable[[str], str | None] = lambda _name: None
    _demo: DemoServer = field(default_factory=DemoServer)
    _clients: dict[tuple[str, str], VideoClient] = field(default_factory=dict)

    async def client(self, name: str, base_url: str | None = None) -> VideoClient:
        """Return the client for a provider; `base_url` is that of a job, None: the current one."""
        catalog = self.catalog()
        provider = catalog.provider(name)
        key: Secret | None
        if name == FALLBACK:
            url = await asyncio.to_thread(self._demo.start, self.home)
            key = Secret(self._demo.key or "")
        else:
            current = require_base_url(provider, self.keys.environ)
            url = base_url or current
            key = self.keys.require(provider) if provider.needs_key else self.keys.find(provider)
            own = [current, self.approved(provider.name) or current]
            is_own = any(same_origin(url, one) for one in own)
            if (key is not None or provider.headers) and not is_own:
                raise _other_origin(provider.name, url, current)
        old = self._clients.get((name, url))
        if old is not None and old.key == key and old.provider == provider:
            return old
        client = VideoClient(
            provider,
            key=key,
            base_url=url,
            sleep=self.rules.sleep,
            clock=self.rules.clock,
            rng=self.rules.chance,
            timeouts=self.rules.timeouts,
            catalog=catalog,
        )
        # The old one, with the old key, may be in the middle of a download: it closes at the end.
        self._clients[name, url] = client
        return client

    async def aclose(self) -> None:
        """Close all clients."""
        clients = tuple(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.aclose()

    def stop(self) -> None:
        """End the demo server; its jobs are kept, and the next one goes on with them."""
        self._demo.stop()


def _other_origin(name: str, url: str, current: str) -> ConfigError:
    """Return why a key is not sent: the library may hold an address that nobody here named."""
    there, here = strip_query(url), strip_query(current)
    return ConfigError(
        f"The job is at {there}, and the key of {name} is for {here}: it is not sent there.",
        hint=f"If that address is right, %video use {name} base_url={there} goes on with it.",
    )


T = TypeVar("T")
P = ParamSpec("P")
_Method = Callable[Concatenate[VideoClient, P], Coroutine[Any, Any, T]]


def _blocking(method: _Method[P, T]) -> Callable[Concatenate[SyncVideoClient, P], T]:
    """Return a method of `VideoClient` as one that blocks."""

    @wraps(method)
    def call(self: SyncVideoClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(method(self.asynchronous, *args, **kwargs))

    return call


def _iterating(
    method: Callable[Concatenate[VideoClient, P], AsyncIterator[T]],
) -> Callable[Concatenate[SyncVideoClient, P], Iterator[T]]:
    """Return a method of `VideoClient` that yields as one that blocks for each item."""

    @wraps(method)
    def iterate(self: SyncVideoClient, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        items = method(self.asynchronous, *args, **kwargs)
        while (item := self._run(_next(items))) is not None:
            yield item

    return iterate


async def _next(items: AsyncIterator[T]) -> T | None:
    return await anext(items, None)


class SyncVideoClient:
    """Does what `VideoClient` does, blocking; from any thread, also inside a running loop.

    >>> with SyncVideoClient("apiyi") as client:                          # doctest: +SKIP
    ...     job = client.create_and_wait("A cat on a beach", seconds=4)
    ...     file = client.download(job, Path("cat.mp4"))

    Takes the arguments of `VideoClient`, and its methods are those of it, by the same names.
    `asynchronous` is the client itself; its loop runs on a thread of its own.
    """

    def __init__(self, provider: str | Provider, **options: Any) -> None:
        self.asynchronous = VideoClient(provider, **options)
        self._thread = LoopThread("ipyreel-client")

    def __repr__(self) -> str:
        """Name the provider and its address, never the key."""
        return f"Sync{self.asynchronous!r}"

    def __enter__(self) -> SyncVideoClient:  # noqa: PYI034 - Self came with Python 3.11
        """Open nothing yet: connections come with the first request."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Close the connections and end the thread."""
        self.close()

    def close(self) -> None:
        """Close the connections and end the thread; a later call starts it again."""
        self._thread.stop(self.asynchronous.aclose)

    create = _blocking(VideoClient.create)
    create_and_wait = _blocking(VideoClient.create_and_wait)
    retrieve = _blocking(VideoClient.retrieve)
    wait = _blocking(VideoClient.wait)
    watch = _iterating(VideoClient.watch)
    list = _blocking(VideoClient.list)
    jobs = _iterating(VideoClient.jobs)
    download = _blocking(VideoClient.download)
    delete = _blocking(VideoClient.delete)
    remix = _blocking(VideoClient.remix)
    edit = _blocking(VideoClient.edit)
    extend = _blocking(VideoClient.extend)
    variant = _blocking(VideoClient.variant)
    models = _blocking(VideoClient.models)
    offers = _blocking(VideoClient.offers)
    balance = _blocking(VideoClient.balance)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        future = self._thread.submit(work)
        try:
            return future.result()
        except BaseException:
            # Ctrl-C ends the work too, not the wait for it only.
            future.cancel()
            raise
