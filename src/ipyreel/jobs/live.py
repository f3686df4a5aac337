"""A job this kernel has in hand: its snapshot, who listens, and what waits for its end.

May import the room's own helpers and below. Changed on the loop's thread only.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ipyreel.errors import StoreError, VideoError
from ipyreel.jobs import transitions
from ipyreel.jobs.store import JobStore
from ipyreel.values import JobSnapshot

Listener = Callable[[JobSnapshot], None]

log = logging.getLogger("ipyreel")

GONE = 410
"""What a server answers that has thrown the file away: resuming would not bring it back."""


@dataclass(slots=True, eq=False, kw_only=True)
class ActiveJob:
    """One job in hand. `future` gives the snapshot with which our work on it ends.

    `sending`: a POST may be on its way; `cancelling`: the person asked to stop.
    """

    snapshot: JobSnapshot
    store: JobStore
    listeners: list[Listener] = field(default_factory=list)
    future: concurrent.futures.Future[JobSnapshot] = field(
        default_factory=concurrent.futures.Future
    )
    task: asyncio.Task[None] | None = None
    error: VideoError | None = None
    sending: bool = False
    cancelling: bool = False

    def change(self, job: JobSnapshot, *, answer: object = None, save: bool = True) -> None:
        """Take the next snapshot, write it down and tell everybody who listens."""
        if replace(job, updated_at=self.snapshot.updated_at) == self.snapshot:
            # Most answers say nothing new, and writing that down costs more than the question.
            return
        self.snapshot = job
        if save:
            try:
                self.store.save(job, answer=answer)
            except StoreError as error:
                # The job goes on in memory; the next change writes the whole row again.
                self.snapshot = replace(job, note=error.message)
        for listener in tuple(self.listeners):
            self._tell(listener)

    def fail(self, error: VideoError, now: float) -> None:
        """End the job badly; where only the download is missing, say how to get it."""
        self.error = error
        failure = error.failure()
        job = self.snapshot
        if job.ready and failure.status_code != GONE:
            again = f"The video is ready at {job.provider}; %video resume {job.id} downloads it."
            hint = f"{failure.hint} {again}" if failure.hint else again
            failure = replace(failure, hint=hint)
        self.change(transitions.failed(job, failure, now))

    def trouble(self, note: str, now: float) -> None:
        """Note a passing trouble; the job goes on."""
        self.change(transitions.troubled(self.snapshot, note, now))

    def done(self) -> None:
        """Let go of everybody who waits."""
        if not self.future.done():
            self.future.set_result(self.snapshot)

    def _tell(self, listener: Listener) -> None:
        try:
            listener(self.snapshot)
        except Exception:
            # A card that breaks must not take the job with it.
            log.exception("a listener of job %s broke", self.snapshot.id)
