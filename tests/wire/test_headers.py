"""`Retry-After` and its relatives: seconds, dates and nonsense."""

import time

import pytest

from ipyreel.wire.parse import poll_after, retry_after

NOW = 1_764_347_100.0  # Fri, 28 Nov 2025 16:25:00 GMT


@pytest.fixture(autouse=True)
def far_from_greenwich(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": "20"}, 20),
        ({"retry-after": "0"}, 0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "86400"}, 120),
        ({"retry-after-ms": "1500", "retry-after": "20"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "20"}, 20),
        ({"retry-after": "Fri, 28 Nov 2025 16:25:30 GMT"}, 30),
        ({"retry-after": "Fri, 28 Nov 2025 16:24:30 GMT"}, None),
        ({"retry-after": "Fri, 28 Nov 2025 16:25:30"}, 30),
        ({"retry-after": "Fri, 28 Nov 2025 16:25:30 -0000"}, 30),
        ({"retry-after": "Fri, 28 Nov 2025 23:25:30 GMT"}, 120),
        ({"retry-after": "Fri, 28 Nov 99999999999 16:25:30 GMT"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "２０"}, None),
        ({"retry-after": "9" * 10_000}, None),
    ],
)
def test_the_wait_that_is_asked_for(headers, wait):
    assert retry_after(headers, now=NOW) == wait


@pytest.mark.parametrize(
    ("text", "wait"),
    [("2500", 2.5), ("0", 0), ("-1", None), ("nan", None), ("x", None), ("9e9", 120)],
)
def test_the_wish_for_the_next_poll(text, wait):
    assert poll_after({"openai-poll-after-ms": text}) == wait
