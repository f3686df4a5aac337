"""Decides when to poll a job: rarely, but soon after it is done.

All times are in seconds since the job was sent. The rule:

- Lateness L (mean seconds from done to noticed) times requests R (mean per job) is at least
  (integral of sqrt(f S))^2 / 2, where f is the density of durations and S(t) the share of jobs
  that take longer than t; it is reached by asking at a rate proportional to sqrt(f / S)
  (Keller 1974, "Optimum checking schedules for systems subject to random failure").
- f and S are estimated from the last `KEPT` jobs of this provider and model, with a tail for
  jobs longer than all of them. The rate is scaled so that L is `LATE` seconds.
- With fewer than `ENOUGH` past jobs: every `STEADY` seconds.
- A job that has lasted longer than all past jobs (or `PATIENT` seconds without any) is polled
  at intervals that grow with the square root of its age.
- Progress is used if it was steady: each past job that passed through the same progress gives
  an estimate of this job's duration. The estimates replace the past durations if they need
  less than `USEFUL` of the L x R; progress that sticks or jumps never does.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise
from statistics import NormalDist

KEPT = 30
"""How many past jobs count. More would be closer to the bound, but react later to a new speed."""

ENOUGH = 5
"""How many past jobs it takes for their durations to be used."""

LATE, LATE_SHARE = 0.8, 1 / 350
"""L in seconds; for long jobs a share of the usual duration, since two seconds of ten minutes do
not matter."""

STEADY, PATIENT = 3.0, 1200.0
"""Without past jobs: the interval, and the age after which it grows."""

EARLY = 0.5
"""Requests before the usual end, in addition to the rule: they notice a job that fails early."""

USEFUL = 0.35
"""By chance alone one of two equal spreads is often estimated a third smaller."""

OUTLIVED = 0.1
"""Share of the estimates by progress that must be longer than the job's age for them to be used."""

NEIGHBOURS = 1 / 3
"""A kernel is as wide as the distance to this share of the other durations (in log time): narrow
where they are dense, wide in a tail."""

NARROWEST = 0.02
"""Least width of a kernel, as a share of the duration."""

CELLS = 96
"""Points of the grid, evenly spaced in log time."""

_TAIL = 2.0  # Beyond all past jobs P(longer than t) falls as t^-2: the hazard is 2 / t.
_WHOLE = 100.0


@dataclass(frozen=True, slots=True)
class Lesson:
    """How long a past job took, and `trail`: pairs (age, progress) in the order of time."""

    took: float
    trail: tuple[tuple[float, float], ...] = ()

    def guess(self, age: float, progress: float) -> float | None:
        """Estimate how long a job takes with `progress` (0-100) at `age`; None: no estimate."""
        if not self.trail:
            return None
        ages, seen = zip((0.0, 0.0), *self.trail, (self.took, _WHOLE), strict=True)
        mine = _line(seen, ages, progress)
        return age * self.took / mine if mine > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """Requests over time: `asked` of them are due by each of `times`.

    After the last, `tail` more are due per square root of a second. `stays` is the share of jobs
    that take longer, `efforts` the integral of sqrt(f S) up to there.
    """

    times: tuple[float, ...]
    asked: tuple[float, ...]
    tail: float
    stays: tuple[float, ...] = (1.0,)
    efforts: tuple[float, ...] = (0.0,)

    def due(self, age: float) -> float:
        """Return how many requests are due by `age`."""
        if age >= self.times[-1]:
            return self.asked[-1] + self.tail * (math.sqrt(age) - math.sqrt(self.times[-1]))
        return _line(self.times, self.asked, age)

    def when(self, asked: float) -> float:
        """Return the age by which `asked` requests are due."""
        if asked >= self.asked[-1]:
            more = (asked - self.asked[-1]) / self.tail
            return (math.sqrt(self.times[-1]) + more) ** 2
        return _line(self.asked, self.times, asked)

    def staying(self, age: float) -> float:
        """Return the share of jobs that take longer than `age`."""
        return self.stays[self._cell(age)]

    def effort(self, age: float) -> float:
        """Return the rest of the integral for a job at `age`; its square determines L x R."""
        left = self.efforts[-1] - self.efforts[self._cell(age)]
        return left / self.staying(age)

    def _cell(self, age: float) -> int:
        return max(0, bisect_right(self.times, age) - 1)


UNTAUGHT = Timetable(
    times=(0.0, PATIENT),
    asked=(0.0, PATIENT / STEADY),
    tail=2 * math.sqrt(PATIENT) / STEADY,
)
"""The timetable without past jobs."""


@dataclass(frozen=True)
class Schedule:
    """When to ask, from the durations of past jobs of one provider and model, newest first."""

    lessons: tuple[Lesson, ...] = ()

    @staticmethod
    @lru_cache(maxsize=16)
    def of(lessons: tuple[Lesson, ...]) -> Schedule:
        """Return the schedule for these lessons; many jobs that begin together share one."""
        return Schedule(lessons)

    def next_age(
        self, age: float, *, step: float = 1.0, seen: tuple[float, float] | None = None
    ) -> float:
        """Return the age at which to poll a job that is `age` seconds old.

        `step` is how many requests further that is: about one, varied at random, and more if
        all jobs together ask too often. `seen` is the age at which the last progress (0-100)
        was first seen, and that progress.
        """
        table = (self._by_progress(*seen, age) if seen is not None else None) or self._usual
        return table.when(table.due(age) + step)

    @cached_property
    def _usual(self) -> Timetable:
        durations = [lesson.took for lesson in self.lessons[:KEPT]]
        return plan(durations) if len(durations) >= ENOUGH else UNTAUGHT

    def _by_progress(self, at: float, progress: float, age: float) -> Timetable | None:
        """Return the timetable by progress, or None if it does not help."""
        if self._usual is UNTAUGHT or not 0 < progress < _WHOLE or at <= 0:
            return None
        found = (lesson.guess(at, progress) for lesson in self.lessons[:KEPT])
        guesses = [guess for guess in found if guess is not None]
        if len(guesses) < ENOUGH:
            return None
        table = plan(guesses, since=age)
        useful = table.effort(age) ** 2 < USEFUL * self._usual.effort(age) ** 2
        return table if useful and table.staying(age) >= OUTLIVED else None


def plan(durations: Sequence[float], *, since: float = 0.0) -> Timetable:
    """Return the timetable for jobs that take about as long as `durations`.

    Its scale is valid for a job that has reached the age `since`.
    """
    logs = sorted(math.log(max(seconds, 0.1)) for seconds in durations)
    median = logs[len(logs) // 2]
    usual = math.exp(median)
    points, falls, stays = _estimate(logs, median)
    times = [math.exp(point) for point in points]
    step = points[1] - points[0]
    efforts = _sums([math.sqrt(f * s * t) for f, s, t in zip(falls, stays, times, strict=True)])
    table = Timetable(
        times=(0.0, *times),
        asked=(),
        tail=0.0,
        stays=(1.0, *stays),
        efforts=(0.0, *(step * effort for effort in efforts)),
    )
    scale = table.effort(since) / (2 * max(LATE, usual * LATE_SHARE))
    rates = [
        math.sqrt(f / s * t) * scale + (EARLY * t / usual if t < usual else 0.0)
        for f, s, t in zip(falls, stays, times, strict=True)
    ]
    asked = (step * count for count in _sums(rates))
    early = EARLY * min(1.0, times[0] / usual)
    return replace(
        table,
        asked=(0.0, *(early + count for count in asked)),
        tail=2 * math.sqrt(_TAIL) * scale,
    )


def _estimate(logs: list[float], median: float) -> tuple[list[float], list[float], list[float]]:
    """Return a grid of log times, and at each the density per log time and the share left.

    One additional job has a heavy tail, for jobs longer than all past ones.
    """
    widths = [_width(logs, log) for log in logs]
    low = min(log - 4 * width for log, width in zip(logs, widths, strict=True))
    high = max(log + 4 * width for log, width in zip(logs, widths, strict=True))
    step = (max(high, median + 0.5) - low) / (CELLS - 1)
    points = [low + step * cell for cell in range(CELLS)]
    kernels = [NormalDist(log, width) for log, width in zip(logs, widths, strict=True)]
    doubt, falls, stays = 1 / (len(logs) + 2), [], []
    for point in points:
        beyond = min(1.0, math.exp(-_TAIL * (point - median)))
        fall = sum(kernel.pdf(point) for kernel in kernels) / len(kernels)
        stay = 1 - sum(kernel.cdf(point) for kernel in kernels) / len(kernels)
        falls.append((1 - doubt) * fall + (doubt * _TAIL * beyond if point > median else 0.0))
        stays.append((1 - doubt) * stay + doubt * beyond)
    return points, falls, stays


def _width(logs: list[float], log: float) -> float:
    distances = sorted(abs(other - log) for other in logs)
    return max(NARROWEST, distances[math.ceil(NEIGHBOURS * len(logs))])


def _sums(values: Sequence[float]) -> list[float]:
    """Return the running integral by the trapezoid rule, in steps of one, from 0."""
    return list(accumulate(((a + b) / 2 for a, b in pairwise(values)), initial=0.0))


def _line(xs: Sequence[float], ys: Sequence[float], x: float) -> float:
    """Return y at x on the line through the points; `xs` never decreases."""
    place = min(max(bisect_right(xs, x), 1), len(xs) - 1)
    width = xs[place] - xs[place - 1]
    part = (x - xs[place - 1]) / width if width > 0 else 1.0
    return ys[place - 1] + (ys[place] - ys[place - 1]) * part
