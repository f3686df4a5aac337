"""Runs one job from the request to the file, on the loop's thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ipyreel.client.mp4 import inspect_file
from ipyreel.client.part_record import PartRecord
from ipyreel.client.retry import Timeouts
from ipyreel.errors import (
    InvalidRequest,
    JobFailed,
    RateLimited,
    StoreError,
    SubmissionUnknown,
    VideoError,
)
from ipyreel.jobs import transitions
from ipyreel.jobs.files import make_folder, write_sidecar
from ipyreel.jobs.owners import OwnershipLost, lost
from ipyreel.jobs.poller import Poller, PollPolicy, PollRateLimiter
from ipyreel.jobs.recover import find_accepted
from ipyreel.jobs.schedule import KEPT, Lesson, Schedule
from ipyreel.jobs.store import JobStore
from ipyreel.values import ENDED, Failure, JobSnapshot, VideoFile, VideoJob

if TYPE_CHECKING:
    from ipyreel.client import VideoClient

Listener = Callable[[JobSnapshot], None]

log = logging.getLogger("ipyreel")

HAND_IN = (1.0, 5.0, 30.0, 120.0)
"""Seconds between attempts to save an answer that arrived when another kernel had the job."""

BUSY = 30.0
"""Seconds until a server that was busy with our other jobs is asked again."""

REDRAW = 0.25
"""Seconds between two snapshots during a download: people do not notice more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobConfig:
    """Clock, randomness and limits for all jobs; `deadline` is in seconds for one watch."""

    pace: PollPolicy = field(default_factory=PollPolicy)
    crowd: PollRateLimiter = field(default_factory=PollRateLimiter)
    deadline: float = 7200.0
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random
    timeouts: Timeouts = field(default_factory=Timeouts)


@dataclass(slots=True, eq=False, kw_only=True)
class ActiveJob:
    """A job this kernel works on; changed on the loop's thread only.

    `future` returns the snapshot with which our work on it ends, `placed` is done once the
    server has answered the POST, or is known not to. `sending`: a POST may be in progress;
    `cancelling`: the user asked to stop; `watching`: another kernel that cannot be seen from
    here has the job, and may have ended; `resumed`: an earlier kernel made it.
    """

    snapshot: JobSnapshot
    store: JobStore
    listeners: list[Listener] = field(default_factory=list)
    future: concurrent.futures.Future[JobSnapshot] = field(
        default_factory=concurrent.futures.Future
    )
    task: asyncio.Task[None] | None = None
    error: VideoError | None = None
    placed: concurrent.futures.Future[None] = field(default_factory=concurrent.futures.Future)
    sending: bool = False
    cancelling: bool = False
    watching: bool = False
    resumed: bool = False

    def change(self, job: JobSnapshot, *, save: bool = True) -> None:
        """Take the next snapshot, save it and call the listeners.

        Raises `OwnershipLost`; then nothing has changed.
        """
        if replace(job, updated_at=self.snapshot.updated_at) == self.snapshot:
            # Most answers contain nothing new, and saving costs more than the request.
            return
        if save:
            try:
                self.store.save(job)
            except OwnershipLost:
                raise
            except StoreError as error:
                # The job continues in memory; the next change writes the whole row again.
                job = replace(job, note=error.message)
        self.show(job)

    def show(self, job: JobSnapshot) -> None:
        """Take a snapshot without saving it, and call the listeners."""
        self.snapshot = job
        if job.remote_id is not None or job.status == "unknown":
            self._set_placed()
        for listener in tuple(self.listeners):
            self._call(listener)

    def fail(self, error: VideoError, now: float) -> None:
        """End the job as failed; if only the download is missing, say how to get it."""
        self.error = error
        failure = error.failure()
        job = self.snapshot
        ended = transitions.given_up(job, failure, now)
        again = ""
        if transitions.undelivered(ended):
            again = f"The video is ready at {job.provider}; %video resume {job.id} downloads it."
        elif transitions.missing(ended):
            again = f"%video resume {job.id} asks {job.provider} again."
        if again:
            hint = f"{failure.hint} {again}" if failure.hint else again
            ended = replace(ended, failure=replace(failure, hint=hint))
        self.change(ended)

    def trouble(self, note: str, now: float) -> None:
        """Note a temporary problem; the job continues."""
        self.change(transitions.troubled(self.snapshot, note, now))

    def done(self) -> None:
        """Release everyone who waits for the job."""
        self._set_placed()
        if not self.future.done():
            self.future.set_result(self.snapshot)

    def _set_placed(self) -> None:
        if not self.placed.done():
            self.placed.set_result(None)

    def _call(self, listener: Listener) -> None:
        try:
            listener(self.snapshot)
        except Exception:
            # An error in a card must not stop the job.
            log.exception("a listener of job %s broke", self.snapshot.id)


@dataclass(slots=True, kw_only=True)
class Run:
    """Runs one job to its end: sends it or looks for it, polls it, downloads its file."""

    active: ActiveJob
    client: VideoClient
    rules: JobConfig

    async def execute(self) -> None:
        """Continue the job from its current state to its end; raises what the client raises."""
        active = self.active
        video: VideoJob | None = None
        fresh = active.snapshot.remote_id is None
        if fresh:
            video = await self._place()
            if video is None:
                return
        if active.cancelling:
            return
        if video is None or video.status not in ENDED:
            hint = None if video is None else video.poll_after
            video = await self._watch(hint=hint, at_once=not fresh)
        await self._deliver(video, fresh=fresh)

    async def _place(self) -> VideoJob | None:
        """Send a job that was not sent, or look for one that may have been."""
        job = self.active.snapshot
        if job.status != "unknown" and job.sent_at is None:
            return await self._create()
        if job.status != "unknown":
            unanswered = Failure(message="The kernel ended before the server answered.")
            self.active.change(transitions.unknown(job, unanswered, self._now()))
        return await self._look_for()

    async def _create(self) -> VideoJob | None:
        active = self.active
        _refuse_lost_images(active.snapshot)
        try:
            video = transitions.without_files(await self._create_in_turn())
        except SubmissionUnknown as error:
            active.error = error
            active.change(transitions.unknown(active.snapshot, error.failure(), self._now()))
        else:
            await self._accept(video)
            return video
        finally:
            active.sending = False
        return await self._look_for()

    async def _create_in_turn(self) -> VideoJob:
        """Create the job; if the server is busy with our other jobs, ask it again later.

        The wait is limited: a job that an ended kernel left in the library also seems to run.
        """
        until = self.rules.monotonic() + self.rules.deadline
        while True:
            try:
                request = self.active.snapshot.request
                return await self.client.create(request, on_send=self._mark_sent)
            except RateLimited as error:  # noqa: PERF203 - a network call each
                if self.rules.monotonic() >= until or not self._others_run():
                    raise
                wait = "It waits until another job ends; --parallel 1 sends one at a time."
                self.active.trouble(f"{error.message} {wait}", self._now())
                await self.rules.sleep(BUSY)

    def _others_run(self) -> bool:
        """Return whether another job of ours is active at the same provider."""
        own = self.active.snapshot
        return any(
            job.provider == own.provider and job.id != own.id and job.remote_id is not None
            for job in self.active.store.in_flight()
        )

    def _mark_sent(self, leaving: bool) -> None:  # noqa: FBT001 - the client's callback
        # Saved before the first byte is sent; if that fails, StoreError prevents the POST.
        active = self.active
        if leaving:
            job = transitions.sending(active.snapshot, self._now())
            active.store.mark_sent(job)
        else:
            job = transitions.not_sent(active.snapshot, self._now())
            active.store.save(job)
        active.snapshot, active.sending = job, leaving

    async def _look_for(self) -> VideoJob | None:
        active = self.active
        finding = await find_accepted(
            self.client,
            active.snapshot,
            known=active.store.knows_remote,
            sleep=self.rules.sleep,
            sending=active.store.is_sending(active.snapshot.id),
        )
        if finding.video is not None:
            active.error = None
            video = transitions.without_files(finding.video)
            await self._accept(video)
            return video
        failure = active.snapshot.failure or Failure(message="The POST may have arrived.")
        failure = replace(failure, hint=finding.hint)
        active.change(transitions.unknown(active.snapshot, failure, self._now()))
        return None

    async def _accept(self, video: VideoJob) -> None:
        """Save the server's id, even if another kernel has taken the job in the meantime."""
        store, job_id = self.active.store, self.active.snapshot.id
        if self._save_accepted(video):
            return
        row: JobSnapshot | None = None
        for wait in HAND_IN:
            # The kernel that took the job may not know this id. Once the job is free, it is ours.
            await self.rules.sleep(wait)
            free = store.claim(job_id)
            row = store.get(job_id)
            if row is None or row.ended or row.remote_id is not None:
                break
            if free and self._save_accepted(video):
                return
        if row is not None and row.remote_id == video.remote_id:
            raise lost(job_id)
        raise OwnershipLost(
            f"Another kernel has {job_id} now, or it was deleted. {self.client.provider.name}"
            f" accepted the job as {video.remote_id}.",
            hint=f"%video resume {job_id} {video.remote_id} continues it.",
        )

    def _save_accepted(self, video: VideoJob) -> bool:
        accepted = transitions.accepted(self.active.snapshot, video, self._now())
        try:
            self.active.change(accepted)
        except OwnershipLost:
            return False
        return True

    async def _watch(self, *, hint: float | None, at_once: bool) -> VideoJob:
        job, rules = self.active.snapshot, self.rules
        remote_id = job.remote_id or ""
        poller = Poller(
            ask=lambda: self._ask(remote_id),
            on_video=self._observe,
            on_trouble=lambda note: self.active.trouble(note, self._now()),
            clock=rules.monotonic,
            sleep=rules.sleep,
            pace=rules.pace,
            deadline=rules.deadline,
            chance=rules.chance,
            schedule=self._schedule(),
            age=0.0 if job.sent_at is None else max(0.0, self._now() - job.sent_at),
            crowd=rules.crowd,
        )
        video = await poller.run(hint=hint, at_once=at_once)
        self._learn(poller.lesson)
        return video

    async def _ask(self, remote_id: str) -> VideoJob:
        return transitions.without_files(await self.client.retrieve(remote_id))

    def _schedule(self) -> Schedule:
        job = self.active.snapshot
        try:
            lessons = self.active.store.lessons(job.provider, job.request.model, KEPT)
        except StoreError as error:
            log.warning("%s", error)
            lessons = ()
        return Schedule.of(lessons)

    def _learn(self, lesson: Lesson | None) -> None:
        job = self.active.snapshot
        if lesson is None:
            return
        try:
            self.active.store.learn(job.provider, job.request.model, lesson)
        except StoreError as error:
            # The job continues without it, and so do later ones.
            log.warning("%s", error)

    def _observe(self, video: VideoJob) -> None:
        job = _with_prompt(self.active.snapshot, video)
        self.active.change(transitions.observed(job, video, self._now()))

    async def _deliver(self, video: VideoJob, *, fresh: bool) -> None:
        active = self.active
        if video.status == "cancelled":
            word = video.raw_status or "cancelled"
            note = f"{active.snapshot.provider} ended the job itself ({word})."
            active.change(transitions.cancelled(active.snapshot, note, self._now()))
        elif video.status == "failed":
            failure = video.failure or Failure(message="The provider gave no reason.")
            active.error = JobFailed(failure.message, job=active.snapshot, hint=failure.hint)
            active.change(transitions.failed(active.snapshot, failure, self._now()))
        else:
            memory = JobPart(active.store, active.snapshot.id)
            here = (
                None if fresh else await asyncio.to_thread(_already_here, active.snapshot, memory)
            )
            self._finish(here or await self._download(video, memory))

    async def _download(self, video: VideoJob, memory: JobPart) -> VideoFile:
        active, rules = self.active, self.rules
        drawn_at = rules.monotonic()

        def on_progress(received: int, total: int | None) -> None:
            nonlocal drawn_at
            now = rules.monotonic()
            if now - drawn_at >= REDRAW or received == total:
                drawn_at = now
                step = transitions.downloading(active.snapshot, received, total, self._now())
                active.change(step, save=False)

        active.change(transitions.downloading(active.snapshot, 0, None, self._now()))
        target = Path(active.snapshot.target)
        await asyncio.to_thread(make_folder, target)
        return await self.client.download(video, target, on_progress=on_progress, memory=memory)

    def _finish(self, file: VideoFile) -> None:
        done = transitions.completed(self.active.snapshot, file, self._now())
        try:
            write_sidecar(done)
        except StoreError as error:
            done = replace(done, note=error.message)
        self.active.change(done)

    def _now(self) -> float:
        return self.rules.clock()


def _refuse_lost_images(job: JobSnapshot) -> None:
    for image in job.request.images:
        if image.data is None and image.url is None:
            raise InvalidRequest(
                f"The job was never sent, and its image {image.source} is not stored here.",
                hint="Run the cell again; nothing was paid.",
            )


@dataclass(frozen=True, slots=True)
class JobPart:
    """Stores the record of one job's part file in the library."""

    store: JobStore
    job_id: str

    def load(self) -> PartRecord | None:
        """Return the record, or None."""
        found = self.store.part(self.job_id)
        return None if found is None else PartRecord.from_dict(found)

    def save(self, record: PartRecord | None) -> None:
        """Store the record; None deletes it."""
        self.store.keep_part(self.job_id, None if record is None else record.to_dict())


def _already_here(job: JobSnapshot, memory: JobPart) -> VideoFile | None:
    """Return the file of a job whose kernel ended after moving it, before recording that."""
    target, part = Path(job.target), memory.load()
    # Under a name that the user chose, only the file that was our part file is ours.
    if not target.exists() or not (job.id in target.name or (part and part.is_file(target))):
        return None
    file = inspect_file(target)
    if file is not None and part is not None:
        part.discard()
        memory.save(None)
    return file


def _with_prompt(job: JobSnapshot, video: VideoJob) -> JobSnapshot:
    """Add what the server says about a job that was started elsewhere."""
    asked = job.request
    if asked.prompt or not video.prompt:
        return job
    request = replace(
        asked,
        prompt=video.prompt,
        model=asked.model or video.model,
        seconds=asked.seconds or video.seconds,
        size=asked.size or video.size,
    )
    return replace(job, request=request)
