"""The demo's pictures: what they show of a prompt, and what they must not show."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image, ImageFont

from ipyreel.demo.art.canvas import Canvas, doubled, sprite_of
from ipyreel.demo.art.caption import _readable, caption, missing_scripts
from ipyreel.demo.art.figures import ROLES
from ipyreel.demo.art.picture import PLACES
from ipyreel.demo.art.words import _flat, _named, read_scene, tables
from ipyreel.demo.render import still


def frame(prompt: str, **changes) -> np.ndarray:
    size = {"seed": 1, "width": 160, "height": 96, "at": 1.0, **changes}
    data = still(prompt, **size, format="png")
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.float32)


RETRIEVER = ("beach", "sunset", ("dog",), ())
GARDEN = ("garden", "day", ("koi",), ())


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ("A golden retriever running on the beach at sunset, slow motion", RETRIEVER),
        ("日落时分海滩上的金毛犬", RETRIEVER),
        ("koi in a Japanese garden", GARDEN),
        ("cá koi trong vườn", GARDEN),
        ("雨夜的城市街道", ("city", "night", (), ("rain",))),
        ("northern lights over snowy mountains", ("mountain", "night", (), ("aurora",))),
        ("cực quang", ("mountain", "night", (), ("aurora",))),
        ("一个红色的气球", ("meadow", "day", ("balloon",), ())),
        ("hot-air balloons", ("meadow", "day", ("hot_air_balloon", "balloon"), ())),
        ("热气球", ("meadow", "day", ("hot_air_balloon", "balloon"), ())),
        ("khinh khí cầu", ("meadow", "day", ("hot_air_balloon",), ())),
        ("A sailing boat", ("sea", "golden", ("boat",), ())),
        ("ngọn hải đăng trong cơn bão", ("sea", "storm", ("lighthouse",), ("rain",))),
        ("a pine forest", ("forest", "golden", (), ())),
        ("a dog in the snow", ("mountain", "snow", ("dog",), ("snow",))),
        ("tuyết rơi", ("mountain", "snow", (), ("snow",))),
        ("群山", ("mountain", "day", (), ())),
        ("a nebula in outer space", ("space", "day", (), ())),
        ("篝火", ("forest", "night", ("campfire",), ())),
    ],
)
def test_the_dozen_is_known_in_three_languages(prompt, wanted):
    scene = read_scene(prompt)
    assert (scene.place, scene.hour, scene.subjects, scene.air) == wanted


@pytest.mark.parametrize(
    "prompt",
    [
        "students watch a lecture",
        "A person types on a smartphone",
        "马路上的汽车",
        "一张海报",
        "biển báo giao thông",
        "a hot dog",
        "an office space",
        "she waves goodbye",
        "the carpet scares the catalogue",
        "no dogs, without boats",
        "một con mèo",
        "",
    ],
)
def test_what_is_not_known_becomes_an_abstract_picture(prompt):
    scene = read_scene(prompt)
    assert (scene.place, scene.subjects) == ("abstract", ())


@pytest.mark.parametrize(
    ("prompt", "place"),
    [
        ("a beach without people", "beach"),
        ("a beach without a dog", "beach"),
        ("bãi biển không có chó", "beach"),
        ("没有狗的海滩", "beach"),
        ("no boats on the sea", "sea"),
    ],
)
def test_what_is_said_not_to_be_there_is_not_there(prompt, place):
    scene = read_scene(prompt)
    assert (scene.place, scene.subjects) == (place, ())


def test_an_abstract_picture_says_so_and_another_does_not(monkeypatch):
    written = []
    monkeypatch.setattr(
        "ipyreel.demo.art.picture.caption",
        lambda text, *size, mark: written.append((text, mark)) or caption(text, *size, mark=mark),
    )
    frame("students watch a lecture")
    frame("a campfire")
    frame("students watch a lecture", image=picture_of((64, 64)))
    frame("students watch a lecture", captioned=False)  # nothing that tells of the prompt
    assert [mark.startswith("abstract") for _, mark in written] == [True, False, False, False]
    assert all("no AI model made this" in mark for _, mark in written)
    assert [bool(text) for text, _ in written] == [True, True, True, False]


def picture_of(size):
    target = io.BytesIO()
    Image.new("RGB", size, "teal").save(target, "PNG")
    return target.getvalue()


@pytest.mark.parametrize("rest", ["", " mood"])
def test_an_abstract_picture_has_the_colour_that_is_named(rest):
    red, blue = frame("red" + rest), frame("màu xanh dương" + rest)
    assert red[..., 0].mean() > red[..., 2].mean() + 20
    assert blue[..., 2].mean() > blue[..., 0].mean() + 20


def test_words_are_taken_in_either_unicode_form():
    composed = read_scene("hải đăng")
    assert read_scene("ha\u0309i đa\u0306ng").subjects == composed.subjects == ("lighthouse",)


def test_every_row_of_words_is_found_by_each_of_its_words():
    for table in ("subjects", "places", "air", "hours", "styles", "tempi", "colours", "moods"):
        for name, words in tables()[table].items():
            for word in words.split(", "):
                text = _flat(word)
                assert name in _named(text, table), (table, name, word)


def test_the_tables_fit_each_other_and_the_pictures():
    found = tables()
    assert set(PLACES) == {*found["places"], "abstract"}
    assert {*found["subjects"]} - {"campfire"} == set(ROLES)
    assert {*found["homes"]} == {*found["subjects"], *found["air"]}
    assert {*found["homes"].values()} <= set(PLACES)
    assert {*found["habits"].values()} <= {*found["hours"]} <= {*found["skies"]}
    assert {*found["lights"]} == {*found["hours"]}
    colours = " ".join([*found["colours"], *found["moods"], *found["skies"].values()]).split()
    assert all(re.fullmatch(r"#[0-9a-f]{6}", colour) for colour in colours)


@pytest.mark.parametrize(("width", "height"), [(16, 64), (400, 32)])
@pytest.mark.parametrize("place", sorted(PLACES))
def test_every_place_can_be_drawn_at_any_size(place, width, height):
    word = "lecture" if place == "abstract" else tables()["places"][place].split(", ")[-1]
    assert read_scene(word).place == place
    assert frame(word, width=width, height=height).shape == (height, width, 3)


@pytest.mark.parametrize("subject", sorted(ROLES))
def test_a_subject_is_in_the_picture_where_it_belongs(subject):
    place = tables()["homes"][subject]
    with_it = frame(f"{subject}, {place}, noon", at=0.5)
    without = frame(f"{place} at noon", at=0.5)
    assert np.abs(with_it[:70] - without[:70]).max() > 40


def test_mood_words_choose_the_pace():
    paces = [read_scene(f"waves, {word}").tempo for word in ("slow motion", "plain", "nhanh")]
    assert paces == [0.5, 1.0, 1.9]


def test_black_and_white_has_no_colour():
    assert np.ptp(frame("a red balloon, black and white"), axis=2).max() <= 4


def test_the_seed_changes_the_layout_not_the_scene():
    one, two = read_scene("a forest", seed=1), read_scene("a forest", seed=2)
    assert (one.place, one.sky) == (two.place, two.sky)
    assert one.digest != two.digest
    assert np.abs(frame("a forest", seed=1) - frame("a forest", seed=2)).mean() > 1


@pytest.mark.parametrize("prompt", ["waves", "a lecture", "rain in the city"])
def test_the_picture_moves_and_is_the_same_each_time(prompt):
    first, later = frame(prompt, at=1.0), frame(prompt, at=2.0)
    assert np.abs(first - later).mean() > 0.5
    assert np.array_equal(first, frame(prompt, at=1.0))


@pytest.fixture
def no_fonts(monkeypatch):
    truetype = ImageFont.truetype

    def only_bundled(font=None, *args, **kwargs):
        if isinstance(font, str):
            raise OSError("cannot open resource")
        return truetype(font, *args, **kwargs)

    monkeypatch.setattr(ImageFont, "truetype", only_bundled)


@pytest.mark.usefixtures("no_fonts")
def test_a_machine_without_fonts_still_gets_a_caption():
    assert np.asarray(caption("a red balloon", 320, 180))[..., :3].max() > 200
    assert _readable("über café – 🎈", 12)[0] == "uber cafe -"
    assert "14 characters" in _readable("一段八秒的产品演示动画一二三", 12)[0]
    assert missing_scripts() == ["Chinese", "Japanese", "Korean"]


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (8, 9), (61, 30)])
def test_doubled_is_twice_as_large_and_smooth(size):
    values = np.random.default_rng(3).integers(0, 256, size[::-1], dtype=np.uint8)
    large = np.asarray(doubled(Image.fromarray(values)), dtype=int)
    assert large.shape == (2 * size[1], 2 * size[0])
    assert np.array_equal(large[::2, ::2], values)
    between = (large[::2, 0:-2:2] + large[::2, 2::2]) / 2
    assert np.abs(large[::2, 1:-1:2] - between).max(initial=0) <= 1


@pytest.mark.parametrize("at", [(0, 0), (-7, 3), (31, -20), (500, 0), (0, -300)])
def test_what_sticks_out_of_the_frame_is_cut_off(at):
    image = Image.new("RGBA", (40, 30), (200, 30, 30, 128))
    canvas = Canvas(64, 48)
    canvas.blit(sprite_of(image), *at)
    covered = np.asarray(canvas.y) > 16
    wide = max(0, min(64, at[0] + 40) - max(0, at[0]))
    high = max(0, min(48, at[1] + 30) - max(0, at[1]))
    assert covered.sum() == wide * high
