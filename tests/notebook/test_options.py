"""The first line of a cell: what is read, what is refused, and in which words."""

from __future__ import annotations

import contextlib
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.error import UsageError

from ipyreel.errors import InvalidRequest
from ipyreel.notebook.commands import options
from ipyreel.notebook.commands.options import OPTIONS, CellOptions, parse


def test_nothing_said():
    assert parse("") == CellOptions()


def test_everything_said():
    said = parse(
        "clip -p apiyi -m sora-2 -s 8 --size 1280X720 --seed -1 -i a.png -i 'b c.png' "
        "-x n=2 -x 'tags=[\"a\"]' -x mood=calm --max-cost 2.50 -o 'my film.mp4' -w --reuse "
        "--dry-run --embed --width 640px --loop --muted --autoplay --raw"
    )
    assert said == CellOptions(
        name="clip",
        provider="apiyi",
        model="sora-2",
        seconds=8,
        size="1280x720",
        seed=-1,
        images=("a.png", "b c.png"),
        extra={"n": 2, "tags": ["a"], "mood": "calm"},
        max_cost=2.5,
        output="my film.mp4",
        wait=True,
        reuse=True,
        dry_run=True,
        show="embed",
        width=640,
        loop=True,
        muted=True,
        autoplay=True,
        raw=True,
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--sie 3", ["--sie", "did you mean --size?"]),
        ("--frobnicate", ["--frobnicate", "--provider"]),
        ("-s abc", ["--seconds", "'abc'", "seconds"]),
        ("-s 0", ["--seconds", "0", "above 0"]),
        ("-s nan", ["--seconds", "'nan'"]),
        ("--seed 1.5", ["--seed", "'1.5'", "whole number"]),
        ("--size '12 x'", ["--size", "1280x720"]),
        ("--width 0", ["--width", "'0'"]),
        ("--max-cost x", ["--max-cost", "'x'", "USD"]),
        ("-x novalue", ["--extra", "'novalue'", "key=value"]),
        ("--model", ["--model", "missing"]),
        ("--model ''", ["--model", "empty"]),
        ("--loop=3", ["--loop", "no value"]),
        ("--embed --link", ["--embed", "--link", "choose one"]),
        ("it's", ["closing quotation", "it's"]),
        ("A dog runs", ["'dog'", "lines below"]),
        ("9lives", ["'9lives'", "name"]),
        ("class", ["'class'", "name"]),
    ],
)
def test_refused_in_one_line_by_exactly_usage_error(line, said):
    with pytest.raises(UsageError) as caught:
        parse(line)
    assert type(caught.value) is UsageError
    text = str(caught.value)
    assert "\n" not in text
    for part in said:
        assert part in text


@given(st.text())
def test_any_line_is_read_or_refused(line):
    with contextlib.suppress(UsageError):
        assert isinstance(parse(line), CellOptions)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip))
def test_a_quoted_value_loses_only_its_quotes(text):
    assert parse(f"--output={shlex.quote(text)}").output == text


def test_names_are_filled_in_after_splitting():
    names = {"n": 8, "path": "a b.mp4", "photo": b"png"}
    said = parse("-s $n -o $path --seed={n} -i $photo -x 'a={\"b\": 1}'", names)
    assert (said.seconds, said.output, said.seed) == (8, "a b.mp4", 8)
    assert said.images == ("$photo",)
    assert said.extra == {"a": {"b": 1}}
    assert options.expand("$photo", names) == b"png"
    assert options.expand("{path}", names) == "a b.mp4"
    assert options.expand("https://example.org/a.png?$x", names) == "https://example.org/a.png?$x"


def test_unknown_names():
    with pytest.raises(UsageError, match="no variable n"):
        parse("-s $n", {})
    with pytest.raises(InvalidRequest, match="no variable photo"):
        options.expand("$photo", {})


def test_the_help_and_the_table_have_every_option():
    for row in OPTIONS:
        assert row.usage in options.document()
        assert row.help in options.markdown()
    assert {row.dest for row in OPTIONS} - {"embed", "link", "image"} <= set(
        CellOptions.__dataclass_fields__
    )
