"""Detects the type of a file by its first bytes, and knows the suffixes of each type."""

from __future__ import annotations

SNIFFED = 64
"""How many bytes are enough for `sniff`."""

IMAGE_SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
"""The pictures that servers take and send."""

VIDEO_SUFFIXES = {
    "video/mp4": (".mp4", ".m4v", ".mov"),
    "video/quicktime": (".mov", ".mp4", ".m4v"),
    "video/webm": (".webm",),
    "video/x-msvideo": (".avi",),
}
"""Media type -> its file name suffixes, the preferred one first."""

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (8, b"AVI ", "video/x-msvideo"),
    (8, b"WEBP", "image/webp"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF8", "image/gif"),
)
_BRANDS = {b"qt  ": "video/quicktime", b"avif": "image/avif", b"heic": "image/heic"}


def sniff(first: bytes) -> str | None:
    """Return the media type by the first bytes (16 or more) of a file; None: not known.

    Known are MP4 and related formats, WebM, AVI, WebP, JPEG, PNG and GIF.
    """
    if first[4:8] == b"ftyp":
        return _BRANDS.get(first[8:12], "video/mp4")
    for start, mark, media_type in _MAGIC:
        in_riff = start == 0 or first[:4] == b"RIFF"
        if in_riff and first[start : start + len(mark)] == mark:
            return media_type
    return None
