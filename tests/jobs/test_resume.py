"""A new kernel continues what an earlier one left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ipyreel.errors import InvalidRequest, MissingKey, VideoError
from ipyreel.jobs.loop import LoopThread
from ipyreel.jobs.query import Query
from ipyreel.values import Failure, Image, VideoRequest
from tests.jobs.fakes import BOUND, PROMPT, START, Gate, small_mp4, video


def test_a_job_whose_answer_never_came_is_never_sent_again(bench):
    job = bench.left_behind(sent_at=START)
    end = bench.resume(job)
    assert (end.status, end.sent_at) == ("unknown", START)
    assert end.failure.message == "The kernel ended before the server answered."
    assert "does not list it" in end.failure.hint
    assert bench.client.posts == []


@pytest.mark.parametrize("status", ["queued", "in_progress", "downloading", "unknown"])
def test_a_job_that_the_server_has_is_asked_for_at_once(bench, status):
    job = bench.left_behind(status=status, remote_id="r-1", sent_at=START, progress=80.0)
    bench.client.retrieve_steps = [video("completed")]
    end = bench.resume(job)
    assert end.status == "completed"
    assert bench.client.log == ["retrieve", "download"]
    assert bench.time.waits == []


def test_a_file_that_is_here_already_is_not_downloaded_again(bench):
    job = bench.left_behind(status="downloading", remote_id="r-1", ready=True)
    Path(job.target).write_bytes(small_mp4())
    bench.client.retrieve_steps = [video("completed")]
    end = bench.resume(job)
    assert (end.status, end.file.size) == ("completed", len(small_mp4()))
    assert bench.client.log == ["retrieve"]
    assert Path(job.target).with_suffix(".json").exists()


@pytest.mark.parametrize(("name", "cut"), [("clip-v123456.mp4", -4), ("mine.mp4", None)])
def test_a_broken_or_a_strangers_file_in_its_place_is_left_alone(bench, tmp_path, name, cut):
    target = tmp_path / name
    target.write_bytes(small_mp4()[:cut])
    fields = {"id": "v123456", "remote_id": "r-1", "target": str(target)}
    job = bench.left_behind(status="downloading", ready=True, **fields)
    bench.client.retrieve_steps = [video("completed")]
    end = bench.resume(job)
    assert (end.status, end.ready) == ("failed", True)
    assert target.read_bytes() == small_mp4()[:cut]
    assert not target.with_suffix(".json").exists()


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_an_ended_job_is_opened_again_when_it_is_named(bench, status):
    job = bench.left_behind(
        status=status, remote_id="r-1", completed_at=START, failure=Failure(message="x")
    )
    bench.client.retrieve_steps = [video("completed")]
    end = bench.resume(job)
    assert (end.status, end.failure) == ("completed", None)


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "in_progress", "remote_id": "r-1", "sent_at": START},
        {"status": "unknown", "sent_at": START},
        {"status": "submitting", "sent_at": START},
    ],
)
@pytest.mark.parametrize(
    "error", [MissingKey("There is no key."), VideoError("The server did not start.")]
)
def test_a_kernel_that_cannot_connect_fails_no_job_of_another(bench, fields, error):
    job = bench.left_behind(**fields)
    bench.connect_steps.append(error)
    end = bench.resume(job)
    assert (end.status, end.failure, end.sent_at) == (fields["status"], None, START)
    assert error.message in end.note
    assert bench.manager.error(job.id) is error
    assert bench.holder(job) is None
    assert [one.id for one in bench.store.in_flight()] == [job.id]


def test_pixels_that_are_gone_are_not_sent_without(bench):
    request = VideoRequest(prompt="x", images=(Image(source="cat.png", data=b"pixels"),))
    end = bench.resume(bench.left_behind(request=request))
    assert end.status == "failed"
    assert "cat.png is not stored" in end.failure.message
    assert isinstance(bench.manager.error(end.id), InvalidRequest)
    assert bench.client.log == []


def test_an_active_job_is_not_started_twice(bench):
    gate, job = bench.held("retrieve", video("completed"))
    future = bench.manager.future(job.id)
    assert bench.manager.resume(job) == "taken"
    assert bench.manager.future(job.id) is future
    gate.open()
    assert bench.end(job).status == "completed"
    assert bench.client.log == ["create", "retrieve", "download"]


def test_who_listened_goes_on_listening(bench):
    bench.client.retrieve_steps = [video("failed", failure=Failure(message="x"))]
    job = bench.submit()
    seen = []
    bench.manager.listen(job.id, seen.append)
    bench.client.retrieve_steps = [video("completed")]
    assert bench.resume(job) == seen[-1]


def test_what_the_library_says_goes_before_an_old_snapshot(bench):
    job = bench.left_behind()
    assert bench.store.claim(job.id)
    bench.store.save(replace(job, status="queued", remote_id="r-1", sent_at=START))
    assert bench.resume(job).status == "completed"
    assert bench.client.posts == []


# ---- a job from elsewhere -----------------------------------------------------------------


def test_a_job_from_elsewhere_gets_its_words_from_the_server(bench):
    told = {"prompt": "a dog", "model": "m-7", "seconds": 8.0, "size": "1280x720"}
    bench.client.retrieve_steps = [video("in_progress", **told), video("completed", **told)]
    job = bench.job(request=VideoRequest(prompt=""), status="queued", remote_id="video_1")
    bench.manager.submit(job)
    end = bench.end(job)
    assert end.status == "completed"
    assert end.request == VideoRequest(prompt="a dog", model="m-7", seconds=8.0, size="1280x720")
    assert bench.client.log == ["retrieve", "retrieve", "download"]
    assert bench.client.posts == []
    assert bench.store.page(Query(text="dog"))[0] == [end]


def test_a_prompt_of_ours_is_not_replaced(bench):
    bench.client.retrieve_steps = [video("completed", prompt="A revised prompt", model="m-2")]
    end = bench.submit()
    assert (end.request.prompt, end.request.model) == (PROMPT, "m-1")


# ---- two kernels, one library ---------------------------------------------------------------


def test_a_job_is_polled_by_one_kernel(make_bench):
    first, second = make_bench(), make_bench()
    gate, job = first.held("retrieve", video("completed"))
    assert second.manager.resume(job) == "refused"
    assert second.manager.active() == []
    told = second.manager.cancel(job).result(BOUND)
    assert told.note == "Another kernel has this job; cancel it there."
    gate.open()
    end = first.end(job)
    assert second.client.log == []
    assert second.manager.snapshot(job.id) == end
    assert second.manager.future(job.id).result(BOUND) == end


def test_a_job_that_is_given_up_here_may_be_taken_there(make_bench):
    first, second = make_bench(deadline=10.0), make_bench()
    first.client.retrieve_steps = [video("in_progress")]
    job = first.submit()
    # Another job keeps the first kernel alive and its signs of life going.
    gate = Gate(video("completed"))
    first.client.retrieve_steps = [gate]
    other = first.job()
    first.manager.submit(other)
    assert gate.reached.wait(BOUND)
    first.time.let_beat()
    assert second.resume(job).status == "completed"
    assert second.manager.resume(other) == "refused"
    gate.open()
    first.end(other)


def test_a_stopped_loop_wakes_who_waits_and_gives_the_job_back(make_bench):
    first, second = make_bench(loop=LoopThread()), make_bench()
    gate, job = first.held("retrieve", video("completed"))
    first.loop.stop()
    left = first.manager.future(job.id).result(BOUND)
    assert (left.status, left.remote_id) == ("queued", "video_1")
    assert first.manager.active() == []
    assert second.resume(job).status == "completed"
    gate.open()


def test_a_loop_that_was_stopped_starts_again_for_the_same_job(make_bench):
    bench = make_bench()
    gate = Gate(video("completed"))
    bench.client.retrieve_steps = [gate, video("completed")]
    job = bench.begin(gate)
    bench.loop.stop()
    assert bench.resume(job).status == "completed"
    assert len(bench.client.posts) == 1
