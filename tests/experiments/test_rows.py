"""Rows of data: how they are read, what each column does, what is refused."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from ipyreel.errors import InvalidRequest
from ipyreel.experiments.rows import MOST_BYTES, expand_rows, read_rows
from ipyreel.notebook.commands.prompts import interpolate
from ipyreel.values import Image, VideoRequest

BASE = VideoRequest(prompt="A {mood} sea")


def expanded(rows, base=BASE, **options):
    options = {
        "fill": interpolate,
        "read_image": lambda given, _word: Image(source=given),
    } | options
    return expand_rows(base, rows, **options)


def test_columns_set_fields_fill_names_and_are_kept_as_notes():
    rows = [
        {"mood": "calm", "seconds": "4", "seed": 1, "who": "Ann"},
        {"mood": "wild", "seconds": 8.0, "seed": 2, "who": "Bo", "provider": "b", "image": "a.png"},
    ]
    found = expanded(rows)
    first, second = found.variants
    assert first.request == VideoRequest(prompt="A calm sea", seconds=4, seed=1)
    assert (second.request.prompt, second.request.images[0].source) == ("A wild sea", "a.png")
    assert [one.provider for one in found.variants] == [None, "b"]
    assert second.differs["who"] == "Bo"
    assert [one.label for one in found.variants] == [
        "calm · 4 s · seed 1 · no provider · no image",
        "wild · 8 s · seed 2 · b · image a.png",
    ]
    assert found.prompt == "A {mood} sea"


def test_each_row_may_be_repeated_and_its_seed_counts_up():
    found = expanded([{"mood": "calm", "seed": 5}, {"mood": "wild"}], count=2)
    assert [one.request.seed for one in found.variants] == [5, 6, None, None]
    assert [one.label for one in found.variants][:2] == [
        "calm · seed 5 · take 1",
        "calm · seed 5 · take 2",
    ]
    assert found.inner == 2


def test_equal_rows_are_told_apart_by_their_number():
    found = expanded([{"mood": "calm", "who": "Ann"}, {"mood": "calm", "who": "Bo"}])
    assert [one.label for one in found.variants] == ["row 1", "row 2"]


def test_rows_from_files(tmp_path):
    text = '\ufeffmood,seconds,note\r\n"calm, wide",4,\r\nwild,8,"two\r\nlines"\r\n'
    (tmp_path / "rows.csv").write_bytes(text.encode())
    assert read_rows(tmp_path / "rows.csv") == [
        {"mood": "calm, wide", "seconds": "4", "note": None},
        {"mood": "wild", "seconds": "8", "note": "two\r\nlines"},
    ]
    rows = [{"mood": "calm", "seed": 1}, {"mood": "wild"}]
    (tmp_path / "rows.jsonl").write_text("\n\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert read_rows(str(tmp_path / "rows.jsonl")) == rows


def test_rows_from_a_dataframe():
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame({"mood": ["calm", None], "seed": [7, 8], "seconds": [4.0, float("nan")],
                          "when": pd.to_datetime(["2026-01-01", None])})  # fmt: skip
    first, second = read_rows(table)
    assert (first["seed"], type(first["seed"])) == (7, int)
    assert (second["mood"], second["seconds"], second["when"]) == (None, None, None)
    found = expanded([first])
    assert found.variants[0].request == VideoRequest(prompt="A calm sea", seed=7, seconds=4)


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([{"mood": "calm", "seconds": "soon"}], {}, "row 1: seconds=soon"),
        ([{"mood": "calm", "seed": 1.5}], {}, "row 1: seed=1.5"),
        ([{"mood": None}], {}, "row 1: mood is empty"),
        ([{"mood": "calm"}, {"seed": 1}], {}, "row 2: The prompt names {mood}"),
        ([{"mood": "calm", "provider": "b"}], {"provider": "a"}, "provider also has a fixed value"),
        ([{"mood": "calm", "seconds": 4}], {"base": VideoRequest(prompt="x", seconds=8)}, "fixed"),
        ([{"mood": str(at)} for at in range(600)], {"count": 2}, "1200 jobs"),
    ],
)
def test_what_a_row_cannot_be_is_named(rows, options, said):
    with pytest.raises(InvalidRequest) as caught:
        expanded(rows, **options)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (7, "takes a DataFrame"),
        ({"mood": "calm"}, "takes a DataFrame"),
        (b"rows", "takes a DataFrame"),
        ([], "no rows"),
        (["calm"], "row 1 is not a dict"),
        ([{1: "calm"}], "the column 1 needs a name"),
        ([{}] * 1001, "at most 1000"),
        (itertools.repeat({}), "at most 1000"),
        ("nowhere.csv", "No such file"),
        ("rows.xlsx", "takes a .csv or .jsonl"),
        ("bad.jsonl", "line 2 is not JSON"),
        ("deep.jsonl", "line 1 is not JSON"),
        ("latin.csv", "not UTF-8"),
        ("ragged.csv", "row 1 has more cells"),
        ("broken.csv", "not CSV"),
        ("large.csv", "larger than 20 MB"),
    ],
)
def test_rows_that_cannot_be_read_are_one_sentence(given, said):
    Path("bad.jsonl").write_text('{"a": 1}\n{"a": \n', encoding="utf-8")
    Path("deep.jsonl").write_text("[" * 200_000, encoding="utf-8")
    Path("latin.csv").write_bytes("mood\ncafé".encode("latin-1"))
    Path("ragged.csv").write_text("mood\ncalm,wild\n", encoding="utf-8")
    Path("broken.csv").write_text('mood\n"calm"x\n', encoding="utf-8")
    Path("large.csv").write_bytes(b"a" * (MOST_BYTES + 1))
    with pytest.raises(InvalidRequest) as caught:
        read_rows(given)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_fields_are_kept_as_they_are_sent():
    rows = [{"seconds": "4", "seed": 1.0}, {"seconds": "8", "seed": None}]
    made = expand_rows(VideoRequest(prompt="A sea"), rows, read_image=None).variants
    assert [one.label for one in made] == ["4 s · seed 1", "8 s · no seed"]
    assert made[0].differs == {"seconds": 4.0, "seed": 1}
    with pytest.raises(InvalidRequest, match="row 1: seed"):
        expand_rows(VideoRequest(prompt="x"), [{"seed": "one"}], read_image=None)
