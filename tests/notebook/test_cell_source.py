"""A request written as a cell is read back as the same request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipyreel.errors import InvalidRequest
from ipyreel.experiments.recipe import cell_of
from ipyreel.notebook.commands import options
from ipyreel.notebook.commands.prompts import interpolate
from ipyreel.values import VideoRequest

words = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(str.strip)
names = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
prompts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r")).filter(
    lambda text: text.strip() and "---" not in text
)


def read(cell):
    """Read a cell as `%%video` does, in a notebook that has no such names."""
    first, _, body = cell.partition("\n")
    assert first.startswith("%%video")
    said = options.parse(first.removeprefix("%%video"), {})
    return said, interpolate(body.strip(), {})


@given(
    prompt=prompts,
    model=st.none() | words.map(str.strip).filter(lambda text: text[0] not in "$-"),
    seconds=st.none() | st.sampled_from([2, 8, 2.5]),
    size=st.none() | st.sampled_from(["1280x720", "720p"]),
    seed=st.none() | st.integers(-(2**40), 2**40),
    extra=st.dictionaries(names, json, max_size=3),
)
def test_a_request_survives_the_way_through_a_cell(prompt, model, seconds, size, seed, extra):
    request = VideoRequest(
        prompt=prompt.strip(), model=model, seconds=seconds, size=size, seed=seed, extra=extra
    )
    said, body = read(cell_of(request, provider="demo", images=["a b.png"]))
    assert body == request.prompt
    assert (said.provider, said.model, said.seconds) == ("demo", model, seconds)
    assert (said.size, said.seed, said.extra) == (size, seed, extra)
    assert options.expand(said.images[0], {}) == "a b.png"


@pytest.mark.parametrize(
    "request_",
    [
        VideoRequest(prompt="a\n---\nb"),
        VideoRequest(prompt="a", model="$model"),
        VideoRequest(prompt="a", extra={"a=b": 1}),
    ],
)
def test_what_a_cell_cannot_say_is_refused(request_):
    with pytest.raises(InvalidRequest):
        cell_of(request_, provider=None)
