"""Holds clients: those of a session, with the demo server, and one for scripts without asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from ipyreel.catalog import Catalog, KeyRing, Provider
from ipyreel.catalog.choice import FALLBACK, require_base_url
from ipyreel.catalog.keys import Secret
from ipyreel.client import VideoClient
from ipyreel.client.addresses import strip_query
from ipyreel.demo.process import DemoServer
from ipyreel.errors import ConfigError
from ipyreel.jobs.loop import LoopThread
from ipyreel.jobs.run import JobConfig
from ipyreel.values import Balance, Image, Offer, VideoFile, VideoJob, VideoPage, VideoRequest
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


class SyncVideoClient:
    """Does what `VideoClient` does, blocking; from any thread, also inside a running loop.

    >>> with SyncVideoClient("apiyi") as client:                          # doctest: +SKIP
    ...     job = client.create_and_wait("A cat on a beach", seconds=4)
    ...     file = client.download(job, Path("cat.mp4"))

    Takes the arguments of `VideoClient`, and its methods those of the methods of that name.
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

    def create(self, request: VideoRequest | str, **fields: Any) -> VideoJob:
        """Ask for a video, once."""
        return self._run(self.asynchronous.create(request, **fields))

    def create_and_wait(self, request: VideoRequest | str, **options: Any) -> VideoJob:
        """Ask for a video and wait for it."""
        return self._run(self.asynchronous.create_and_wait(request, **options))

    def retrieve(self, remote_id: str, **options: Any) -> VideoJob:
        """Ask once about a job."""
        return self._run(self.asynchronous.retrieve(remote_id, **options))

    def wait(self, job: VideoJob | str, **options: Any) -> VideoJob:
        """Wait until a job has ended."""
        return self._run(self.asynchronous.wait(job, **options))

    def watch(self, job: VideoJob | str, **options: Any) -> Iterator[VideoJob]:
        """Yield each answer about a job until it has ended."""
        answers = self.asynchronous.watch(job, **options)
        while (answer := self._run(_next(answers))) is not None:
            yield answer

    def list(self, **options: Any) -> VideoPage:
        """Return one page of the account's jobs."""
        return self._run(self.asynchronous.list(**options))

    def jobs(self, **options: Any) -> Iterator[VideoJob]:
        """Yield all of the account's jobs."""
        found = self.asynchronous.jobs(**options)
        while (job := self._run(_next(found))) is not None:
            yield job

    def download(self, job: VideoJob, target: Path, **options: Any) -> VideoFile:
        """Fetch a finished job's video."""
        return self._run(self.asynchronous.download(job, target, **options))

    def delete(self, remote_id: str, **options: Any) -> bool:
        """Delete a job and its file."""
        return self._run(self.asynchronous.delete(remote_id, **options))

    def remix(self, remote_id: str, prompt: str, **options: Any) -> VideoJob:
        """Ask for a finished job's video with changes."""
        return self._run(self.asynchronous.remix(remote_id, prompt, **options))

    def edit(self, prompt: str, *, video: str | Path, **options: Any) -> VideoJob:
        """Ask for a video with changes."""
        return self._run(self.asynchronous.edit(prompt, video=video, **options))

    def extend(self, prompt: str, **options: Any) -> VideoJob:
        """Ask for what comes after the end of a video."""
        return self._run(self.asynchronous.extend(prompt, **options))

    def variant(self, remote_id: str, name: str = "thumbnail", **options: Any) -> Image:
        """Fetch a picture of a finished job."""
        return self._run(self.asynchronous.variant(remote_id, name, **options))

    def models(self, **options: Any) -> tuple[str, ...]:
        """Return the names of the models that the server offers to this key."""
        return self._run(self.asynchronous.models(**options))

    def offers(self) -> tuple[Offer, ...]:
        """Return what the provider says about its models."""
        return self._run(self.asynchronous.offers())

    def balance(self) -> Balance | None:
        """Return what is left on the key."""
        return self._run(self.asynchronous.balance())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        future = self._thread.submit(work)
        try:
            return future.result()
        except BaseException:
            # Ctrl-C ends the work too, not the wait for it only.
            future.cancel()
            raise


async def _next(items: AsyncIterator[VideoJob]) -> VideoJob | None:
    return await anext(items, None)
