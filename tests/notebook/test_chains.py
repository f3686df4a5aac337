"""Remix, edit and extend: by a line, by a Job, and in a terminal."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest
from IPython.core.error import UsageError

from ipyreel.catalog.rows import CHAINS
from ipyreel.errors import InvalidRequest
from ipyreel.notebook import api
from ipyreel.notebook.frontends import FrontEnd

COUNTED = FrontEnd(kind="terminal", html=False)


@pytest.fixture
def clip(reel):
    """A finished video of two seconds."""
    job = reel.run_cell("%%video -s 2 --size 64x64\nA blue boat").result
    job.wait()
    return job


def lab(**fields):
    """Change the row of the provider that answers."""
    session = api.screen().session
    row = replace(session.catalog.provider("lab"), **fields)
    rows = {**session.catalog.providers, "lab": row}
    session.catalog = replace(session.catalog, providers=MappingProxyType(rows))


@pytest.mark.parametrize("how", CHAINS)
def test_a_line_makes_the_next_video(reel, live, clip, how):
    new = reel.run_cell(f"%video {how} {clip.id} make it 'very blue', isn't it").result
    video = new.wait()
    assert new.request.chain == (how, clip.remote_id)
    assert (new.request.prompt, new.request.size) == ("make it 'very blue', isn't it", "64x64")
    assert video.path != clip.path
    (seen,) = live.log(CHAINS[how])
    wanted = {
        "prompt": "make it 'very blue', isn't it",
        "video": {"id": clip.remote_id},
        "seconds": "2",
    }
    if how != "extend":
        del wanted["seconds"]
    if how == "remix":
        del wanted["video"]
    assert seen.fields == wanted
    api.close()  # the library remembers what it came from
    kept = api.job(new.id)
    assert kept.request.chain == (how, clip.remote_id)
    word = {"remix": "remix", "edit": "edit", "extend": "extension"}[how]
    assert f"{word} of {clip.remote_id[:20]}" in repr(kept)


def test_an_extension_is_as_long_as_is_said_and_a_job_does_the_same(clip, live):
    longer = clip.extend("and on", seconds=8)
    longer.wait()
    assert longer.request.seconds == 8
    assert "· +8 s ·" in repr(longer)
    again = longer.extend("still on")
    again.wait()
    edited = longer.edit("at night")
    edited.wait()
    assert [one.fields["seconds"] for one in live.log("extensions")] == ["8", "8"]
    # An edit is as long as the film, whatever was asked for its end (the stub has 1 s).
    assert edited.request.seconds == 1


def test_nothing_but_what_is_sent_stands_in_the_row(reel, clip):
    first = reel.run_cell("%%video -s 2 --size 64x64 --seed 7 -x tone=warm\nA blue boat").result
    first.wait()
    new = first.edit("at night")
    assert (new.request.seed, dict(new.request.extra), new.request.images) == (None, {}, ())
    new.wait()
    clip.wait()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("edit", 'edit ID "PROMPT"'),
        ("edit nobody at night", 'no job "nobody"'),
        ("extend CLIP and on -s", "a value is missing: -s, --seconds N"),
        ("extend CLIP and on -s long", "--seconds 'long': it takes a number above 0"),
        ("edit CLIP at night -s 4", "there is no option -s; "),
        ("edit CLIP ''", "the prompt is empty"),
        ("remix CLIP at night --max-cots 4", "there is no option --max-cots"),
    ],
)
def test_bad_words_are_one_line_and_nothing_is_sent(reel, live, clip, line, words):
    with pytest.raises(UsageError, match=words):
        reel.run_cell("%video " + line.replace("CLIP", clip.id))
    assert live.posts() == 1


def test_where_there_is_no_such_route_it_says_what_there_is(reel, live, clip):
    lab(routes=frozenset({"remix"}))
    with pytest.raises(
        UsageError, match=r"cannot extend videos\. It supports %video remix\. %%video -i"
    ):
        reel.run_cell(f"%video extend {clip.id} and on")
    lab(routes=frozenset())
    with pytest.raises(InvalidRequest, match="cannot edit videos") as caught:
        clip.edit("at night")
    assert "It supports" not in caught.value.hint
    assert live.posts() == 1


def test_a_retry_goes_where_the_video_is(live, clip):
    live.faults.add({"step": "edits", "count": 1, "do": {"status": 400}})
    new = clip.edit("at night")
    with pytest.raises(Exception, match="400"):
        new.wait()
    session = api.screen().session
    home = new.snapshot.base_url
    session.use("lab", base_url="http://127.0.0.1:9/v1")
    again = session.again(new.snapshot)
    assert again.base_url == home
    assert session.future(again.id).result(60).status == "completed"
