"""One job, several kernels: the one that loses it writes and sends nothing more."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from ipyreel.errors import StoreError, SubmissionUnknown
from ipyreel.jobs import store as store_module
from ipyreel.jobs.owners import BEAT, SILENCE, OwnershipLost, SessionClosed, Sighting, Silence
from ipyreel.jobs.store import JobStore
from ipyreel.values import VideoPage
from tests.jobs.fakes import BOUND, ELSEWHERE, PROMPT, START, Gate, elsewhere, video


def end_of(bench, job):
    """Return how this kernel's work on a job ended, whatever the library says."""
    return bench.manager.future(job.id).result(BOUND)


# ---- taken from a kernel that lives and hangs ----------------------------------------------


def test_a_job_that_was_taken_before_it_was_sent_is_sent_by_its_new_owner_only(make_bench):
    first, second = make_bench(), make_bench()
    hang = Gate()
    first.connect_steps.append(hang)
    job = first.begin(hang)
    assert first.manager.elsewhere(job.id) is None
    assert second.manager.resume(job) == "refused"
    assert second.manager.resume(job, take=True) == "taken"
    end = second.end(job)
    assert end.status == "completed"
    hang.open()
    lost = end_of(first, job)
    assert lost == end
    assert isinstance(first.manager.error(job.id), OwnershipLost)
    assert len(first.client.posts) == 0
    assert len(second.client.posts) == 1
    assert first.store.get(job.id) == end


def test_an_answer_that_comes_when_another_kernel_has_the_job_is_handed_in(make_bench):
    first, second = make_bench(), make_bench()
    late, job = first.held("create", video(remote_id="r-late"))
    second.client.provider = replace(second.client.provider, routes=frozenset())
    assert second.manager.resume(job, take=True) == "taken"
    assert second.end(job).status == "unknown"
    late.open()
    end = first.end(job)
    assert (end.status, end.remote_id) == ("completed", "r-late")
    assert first.client.log.count("create") == 1
    assert "create" not in second.client.log


def test_nobody_is_told_to_buy_again_while_the_kernel_that_marked_a_job_as_sent_lives(
    make_bench, monkeypatch
):
    first, second = make_bench(), make_bench()
    late, job = first.held(
        "create", video(remote_id="r-late")
    )  # stopped between its mark and the server
    second.client.list_steps = [VideoPage(jobs=())]
    for take, owner, hint in [
        (True, first.store.owner, "does not list it yet. The kernel that was sending it still run"),
        (False, ELSEWHERE, "make sure that this kernel has ended before you run the cell again."),
        (False, first.store.owner, "should be safe"),
    ]:
        second.store.database.write("UPDATE jobs SET sender = ?", (owner,))
        assert second.manager.resume(job, take=take) == "taken"
        end = second.end(job)
        assert (end.status, hint in end.failure.hint) == ("unknown", True)
        monkeypatch.setattr(
            store_module, "is_alive", lambda one: None if one == ELSEWHERE else False
        )
    monkeypatch.undo()
    late.open()
    assert first.end(job).remote_id == "r-late"


def test_who_cancels_a_job_that_a_living_kernel_may_still_send_is_told_so(make_bench):
    first, second = make_bench(), make_bench()
    late, job = first.held("create", video())
    assert second.store.claim(job.id, take=True)
    end = second.manager.cancel(second.store.get(job.id)).result(BOUND)
    assert "If the POST arrived or still arrives, it continues and is billed." in end.note
    late.open()
    assert end_of(first, job) == end


def test_an_answer_that_comes_too_late_is_named(make_bench, caplog):
    first, second = make_bench(), make_bench()
    late, job = first.held("create", video(remote_id="r-late"))
    assert second.manager.resume(job, take=True, remote_id="r-other") == "taken"
    assert second.end(job).remote_id == "r-other"
    late.open()
    assert end_of(first, job).remote_id == "r-other"
    assert f"%video resume {job.id} r-late" in caplog.text
    assert first.store.get(job.id).remote_id == "r-other"


def test_who_lost_a_job_that_the_other_found_stops_at_once(make_bench, caplog):
    first, second = make_bench(), make_bench()
    late, job = first.held("create", video(remote_id="r-found"))
    gate = Gate(video("completed", remote_id="r-found"))
    second.client.retrieve_steps = [gate]
    assert second.manager.resume(job, take=True, remote_id="r-found") == "taken"
    assert gate.reached.wait(BOUND)
    late.open()
    assert end_of(first, job).remote_id == "r-found"
    assert first.time.waits == [1.0]
    assert "accepted the job as" not in caplog.text
    gate.open()
    assert second.end(job).status == "completed"


@pytest.mark.parametrize("deleted", [False, True])
def test_work_on_a_job_that_was_taken_or_deleted_stops_at_the_next_beat(make_bench, deleted):
    first, second = make_bench(), make_bench()
    download = Gate(b"never")
    first.client.retrieve_steps = [video("completed")]
    first.client.download_steps = [download]
    job = first.begin(download)
    assert second.store.claim(job.id, take=True)
    if deleted:
        second.store.delete(job.id)
    first.time.let_beat()
    lost = end_of(first, job)
    assert "Another kernel took" in lost.note
    assert first.manager.active() == []
    assert first.manager.elsewhere(job.id) == (None if deleted else lost)
    assert second.manager.elsewhere(job.id) == second.store.get(job.id)
    assert not Path(job.target).exists()
    assert (first.store.get(job.id) is None) is deleted


def test_a_cancellation_by_who_lost_the_job_leaves_it_alone(make_bench):
    first, second = make_bench(), make_bench()
    _gate, job = first.held("retrieve", video("completed"))
    assert second.store.claim(job.id, take=True)
    first.manager.cancel(job).result(BOUND)
    assert second.store.get(job.id).status == "queued"
    assert second.store.sighting(job.id).owner == second.store.owner


def test_who_has_a_job_that_ended_keeps_others_from_deleting_it(make_bench):
    first, second = make_bench(), make_bench()
    job = first.job(status="completed")
    first.store.insert(job)
    with pytest.raises(StoreError, match="not deleted"):
        second.manager.forget(job.id)
    first.store.release()
    second.manager.forget(job.id)
    assert first.store.get(job.id) is None


# ---- a kernel that cannot be seen ----------------------------------------------------------


def test_a_kernel_elsewhere_loses_its_job_after_a_minute_of_silence(bench):
    job = bench.left_elsewhere()
    assert bench.manager.resume(job) == "watching"
    assert bench.end(job).status == "completed"
    assert sum(bench.time.waits[:12]) == SILENCE
    assert len(bench.client.posts) == 1


def test_a_kernel_elsewhere_that_shows_life_keeps_its_job(bench):
    job = bench.left_elsewhere()
    write, looks = bench.store.database.write, []

    def look(job_id, read=bench.store.sighting):
        looks.append(job_id)
        if len(looks) == 8:
            write("INSERT INTO kernels VALUES (?, 1)", (ELSEWHERE,))
        return read(job_id)

    bench.store.sighting = look
    assert bench.manager.resume(job) == "watching"
    told = end_of(bench, job)
    assert f"%video resume {job.id} --take" in told.note
    assert bench.manager.elsewhere(job.id) == told  # which a card goes on to say
    assert bench.client.posts == []
    assert bench.store.get(job.id) == job
    assert bench.holder(job) == ELSEWHERE


def test_a_job_that_is_given_back_meanwhile_is_taken_at_once(bench):
    job = bench.left_elsewhere()
    assert bench.manager.resume(job) in {"watching", "taken"}
    elsewhere(bench.store, job.id, owner=None)
    assert bench.end(job).status == "completed"


def test_silence_is_counted_in_time_in_which_we_looked():
    now = [0.0]
    silence, sight = Silence(lambda: now[0]), Sighting(owner="x", beat=1, heartbeat=None)
    assert silence.look(sight) == 0
    now[0] += BEAT
    assert silence.look(sight) == BEAT
    # An hour asleep: the other may have slept too.
    now[0] += 3600
    assert silence.look(sight) == 3 * BEAT
    now[0] -= 7200
    assert silence.look(replace(sight, beat=2)) == 0


# ---- threads, and sessions that ended -------------------------------------------------------


def test_threads_that_resume_one_unsent_job_send_it_once(make_bench):
    bench = make_bench()
    for _ in range(20):
        job = bench.left_behind()
        start = threading.Barrier(4)

        def resume(job=job, start=start):
            start.wait(BOUND)
            bench.manager.resume(job)

        threads = [threading.Thread(target=resume) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert bench.end(job).status == "completed"
    assert len(bench.client.posts) == 20


def test_a_job_that_is_just_being_submitted_is_not_resumed_besides(make_bench, monkeypatch):
    bench, insert = make_bench(), JobStore.insert
    job = bench.job()
    gate, others = Gate(), []
    bench.connect_steps.append(gate)

    def insert_and_let_others_look(store, *jobs, select=None):
        written = insert(store, *jobs, select=select)
        others.append(threading.Thread(target=bench.manager.resume, args=written))
        others[0].start()
        others[0].join(0.2)  # as long as the other one has for what it must not do
        return written

    monkeypatch.setattr(JobStore, "insert", insert_and_let_others_look)
    bench.manager.submit(job)
    others[0].join()
    gate.open()
    assert bench.end(job).status == "completed"
    assert bench.manager.resumed() == []
    assert len(bench.client.posts) == 1


def test_a_closed_session_sends_nothing_and_leaves_its_jobs(make_bench):
    first, second = make_bench(), make_bench()
    gate = Gate()
    first.connect_steps.append(gate)
    job = first.begin(gate)
    first.manager.seal()
    gate.open()
    end_of(first, job)
    assert isinstance(first.manager.error(job.id), SessionClosed)
    first.manager.close()
    assert first.client.posts == []
    assert second.store.get(job.id) == job
    with pytest.raises(SessionClosed):
        first.manager.submit(first.job())
    with pytest.raises(SessionClosed):
        first.manager.resume(job)
    assert second.resume(job).status == "completed"


def test_waiting_for_another_kernels_job_ends_when_the_job_ends(make_bench):
    first, second = make_bench(), make_bench()
    gate, job = first.held("retrieve", video("completed"))
    waiting = second.manager.future(job.id)
    assert not waiting.done()
    gate.open()
    assert waiting.result(BOUND) == first.end(job)
    assert second.client.log == []


def test_waiting_for_a_job_elsewhere_ends_when_its_kernel_is_silent(bench):
    job = bench.left_elsewhere()
    assert bench.manager.future(job.id).result(BOUND) == job
    assert sum(bench.time.waits) >= SILENCE


# ---- unknown, and said by the person ---------------------------------------------------------


def test_the_person_says_which_job_of_the_servers_it_is(bench):
    bench.client.create_steps = [SubmissionUnknown("no answer")]
    bench.client.list_steps = [VideoPage(jobs=())]
    job = bench.submit()
    assert job.status == "unknown"
    assert bench.manager.resume(job, remote_id="r-mine") == "taken"
    end = bench.end(job)
    assert (end.status, end.remote_id, end.request.prompt) == ("completed", "r-mine", PROMPT)
    assert set(bench.client.asked) == {"r-mine"}
    assert bench.client.log.count("create") == 1


def test_a_job_is_placed_once_it_was_answered_or_will_not_be(bench):
    late = Gate(video())
    bench.client.create_steps = [late, SubmissionUnknown("no answer")]
    job = bench.begin(late)
    placed = bench.manager.placed(job.id)
    assert not placed.done()
    late.open()
    placed.result(BOUND)
    assert bench.manager.snapshot(job.id).remote_id == "video_1"
    bench.end(job)
    lost = bench.job()
    bench.manager.submit(lost)
    bench.manager.placed(lost.id).result(BOUND)
    assert bench.manager.snapshot(lost.id).status == "unknown"
    bench.end(lost)
    bench.manager.placed("vnobody").result(0)
    assert bench.time.now > START
