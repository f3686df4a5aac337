"""Rendered videos: exact, repeatable, and starting from an input image."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from ipyreel.demo.art.picture import Picture
from ipyreel.demo.render import render, still

SMALL = {"seed": 1, "width": 128, "height": 96, "seconds": 0.5}


def film(path: Path, prompt: str = "a red balloon", **changes) -> Path:
    render(prompt, **{**SMALL, **changes}, path=path)
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.float32)


def frame(prompt: str, **changes) -> np.ndarray:
    size = {"seed": 1, "width": 160, "height": 96}
    return pixels(still(prompt, **{**size, **changes}, format="png"))


def picture_file(kind: str, size: tuple[int, int] = (200, 100)) -> bytes:
    """Left half red, right half blue, as a file of ``kind``."""
    image = Image.new("RGB", size, (200, 30, 30))
    image.paste((30, 40, 200), (size[0] // 2, 0, *size))
    target = io.BytesIO()
    image.save(target, kind)
    return target.getvalue()


@pytest.mark.parametrize(
    ("width", "height", "seconds", "frames"), [(128, 72, 1.0, 24), (72, 128, 0.5, 12)]
)
def test_a_film_is_exactly_what_was_asked(tmp_path, width, height, seconds, frames):
    path = film(tmp_path / "a.mp4", width=width, height=height, seconds=seconds)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height) == (width, height)
        assert container.duration == round(seconds * 1_000_000)
        assert float(stream.duration * stream.time_base) == seconds
        times = [shown.time for shown in container.decode(stream)]
    assert times == pytest.approx([index / 24 for index in range(frames)])


def test_the_index_stands_before_the_media(tmp_path):
    data = film(tmp_path / "a.mp4").read_bytes()
    assert data[4:8] == b"ftyp"
    assert 0 < data.find(b"moov") < data.find(b"mdat")


@pytest.mark.parametrize(
    "changes",
    [{"seed": 2}, {"prompt": "a red balloon!"}, {"seconds": 1.0}, {"image": picture_file("PNG")}],
)
def test_another_request_gives_other_bytes(tmp_path, changes):
    assert digest(film(tmp_path / "a.mp4")) != digest(film(tmp_path / "b.mp4", **changes))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_the_first_frame_is_the_input_image(tmp_path, kind):
    path = film(tmp_path / "a.mp4", image=picture_file(kind), seconds=2.0)
    with av.open(str(path)) as container:
        shown = [each.to_ndarray(format="rgb24") for each in container.decode(video=0)]
    first = shown[0].astype(np.float32)
    assert np.abs(first[:, :56].mean(axis=(0, 1)) - (200, 30, 30)).max() < 12
    assert np.abs(first[:, 72:].mean(axis=(0, 1)) - (30, 40, 200)).max() < 12
    assert np.abs(first[-20:, :56] - first[:20, :56]).mean() < 8  # no caption yet
    assert np.abs(shown[-1].astype(np.float32) - first).mean() > 3


@pytest.mark.parametrize("image", [b"", b"no image", picture_file("PNG")[:60]])
def test_what_is_no_image_is_refused(image):
    with pytest.raises(ValueError, match="input image cannot be read"):
        frame("x", image=image)


@pytest.mark.parametrize(("width", "height"), [(127, 96), (128, 95)])
def test_odd_sizes_are_refused(tmp_path, width, height):
    with pytest.raises(ValueError, match="even width and height"):
        film(tmp_path / "a.mp4", width=width, height=height)
    assert not (tmp_path / "a.mp4").exists()


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf")])
def test_a_length_must_be_positive(tmp_path, seconds):
    with pytest.raises(ValueError, match="seconds"):
        film(tmp_path / "a.mp4", seconds=seconds)


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        " \n\t",
        "一段 8 秒的产品演示动画",
        "🐶🏖️🌅 a dog",
        "word " * 2000,
        "x" * 10_000,
        "\x00\x07\ud800 control",
        "مرحبا بالعالم",
        "e\u0301\u200b\u202e",
    ],
)
def test_any_text_is_a_prompt(prompt):
    assert frame(prompt, width=256, height=144).shape == (144, 256, 3)


def test_frames_do_not_depend_on_the_order_in_which_they_are_asked_for():
    forth, back = (Picture("snow, dog", seed=3, size=(64, 64), seconds=2) for _ in range(2))
    there = [[np.asarray(plane) for plane in forth.at(t)] for t in (0.0, 0.5, 1.0)]
    again = [[np.asarray(plane) for plane in back.at(t)] for t in (1.0, 0.5, 0.0)][::-1]
    for one, other in zip(there, again, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("kind", "name"), [("webp", "WEBP"), ("jpeg", "JPEG"), ("png", "PNG")])
def test_a_still_is_a_frame_of_the_film(tmp_path, kind, name):
    data = still("a red balloon", seed=1, width=128, height=96, at=0.25, seconds=0.5, format=kind)
    assert Image.open(io.BytesIO(data)).format == name
    with av.open(str(film(tmp_path / "a.mp4"))) as container:
        shown = [each.to_ndarray(format="rgb24") for each in container.decode(video=0)]
    assert np.abs(pixels(data) - shown[6]).mean() < 6
