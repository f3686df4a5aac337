"""Fills the part file of a download from one address: continues it, or starts again."""

from __future__ import annotations

import asyncio
import base64
import binascii
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes, urlsplit

from ipyreel.client.http import Http
from ipyreel.client.part import Part, final_path, name_taken
from ipyreel.client.part_record import Source, content_range, is_empty_claim
from ipyreel.client.retry import DownloadPolicy, Pace, watched
from ipyreel.client.stream import Stream
from ipyreel.errors import DownloadError, TransportError
from ipyreel.wire.job_fields import read_envelope
from ipyreel.wire.media_types import SNIFFED, VIDEO_SUFFIXES, sniff
from ipyreel.wire.parse import retry_after
from ipyreel.wire.refusals import read_error
from ipyreel.wire.text import clean
from ipyreel.wire.urls import strip_query

BATCH = 2**20
"""Bytes gathered before they are written and hashed in a thread."""

REPORT_STEP = 2**16
"""Least bytes between two reports of progress."""

MAX_ENVELOPE = 2**20
"""The longest text, in bytes, that is read if a video was expected."""

OnProgress = Callable[[int, int | None], None]
"""Called with the bytes received and those of the whole file (None: not known)."""

OK, MULTIPLE_CHOICES = 200, 300

PARTIAL, UNSATISFIABLE = 206, 416

NOT_CONTINUED = frozenset({PARTIAL, 304, 400, 412, UNSATISFIABLE, 501})
"""Replies to the question for the rest after which the whole file is asked for."""

EXCERPT = 200


class NotVideo(DownloadError):
    """The reply was not a complete video; one may come later."""


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
        """Get the missing bytes from one address; return when the file is complete.

        A text that names another address is followed once. Raises `ProviderError`,
        `TransportError`, `NotVideo`, and `DownloadError` if the disk refuses.
        """
        onward = await self._watched(url)
        if onward is None:
            return
        whole = onward if onward.startswith("data:") else self.http.absolute(onward)
        if await self._watched(whole) is not None:
            raise NotVideo(f"{strip_query(url)} names an address that only names another one.")

    async def _watched(self, url: str) -> str | None:
        """Receive the reply of one address, unless it is too slow."""
        policy, timeouts = self.policy, self.http.timeouts
        host = urlsplit(url).hostname or "The server"
        self._pace = Pace(policy, timeouts, asyncio.get_running_loop().time, host)
        interval = min(timeouts.first_byte, timeouts.read, policy.rate_window, 4.0) / 4
        return await watched(self._ask(url), interval, self._pace.check)

    async def _ask(self, url: str) -> str | None:
        """Receive the reply of one address; return the URL if it only names one."""
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
                if stream.status_code not in NOT_CONTINUED:
                    return await self._start(url, stream)
        # There is nothing to continue, or the server continues with something else.
        async with self.http.stream(url) as stream:
            return await self._start(url, stream)

    def _resume_headers(self, url: str) -> dict[str, str]:
        part, source = self.part, self.part.source
        if source is None or source.validator is None:
            return {}
        if not 0 < part.size < (source.length or math.inf):
            return {}  # more bytes than were announced: no rest can make them right
        if source.address != strip_query(url):
            return {}
        return {"Range": f"bytes={part.size}-", "If-Range": source.validator}

    def _continues(self, stream: Stream) -> bool:
        """Return whether a reply continues our part exactly where it ends.

        Some servers ignore `If-Range` and send the rest of another file: the reply itself must
        contain the validator of our bytes.
        """
        source = self.part.source
        if source is None or stream.status_code != PARTIAL or stream.encoded:
            return False
        start, total = content_range(stream.headers)
        fits = start == self.part.size and (source.length is None or total in {None, source.length})
        return fits and source.is_confirmed_by(stream.headers)

    def _is_at_end(self, stream: Stream) -> bool:
        """Return whether the server says that our part is complete."""
        _, total = content_range(stream.headers)
        return stream.status_code == UNSATISFIABLE and total == self.part.size

    async def _start(self, url: str, stream: Stream) -> str | None:
        """Receive a whole reply from its first byte; return the URL if it only names one."""
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
        # Some servers send the whole file, or its beginning, as a 206 without a range request.
        length = stream.length if total is None or stream.encoded else total
        self._refuse_taken_name(media_type, length)
        await asyncio.to_thread(self._require_space, length)
        source = Source.of(url, stream.headers, length)
        await asyncio.to_thread(self.part.restart, source)
        await self._receive(stream, first)
        return None

    def _refuse_taken_name(self, media_type: str, length: int | None) -> None:
        """Stop before the download if the name has a file that cannot be this one."""
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
            hint="Its server may be faulty. The bytes received so far are kept.",
        )

    async def _open_envelope(self, stream: Stream, first: bytes) -> str:
        """Return the URL that a text names; raises `NotVideo` with the text if it names none."""
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
        """Append the body; what was received is kept even if it breaks off."""
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
                    # The next megabyte is received while this one is written and hashed.
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
        """Write a video that is part of the reply itself, as a `data:` URL."""
        head, _, text = url.partition(",")
        try:
            encoded = unquote_to_bytes(text)
            data = base64.b64decode(encoded) if head.endswith(";base64") else encoded
        except binascii.Error as error:
            raise NotVideo("The video in the reply is not complete.") from error
        if sniff(data[:SNIFFED]) not in VIDEO_SUFFIXES:
            raise NotVideo("The file in the reply is not a video.")
        self.part.restart(Source(address="data:", length=len(data)))
        self.part.write([data])
        self._report(len(data), last=True)


def _begin(work: Callable[[list[bytes]], None], pieces: list[bytes]) -> asyncio.Future[None]:
    return asyncio.get_running_loop().run_in_executor(None, work, pieces)


async def _end(work: asyncio.Future[None] | None) -> None:
    """Wait for the end of a thread's work, even if cancelled; raise what the work raised."""
    if work is None:
        return
    try:
        # Not awaited directly: our cancellation would cancel it, too, but a thread cannot stop.
        await asyncio.wait({work})
    except asyncio.CancelledError:
        await asyncio.wait({work})
        raise
    work.result()


def not_video(stream: Stream, body: bytes, *, now: float) -> NotVideo:
    """Describe what was sent instead of a video, with the server's message if there is one."""
    kind = stream.headers.get("content-type", "").partition(";")[0].strip() or "something"
    if not body:
        return NotVideo(f"{stream.host} sent an empty file instead of a video.")
    found = sniff(body)
    if found is not None:
        return NotVideo(f"{stream.host} sent {found} instead of a video.")
    if body.lstrip()[:1] not in {b"{", b"[", b"<"}:
        return NotVideo(f"{stream.host} sent {clean(kind, 60)} that is not a video.")
    message = read_error(stream.reply(body), now=now).message
    return NotVideo(f"{stream.host} sent a text instead of a video: {message[:EXCERPT]}")
