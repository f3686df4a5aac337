from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import warnings

import pytest

from ipyreel.errors import JobFailed, StoreError, SubmissionUnknown, VideoError, WaitTimeout
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
    assert video.path.read_bytes() == live.video_bytes(job.remote_id)
    assert job.path == video.path


def test_a_wait_that_is_given_up_leaves_the_job_alone(live):
    held(live)
    job = api.submit("A red balloon")
    with pytest.raises(WaitTimeout, match=f"{job.id} did not end within 0.1 s; it continues"):
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
    assert job.wait(60).path
    assert live.posts() == 1


def test_what_went_wrong_is_raised_and_kept(live):
    live.faults.add(
        {"step": "retrieve", "do": {"job": {"status": "failed", "error": {"message": "no fuel"}}}}
    )
    job = api.submit("A red balloon")
    with pytest.raises(JobFailed, match="no fuel") as caught:
        job.wait(60)
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
        job.wait(60)
    assert job.status == "unknown"
    assert isinstance(job.error, SubmissionUnknown)
    assert "unknown" in repr(job).lower()
    assert len(live.log("create")) == 1


def test_the_functions_find_the_jobs(live):
    held(live)
    job = api.submit("A red balloon")
    assert [one.id for one in api.in_flight()] == [job.id]
    live.faults.clear()
    job.wait(60)
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


def pickled(one):
    return pickle.loads(pickle.dumps(one))  # noqa: S301 - our own


def test_a_job_is_its_id_wherever_it_is_kept(live):
    job, other = api.submit("A red balloon"), api.submit("A blue balloon")
    films = api.history()
    assert api.job(job.id) in films
    assert len({job, api.job(job.id), other}) == 2
    for keep in (copy.copy, copy.deepcopy, pickled):
        assert keep(job) == job
        assert keep(films) == films
        assert keep(films).to_dict() == films.to_dict()
    kept = pickle.dumps((job, films))
    assert len(kept) < 2000
    films.wait(60)
    api.close()  # a later kernel has another session
    again, listed = pickle.loads(kept)  # noqa: S301 - as above
    assert again.video.path.exists()
    assert len(listed.videos) == live.posts() == 2


def test_store_keeps_a_job(reel):
    job = reel.run_cell("%%video clip\nA red balloon").result
    reel.run_cell("%load_ext storemagic")
    reel.run_cell("%store clip")
    del reel.user_ns["clip"]
    reel.run_cell("%store -r clip")
    assert reel.user_ns["clip"] == job


def test_a_deleted_job_can_still_be_printed(reel):
    job = api.submit("A red balloon")
    films = api.history()
    assert job.wait(60).path == job.path
    reel.run_cell(f"%video delete {job.id}")
    assert repr(job) == f"<Job {job.id}: not in the library>"
    assert job.id in repr(films)
    with pytest.raises(StoreError, match=job.id):
        job.status  # noqa: B018 - it is the look-up that raises


def test_another_loop_than_asyncio_is_told_so():
    job = api.submit("A red balloon")
    with pytest.raises(VideoError, match="needs an asyncio event loop"):
        next(job.__await__())
    with pytest.raises(VideoError, match="needs an asyncio event loop"):
        next(api.history().__await__())
    job.wait(60)
