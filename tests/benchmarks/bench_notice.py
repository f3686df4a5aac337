"""Noticing that a job is done: lateness (L) times requests (R), on a fake clock."""

from __future__ import annotations

import random
import statistics

from ipyreel.jobs.schedule import KEPT, Lesson
from tests.benchmarks.durations import MODELS, Model, steady
from tests.benchmarks.table import Figure
from tests.benchmarks.watching import Watched, Watcher

WITH_PROGRESS = ("log-normal 60 s, 0.2", "log-normal 120 s, 0.5", "two humps 60/240 s")


def run(*, quick: bool) -> list[Figure]:
    """Measure over all models, with thirty past jobs and with steady progress."""
    jobs = 100 if quick else 2000
    limits = {model.name: model.limit() for model in MODELS}
    ratios = {model.name: _watched(model, jobs).product / limits[model.name] for model in MODELS}
    worst = max(ratios, key=ratios.__getitem__)
    return [
        Figure(
            what="L x R with 30 past jobs, mean over models",
            against="the limit",
            values=[statistics.mean(ratios.values())],
            reach=1.2,
            note=f"worst: {worst}, {ratios[worst]:.2f}",
        ),
        Figure(
            what="L x R with steady progress",
            against="the limit of durations",
            values=[
                _with_progress(model, 40 if quick else 300) / limits[model.name]
                for model in MODELS
                if model.name in WITH_PROGRESS
            ],
            reach=0.3,
        ),
    ]


def _with_progress(model: Model, jobs: int) -> float:
    watcher = Watcher(_rng(), progress=steady)
    watcher.watch(_drawn(model, 40, seed=1))
    return watcher.watch(_drawn(model, jobs, seed=2)).product


def _rng(seed: int = 0) -> random.Random:
    return random.Random(seed)  # noqa: S311 - chance that can be repeated


def _drawn(model: Model, count: int, seed: int = 0) -> list[float]:
    rng = _rng(seed)
    return [model.draw(rng) for _ in range(count)]


def _watched(model: Model, jobs: int) -> Watched:
    """Watch jobs each of which is taught by the thirty before it."""
    rng = _rng(3)
    lessons = [Lesson(took) for took in _drawn(model, KEPT, seed=4)]
    return Watcher(rng, lessons=lessons).watch(_drawn(model, jobs, seed=5))
