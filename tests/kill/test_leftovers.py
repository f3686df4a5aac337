"""What is left when a kernel ends between naming a file and removing its part."""

from __future__ import annotations

import os

import pytest

from ipyreel.client.part import Part
from ipyreel.demo.render import render
from ipyreel.jobs.run import JobPart, _already_here
from ipyreel.jobs.store import JobStore
from ipyreel.values import JobSnapshot, VideoRequest


@pytest.fixture
def job(tmp_path):
    """A job whose video has a name that the user chose, without the job's id in it."""
    target = tmp_path / "mine.mp4"
    render("x", seed=0, width=64, height=64, seconds=0.5, path=target)
    return JobSnapshot(
        id="vabc123",
        provider="shop",
        request=VideoRequest(prompt="x"),
        status="downloading",
        created_at=0.0,
        target=str(target),
    )


@pytest.fixture
def memory(tmp_path, job):
    """The library's record of that job's part: a file with the same bytes."""
    store = JobStore(tmp_path / "library.db")
    store.insert(job)
    memory = JobPart(store, job.id)
    part = Part(tmp_path / "mine.mp4", memory)
    part.open()
    part.write([(tmp_path / "mine.mp4").read_bytes()])
    part.close()
    yield memory
    store.close()


def test_a_video_that_is_its_own_part_is_taken_and_not_written_over(job, memory, tmp_path):
    # Continuing that part would truncate the finished file: they are the same file.
    memory.load().path.replace(tmp_path / "mine.mp4")
    os.link(tmp_path / "mine.mp4", memory.load().path)
    assert _already_here(job, memory).path == job.target
    assert not list(tmp_path.glob("mine.mp4.*"))
    assert memory.load() is None


def test_a_strangers_video_at_that_name_is_not_taken(job, memory):
    assert _already_here(job, memory) is None
    assert memory.load().path.exists()
