"""The first line of a cell: what is read, what is refused, and the messages."""

from __future__ import annotations

import contextlib
import shlex

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from IPython.core.error import UsageError

from ipyreel.errors import InvalidRequest
from ipyreel.notebook.commands import options, verbs
from ipyreel.notebook.commands.options import OPTIONS, CellOptions, parse
from ipyreel.notebook.magics import hide_secrets


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
        ("-s abc", ["--seconds", "'abc'", "number above 0"]),
        ("-s 0", ["--seconds", "0", "above 0"]),
        ("-s nan", ["--seconds", "'nan'"]),
        ("--seed 1.5", ["--seed", "'1.5'", "whole number"]),
        ("--size '12 x'", ["--size", "1280x720"]),
        ("--width 0", ["--width", "'0'"]),
        ("--max-cost x", ["--max-cost", "'x'", "USD"]),
        ("-x novalue", ["--extra", "'novalue'", "key=value"]),
        ("--model", ["--model", "missing"]),
        ("--model ''", ["--model", "takes a text"]),
        ("--model --wait", ["--model", "missing"]),
        ("-x a={b", ["not JSON", "{b"]),
        ("-x a=[1]b", ["not JSON"]),
        ("--vary mood=" + "[" * 100_000, ["not JSON"]),
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


TYPED = st.text(alphabet="abc-=$\"'\\[]{}: \u4e00\n", max_size=30)


@given(st.one_of(st.text(), TYPED))
def test_any_line_is_read_or_refused(line):
    for names in (None, {"a": 1, "b": [2]}):
        with contextlib.suppress(UsageError):
            assert isinstance(parse(line, names), CellOptions)


@given(st.sampled_from(sorted(options.VERBS)), st.one_of(st.text(), TYPED))
def test_any_line_of_any_verb_is_read_or_refused(verb, line):
    with contextlib.suppress(UsageError):
        said, words = options.parse_verb(verb, line)
        assert all(isinstance(word, str) for word in words)
        assert isinstance(said, dict)


@given(st.text(), st.text())
def test_hiding_keys_never_fails(text, line):
    for cell in (True, False):
        assert isinstance(hide_secrets(text, line, cell=cell), str)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip))
def test_a_quoted_value_loses_only_its_quotes(text):
    assume(not text.startswith("-"))  # an option where a value should be
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


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (r"-o C:\Users\me\a.mp4", {"output": r"C:\Users\me\a.mp4"}),
        (r'-o "C:\my films\"', {"output": "C:\\my films\\"}),
        ('-x metadata={"a": 1, "b": ["x y"]} -w', {"extra": {"metadata": {"a": 1, "b": ["x y"]}}}),
        ('--extra=tags=["it\'s", "{n}"]', {"extra": {"tags": ["it's", "{n}"]}}),
        ('--vary mood=["calm, wide", "wild"] -n3', {"vary": (("mood", '["calm, wide", "wild"]'),)}),
        ('-x note="a b" -s8s', {"extra": {"note": "a b"}, "seconds": 8}),
        ("-- clip", {"name": "clip"}),
    ],
)
def test_backslashes_and_json_are_kept(line, said):
    found = parse(line, {"n": 1})
    assert {name: getattr(found, name) for name in said} == said


@pytest.mark.parametrize(
    ("verb", "line", "said", "words"),
    [
        ("history", "don't stop --rating=4", {"rating": 4}, ["don't", "stop"]),
        ("history", "--tag 'night sky' --tag sea", {"tag": ("night sky", "sea")}, []),
        ("edit", "v1 it's 'at night' --max-cost $2", {"max_cost": 2}, ["v1", "it's", "'at night'"]),
        ("extend", 'v1 -s 4 "and on" -w', {"seconds": 4, "wait": True}, ["v1", '"and on"']),
        ("remix", "v1 -- --wait for me", {}, ["v1", "--wait", "for", "me"]),
        ("use", r"demo -m m1 videos=D:\films", {"model": "m1"}, ["demo", r"videos=D:\films"]),
        ("resume", "v1 -p lab", {"provider": "lab"}, ["v1"]),
        ("resume", "v1 video_abc= --take", {"take": True}, ["v1", "video_abc="]),
    ],
)
def test_verbs_are_read_by_the_same_table(verb, line, said, words):
    assert options.parse_verb(verb, line) == (said, words)


@pytest.mark.parametrize(
    ("verb", "line", "words"),
    [
        ("use", "demo -m", "%video use --model: a value is missing"),
        ("use", "demo --loud", "no option --loud"),
        ("resume", "-p", "--provider: a value is missing"),
        ("cancel", "", "name a job: %video cancel ID"),
        ("key", "", "name a provider: %video key PROVIDER"),
        ("jobs", "now", "unexpected now"),
        ("edit", "v1 at night --max-cost x", "%video edit --max-cost 'x': it takes an amount"),
    ],
)
def test_verbs_refuse_in_one_line(verb, line, words):
    with pytest.raises(UsageError) as caught:
        options.parse_verb(verb, line)
    assert words in str(caught.value)
    assert type(caught.value) is UsageError


def test_every_verb_has_a_function_and_options_that_exist():
    assert set(options.VERBS) == set(verbs._RUN)
    known = {row.flags[-1] for row in (*OPTIONS, *options.VERB_OPTIONS)}
    assert {flag for verb in options.VERBS.values() for flag in verb.options} <= known
