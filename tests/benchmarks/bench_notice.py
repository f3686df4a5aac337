"""Noticing that a job is done: lateness against requests, on a fake clock."""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from ipyreel.jobs.schedule import Lesson
from tests.benchmarks.durations import MODELS, USEFUL, USELESS, Model, Progress
from tests.benchmarks.plot import Point, draw
from tests.benchmarks.table import Figure, markdown, number, say
from tests.benchmarks.watching import RULES, Watched, Watcher, by_rule

PLOT = Path(__file__).with_name("lateness.svg")
TAUGHT = 30
"""Past jobs with which "with history" begins."""

WITH_PROGRESS = ("log-normal 60 s, 0.2", "log-normal 120 s, 0.5", "two humps 60/240 s")
"""Models on which progress is tried: each answer with progress is guessed from anew."""

CHANGES = (2.0, 0.5, 3.0)
WAY_BACK, BACK_WITHIN = 20, 1.3


def _rng(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - chance that can be repeated


def _drawn(model: Model, rng: random.Random, count: int) -> list[float]:
    return [model.draw(rng) for _ in range(count)]


def _taught(model: Model, rng: random.Random, count: int, **fields: object) -> Watcher:
    lessons = [Lesson(took) for took in _drawn(model, rng, count)]
    return Watcher(rng, lessons=lessons, **fields)


def run(*, quick: bool) -> list[Figure]:
    """Measure; also print the table of L and R by model, and draw the plot when not quick."""
    rounds, jobs = (2, 950) if quick else (5, 10_000)
    each = jobs // len(MODELS)
    limits = {model.name: model.limit() for model in MODELS}
    taught: dict[str, list[Watched]] = {model.name: [] for model in MODELS}
    few: dict[str, list[Watched]] = {model.name: [] for model in MODELS}
    untaught: dict[str, list[Watched]] = {model.name: [] for model in MODELS}
    rules: dict[str, dict[str, list[Watched]]] = {model.name: {} for model in MODELS}
    for seed in range(rounds):
        say(f"round {seed + 1} of {rounds}: {each * len(MODELS)} jobs")
        for model in MODELS:
            rng = _rng(seed)
            durations = _drawn(model, rng, each)
            taught[model.name].append(_taught(model, rng, TAUGHT).watch(durations))
            exact = _taught(model, rng, TAUGHT, kept=TAUGHT)
            few[model.name].append(exact.watch(durations[: each // 2]))
            many = _drawn(model, rng, 4 * each)
            untaught[model.name].append(Watcher(rng, learns=False).watch(many))
            for name, wait in RULES.items():
                rules[model.name].setdefault(name, []).append(by_rule(many, wait))
    sys.stdout.write(_by_model(limits, taught, untaught, rules) + "\n\n")
    if not quick:
        PLOT.write_text(draw(_points(limits, taught, untaught, rules)), encoding="utf-8")
    return [
        *_with_history(limits, taught, few, rounds),
        *_without(untaught, rules, rounds),
        *_after_changes(limits, quick=quick),
        *_with_progress(limits, quick=quick),
    ]


Seen = Mapping[str, list[Watched]]


def _with_history(limits: Mapping[str, float], taught: Seen, few: Seen, n: int) -> list[Figure]:
    def ratios(seen: Seen, round_: int) -> list[float]:
        return [seen[name][round_].product / limit for name, limit in limits.items()]

    worst = [max(_pooled(taught[name]).product / limit for name, limit in limits.items())]
    usual = [model.name for model in MODELS if 60 <= model.usual <= 300]
    late = [max(taught[name][r].lateness for name in usual) for r in range(n)]
    return [
        Figure(
            what="L x R with 30 or more past jobs, mean over models",
            against="the limit",
            values=[statistics.mean(ratios(taught, r)) for r in range(n)],
            reach=1.15,
        ),
        Figure(
            what="the same, worst model",
            against="the limit",
            values=worst,
            reach=1.15,
            note=max(limits, key=lambda name: _pooled(taught[name]).product / limits[name]),
        ),
        Figure(
            what="the same with never more than 30 past jobs",
            against="the limit",
            values=[statistics.mean(ratios(few, r)) for r in range(n)],
            reach=1.15,
        ),
        Figure(
            what="L at the default, jobs of 1 to 5 min, worst model",
            against="",
            values=late,
            reach=1.0,
            unit="s",
        ),
    ]


def _without(untaught: Seen, rules: Mapping[str, Seen], rounds: int) -> list[Figure]:
    fixed = [name for name in RULES if name.startswith("every")]
    ratios = {
        name: _pooled(seen).product / min(_pooled(rules[name][rule]).product for rule in fixed)
        for name, seen in untaught.items()
    }
    better = sum(ratio < 1 for ratio in ratios.values())
    backoff = [
        statistics.mean(
            rules[name]["x1.5 backoff from 1 s"][r].product / seen[r].product
            for name, seen in untaught.items()
        )
        for r in range(rounds)
    ]
    return [
        Figure(
            what="L x R without history, worst model",
            against="best fixed interval there",
            values=[max(ratios.values())],
            reach=1.01,  # ten thousand jobs of a model tell no more apart
            note=f"better on {better} of {len(ratios)} models",
        ),
        Figure(
            what="L x R of x1.5 backoff, mean over models",
            against="ours without history",
            values=backoff,
        ),
    ]


def _after_changes(limits: Mapping[str, float], *, quick: bool) -> list[Figure]:
    """Twenty jobs after the provider became slower or faster: the next five."""
    values = {}
    for model in MODELS:
        for change in CHANGES:
            total = Watched()
            for seed in range(4 if quick else 20):
                rng = _rng(1000 + seed)
                watcher = _taught(model, rng, 60)
                watcher.watch(change * took for took in _drawn(model, rng, WAY_BACK))
                _into(total, watcher.watch(change * took for took in _drawn(model, rng, 5)))
            values[f"{model.name} x{change:g}"] = total.product / limits[model.name] / change
    worst = max(values, key=values.__getitem__)
    over = sum(value > BACK_WITHIN for value in values.values())
    return [
        Figure(
            what="L x R 20 jobs after a change of speed (x2, x0.5, x3), by model",
            against="the limit",
            values=list(values.values()),
            reach=BACK_WITHIN,
            note=f"{over} of {len(values)} over that; worst: {worst}",
        )
    ]


def _with_progress(limits: Mapping[str, float], *, quick: bool) -> list[Figure]:
    def ratios(progress: Progress) -> list[float]:
        found = []
        for model in MODELS:
            if model.name in WITH_PROGRESS:
                watcher = Watcher(_rng(7), progress=progress)
                watcher.watch(_drawn(model, watcher.rng, 40))
                seen = watcher.watch(_drawn(model, watcher.rng, 40 if quick else 300))
                found.append(seen.product / limits[model.name])
        return found

    def figure(name: str, progress: Progress, reach: float) -> Figure:
        say(f"progress: {name}")
        values = ratios(progress)
        return Figure(
            what=f"L x R with progress: {name}",
            against="the limit of durations",
            values=values,
            reach=reach,
        )

    return [
        *(figure(name, progress, 1.0) for name, progress in USEFUL.items()),
        *(figure(name, progress, 1.15) for name, progress in USELESS.items()),
    ]


def _into(total: Watched, seen: Watched) -> None:
    total.jobs += seen.jobs
    total.late += seen.late
    total.asked += seen.asked


def _pooled(all_seen: Iterable[Watched]) -> Watched:
    total = Watched()
    for seen in all_seen:
        _into(total, seen)
    return total


def _by_model(
    limits: Mapping[str, float], taught: Seen, untaught: Seen, rules: Mapping[str, Seen]
) -> str:
    """Return L and R and L x R over the limit, for each model and each way of watching."""

    def cell(seen: Watched, limit: float) -> str:
        return f"{seen.lateness:.2f} s, {seen.requests:.0f}: {seen.product / limit:.2f}"

    head = ["model", "limit", "with history", "without", *RULES]
    rows = [
        [
            name,
            number(limit),
            cell(_pooled(taught[name]), limit),
            cell(_pooled(untaught[name]), limit),
            *(cell(_pooled(rules[name][rule]), limit) for rule in RULES),
        ]
        for name, limit in limits.items()
    ]
    return markdown([head, *rows])


def _points(
    limits: Mapping[str, float], taught: Seen, untaught: Seen, rules: Mapping[str, Seen]
) -> list[Point]:
    def points(kind: str, seen: Seen) -> list[Point]:
        return [
            Point(kind=kind, model=name, late=total.lateness / limits[name], asked=total.requests)
            for name in limits
            for total in (_pooled(seen[name]),)
        ]

    found = points("ipyreel, 30 or more past jobs", taught) + points("ipyreel, none", untaught)
    for rule in RULES:
        found += points(rule, {name: rules[name][rule] for name in limits})
    return found
