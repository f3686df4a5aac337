"""The client for scripts without asyncio: the methods of `VideoClient`, blocking."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from ipyreel.catalog import Provider
from ipyreel.client import VideoClient
from ipyreel.jobs.loop import LoopThread

T = TypeVar("T")
P = ParamSpec("P")
_Method = Callable[Concatenate[VideoClient, P], Coroutine[Any, Any, T]]


def _blocking(method: _Method[P, T]) -> Callable[Concatenate[SyncVideoClient, P], T]:
    """Return a blocking version of a method of `VideoClient`."""

    @wraps(method)
    def call(self: SyncVideoClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(method(self.asynchronous, *args, **kwargs))

    return call


def _iterating(
    method: Callable[Concatenate[VideoClient, P], AsyncIterator[T]],
) -> Callable[Concatenate[SyncVideoClient, P], Iterator[T]]:
    """Return a version of a generator method of `VideoClient` that blocks for each item."""

    @wraps(method)
    def iterate(self: SyncVideoClient, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        items = method(self.asynchronous, *args, **kwargs)
        while (item := self._run(_next(items))) is not None:
            yield item

    return iterate


async def _next(items: AsyncIterator[T]) -> T | None:
    return await anext(items, None)


class SyncVideoClient:
    """The blocking form of `VideoClient`; works from any thread, also inside a running loop.

    >>> with SyncVideoClient("apiyi") as client:                          # doctest: +SKIP
    ...     job = client.create_and_wait("A cat on a beach", seconds=4)
    ...     file = client.download(job, Path("cat.mp4"))

    Takes the arguments of `VideoClient` and has its methods, by the same names. `asynchronous`
    is the `VideoClient` itself; its loop runs on a separate thread.
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
            # Ctrl-C also ends the work, not only the wait for it.
            future.cancel()
            raise
