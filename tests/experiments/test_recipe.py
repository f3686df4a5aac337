"""Jobs as a cell and as a file: what is read back is what was made."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipyreel.errors import ConfigError, InvalidRequest
from ipyreel.experiments.recipe import NO_CELL, Recipe, cell_of_jobs, read_recipe, to_toml
from ipyreel.experiments.rows import expand_rows
from ipyreel.images import image_of_bytes, read_image
from ipyreel.notebook.commands import options, sweeps
from ipyreel.notebook.commands.prompts import interpolate, split_prompts
from ipyreel.sweeps import Sweep, Variant
from ipyreel.values import Image, VideoRequest

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
names = st.text(st.characters(categories=("Ll",)), min_size=1, max_size=8)
json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(-9, 9) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)
urls = st.builds(lambda word: read_image(f"https://example.org/{word}.png"), names)
requests = st.builds(
    VideoRequest,
    prompt=text,
    model=st.none() | names,
    seconds=st.none() | st.sampled_from([4, 8.0, 2.5]),
    size=st.none() | st.sampled_from(["1280x720", "720p"]),
    seed=st.none() | st.integers(-(2**40), 2**40),
    images=st.lists(urls, max_size=2).map(tuple),
    extra=st.dictionaries(text, json, max_size=3),
)
variants = st.builds(
    Variant,
    request=requests,
    provider=st.none() | names,
    label=text,
    differs=st.dictionaries(text, json, max_size=2),
)
prices = st.none() | st.integers(0, 10**9).map(lambda micros: Decimal(micros) / 10**6)


@given(st.lists(st.tuples(variants, prices), min_size=1, max_size=4), st.none() | text)
def test_a_plan_survives_the_way_through_a_file(tmp_path_factory, jobs, prompt):
    sweep = Sweep(variants=tuple(one for one, _ in jobs), prompt=prompt, inner=len(jobs))
    recipe = Recipe(sweep=sweep, prices=tuple(price for _, price in jobs))
    path = tmp_path_factory.getbasetemp() / "plan.toml"
    path.write_text(to_toml(recipe), encoding="utf-8", newline="\n")
    assert read_recipe(path, read_image) == recipe


GOOD = 'version = 1\n[[job]]\nprompt = "A sea"\n[[job]]\nprompt = "A sea"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD + 'base_url = "https://evil.example"\n', r":6: unknown key 'base_url'"),
        (GOOD + 'header = "x"\n', r":6: unknown key 'header'"),
        ('key = "x"\n' + GOOD, r":1: unknown key 'key'"),
        (GOOD + "promt = 1\n", r":6: unknown key 'promt'. Did you mean"),
        ("version = 2\n", r":1: version: this ipyreel reads version 1"),
        ("version = 1\njob = 3\n", r":2: job: there are no"),
        ("version = 1\ncolumns = 0\n[[job]]\n", r":2: columns: takes"),
        ("version = 1\nprompt = 1\n[[job]]\n", r":2: prompt: takes a text"),
        ("version = 1\n[[job]]\nseed = 1\n", r":2: prompt: it is missing"),
        ("version = 1\n" + '[[job]]\nprompt="x"\n' * 1001, r":2: job: 1001 jobs; a sweep has"),
        (GOOD + "seconds = -1\n", r":6: seconds=-1"),
        (GOOD + "seed = 1.5\n", r":6: seed=1.5: takes a whole number"),
        (GOOD + "model = 1\n", r":6: model"),
        (GOOD + 'price_then = "cheap"\n', r":6: price_then: takes an amount"),
        (GOOD + f'label = "{"x" * 501}"\n', r":6: label: takes at most 500"),
        (GOOD + "extra = '[1]'\n", r":6: extra: takes a JSON object"),
        (GOOD + f"extra = '{'[' * 100_000}'\n", r":6: extra: takes JSON"),
        (GOOD + f"x = {'[' * 5000}{']' * 5000}\n", r":6: not valid TOML: nested too deeply"),
        (GOOD + "#" * 1_000_001, r":1: is larger than 1,000,000 bytes"),
        (GOOD + 'images = ["/etc/passwd"]\n', r":6: images: takes"),
        (GOOD + 'images = [{ path = "secret.png" }]\n', r":6: images: takes"),
        (GOOD + 'images = [{ url = "file:///etc/passwd" }]\n', r":6: images: takes"),
        (GOOD + 'images = [{ path = "no.png", sha256 = "0" }]\n', r":6: images: .*no\.png"),
        (GOOD + "[[job]\n", r":6: not valid TOML"),
    ],
)  # fmt: skip
def test_what_no_plan_has_is_refused_with_file_and_line(tmp_path, text, told):
    path = tmp_path / "plan.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(str(path)) + told):
        read_recipe(path, read_image)


def test_what_a_file_cannot_hold_is_refused():
    def write(**fields):
        request = VideoRequest(**{"prompt": "A sea", **fields})
        one = Variant(request=request, provider=None, label="", differs={})
        return to_toml(Recipe(sweep=Sweep(variants=(one,), prompt=None, inner=1), prices=(None,)))

    for fields in ({"remix_of": "v1"}, {"prompt": "\ud800"}, {"prompt": "x" * 1_000_001}):
        with pytest.raises(InvalidRequest):
            write(**fields)


# ---- a cell

MOODS = "--vary mood=calm,wild"
CELLS = [
    ("-p demo -m demo-1 -s 4 --size 640x360 --seed 7 -n 3", "A {{red}} sea"),
    (f"-p demo {MOODS} --vary seconds=4,8", "A {mood} sea"),
    (f"-p demo {MOODS} -n 2 --seed 5", "A {mood} sea"),
    ("--vary provider=demo,lab --vary model=a,b", "A sea"),
    ("""-p demo --vary 'style=["a, b", "it\\u0027s", 4, "\\"5\\"", null, {"x": 1}]'""", "A sea"),
    (f"-p demo {MOODS}", "A {mood} sea\n---\nTwo {mood} boats"),
    ("-p demo --vary image=https://example.org/a.png,https://example.org/b.png", "A sea"),
    ('-p demo -x n=2 -x tags="x y" --vary seed=1,2', "A sea with {subject}"),
    ("-p demo --vary mood='[\"calm, {blue}\", \"wild\"]'", "A {mood} sea"),
]  # fmt: skip


def read(line, body):
    """Return what a cell asks for, in a notebook with one variable."""
    said = options.parse(line, {"subject": "a dog"})
    prompts = split_prompts(body)
    base = VideoRequest(
        prompt=prompts[0], model=said.model, seconds=said.seconds, size=said.size, seed=said.seed,
        extra=said.extra,
    )  # fmt: skip
    return sweeps.read_cell(base, said, prompts, {"subject": "a dog"})


def asked(sweep):
    return [(one.provider, one.request) for one in sweep.variants]


@pytest.mark.parametrize(("line", "body"), CELLS)
def test_a_sweep_survives_the_way_through_a_cell(line, body):
    sweep = read(line, body)
    cell = cell_of_jobs(asked(sweep), [one.differs for one in sweep.variants], sweep.prompt)
    first, _, again = cell.partition("\n")
    found = read(first.removeprefix("%%video"), again)
    assert asked(found) == asked(sweep)
    if "{subject}" not in body:
        assert [one.label for one in found.variants] == [one.label for one in sweep.variants]


def test_a_cell_of_a_sweep_reads_well():
    sweep = read(f"-p demo --size 640x360 {MOODS} --vary seconds=4,8 -n 2", "A {mood} sea")
    assert cell_of_jobs(asked(sweep), [one.differs for one in sweep.variants], sweep.prompt) == (
        "%%video -p demo --size 640x360 -n 2 --vary mood=calm,wild --vary seconds=4,8\nA {mood} sea"
    )


def test_rows_that_are_a_product_become_the_cell_without_their_notes():
    rows = [{"mood": mood, "seed": seed, "who": f"{mood}{seed}"}
            for mood in ("calm", "wild") for seed in (1, 2)]  # fmt: skip
    sweep = expand_rows(VideoRequest(prompt="A {mood} sea"), rows, provider="demo",
                        fill=interpolate, read_image=read_image)  # fmt: skip
    assert cell_of_jobs(asked(sweep), [one.differs for one in sweep.variants], sweep.prompt) == (
        "%%video -p demo --vary mood=calm,wild --vary seed=1,2\nA {mood} sea"
    )


def test_where_no_cell_does_it_a_file_is_named():
    rows = [("demo", VideoRequest(prompt="A", seed=1)), ("demo", VideoRequest(prompt="B", seed=2))]
    with pytest.raises(InvalidRequest, match=NO_CELL[:20]) as caught:
        cell_of_jobs(rows, [{"noun": "A"}, {"noun": "B"}], "{noun}")
    assert "to_toml()" in caught.value.hint
    with pytest.raises(InvalidRequest, match=NO_CELL[:20]):
        cell_of_jobs([], [], None)  # a folder of nobody's videos
    hostile = "{mood:>99999999999}{mood.__class__}"
    with pytest.raises(InvalidRequest):
        cell_of_jobs(rows, [{"mood": "A"}, {"mood": "B"}], hostile)


def test_an_image_is_taken_only_if_it_is_the_one_that_was_used(tmp_path):
    path = tmp_path / "dog.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\nold")
    image = image_of_bytes(path.read_bytes(), str(path))
    one = Variant(
        request=VideoRequest(prompt="x", images=(image,)), provider=None, label="", differs={}
    )
    file = tmp_path / "plan.toml"
    recipe = Recipe(sweep=Sweep(variants=(one,), prompt=None, inner=1), prices=(None,))
    file.write_text(to_toml(recipe), encoding="utf-8")

    def images() -> Image:
        (found,) = read_recipe(file, read_image).sweep.variants
        return found.request.images[0]

    assert images() == image
    path.write_bytes(b"\x89PNG\r\n\x1a\nnew")
    assert images() == replace(read_image(str(path)), sha256=image.to_dict()["sha256"])
    assert Path(images().source) == path
