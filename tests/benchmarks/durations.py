"""Made-up providers: how long their jobs take, what they say of progress, and the limit."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

NORMAL = NormalDist()
LONGEST = 6 * 3600.0
"""Seconds after which even the heaviest tail ends, so that one job does not make the mean."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """Durations by their density in log time and their survival, and how to draw one."""

    name: str
    draw: Callable[[random.Random], float]
    falls: Callable[[float], float]
    stays: Callable[[float], float]

    def limit(self) -> float:
        """Return the least L x R of any schedule: (integral of sqrt(f S))^2 / 2, in seconds."""
        total, step, count = 0.0, 0.002, 8000
        for number in range(count):
            time = math.exp(-1 + step * number)
            if time < LONGEST:
                total += step * math.sqrt(self.falls(time) * self.stays(time) * time)
        return total * total / 2


def humps(name: str, *parts: tuple[float, float, float]) -> Model:
    """Make a mixture of log-normals from (weight, median in seconds, sigma)."""

    def draw(rng: random.Random) -> float:
        (_, median, sigma) = rng.choices(parts, [part[0] for part in parts])[0]
        return median * math.exp(sigma * rng.gauss(0, 1))

    def falls(time: float) -> float:
        return sum(w * NORMAL.pdf(math.log(time / m) / s) / s for w, m, s in parts)

    def stays(time: float) -> float:
        return sum(w * NORMAL.cdf(-math.log(time / m) / s) for w, m, s in parts)

    return Model(name=name, draw=draw, falls=falls, stays=stays)


def heavy(name: str, *, median: float, sigma: float, part: float, power: float) -> Model:
    """Make a log-normal of which a `part` has a tail P(longer than t) = (median / t)^power."""
    body = humps("", (1.0, median, sigma))

    def draw(rng: random.Random) -> float:
        if rng.random() >= part:
            return body.draw(rng)
        return min(median * (1 - rng.random()) ** (-1 / power), LONGEST)

    def stay(time: float) -> float:
        return min(1.0, (median / time) ** power)

    def falls(time: float) -> float:
        tail = power * stay(time) if time > median else 0.0
        return (1 - part) * body.falls(time) + part * tail

    def stays(time: float) -> float:
        return (1 - part) * body.stays(time) + part * stay(time)

    return Model(name=name, draw=draw, falls=falls, stays=stays)


MODELS = (
    *(
        humps(f"log-normal {median} s, {sigma:g}", (1.0, median, sigma))
        for median in (30, 60, 120, 300, 600)
        for sigma in (0.2, 0.5, 1.0)
    ),
    humps("two humps 60/240 s", (0.6, 60, 0.2), (0.4, 240, 0.2)),
    humps("two humps 40/120 s", (0.5, 40, 0.15), (0.5, 120, 0.15)),
    heavy("heavy tail 90 s, a tenth", median=90, sigma=0.3, part=0.1, power=1.5),
    heavy("heavy tail 60 s, a third", median=60, sigma=0.3, part=0.33, power=2.0),
)

Progress = Callable[[float, float], float | None]
"""Says a job's progress from its age and what it will take."""


def steady(age: float, took: float) -> float:
    """Rise evenly, after a tenth of the time in which nothing happens."""
    return float(int(100 * max(0.0, age / took - 0.1) / 0.9))
