"""A 50 MB download over a connection that breaks at random: same bytes, little memory."""

from __future__ import annotations

import asyncio
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ipyreel.catalog import Provider
from ipyreel.client import VideoClient
from ipyreel.client.part_record import ProcessMemory
from ipyreel.demo.render import render
from ipyreel.errors import DownloadError, TransportError
from ipyreel.values import VideoJob
from tests.client.support.server import File, Reset, Server, reply
from tests.conformance.shop import sha256
from tests.support.films import padded

LARGE = 50_000_000
SMALL = 5_000_000
MEMORY = 16 * 2**20
"""Memory that a download may use at once, including the server in the same process."""

ROW = Provider(name="shop", title="Shop", dialect="openai")
JOB = VideoJob(remote_id="video_1", status="completed")


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Return a large and a small video as (bytes, sha256)."""
    folder = tmp_path_factory.mktemp("films")
    render("a film", seed=1, width=64, height=64, seconds=1, path=folder / "tiny.mp4")
    found = []
    for size in (LARGE, SMALL):
        path = folder / f"{size}.mp4"
        padded(folder / "tiny.mp4", path, size)
        found.append((path.read_bytes(), sha256(path)))
    return found


async def fetch(url, target, memory):
    """Download with a new client, as a new kernel would."""

    async def no_pause(_seconds):
        await asyncio.sleep(0)

    async with VideoClient(ROW, base_url=url, sleep=no_pause, rng=lambda: 0.5) as client:
        return await client.download(JOB, target, memory=memory)


async def fetch_until_here(film, target):
    """Download and resume until the file is complete; return the file and the number of tries."""
    memory = ProcessMemory(target)
    async with Server(film, job=reply(404)) as server:
        for tries in range(1, len(film.cuts) + 3):
            with suppress(DownloadError, TransportError):
                return await fetch(server.url, target, memory), tries
            assert not target.exists()
    raise AssertionError("still incomplete after the last break")


PLACES = st.integers(0, LARGE) | st.integers(0, 100_000)
VALIDATORS = st.sampled_from(
    [
        {"etag": '"film"'},
        {"etag": None, "last_modified": "Tue, 15 Jun 2027 08:00:00 GMT"},
        {"etag": 'W/"film"'},
        {"etag": None},
    ]
)


@settings(max_examples=3, deadline=None)
@given(
    cuts=st.lists(PLACES | st.builds(Reset, PLACES), max_size=8),
    validator=VALIDATORS,
    ranges=st.booleans(),
    early=st.sampled_from([0, 0, 1, 70_000]),
)
@example(cuts=[3_000_000, 5_000_000], validator={"etag": '"film"'}, ranges=True, early=1)
def test_random_breaks_end_in_the_same_bytes(
    tmp_path_factory, films, cuts, validator, ranges, early
):
    data, digest = films[0]
    film = File(data, list(cuts), ranges=ranges, early=early, **validator)
    target = tmp_path_factory.mktemp("videos") / "clip.mp4"
    file, _ = asyncio.run(fetch_until_here(film, target))
    assert sha256(target) == file.sha256 == digest
    assert file.size == LARGE
    assert [path.name for path in target.parent.iterdir()] == ["clip.mp4"]
    target.unlink()


def test_bytes_on_disk_are_not_requested_again(films, tmp_path):
    data, digest = films[0]
    film = File(data, [20_000_000, Reset(10_000_000), 0, 1])
    file, tries = asyncio.run(fetch_until_here(film, tmp_path / "clip.mp4"))
    assert (file.sha256, tries) == (digest, 1)
    # Only what a reset discards in transit is sent twice.
    assert film.sent <= LARGE + 2**23


def test_memory_does_not_grow_with_the_film(films, tmp_path):
    async def peak(data, name):
        tracemalloc.start()
        try:
            await fetch_until_here(File(data, [2_000_000, Reset(1_000_000)]), tmp_path / name)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    (large, _), (small, _) = films
    # The first run pays for imports and caches.
    for _ in range(2):
        of_small = asyncio.run(peak(small, "small.mp4"))
        (tmp_path / "small.mp4").unlink()
    of_large = asyncio.run(peak(large, "large.mp4"))
    assert of_large < MEMORY
    assert of_large < of_small + MEMORY // 4
