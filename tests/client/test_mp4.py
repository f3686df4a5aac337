"""Complete videos are recognised and read; anything else is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipyreel.client.mp4 import inspect_file, read_container
from ipyreel.errors import DownloadError
from tests.client.support.films import FTYP, JPEG, box, mp4, mvhd, trak


@pytest.fixture
def look(tmp_path):
    def look(data):
        path = tmp_path / "film.mp4"
        path.write_bytes(data)
        return read_container(path)

    return look


def test_an_mp4_says_its_size_and_length(look):
    facts = look(mp4(b"x" * 1000, width=1280, height=720, seconds=8))
    assert (facts.media_type, facts.width, facts.height) == ("video/mp4", 1280, 720)
    assert facts.seconds == 8.0


def test_long_boxes_and_a_last_box_without_a_length(look):
    moov = box(b"moov", mvhd(2), trak(16, 16))
    long = b"\x00\x00\x00\x01mdat" + (16 + 5).to_bytes(8, "big") + b"12345"
    assert look(FTYP + long + moov).seconds == 2
    assert look(FTYP + moov + b"\x00\x00\x00\x00mdat" + b"1234567890").width == 16


def test_version_1_of_the_header(look):
    header = b"\x01" + bytes(19) + (600).to_bytes(4, "big") + (1500).to_bytes(8, "big")
    film = FTYP + box(b"moov", box(b"mvhd", header, bytes(80))) + box(b"mdat", b"x")
    assert look(film).seconds == 2.5


@pytest.mark.parametrize("seconds_field", [0, 2**32 - 1])
def test_an_unknown_length_is_none(look, seconds_field):
    header = bytes(12) + (1000).to_bytes(4, "big") + seconds_field.to_bytes(4, "big") + bytes(80)
    film = FTYP + box(b"moov", box(b"mvhd", header)) + box(b"mdat", b"x")
    facts = look(film)
    assert (facts.seconds, facts.width, facts.height) == (None, None, None)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a video"),
        (JPEG, "not a video"),
        (b'{"error": "no"}', "not a video"),
        (FTYP, "no pictures"),
        (FTYP + box(b"mdat", b"xyz"), "no moov"),
        (FTYP + box(b"moov", mvhd(1)), "no pictures"),
        (mp4(b""), "no pictures"),
        (mp4(b"x" * 1000)[:-1], "1 bytes are missing"),
        (FTYP + b"\x00\x00\x00\x04mdat" + bytes(9), "does not fit"),
        (FTYP + b"\x00\x00\x00\x01mdat\x00", "ends inside the header"),
        (mp4()[: len(FTYP) + 20], "does not fit"),
        (
            FTYP + box(b"mdat", b"x") + box(b"moov", box(b"trak", box(b"free") * 100_000)),
            "100000 b",
        ),
    ],
)
def test_what_is_not_whole_is_refused(look, tmp_path, data, words):
    with pytest.raises(DownloadError, match=words) as caught:
        look(data)
    assert caught.value.path == str(tmp_path / "film.mp4")
    assert inspect_file(tmp_path / "film.mp4") is None


def test_every_shorter_file_is_refused(look):
    film = mp4(b"y" * 64)
    for length in range(len(film)):
        with pytest.raises(DownloadError):
            look(film[:length])


@given(st.binary(max_size=300), st.integers(0, 200))
def test_any_bytes_are_read_or_refused(tmp_path_factory, noise, place):
    film = mp4(b"z" * 20)
    path = tmp_path_factory.getbasetemp() / "noise.mp4"
    path.write_bytes(film[:place] + noise + film[place:])
    with contextlib.suppress(DownloadError):
        read_container(path)


def test_a_missing_file_is_said_to_be(tmp_path):
    with pytest.raises(DownloadError, match="could not be read: No such file"):
        read_container(tmp_path / "none.mp4")
    assert inspect_file(tmp_path / "none.mp4") is None


def test_a_finished_file_is_inspected(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(mp4(b"abc"))
    found = inspect_file(path)
    assert (found.path, found.size, found.width) == (str(path), len(mp4(b"abc")), 640)
