"""Joining base URLs, escaping ids, and comparing origins."""

from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ipyreel.errors import ConfigError
from ipyreel.wire.urls import encode_id, join_base, resolve, same_origin


@given(st.text(min_size=1))
@example("..")
@example("a/../b?c#d%2F é=:+")
def test_an_id_comes_back_from_its_segment(remote_id):
    segment = encode_id(remote_id)
    assert unquote(segment) == remote_id
    assert not set(segment) & set("/?#:=+ ")
    assert segment.isascii()
    assert segment not in {".", ".."}


@pytest.mark.parametrize(
    ("base", "joined"),
    [
        ("https://h.example.com", "https://h.example.com/v1/videos"),
        (" https://h.example.com/v1 ", "https://h.example.com/v1/videos"),
        ("https://h.example.com/v1/", "https://h.example.com/v1/videos"),
        ("https://h.example.com//v1//", "https://h.example.com//v1/videos"),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1/videos"),
        ("https://r.openai.azure.com/openai/v1/", "https://r.openai.azure.com/openai/v1/videos"),
        ("https://h.example.com/v1/videos", "https://h.example.com/v1/videos"),
        ("https://h.example.com/videos", "https://h.example.com/v1/videos"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1/videos"),
        ("https://h.example.com/proxy", "https://h.example.com/proxy/videos"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1/videos"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1/videos"),
        ("https://h/v1?api-version=preview", "https://h/v1/videos?api-version=preview"),
        ("HTTPS://h.example.com/v1#x", "https://h.example.com/v1/videos"),
    ],
)
def test_a_base_is_joined_without_doubling(base, joined):
    assert join_base(base, "/videos") == joined
    assert join_base(base, "videos") == joined
    if "/proxy" not in base:
        assert join_base(base, "/v1/videos") == joined


@pytest.mark.parametrize(
    ("base", "joined"),
    [
        ("https://h.example.com/", "https://h.example.com/videos"),
        ("https://h.example.com/videos/", "https://h.example.com/videos"),
        ("https://h.example.com/?a=b", "https://h.example.com/videos?a=b"),
        ("https://h.example.com/#", "https://h.example.com/videos"),
        ("https://h.example.com/api/v3/", "https://h.example.com/api/v3/videos"),
        ("https://h.example.com#", "https://h.example.com/videos"),
        ("https://h.example.com/videos#", "https://h.example.com/videos/videos"),
        ("https://h.example.com/api/?a=b#", "https://h.example.com/api/videos?a=b"),
    ],
)
def test_a_slash_or_a_hash_at_the_end_keeps_the_path(base, joined):
    assert join_base(base, "/videos") == joined


def test_an_absolute_address_stays():
    assert join_base("https://h/v1", "https://h/api/x?y=1") == "https://h/api/x?y=1"


@pytest.mark.parametrize("base", ["", "h.example.com/v1", "ftp://h/v1", "https://", "http://[bad"])
def test_a_base_that_is_none_is_refused(base):
    with pytest.raises(ConfigError, match="not an http"):
        join_base(base, "/videos")


def test_a_relative_place_belongs_to_the_origin():
    assert resolve("https://h:8443/api/v1", "/files/x.mp4") == "https://h:8443/files/x.mp4"
    assert resolve("https://h/api/v1", "https://cdn/x.mp4?s=1") == "https://cdn/x.mp4?s=1"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://h/v1", "https://H:443/x", True),
        ("https://h", "http://h", False),
        ("https://h", "https://h:8443", False),
        ("https://h", "https://h.evil.example", False),
        ("https://h", "https://h@evil.example", False),
        ("https://h", "https://[bad", False),
        ("https://h", "https://h:99999", False),
        ("https://h", "/videos", False),
    ],
)
def test_who_may_get_the_key(one, other, same):
    assert same_origin(one, other) is same
