"""When to poll: learned from how long jobs took and from their progress."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipyreel.errors import StoreError
from ipyreel.jobs.schedule import KEPT, STEADY, UNTAUGHT, Lesson, Schedule, plan


def draws(count, *, median=60.0, sigma=0.3, seed=1):
    rng = random.Random(seed)  # noqa: S311 - chance that can be repeated
    return [median * math.exp(sigma * rng.gauss(0, 1)) for _ in range(count)]


def taught(durations, trail=lambda _took: ()):
    return Schedule(tuple(Lesson(took, tuple(trail(took))) for took in durations))


def ages(schedule, until, **told):
    """Return the ages at which a job is asked for that goes on until then."""
    found = [0.0]
    while found[-1] < until:
        found.append(schedule.next_age(found[-1], **told))
    return found[1:]


def late_and_asked(schedule, durations):
    late = asked = 0.0
    for took in durations:
        questions = ages(schedule, took)
        late += questions[-1] - took
        asked += len(questions)
    return late / len(durations), asked / len(durations)


# ---- the timetable -----------------------------------------------------------------------


def rate(durations, age):
    """Return how many questions a second a timetable asks at an age."""
    table = plan(durations)
    return table.due(age + 0.5) - table.due(age - 0.5)


def test_questions_stand_where_jobs_end():
    durations = [*draws(15, median=40, sigma=0.1), *draws(15, median=160, sigma=0.1)]
    between = rate(durations, 80.0)
    assert between < 0.2 * rate(durations, 40.0)
    assert between < 0.2 * rate(durations, 160.0)


def test_a_change_of_speed_is_followed_within_thirty_jobs():
    old, new = draws(200, sigma=0.2), draws(KEPT, median=240.0, sigma=0.2)
    assert ages(taught([*new, *old]), 500.0) == ages(taught(new), 500.0)


# ---- the schedule ------------------------------------------------------------------------


def test_without_history_it_is_the_untaught_one():
    for lessons in ((), (Lesson(50.0),) * 4):
        found = ages(Schedule(lessons), 40.0)
        assert {round(b - a, 6) for a, b in pairwise([0.0, *found])} == {3.0}


def test_a_schedule_is_near_the_limit():
    # For a log-normal the limit is a number: (integral of sqrt(f S))^2 / 2 for 60 s and 0.3.
    durations = draws(4000, seed=9)
    late, asked = late_and_asked(taught(draws(KEPT)), durations)
    assert 0.5 < late < 1.1
    assert late * asked < 1.25 * plan(durations[:200]).effort(0.0) ** 2 / 2
    assert late * asked < 0.7 * sum(durations) / len(durations) / 2


@given(
    st.lists(st.floats(0.01, 1e5), max_size=40),
    st.floats(0, 1e5),
    st.floats(0.1, 30),
    st.tuples(st.floats(0.01, 1e5), st.floats(-50, 150)),
)
def test_the_next_question_is_always_later(durations, age, step, seen):
    schedule = taught(durations, lambda took: ((took / 2, 50.0), (took * 0.9, 90.0)))
    following = schedule.next_age(age, step=step, seen=seen)
    assert math.isfinite(following)
    assert following >= age or following == pytest.approx(age)


def test_the_untaught_timetable_goes_on_for_ever():
    assert UNTAUGHT.when(UNTAUGHT.due(1200.0)) == pytest.approx(1200.0)
    day = 86400.0
    assert STEADY < UNTAUGHT.when(UNTAUGHT.due(day) + 1) - day < 60.0


# ---- progress ----------------------------------------------------------------------------


def steps(took, *, parts=(0.3, 0.5, 0.7, 0.9)):
    return [(took * part, 100.0 * part) for part in parts]


def test_progress_that_was_true_before_is_believed():
    schedule = taught(draws(40, sigma=0.5), steps)
    # Half done at 100 s: it will take 200.
    following = schedule.next_age(100.0, seen=(100.0, 50.0))
    assert 180.0 < following < 205.0
    assert schedule.next_age(100.0) < 110.0


def test_progress_that_says_nothing_is_left_alone():
    rng = random.Random(3)  # noqa: S311 - chance that can be repeated

    def dice(took):
        return sorted((took * rng.random(), 100 * rng.random()) for _ in range(4))

    schedule = taught(draws(40, sigma=0.3), dice)
    for age, progress in ((20.0, 10.0), (40.0, 50.0), (70.0, 90.0)):
        assert schedule.next_age(age, seen=(age, progress)) == schedule.next_age(age)


@pytest.mark.parametrize("progress", [0.0, 100.0, -5.0, 150.0, float("nan"), float("inf")])
def test_progress_that_is_none_is_left_alone(progress):
    schedule = taught(draws(40), steps)
    assert schedule.next_age(30.0, seen=(20.0, progress)) == schedule.next_age(30.0)


# ---- the library -------------------------------------------------------------------------


def test_the_library_keeps_lessons_by_provider_and_model(store):
    lessons = [Lesson(float(number), ((1.0, 10.0), (2.5, 50.0))) for number in range(5)]
    for lesson in lessons:
        store.learn("a", "m", lesson)
    store.learn("a", None, Lesson(99.0))
    assert store.lessons("a", "m", 3) == tuple(reversed(lessons[2:]))
    assert store.lessons("a", None, 9) == (Lesson(99.0),)
    assert store.lessons("b", "m", 9) == ()


def test_every_job_that_ends_teaches_the_next(bench):
    job = bench.submit()
    model = job.request.model
    (lesson,) = bench.store.lessons(job.provider, model, KEPT)
    assert lesson.trail == ((bench.time.waits[0], 50.0),)
    assert bench.time.waits[0] < lesson.took < sum(bench.time.waits)


def test_a_library_that_cannot_be_written_loses_no_job(bench):
    bench.store.learn = refuse
    assert bench.submit().status == "completed"


def refuse(*_):
    raise StoreError("the disk is full")
