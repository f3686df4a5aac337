"""Noticing that a job is done: lateness (L) times requests (R), on a fake clock."""

from __future__ import annotations

import random
import statistics
import sys

from ipyreel.jobs.schedule import KEPT, Lesson
from tests.benchmarks.durations import MODELS, STEADY, USELESS, Model, Progress
from tests.benchmarks.table import Figure, markdown, number, say
from tests.benchmarks.watching import RULES, Watched, Watcher, by_rule

WITH_PROGRESS = ("log-normal 60 s, 0.2", "log-normal 120 s, 0.5", "two humps 60/240 s")


def run(*, quick: bool) -> list[Figure]:
    """Measure; also print L, R and L x R over the limit for each model and each rule."""
    jobs = 100 if quick else 2000
    limits = {model.name: model.limit() for model in MODELS}
    columns = {
        "30 past jobs": {model.name: _watched(model, jobs) for model in MODELS},
        "no history": {model.name: _untaught(model, 4 * jobs) for model in MODELS},
        **{
            name: {model.name: by_rule(_drawn(model, 4 * jobs), wait) for model in MODELS}
            for name, wait in RULES.items()
        },
    }
    rows = [["model", "limit", *columns]]
    for name, limit in limits.items():
        cells = [_cell(seen[name], limit) for seen in columns.values()]
        rows.append([name, number(limit), *cells])
    sys.stdout.write(markdown(rows) + "\n\n")
    return [*_taught(columns["30 past jobs"], limits), *_by_progress(limits, quick=quick)]


def _taught(seen: dict[str, Watched], limits: dict[str, float]) -> list[Figure]:
    ratios = {name: seen[name].product / limit for name, limit in limits.items()}
    usual = [model.name for model in MODELS if 60 <= model.usual <= 300]
    return [
        Figure(
            what="L x R with 30 past jobs, mean over models",
            against="the limit",
            values=[statistics.mean(ratios.values())],
            reach=1.2,
            note=f"worst: {max(ratios, key=ratios.__getitem__)}, {max(ratios.values()):.2f}",
        ),
        Figure(
            what="L of jobs of 1 to 5 min, worst model",
            against="",
            values=[max(seen[name].lateness for name in usual)],
            reach=1.2,
            unit="s",
        ),
    ]


def _by_progress(limits: dict[str, float], *, quick: bool) -> list[Figure]:
    def figure(name: str, progress: Progress, reach: float) -> Figure:
        say(f"progress: {name}")
        values = []
        for model in MODELS:
            if model.name in WITH_PROGRESS:
                watcher = Watcher(_rng(), progress=progress)
                watcher.watch(_drawn(model, 40, seed=1))
                seen = watcher.watch(_drawn(model, 40 if quick else 300, seed=2))
                values.append(seen.product / limits[model.name])
        return Figure(
            what=f"L x R with progress: {name}",
            against="the limit of durations",
            values=values,
            reach=reach,
        )

    steady = figure("steady", STEADY, 0.3)
    return [steady, *(figure(name, progress, 1.4) for name, progress in USELESS.items())]


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


def _untaught(model: Model, jobs: int) -> Watched:
    return Watcher(_rng(3), learns=False).watch(_drawn(model, jobs))


def _cell(seen: Watched, limit: float) -> str:
    return f"{seen.lateness:.2f} s, {seen.requests:.0f}: {seen.product / limit:.2f}"
