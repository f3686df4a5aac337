"""Ratings and votes: kept, undone, exchanged, and safe from files of others."""

from __future__ import annotations

import json

import pytest

from ipyreel.errors import InvalidRequest
from ipyreel.experiments.ratings import Opinions
from ipyreel.experiments.rows import MOST_BYTES
from ipyreel.jobs.database import Database

A, B, C = ("a" * 64, "b" * 64, "c" * 64)


@pytest.fixture
def make(tmp_path):
    """Return a function that makes the opinions of a library, whose clock counts seconds."""
    made = []

    def make_one(name):
        ticks = iter(range(1, 10_000))
        made.append(Database(tmp_path / name / "library.sqlite"))
        return Opinions(made[-1], clock=lambda: float(next(ticks)))

    yield make_one
    for database in made:
        database.close()


def test_a_rating_takes_the_place_of_the_last_one_by_the_same_person(make):
    found = make("mine")
    found.rate(A, stars=2, who="Ann")
    found.rate(A, stars=4, note="sharp", tags=["keep", "keep", "sea"], who="Ann")
    found.rate(A, stars=1, who="Bo")
    found.rate(B, note="only a note", who="Bo")
    found._clock = lambda: 0.0  # set back meanwhile
    found.rate(A, stars=1, note="no", who="Bo")
    ratings = found.ratings([A, B, C])
    assert {(one.who, one.stars, one.note, one.tags) for one in ratings[A]} == {
        ("Ann", 4, "sharp", ("keep", "sea")),
        ("Bo", 1, "no", ()),
    }
    assert ratings[B][0].stars is None
    found.forget(A, who="Bo")
    assert [one.who for one in found.ratings([A])[A]] == ["Ann"]


def test_votes_are_kept_and_taken_back_in_order(make):
    found = make("mine")
    found.vote(A, B, "left", who="Ann")
    found.vote(B, C, "tie", who="Bo")
    found.vote(A, C, "right", who="Ann")
    assert len(found.votes([A, B, C])) == 3
    assert [one.winner for one in found.votes([A, B])] == ["left"]
    assert found.undo(who="Ann").winner == "right"
    assert found.undo(who="Ann").winner == "left"
    assert found.undo(who="Ann") is None
    assert [one.who for one in found.votes([A, B, C])] == ["Bo"]


def test_a_colleagues_file_is_merged_once_and_brings_nothing_back(make, tmp_path):
    mine, theirs = make("mine"), make("theirs")
    vote = theirs.vote(A, B, "left", who="Bo")
    theirs.rate(A, stars=5, note="größer", who="Bo")
    path = theirs.export(tmp_path / "votes.json", [A, B, C])
    assert mine.merge(path) == 2
    assert mine.merge(path) == 0
    assert mine.votes([A, B]) == [vote]
    assert mine.ratings([A])[A][0].note == "größer"
    mine.undo(who="Bo")
    assert mine.merge(path) == 0
    assert mine.votes([A, B]) == []
    for _ in range(3):  # until its clock is past that of the file
        mine.rate(A, stars=1, who="Bo")
    assert mine.merge(path) == 0
    assert mine.ratings([A])[A][0].stars == 1
    with pytest.raises(InvalidRequest, match="exists"):
        theirs.export(path, [A])


GOOD = {"id": "0" * 24, "left": A, "right": B, "winner": "left", "who": "Bo", "at": 1.0}
RATED = {"video": A, "who": "Bo", "stars": 3, "note": "", "tags": [], "at": 1.0}


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("votes", {"left": "../../etc/passwd"}),
        ("votes", {"left": B}),
        ("votes", {"winner": "me"}),
        ("votes", {"winner": ["left"]}),
        ("votes", {"id": 7}),
        ("votes", {"id": "'; DROP TABLE votes"}),
        ("votes", {"who": "x" * 101}),
        ("votes", {"who": "a\x1b[31m"}),
        ("votes", {"at": "now"}),
        ("votes", {"at": float("inf")}),
        ("votes", {"at": 10**400}),
        ("ratings", {"stars": 6}),
        ("ratings", {"stars": True}),
        ("ratings", {"stars": 1e300}),
        ("ratings", {"note": "x" * 2001}),
        ("ratings", {"note": {"a": 1}}),
        ("ratings", {"note": "half \ud800"}),
        ("ratings", {"tags": "sea"}),
        ("ratings", {"tags": ["x"] * 51}),
        ("ratings", {"tags": [["x"]]}),
        ("ratings", {"video": None}),
    ],
)
def test_a_bad_item_refuses_the_whole_file(make, tmp_path, kind, change):
    found = make("mine")
    data = {"format": "ipyreel-votes-1", "votes": [GOOD], "ratings": [RATED]}
    data[kind] = [*data[kind], {**data[kind][0], **change}]
    (tmp_path / "bad.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(InvalidRequest) as caught:
        found.merge(tmp_path / "bad.json")
    assert len(str(caught.value)) < 300
    assert found.votes([A, B]) == []
    assert found.ratings([A]) == {}


@pytest.mark.parametrize(
    "text",
    ["", "[" * 200_000, "[]", "{}", '{"format": "ipyreel-votes-1"}', '{"format": "x", "votes": []}',
     '{"format": "ipyreel-votes-1", "votes": [7], "ratings": []}', "1" * 5000, "\0" * 9,
     '{"format": "ipyreel-votes-1", "votes": 7, "ratings": []}', " " * (MOST_BYTES + 1)],
    ids=range(11),
)  # fmt: skip
def test_a_file_of_something_else_is_one_sentence(make, tmp_path, text):
    (tmp_path / "bad.json").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidRequest) as caught:
        make("mine").merge(tmp_path / "bad.json")
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(InvalidRequest, match="No such file"):
        make("mine").merge(tmp_path / "none.json")


def test_what_is_no_opinion_is_refused(make):
    found = make("mine")
    with pytest.raises(InvalidRequest, match="1 to 5"):
        found.rate(A, stars=0)
    with pytest.raises(InvalidRequest, match="two different videos"):
        found.vote(A, A, "tie")
    assert found.vote(A, B, "tie").who  # the user of this machine
