"""The manager: takes jobs, sees each through, and tells who listens.

May import `client` and below, and its own room. Public methods may be called from any
thread; everything that changes a job happens on the one loop's thread. Facts travel up as
frozen snapshots to listeners.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import secrets
import threading
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ipyreel.client import VideoClient
from ipyreel.errors import (
    AuthenticationFailed,
    ConfigError,
    JobNotFound,
    PaymentRequired,
    StoreError,
    VideoError,
    WaitTimeout,
)
from ipyreel.jobs import transitions
from ipyreel.jobs.loop import LoopThread, wait_async
from ipyreel.jobs.run import ActiveJob, JobConfig, Listener, Run, log
from ipyreel.jobs.store import JobStore, Select, owner_name
from ipyreel.values import JobSnapshot

Connect = Callable[[str, str | None], Awaitable[VideoClient]]
"""Gives a client for (provider, base URL of the job or None)."""

ParallelLimit = asyncio.Semaphore
"""Lets so many jobs of one sweep be under way at once; it belongs to the loop of its first job."""

BLIND = (AuthenticationFailed, ConfigError, PaymentRequired, WaitTimeout)
"""What keeps us from looking, and says nothing of a job that the server has."""

BEAT = 5.0
"""Seconds between two signs of life for the other kernels on one library."""


@dataclass(slots=True, kw_only=True)
class JobManager:
    """Sees jobs through: submits, polls, downloads, cancels, resumes."""

    store: JobStore
    loop: LoopThread
    connect: Connect
    rules: JobConfig = field(default_factory=JobConfig)
    owner: str = field(default_factory=lambda: owner_name(secrets.token_hex(4)))
    _active: dict[str, ActiveJob] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _beating: asyncio.Task[None] | None = None

    def submit(
        self, *jobs: JobSnapshot, parallel: int | None = None, select: Select | None = None
    ) -> None:
        """Write new jobs into the library, then send them; returns when all are written.

        At most `parallel` of them are under way at once (None: all); the others wait here,
        and nothing of them is sent. `select` is as for `JobStore.insert`.
        """
        written = self.store.insert(*jobs, owner=self.owner, now=self.rules.clock(), select=select)
        limit = None if parallel is None else ParallelLimit(parallel)
        for job in written:
            self._start(ActiveJob(snapshot=job, store=self.store), limit)

    def resume(self, job: JobSnapshot, limit: ParallelLimit | None = None) -> bool:
        """Go on with a job of the library, when it is its turn in the `limit`.

        False when another living kernel has it.
        """
        active = self._active.get(job.id)
        if active is not None and not active.future.done():
            return True
        if not self._claim(job):
            return False
        job = self.store.get(job.id) or job
        if job.ended:
            job = transitions.reopened(job, self.rules.clock())
            self.store.save(job)
        listeners = active.listeners if active is not None else []
        self._start(ActiveJob(snapshot=job, store=self.store, listeners=listeners), limit)
        return True

    def snapshot(self, job_id: str) -> JobSnapshot | None:
        """Return how a job stands, from memory where it is active, else from the library."""
        active = self._active.get(job_id)
        if active is None or (active.future.done() and not active.snapshot.ended):
            # What we let go of may have gone on in another kernel.
            return self.store.get(job_id)
        return active.snapshot

    def error(self, job_id: str) -> VideoError | None:
        """Return what ended a job badly in this kernel, or None."""
        active = self._active.get(job_id)
        return active.error if active is not None else None

    def future(self, job_id: str) -> concurrent.futures.Future[JobSnapshot]:
        """Return a future of the snapshot with which this kernel's work on a job ends."""
        active = self._active.get(job_id)
        if active is not None:
            return active.future
        future: concurrent.futures.Future[JobSnapshot] = concurrent.futures.Future()
        job = self.store.get(job_id)
        if job is None:
            future.set_exception(StoreError(f"The library has no job {job_id}."))
        else:
            future.set_result(job)
        return future

    def listen(self, job_id: str, listener: Listener) -> None:
        """Call `listener` with every new snapshot of a active job, on the loop's thread."""
        active = self._active.get(job_id)
        if active is not None:
            active.listeners.append(listener)

    def active(self) -> list[JobSnapshot]:
        """Return the jobs this kernel is working on."""
        with self._lock:
            return [active.snapshot for active in self._active.values() if not active.future.done()]

    def release(self) -> None:
        """Give every job back, so that any session may resume it at once."""
        self._release()

    def forget(self, job_id: str) -> None:
        """Take an ended job out of the library."""
        with self._lock:
            self._active.pop(job_id, None)
        self.store.delete(job_id)

    def delete(self, job: JobSnapshot) -> concurrent.futures.Future[str]:
        """Delete a job at its server and in the library; the future says what was done.

        Its file stays. A job that has not ended is cancelled first.
        """
        return self.loop.submit(self._delete(job))

    def cancel(self, job: JobSnapshot) -> concurrent.futures.Future[JobSnapshot]:
        """Stop a job and tell its server where that is possible.

        The future's snapshot says in `note` what was done and what may still be billed.
        """
        active = self._active.get(job.id)
        if active is None or active.future.done():
            active = ActiveJob(snapshot=job, store=self.store)
            if job.ended or not self._claim(job):
                note = job.note if job.ended else "Another kernel has this job; cancel it there."
                active.future.set_result(replace(job, note=note))
                return active.future
            self._keep(active)
        self.loop.submit(self._cancel(active))
        return active.future

    def cancel_all(
        self, jobs: Iterable[JobSnapshot]
    ) -> list[concurrent.futures.Future[JobSnapshot]]:
        """Stop those jobs that have not ended, and first those that wait for their turn.

        Otherwise each one that stops would let another begin.
        """
        going = sorted((job for job in jobs if not job.ended), key=lambda job: bool(job.sent_at))
        return [self.cancel(job) for job in going]

    def _claim(self, job: JobSnapshot) -> bool:
        return self.store.claim(job.id, owner=self.owner, now=self.rules.clock())

    def _start(self, active: ActiveJob, limit: ParallelLimit | None) -> None:
        self._keep(active)
        self.loop.submit(self._run(active, limit))

    def _keep(self, active: ActiveJob) -> None:
        with self._lock:
            self._active[active.snapshot.id] = active

    async def _run(self, active: ActiveJob, limit: ParallelLimit | None) -> None:
        active.task = asyncio.current_task()
        if self._beating is None or self._beating.done():
            self._beating = asyncio.ensure_future(self._beat())
        try:
            async with limit or contextlib.nullcontext():
                await self._see_through(active)
        except asyncio.CancelledError:
            if not active.cancelling:
                raise
        finally:
            if not active.cancelling:
                self._give_back(active)

    async def _see_through(self, active: ActiveJob) -> None:
        reached = False
        try:
            client = await self.connect(active.snapshot.provider, active.snapshot.base_url)
            reached = True
            await Run(active=active, client=client, rules=self.rules).see_through()
        except VideoError as error:
            self._stop(active, error, reached=reached)
        except Exception as error:  # noqa: BLE001 - a bug of ours must not lose the job
            log.exception("job %s broke", active.snapshot.id)
            active.error = VideoError(f"Something in ipyreel broke: {error!r}")
            self._let_go(active, active.error)

    def _stop(self, active: ActiveJob, error: VideoError, *, reached: bool) -> None:
        active.error = error
        job = active.snapshot
        # Without a client (no key in this kernel, say) nothing new is known of an old job.
        blind = not reached or isinstance(error, BLIND)
        if blind and (job.remote_id is not None or (not reached and job.sent_at is not None)):
            self._let_go(active, error)
        else:
            active.fail(error, self.rules.clock())

    def _let_go(self, active: ActiveJob, error: VideoError) -> None:
        # The job goes on at the server; it is we who cannot watch it any longer.
        note = f"{error.message} The job goes on; %video resume {active.snapshot.id} asks again."
        active.trouble(note, self.rules.clock())

    def _give_back(self, active: ActiveJob) -> None:
        self._release(active.snapshot.id)
        active.done()

    def _release(self, job_id: str | None = None) -> None:
        try:
            self.store.release(owner=self.owner, job_id=job_id)
        except StoreError as error:
            # The claim goes stale without us.
            log.warning("%s", error)

    async def _cancel(self, active: ActiveJob) -> None:
        if active.cancelling:
            return
        active.cancelling = True
        try:
            await self._halt(active)
            if not active.snapshot.ended:
                note = await self._tell_server(active.snapshot)
                active.change(transitions.cancelled(active.snapshot, note, self.rules.clock()))
        finally:
            self._give_back(active)

    async def _halt(self, active: ActiveJob) -> None:
        if active.task is not None and not active.task.done():
            if not active.sending:
                # While a POST is on its way its answer is waited for: it holds the job's id.
                active.task.cancel()
            await asyncio.wait({active.task})

    async def _tell_server(self, job: JobSnapshot) -> str:
        if job.remote_id is None and job.sent_at is None:
            return "Cancelled before anything was sent; nothing will be billed."
        if job.remote_id is None:
            return "Stopped looking for it. If the POST arrived, the job goes on and is billed."
        if job.ready:
            # DELETE would throw away a finished video.
            return (
                f"Stopped the download. The video is ready at {job.provider} and may be billed;"
                f" %video resume {job.id} downloads it."
            )
        still = (
            f"The job goes on at {job.provider} and may be billed; %video resume {job.id}"
            " returns to it."
        )
        try:
            client = await self.connect(job.provider, job.base_url)
            if "delete" not in client.provider.routes:
                return f"Stopped watching: {job.provider} cannot cancel. {still}"
            await client.delete(job.remote_id)
        except VideoError as error:
            return f"Stopped watching; DELETE did not work ({error.message}) {still}"
        return f"Told {job.provider} to delete the job (DELETE). Work done so far may be billed."

    async def _delete(self, job: JobSnapshot) -> str:
        if not job.ended:
            job = await wait_async(self.cancel(job))
            if not job.ended:
                return job.note or f"{job.id} could not be cancelled, so it was not deleted."
        told = await self._delete_there(job)
        self.forget(job.id)
        kept = f" Its file stays: {Path(job.target).name}." if job.file is not None else ""
        return f"{told} Forgotten here.{kept}"

    async def _delete_there(self, job: JobSnapshot) -> str:
        if job.remote_id is None:
            return f"{job.provider} never had it."
        client = await self.connect(job.provider, job.base_url)
        if "delete" not in client.provider.routes:
            return f"{job.provider} cannot delete, so it keeps its copy."
        try:
            await client.delete(job.remote_id)
        except JobNotFound:
            return f"{job.provider} no longer had it."
        return f"Deleted at {job.provider}."

    async def _beat(self) -> None:
        while self.active():
            await self.rules.sleep(BEAT)
            try:
                self.store.beat(owner=self.owner, now=self.rules.clock())
            except StoreError as error:
                # The next beat tries again; six may be missed before another kernel takes over.
                log.warning("%s", error)
