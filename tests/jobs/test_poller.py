"""How often a server is asked, and what ends the asking."""

from __future__ import annotations

import asyncio
import random

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
from ipyreel.jobs.poller import Pace, Poller, trouble
from tests.jobs.fakes import START, FakeTime, video

PACE = Pace(jitter=0.0)


def refusal(kind, status):
    return kind("no", status_code=status)


def told_to_wait(seconds):
    error = RateLimited("slow down", status_code=429)
    error.retry_after = seconds
    return error


class Watch:
    """A poller on a script of answers and errors; the last one is repeated."""

    def __init__(self, *script, deadline=10_000.0, pace=PACE, chance=lambda: 0.5):
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


def test_the_waits_grow_up_to_the_cap():
    watch = Watch(*[video("in_progress")] * 8, video("completed"))
    watch.run()
    assert watch.waits == [2.0, 3.0, 4.5, 6.75, 10.0, 10.0, 10.0, 10.0, 10.0]


def test_after_a_restart_the_first_question_comes_at_once():
    watch = Watch(video("in_progress"), video("completed"))
    watch.run(at_once=True)
    assert watch.waits == [3.0]


def test_the_servers_hints_go_first():
    watch = Watch(video(poll_after=7.0), video("in_progress"), video("completed"))
    watch.run(hint=4.0)
    assert watch.waits == [4.0, 7.0, 4.5]


def test_words_nobody_knows_mean_that_it_goes_on():
    watch = Watch(video("in_progress", raw_status="dreaming"), video("completed"))
    assert watch.run().status == "completed"


@pytest.mark.parametrize(
    ("hint", "expected"),
    [(0.0, 1.0), (-5.0, 1.0), (0.5, 1.0), (30.0, 30.0), (1e9, 120.0), (float("inf"), 120.0)],
)
def test_hints_are_kept_within_bounds(hint, expected):
    assert PACE.wait(0, hint=hint, troubles=0, chance=lambda: 0.0) == expected


def test_a_hint_that_is_no_number_is_no_wait_for_ever():
    assert PACE.wait(0, hint=float("nan"), troubles=0, chance=lambda: 0.0) == PACE.floor


@given(
    st.integers(0, 10**9),
    st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)),
    st.integers(0, 10**9),
    st.floats(0, 1, exclude_max=True),
)
def test_every_wait_is_within_bounds(asked, hint, troubles, chance):
    pace = Pace()
    wait = pace.wait(asked, hint=hint, troubles=troubles, chance=lambda: chance)
    if hint is not None:
        assert pace.floor <= wait <= pace.hint_cap
    elif troubles:
        assert pace.floor <= wait <= pace.trouble_cap * (1 + pace.jitter)
    else:
        assert pace.floor <= wait <= pace.cap * (1 + pace.jitter)


def test_jitter_goes_both_ways_and_no_further():
    pace = Pace(jitter=0.1)
    waits = [pace.wait(9, hint=None, troubles=0, chance=lambda c=c: c) for c in (0.0, 0.5, 1.0)]
    assert waits == pytest.approx([9.0, 10.0, 11.0])


PASSING = {
    "500": refusal(ServerBroken, 500),
    "502": refusal(ServerBroken, 502),
    "429": told_to_wait(None),
    "400": refusal(RequestRejected, 400),
    "no answer": TransportError("timeout", sent=True),
    "unreadable": WireError("not JSON", excerpt="<html>"),
    "404": refusal(JobNotFound, 404),
}


@pytest.mark.parametrize("error", PASSING.values(), ids=PASSING)
def test_passing_trouble_backs_off_and_goes_on(error):
    watch = Watch(error, error, video("in_progress"), video("completed"))
    assert watch.run().status == "completed"
    assert watch.waits == [2.0, 4.0, 8.0, 6.75]
    assert watch.notes == [trouble(error)] * 2


def test_trouble_waits_a_minute_at_most():
    watch = Watch(*[refusal(ServerBroken, 503)] * 9, video("completed"))
    watch.run()
    assert watch.waits == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0, 60.0]


def test_retry_after_is_done_as_told_and_capped():
    watch = Watch(told_to_wait(33.0), told_to_wait(9e9), told_to_wait(0.0), video("completed"))
    watch.run()
    assert watch.waits == [2.0, 33.0, 120.0, 1.0]
    assert "patience" in watch.notes[0]


@pytest.mark.parametrize("kind", [AuthenticationFailed, PaymentRequired])
def test_a_key_that_opens_nothing_ends_it(kind):
    watch = Watch(video(), refusal(kind, 401))
    with pytest.raises(kind):
        watch.run()
    assert watch.questions == 2


def test_a_bug_is_not_taken_for_trouble():
    watch = Watch(RuntimeError("ours"))
    with pytest.raises(RuntimeError):
        watch.run()


def test_the_deadline_is_kept_and_asked_once_more_at_it():
    watch = Watch(video("in_progress"), deadline=60.0)
    with pytest.raises(WaitTimeout, match="60 s"):
        watch.run()
    assert watch.time.now == START + 60.0
    assert sum(watch.waits) == 60.0
    assert watch.questions == len(watch.waits)


def test_a_job_that_ends_right_at_the_deadline_is_seen():
    watch = Watch(video("in_progress"), video("completed"), deadline=3.0)
    assert watch.run().status == "completed"
    assert watch.waits == [2.0, 1.0]


def test_a_long_hint_does_not_go_past_the_deadline():
    watch = Watch(video("in_progress", poll_after=120.0), deadline=50.0)
    with pytest.raises(WaitTimeout):
        watch.run()
    assert watch.waits == [2.0, 48.0]


def test_trouble_does_not_go_past_the_deadline():
    watch = Watch(TransportError("no route"), deadline=300.0)
    with pytest.raises(WaitTimeout):
        watch.run()
    assert watch.time.now == START + 300.0


def test_a_job_that_stays_missing_is_given_up_after_the_grace():
    watch = Watch(refusal(JobNotFound, 404))
    with pytest.raises(JobNotFound):
        watch.run()
    first = START + watch.waits[0]
    assert watch.time.now - first >= PACE.missing_grace
    assert watch.time.now - watch.waits[-1] - first < PACE.missing_grace


def test_a_job_that_turns_up_within_the_grace_goes_on():
    missing = refusal(JobNotFound, 404)
    watch = Watch(missing, missing, missing, video("queued"), missing, video("completed"))
    assert watch.run().status == "completed"


def test_the_grace_begins_anew_after_an_answer():
    missing = refusal(JobNotFound, 404)
    script = [missing, missing, missing, video("in_progress")] * 5
    watch = Watch(*script, video("completed"))
    assert watch.run().status == "completed"
    assert watch.time.now - START > 2 * PACE.missing_grace


def test_other_trouble_does_not_stop_the_grace():
    watch = Watch(
        refusal(JobNotFound, 404),
        *[refusal(ServerBroken, 500)] * 4,
        refusal(JobNotFound, 404),
        deadline=600.0,
    )
    with pytest.raises(JobNotFound):
        watch.run()
    assert watch.questions == 6


def test_ten_thousand_troubles_overflow_nothing():
    chance = random.Random(1)  # noqa: S311 - chance that can be repeated
    errors = list(PASSING.values())
    errors.remove(PASSING["404"])
    script = [chance.choice(errors) for _ in range(10_000)]
    watch = Watch(*script, video("completed"), deadline=1e9, pace=Pace(), chance=chance.random)
    assert watch.run().status == "completed"
    assert len(watch.notes) == 10_000
    assert max(watch.waits) <= 66.0
    assert min(watch.waits) >= 1.0


def test_ten_thousand_quiet_answers_overflow_nothing():
    watch = Watch(*[video("in_progress")] * 10_000, video("completed"), deadline=1e9, pace=Pace())
    assert watch.run().status == "completed"
    assert max(watch.waits) <= 11.0


def test_giving_up_the_watch_stops_the_asking():
    async def main(watch):
        task = asyncio.ensure_future(watch.poller.run())
        while watch.questions < 3:  # noqa: ASYNC110 - any turn of the loop will do
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return watch.questions

    watch = Watch(video("in_progress"))
    assert asyncio.run(main(watch)) == watch.questions


@pytest.mark.parametrize("error", PASSING.values(), ids=PASSING)
def test_troubles_are_said_in_a_sentence(error):
    text = trouble(error)
    assert text.endswith(".")
    assert "<" not in text
