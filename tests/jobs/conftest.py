"""Stores, loops and managers that are closed after their test."""

from __future__ import annotations

import pytest

from ipyreel.jobs.loop import LoopThread
from ipyreel.jobs.store import JobStore
from tests.jobs.fakes import Bench


@pytest.fixture
def loop():
    thread = LoopThread()
    yield thread
    thread.stop()


@pytest.fixture
def store(tmp_path):
    opened = JobStore(tmp_path / "library.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def make_bench(tmp_path, loop):
    """Return a function that makes managers, all on one library and one loop."""
    benches: list[Bench] = []

    def make(**fields) -> Bench:
        benches.append(Bench(**{"folder": tmp_path, "loop": loop, **fields}))
        return benches[-1]

    yield make
    # First the loop: what still runs on it would open the library again.
    for bench in benches:
        bench.loop.stop()
    for bench in benches:
        bench.close()


@pytest.fixture
def bench(make_bench):
    return make_bench()
