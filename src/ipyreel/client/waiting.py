"""Asking again and again until a job has ended, for scripts. May import `retry` and below."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ipyreel.client.retry import RetryPolicy, backoff
from ipyreel.errors import (
    JobNotFound,
    RateLimited,
    ServerBroken,
    TransportError,
    WaitTimeout,
    WireError,
)
from ipyreel.values import ENDED, VideoJob

GRACE = 30.0
"""Seconds in which "no such job" is not believed: a gateway's copy of its data may lag."""


async def until_ended(
    ask: Callable[[], Awaitable[VideoJob]],
    *,
    interval: float,
    deadline: float,
    retry: RetryPolicy,
    sleep: Callable[[float], Awaitable[object]],
    clock: Callable[[], float],
    rng: Callable[[], float],
) -> VideoJob:
    """Put one question every `interval` seconds and return the answer that is final.

    Servers that do not answer are asked again, at growing distances; one that wishes for
    slower questions gets them. Raises `WaitTimeout` after `deadline` seconds, and what
    `ask` raises when asking again would not help.
    """
    begun, waited, troubles = clock(), 0.0, 0
    while True:
        try:
            job = await ask()
        except (TransportError, WireError, RateLimited, ServerBroken, JobNotFound) as error:
            if isinstance(error, JobNotFound) and waited >= GRACE:
                raise
            troubles += 1
            told = error.retry_after if isinstance(error, RateLimited) else None
            pause = interval + backoff(troubles, retry, rng, told=told)
        else:
            if job.status in ENDED:
                return job
            troubles = 0
            pause = max(interval, job.poll_after or 0.0)
        # The waits are added up as well: a clock can be set back.
        if max(clock() - begun, waited) + pause > deadline:
            raise WaitTimeout(
                f"The job did not end within {deadline:.0f} s.",
                hint="It goes on; wait for the same id again.",
            )
        await sleep(pause)
        waited += pause
