"""Checks that a file is a complete video, and reads its size and length from the container.

Walks the boxes of an MP4 (ISO/IEC 14496-12) without reading its pictures, so that memory and
time do not grow with the file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ipyreel.client.part import hash_file
from ipyreel.errors import DownloadError
from ipyreel.values import VideoFile
from ipyreel.wire.media_types import SNIFFED, VIDEO_SUFFIXES, sniff

NOT_WALKED = frozenset({"video/webm", "video/x-msvideo"})
"""Types for which only the first bytes are checked."""

HEADER = 8
SMALLEST_TKHD = 84
MOST_BOXES = 100_000
"""Most boxes to walk in one file; a fragmented video has a few for each fragment."""

SHORT = 128
"""Most bytes of a box to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A video file's metadata; pixels and seconds, None if the file does not have them."""

    media_type: str
    width: int | None = None
    height: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its four-letter type, and where its content begins and ends in the file."""

    kind: bytes
    start: int
    end: int


class _Broken(Exception):
    """The file is not valid; the text says why."""


def read_container(path: Path) -> Container:
    """Check that a file is a complete video and return its metadata.

    MP4s are walked box by box; for WebM and AVI only the first bytes are checked. Raises
    `DownloadError` if the file is truncated, is not a video or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except _Broken as error:
        raise DownloadError(
            f"{path.name} is not a whole video: {error}.", path=str(path)
        ) from error
    except OSError as error:
        raise DownloadError(
            f"{path} could not be read: {error.strerror or error}.", path=str(path)
        ) from error


def _read(file: BinaryIO) -> Container:
    media_type = sniff(file.read(SNIFFED))
    if media_type is None or media_type not in VIDEO_SUFFIXES:
        raise _Broken("it is not a video")
    if media_type in NOT_WALKED:
        return Container(media_type=media_type)
    return _read_mp4(file, media_type)


def _read_mp4(file: BinaryIO, media_type: str) -> Container:
    left = iter(range(MOST_BOXES))
    found = _boxes(file, 0, os.fstat(file.fileno()).st_size, left)
    # An encoder that failed leaves an mdat box with nothing in it.
    boxes = {box.kind: box for box in found if box.kind != b"mdat" or box.end > box.start}
    if b"mdat" not in boxes:
        raise _Broken("it has no pictures (no mdat box, or an empty one)")
    if b"moov" not in boxes:
        raise _Broken("its table of contents is missing (no moov box)")
    width = height = None
    seconds = None
    for box in _boxes(file, boxes[b"moov"].start, boxes[b"moov"].end, left):
        if box.kind == b"mvhd":
            seconds = _duration(_content(file, box))
        elif box.kind == b"trak":
            width, height = max((width or 0, height or 0), _track_size(file, box, left))
    return Container(
        media_type=media_type, width=width or None, height=height or None, seconds=seconds
    )


def _boxes(file: BinaryIO, start: int, end: int, left: Iterator[int]) -> Iterator[Box]:
    """Yield the boxes between two offsets; each consumes one item of `left`.

    Raises `_Broken` if the sizes do not add up, or nothing is left.
    """
    # Fewer than eight bytes, or zeros, after the last box are padding that players skip.
    while end - start >= HEADER:
        if next(left, None) is None:
            raise _Broken(f"it has more than {MOST_BOXES} boxes")
        file.seek(start)
        size, kind = struct.unpack(">I4s", _exactly(file, HEADER))
        content = start + HEADER
        if size == 0 and kind == bytes(4):
            return
        if size == 1:
            (size,) = struct.unpack(">Q", _exactly(file, 8))
            content += 8
        stop = end if size == 0 else start + size
        if stop < content or stop > end:
            name = kind.decode("ascii", "replace")
            missing = f", {stop - end} bytes are missing" if stop > end else ""
            raise _Broken(f"its {name!r} box does not fit{missing}")
        yield Box(kind, content, stop)
        start = stop


def _content(file: BinaryIO, box: Box) -> bytes:
    file.seek(box.start)
    return file.read(min(box.end - box.start, SHORT))


def _exactly(file: BinaryIO, count: int) -> bytes:
    found = file.read(count)
    if len(found) < count:
        raise _Broken("it ends inside the header of a box")
    return found


def _duration(mvhd: bytes) -> float | None:
    """Return the seconds in an `mvhd` box; None if unknown (0 or all ones)."""
    shape = ">20xIQ" if mvhd[:1] == b"\x01" else ">12xII"
    if len(mvhd) < struct.calcsize(shape):
        return None
    scale, length = struct.unpack_from(shape, mvhd)
    unknown = length in {0, 2**32 - 1, 2**64 - 1}
    return None if unknown or not scale else float(length / scale)


def _track_size(file: BinaryIO, trak: Box, left: Iterator[int]) -> tuple[int, int]:
    """Return width and height of a track in pixels; 0, 0 for sound."""
    for box in _boxes(file, trak.start, trak.end, left):
        if box.kind == b"tkhd" and box.end - box.start >= SMALLEST_TKHD:
            # The last eight bytes, as 16.16 fixed point numbers.
            width, height = struct.unpack(">II", _content(file, box)[-8:])
            return width >> 16, height >> 16
    return 0, 0


def inspect_file(path: Path) -> VideoFile | None:
    """Return the facts of a finished file; None if it is not a complete video."""
    try:
        facts = read_container(path)
        size, sha256 = hash_file(path)
    except (DownloadError, OSError):
        return None
    return video_file(path, facts, size=size, sha256=sha256)


def video_file(path: Path, facts: Container, *, size: int, sha256: str) -> VideoFile:
    """Return the facts of a finished file."""
    return VideoFile(
        path=str(path),
        size=size,
        sha256=sha256,
        media_type=facts.media_type,
        width=facts.width,
        height=facts.height,
        seconds=facts.seconds,
    )
