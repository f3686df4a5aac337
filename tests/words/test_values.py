"""The values survive JSON unchanged."""

from __future__ import annotations

import dataclasses
import inspect
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipyreel import values
from ipyreel.values import (
    Image,
    VideoJob,
    VideoRequest,
)

CLASSES = [
    one
    for _, one in inspect.getmembers(values, inspect.isclass)
    if dataclasses.is_dataclass(one) and one.__module__ == values.__name__
]

texts = st.text(max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
requests = st.builds(
    VideoRequest,
    prompt=texts,
    model=st.none() | texts,
    seconds=st.none() | st.integers(1, 60) | st.floats(0.5, 60),
    size=st.none() | texts,
    seed=st.none() | st.integers(),
    images=st.lists(
        st.builds(Image, source=texts, url=st.none() | texts, filename=texts), max_size=2
    ).map(tuple),
    extra=st.dictionaries(texts, json_values, max_size=3),
    remix_of=st.none() | texts,
    edit_of=st.none() | texts,
    extend_of=st.none() | texts,
)


@given(requests)
def test_a_request_round_trips_through_json(request):
    text = json.dumps(request.to_dict())
    assert VideoRequest.from_dict(json.loads(text)) == request


def test_the_pixels_of_an_image_are_not_kept():
    request = VideoRequest(prompt="a", images=(Image(source="a.png", data=b"pixels"),))
    data = request.to_dict()
    assert "pixels" not in json.dumps(data)
    assert len(data["images"][0]["sha256"]) == 64
    back = VideoRequest.from_dict(data)
    assert back.images[0].data is None
    assert back.images[0].source == "a.png"


@given(requests)
def test_equal_requests_have_equal_fingerprints(request):
    again = VideoRequest.from_dict(json.loads(json.dumps(request.to_dict())))
    assert again.fingerprint("demo") == request.fingerprint("demo")
    assert request.fingerprint("demo") != request.fingerprint("apiyi")


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "b"},
        {"model": "m"},
        {"seconds": 8},
        {"size": "1280x720"},
        {"seed": 1},
        {"images": (Image(source="a", data=b"1"),)},
        {"extra": {"fps": 30}},
    ],
)
def test_another_request_has_another_fingerprint(change):
    request = VideoRequest(prompt="a")
    other = dataclasses.replace(request, **change)
    assert other.fingerprint("demo") != request.fingerprint("demo")


def test_what_a_video_is_made_of_is_told_apart():
    made = [VideoRequest(prompt="a", **{f"{how}_of": "v"}) for how in ("remix", "edit", "extend")]
    assert [one.chain for one in made] == [("remix", "v"), ("edit", "v"), ("extend", "v")]
    assert VideoRequest(prompt="a").chain is None
    assert len({one.fingerprint("demo") for one in made}) == 3


def test_fingerprints_that_lie_in_libraries_stay_true():
    # Written before there were edits and extensions.
    old = "918554cc4fa692431e885db5fc093f1242efc1cd602425c87d6d29ba9f4a6ac6"
    assert VideoRequest(prompt="a", model="m", seconds=8.0).fingerprint("demo") == old


def test_a_fingerprint_is_of_what_is_sent():
    def made(**image):
        return VideoRequest(prompt="a", images=(Image(**image),)).fingerprint("demo")

    assert made(source="one.png", data=b"1") == made(source="two.png", data=b"1")
    assert made(source="one.png", data=b"1") != made(source="one.png", data=b"2")
    eight = VideoRequest(prompt="a", seconds=8).fingerprint("demo")
    assert VideoRequest(prompt="a", seconds=8.0).fingerprint("demo") == eight


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_values_are_frozen_slotted_and_named(cls):
    assert cls.__dataclass_params__.frozen
    assert cls.__doc__
    assert "__slots__" in vars(cls)
    assert all(item.kw_only for item in dataclasses.fields(cls))


def test_what_must_not_be_printed_is_not_in_a_repr():
    job = VideoJob(
        remote_id="video_1",
        status="completed",
        urls=("https://cdn.example/a.mp4?signature=secret",),
        polling_url="https://api.example/poll?token=secret",
        raw={"url": "https://cdn.example/a.mp4?signature=secret"},
    )
    assert "secret" not in repr(job)
    assert "pixels" not in repr(Image(source="a", data=b"pixels"))
