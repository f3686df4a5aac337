"""Names in prompts are filled in; nothing is evaluated; errors name the place."""

from __future__ import annotations

import contextlib
import os
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipyreel.errors import InvalidRequest
from ipyreel.notebook.commands.prompts import interpolate

NAMES = {
    "dog": "a retriever",
    "n": 3.14159,
    "words": ["sand", "sea"],
    "sky": {"colour": "red", 1: "one"},
    "scene": SimpleNamespace(mood="calm", _secret="key"),
    "_mood": "calm",
    "os": os,
    "env": os.environ,
    "In": ["%video key apiyi"],
    "_i": "a line typed before",
    "_oh": {1: "an answer"},
    "holder": SimpleNamespace(os=os),
    "größe": "groß",
}


@pytest.mark.parametrize(
    ("prompt", "filled"),
    [
        ("{dog} runs", "a retriever runs"),
        ("{words[0]} {words[-1]}", "sand sea"),
        ("{sky[colour]} {sky['colour']} {sky[1]}", "red red one"),
        ("{scene.mood}", "calm"),
        ("{n:.2f} {dog!r} {dog:>12}", "3.14 'a retriever'  a retriever"),
        ("{{dog}} {{{dog}}}", "{dog} {a retriever}"),
        ("{_mood} {größe}", "calm groß"),
        ("100 % sun, $5", "100 % sun, $5"),
    ],
)
def test_filled(prompt, filled):
    assert interpolate(prompt, NAMES) == filled


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a\nb {dgo}", "line 2, column 3"),
        ("{dgo}", "Did you mean {dog}"),
        ("{", "unmatched { at line 1, column 1"),
        ("ab }", "unmatched } at line 1, column 4"),
        ("{}", "not a name"),
        ('{"a": 1}', "--raw"),
        ("{1+1}", "not a name"),
        ("{dog.upper()}", "not a name"),
        ("{words[9]}", "IndexError"),
        ("{sky[nope]}", "KeyError"),
        ("{scene._secret}", "private"),
        ("{dog:.2f}", "ValueError"),
        ("{n:{n}}", "unmatched {"),
        ("{os}", "module"),
        ("{env[HOME]}", "environment"),
        ("{copied}", "environment"),
        ("{In}", "IPython's own"),
        ("{n:.99999f}", "at most 4096 characters"),
    ],
)
def test_refused(prompt, said):
    with pytest.raises(InvalidRequest) as caught:
        interpolate(prompt, {**NAMES, "copied": {**os.environ, "MORE": "1"}})
    assert said in str(caught.value)


@given(st.text())
def test_doubled_braces_are_the_text_itself(text):
    assert interpolate(text.replace("{", "{{").replace("}", "}}"), {}) == text


@given(st.text(alphabet="{}ab.[]0!:_ "))
def test_nothing_but_a_refusal_comes_of_any_text(text):
    with contextlib.suppress(InvalidRequest):
        assert isinstance(interpolate(text, {"a": "x", "b": [1]}), str)
