"""Calls other than the stored ones, and what cannot be written."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipyreel.errors import ConfigError, InvalidRequest
from ipyreel.values import Image, VideoRequest
from ipyreel.wire.dialects import DIALECTS, SHAPES, dialect_named
from ipyreel.wire.fields import IMAGE_WAYS, SIZES, aspect_ratio, resolution
from ipyreel.wire.writer import (
    chain_call,
    create_call,
    edit_call,
    extension_call,
    needs_image_bytes,
    remix_call,
    unsupported_fields,
)
from tests.wire.calls import render


def test_a_request_made_of_another_video_is_a_chain():
    more = {"seconds": 8, "seed": 1, "model": "m"}
    for request, call in (
        (VideoRequest(prompt="a", remix_of="v", **more), remix_call("v", "a")),
        (VideoRequest(prompt="a", edit_of="v", **more), edit_call("a", video="v")),
        (
            VideoRequest(prompt="a", extend_of="v", **more),
            extension_call("a", video="v", seconds=8),
        ),
    ):
        assert chain_call(request) == call
    with pytest.raises(InvalidRequest, match="not based on another video"):
        chain_call(VideoRequest(prompt="a"))


@pytest.mark.parametrize("dialect", [*DIALECTS])
def test_a_dialect_that_needs_bytes_says_so_and_no_other_refuses_an_address(dialect):
    request = VideoRequest(prompt="a", images=(Image(source="u", url="https://h/x.png"),))
    if needs_image_bytes(dialect):
        with pytest.raises(InvalidRequest, match="only as a file"):
            create_call(request, dialect)
    else:
        create_call(request, dialect)


@pytest.mark.parametrize(
    ("dialect", "fields", "words"),
    [
        ("new-api", {"images": (Image(source="photo.jpg"),)}, "not stored"),
        ("new-api", {"extra": {"metadata": "x"}}, "metadata must be an object"),
        *(("openai", {"seconds": it}, "not a length") for it in (math.nan, math.inf, -1.0, 0.0)),
        *(
            ("generic", {"extra": {"look": wrong}}, "value of look")
            for wrong in (math.nan, object(), b"bytes", "\ud800", {"a": {1, 2}})
        ),
        ("generic", {"prompt": "a \udfff"}, "value of prompt"),
    ],
)
def test_what_cannot_be_written_is_refused_by_name(dialect, fields, words):
    with pytest.raises(InvalidRequest, match=words):
        create_call(VideoRequest(**{"prompt": "a", **fields}), dialect)


def test_three_images_are_references_at_openrouter():
    images = tuple(Image(source=str(n), url=f"https://h/{n}.png") for n in range(3))
    call = create_call(VideoRequest(prompt="a", images=images), "openrouter")
    assert len(call.json["input_references"]) == 3
    assert "frame_images" not in call.json


def test_an_unknown_dialect_is_named_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"no dialect 'opena'\. Known are openai, azure"):
        create_call(VideoRequest(prompt="a"), "opena")


def test_every_row_names_ways_that_exist():
    rows = [*DIALECTS.values(), *(dialect_named("aiid", shape) for shape in SHAPES)]
    assert {row.size for row in rows} == set(SIZES)
    assert {row.images for row in rows} == set(IMAGE_WAYS)


@pytest.mark.parametrize(
    ("size", "ratio", "name"),
    [
        ("1280x720", "16:9", "720p"),
        ("720x1280", "9:16", "720p"),
        ("864x496", "16:9", "480p"),
        ("1024x1792", "9:16", "1024p"),
        ("1470x630", "21:9", None),
        ("1080x1080", "1:1", "1080p"),
        ("3840x2160", "16:9", "4k"),
        ("1000x100", None, None),
        ("0x100", None, "0x100"),
        ("720P", None, "720p"),
    ],
)
def test_what_a_size_means(size, ratio, name):
    assert (aspect_ratio(size), resolution(size)) == (ratio, name)


texts = st.text(max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
requests = st.builds(
    VideoRequest,
    prompt=texts,
    model=st.none() | texts,
    seconds=st.none() | st.floats() | st.integers(1, 20),
    size=st.none() | texts | st.just("1280x720"),
    seed=st.none() | st.integers(),
    images=st.lists(
        st.builds(
            Image,
            source=texts,
            data=st.none() | st.binary(max_size=8),
            url=st.none() | st.just("https://h/x.png"),
        ),
        max_size=3,
    ).map(tuple),
    extra=st.dictionaries(st.sampled_from(["fps", "metadata", "provider", "mode", "x"]), values),
)


@given(
    requests, st.sampled_from([*DIALECTS]), st.booleans(), st.sampled_from([*SHAPES, "", "other"])
)
def test_a_call_can_be_sent_or_is_refused_here(request_, dialect, as_form, shape):
    unsupported_fields(request_, dialect)
    try:
        call = create_call(request_, dialect, as_form=as_form, shape=shape)
    except InvalidRequest:
        return
    assert (call.json is None) != (call.form is None)
    if call.form is None:
        json.dumps(call.json, allow_nan=False).encode()
        assert None not in call.json.values()
        assert "" not in call.json.values()
    else:
        assert all(isinstance(part.value, (str, bytes)) for part in call.form)


@pytest.mark.parametrize("dialect", [*DIALECTS])
def test_what_is_left_out_is_named_and_the_rest_is_sent(dialect):
    request = VideoRequest(prompt="a", seed=5, extra={"fps": 24, "metadata": {"b": 1}})
    call = create_call(request, dialect)
    sent = json.dumps(render(call))
    left_out = unsupported_fields(request, dialect)
    marks = {"seed": '"seed"', "fps": "24", "metadata": "b"}
    for name, mark in marks.items():
        found = mark in sent if name != "metadata" else '"b' in sent or '\\"b' in sent
        assert found is (name not in left_out)
