"""1,000 votes over 40 videos: how long the next pair and the results take, in milliseconds."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from ipyreel.experiments.pairs import next_pair
from ipyreel.experiments.ratings import Vote
from ipyreel.experiments.results import results_of
from tests.benchmarks.table import Figure

VOTES, VIDEOS, MOODS = 1000, 40, 10


def run(*, quick: bool) -> list[Figure]:
    """Measure both with forty settings of one video, and with ten settings of four."""
    rounds = 5 if quick else 25
    return [figure for settings in (VIDEOS, MOODS) for figure in _figures(settings, rounds)]


def _figures(settings: int, rounds: int) -> list[Figure]:
    rng = random.Random(1)  # noqa: S311 - a simulation
    fields = {f"{at:064x}": {"seed": at % settings} for at in range(VIDEOS)}
    labels = {video: str(one["seed"]) for video, one in fields.items()}
    votes = [
        Vote(id="0", left=left, right=right, winner=rng.choice(["left", "right", "tie"]),
             who=f"p{at % 20}", at=float(at), balanced=at % 3 > 0)
        for at in range(VOTES)
        for left, right in [rng.sample(sorted(labels), 2)]
    ]  # fmt: skip
    # Of somebody who has judged every pair once, so that the closest are looked for.
    all_seen = [
        Vote(id="0", left=left, right=right, winner="tie", who="all", at=0.0)
        for at, left in enumerate(labels)
        for right in list(labels)[:at]
    ]
    what = f"{settings} settings, {VOTES} votes on {VIDEOS} videos"
    return [
        _figure(f"next pair, balanced: {what}", 20, rounds,
                lambda: next_pair(labels, votes, "new", rng)),
        _figure(f"next pair, closest: {what}", 20, rounds,
                lambda: next_pair(labels, [*votes, *all_seen], "all", rng)),
        _figure(f"results: {what}", 200, rounds, lambda: results_of(votes, fields, labels)),
    ]  # fmt: skip


def _figure(what: str, reach: float, rounds: int, work: Callable[[], object]) -> Figure:
    values = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        values.append((time.perf_counter() - begun) * 1e3)
    return Figure(what=what, against="", values=values, reach=reach, unit="ms")
