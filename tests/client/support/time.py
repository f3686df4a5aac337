"""A clock that moves only in `sleep`, and a constant instead of randomness."""

from __future__ import annotations

import asyncio


class Time:
    """A clock and a sleep that belong together; `slept` records the waits in seconds."""

    def __init__(self, now=1_700_000_000.0):
        self.now = now
        self.slept = []

    def clock(self):
        return self.now

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


def certain():
    """Chance at its highest: full jitter waits as long as it may."""
    return 1.0


def run(coroutine):
    """Run a test's coroutine; one that hangs fails instead of blocking the others."""

    async def bounded():
        return await asyncio.wait_for(coroutine, 60)

    return asyncio.run(bounded())
