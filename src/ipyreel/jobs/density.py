"""How long jobs take, as a density: estimated from past jobs, newest first.

Pure; may import the standard library only. All times are in seconds.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

FADE = 0.99
"""Weight of a job against the one after it: the last hundred or so count. Drifts are slow;
what changes at once is found by `since_change`."""

CHANGED = 3.7
"""Standard scores of the rank sum from which on older jobs are of another time. With 100 jobs,
95 places are tried after each one; at 3.7 that finds a change in steady jobs about once in
several hundred jobs, and one to the double after five to fifteen."""

ENOUGH = 5
"""Jobs from which on a density is estimated, and that stand on each side of a change."""

WIDTHS = (1.2, 0.6, 0.3, 0.15)
"""Widths of the kernels that are tried, in n^(-1/5) standard deviations: 1.06 is the best one
for a normal density (Silverman 1986, 3.28), narrow ones are for several humps."""

NARROWEST = 0.02
"""Smallest width of a kernel, in parts of the duration: ends are seen a second late or so."""

LONERS = 0.02
"""Part of the likelihood that is spread evenly, so that one odd job does not choose the width."""

HEAVY = 2.0
"""Power of the tail beyond history: P(longer than t) falls as t^-2, so that the hazard is 2/t
and waits grow with the square root of the time."""

CELLS = 96
"""Points of the grid, even in the logarithm: about five for each width of one normal hump."""

_RANGE = 4.0
_FAR = 5.0
_ROOT_TWO = math.sqrt(2)
_PEAK = 1 / math.sqrt(2 * math.pi)


@dataclass(frozen=True, slots=True)
class Density:
    """Durations on a grid of `times`.

    At each, `falls` is the density per unit of log time, `stays` the part of jobs that take
    longer. `efforts` is the integral of sqrt(density x stays) up to there, in root seconds,
    which says how many questions a good schedule needs; `typical` is the median.
    """

    times: tuple[float, ...]
    falls: tuple[float, ...]
    stays: tuple[float, ...]
    efforts: tuple[float, ...]
    typical: float

    def cell(self, age: float) -> int:
        """Return the last grid point that is not later than `age` (or the first)."""
        return max(0, bisect_right(self.times, age) - 1)

    def staying(self, age: float) -> float:
        """Return the part of jobs that take longer than `age`."""
        return self.stays[self.cell(age)] if age > self.times[0] else 1.0

    def effort(self, age: float = 0.0) -> float:
        """Return what is left of the integral for a job that has reached `age`."""
        done = self.efforts[self.cell(age)]
        return (self.efforts[-1] - done) / self.staying(age)


def estimate(durations: Sequence[float]) -> Density:
    """Estimate a density from at least two durations, the newest first.

    Kernels on the logarithms, since durations differ by factors; their common width is the
    one under which each job is likeliest given the others, and then each is narrower where
    jobs are many and wider where they are few (Abramson 1982). One pseudo-job has a heavy
    tail, for what is longer than all history.
    """
    newest = [math.log(max(seconds, 0.1)) for seconds in durations]
    fading = [FADE**rank for rank in range(len(newest))]
    total = sum(fading)
    pairs = sorted(zip(newest, (one / total for one in fading), strict=True))
    logs, weights = [log for log, _ in pairs], [weight for _, weight in pairs]
    count = 1 / sum(weight * weight for weight in weights)
    widths = _widths(logs, weights, count)
    median = logs[bisect_right(list(accumulate(weights)), 0.5)]
    return _on_grid(logs, weights, widths, median=median, doubt=1 / (count + 2))


def since_change(durations: Sequence[float]) -> Sequence[float]:
    """Return the newest durations up to the last clear change of speed.

    Every place is tried that leaves `ENOUGH` jobs on both sides; the rank sum of the newer
    ones is compared with what chance gives (Mann-Whitney), and the clearest place wins.
    """
    count = len(durations)
    order = sorted(range(count), key=durations.__getitem__)
    ranks = [0] * count
    for rank, place in enumerate(order, start=1):
        ranks[place] = rank
    clearest, kept = CHANGED, count
    for newer, total in enumerate(accumulate(ranks), start=1):
        older = count - newer
        if newer < ENOUGH or older < ENOUGH:
            continue
        spread = math.sqrt(newer * older * (count + 1) / 12)
        score = abs(total - newer * (count + 1) / 2) / spread
        if score > clearest:
            clearest, kept = score, newer
    return durations[:kept]


def _widths(logs: list[float], weights: list[float], count: float) -> list[float]:
    mean = sum(map(float.__mul__, logs, weights))
    variance = sum(w * (log - mean) ** 2 for log, w in zip(logs, weights, strict=True))
    unit = math.sqrt(variance) * count**-0.2
    best, width, heights = -math.inf, NARROWEST, [1.0] * len(logs)
    for part in WIDTHS:
        tried = max(NARROWEST, part * unit)
        score, found = _likelihood(logs, weights, tried, even=LONERS / max(variance**0.5, tried))
        if score <= best:
            break
        best, width, heights = score, tried, found
    usual = math.exp(sum(w * math.log(h) for w, h in zip(weights, heights, strict=True)))
    factors = (min(3.0, max(1 / 3, math.sqrt(usual / height))) for height in heights)
    return [max(NARROWEST, width * factor) for factor in factors]


def _likelihood(
    logs: list[float], weights: list[float], width: float, *, even: float
) -> tuple[float, list[float]]:
    """Return the log likelihood of each job given the others, and the density at each."""
    score, heights = 0.0, []
    scale, exp = -0.5 / (width * width), math.exp
    for log, weight in zip(logs, weights, strict=True):
        height = sum(
            [w * exp((log - x) * (log - x) * scale) for x, w in zip(logs, weights, strict=True)]
        )
        others = (height - weight) / (1 - weight) / width
        score += weight * math.log((1 - LONERS) * max(others, 0.0) + even)
        heights.append(height / width)
    return score, heights


def _on_grid(
    logs: list[float], weights: list[float], widths: list[float], *, median: float, doubt: float
) -> Density:
    low = min(log - _RANGE * width for log, width in zip(logs, widths, strict=True))
    high = max(log + _RANGE * width for log, width in zip(logs, widths, strict=True))
    step = (max(high, median + 0.5) - low) / (CELLS - 1)
    points = [low + step * number for number in range(CELLS)]
    kernels = list(zip(logs, weights, widths, strict=True))
    falls, stays = [], []
    for point in points:
        fall, stay = _mix(kernels, point)
        beyond = doubt * math.exp(-HEAVY * (point - median)) if point > median else doubt
        falls.append((1 - doubt) * fall + (HEAVY * beyond if point > median else 0.0))
        stays.append((1 - doubt) * stay + beyond)
    times = [math.exp(point) for point in points]
    roots = [math.sqrt(f * s * t) for f, s, t in zip(falls, stays, times, strict=True)]
    efforts = accumulate((step * (a + b) / 2 for a, b in pairwise(roots)), initial=0.0)
    return Density(tuple(times), tuple(falls), tuple(stays), tuple(efforts), math.exp(median))


def _mix(kernels: list[tuple[float, float, float]], point: float) -> tuple[float, float]:
    """Return the density of the kernels at a point, and what lies beyond it."""
    fall = stay = 0.0
    for log, weight, width in kernels:
        score = (point - log) / width
        if score < -_FAR:
            stay += weight
        elif score < _FAR:
            fall += weight / width * math.exp(-score * score / 2)
            stay += weight * 0.5 * math.erfc(score / _ROOT_TWO)
    return fall * _PEAK, stay
