"""One job's way from the request to the file.

May import `client` and the room's own helpers. Runs on the loop's thread.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ipyreel.client import Timeouts, VideoClient
from ipyreel.client.download import inspect_file
from ipyreel.errors import InvalidRequest, JobFailed, StoreError, SubmissionUnknown
from ipyreel.jobs import transitions
from ipyreel.jobs.files import clear_parts, is_part, make_folder, write_sidecar
from ipyreel.jobs.live import ActiveJob, log
from ipyreel.jobs.poller import Poller, PollPolicy, PollRateLimiter
from ipyreel.jobs.recover import find_accepted
from ipyreel.jobs.schedule import KEPT, Lesson, Schedule
from ipyreel.values import ENDED, Failure, JobSnapshot, VideoFile, VideoJob

REDRAW = 0.25
"""Seconds between two snapshots while bytes come in: no eye needs more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobConfig:
    """Time, chance and patience, the same for all jobs; `deadline` in seconds for one watch."""

    pace: PollPolicy = field(default_factory=PollPolicy)
    crowd: PollRateLimiter = field(default_factory=PollRateLimiter)
    deadline: float = 7200.0
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random
    timeouts: Timeouts = field(default_factory=Timeouts)


@dataclass(slots=True, kw_only=True)
class Run:
    """Sees one job through: sends it or looks for it, polls it, downloads its file."""

    live: ActiveJob
    client: VideoClient
    rules: JobConfig

    async def see_through(self) -> None:
        """Go from where the job stands to its end; raises what the client raises."""
        live = self.live
        video: VideoJob | None = None
        fresh = live.snapshot.remote_id is None
        if fresh:
            video = await self._place()
            if video is None:
                return
        if live.cancelling:
            return
        if video is None or video.status not in ENDED:
            hint = None if video is None else video.poll_after
            video = await self._watch(hint=hint, at_once=not fresh)
        await self._deliver(video, fresh=fresh)

    async def _place(self) -> VideoJob | None:
        """Send a job that was not sent, or look for one that may have been."""
        job = self.live.snapshot
        if job.status != "unknown" and job.sent_at is None:
            return await self._create()
        if job.status != "unknown":
            unanswered = Failure(message="The kernel ended before the answer came.")
            self.live.change(transitions.unknown(job, unanswered, self._now()))
        return await self._look_for()

    async def _create(self) -> VideoJob | None:
        live = self.live
        _refuse_lost_images(live.snapshot)
        try:
            video = await self.client.create(live.snapshot.request, on_send=self._mark_sent)
        except SubmissionUnknown as error:
            live.error = error
            live.change(transitions.unknown(live.snapshot, error.failure(), self._now()))
        else:
            self._accept(video)
            return video
        finally:
            live.sending = False
        return await self._look_for()

    def _mark_sent(self, leaving: bool) -> None:  # noqa: FBT001 - the client's callback
        # Saved before the first byte leaves; if that fails, StoreError keeps the POST here.
        step = transitions.sending if leaving else transitions.not_sent
        job = step(self.live.snapshot, self._now())
        self.live.store.save(job)
        self.live.snapshot, self.live.sending = job, leaving

    async def _look_for(self) -> VideoJob | None:
        live = self.live
        finding = await find_accepted(
            self.client, live.snapshot, known=live.store.knows_remote, sleep=self.rules.sleep
        )
        if finding.video is not None:
            live.error = None
            self._accept(finding.video)
            return finding.video
        failure = live.snapshot.failure or Failure(message="The POST may have arrived.")
        told = replace(failure, hint=finding.hint)
        live.change(transitions.unknown(live.snapshot, told, self._now()))
        return None

    def _accept(self, video: VideoJob) -> None:
        step = transitions.accepted(self.live.snapshot, video, self._now())
        self.live.change(step, answer=video.raw)

    async def _watch(self, *, hint: float | None, at_once: bool) -> VideoJob:
        job, rules = self.live.snapshot, self.rules
        remote_id = job.remote_id or ""
        poller = Poller(
            ask=lambda: self.client.retrieve(remote_id),
            on_video=self._observe,
            on_trouble=lambda note: self.live.trouble(note, self._now()),
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

    def _schedule(self) -> Schedule:
        job = self.live.snapshot
        try:
            lessons = self.live.store.lessons(job.provider, job.request.model, KEPT)
        except StoreError as error:
            log.warning("%s", error)
            lessons = ()
        return Schedule.of(lessons)

    def _learn(self, lesson: Lesson | None) -> None:
        job = self.live.snapshot
        if lesson is None:
            return
        try:
            self.live.store.learn(job.provider, job.request.model, lesson)
        except StoreError as error:
            # The job goes on without; so does every later one.
            log.warning("%s", error)

    def _observe(self, video: VideoJob) -> None:
        job = _with_prompt(self.live.snapshot, video)
        self.live.change(transitions.observed(job, video, self._now()), answer=video.raw)

    async def _deliver(self, video: VideoJob, *, fresh: bool) -> None:
        live = self.live
        if video.status == "cancelled":
            word = video.raw_status or "cancelled"
            note = f"{live.snapshot.provider} ended the job itself ({word})."
            live.change(transitions.cancelled(live.snapshot, note, self._now()))
        elif video.status == "failed":
            failure = video.failure or Failure(message="The provider gave no reason.")
            live.error = JobFailed(failure.message, job=live.snapshot, hint=failure.hint)
            live.change(transitions.failed(live.snapshot, failure, self._now()))
        else:
            file = None if fresh else await asyncio.to_thread(_already_here, live.snapshot)
            self._finish(file or await self._download(video))

    async def _download(self, video: VideoJob) -> VideoFile:
        live, rules = self.live, self.rules
        drawn_at = rules.monotonic()

        def on_progress(received: int, total: int | None) -> None:
            nonlocal drawn_at
            now = rules.monotonic()
            if now - drawn_at >= REDRAW or received == total:
                drawn_at = now
                step = transitions.downloading(live.snapshot, received, total, self._now())
                live.change(step, save=False)

        live.change(transitions.downloading(live.snapshot, 0, None, self._now()))
        target = Path(live.snapshot.target)
        await asyncio.to_thread(make_folder, target)
        return await self.client.download(video, target, on_progress=on_progress)

    def _finish(self, file: VideoFile) -> None:
        done = transitions.completed(self.live.snapshot, file, self._now())
        try:
            write_sidecar(done)
        except StoreError as error:
            done = replace(done, note=error.message)
        self.live.change(done)

    def _now(self) -> float:
        return self.rules.clock()


def _refuse_lost_images(job: JobSnapshot) -> None:
    for image in job.request.images:
        if image.data is None and image.url is None:
            raise InvalidRequest(
                f"The job was never sent, and its image {image.source} is not kept here.",
                hint="Run the cell again; nothing was paid.",
            )


def _already_here(job: JobSnapshot) -> VideoFile | None:
    """Find the file of a job whose kernel ended between the move and the last note of it."""
    target = Path(job.target)
    if not target.exists() or not (job.id in target.name or is_part(target)):
        return None
    file = inspect_file(target)
    if file is not None:
        clear_parts(target)
    return file


def _with_prompt(job: JobSnapshot, video: VideoJob) -> JobSnapshot:
    """Take over what the server says of a job that somebody started elsewhere."""
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
