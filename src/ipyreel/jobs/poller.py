"""Asking a server how a job stands, again and again, until it ends.

May import `values`, `errors` and the client's error kinds. Time and chance are arguments.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ipyreel.errors import (
    AuthenticationFailed,
    JobNotFound,
    PaymentRequired,
    ProviderError,
    RateLimited,
    TransportError,
    VideoError,
    WaitTimeout,
    WireError,
)
from ipyreel.values import VideoJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a server is asked; all in seconds.

    The vendors advise 10 to 15 s between two questions; short jobs are over by then, so the
    first questions come sooner and each wait is half as long again, up to `cap`. A server's
    own hint goes before all of this, kept between `floor` and `hint_cap`.
    """

    first: float = 2.0
    factor: float = 1.5
    cap: float = 10.0
    floor: float = 1.0
    hint_cap: float = 120.0
    jitter: float = 0.1
    trouble_cap: float = 60.0
    missing_grace: float = 30.0

    def wait(
        self, asked: int, *, hint: float | None, troubles: int, chance: Callable[[], float]
    ) -> float:
        """Return the seconds until the next question.

        `asked` counts the questions so far, `troubles` those of the last that went without
        an answer; `chance` returns numbers in [0, 1) that keep many jobs from asking at once.
        """
        if hint is not None:
            return max(self.floor, min(hint, self.hint_cap))
        if troubles:
            wait = min(self.first * 2.0 ** min(troubles, 16), self.trouble_cap)
        else:
            wait = min(self.first * self.factor ** min(asked, 64), self.cap)
        return max(self.floor, wait * (1 + self.jitter * (2 * chance() - 1)))


@dataclass(slots=True, kw_only=True)
class Poller:
    """Polls one job: `ask` puts one question, `on_video` and `on_trouble` get what came of it.

    `deadline` is in seconds from the start of the watch; `clock` gives seconds that never
    go back.
    """

    ask: Callable[[], Awaitable[VideoJob]]
    on_video: Callable[[VideoJob], None]
    on_trouble: Callable[[str], None]
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    pace: Pace
    deadline: float
    chance: Callable[[], float] = random.random

    async def run(self, *, hint: float | None = None, at_once: bool = False) -> VideoJob:
        """Ask until the server says that the job ended, and return that answer.

        `hint` is the server's wish for the first wait in seconds; `at_once`: do not wait
        before the first question (after a restart, say). Unknown words of the server are
        read as "goes on". Raises `WaitTimeout` at the deadline, `AuthenticationFailed` or
        `PaymentRequired` when the key no longer opens the door, and `JobNotFound` when the
        server says for longer than the grace time that it knows no such job.
        """
        begun = self.clock()
        asked = troubles = 0
        missing_since: float | None = None
        while True:
            if not (at_once and asked == 0):
                await self._pause(asked, hint, troubles, begun)
            asked += 1
            hint = None
            try:
                video = await self.ask()
            except (AuthenticationFailed, PaymentRequired):
                raise
            except JobNotFound as error:
                # A gateway's copy of its database may lag behind the POST by seconds.
                missing_since = self.clock() if missing_since is None else missing_since
                if self.clock() - missing_since >= self.pace.missing_grace:
                    raise
                troubles += 1
                self.on_trouble(trouble(error))
            except (ProviderError, TransportError, WireError) as error:
                troubles += 1
                hint = error.retry_after if isinstance(error, RateLimited) else None
                self.on_trouble(trouble(error))
            else:
                troubles, missing_since = 0, None
                hint = video.poll_after
                self.on_video(video)
                if video.status in {"completed", "failed", "cancelled"}:
                    return video

    async def _pause(self, asked: int, hint: float | None, troubles: int, begun: float) -> None:
        left = begun + self.deadline - self.clock()
        if left <= 0:
            raise WaitTimeout(f"The job did not end within {self.deadline:.0f} s.")
        wait = self.pace.wait(asked, hint=hint, troubles=troubles, chance=self.chance)
        await self.sleep(min(wait, left))


def trouble(error: VideoError) -> str:
    """Say in a few words why there was no answer; shown while the job goes on."""
    if isinstance(error, RateLimited):
        return "The provider asks for patience (429)."
    if isinstance(error, ProviderError):
        return f"Provider not answering ({error.status_code}); asking again."
    if isinstance(error, WireError):
        return "The provider answered something unreadable; asking again."
    return "Provider not answering; asking again."
