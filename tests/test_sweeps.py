"""Sweeps: number, order and labels of the combinations, and what is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipyreel.errors import InvalidRequest
from ipyreel.notebook.commands.prompts import interpolate
from ipyreel.sweeps import MOST, Axis, expand, names_in, read_axis, short_texts, tell_apart
from ipyreel.values import VideoRequest

BASE = VideoRequest(prompt="")


def labels(*axes, prompts=("A sea",), base=BASE, **options):
    found = expand(base, prompts=prompts, axes=axes, **options)
    return [variant.label for variant in found.variants]


def test_the_first_axis_changes_slowest():
    found = expand(
        BASE,
        prompts=["A sea"],
        axes=[read_axis("seconds", ["4", "8"]), read_axis("seed", [1, 2])],
    )
    assert [variant.label for variant in found.variants] == [
        "4 s · seed 1",
        "4 s · seed 2",
        "8 s · seed 1",
        "8 s · seed 2",
    ]
    assert [(one.request.seconds, one.request.seed) for one in found.variants] == [
        (4, 1),
        (4, 2),
        (8, 1),
        (8, 2),
    ]
    assert found.variants[3].differs == {"seconds": 8.0, "seed": 2}
    assert (found.prompt, found.inner) == ("A sea", 2)


def test_words_of_the_prompt_fields_and_extras():
    axes = [
        read_axis("style", ["calm", "wild"], ["style"]),
        read_axis("quality", ["high", 2]),
        read_axis("provider", ["demo"]),
    ]
    found = expand(
        VideoRequest(prompt="", extra={"a": 1}), prompts=["A {style} sea"], axes=axes,
        fill=interpolate,
    )  # fmt: skip
    assert [variant.label for variant in found.variants] == [
        "calm · quality high",
        "calm · quality 2",
        "wild · quality high",
        "wild · quality 2",
    ]
    assert found.variants[0].request.prompt == "A calm sea"
    assert found.variants[0].request.extra == {"a": 1, "quality": "high"}
    assert {variant.provider for variant in found.variants} == {"demo"}


def test_a_field_may_be_a_word_too():
    axes = [read_axis("seconds", [4, 8], ["seconds"])]
    found = expand(BASE, prompts=["{seconds:g} seconds of sea"], axes=axes, fill=interpolate)
    assert [one.request.prompt for one in found.variants] == [
        "4 seconds of sea",
        "8 seconds of sea",
    ]
    assert [one.request.seconds for one in found.variants] == [4, 8]


def test_repeats_are_takes_and_a_given_seed_counts_up():
    assert labels(count=3) == ["take 1", "take 2", "take 3"]
    found = expand(VideoRequest(prompt="", seed=7), prompts=["A sea"], count=2)
    assert [variant.request.seed for variant in found.variants] == [7, 8]
    assert [variant.label for variant in found.variants] == ["seed 7", "seed 8"]


def test_our_own_axes_shadow_no_name_of_the_person():
    notebook = {"prompt": "a dog", "take": "close up"}
    found = expand(
        BASE, prompts=["{prompt}, {take}"], count=2,
        fill=lambda text, values: interpolate(text, {**notebook, **values}),
    )  # fmt: skip
    assert {one.request.prompt for one in found.variants} == {"a dog, close up"}
    assert [one.differs for one in found.variants] == [{"take": 1}, {"take": 2}]
    axes = [read_axis("prompt", ["a dog", "a cat"], ["prompt"]),
            read_axis("take", ["near", "far"], ["take"])]  # fmt: skip
    found = expand(BASE, prompts=["{prompt}, {take}"], axes=axes, fill=interpolate)
    assert found.variants[3].request.prompt == "a cat, far"
    assert found.variants[3].differs == {"prompt": "a cat", "take": "far"}
    assert found.variants[3].label == "a cat · far"
    assert found.prompt == "{prompt}, {take}"


def test_several_prompts_are_told_apart():
    same = "A golden retriever running on the beach at sunset, slow motion, "
    assert labels(prompts=["A sea", "A wood"]) == ["A sea", "A wood"]
    assert labels(prompts=[same + "calm", same + "wild"]) == ["… calm", "… wild"]


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("seconds", ["4", "abc"], ["--vary seconds=abc", "above 0"]),
        ("seconds", [0], ["seconds=0"]),
        ("seed", [1.5], ["seed=1.5", "whole number"]),
        ("seed", [True], ["seed=true"]),
        ("size", ["12 x"], ["size=12 x", "1280x720"]),
        ("model", [""], ["--vary model="]),
        ("secnds", [4], ["secnds", "Did you mean seconds?"]),
        ("stile", ["a"], ["stile", "Did you mean style?"]),
        ("prompt", ["a"], ["{prompt}", "---"]),
        ("seed", [], ["no values", "seed=a,b,c"]),
        ("seed", [1, "1"], ["1 is listed twice", "--count"]),
    ],
)
def test_bad_values_are_refused(name, values, said):
    with pytest.raises(InvalidRequest) as caught:
        read_axis(name, values, ["style"])
    text = str(caught.value)
    assert [word for word in said if word not in text] == []


def test_what_is_given_and_varied_is_refused():
    with pytest.raises(InvalidRequest, match="seconds: the field also has a fixed value"):
        labels(read_axis("seconds", [4, 8]), base=VideoRequest(prompt="", seconds=4))
    with pytest.raises(InvalidRequest, match="seed is given twice"):
        labels(read_axis("seed", [1]), read_axis("seed", [2]))


def test_too_many_are_refused_before_they_are_made():
    axes = [Axis(name=name, values=tuple(range(1000))) for name in "abcdef"]
    with pytest.raises(InvalidRequest, match=f"at most {MOST}"):
        expand(BASE, prompts=["A sea"], axes=axes)


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.integers(1, 3),
)
def test_every_combination_is_there_once_under_a_label_of_its_own(lengths, count):
    axes = [
        Axis(name=f"x{number}", values=tuple(range(length)))
        for number, length in enumerate(lengths)
    ]
    found = expand(BASE, prompts=["A sea"], axes=axes, count=count)
    assert len(found.variants) == math.prod(lengths) * count
    assert len({variant.label for variant in found.variants}) == len(found.variants)
    assert len({str(variant.differs) for variant in found.variants}) == len(found.variants)


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_short_texts_are_short(texts):
    found = short_texts(texts)
    assert len(found) == len(texts)
    assert all(len(text) <= 40 and "\n" not in text for text in found)


def test_names_in_braces():
    assert names_in("A {style} {{no}} {light.warm} {{{deep}}} {n[0]}") == [
        "style",
        "light",
        "deep",
        "n",
    ]


def test_jobs_from_elsewhere_are_told_apart():
    asked = [
        ("demo", VideoRequest(prompt="A sea", seconds=4, extra={"hd": True})),
        ("demo", VideoRequest(prompt="A sea", seconds=8)),
        ("demo", VideoRequest(prompt="A wood", seconds=8)),
    ]
    assert tell_apart(asked) == [
        "A sea · 4 s · hd true",
        "A sea · 8 s · no hd",
        "A wood · 8 s · no hd",
    ]
    assert tell_apart(asked[:1]) == [""]
    assert tell_apart([asked[0], asked[0]]) == ["", ""]
    assert tell_apart([]) == []
