"""Frames, sheets, GIFs and posters of videos, and clear refusals."""

from __future__ import annotations

import functools
import io
import sys

import pytest
from PIL import Image, ImageChops, ImageStat

from ipyreel import media
from ipyreel.demo.render import render, still
from ipyreel.errors import InvalidRequest
from ipyreel.images import read_image
from ipyreel.notebook.handles.video import Video

SIZE = (160, 90)
SECONDS = 2.0
FILM = {"seed": 3, "width": SIZE[0], "height": SIZE[1], "seconds": SECONDS}
PROMPT = "a rocket over a stormy sea"


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    render(PROMPT, path=path, **FILM)
    return path


@functools.cache
def drawn(second):
    data = still(PROMPT, at=second, format="png", **FILM)
    return Image.open(io.BytesIO(data)).convert("RGB")


def apart(one, other):
    """Return how many of 255 two pictures differ by on average."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


@pytest.mark.parametrize("index", [0, 1, 24, 47])
def test_the_picture_at_a_moment_is_the_one_that_is_shown_then(film, index):
    for moment in (index / 24, (index + 0.4) / 24):
        found = media.frame(film, moment)
        near = {i: apart(found, drawn(i / 24)) for i in (0, 1, 11, 24, 30, 47)}
        assert min(near, key=near.get) == index
        assert near[index] < 6  # x264 blurs what moves


def test_the_last_picture_is_the_one_at_the_end(film):
    assert apart(media.last_frame(film), drawn(47 / 24)) < 6  # as above
    assert apart(media.last_frame(film), media.frame(film, SECONDS)) == 0


def test_length_and_rate(film):
    assert media.facts(film) == media.Facts(seconds=SECONDS, rate=24)


@pytest.mark.parametrize("second", [-0.1, 2.1, float("nan")])
def test_a_moment_outside_of_the_film_is_refused(film, second):
    with pytest.raises(InvalidRequest, match="0 to 2"):
        media.frame(film, second)


def test_a_contact_sheet_holds_pictures_in_their_order(film):
    sheet = media.contact_sheet(film, 5, columns=3, width=80)
    assert sheet.size == (3 * 80, 2 * 45)
    for number in range(5):
        row, column = divmod(number, 3)
        box = (80 * column, 45 * row, 80 * column + 80, 45 * row + 45)
        moments = [SECONDS * (one + 0.5) / 5 for one in range(5)]
        near = [apart(sheet.crop(box), drawn(one).resize((80, 45))) for one in moments]
        assert min(range(5), key=near.__getitem__) == number
        assert near[number] < 10  # the sheet is scaled from what x264 blurs
    assert sheet.getpixel((239, 89)) == (0, 0, 0)
    with pytest.raises(InvalidRequest):
        media.contact_sheet(film, 0)


def test_a_gif_plays_as_long_and_overwrites_nothing(film, tmp_path):
    path = Video(film).save_gif(tmp_path / "a.gif", rate=5, width=100)
    with Image.open(path) as gif:
        assert gif.size == (100, 56)
        assert gif.n_frames == 10
        assert gif.info["duration"] == 200
        assert gif.info["loop"] == 0
    assert [one.name for one in tmp_path.glob("*.gif*")] == ["a.gif"]
    with pytest.raises(InvalidRequest, match="exists"):
        media.save_gif(film, path)
    with pytest.raises(InvalidRequest, match="rate"):
        media.save_gif(film, tmp_path / "b.gif", rate=0)


def test_a_poster_is_small(film, tmp_path):
    path = media.save_poster(film, tmp_path / "posters" / "a.webp", width=96)
    with Image.open(path) as poster:
        assert poster.size == (96, 54)
        assert poster.format == "WEBP"
    assert path.stat().st_size < 8000


def test_a_video_gives_its_pictures(film):
    video = Video(film)
    assert video.frame(1).size == SIZE
    assert video.last_frame().size == SIZE
    assert video.contact_sheet(4, width=40).size == (80, 44)
    image = read_image(video)
    assert image.data.startswith(b"\x89PNG")


def test_what_is_no_video_is_refused(tmp_path):
    path = tmp_path / "no.mp4"
    path.write_bytes(b"<html>not here")
    with pytest.raises(InvalidRequest, match="cannot be read as a video"):
        media.last_frame(path)
    with pytest.raises(InvalidRequest, match="cannot be read as a video"):
        media.last_frame(tmp_path / "gone.mp4")


def test_without_the_extra_it_says_what_to_install(film, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InvalidRequest, match=r"ipyreel\[media\]"):
        media.last_frame(film)
