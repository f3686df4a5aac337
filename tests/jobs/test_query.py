"""Pages of the library: what is found, in what order, how many there are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ipyreel.jobs.query import ORDERS, Query
from ipyreel.jobs.store import JobStore
from ipyreel.values import JobSnapshot, VideoRequest

NOW = 1_000_000.0


def job(number, prompt="a dog", **changes):
    model = changes.pop("model", None)
    plain = JobSnapshot(
        id=f"v{number}",
        provider="demo",
        request=VideoRequest(prompt=prompt, model=model),
        status="completed",
        created_at=NOW + number,
        target=f"/videos/{number}.mp4",
    )
    return replace(plain, **changes)


@pytest.fixture
def store(tmp_path):
    opened = JobStore(tmp_path / "library.sqlite")
    opened.insert(
        job(1, "A Dog on a beach", model="m1", cost=2.0),
        job(2, "a cat", provider="apiyi", model="m2", estimate=5.0),
        job(3, "a dog at night 100%", status="failed"),
        job(4, "zebra", status="queued"),
        owner="me",
        now=NOW,
    )
    yield opened
    opened.close()


def ids(store, **wishes):
    found, total = store.page(Query(**wishes))
    assert total == len(found) or "limit" in wishes or "offset" in wishes
    return [one.id for one in found]


@pytest.mark.parametrize(
    ("wishes", "found"),
    [
        ({}, ["v4", "v3", "v2", "v1"]),
        ({"text": "dog"}, ["v3", "v1"]),
        ({"text": "beach DOG"}, ["v1"]),
        ({"text": "100%"}, ["v3"]),
        ({"text": "%"}, ["v3"]),
        ({"provider": "apiyi"}, ["v2"]),
        ({"model": "m1"}, ["v1"]),
        ({"states": ("failed", "queued")}, ["v4", "v3"]),
        ({"since": NOW + 3}, ["v4", "v3"]),
        ({"until": NOW + 3}, ["v2", "v1"]),
        ({"text": "dog", "states": ("completed",)}, ["v1"]),
        ({"order": "oldest"}, ["v1", "v2", "v3", "v4"]),
        ({"order": "prompt"}, ["v2", "v3", "v1", "v4"]),
        ({"order": "dearest"}, ["v2", "v1", "v4", "v3"]),
        ({"text": "'; DROP TABLE jobs; --"}, []),
    ],
)
def test_what_is_found_and_in_what_order(store, wishes, found):
    assert ids(store, **wishes) == found


@pytest.mark.parametrize("order", ORDERS)
def test_pages_hold_everything_once(store, order):
    pages = [ids(store, order=order, limit=3, offset=offset) for offset in (0, 3)]
    assert [len(page) for page in pages] == [3, 1]
    assert sorted(pages[0] + pages[1]) == ["v1", "v2", "v3", "v4"]
    assert store.page(Query(limit=1))[1] == 4


def test_who_made_something(store):
    assert store.makers() == [("apiyi", "m2"), ("demo", None), ("demo", "m1")]
