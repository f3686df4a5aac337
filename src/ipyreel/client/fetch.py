"""Getting a video's bytes from one place into the part file, and knowing one when it comes.

May import `http`, `flow`, `part` and `container` of the client, `wire`, `values` and `errors`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from ipyreel.client.addresses import bare
from ipyreel.client.flow import Flow
from ipyreel.client.http import Http
from ipyreel.client.mp4 import SNIFFED, VIDEO_TYPES
from ipyreel.client.part import Part, Source, content_range, final_path, taken
from ipyreel.client.stream import Stream
from ipyreel.errors import DownloadError, TransportError
from ipyreel.wire.reader import read_envelope, read_error, retry_after, sniff

OnProgress = Callable[[int, int | None], None]
"""Is told the bytes that are here and those of the whole file (None: not known)."""

STEP = 2**16
"""Bytes between two reports of progress, at least."""

MAX_ENVELOPE = 2**20
"""The longest text, in bytes, that is read where a video was expected."""

OK, MULTIPLE_CHOICES = 200, 300
PARTIAL, UNSATISFIABLE = 206, 416
SHOWN = 200


class NotVideo(DownloadError):
    """Something came, but no whole video; one may come later."""


@dataclass(slots=True, kw_only=True)
class Fetch:
    """Fills one part file. `told` is the wait in seconds that the last refusal asked for.

    `clock` returns seconds since the epoch.
    """

    http: Http
    part: Part
    clock: Callable[[], float]
    on_progress: OnProgress | None = None
    told: float | None = None
    _reported: int = field(default=-STEP)

    async def take(self, place: str) -> None:
        """Get from one place what is missing; returns when the last byte is here.

        A text that names another place is followed once. Raises `ProviderError`,
        `TransportError`, `NotVideo`, and `DownloadError` when the disk refuses.
        """
        onward = await self._ask(place)
        if onward is None:
            return
        whole = onward if onward.startswith("data:") else self.http.absolute(onward)
        if await self._ask(whole) is not None:
            raise NotVideo(f"{bare(place)} names a place that only names another place.")

    async def _ask(self, place: str) -> str | None:
        """Take the answer of one place; returns the URL if that is all there is in it."""
        self.told = None
        if place.startswith("data:"):
            await asyncio.to_thread(self._unpack, place)
            return None
        wanted = self._resume_headers(place)
        if wanted:
            async with self.http.stream(place, headers=wanted) as stream:
                if self._goes_on(stream):
                    await self._pour(stream, stream.pieces)
                    return None
                if self._is_at_end(stream):
                    return None
                if stream.status_code not in {PARTIAL, UNSATISFIABLE}:
                    return await self._start(place, stream)
        # Nothing to go on with, or a server that goes on with something else.
        async with self.http.stream(place) as stream:
            return await self._start(place, stream)

    def _resume_headers(self, place: str) -> dict[str, str]:
        part, source = self.part, self.part.source
        if source is None or source.validator is None or not part.size:
            return {}
        if source.place != bare(place):
            return {}
        return {"Range": f"bytes={part.size}-", "If-Range": source.validator}

    def _goes_on(self, stream: Stream) -> bool:
        """Tell whether an answer continues our part exactly where it ends."""
        start, total = content_range(stream.headers)
        known = self.part.source.length if self.part.source else None
        fits = start == self.part.size and (known is None or total in {None, known})
        return stream.status_code == PARTIAL and fits and not stream.encoded

    def _is_at_end(self, stream: Stream) -> bool:
        """Tell whether the server says that our part is all there is."""
        _, total = content_range(stream.headers)
        return stream.status_code == UNSATISFIABLE and total == self.part.size

    async def _start(self, place: str, stream: Stream) -> str | None:
        """Take a whole answer from its first byte; returns the URL if it only names one."""
        if not OK <= stream.status_code < MULTIPLE_CHOICES or stream.status_code == PARTIAL:
            self.told = retry_after(stream.headers, now=self.clock())
            raise read_error(await stream.read(), now=self.clock())
        pieces = stream.pieces
        first = b""
        async for piece in pieces:
            first += piece
            if len(first) >= SNIFFED:
                break
        media_type = sniff(first)
        if media_type not in VIDEO_TYPES:
            return await self._open_envelope(stream, first, pieces)
        length = _length(stream)
        self._refuse_taken(media_type, length)
        source = Source.of(place, stream.headers, length)
        await asyncio.to_thread(self.part.restart, source)
        await self._pour(stream, pieces, first)
        return None

    def _refuse_taken(self, media_type: str, length: int | None) -> None:
        """Stop before the bytes come when the name has a file that cannot be this one."""
        final = final_path(self.part.target, media_type)
        if length is not None and final.exists() and final.stat().st_size != length:
            raise taken(final, kept=None)

    async def _open_envelope(
        self, stream: Stream, first: bytes, pieces: AsyncIterator[bytes]
    ) -> str:
        """Return the URL that a text names; raises `NotVideo` with what else it says."""
        body = bytearray(first)
        async for piece in pieces:
            body += piece
            if len(body) > MAX_ENVELOPE:
                break
        url = read_envelope(bytes(body))
        if url is not None:
            return url
        raise not_video(stream, bytes(body), now=self.clock())

    async def _pour(self, stream: Stream, pieces: AsyncIterator[bytes], first: bytes = b"") -> None:
        """Write the body behind what is there; what came is kept even when it breaks off."""
        here = self.part.size + len(first)
        flow = Flow(self.part)
        self._report(here)
        try:
            await flow.put(first)
            async for piece in pieces:
                here += len(piece)
                await flow.put(piece)
                self._report(here)
        finally:
            await flow.drain()
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
        step = max(STEP, (length or 0) // 100)
        if self.on_progress is not None and (last or abs(here - self._reported) >= step):
            self._reported = here
            self.on_progress(here, length)

    def _unpack(self, place: str) -> None:
        """Write out a video that stands in the answer itself, as a `data:` URL."""
        head, _, text = place.partition(",")
        try:
            encoded = unquote_to_bytes(text)
            data = base64.b64decode(encoded) if head.endswith(";base64") else encoded
        except binascii.Error as error:
            raise NotVideo("The video in the answer is not whole.") from error
        if sniff(data[:SNIFFED]) not in VIDEO_TYPES:
            raise NotVideo("What the answer holds is no video.")
        self.part.restart(Source(place="data:", length=len(data)))
        self.part.write([data])
        self._report(len(data), last=True)


def not_video(stream: Stream, body: bytes, *, now: float) -> NotVideo:
    """Say what came instead of a video, with the server's sentence where there is one."""
    kind = stream.headers.get("content-type", "").partition(";")[0].strip() or "something"
    if not body:
        return NotVideo(f"{stream.host} sent an empty file instead of a video.")
    found = sniff(body)
    if found is not None:
        return NotVideo(f"{stream.host} sent {found} instead of a video.")
    if body.lstrip()[:1] not in {b"{", b"[", b"<"}:
        return NotVideo(f"{stream.host} sent {kind} that is no video (it begins {body[:12]!r}).")
    said = read_error(stream.reply(body), now=now).message
    return NotVideo(f"{stream.host} sent a text instead of a video: {said[:SHOWN]}")


def _length(stream: Stream) -> int | None:
    """Return the bytes a whole answer has, None when it does not say or is compressed."""
    text = stream.headers.get("content-length", "")
    return int(text) if text.isdigit() and not stream.encoded else None
