"""A job from submission to the file: requests, states, the library."""

from __future__ import annotations

import json
import logging
import threading
from decimal import Decimal
from pathlib import Path

import pytest

from ipyreel.errors import (
    AuthenticationFailed,
    JobNotFound,
    StoreError,
    SubmissionUnknown,
    VideoError,
)
from ipyreel.jobs.owners import BEAT
from ipyreel.values import Money, VideoPage
from tests.jobs.fakes import BOUND, PROMPT, START, Gate, small_mp4, video


def refused(kind=AuthenticationFailed, status=401, message="Wrong key."):
    return kind(message, status_code=status, code="bad", request_id="req-1", hint="Do this.")


def statuses(seen):
    """Return the phases in the order they were shown, each once."""
    return list(dict.fromkeys(job.status for job in seen))


# ---- all is well --------------------------------------------------------------------------


def test_a_job_becomes_a_file(bench):
    threads = set()
    end, seen = bench.watch(lambda _: threads.add(threading.current_thread().name))
    assert threads == {"ipyreel"}
    assert (end.status, end.progress, end.remote_id) == ("completed", 100.0, "video_1")
    assert Path(end.target).read_bytes() == small_mp4()
    assert end.file.path == end.target
    assert bench.client.log == ["create", "retrieve", "retrieve", "download"]
    assert bench.client.posts == [end.request]
    assert statuses(seen) == ["queued", "in_progress", "downloading", "completed"]
    counted = [(one.received, one.total) for one in seen if one.status == "downloading"]
    assert counted == [(0, None), (len(small_mp4()), len(small_mp4()))]  # not each byte
    assert seen[-1] == end == bench.manager.snapshot(end.id)
    assert [one.progress or 0 for one in seen] == sorted(one.progress or 0 for one in seen)
    assert bench.manager.error(end.id) is None
    assert bench.manager.active() == []
    assert bench.holder(end) is None
    sidecar = json.loads(Path(end.target).with_suffix(".json").read_text(encoding="utf-8"))
    assert (sidecar["id"], sidecar["sha256"]) == (end.id, end.file.sha256)


def test_each_step_is_in_the_library_before_the_next(bench):
    before, sent, accepted = (
        Gate(),
        Gate(video(remote_id="a/b=:" * 60, poll_after=7.0)),
        Gate(video()),
    )
    bench.connect_steps.append(before)
    bench.client.create_steps = [sent]
    bench.client.retrieve_steps = [accepted, video("completed")]
    job = bench.begin(before)
    assert bench.store.get(job.id) == job
    assert bench.holder(job) == bench.store.owner
    assert [one.id for one in bench.manager.active()] == [job.id]
    assert bench.client.log == []
    before.open()
    assert sent.reached.wait(BOUND)
    assert bench.store.get(job.id).sent_at == START
    sent.open()
    assert accepted.reached.wait(BOUND)
    assert bench.store.get(job.id).remote_id == "a/b=:" * 60
    assert bench.time.waits == [7.0]  # as the server wished
    accepted.open()
    bench.end(job)
    assert set(bench.client.asked) == {"a/b=:" * 60}


def test_an_unknown_id_has_no_future(bench):
    with pytest.raises(StoreError, match="no job nowhere"):
        bench.manager.future("nowhere").result(BOUND)
    assert bench.manager.snapshot("nowhere") is None
    assert bench.manager.error("nowhere") is None
    bench.manager.listen("nowhere", print)


# ---- sent, or not --------------------------------------------------------------------------


def test_two_lost_answers_never_share_one_job(bench):
    found = video(prompt=PROMPT, created_at=START, remote_id="r-found")
    bench.client.create_steps = [SubmissionUnknown("The POST may have arrived.")]
    bench.client.list_steps = [VideoPage(jobs=(found,))]
    jobs = [bench.job() for _ in range(3)]
    for job in jobs:
        bench.manager.submit(job)
    ends = [bench.end(job) for job in jobs]
    assert sorted(job.status for job in ends) == ["completed", "unknown", "unknown"]


# ---- while it is watched --------------------------------------------------------------------


ENDS = {
    "our deadline": (video("in_progress"), "in_progress", "0.5", "0.5"),
    "no such job": (refused(JobNotFound, 404), "failed", "0.5", "0"),
    "gone": (refused(JobNotFound, 410), "failed", "0.5", "0"),
    "failed there": (video("failed"), "failed", "0", "0"),
    "cancelled there": (video("cancelled"), "cancelled", "0.5", "0"),
}
"""What the server answers -> how the job stands then, USD spent, and the part still reserved."""


@pytest.mark.parametrize("end", ENDS)
def test_a_job_counts_as_spent_until_its_server_says_that_it_failed(bench, end):
    answer, status, spent, reserved = ENDS[end]
    bench.client.retrieve_steps = [answer]
    job = bench.submit(estimate=Decimal("0.5"))
    money = Money(usd=Decimal(spent), reserved=Decimal(reserved), unpriced=0)
    assert (job.status, bench.store.spent(0)) == (status, money)
    assert (job.note or "").startswith("It counts as spent") == end.startswith(("no", "gone"))
    bench.client.retrieve_steps = [video("failed")]
    assert bench.resume(job).note is None
    assert bench.store.spent(0).usd == 0


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
    def broken(_job):
        raise ZeroDivisionError("a card")

    end, seen = bench.watch(broken)
    assert end == seen[-1]
    assert end.status == "completed"
    assert len(caplog.records) == len(seen)


def test_a_full_disk_while_polling_does_not_lose_the_job(bench):
    def fill():
        pages = bench.store.database.rows("PRAGMA page_count", ())[0][0]
        bench.store.database._open(fresh=True).execute(f"PRAGMA max_page_count = {pages}")
        return video("in_progress", progress=30.0, raw_status="x" * 250_000)

    def free():
        bench.store.database._open(fresh=True).execute("PRAGMA max_page_count = 1000000")
        return video("in_progress", progress=60.0)

    bench.client.retrieve_steps = [fill, free, video("completed")]
    end, seen = bench.watch()
    assert end.status == "completed"
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


# ---- signs of life --------------------------------------------------------------------------


def test_signs_of_life_are_given_and_one_that_cannot_be_written_is_tried_again(bench, caplog):
    gate, job = bench.held("retrieve", video("completed"))
    bench.time.let_beat()
    assert bench.store.sighting(job.id).beat == 1
    bench.read_only()
    bench.time.let_beat()
    assert "could not be used" in caplog.text
    bench.read_only(on=False)
    bench.time.now += BEAT
    bench.time.let_beat()
    assert bench.store.sighting(job.id).beat > 1
    gate.open()
    assert bench.end(job).status == "completed"
