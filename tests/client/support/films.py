"""Small videos made by hand, and bytes that only look like videos."""

from __future__ import annotations

import struct


def box(kind, *contents):
    body = b"".join(contents)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def mvhd(seconds, scale=1000):
    return box(b"mvhd", bytes(12), struct.pack(">II", scale, int(seconds * scale)), bytes(80))


def trak(width, height):
    return box(b"trak", box(b"tkhd", bytes(76), struct.pack(">II", width << 16, height << 16)))


FTYP = box(b"ftyp", b"isom", bytes(4), b"isomiso2avc1mp41")


def mp4(payload=b"pictures", *, width=640, height=360, seconds=4.0):
    """Return a whole MP4 whose pictures are `payload`."""
    moov = box(b"moov", mvhd(seconds), trak(0, 0), trak(width, height))
    return FTYP + moov + box(b"mdat", payload)


WEBM = b"\x1aE\xdf\xa3" + bytes(100)
AVI = b"RIFF" + struct.pack("<I", 100) + b"AVI " + bytes(92)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
JPEG = b"\xff\xd8\xff\xe0" + bytes(60)
