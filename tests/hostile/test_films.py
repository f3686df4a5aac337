"""Videos that claim to be longer or larger than they can be: a clear error, in bounded memory."""

from __future__ import annotations

import io
import itertools
import resource
import struct
import time
from importlib import resources

import pytest
from PIL import Image

from ipyreel import media
from ipyreel.errors import InvalidRequest

REAL = resources.files("ipyreel.demo").joinpath("stub.mp4").read_bytes()
"""64x64 pixels, one second, 24 frames."""


def long_video(seconds):
    """Return the video with headers that stretch its 24 frames over so many seconds."""
    data = bytearray(REAL)
    for box in (b"mdhd", b"mvhd"):
        at = data.index(box)
        data[at + 16 : at + 24] = struct.pack(">II", 1, seconds)
    at = data.index(b"stts")
    data[at + 16 : at + 20] = struct.pack(">I", seconds // 24)
    at = data.index(b"elst")
    data[at + 12 : at + 16] = struct.pack(">I", seconds)
    return bytes(data)


def golomb(value):
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


def wide_video(side):
    """Return the video with a sequence header that claims a size (H.264, 7.3.2.1.1)."""
    size = golomb(side // 16 - 1) * 2
    bits = f"{66:08b}{0:08b}{51:08b}" + golomb(0) * 2 + golomb(2) + golomb(1) + "0" + size + "11001"
    bits += "0" * (-len(bits) % 8)
    header = b"\x67" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    data = bytearray(REAL)
    at = data.index(b"avcC") + 4
    length = struct.unpack_from(">H", data, at + 6)[0]
    data[at + 8 : at + 8 + length] = header.ljust(length, b"\0")
    at = data.index(b"avc1", data.index(b"stsd"))
    data[at + 28 : at + 32] = struct.pack(">HH", side, side)
    return bytes(data)


WAYS = {
    "gif": lambda path: media.save_gif(path, path.with_suffix(".gif")),
    "gif at 50": lambda path: media.save_gif(path, path.with_suffix(".gif"), rate=50, width=9999),
    "sheet": media.contact_sheet,
    "poster": lambda path: media.save_poster(path, path.with_suffix(".webp")),
    "frame": lambda path: media.frame(path, 0.5),
    "last": media.last_frame,
}


def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("way", WAYS)
def test_frames_of_256_megapixels_are_refused(tmp_path, way):
    path = tmp_path / "wide.mp4"
    path.write_bytes(wide_video(16_000))
    before = memory()
    with pytest.raises(InvalidRequest, match=r"16000x16000 pixels; at most 40,000,000"):
        WAYS[way](path)
    assert memory() - before < 150 * 2**20
    assert [found for found in tmp_path.iterdir() if found.is_file()] == [path]


@pytest.mark.parametrize("way", WAYS)
def test_a_video_of_a_century_takes_no_longer_than_one_of_a_second(tmp_path, way):
    path = tmp_path / "long.mp4"
    path.write_bytes(long_video(4_000_000_000))
    before, began = memory(), time.process_time()
    if way.startswith("gif"):
        with pytest.raises(InvalidRequest, match=r"4e\+09 s long: a GIF of \d+ frames; at most"):
            WAYS[way](path)
        assert [found for found in tmp_path.iterdir() if found.is_file()] == [path]
    else:
        WAYS[way](path)
    assert time.process_time() - began < 10
    assert memory() - before < 150 * 2**20


@pytest.mark.parametrize("count", [0, 3001, 10**9])
def test_a_sheet_of_too_many_frames_is_refused(tmp_path, count):
    path = tmp_path / "real.mp4"
    path.write_bytes(REAL)
    with pytest.raises(InvalidRequest, match="is not possible"):
        media.contact_sheet(path, count)


def test_frames_that_are_too_much_together_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "real.mp4"
    path.write_bytes(REAL)
    monkeypatch.setattr(media, "MAX_SHEET", 9 * 64 * 64)
    assert media.contact_sheet(path).size == (192, 192)
    with pytest.raises(InvalidRequest, match=r"10 frames of .* have 40,960 pixels in all"):
        media.contact_sheet(path, 10)
    with pytest.raises(InvalidRequest, match="lower rate"):
        media.save_gif(path, tmp_path / "a.gif", rate=10)


def test_decoding_ends_when_it_takes_too_long(tmp_path, monkeypatch):
    path = tmp_path / "real.mp4"
    path.write_bytes(REAL)
    clock = itertools.count(0, 50)
    monkeypatch.setattr(media.time, "monotonic", lambda: float(next(clock)))
    with pytest.raises(InvalidRequest, match="more than 120 s to decode"):
        media.save_gif(path, tmp_path / "a.gif")


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "EPS", "ICO"])
def test_thumbnails_are_made_of_four_kinds_of_image_only(kind):
    target = io.BytesIO()
    Image.new("RGB", (64, 64)).save(target, kind)
    assert media.thumbnail(target.getvalue()) is None
