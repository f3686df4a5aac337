"""How often a server is polled, and what ends the polling."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipyreel.errors import (
    AuthenticationFailed,
    JobNotFound,
    PaymentRequired,
    RateLimited,
    RequestRejected,
    ServerBroken,
    TransportError,
    WaitTimeout,
    WireError,
)
from ipyreel.jobs.poller import Poller, PollPolicy, PollRateLimiter, trouble
from ipyreel.jobs.schedule import Lesson, Schedule
from tests.jobs.fakes import START, FakeTime, video

PACE = PollPolicy(jitter=0.0)
NEXT = 3.0
"""The first waits without history."""


def refusal(kind, status):
    return kind("no", status_code=status)


def told_to_wait(seconds):
    error = RateLimited("slow down", status_code=429)
    error.retry_after = seconds
    return error


class Watch:
    """A poller on a script of answers and errors; the last one is repeated."""

    def __init__(self, *script, deadline=10_000.0, pace=PACE, chance=lambda: 0.5, **more):
        self.time = FakeTime()
        self.script = list(script)
        self.seen = []
        self.notes = []
        self.questions = 0
        self.poller = Poller(
            ask=self._ask,
            on_video=self.seen.append,
            on_trouble=self.notes.append,
            clock=self.time.clock,
            sleep=self.time.sleep,
            pace=pace,
            deadline=deadline,
            chance=chance,
            **more,
        )

    async def _ask(self):
        self.questions += 1
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        return step

    def run(self, **hints):
        return asyncio.run(self.poller.run(**hints))

    @property
    def waits(self):
        return self.time.waits


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_an_end_ends_it(status):
    end = video(status)
    watch = Watch(video(), video("in_progress"), end)
    assert watch.run() is end
    assert [one.status for one in watch.seen] == ["queued", "in_progress", status]
    assert watch.questions == 3
    assert (watch.poller.lesson is None) is (status == "cancelled")


GOING = video("in_progress")
BUSY, BROKEN = told_to_wait(1.0), refusal(ServerBroken, 502)
WAITS = {
    "no history": ([GOING] * 8, {}, [NEXT] * 9),
    "after a restart": ([GOING], {"at_once": True}, [NEXT]),
    "hints of the server": ([video(poll_after=7.0), GOING], {"hint": 4.0}, [4.0, 7.0, NEXT]),
    "retry-after": (
        [told_to_wait(33.0), told_to_wait(9e9), told_to_wait(0.0)],
        {},
        [NEXT, 33.0, 120.0, 1.0],
    ),
    "busy is no trouble": ([BUSY] * 3 + [BROKEN] * 2, {}, [NEXT, 1.0, 1.0, 1.0, 2.0, 4.0]),
}


@pytest.mark.parametrize(("script", "how", "waits"), WAITS.values(), ids=WAITS)
def test_the_waits_between_two_questions(script, how, waits):
    watch = Watch(*script, video("completed"))
    assert watch.run(**how).status == "completed"
    assert watch.waits == pytest.approx(waits)


def test_with_history_it_asks_when_jobs_usually_end():
    lessons = tuple(Lesson(100.0 + (7 * number) % 20) for number in range(30))
    watch = Watch(*[video("in_progress")] * 20, video("completed"), schedule=Schedule(lessons))
    watch.run()
    assert sum(watch.waits[:3]) > 60.0
    assert sum(wait >= 10 for wait in watch.waits[3:12]) == 0


def test_what_a_job_teaches_lies_between_the_last_two_answers():
    told = [video("in_progress", progress=part) for part in (10.0, 5.0, None, 10.0, 60.0)]
    watch = Watch(*told, video("completed"))
    watch.run()
    assert watch.poller.lesson == Lesson(5.5 * NEXT, ((NEXT, 10.0), (5 * NEXT, 60.0)))


def test_the_servers_times_are_believed_where_they_fit():
    times = {"created_at": START - 500, "completed_at": START - 420}
    watch = Watch(video("completed", **times), age=100.0)
    watch.run(at_once=True)
    assert watch.poller.lesson == Lesson(80.0)
    wrong = {"created_at": START, "completed_at": START + 420}
    watch = Watch(video("completed", **wrong), age=100.0)
    watch.run(at_once=True)
    assert watch.poller.lesson is None


def test_a_crowd_asks_no_more_than_its_limit():
    crowd, members = PollRateLimiter(limit=10.0), [object() for _ in range(100)]
    for _ in range(3):
        waits = [crowd.take(member, 2.0) for member in members]
    assert waits == pytest.approx([10.0] * 100)
    for member in members[1:]:
        crowd.leave(member)
    assert crowd.take(members[0], 2.0) == 2.0


def test_who_has_ended_leaves_the_crowd():
    crowd = PollRateLimiter(limit=1.0)
    for script in ([video("completed")], [refusal(PaymentRequired, 402)]):
        watch = Watch(*script, crowd=crowd)
        with contextlib.suppress(PaymentRequired):
            watch.run()
    assert crowd.take(object(), 1.0) == 1.0


@given(
    st.floats(0, 1e9),
    st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)),
    st.integers(0, 10**9),
    st.floats(0, 1, exclude_max=True),
)
def test_every_wait_is_within_bounds(planned, hint, troubles, chance):
    pace = PollPolicy()
    wait = pace.wait(planned, hint=hint, troubles=troubles, chance=lambda: chance)
    if hint is not None:
        assert pace.floor <= wait <= pace.hint_cap
    elif troubles:
        assert pace.floor <= wait <= pace.trouble_cap * (1 + pace.jitter)
    else:
        assert pace.floor <= wait <= pace.cap


def test_jitter_goes_both_ways_and_no_further():
    waits = []
    for chance in (0.0, 0.5, 1.0):
        watch = Watch(video("completed"), pace=PollPolicy(jitter=0.1), chance=lambda c=chance: c)
        watch.run()
        waits += watch.waits
    assert waits == pytest.approx([0.9 * NEXT, NEXT, 1.1 * NEXT])


PASSING = {
    "500": refusal(ServerBroken, 500),
    "502": refusal(ServerBroken, 502),
    "429": told_to_wait(None),
    "400": refusal(RequestRejected, 400),
    "no answer": TransportError("timeout", sent=True),
    "unreadable": WireError("not JSON", excerpt="<html>"),
    "404": refusal(JobNotFound, 404),
    "401": refusal(AuthenticationFailed, 401),
    "402": refusal(PaymentRequired, 402),
}


@pytest.mark.parametrize("error", PASSING.values(), ids=PASSING)
def test_passing_trouble_backs_off_and_goes_on(error):
    watch = Watch(error, error, video("in_progress"), video("completed"))
    assert watch.run().status == "completed"
    assert watch.waits == pytest.approx([NEXT, 2.0, 4.0, NEXT])
    text = trouble(error)
    assert watch.notes == [text] * 2
    assert text.endswith(".")
    assert "<" not in text


@pytest.mark.parametrize(
    "answer", [video("in_progress"), video("in_progress", poll_after=45.0), TransportError("no")]
)
def test_the_deadline_is_kept_and_asked_once_more_at_it(answer):
    watch = Watch(answer, deadline=60.0)
    with pytest.raises(WaitTimeout, match="60 s"):
        watch.run()
    assert watch.time.now == pytest.approx(START + 60.0)
    assert sum(watch.waits) == pytest.approx(60.0)
    assert watch.questions == len(watch.waits)


def test_a_job_that_ends_right_at_the_deadline_is_seen():
    watch = Watch(video("in_progress"), video("completed"), deadline=4.0)
    assert watch.run().status == "completed"
    assert watch.waits == pytest.approx([NEXT, 1.0])


REFUSALS = [refusal(JobNotFound, 404), *map(refusal, [AuthenticationFailed] * 2, [401, 403])]


@pytest.mark.parametrize("error", REFUSALS)
def test_a_refusal_that_lasts_is_believed_in_the_end(error):
    watch = Watch(error)
    with pytest.raises(type(error)):
        watch.run()
    assert watch.time.now - START - watch.waits[0] >= PACE.grace
    assert watch.questions == PACE.refusals + 1
    # Another replica, say, that does not know the job.
    assert Watch(*[error] * 6, video("completed")).run().status == "completed"


def test_after_a_restart_a_key_that_was_not_accepted_yet_is_refused_at_once():
    for script, questions in ((["no"], 1), ([video("in_progress"), "no"], PACE.refusals + 2)):
        no = refusal(PaymentRequired, 402)
        watch = Watch(*[no if one == "no" else one for one in script])
        with pytest.raises(PaymentRequired):
            watch.run(at_once=True)
        assert watch.questions == questions


def test_the_grace_begins_anew_after_an_answer():
    missing = refusal(JobNotFound, 404)
    script = [missing, missing, missing, video("in_progress")] * 5
    watch = Watch(*script, video("completed"))
    assert watch.run().status == "completed"
    assert watch.time.now - START > 2 * PACE.grace


def test_other_trouble_does_not_stop_the_grace():
    watch = Watch(
        refusal(JobNotFound, 404),
        *[refusal(ServerBroken, 500)] * 4,
        *[refusal(JobNotFound, 404)] * 6,
        deadline=900.0,
    )
    with pytest.raises(JobNotFound):
        watch.run()
    assert watch.questions == 11
