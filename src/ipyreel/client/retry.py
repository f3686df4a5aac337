"""Decides how long to wait and when to try again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ipyreel.errors import (
    AuthenticationFailed,
    DownloadError,
    JobNotFound,
    PaymentRequired,
    RateLimited,
    ServerBroken,
    TransportError,
    VideoError,
    WaitTimeout,
    WireError,
)
from ipyreel.values import ENDED, VideoJob

T = TypeVar("T")

Sleep = Callable[[float], Awaitable[object]]

RESUME = "Resume continues from there."

REFUSALS = (AuthenticationFailed, PaymentRequired, JobNotFound)
"""Errors of a poll that are believed only if they persist; see `Refusals`."""

PASSING = (TransportError, WireError, RateLimited, ServerBroken)
"""Errors of a poll after which the next poll may succeed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how fast to try again; times in seconds.

    `attempts` includes the first one. `cap` limits our own waits, `retry_after_cap` those that
    a server asks for (120 s, as in openai-python). The two `busy` fields are for a 429: limits
    on videos are counted per minute, not per second.
    """

    attempts: int = 5
    base: float = 1.0
    cap: float = 30.0
    retry_after_cap: float = 120.0
    busy_attempts: int = 10
    busy_base: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait, in seconds.

    `create` and `poll` are for a whole request. A download may take `first_byte` to begin (some
    gateways fetch the file first) and `read` between any two bytes after that. Some servers warm
    up during create, which takes minutes (SGLang, Agnes).
    """

    connect: float = 10.0
    create: float = 180.0
    poll: float = 30.0
    read: float = 60.0
    first_byte: float = 180.0

    def with_poll(self, seconds: float | None) -> Timeouts:
        """Return these timeouts with another `poll`; None: unchanged."""
        return self if seconds is None else replace(self, poll=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadPolicy:
    """How long a download keeps trying, and the largest file; times in seconds.

    `retry` is for lost connections and overload; its count restarts whenever more of the file
    is here than ever before; `not_ready` is the sum of the waits for a file that the server
    does not have yet; `least_rate` (bytes per second) is checked every `rate_window`, counted
    from the first byte; `deadline` is for the whole download; `max_bytes` is the largest file
    that is accepted.
    """

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    not_ready: float = 60.0
    least_rate: float = 1000.0
    rate_window: float = 60.0
    deadline: float = 6 * 3600.0
    max_bytes: int = 4 * 2**30


@dataclass(slots=True, kw_only=True)
class Refusals:
    """Decides when to believe a server that refuses to show a job.

    Its database may be down or lag behind, or another replica may answer. So a refusal is final
    only after `grace` seconds and more than `most` refusals in a row. Until a poll was answered
    (`accepted`), the key may be wrong, so a refusal of the key is final at once.
    """

    grace: float = 30.0
    most: int = 6
    accepted: bool = False
    _count: int = 0
    _since: float = 0.0

    def is_final(self, error: VideoError, now: float) -> bool:
        """Count a refusal at `now` (seconds of any clock); return whether it is final."""
        if not self._count:
            self._since = now
        self._count += 1
        if not self.accepted and not isinstance(error, JobNotFound):
            return True
        return self._count > self.most and now - self._since >= self.grace

    def end(self) -> None:
        """Note that the server answered."""
        self.accepted, self._count = True, 0


class Pace:
    """Measures the speed of one reply, so that no server can delay a download endlessly.

    `now` returns the seconds of any monotonic clock.
    """

    def __init__(
        self, policy: DownloadPolicy, timeouts: Timeouts, now: Callable[[], float], host: str
    ) -> None:
        self._policy, self._timeouts, self._now, self._host = policy, timeouts, now, host
        self._received = 0
        self._begun = self._last = now()
        self._window = (self._begun, 0)

    def received(self, count: int) -> None:
        """Note that `count` bytes of the file were received."""
        if not self._received:
            self._window = (self._now(), 0)
        self._received += count
        self._last = self._now()

    def check(self) -> VideoError | None:
        """Return the error to end the reply with, None if it is fast enough."""
        now, policy = self._now(), self._policy
        if not self._received:
            patience = self._timeouts.first_byte
            late = now - self._begun > patience
            text = f"{self._host} sent no file within {patience:g} s."
            return TransportError(text, sent=True) if late else None
        if now - self._last > self._timeouts.read:
            return TransportError(f"{self._host} stopped sending.", sent=True)
        begun, before = self._window
        if now - begun < policy.rate_window:
            return None
        if self._received - before < policy.least_rate * (now - begun):
            rate = f"{policy.least_rate / 1000:g} kB/s"
            return DownloadError(f"{self._host} sends less than {rate}.", hint=RESUME)
        self._window = (now, self._received)
        return None


def backoff(
    attempt: int,
    policy: RetryPolicy,
    rng: Callable[[], float],
    *,
    retry_after: float | None = None,
) -> float:
    """Return the seconds to wait after the `attempt`-th failure (1 is the first).

    Exponential with full jitter: a random wait from 0 to the bound, so that clients that failed
    together do not retry together. `retry_after` of the server can make it longer but never
    shorter: a server that sends 0 does not get a burst of requests.
    """
    # 2**64 is above any cap, and still fits a float.
    own = rng() * min(policy.cap, policy.base * 2.0 ** min(attempt - 1, 64))
    return max(own, min(retry_after or 0.0, policy.retry_after_cap))


async def poll_until_ended(
    ask: Callable[[], Awaitable[VideoJob]],
    *,
    interval: float,
    deadline: float,
    retry: RetryPolicy,
    sleep: Sleep,
    clock: Callable[[], float],
    rng: Callable[[], float],
) -> AsyncIterator[VideoJob]:
    """Ask every `interval` seconds and yield each answer, the last one final.

    A server that does not answer is asked again with backoff; one that asks for fewer requests
    gets fewer. `Refusals` decides about refusals. Raises `WaitTimeout` after `deadline` seconds,
    and what `ask` raises if asking again does not help.
    """
    begun, waited, failures, refusals = clock(), 0.0, 0, Refusals()
    while True:
        try:
            job = await ask()
        except (*PASSING, *REFUSALS) as error:
            if isinstance(error, REFUSALS) and refusals.is_final(error, waited):
                raise
            failures += 1
            retry_after = error.retry_after if isinstance(error, RateLimited) else None
            pause = interval + backoff(failures, retry, rng, retry_after=retry_after)
        else:
            yield job
            if job.status in ENDED:
                return
            failures = 0
            refusals.end()
            pause = max(interval, job.poll_after or 0.0)
        # The waits are summed up as well: a clock can be set back.
        if max(clock() - begun, waited) + pause > deadline:
            raise WaitTimeout(
                f"The job did not end within {deadline:.0f} s.",
                hint="It continues; wait for the same id again.",
            )
        await sleep(pause)
        waited += pause


async def within(work: Coroutine[Any, Any, T], timeout: float, late: Exception) -> T:
    """Await `work` for `timeout` seconds, then cancel it and raise `late`.

    When this returns or raises, the work has ended.
    """
    return await watched(work, timeout, lambda: late)


async def watched(
    work: Coroutine[Any, Any, T], interval: float, check: Callable[[], Exception | None]
) -> T:
    """Await `work`; if `check`, called every `interval` seconds, returns an error, raise it.

    `work` is then cancelled. Not `asyncio.wait_for`: before Python 3.12 it loses a cancellation
    that arrives when the work has just ended (https://github.com/python/cpython/issues/86296).
    """
    task, error = asyncio.ensure_future(work), None
    try:
        while error is None:
            done, _ = await asyncio.wait((task,), timeout=interval)
            if done:
                return task.result()
            error = check()
    except asyncio.CancelledError:
        await _cancel(task)
        raise
    await _cancel(task)
    raise error


async def _cancel(task: asyncio.Future[T]) -> None:
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled():
        task.exception()  # otherwise the loop would log it as never retrieved
