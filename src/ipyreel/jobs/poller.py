"""Asks a server for the state of a job until the job ends.

Time and randomness are arguments.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ipyreel.client.retry import REFUSALS, Refusals
from ipyreel.errors import (
    ProviderError,
    RateLimited,
    TransportError,
    VideoError,
    WaitTimeout,
    WireError,
)
from ipyreel.jobs.schedule import Lesson, Schedule
from ipyreel.values import VideoJob

VAGUE = 2.0
"""Seconds: a server's times are whole seconds, and the POST takes a moment."""

NOTES = 20
"""About how many moments of progress are kept for one job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PollPolicy:
    """The bounds of the waits, and what to do after errors; all in seconds.

    The schedule (`schedule`) says when to ask, between `floor` and `cap`: never more than once
    a second, and at least every `cap` seconds, in case of a problem that the schedule does not
    know. A server's own hint has precedence over the schedule, kept between `floor` and
    `hint_cap`. Without an answer the waits begin at `first` and grow by `factor`. A refusal is
    believed after `grace` seconds and more than `refusals` in a row. `jitter` is the fraction
    by which a request is moved at random, so that jobs that began together do not ask together.
    """

    first: float = 2.0
    factor: float = 2.0
    cap: float = 600.0
    floor: float = 1.0
    hint_cap: float = 120.0
    jitter: float = 0.1
    trouble_cap: float = 60.0
    grace: float = 30.0
    refusals: int = 6

    def wait(
        self, planned: float, *, hint: float | None, troubles: int, chance: Callable[[], float]
    ) -> float:
        """Return the seconds until the next request.

        `planned` is what the schedule says, `troubles` counts the last requests without an
        answer; `chance` returns numbers in [0, 1).
        """
        if hint is not None:
            return max(self.floor, min(hint, self.hint_cap))
        if troubles:
            wait = min(self.first * self.factor ** min(troubles - 1, 16), self.trouble_cap)
            return max(self.floor, wait * self.moved(chance))
        return max(self.floor, min(planned, self.cap))

    def moved(self, chance: Callable[[], float]) -> float:
        """Return a factor near 1 that keeps many jobs from asking at once."""
        return 1 + self.jitter * (2 * chance() - 1)


class PollRateLimiter:
    """Limits how often all polled jobs of one kernel together ask.

    `limit` is in requests per second. Above it all waits grow by the same factor, which keeps a
    thousand jobs from using a whole core (a request costs about one millisecond of it) and from
    hitting the provider's limits. Belongs to one loop.
    """

    def __init__(self, limit: float = 40.0) -> None:
        self.limit = limit
        self._rates: dict[int, float] = {}
        self._sum = 0.0

    def take(self, member: object, wait: float) -> float:
        """Register the wait that `member` wants; return the wait that it gets."""
        self.leave(member)
        self._rates[id(member)] = rate = 1 / wait
        self._sum += rate
        return wait * max(1.0, self._sum / self.limit)

    def leave(self, member: object) -> None:
        """Forget a member that is no longer polled."""
        self._sum -= self._rates.pop(id(member), 0.0)
        if not self._rates:
            self._sum = 0.0  # also clears rounding errors


@dataclass(slots=True, kw_only=True)
class Poller:
    """Polls one job: `ask` sends one request, `on_video` and `on_trouble` get the result.

    `deadline` is in seconds from the start of the watch; `clock` gives seconds that never
    decrease. `schedule` says when to ask, `age` is how many seconds ago the job was sent.
    Afterwards `lesson` has the job's timing, None if that is not known well enough.
    """

    ask: Callable[[], Awaitable[VideoJob]]
    on_video: Callable[[VideoJob], None]
    on_trouble: Callable[[str], None]
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    pace: PollPolicy
    deadline: float
    chance: Callable[[], float] = random.random
    schedule: Schedule = field(default_factory=Schedule)
    age: float = 0.0
    crowd: PollRateLimiter = field(default_factory=PollRateLimiter)
    lesson: Lesson | None = None
    _begun: float = 0.0
    _trail: list[tuple[float, float]] = field(default_factory=list)

    async def run(self, *, hint: float | None = None, at_once: bool = False) -> VideoJob:
        """Ask until the server says that the job ended, and return that answer.

        `hint` is the first wait that the server asks for, in seconds; `at_once`: do not wait
        before the first request (for example after a restart). Unknown status words mean that
        the job is still active. Raises `WaitTimeout` at the deadline, and `AuthenticationFailed`,
        `PaymentRequired` or `JobNotFound` when the server keeps refusing, or refuses the key at
        once after a restart.
        """
        self._begun = self.clock()
        try:
            return await self._run(hint, at_once=at_once)
        finally:
            self.crowd.leave(self)

    async def _run(self, hint: float | None, *, at_once: bool) -> VideoJob:
        troubles, pace = 0, self.pace
        # The POST was accepted with this key; after a restart it may be another one.
        refusals = Refusals(grace=pace.grace, most=pace.refusals, accepted=not at_once)
        # The last moment at which the job was known to be active; unknown after a restart.
        going = None if at_once else 0.0
        while True:
            if not at_once:
                await self._pause(hint, troubles)
            at_once, hint = False, None
            try:
                video = await self.ask()
            except REFUSALS as error:
                if refusals.is_final(error, self.clock()):
                    raise
                troubles += 1
                self.on_trouble(trouble(error))
            except (ProviderError, TransportError, WireError) as error:
                hint = error.retry_after if isinstance(error, RateLimited) else None
                # A server that says when to ask again works.
                troubles = troubles + 1 if hint is None else 0
                self.on_trouble(trouble(error))
            else:
                troubles, hint = 0, video.poll_after
                refusals.end()
                self.on_video(video)
                if video.status in {"completed", "failed", "cancelled"}:
                    self._learn(video, going)
                    return video
                going = self._age()
                self._note(video.progress)

    async def _pause(self, hint: float | None, troubles: int) -> None:
        left = self._begun + self.deadline - self.clock()
        if left <= 0:
            raise WaitTimeout(f"The job did not end within {self.deadline:.0f} s.")
        planned = 0.0
        if hint is None and not troubles:
            age, seen = self._age(), self._trail[-1] if self._trail else None
            step = self.pace.moved(self.chance)
            planned = self.schedule.next_age(age, step=step, seen=seen) - age
        wait = self.pace.wait(planned, hint=hint, troubles=troubles, chance=self.chance)
        await self.sleep(min(self.crowd.take(self, wait), left))

    def _age(self) -> float:
        return self.age + self.clock() - self._begun

    def _note(self, progress: float | None) -> None:
        """Record when each progress was first seen; ignore a progress that goes back."""
        if progress is not None and (not self._trail or progress > self._trail[-1][1]):
            self._trail.append((self._age(), progress))

    def _learn(self, video: VideoJob, going: float | None) -> None:
        took = _took(video, going, self._age())
        if video.status != "cancelled" and took is not None:
            trail = self._trail[:: max(1, len(self._trail) // NOTES)]
            self.lesson = Lesson(took, tuple(trail))


def _took(video: VideoJob, going: float | None, seen: float) -> float | None:
    """Return how long a job took that was active at the age `going` and had ended when `seen`.

    It ended between the two, so we take the middle; if they are far apart, the server's own two
    times (of one clock, so that an offset does not matter) are used if they fit.
    """
    since = going or 0.0
    vague = going is None or seen - since > VAGUE
    if vague and video.created_at is not None and video.completed_at is not None:
        said = video.completed_at - video.created_at
        if since - VAGUE <= said <= seen + VAGUE and said > 0:
            return max(since, min(said, seen))
    return None if going is None else (since + seen) / 2


def trouble(error: VideoError) -> str:
    """Return a few words on why there was no answer; shown while the job is active."""
    if isinstance(error, RateLimited):
        return "The provider asks us to wait (429)."
    if isinstance(error, ProviderError):
        return f"Provider not answering ({error.status_code}); asking again."
    if isinstance(error, WireError):
        return "The provider's answer could not be read; asking again."
    return "Provider not answering; asking again."
