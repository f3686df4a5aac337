"""Downloads a finished job's video: finds it, resumes it, checks it, moves it into place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ipyreel.client.fetch import Fetch, NotVideo, OnProgress
from ipyreel.client.http import Http, Refused
from ipyreel.client.mp4 import read_container, video_file
from ipyreel.client.part import Part
from ipyreel.client.part_record import PartMemory
from ipyreel.client.retry import RESUME, DownloadPolicy, Sleep, backoff, watched
from ipyreel.errors import (
    DownloadError,
    JobNotFound,
    ProviderError,
    TransportError,
    VideoError,
    WireError,
)
from ipyreel.values import VideoFile
from ipyreel.wire.urls import strip_query

Outlook = Literal["again", "later", "never"]
"""Whether to try an address again soon, once the file is ready, or not at all."""

NOT_READY = frozenset({400, 404, 409, 423, 425})
"""The status codes of `/content` while a completed job's file does not exist yet."""

PASSING = frozenset({408, 429})
LASTING = frozenset({501, 505})
"""5xx that are permanent: the route does not exist."""

GONE, SERVER_ERROR = 410, 500

FIRST_LOOK, LONGEST_LOOK, SLOWER = 2.0, 15.0, 1.5
"""Seconds between two requests for a file that is not ready yet: at first, at most, growth."""

MOST_RENEWALS = 3
"""How often a server is asked for new addresses after all of its addresses were refused."""


LOOK_AGAIN = "Some providers need longer, or keep files for a short time only; resume looks again."
EXPIRED = "The provider keeps files for a limited time; only a new job can make the video again."


@dataclass(slots=True, kw_only=True)
class Download:
    """One download, used once: `await Download(...).run()`.

    `urls` are tried in their order; the key goes to those of the API's own origin only.
    `sleep`, `clock` (seconds since the epoch) and `rng` are time and randomness. `memory` stores
    what a later download needs to continue. `refresh` asks the server for the addresses again:
    it may name them late, and signed ones expire.
    """

    http: Http
    urls: Sequence[str]
    target: Path
    sleep: Sleep
    clock: Callable[[], float]
    rng: Callable[[], float]
    memory: PartMemory
    refresh: Callable[[], Awaitable[Sequence[str]]]
    policy: DownloadPolicy = field(default_factory=DownloadPolicy)
    on_progress: OnProgress | None = None

    _fetch: Fetch = field(init=False)
    _part: Part = field(init=False)
    _left: list[str] = field(init=False, default_factory=list)
    _errors: dict[str, VideoError] = field(init=False, default_factory=dict)
    _best: int = field(init=False, default=0)
    _failures: int = field(init=False, default=0)
    _looks: int = field(init=False, default=0)
    _renewals: int = field(init=False, default=0)
    _waited: float = field(init=False, default=0.0)

    async def run(self) -> VideoFile:
        """Download, check and move the file, and return what is known about it.

        Raises `DownloadError` (its `path` says what was kept), `JobNotFound` if the file does
        not exist any more or never did, or the last `ProviderError` or `TransportError` if
        nothing was received.
        """
        self._part = Part(self.target, self.memory)
        self._fetch = Fetch(
            http=self.http,
            part=self._part,
            clock=self.clock,
            policy=self.policy,
            on_progress=self.on_progress,
        )
        try:
            await asyncio.to_thread(self._part.open)
            self._best = self._part.size
            return await watched(self._run(), self.policy.deadline, self._out_of_time)
        except DownloadError as error:
            error.path = error.path or (str(self._part.path) if self._part.size else None)
            raise
        finally:
            # Not in a thread: a second cancellation would leave it open and locked.
            self._part.close()

    def _out_of_time(self) -> DownloadError:
        hours = self.policy.deadline / 3600
        return DownloadError(f"The download took longer than {hours:g} h.", hint=RESUME)

    async def _run(self) -> VideoFile:
        for last in (False, True):
            if not self._part.is_complete:
                await self._gather()
            try:
                return await asyncio.to_thread(finish, self._part)
            except NotVideo:
                # The bytes are kept for inspection; the next reply replaces them.
                await asyncio.to_thread(self._part.forget)
                self._best = 0
                if last:
                    raise
        raise AssertionError("unreachable")

    async def _gather(self) -> None:
        """Try the addresses in turn until the file is complete; raises the final error."""
        self._left = list(dict.fromkeys(self.urls))
        while self._left:
            before = self._best
            outlooks: list[Outlook] = []
            for url in tuple(self._left):
                try:
                    await self._fetch.take(url)
                except (TransportError, ProviderError, NotVideo, WireError) as error:
                    outlooks.append(self._note(url, error))
                else:
                    return
                if self._best > before:
                    # This address sends data: another one would start from zero.
                    self._failures = 0
                    break
            overload = "again" in outlooks
            if self._left:
                await self._pause(overload=overload)
            if not (self._left and overload):
                await self._look_for_new_addresses()
        raise self._final_error()

    async def _look_for_new_addresses(self) -> None:
        if not self._left:
            # A server may sign a new address each time, and refuse it each time.
            self._renewals += 1
            if self._renewals > MOST_RENEWALS:
                return
        try:
            urls = await self.refresh()
        except VideoError:
            return
        new = [url for url in urls if url not in self._errors and url not in self._left]
        self._left = [*new, *self._left]

    def _note(self, url: str, error: VideoError) -> Outlook:
        """Remember why an address failed, and drop it if it will always fail."""
        outlook = outlook_of(error)
        self._errors[url] = error
        self._best = max(self._best, self._part.size)
        if outlook == "never":
            self._left.remove(url)
        return outlook

    async def _pause(self, *, overload: bool) -> None:
        """Wait before the next round; raises if the limit of attempts or time is reached."""
        wish, retry = self._fetch.retry_after, self.policy.retry
        if overload:
            self._failures += 1
            if self._failures >= retry.attempts:
                raise self._final_error()
            await self.sleep(backoff(self._failures, retry, self.rng, retry_after=wish))
            return
        left = self.policy.not_ready - self._waited
        if left <= 0:
            raise self._final_error()
        step = min(FIRST_LOOK * SLOWER ** min(self._looks, 64), LONGEST_LOOK)
        wait = min(max(step, wish or 0.0), left)
        self._looks += 1
        self._waited += wait
        await self.sleep(wait)

    def _final_error(self) -> VideoError:
        """Return the final error: the one most worth a retry, with what is kept."""
        hope: list[Outlook] = ["again", "later", "never"]
        error = min(self._errors.values(), key=lambda one: hope.index(outlook_of(one)))
        ending = _ending(error, self._part, self._waited)
        tried = [
            f"{strip_query(url)[:200]}: {one.message}"
            for url, one in self._errors.items()
            if one is not error and not url.startswith("data:")
        ]
        if tried:
            ending.message = f"{ending.message} Also tried: {' '.join(tried)}"
        ending.__cause__ = error if ending is not error else error.__cause__
        return ending


def outlook_of(error: VideoError) -> Outlook:
    """Return whether to try the address of such an error again."""
    if isinstance(error, NotVideo):
        return "later"
    if isinstance(error, Refused) or not isinstance(error, ProviderError):
        return "again" if isinstance(error, TransportError) else "never"
    if error.status_code in NOT_READY:
        return "later"
    broken = error.status_code >= SERVER_ERROR and error.status_code not in LASTING
    return "again" if broken or error.status_code in PASSING else "never"


def _ending(error: VideoError, part: Part, waited: float) -> VideoError:
    if isinstance(error, ProviderError) and error.status_code in NOT_READY | {GONE}:
        gone = error.status_code == GONE
        text = (
            f"The provider no longer keeps the file: {error.message}"
            if gone
            else f"The job is completed, but after {waited:.0f} s its file was still not "
            f"available: {error.message}"
        )
        return JobNotFound(
            text,
            status_code=error.status_code,
            code=error.code,
            request_id=error.request_id,
            hint=EXPIRED if gone else LOOK_AGAIN,
        )
    if part.size and isinstance(error, (TransportError, ProviderError)):
        length = part.source.length if part.source else None
        of = f" of {length}" if length else ""
        return DownloadError(
            f"The download broke off after {part.size}{of} bytes: {error.message}",
            path=str(part.path),
            hint=RESUME,
        )
    return error


def finish(part: Part) -> VideoFile:
    """Check a part that has all its bytes, and move it into place.

    Raises `NotVideo` if it is not a complete video, `DownloadError` if the disk refuses.
    """
    part.sync()
    try:
        facts = read_container(part.path)
    except DownloadError as error:
        raise NotVideo(error.message, path=error.path) from error
    sha256, size = part.sha256, part.size
    return video_file(part.publish(facts.media_type), facts, size=size, sha256=sha256)
