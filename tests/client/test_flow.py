"""The way from the network to the part: in order, bounded, and honest when the disk is not."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import threading

import pytest

from ipyreel.client import flow as flow_module
from ipyreel.client.flow import BACKLOG, BATCH, Flow
from ipyreel.client.part import Digest, Part, Source
from ipyreel.errors import DownloadError
from tests.client.support.time import run

PIECES = [bytes([number]) * 100_000 for number in range(60)]


class Slow(Part):
    """A part on a disk that takes nothing before `go` is set."""

    def __init__(self, target):
        super().__init__(target)
        self.go = threading.Event()

    def write(self, pieces):
        assert self.go.wait(30)
        super().write(pieces)


class Full(Part):
    """A part on a disk that is full at its `writes`-th write, and not after."""

    writes = 2

    def write(self, pieces):
        self.writes -= 1
        if not self.writes:
            raise DownloadError("No space left.")
        super().write(pieces)


class Lazy(Digest):
    """A digest that is not worked out before `go` is set."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()

    def catch_up(self):
        assert self.go.wait(30)
        super().catch_up()


@pytest.fixture
def opened(tmp_path):
    parts = []

    def make(kind=Part):
        part = kind(tmp_path / f"clip-{len(parts)}.mp4")
        part.open()
        part.restart(Source(place="https://host/film"))
        parts.append(part)
        return part

    yield make
    for part in parts:
        part.close()


async def pour(flow, pieces=PIECES):
    for piece in pieces:
        await flow.put(piece)


def assert_holds(part, data):
    part.sync()
    assert part.path.read_bytes() == data
    assert part.sha256 == hashlib.sha256(data).hexdigest()
    assert part.size == len(data)


def test_what_comes_is_written_and_hashed_in_order(opened):
    async def main():
        flow = Flow(part)
        await pour(flow)
        await flow.drain()

    part = opened()
    run(main())
    assert_holds(part, b"".join(PIECES))


def test_the_disk_is_told_to_begin_early(opened, monkeypatch):
    told = []
    monkeypatch.setattr(os, "fdatasync", told.append)
    monkeypatch.setattr(flow_module, "FLUSH", 2 * BATCH)
    part = opened()

    async def main():
        flow = Flow(part)
        await pour(flow)
        await flow.drain()

    run(main())
    assert told
    assert_holds(part, b"".join(PIECES))


def test_a_disk_that_fails_to_keep_it_is_heard(opened, monkeypatch):
    def refuse(_file):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", refuse)
    monkeypatch.setattr(flow_module, "FLUSH", BATCH)

    async def main():
        flow = Flow(opened())
        try:
            await pour(flow)
        finally:
            await flow.drain()

    with pytest.raises(DownloadError, match="Input/output error"):
        run(main())


def test_nothing_is_written_behind_a_hole(opened):
    part = opened(Full)

    async def main():
        flow = Flow(part)
        with pytest.raises(DownloadError, match="No space"):
            await pour(flow)
        with pytest.raises(DownloadError, match="No space"):
            await flow.drain()

    run(main())
    assert part.size == 11 * 100_000
    assert_holds(part, b"".join(PIECES[:11]))


def test_who_is_cancelled_keeps_what_came(opened):
    part = opened(Slow)

    async def main():
        flow = Flow(part)
        task = asyncio.create_task(pour(flow))
        # Two batches are held, and nobody can go on.
        for _ in range(50):
            await asyncio.sleep(0)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        part.go.set()
        await flow.drain()

    run(main())
    # The batch that was being written, and the one behind it.
    assert_holds(part, b"".join(PIECES[:22]))


def test_no_more_is_held_than_was_agreed(opened):
    part = opened()
    part.digest = Lazy()

    async def main():
        flow = Flow(part)
        task = asyncio.create_task(pour(flow, PIECES * 3))
        done, _ = await asyncio.wait({task}, timeout=0.3)
        assert not done
        assert part.digest.behind <= (BACKLOG + 1) * (BATCH + len(PIECES[0]))
        part.digest.go.set()
        await task
        await flow.drain()

    run(main())
    assert_holds(part, b"".join(PIECES * 3))
