"""A job from the cell to the file: what the server counted, what the library says."""

from __future__ import annotations

import json
import logging
import threading
from decimal import Decimal
from pathlib import Path

import pytest

from ipyreel.errors import (
    AuthenticationFailed,
    DownloadError,
    JobFailed,
    JobNotFound,
    PaymentRequired,
    ServerBroken,
    StoreError,
    TransportError,
    VideoError,
    WaitTimeout,
    WireError,
)
from ipyreel.jobs.manager import BEAT
from ipyreel.values import Failure, VideoRequest
from tests.jobs.fakes import BOUND, START, Gate, small_mp4, video


def refused(kind=AuthenticationFailed, status=401, message="Wrong key."):
    return kind(message, status_code=status, code="bad", request_id="req-1", hint="Do this.")


def statuses(seen):
    """Return the phases in the order they were shown, each once."""
    return list(dict.fromkeys(job.status for job in seen))


# ---- all is well --------------------------------------------------------------------------


def test_a_job_becomes_a_file(bench):
    job = bench.job(estimate=Decimal("0.4"))
    seen = []
    gate = Gate()
    bench.connect_steps.append(gate)
    bench.manager.submit(job)
    bench.manager.listen(job.id, seen.append)
    gate.open()
    end = bench.end(job)
    assert (end.status, end.progress, end.remote_id) == ("completed", 100.0, "video_1")
    assert Path(end.target).read_bytes() == small_mp4()
    assert end.file.path == job.target
    assert bench.client.log == ["create", "retrieve", "retrieve", "download"]
    assert bench.client.posts == [job.request]
    assert statuses(seen) == ["queued", "in_progress", "downloading", "completed"]
    assert seen[-1] == end == bench.manager.snapshot(job.id)
    assert [one.progress or 0 for one in seen] == sorted(one.progress or 0 for one in seen)
    assert bench.manager.error(job.id) is None
    assert bench.manager.active() == []
    assert bench.holder(job) is None
    sidecar = json.loads(Path(job.target).with_suffix(".json").read_text(encoding="utf-8"))
    assert (sidecar["id"], sidecar["sha256"]) == (job.id, end.file.sha256)


def test_the_job_is_in_the_library_before_anything_is_sent(bench):
    gate = Gate()
    bench.connect_steps.append(gate)
    job = bench.job()
    bench.manager.submit(job)
    assert bench.store.get(job.id) == job
    assert bench.holder(job) == bench.store.owner
    assert [one.id for one in bench.manager.active()] == [job.id]
    assert bench.client.log == []
    gate.open()
    assert bench.end(job).status == "completed"


def test_that_it_is_sent_is_in_the_library_before_the_answer(bench):
    gate = Gate(video())
    bench.client.create_steps = [gate]
    job = bench.job()
    bench.manager.submit(job)
    assert gate.reached.wait(BOUND)
    assert bench.store.get(job.id).sent_at == START
    gate.open()
    assert bench.end(job).status == "completed"


def test_the_last_answer_is_kept_as_it_came(bench):
    bench.client.retrieve_steps = [video("completed", raw={"id": "video_1", "odd": [None]})]
    assert bench.store.answer(bench.submit().id) == {"id": "video_1", "odd": [None]}


def test_the_id_is_kept_in_the_same_breath_as_the_reply(bench):
    gate = Gate(video("completed"))
    bench.client.retrieve_steps = [gate]
    bench.client.create_steps = [video(remote_id="a/b=:" * 60, raw={"id": 1})]
    job = bench.job()
    bench.manager.submit(job)
    assert gate.reached.wait(BOUND)
    assert bench.store.get(job.id).remote_id == "a/b=:" * 60
    assert bench.store.answer(job.id) == {"id": 1}
    gate.open()
    bench.end(job)
    assert bench.client.asked == ["a/b=:" * 60]


def test_the_servers_wish_for_the_first_wait_is_kept(bench):
    bench.client.create_steps = [video(poll_after=7.0)]
    bench.client.retrieve_steps = [video("completed")]
    bench.submit()
    assert bench.time.waits == [7.0]


def test_hostile_answers_do_not_stop_a_job(bench):
    nasty = "\ud800<b>\0" * 1000
    bench.client.create_steps = [video(remote_id=nasty, raw_status=nasty, raw={nasty: nasty})]
    bench.client.retrieve_steps = [video("completed", raw_status=nasty, raw=[nasty])]
    end = bench.submit(request=VideoRequest(prompt=nasty))
    assert (end.status, end.remote_id, end.raw_status) == ("completed", nasty, nasty)
    assert json.loads(Path(end.target).with_suffix(".json").read_text())["remote_id"] == nasty


def test_many_jobs_at_once(bench):
    names = iter(range(100))
    bench.client.create_steps = [lambda: video(remote_id=f"r-{next(names)}")]
    bench.client.retrieve_steps = [video("completed")]
    jobs = [bench.job() for _ in range(20)]
    for job in jobs:
        bench.manager.submit(job)
    ends = [bench.end(job) for job in jobs]
    assert {job.status for job in ends} == {"completed"}
    assert len({job.remote_id for job in ends}) == 20
    assert len(bench.client.posts) == 20


def test_an_unknown_id_has_no_future(bench):
    with pytest.raises(StoreError, match="no job nowhere"):
        bench.manager.future("nowhere").result(BOUND)
    assert bench.manager.snapshot("nowhere") is None
    assert bench.manager.error("nowhere") is None
    bench.manager.listen("nowhere", print)


def test_one_id_cannot_be_submitted_twice(bench):
    job = bench.submit()
    again = bench.job(id=job.id)
    with pytest.raises(StoreError):
        bench.manager.submit(again)
    assert len(bench.client.posts) == 1


# ---- while it is watched --------------------------------------------------------------------


@pytest.mark.parametrize("kind", [AuthenticationFailed, PaymentRequired])
def test_a_key_that_opens_nothing_any_more_does_not_end_the_job(bench, kind):
    bench.client.retrieve_steps = [video("in_progress", progress=40.0), refused(kind)]
    end = bench.submit()
    assert (end.status, end.progress, end.failure) == ("in_progress", 40.0, None)
    assert "Wrong key." in end.note
    assert f"%video resume {end.id}" in end.note
    assert isinstance(bench.manager.error(end.id), kind)
    assert bench.holder(end) is None
    bench.client.retrieve_steps = [video("completed")]
    assert bench.resume(end).status == "completed"
    assert len(bench.client.posts) == 1


def test_the_deadline_does_not_end_the_job(make_bench):
    bench = make_bench(deadline=60.0)
    bench.client.retrieve_steps = [video("in_progress")]
    end = bench.submit()
    assert (end.status, end.ended) == ("in_progress", False)
    assert "60 s" in end.note
    assert isinstance(bench.manager.error(end.id), WaitTimeout)
    assert bench.holder(end) is None


def test_passing_trouble_is_noted_and_forgotten(bench):
    bench.client.retrieve_steps = [
        ServerBroken("Boom", status_code=502),
        TransportError("no route"),
        WireError("no JSON"),
        video("in_progress"),
        video("completed"),
    ]
    gate, seen = Gate(), []
    bench.connect_steps.append(gate)
    job = bench.job()
    bench.manager.submit(job)
    bench.manager.listen(job.id, seen.append)
    gate.open()
    end = bench.end(job)
    assert (end.status, end.note) == ("completed", None)
    notes = [one.note for one in seen if one.note]
    assert len(notes) == 3
    assert "502" in notes[0]


def test_a_failed_job_says_why(bench):
    failure = Failure(message="Content policy.", code="moderation", hint="Change it.")
    bench.client.retrieve_steps = [video("failed", failure=failure)]
    end = bench.submit()
    assert (end.status, end.failure) == ("failed", failure)
    error = bench.manager.error(end.id)
    assert isinstance(error, JobFailed)
    assert error.reason == "Content policy."


def test_a_failed_job_without_a_reason(bench):
    bench.client.retrieve_steps = [video("failed")]
    assert bench.submit().failure.message == "The provider gave no reason."


def test_a_job_that_the_server_cancelled(bench):
    bench.client.retrieve_steps = [video("cancelled", raw_status="ABORTED")]
    end = bench.submit()
    assert (end.status, end.note) == ("cancelled", "fake ended the job itself (ABORTED).")


def test_a_job_that_the_server_forgot(bench):
    bench.client.retrieve_steps = [JobNotFound("No such job.", status_code=404)]
    end = bench.submit()
    assert (end.status, end.failure.status_code, end.ready) == ("failed", 404, False)
    assert len(bench.client.log) > 3


def test_a_bug_of_ours_does_not_lose_the_job(bench, caplog):
    bench.client.retrieve_steps = [ZeroDivisionError("ours")]
    end = bench.submit()
    assert (end.status, end.remote_id) == ("queued", "video_1")
    assert "ZeroDivisionError" in end.note
    assert type(bench.manager.error(end.id)) is VideoError
    assert bench.holder(end) is None
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    bench.client.retrieve_steps = [video("completed")]
    assert bench.resume(end).status == "completed"


def test_a_listener_that_breaks_does_not_stop_the_job(bench, caplog):
    gate, seen = Gate(), []
    bench.connect_steps.append(gate)
    job = bench.job()
    bench.manager.submit(job)

    def broken(_job):
        raise ZeroDivisionError("a card")

    bench.manager.listen(job.id, broken)
    bench.manager.listen(job.id, seen.append)
    gate.open()
    assert bench.end(job) == seen[-1]
    assert seen[-1].status == "completed"
    assert len(caplog.records) == len(seen)


def test_a_full_disk_while_polling_does_not_lose_the_job(bench):
    def fill():
        pages = bench.store.database.rows("PRAGMA page_count", ())[0][0]
        bench.store.database._open(fresh=True).execute(f"PRAGMA max_page_count = {pages}")
        return video("in_progress", progress=30.0, raw=["x" * 9_000] * 25)

    def free():
        bench.store.database._open(fresh=True).execute("PRAGMA max_page_count = 1000000")
        return video("in_progress", progress=60.0, raw="small")

    gate = Gate()
    seen = []
    bench.connect_steps.append(gate)
    bench.client.retrieve_steps = [fill, free, video("completed", raw="end")]
    job = bench.job()
    bench.manager.submit(job)
    bench.manager.listen(job.id, seen.append)
    gate.open()
    end = bench.end(job)
    assert end.status == "completed"
    assert bench.store.answer(job.id) == "end"
    (told,) = [one for one in seen if one.note]
    assert "disk is full" in told.note
    assert told.progress == 30.0


def test_a_library_that_breaks_at_the_end_wakes_who_waits(bench, caplog):
    breaks = [lambda: bench.read_only() or video("completed"), video("completed")]
    bench.client.retrieve_steps = breaks
    job = bench.job()
    bench.manager.submit(job)
    end = bench.manager.future(job.id).result(BOUND)
    assert end.status == "completed"
    assert "could not be used" in end.note
    assert Path(end.target).exists()
    assert "could not be used" in caplog.text
    # The library knows of a job in flight, so the next kernel finds the file and is done.
    bench.read_only(on=False)
    assert bench.store.get(job.id).status == "queued"
    assert bench.resume(job).status == "completed"
    assert bench.client.log.count("download") == 1


@pytest.mark.parametrize("error", [refused(), ZeroDivisionError("ours")])
def test_a_library_that_breaks_while_letting_go_wakes_who_waits(bench, caplog, error):
    def broken():
        bench.read_only()
        raise error

    bench.client.retrieve_steps = [broken]
    job = bench.job()
    bench.manager.submit(job)
    assert bench.manager.future(job.id).result(BOUND).remote_id == "video_1"
    assert "could not be used" in caplog.text
    bench.read_only(on=False)
    bench.client.retrieve_steps = [video("completed")]
    assert bench.resume(job).status == "completed"


# ---- the file -------------------------------------------------------------------------------

BROKEN_DOWNLOADS = {
    "cut": DownloadError("The download broke off.", path="/x.part", hint="Resume goes on."),
    "no route": TransportError("No route to host."),
    "not there": JobNotFound("Not there yet.", status_code=404),
    "broken": ServerBroken("Boom", status_code=500),
}


@pytest.mark.parametrize("error", BROKEN_DOWNLOADS.values(), ids=BROKEN_DOWNLOADS)
def test_a_broken_download_keeps_the_way_to_it(bench, error):
    bench.client.download_steps = [error, small_mp4()]
    end = bench.submit()
    assert (end.status, end.ready, end.remote_id) == ("failed", True, "video_1")
    assert end.failure.message == error.message
    assert f"%video resume {end.id} downloads it." in end.failure.hint
    assert end.failure.hint.startswith(error.hint or "The video is ready")
    assert not Path(end.target).exists()
    assert [one.id for one in bench.store.undelivered()] == [end.id]
    again = bench.resume(end)
    assert (again.status, again.failure) == ("completed", None)
    assert Path(again.target).read_bytes() == small_mp4()
    assert bench.manager.error(end.id) is None
    assert len(bench.client.posts) == 1


def test_a_key_that_opens_nothing_at_the_download_keeps_the_job(bench):
    bench.client.download_steps = [refused(), small_mp4()]
    end = bench.submit()
    assert (end.status, end.ready) == ("downloading", True)
    assert bench.resume(end).status == "completed"


def test_a_sidecar_that_cannot_be_written_is_a_note(bench):
    job = bench.job()
    Path(job.target).with_suffix(".json").write_text("mine", encoding="utf-8")
    bench.manager.submit(job)
    end = bench.end(job)
    assert end.status == "completed"
    assert "left alone" in end.note


def test_bytes_are_counted_but_not_each_written_down(bench):
    gate, seen = Gate(), []
    bench.connect_steps.append(gate)
    job = bench.job()
    bench.manager.submit(job)
    bench.manager.listen(job.id, seen.append)
    gate.open()
    bench.end(job)
    counted = [(one.received, one.total) for one in seen if one.status == "downloading"]
    size = len(small_mp4())
    assert counted == [(0, None), (size, size)]


# ---- signs of life --------------------------------------------------------------------------


def test_signs_of_life_are_given_while_a_job_is_active(bench):
    gate = Gate(video("completed"))
    bench.client.retrieve_steps = [gate]
    job = bench.job()
    bench.manager.submit(job)
    assert gate.reached.wait(BOUND)
    for _ in range(2):
        bench.time.now += BEAT
        bench.time.let_beat()
    assert bench.store.sighting(job.id).beat == 2
    gate.open()
    bench.end(job)


def test_a_sign_of_life_that_cannot_be_written_is_tried_again(bench, caplog):
    gate = Gate(video("completed"))
    bench.client.retrieve_steps = [gate]
    job = bench.job()
    bench.manager.submit(job)
    assert gate.reached.wait(BOUND)
    bench.read_only()
    bench.time.let_beat()
    assert "could not be used" in caplog.text
    bench.read_only(on=False)
    bench.time.now += BEAT
    bench.time.let_beat()
    assert bench.store.sighting(job.id).beat == 1
    gate.open()
    assert bench.end(job).status == "completed"


def test_listeners_are_called_on_the_loops_thread(bench):
    threads = set()
    gate = Gate()
    bench.connect_steps.append(gate)
    job = bench.job()
    bench.manager.submit(job)
    bench.manager.listen(job.id, lambda _: threads.add(threading.current_thread().name))
    gate.open()
    bench.end(job)
    assert threads == {"ipyreel"}
