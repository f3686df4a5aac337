"""Input images of every kind, in the form and size that the server requires."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image as Pillow

from ipyreel.catalog import Catalog, KeyRing
from ipyreel.demo.render import render
from ipyreel.errors import InvalidRequest
from ipyreel.images import fit_image, read_image
from ipyreel.notebook.handles.video import Video
from ipyreel.plan import Planner
from ipyreel.settings import Settings
from ipyreel.values import Image, VideoRequest
from tests.dialects.ask import FAKES
from tests.dialects.fakes.base import FILM, KEY, START

BY_NAME = {make.name: make for make in FAKES}


def picture(width, height, kind="PNG", **options):
    data = io.BytesIO()
    Pillow.new("RGB", (width, height), "teal").save(data, kind, **options)
    return data.getvalue()


def size_of(image):
    with Pillow.open(io.BytesIO(image.data)) as opened:
        return opened.size, opened.format


def plan(provider, tmp_path, **asked):
    environ = {"APIYI_API_KEY": KEY, "OPENAI_BASE_URL": "https://h.invalid/v1"}
    settings = Settings.load(environ, tmp_path).with_values("option", provider=provider)
    planner = Planner(settings=settings, catalog=Catalog.load(), keys=KeyRing(environ))
    request = VideoRequest(**{"prompt": "it moves", **asked})
    return planner.plan(request, folder=tmp_path, now=0)


@pytest.mark.parametrize(
    ("width", "height", "sentence"),
    [
        (1280, 720, None),
        (800, 600, "The image was cropped from 800x600 to 1280x720."),
        (640, 360, "The image was scaled from 640x360 to 1280x720."),
        (100, 2000, "The image was cropped from 100x2000 to 1280x720."),
    ],
)
def test_an_image_is_made_as_large_as_the_video(width, height, sentence):
    given = read_image(picture(width, height))
    fitted, said = fit_image(given, "1280x720")
    assert said == sentence
    assert (fitted is given) == (sentence is None)
    assert size_of(fitted) == ((1280, 720), "PNG")


def test_a_photograph_stays_one_and_is_turned_upright():
    exif = Pillow.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn by a quarter
    given = read_image(picture(1280, 720, "JPEG", exif=exif))
    fitted, said = fit_image(given, "720x1280")
    assert said == "The image was scaled from 720x1280 to 720x1280."
    assert size_of(fitted) == ((720, 1280), "JPEG")
    assert (fitted.media_type, fitted.filename) == ("image/jpeg", "image.jpg")
    webp, _ = fit_image(read_image(picture(8, 8, "WEBP")), "720x1280")
    assert (webp.media_type, webp.filename) == ("image/png", "image.png")


def test_the_middle_is_what_is_kept():
    wide = np.zeros((100, 400, 3), np.uint8)
    wide[:, 150:250] = 255
    fitted, _ = fit_image(read_image(wide), "64x64")
    with Pillow.open(io.BytesIO(fitted.data)) as opened:
        assert opened.getpixel((32, 32)) == (255, 255, 255)
        assert opened.getpixel((3, 32)) == (255, 255, 255)


@pytest.mark.parametrize("provider", ["openai", "apiyi"])
def test_sora_gets_the_size_it_demands_and_the_plan_says_so(tmp_path, provider):
    image = read_image(picture(800, 600))
    made = plan(provider, tmp_path, model="sora-2", size="1280x720", images=(image,))
    assert size_of(made.job.request.images[0])[0] == (1280, 720)
    assert "The image was cropped from 800x600 to 1280x720." in made.warnings
    # Nothing was asked for, so the server takes its own size.
    made = plan(provider, tmp_path, model="sora-2", images=(image,))
    assert "The image was cropped from 800x600 to 720x1280." in made.warnings


def test_others_get_the_image_as_it_is(tmp_path):
    image = read_image(picture(800, 600))
    for asked in ({"model": "demo-1"}, {"model": "unknown", "size": "1280x720"}):
        made = plan("demo", tmp_path, images=(image,), **asked)
        assert made.job.request.images == (image,)
        assert not [text for text in made.warnings if "image" in text]


def test_without_pillow_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    image = Image(source="a.png", data=START)
    with pytest.raises(InvalidRequest, match="Pillow") as caught:
        fit_image(image, "720x1280")
    assert caught.value.hint == 'pip install "ipyreel[media]"'
    with pytest.raises(InvalidRequest, match="Pillow") as caught:
        read_image(np.zeros((8, 8)))
    assert 'pip install "ipyreel[media]"' in str(caught.value)


def test_pixels_that_cannot_be_read_are_refused():
    with pytest.raises(InvalidRequest, match=r"cut\.png is damaged: its pixels cannot be read"):
        fit_image(Image(source="cut.png", data=START[:60]), "64x64")


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.mp4"
    render("a red balloon", seed=1, width=64, height=48, seconds=1.0, path=path)
    return path


def test_the_last_frame_of_a_video(film):
    image = read_image(Video(film))
    assert (image.source, image.media_type) == ("last frame", "image/png")
    assert size_of(image)[0] == (64, 48)


def test_the_last_frame_of_what_is_no_video(tmp_path):
    path = tmp_path / "none.mp4"
    with pytest.raises(InvalidRequest, match="cannot be read as a video"):
        Video(path).last_frame()
    path.write_bytes(FILM)
    with pytest.raises(InvalidRequest, match="cannot be read as a video"):
        Video(path).last_frame()


def test_without_pyav_there_is_no_last_frame(monkeypatch, film):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InvalidRequest, match="PyAV") as caught:
        read_image(Video(film))
    assert caught.value.hint == 'pip install "ipyreel[media]"'


GIVEN = {
    "a path": "start.png",
    "bytes": START,
    "PIL": Pillow.open(io.BytesIO(START)),
    "numpy": np.zeros((720, 1280), np.uint8),
    "floats": np.zeros((720, 1280, 3)),
    "too small": Pillow.new("RGB", (640, 480)),
}


def test_whatever_a_person_holds_comes_to_the_server_as_a_file(stage, load, monkeypatch, tmp_path):
    fake = stage.play(BY_NAME["apiyi"]())
    monkeypatch.setenv("APIYI_API_KEY", KEY)
    reel = load(f'[providers.apiyi]\nbase_url = "{fake.url}"\n')
    (tmp_path / "work" / "start.png").write_bytes(START)
    for what, given in GIVEN.items():
        fake.seen.clear()
        reel.user_ns["given"] = given
        line = "%%video -w --size 1280x720 -i " + ("start.png" if what == "a path" else "$given")
        job = reel.run_cell(f"{line}\nIt moves").result
        assert job.status == "completed", (what, job.error)
        assert b'filename="' in fake.seen[0].raw, what


def test_a_clip_goes_on_from_the_last_frame_of_another(stage, load, monkeypatch, film):
    fake = stage.play(BY_NAME["apiyi"]())
    monkeypatch.setenv("APIYI_API_KEY", KEY)
    reel = load(f'[providers.apiyi]\nbase_url = "{fake.url}"\n')
    monkeypatch.setattr("tests.dialects.fakes.base.FILM", film.read_bytes())
    reel.run_cell("%%video clip -w --size 1280x720\nA boat")
    job = reel.run_cell("%%video -w --size 1280x720 -i $clip\nIt goes on").result
    assert job.status == "completed", job.error
    assert (job.request.images[0].source, len(fake.jobs)) == ("$clip", 2)
