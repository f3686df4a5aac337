"""A sweep's jobs wait for their turn: in the library, unsent, and never lost."""

from __future__ import annotations

import pytest

from ipyreel.errors import RateLimited, StoreError
from ipyreel.jobs.manager import ParallelLimit
from ipyreel.values import VideoRequest
from tests.jobs.fakes import BOUND, Gate, video


def held(bench, count=3, *, parallel=1):
    """Submit jobs of which the first `parallel` are held at the server; return both."""
    gates = [Gate(video()) for _ in range(count)]
    bench.client.create_steps = [*gates, video()]
    jobs = [bench.job(request=VideoRequest(prompt=f"number {n}")) for n in range(count)]
    bench.manager.submit(*jobs, limit=ParallelLimit(parallel))
    for gate in gates[:parallel]:
        assert gate.reached.wait(BOUND)
    return jobs, gates


def sent(bench, jobs):
    return [bench.store.get(job.id).sent_at is not None for job in jobs]


def test_only_so_many_are_sent_at_once(bench):
    jobs, gates = held(bench, 4, parallel=2)
    assert sent(bench, jobs) == [True, True, False, False]
    waiting = bench.store.get(jobs[3].id)
    assert (waiting.status, waiting.remote_id) == ("submitting", None)
    assert {job.id for job in bench.manager.active()} == {job.id for job in jobs}
    for gate in gates:
        gate.open()
    assert [bench.end(job).status for job in jobs] == ["completed"] * 4
    assert len(bench.client.posts) == 4


def test_what_waited_is_sent_by_the_next_kernel(make_bench):
    first = make_bench()
    jobs, gates = held(first)
    first.manager.seal()
    first.loop.stop()
    first.manager.close()
    second = make_bench(loop=type(first.loop)())
    assert [job.sent_at for job in second.store.in_flight()][1:] == [None, None]
    for job in jobs[1:]:
        assert second.resume(second.store.get(job.id)).status == "completed"
    assert [request.prompt for request in second.client.posts] == ["number 1", "number 2"]
    assert len(gates) == 3


def test_cancel_all_lets_none_of_the_waiting_begin(bench):
    jobs, gates = held(bench)
    futures = bench.manager.cancel_all(bench.store.get(job.id) for job in jobs)
    gates[0].open()
    ended = [future.result(timeout=BOUND) for future in futures]
    assert {job.status for job in ended} == {"cancelled"}
    assert len(bench.client.posts) == 1
    notes = {job.id: job.note for job in ended}
    assert "before anything was sent" in notes[jobs[1].id]
    assert "before anything was sent" in notes[jobs[2].id]
    assert "DELETE" in notes[jobs[0].id]


def test_a_job_that_failed_or_was_cancelled_makes_room(bench):
    bench.client.retrieve_steps = [video("failed"), video("completed")]
    jobs, gates = held(bench)
    bench.manager.cancel(bench.store.get(jobs[1].id)).result(timeout=BOUND)
    for gate in gates:
        gate.open()
    assert [bench.end(job).status for job in jobs] == ["failed", "cancelled", "completed"]
    assert [request.prompt for request in bench.client.posts] == ["number 0", "number 2"]


def test_all_rows_are_written_or_none_and_nothing_is_sent(bench):
    job = bench.job()
    with pytest.raises(StoreError):
        bench.manager.submit(bench.job(), job, job)  # the same id twice
    assert bench.store.newest() == []
    assert bench.manager.active() == []
    assert bench.client.log == []


def test_a_server_that_takes_one_job_at_a_time_gets_the_next_when_it_has_room(bench):
    busy, gate = RateLimited("One job at a time.", status_code=429), Gate(video())
    bench.client.create_steps = [video(), busy, busy, video()]
    bench.client.retrieve_steps = [gate, video("completed")]
    first = bench.begin(gate)
    second, seen = bench.watch()
    assert second.status == "completed"
    assert any("--parallel 1" in job.note for job in seen if job.note)
    gate.open()
    assert bench.end(first).status == "completed"
    assert len(bench.client.posts) == 4  # two were refused


@pytest.mark.parametrize("left", [False, True])
def test_a_job_is_refused_while_others_are_served_or_ours_never_ends(bench, left):
    if left:  # by an ended kernel: it seems to run
        bench.left_behind(status="in_progress", remote_id="video_9", sent_at=1.0)
    bench.client.create_steps = [RateLimited("Busy.", status_code=429)]
    assert bench.submit().status == "failed"
    assert (len(bench.client.posts) > 1) is left


def test_a_job_that_waits_for_a_busy_server_can_be_cancelled(make_bench):
    bench = make_bench(deadline=1e12)
    bench.left_behind(status="in_progress", remote_id="video_9", sent_at=1.0)
    bench.client.create_steps = [RateLimited("Busy.", status_code=429)]
    job = bench.job()
    bench.manager.submit(job)
    ended = bench.manager.cancel(job).result(timeout=BOUND)
    assert (ended.status, ended.sent_at) == ("cancelled", None)
