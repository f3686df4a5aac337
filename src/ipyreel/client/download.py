"""Fetches a finished job's video: finds it, resumes it, checks it, moves it into place."""

from __future__ import annotations

import asyncio
import base64
import binascii
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote_to_bytes, urlsplit

from ipyreel.client.http import Http, Refused
from ipyreel.client.mp4 import read_container, video_file
from ipyreel.client.part import (
    Part,
    PartMemory,
    Source,
    content_range,
    final_path,
    is_empty_claim,
    name_taken,
)
from ipyreel.client.retry import RESUME, DownloadPolicy, Pace, Sleep, backoff, watched
from ipyreel.client.stream import Stream
from ipyreel.errors import (
    DownloadError,
    JobNotFound,
    ProviderError,
    TransportError,
    VideoError,
    WireError,
)
from ipyreel.values import VideoFile
from ipyreel.wire.job_fields import read_envelope
from ipyreel.wire.media_types import SNIFFED, VIDEO_SUFFIXES, sniff
from ipyreel.wire.parse import retry_after
from ipyreel.wire.refusals import read_error
from ipyreel.wire.text import clean
from ipyreel.wire.urls import strip_query

OnProgress = Callable[[int, int | None], None]
"""Called with the bytes that are here and those of the whole file (None: not known)."""

Outlook = Literal["again", "later", "never"]
"""Whether an address may be asked again soon, once the file is ready, or not at all."""

BATCH = 2**20
"""Bytes gathered before they are written and hashed in a thread."""

REPORT_STEP = 2**16
"""Bytes between two reports of progress, at least."""

MAX_ENVELOPE = 2**20
"""The longest text, in bytes, that is read where a video was expected."""

OK, MULTIPLE_CHOICES = 200, 300
PARTIAL, UNSATISFIABLE = 206, 416

NOT_READY = frozenset({400, 404, 409, 423, 425})
"""What servers say at `/content` while a completed job's file is not there yet."""

PASSING = frozenset({408, 429})
LASTING = frozenset({501, 505})
"""5xx that will not pass: the route is not there."""

GONE, SERVER_ERROR = 410, 500

FIRST_LOOK, LONGEST_LOOK, SLOWER = 2.0, 15.0, 1.5
"""Seconds between two looks for a file that is not ready yet: at first, at most, growth."""

MOST_RENEWALS = 3
"""How often a server is asked for new addresses after all it named were refused."""

EXCERPT = 200

LOOK_AGAIN = "Some providers need longer, or keep files for a short time only; resume looks again."
EXPIRED = "The provider keeps files for a limited time; only a new job brings the video back."


class NotVideo(DownloadError):
    """Something came, but no whole video; one may come later."""


@dataclass(slots=True, kw_only=True)
class Fetch:
    """Fills one part file from one address at a time.

    `retry_after` is the wait in seconds that the last refusal asked for; `clock` returns
    seconds since the epoch.
    """

    http: Http
    part: Part
    clock: Callable[[], float]
    policy: DownloadPolicy
    on_progress: OnProgress | None = None
    retry_after: float | None = None
    _reported: int = field(default=-REPORT_STEP)
    _pace: Pace = field(init=False)

    async def take(self, url: str) -> None:
        """Get from one address what is missing; returns when the last byte is here.

        A text that names another address is followed once. Raises `ProviderError`,
        `TransportError`, `NotVideo`, and `DownloadError` when the disk refuses.
        """
        onward = await self._watched(url)
        if onward is None:
            return
        whole = onward if onward.startswith("data:") else self.http.absolute(onward)
        if await self._watched(whole) is not None:
            raise NotVideo(f"{strip_query(url)} names an address that only names another one.")

    async def _watched(self, url: str) -> str | None:
        """Take the reply of one address, unless it comes too slowly."""
        policy, timeouts = self.policy, self.http.timeouts
        host = urlsplit(url).hostname or "The server"
        self._pace = Pace(policy, timeouts, asyncio.get_running_loop().time, host)
        interval = min(timeouts.first_byte, timeouts.read, policy.rate_window, 4.0) / 4
        return await watched(self._ask(url), interval, self._pace.check)

    async def _ask(self, url: str) -> str | None:
        """Take the reply of one address; returns the URL if it only names one."""
        self.retry_after = None
        if url.startswith("data:"):
            await asyncio.to_thread(self._unpack, url)
            return None
        wanted = self._resume_headers(url)
        if wanted:
            async with self.http.stream(url, headers=wanted) as stream:
                if self._continues(stream):
                    await self._receive(stream)
                    return None
                if self._is_at_end(stream):
                    return None
                if stream.status_code not in {PARTIAL, UNSATISFIABLE}:
                    return await self._start(url, stream)
        # Nothing to go on with, or a server that goes on with something else.
        async with self.http.stream(url) as stream:
            return await self._start(url, stream)

    def _resume_headers(self, url: str) -> dict[str, str]:
        part, source = self.part, self.part.source
        if source is None or source.validator is None or not part.size:
            return {}
        if source.address != strip_query(url):
            return {}
        return {"Range": f"bytes={part.size}-", "If-Range": source.validator}

    def _continues(self, stream: Stream) -> bool:
        """Tell whether a reply continues our part exactly where it ends.

        Some servers ignore `If-Range` and send the rest of another file: the reply has to name
        the validator of our bytes itself.
        """
        source = self.part.source
        if source is None or stream.status_code != PARTIAL or stream.encoded:
            return False
        start, total = content_range(stream.headers)
        fits = start == self.part.size and (source.length is None or total in {None, source.length})
        return fits and source.is_confirmed_by(stream.headers)

    def _is_at_end(self, stream: Stream) -> bool:
        """Tell whether the server says that our part is all there is."""
        _, total = content_range(stream.headers)
        return stream.status_code == UNSATISFIABLE and total == self.part.size

    async def _start(self, url: str, stream: Stream) -> str | None:
        """Take a whole reply from its first byte; returns the URL if it only names one."""
        start, total = content_range(stream.headers)
        if start:
            raise NotVideo(f"{stream.host} sent the file from byte {start} on, not all of it.")
        if not OK <= stream.status_code < MULTIPLE_CHOICES:
            self.retry_after = retry_after(stream.headers, now=self.clock())
            raise read_error(await stream.read(), now=self.clock())
        first = b""
        async for piece in stream.pieces:
            first += piece
            if len(first) >= SNIFFED:
                break
        media_type = sniff(first)
        if media_type not in VIDEO_SUFFIXES:
            return await self._open_envelope(stream, first)
        # Some servers send the whole file, or its beginning, as a 206 that nobody asked for.
        length = stream.length if total is None or stream.encoded else total
        self._refuse_taken_name(media_type, length)
        await asyncio.to_thread(self._require_space, length)
        source = Source.of(url, stream.headers, length)
        await asyncio.to_thread(self.part.restart, source)
        await self._receive(stream, first)
        return None

    def _refuse_taken_name(self, media_type: str, length: int | None) -> None:
        """Stop before the bytes come when the name has a file that cannot be this one."""
        final = final_path(self.part.target, media_type)
        if length is None or not final.exists() or is_empty_claim(final):
            return
        if final.stat().st_size != length:
            raise name_taken(final, kept=None)

    def _require_space(self, length: int | None) -> None:
        """Refuse a file that is too large, for the policy or for the disk."""
        if length is None:
            return
        if length > self.policy.max_bytes:
            raise self._too_large(length)
        free = shutil.disk_usage(self.part.target.parent).free
        if length > free + self.part.size:
            raise DownloadError(
                f"The video has {length / 1e6:.0f} MB, and {self.part.target.parent} has "
                f"{free / 1e6:.0f} MB of free space.",
                hint="Free some space, then resume.",
            )

    def _too_large(self, size: int) -> DownloadError:
        return DownloadError(
            f"The video has {size / 1e6:.0f} MB or more, and at most "
            f"{self.policy.max_bytes / 1e6:.0f} MB are accepted.",
            hint="Its server may be faulty. What came so far is kept.",
        )

    async def _open_envelope(self, stream: Stream, first: bytes) -> str:
        """Return the URL that a text names; raises `NotVideo` with what else it says."""
        body = bytearray(first)
        async for piece in stream.pieces:
            body += piece
            if len(body) > MAX_ENVELOPE:
                break
        url = read_envelope(bytes(body))
        if url is not None:
            return url
        raise not_video(stream, bytes(body), now=self.clock())

    async def _receive(self, stream: Stream, first: bytes = b"") -> None:
        """Append the body; what came is kept even when it breaks off."""
        here = self.part.size + len(first)
        batch, held = [first] if first else [], len(first)
        writing: asyncio.Future[None] | None = None
        self._pace.received(len(first))
        self._report(here)
        try:
            async for piece in stream.pieces:
                batch.append(piece)
                held += len(piece)
                here += len(piece)
                self._pace.received(len(piece))
                if here > self.policy.max_bytes:
                    raise self._too_large(here)
                if held >= BATCH:
                    # The next megabyte comes while this one is written and hashed.
                    await _end(writing)
                    writing, batch, held = _begin(self.part.write, batch), [], 0
                self._report(here)
        finally:
            await _end(writing)
            await _end(_begin(self.part.write, batch))
        self._check_length(stream)

    def _check_length(self, stream: Stream) -> None:
        part = self.part
        length = part.source.length if part.source else None
        self._report(part.size, last=True)
        if length is not None and part.size < length:
            raise TransportError(f"{stream.host} sent {part.size} of {length} bytes.", sent=True)
        if length is not None and part.size > length:
            raise NotVideo(f"{stream.host} sent {part.size} bytes instead of {length}.")

    def _report(self, here: int, *, last: bool = False) -> None:
        length = self.part.source.length if self.part.source else None
        step = max(REPORT_STEP, (length or 0) // 100)
        if self.on_progress is not None and (last or abs(here - self._reported) >= step):
            self._reported = here
            self.on_progress(here, length)

    def _unpack(self, url: str) -> None:
        """Write out a video that is part of the reply itself, as a `data:` URL."""
        head, _, text = url.partition(",")
        try:
            encoded = unquote_to_bytes(text)
            data = base64.b64decode(encoded) if head.endswith(";base64") else encoded
        except binascii.Error as error:
            raise NotVideo("The video in the reply is not whole.") from error
        if sniff(data[:SNIFFED]) not in VIDEO_SUFFIXES:
            raise NotVideo("What the reply holds is no video.")
        self.part.restart(Source(address="data:", length=len(data)))
        self.part.write([data])
        self._report(len(data), last=True)


def _begin(work: Callable[[list[bytes]], None], pieces: list[bytes]) -> asyncio.Future[None]:
    return asyncio.get_running_loop().run_in_executor(None, work, pieces)


async def _end(work: asyncio.Future[None] | None) -> None:
    """Wait for the end of a thread's work, also when cancelled meanwhile; raise what it raised."""
    if work is None:
        return
    try:
        # Not awaited itself: our cancellation would cancel it too, and a thread cannot stop.
        await asyncio.wait({work})
    except asyncio.CancelledError:
        await asyncio.wait({work})
        raise
    work.result()


@dataclass(slots=True, kw_only=True)
class Download:
    """One download, used once: `await Download(...).run()`.

    `urls` are tried in their order; the key goes to those of the API's own origin only.
    `sleep`, `clock` (seconds since the epoch) and `rng` are time and chance. `memory` keeps what
    a later download needs to go on. `refresh` asks the server for the addresses again: it
    may name them late, and signed ones expire.
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
        """Fetch, check and move the file, and return what is known of it.

        Raises `DownloadError` (its `path` says what was kept), `JobNotFound` when the file
        is gone or never came, or the `ProviderError` or `TransportError` that it came down
        to when nothing was received.
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
                # The bytes stay for the person to look at; the next reply replaces them.
                await asyncio.to_thread(self._part.forget)
                self._best = 0
                if last:
                    raise
        raise AssertionError("unreachable")

    async def _gather(self) -> None:
        """Try the addresses in turn until every byte is here; raises what it came down to."""
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
                    # This one sends: another would begin from nothing.
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
            # A server may sign a new address each time and refuse it each time.
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
        """Remember why an address gave nothing, and drop it when it never will."""
        outlook = outlook_of(error)
        self._errors[url] = error
        self._best = max(self._best, self._part.size)
        if outlook == "never":
            self._left.remove(url)
        return outlook

    async def _pause(self, *, overload: bool) -> None:
        """Wait before the next round; raises when the limit of attempts or time is reached."""
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
        """Return the error to end with: the most hopeful one, with what is kept."""
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
    """Return whether the address that replied so is worth asking again."""
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
    """Check a part that has all its bytes, and move it into place.

    Raises `NotVideo` for one that is no whole video, `DownloadError` where the disk refuses.
    """
    part.sync()
    try:
        facts = read_container(part.path)
    except DownloadError as error:
        raise NotVideo(error.message, path=error.path) from error
    sha256, size = part.sha256, part.size
    return video_file(part.publish(facts.media_type), facts, size=size, sha256=sha256)


def not_video(stream: Stream, body: bytes, *, now: float) -> NotVideo:
    """Describe what came instead of a video, with the server's sentence where there is one."""
    kind = stream.headers.get("content-type", "").partition(";")[0].strip() or "something"
    if not body:
        return NotVideo(f"{stream.host} sent an empty file instead of a video.")
    found = sniff(body)
    if found is not None:
        return NotVideo(f"{stream.host} sent {found} instead of a video.")
    if body.lstrip()[:1] not in {b"{", b"[", b"<"}:
        return NotVideo(f"{stream.host} sent {clean(kind, 60)} that is no video.")
    message = read_error(stream.reply(body), now=now).message
    return NotVideo(f"{stream.host} sent a text instead of a video: {message[:EXCERPT]}")
