"""When to ask a server how a job stands: few questions, and none late.

Pure; may import the room's `density`. All times are in seconds since the job was sent.

The rule
--------
Two things are wanted: to notice the end soon (mean lateness L), and to ask seldom (mean
requests R). With f the density of durations and S(t) the part of jobs that take longer, a
schedule with intervals d(t) has L = 1/2 integral of f d and R = integral of S / d. So L x R is
at least (integral of sqrt(f S))^2 / 2, by Cauchy and Schwarz, and it is that when d is
proportional to sqrt(S / f) (Keller 1974, "Optimum checking schedules for systems subject to
random failure"). Every fixed interval has half the mean duration there.

- f and S come from the last `KEPT` jobs of this provider and model, as far back as its speed
  is the same (`density`). The n-th question is put where the integral of 1 / d reaches n.
- The factor is such that L is `LATE` seconds. The more questions, the nearer to the bound:
  for L x R to be within a tenth of it, R has to be seven or more; so for jobs under a minute
  L is a little less (`LATE_LEAST` and up). For long jobs L is `LATE_PART` of the usual
  duration: nobody minds two seconds of ten minutes, and the questions become half.
- `EARLY` of the questions are spread evenly over the time before the usual end, where
  history expects no end: so that a job that fails at once is seen, and the card moves.
- Beyond all history the hazard is taken to be that of a heavy tail, and d grows with the
  square root of the time.
- Without history (fewer than `ENOUGH` jobs) nothing but a fixed interval is safe: one that
  grows with the time from the start has 1 / (1 - p) times the L x R of a fixed one, for jobs
  of about the same length, when it grows with the p-th power. So it shrinks a little: 3.0 s
  in the first minute, 2.9 s to five minutes, `STEADY` from then on, after a first wait of
  `FIRST` that spares a question which comes too soon for nearly all jobs. That gains 2 to 5 %
  where jobs are alike, and loses nothing where they differ by factors. From `PATIENT` on,
  where few jobs are left, the interval grows as a tail's does.
- Progress is believed as far as it has told something before. Where past jobs were at the
  same progress, they give as many guesses for this one: its age then, times what they took
  over their age then. If a schedule by these guesses needs less than `USEFUL` of the L x R of
  one by durations alone, it is followed, until the job outlives nearly all guesses. Progress
  that is stuck, jumps or says nothing scatters the guesses, and is so left alone.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise

from ipyreel.jobs.density import ENOUGH, HEAVY, Density, estimate, since_change

KEPT = 100
"""Past jobs that are looked at: with their estimate L x R is about 7 % over the bound."""

LATE = 0.8
LATE_LEAST = 0.5
LATE_SHORT = 200.0
LATE_PART = 1 / 350
"""L: 0.8 s from one minute to nearly five, less by a part of (1 minute / 200) below."""

EARLY = 0.02
"""Part of the questions that is asked early; it costs as much in L x R."""

FIRST, STEADY, PATIENT = 6.0, 2.8, 1200.0
"""Without history: the first wait, the last ones, and the age from which on they grow."""

GUESSES = 30
"""Past jobs whose progress is looked at: reading guesses anew at each answer takes a
millisecond, and the spread of 30 is known to about an eighth."""

USEFUL = 0.5
"""What guesses by progress must save: half. By chance alone one estimate of two equal spreads
is often a quarter smaller than the other, and progress that is good for anything saves more."""

OUTLIVED = 0.1
"""Part of the guesses that has to be longer than the job's age for them to be followed."""

NEAR = 5.0
"""Points of progress that a past job's note may lie off and still say something."""

WHOLE = 100.0


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a past job teaches.

    `took` is in seconds; `trail` holds pairs of age and progress, when each progress was first
    seen, in the order of time.
    """

    took: float
    trail: tuple[tuple[float, float], ...] = ()

    def guess(self, age: float, progress: float) -> float | None:
        """Guess what a job takes that came to `progress` at `age`; None: no idea."""
        mine = self._age_at(progress)
        return None if mine is None or mine <= 0 else age * self.took / mine

    def _age_at(self, progress: float) -> float | None:
        before = [one for one in self.trail if one[1] <= progress]
        after = [one for one in self.trail if one[1] > progress]
        if before and before[-1][1] == progress:
            return before[-1][0]
        if before and after:
            (start, low), (end, high) = before[-1], after[0]
            return start + (end - start) * (progress - low) / (high - low)
        near = [one for one in (*before[-1:], *after[:1]) if abs(one[1] - progress) <= NEAR]
        # As much earlier as the point lies off, were it even from here to the end.
        return near[0][0] * progress / near[0][1] if near and near[0][1] > 0 else None


@dataclass(frozen=True, slots=True)
class Timetable:
    """Questions over time: `asked` many are due by each of `times`, none before the first.

    After the last, `tail` more are due for each root second.
    """

    times: tuple[float, ...]
    asked: tuple[float, ...]
    tail: float

    def due(self, age: float) -> float:
        """Return how many questions are due by `age`."""
        if age >= self.times[-1]:
            return self.asked[-1] + self.tail * (math.sqrt(age) - math.sqrt(self.times[-1]))
        return _between(self.times, self.asked, age)

    def when(self, asked: float) -> float:
        """Return the age by which so many questions are due."""
        if asked >= self.asked[-1]:
            more = (asked - self.asked[-1]) / self.tail
            return (math.sqrt(self.times[-1]) + more) ** 2
        return _between(self.asked, self.times, asked)


UNTAUGHT = Timetable(
    times=(0.0, FIRST, 60.0, 300.0, PATIENT),
    asked=tuple(
        accumulate((0.0, 1.0, (60.0 - FIRST) / 3.0, 240.0 / 2.9, (PATIENT - 300.0) / STEADY))
    ),
    tail=2 * math.sqrt(PATIENT) / STEADY,
)
"""Without history."""


@dataclass(frozen=True)
class Schedule:
    """When to ask, by what past jobs of one provider and model taught, the newest first."""

    lessons: tuple[Lesson, ...] = ()

    @staticmethod
    @lru_cache(maxsize=16)
    def of(lessons: tuple[Lesson, ...]) -> Schedule:
        """Return the schedule for these lessons; many jobs that begin together share one."""
        return Schedule(lessons)

    def next_age(
        self, age: float, *, step: float = 1.0, seen: tuple[float, float] | None = None
    ) -> float:
        """Return the age at which a job that is `age` old is to be asked for.

        `step` is how many questions further that is: about one, with chance in it, and more
        when too many are asked for all jobs. `seen` is the age at which the last progress was
        first seen, and that progress (0-100).
        """
        table = (self._told(*seen, age) if seen is not None else None) or self._usual
        return table.when(table.due(age) + step)

    @cached_property
    def _density(self) -> Density | None:
        durations = since_change([lesson.took for lesson in self.lessons[:KEPT]])
        return estimate(durations) if len(durations) >= ENOUGH else None

    @cached_property
    def _usual(self) -> Timetable:
        density = self._density
        return UNTAUGHT if density is None else plan(density, effort=density.effort())

    def _told(self, at: float, progress: float, age: float) -> Timetable | None:
        """Return the timetable by progress, or None where it is not worth following."""
        density = self._density
        guesses = self._guesses(at, progress)
        if density is None or guesses is None or guesses.staying(age) < OUTLIVED:
            return None
        effort = guesses.effort(age)
        if effort**2 > USEFUL * density.effort(age) ** 2:
            return None
        return plan(guesses, effort=effort)

    def _guesses(self, at: float, progress: float) -> Density | None:
        if not 0 < progress < WHOLE or at <= 0:
            return None
        found = (lesson.guess(at, progress) for lesson in self.lessons[:GUESSES])
        guesses = [one for one in found if one is not None]
        return estimate(guesses) if len(guesses) >= ENOUGH else None


def plan(density: Density, *, effort: float) -> Timetable:
    """Return the timetable for a density; `effort` is what is to be got through with it."""
    typical = density.typical
    late = max(min(LATE, LATE_LEAST + typical / LATE_SHORT), typical * LATE_PART)
    factor = 2 * late / effort
    early = EARLY * effort / factor
    rates = [
        math.sqrt(fall / stay / time) / factor + (early / typical if time < typical else 0.0)
        for fall, stay, time in zip(density.falls, density.stays, density.times, strict=True)
    ]
    start = early * min(1.0, density.times[0] / typical)
    spans = pairwise(zip(density.times, rates, strict=True))
    steps = ((b - a) * (low + high) / 2 for (a, low), (b, high) in spans)
    asked = accumulate(steps, initial=start)
    return Timetable(
        times=(0.0, *density.times),
        asked=(0.0, *asked),
        tail=2 * math.sqrt(HEAVY) / factor,
    )


def _between(xs: Sequence[float], ys: Sequence[float], x: float) -> float:
    """Return y at x on the line through the points; `xs` never falls."""
    place = min(max(bisect_right(xs, x), 1), len(xs) - 1)
    width = xs[place] - xs[place - 1]
    part = (x - xs[place - 1]) / width if width > 0 else 1.0
    return ys[place - 1] + (ys[place] - ys[place - 1]) * part
