from __future__ import annotations

import asyncio
import gc
import warnings
from pathlib import Path

import pytest

from ipyreel.errors import JobFailed, SubmissionUnknown, WaitTimeout
from ipyreel.notebook import api

pytestmark = pytest.mark.usefixtures("reel")


def held(live):
    """Keep every job in the queue until the rule is cleared."""
    live.faults.add({"step": "retrieve", "do": {"job": {"status": "queued", "progress": 0}}})


def test_await_gives_the_video_on_any_loop(live):
    job = api.submit("A red balloon", seconds=2)

    async def wait():
        return await job

    video = asyncio.run(wait())
    assert Path(video.path).read_bytes() == live.video_bytes(job.remote_id)
    assert job.path == Path(video.path)


def test_a_wait_that_is_given_up_leaves_the_job_alone(live):
    held(live)
    job = api.submit("A red balloon")
    with pytest.raises(WaitTimeout, match=f"{job.id} did not end within 0.1 s; it goes on"):
        job.wait(0.1)

    async def give_up():
        task = asyncio.ensure_future(job._wait_async())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    assert not job.done()
    live.faults.clear()
    assert job.wait(30).path
    assert live.posts() == 1


def test_what_went_wrong_is_raised_and_kept(live):
    live.faults.add(
        {"step": "retrieve", "do": {"job": {"status": "failed", "error": {"message": "no fuel"}}}}
    )
    job = api.submit("A red balloon")
    with pytest.raises(JobFailed, match="no fuel") as caught:
        job.wait(30)
    assert caught.value.job.id == job.id
    api.close()  # a new kernel knows it from the library
    with pytest.raises(JobFailed, match="no fuel"):
        api.job(job.id).wait()


def test_an_unknown_submission_says_so_and_is_never_sent_again(live, monkeypatch):
    monkeypatch.setattr("ipyreel.jobs.recover.WAITS", (0.0,))
    live.faults.add({"step": "create", "do": {"drop_reply": True}})
    live.faults.add({"step": "list", "do": {"status": 404}})
    job = api.submit("A red balloon")
    with pytest.raises(SubmissionUnknown):
        job.wait(30)
    assert job.status == "unknown"
    assert isinstance(job.error, SubmissionUnknown)
    assert "unknown" in repr(job).lower()
    assert len(live.log("create")) == 1


def test_cancel_returns_what_was_done(live):
    held(live)
    job = api.submit("A red balloon")
    assert "lab" in job.cancel() or "nothing will be billed" in job.cancel()
    assert job.status == "cancelled"
    with pytest.raises(JobFailed, match="cancelled"):
        job.wait()


def test_the_functions_find_the_jobs(live):
    held(live)
    job = api.submit("A red balloon")
    assert [one.id for one in api.in_flight()] == [job.id]
    live.faults.clear()
    job.wait(30)
    assert api.in_flight() == []
    assert [one.id for one in api.history("balloon")] == [job.id]
    assert api.job().id == job.id
    assert api.job(job.remote_id).id == job.id


def test_closing_leaves_no_connection_open(live):
    # Each round stops at another moment, some of them while a connection is being made.
    held(live)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        for number in range(10):
            api.submit("A red balloon")
            while number > 5 and live.posts() < number - 5:
                pass
            api.close()
        gc.collect()
    assert [str(warning.message) for warning in told] == []
