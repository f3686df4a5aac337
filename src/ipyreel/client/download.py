"""From a finished job to a file: tried where it may lie, resumed, checked, moved into place.

May import the rest of the client, `wire`, `values` and `errors`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ipyreel.client.fetch import Fetch, NotVideo, OnProgress
from ipyreel.client.http import Http, Refused
from ipyreel.client.mp4 import Container, read_container
from ipyreel.client.part import Part, Source, hash_file
from ipyreel.client.retry import RetryPolicy, backoff
from ipyreel.errors import DownloadError, JobNotFound, ProviderError, TransportError, VideoError
from ipyreel.values import VideoFile

Sleep = Callable[[float], Awaitable[object]]

Fate = Literal["again", "later", "never"]
"""Whether a place may be asked again soon, once the file is ready, or not at all."""

NOT_READY = frozenset({400, 404, 409, 423, 425})
"""What servers say at `/content` while a completed job's file is not there yet."""

PASSING = frozenset({408, 429})
LASTING = frozenset({501, 505})
"""5xx that will not pass: the route is not there."""

GONE, SERVER_ERROR = 410, 500

FIRST_LOOK, LONGEST_LOOK, SLOWER = 2.0, 15.0, 1.5
"""Seconds between two looks for a file that is not ready yet: at first, at most, growth."""

RESUME = "Resume goes on from there."
LOOK_AGAIN = "Some providers need longer, or keep files for a short time only; resume looks again."
EXPIRED = "The provider keeps files for a limited time; only a new job brings the video back."


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadPolicy:
    """How long a download goes on trying.

    `retry` is for cuts and overload, counted anew whenever more of the file is here than
    ever before; `not_ready` is the sum of the waits, in seconds, for a file that the server
    does not have yet.
    """

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    not_ready: float = 60.0


@dataclass(slots=True, kw_only=True)
class Download:
    """One download, used once: `await Download(...).run()`.

    `places` are URLs, the one to try first in front; the key goes to those of the API's own
    origin only. `sleep`, `clock` (seconds since the epoch) and `rng` are time and chance.
    """

    http: Http
    places: Sequence[str]
    target: Path
    sleep: Sleep
    clock: Callable[[], float]
    rng: Callable[[], float]
    patience: DownloadPolicy = field(default_factory=DownloadPolicy)
    on_progress: OnProgress | None = None

    _fetch: Fetch = field(init=False)
    _part: Part = field(init=False)
    _left: list[str] = field(init=False, default_factory=list)
    _errors: dict[str, VideoError] = field(init=False, default_factory=dict)
    _best: int = field(init=False, default=0)
    _failures: int = field(init=False, default=0)
    _looks: int = field(init=False, default=0)
    _waited: float = field(init=False, default=0.0)

    async def run(self) -> VideoFile:
        """Fetch, check and move the file, and return what is known of it.

        Raises `DownloadError` (its `path` says what was kept), `JobNotFound` when the file
        is gone or never came, or the `ProviderError` or `TransportError` that it came down
        to when nothing was received.
        """
        self._part = Part(self.target)
        self._fetch = Fetch(
            http=self.http, part=self._part, clock=self.clock, on_progress=self.on_progress
        )
        try:
            await asyncio.to_thread(self._part.open)
            self._best = self._part.size
            return await self._run()
        finally:
            # Not in a thread: a second cancellation would leave it open and locked.
            self._part.close()

    async def _run(self) -> VideoFile:
        for last in (False, True):
            if not self._part.is_complete:
                await self._gather()
            try:
                return await asyncio.to_thread(finish, self._part)
            except NotVideo:
                # The bytes stay for the person to look at; the next answer replaces them.
                await asyncio.to_thread(self._part.forget)
                self._best = 0
                if last:
                    raise
        raise AssertionError("unreachable")

    async def _gather(self) -> None:
        """Go round the places until every byte is here; raises what it came down to."""
        self._left = list(dict.fromkeys(self.places))
        while self._left:
            before = self._best
            fates: list[Fate] = []
            for place in tuple(self._left):
                try:
                    await self._fetch.take(place)
                except (TransportError, ProviderError, NotVideo) as error:
                    fates.append(self._note(place, error))
                else:
                    return
                if self._best > before:
                    # It flows from here: another place would begin from nothing.
                    self._failures = 0
                    break
            if self._left:
                await self._pause(overload="again" in fates)
        raise self._verdict()

    def _note(self, place: str, error: VideoError) -> Fate:
        """Remember why a place gave nothing, and strike it off when it never will."""
        fate = fate_of(error)
        self._errors[place] = error
        self._best = max(self._best, self._part.size)
        if fate == "never":
            self._left.remove(place)
        return fate

    async def _pause(self, *, overload: bool) -> None:
        """Wait before the next round; raises when the patience is used up."""
        told, retry = self._fetch.told, self.patience.retry
        if overload:
            self._failures += 1
            if self._failures >= retry.attempts:
                raise self._verdict()
            await self.sleep(backoff(self._failures, retry, self.rng, told=told))
            return
        left = self.patience.not_ready - self._waited
        if left <= 0:
            raise self._verdict()
        step = min(FIRST_LOOK * SLOWER ** min(self._looks, 64), LONGEST_LOOK)
        wait = min(max(told or step, 1.0), left)
        self._looks += 1
        self._waited += wait
        await self.sleep(wait)

    def _verdict(self) -> VideoError:
        """Return the error to end with: the most hopeful one, made to say what is kept."""
        hope: list[Fate] = ["again", "later", "never"]
        error = min(self._errors.values(), key=lambda one: hope.index(fate_of(one)))
        ending = _ending(error, self._part, self._waited)
        ending.__cause__ = error if ending is not error else error.__cause__
        return ending


def fate_of(error: VideoError) -> Fate:
    """Say whether the place that answered so is worth asking again (wire rules 13 and 16)."""
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
            f"there: {error.message}"
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
    """Look into a part that has all its bytes, and move it into place.

    Raises `NotVideo` for one that is no whole video, `DownloadError` where the disk refuses.
    """
    part.sync()
    facts = _facts(part)
    sha256, size = part.sha256, part.size
    final = part.publish(facts.media_type)
    return _video_file(final, facts, size=size, sha256=sha256)


def save(data: bytes, target: Path) -> VideoFile:
    """Write a whole video that is in memory already; raises as `finish` does."""
    part = Part(target)
    try:
        part.open()
        part.restart(Source(place="memory", length=len(data)))
        part.write([data])
        return finish(part)
    finally:
        part.close()


def _facts(part: Part) -> Container:
    """Look into the finished part; raises `NotVideo` for one that is not whole."""
    try:
        return read_container(part.path)
    except DownloadError as error:
        raise NotVideo(error.message, path=error.path) from error


def inspect_file(path: Path) -> VideoFile | None:
    """Return what is known of a finished file; None when it is no whole video."""
    try:
        facts = read_container(path)
        size, sha256 = hash_file(path)
    except (DownloadError, OSError):
        return None
    return _video_file(path, facts, size=size, sha256=sha256)


def _video_file(path: Path, facts: Container, *, size: int, sha256: str) -> VideoFile:
    return VideoFile(
        path=str(path),
        size=size,
        sha256=sha256,
        media_type=facts.media_type,
        width=facts.width,
        height=facts.height,
        seconds=facts.seconds,
    )
