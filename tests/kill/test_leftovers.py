"""What a kernel leaves that ends between giving a file its name and taking the part's away."""

from __future__ import annotations

import os

import pytest

from ipyreel.demo.render import render
from ipyreel.jobs.run import _already_here
from ipyreel.values import JobSnapshot, VideoRequest


@pytest.fixture
def job(tmp_path):
    """A job whose video lies at a name of the person's own, without the job's id in it."""
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


def test_a_video_that_is_its_own_part_is_taken_and_not_written_over(job, tmp_path):
    # Going on with that part would cut the finished file: they are one.
    os.link(tmp_path / "mine.mp4", tmp_path / "mine.mp4.part")
    (tmp_path / "mine.mp4.part.json").write_text("{}")
    assert _already_here(job).path == job.target
    assert not list(tmp_path.glob("mine.mp4.*"))


def test_a_strangers_video_at_that_name_is_not_taken(job, tmp_path):
    (tmp_path / "mine.mp4.part").write_bytes((tmp_path / "mine.mp4").read_bytes())
    assert _already_here(job) is None
    assert (tmp_path / "mine.mp4.part").exists()
