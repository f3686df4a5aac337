"""The real poller watches made-up jobs on a fake clock."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from ipyreel.jobs.poller import Poller, PollPolicy
from ipyreel.jobs.schedule import KEPT, Lesson, Schedule
from ipyreel.values import VideoJob
from tests.benchmarks.durations import Progress


@dataclass
class Watched:
    """What came of watching jobs: their number, seconds of lateness and requests in sum."""

    jobs: int = 0
    late: float = 0.0
    asked: int = 0

    def add(self, late: float, asked: int) -> None:
        self.jobs += 1
        self.late += late
        self.asked += asked

    @property
    def lateness(self) -> float:
        """L: seconds between done and noticed, mean."""
        return self.late / self.jobs

    @property
    def requests(self) -> float:
        """R: requests per job, mean."""
        return self.asked / self.jobs

    @property
    def product(self) -> float:
        return self.lateness * self.requests


def watch(
    took: float,
    schedule: Schedule,
    rng: random.Random,
    progress: Progress | None = None,
) -> tuple[float, int, Lesson | None]:
    """Let the real poller watch one job; return lateness, requests and the lesson."""
    now, asked = 0.0, 0

    async def ask() -> VideoJob:
        nonlocal asked
        asked += 1
        if now >= took:
            return VideoJob(remote_id="v", status="completed")
        told = progress(now, took) if progress is not None else None
        return VideoJob(remote_id="v", status="in_progress", progress=told)

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    poller = Poller(
        ask=ask,
        on_video=_ignore,
        on_trouble=_ignore,
        clock=lambda: now,
        sleep=sleep,
        pace=PollPolicy(),
        deadline=1e9,
        chance=rng.random,
        schedule=schedule,
    )
    _drive(poller)
    return now - took, asked, poller.lesson


def _ignore(_what: object) -> None:
    pass


def _drive(poller: Poller) -> None:
    """Run a coroutine that never really waits, without a loop."""
    try:
        poller.run().send(None)
    except StopIteration:
        return
    raise AssertionError("the poller waited for something else than its clock")


@dataclass
class Watcher:
    """Watches job after job of one provider, each taught by those before it."""

    rng: random.Random
    progress: Progress | None = None
    lessons: list[Lesson] = field(default_factory=list)

    def watch(self, durations: Iterable[float]) -> Watched:
        seen = Watched()
        for took in durations:
            schedule = Schedule(tuple(self.lessons[:KEPT]))
            late, asked, lesson = watch(took, schedule, self.rng, self.progress)
            seen.add(late, asked)
            if lesson is not None:
                self.lessons.insert(0, lesson)
        return seen
