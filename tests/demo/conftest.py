"""A demo server with a stopped clock, a client for it, and images to send."""

from __future__ import annotations

import contextlib
import functools
import io

import httpx
import pytest
from PIL import Image

from tests.support.demo import Clock, running_demo

LONG = 10.0
"""Seconds after which every job of a stub server at speed 1 is completed."""


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def start(tmp_path, clock):
    """Start a stub server on the test's home: `with start(dialect=...) as (demo, http)`."""

    class Started:
        def __init__(self, **options):
            # The clock stands still for records and faults only; what is rendered is the stub.
            options = {"speed": 1.0, "stub": True, "clock": clock, **options}
            self.context = running_demo(tmp_path, **options)

        def __enter__(self):
            demo = self.context.__enter__()
            self.http = httpx.Client(base_url=demo.url, trust_env=False, timeout=60)
            return demo, self.http

        def __exit__(self, *error):
            self.http.close()
            return self.context.__exit__(*error)

    return Started


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Return a function that gives the module's stub server of a dialect, and its client."""
    with contextlib.ExitStack() as opened:

        @functools.cache
        def serve(dialect="demo"):
            home = tmp_path_factory.mktemp(dialect)
            context = running_demo(home, dialect=dialect, stub=True, clock=Clock())
            demo = opened.enter_context(context)
            http = httpx.Client(base_url=demo.url, trust_env=False, timeout=60)
            return demo, opened.enter_context(http)

        yield serve


@pytest.fixture
def finished(clock):
    """Make a job and let it be completed; gives its id."""

    def make(http, **fields):
        reply = http.post("/videos", json={"prompt": "a red balloon", **fields})
        assert reply.status_code == 200, reply.text
        clock.later(LONG)
        return reply.json()["id"]

    return make


@pytest.fixture
def png():
    """Return the bytes of a PNG of a size."""

    def make(width, height):
        target = io.BytesIO()
        Image.new("RGB", (width, height), "teal").save(target, "PNG")
        return target.getvalue()

    return make
