"""Cancelling, in every phase of a job, says what it did."""

from __future__ import annotations

from pathlib import Path

import pytest

from ipyreel.errors import (
    AuthenticationFailed,
    MissingKey,
    SubmissionUnknown,
    TransportError,
)
from ipyreel.values import Failure, VideoPage
from tests.jobs.fakes import BOUND, PROMPT, START, FakeClient, Gate, small_mp4, video


def cancel(bench, job):
    """Cancel, and check that the library and who waits for the job are told the same."""
    watched = bench.manager.future(job.id)
    end = bench.manager.cancel(bench.manager.snapshot(job.id)).result(BOUND)
    assert watched.result(BOUND) == end
    assert bench.store.get(job.id) == end
    assert bench.holder(job) is None
    assert bench.manager.active() == []
    return end


def test_before_anything_is_sent(bench):
    gate = Gate()
    bench.connect_steps.append(gate)
    end = cancel(bench, bench.begin(gate))
    assert (end.status, end.sent_at) == ("cancelled", None)
    assert end.note == "Cancelled before anything was sent; nothing will be billed."
    assert bench.client.log == []
    gate.open()


@pytest.mark.parametrize("routes", [("list", "delete"), ("list",)])
def test_while_the_post_is_on_its_way_its_answer_is_waited_for(bench, routes):
    gate = Gate(video(remote_id="r-7"))
    bench.client = FakeClient(routes=routes)
    bench.client.create_steps = [gate]
    job = bench.begin(gate)
    future = bench.manager.cancel(bench.manager.snapshot(job.id))
    # The loop has taken the wish to cancel before the answer comes.
    assert bench.loop.submit(_turn()).result(BOUND)
    assert not future.done()
    gate.open()
    end = future.result(BOUND)
    assert (end.status, end.remote_id) == ("cancelled", "r-7")
    assert bench.store.get(job.id) == end
    if "delete" in routes:
        assert bench.client.log == ["create", "delete"]
        assert bench.client.asked == ["r-7"]
        assert end.note.startswith("Asked fake to delete")
    else:
        assert bench.client.log == ["create"]
        assert "cannot cancel" in end.note
        assert "may be billed" in end.note


async def _turn():
    return True


def test_while_the_post_is_on_its_way_and_it_is_refused(bench):
    gate, job = bench.held("create", AuthenticationFailed("no", status_code=401))
    future = bench.manager.cancel(job)
    gate.open()
    assert future.result(BOUND).status == "failed"
    assert bench.client.log == ["create"]


@pytest.mark.parametrize("listed", [False, True])
def test_while_the_post_is_on_its_way_and_its_answer_is_lost(bench, listed):
    gate = Gate(SubmissionUnknown("It may have arrived."))
    bench.client.create_steps = [gate]
    found = video(prompt=PROMPT, created_at=START, remote_id="r-7")
    bench.client.list_steps = [VideoPage(jobs=(found,) if listed else ())]
    job = bench.begin(gate)
    future = bench.manager.cancel(bench.manager.snapshot(job.id))
    assert bench.loop.submit(_turn()).result(BOUND)
    gate.open()
    end = future.result(BOUND)
    assert (end.status, end.sent_at) == ("cancelled", START)
    assert end.remote_id == ("r-7" if listed else None)
    assert ("delete" in bench.client.log) is listed
    assert ("If the POST arrived" in end.note) is not listed


def test_while_it_is_looked_for(bench):
    gate = Gate(VideoPage(jobs=()))
    bench.client.create_steps = [SubmissionUnknown("It may have arrived.")]
    bench.client.list_steps = [gate]
    end = cancel(bench, bench.begin(gate))
    assert (end.status, bench.client.log) == ("cancelled", ["create", "list"])
    assert end.note.startswith("Stopped looking for it.")
    gate.open()


@pytest.mark.parametrize(
    ("routes", "note"),
    [
        (("list", "delete"), "Asked fake to delete the job (DELETE)."),
        ((), "Stopped watching: fake cannot cancel."),
    ],
)
def test_while_polling_the_server_is_told_where_it_can_be(bench, routes, note):
    gate = Gate(video("in_progress"))
    bench.client = FakeClient(routes=routes)
    bench.client.retrieve_steps = [gate]
    end = cancel(bench, bench.begin(gate))
    assert (end.status, bench.client.log.count("delete")) == ("cancelled", len(routes[1:]))
    assert end.note.startswith(note)
    assert (f"%video resume {end.id}" in end.note) is not bool(routes)
    gate.open()


@pytest.mark.parametrize("where", ["delete", "connect"])
def test_a_server_that_cannot_be_told_is_no_error(bench, where):
    gate, job = bench.held("retrieve", video("in_progress"))
    if where == "delete":
        bench.client.delete_steps = [TransportError("No route to host.")]
    else:
        bench.connect_steps.append(MissingKey("There is no key."))
    end = cancel(bench, job)
    assert end.status == "cancelled"
    assert "DELETE did not work" in end.note
    assert "may be billed" in end.note
    gate.open()


def test_a_bug_while_telling_the_server_wakes_who_waits(bench):
    gate, job = bench.held("retrieve", video("in_progress"))
    bench.client.delete_steps = [ZeroDivisionError("ours")]
    end = bench.manager.cancel(bench.manager.snapshot(job.id)).result(BOUND)
    assert end.remote_id == "video_1"
    assert bench.manager.active() == []
    gate.open()


def test_while_downloading_the_finished_video_is_not_deleted(bench):
    gate = Gate(small_mp4())
    bench.client.download_steps = [gate, small_mp4()]
    job = bench.begin(gate)
    end = cancel(bench, job)
    assert (end.status, end.ready) == ("cancelled", True)
    assert "delete" not in bench.client.log
    assert end.note.startswith("Stopped the download. The video is ready at fake")
    assert not Path(job.target).exists()
    bench.client.retrieve_steps = [video("completed")]
    assert bench.resume(job).status == "completed"
    gate.open()


def test_after_the_end_nothing_changes(bench):
    done = bench.submit()
    assert bench.manager.cancel(done).result(BOUND) == done
    assert bench.client.log[-1] == "download"
    assert bench.store.get(done.id) == done
    job = bench.left_behind(status="failed", failure=Failure(message="x"))
    assert bench.manager.cancel(job).result(BOUND) == job


def test_twice_is_told_once(bench):
    gate, telling = Gate(video("in_progress")), Gate(outcome=True)
    bench.client.retrieve_steps = [gate]
    bench.client.delete_steps = [telling, TransportError("a second DELETE")]
    job = bench.begin(gate)
    snapshot = bench.manager.snapshot(job.id)
    first = bench.manager.cancel(snapshot)
    assert telling.reached.wait(BOUND)
    second = bench.manager.cancel(snapshot)
    assert bench.loop.submit(_turn()).result(BOUND)
    telling.open()
    assert first.result(BOUND) == second.result(BOUND)
    assert bench.client.log.count("delete") == 1
    assert first.result().note.startswith("Asked fake")
    gate.open()


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({}, "Cancelled before anything was sent"),
        ({"sent_at": START}, "Stopped looking for it."),
        ({"status": "unknown", "sent_at": START}, "Stopped looking for it."),
        ({"status": "in_progress", "remote_id": "r-1"}, "Asked fake to delete"),
        ({"status": "downloading", "remote_id": "r-1", "ready": True}, "Stopped the download."),
    ],
)
def test_a_job_that_an_old_kernel_left(bench, fields, note):
    job = bench.left_behind(**fields)
    end = bench.manager.cancel(job).result(BOUND)
    assert (end.status, bench.client.posts) == ("cancelled", [])
    assert end.note.startswith(note)
    assert bench.store.get(job.id) == end


def test_deleting_a_job_that_may_be_at_the_server_claims_nothing(bench):
    job = bench.left_behind(status="unknown", sent_at=START)
    said = bench.manager.delete(job).result(BOUND)
    assert said == "fake is not known to have the job. Deleted here."
    assert bench.client.log == []
    assert bench.store.get(job.id) is None
