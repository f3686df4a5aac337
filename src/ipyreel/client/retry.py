"""How long to wait, and when to try again: pure policy, no I/O.

May import the standard library only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how fast something is tried again; times in seconds.

    `attempts` counts all of them, the first one too. `cap` bounds our own waits,
    `retry_after_cap` those a server asks for (120 s, as openai-python does it). The two of
    `busy` are for a 429: limits on videos are counted per minute, not per second.
    """

    attempts: int = 5
    base: float = 1.0
    cap: float = 30.0
    retry_after_cap: float = 120.0
    busy_attempts: int = 10
    busy_base: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long is waited, in seconds.

    `create` and `poll` are for a whole question, `read` for one read of a download, which
    has no total limit. Some servers warm up inside create and take minutes (SGLang, Agnes).
    """

    connect: float = 10.0
    create: float = 180.0
    poll: float = 30.0
    read: float = 60.0


def backoff(
    attempt: int,
    policy: RetryPolicy,
    rng: Callable[[], float],
    *,
    told: float | None = None,
) -> float:
    """Return the seconds to wait after the `attempt`-th failure (1 is the first).

    Exponential with full jitter: anything from 0 to the bound, so that many clients thrown
    off together do not come back together. `told`, the server's own wish, goes before it.
    """
    if told is not None:
        return min(max(told, 0.0), policy.retry_after_cap)
    # 2**64 is beyond any cap, and a float still holds it.
    return rng() * min(policy.cap, policy.base * 2.0 ** min(attempt - 1, 64))
