"""Runs jobs from submission to the file, and notifies their listeners.

Any thread may call the public methods; a job is changed only on the thread of the one loop, and
listeners get frozen snapshots. Each job has one owner: see `owners` and `JobStore`.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

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
from ipyreel.jobs.loop import LoopThread, process_ends, wait_async, wait_blocking
from ipyreel.jobs.owners import (
    BEAT,
    SILENCE,
    OwnershipLost,
    SessionClosed,
    Silence,
    is_alive,
)
from ipyreel.jobs.run import ActiveJob, JobConfig, Listener, Run, log
from ipyreel.jobs.store import JobStore, Select
from ipyreel.values import JobSnapshot
from ipyreel.wire.urls import same_origin

if TYPE_CHECKING:
    from ipyreel.client import VideoClient

Connect = Callable[[str, str | None], "Awaitable[VideoClient]"]
"""Returns a client for (provider, base URL of the job or None)."""

ParallelLimit = asyncio.Semaphore
"""Limits how many jobs of a sweep run at once; it belongs to the loop of its first job."""

CANNOT_WATCH = (AuthenticationFailed, ConfigError, PaymentRequired, WaitTimeout)
"""Errors that keep us from asking the server, and say nothing about the state of its job."""

FOLLOW = 1.0
"""Seconds between two checks of a job that another kernel works on."""

Resumption = Literal["taken", "watching", "refused"]
"""The result of claiming a job: it is ours; it is ours once its owner has been silent for
`SILENCE` seconds; a living kernel has it."""


@dataclass(slots=True, kw_only=True)
class JobManager:
    """Submits, polls, downloads, cancels and resumes jobs."""

    store: JobStore
    loop: LoopThread
    connect: Connect
    rules: JobConfig = field(default_factory=JobConfig)
    _active: dict[str, ActiveJob] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _followed: dict[str, concurrent.futures.Future[JobSnapshot]] = field(default_factory=dict)
    _beating: asyncio.Task[None] | None = None
    _at_exit: Callable[[], None] | None = None

    def submit(
        self, *jobs: JobSnapshot, limit: ParallelLimit | None = None, select: Select | None = None
    ) -> None:
        """Write new jobs into the library, then send them; return when all are written.

        Jobs above the `limit` wait here and are not sent. `select` is as for `JobStore.insert`.
        """
        # Other threads see a job as soon as it is written: it must not be resumed besides.
        with self._lock:
            for job in self.store.insert(*jobs, select=select):
                self._start(ActiveJob(snapshot=job, store=self.store), limit)

    def resume(
        self,
        job: JobSnapshot,
        limit: ParallelLimit | None = None,
        *,
        take: bool = False,
        remote_id: str | None = None,
        check: Callable[[], object] = bool,
    ) -> Resumption:
        """Continue a job of the library, when the `limit` allows it.

        `take`: also from a living kernel, which then stops working on it. `remote_id`: the
        user says that it is this job of the server. `check` is as for `JobStore.claim`.
        """
        # One thread at a time checks, claims and starts: two would both send an unsent job.
        with self._lock:
            active = self._active.get(job.id)
            if active is not None and not active.future.done():
                if take and active.watching:
                    self.store.claim(job.id, take=True)
                return "watching" if active.watching and not take else "taken"
            listeners = active.listeners if active is not None else []
            active = ActiveJob(snapshot=job, store=self.store, listeners=listeners, resumed=True)
            if self.store.claim(job.id, take=take, check=check):
                self._reopen(active, remote_id)
            elif self._is_seen(job.id):
                return "refused"
            else:
                active.watching = True
            self._start(active, limit)
        return "watching" if active.watching else "taken"

    def resume_at(self, provider: str, base_url: str) -> None:
        """Continue the provider's jobs at an address that the user has just named."""
        for job in self.store.in_flight():
            there = job.provider == provider and same_origin(job.base_url or "", base_url)
            if there and not transitions.is_unsent(job) and not self.has_owner(job.id):
                self.resume(job)

    def _reopen(self, active: ActiveJob, remote_id: str | None = None) -> None:
        job, now = self.store.get(active.snapshot.id) or active.snapshot, self.rules.clock()
        current = job
        if remote_id is not None and job.remote_id is None:
            job = transitions.identified(job, remote_id, now)
        elif job.ended:
            job = transitions.reopened(job, now)
        if job is not current:
            self.store.save(job)
        active.snapshot = job

    def _is_seen(self, job_id: str) -> bool:
        """Return whether the owner of a job is known to live, or the job does not exist."""
        sighting = self.store.sighting(job_id)
        return sighting is None or (sighting.owner is not None and bool(is_alive(sighting.owner)))

    def snapshot(self, job_id: str) -> JobSnapshot | None:
        """Return a job's snapshot, from memory if it is active, else from the library."""
        active = self._active.get(job_id)
        if active is None or active.watching:
            return self.store.get(job_id)
        if active.future.done() and not active.snapshot.ended:
            # Another kernel may have continued a job that we stopped watching.
            return self.store.get(job_id)
        return active.snapshot

    def elsewhere(self, job_id: str) -> JobSnapshot | None:
        """Return a job as it is in the library; None: this kernel works on it, or waits to.

        Until it has ended, its note is the one with which this kernel stopped watching, if it did.
        """
        active = self._active.get(job_id)
        if active is not None and not active.future.done():
            return None
        job = self.store.get(job_id)
        if job is None or active is None or job.ended:
            return job
        return replace(job, note=active.snapshot.note or job.note)

    def error(self, job_id: str) -> VideoError | None:
        """Return the error that ended a job in this kernel, or None."""
        active = self._active.get(job_id)
        return active.error if active is not None else None

    def future(self, job_id: str) -> concurrent.futures.Future[JobSnapshot]:
        """Return a future of the snapshot with which this kernel's work on a job ends."""
        active = self._active.get(job_id)
        if active is not None:
            return active.future
        job = self.store.get(job_id)
        if job is not None and not job.ended and self.has_owner(job_id):
            return self._follow(job_id)
        future: concurrent.futures.Future[JobSnapshot] = concurrent.futures.Future()
        if job is None:
            future.set_exception(StoreError(f"The library has no job {job_id}."))
        else:
            future.set_result(job)
        return future

    def placed(self, job_id: str) -> concurrent.futures.Future[None]:
        """Return a future that is done once the POST was answered, or will not be."""
        active = self._active.get(job_id)
        if active is not None:
            return active.placed
        future: concurrent.futures.Future[None] = concurrent.futures.Future()
        future.set_result(None)
        return future

    def wait_placed(self, *jobs: JobSnapshot) -> None:
        """Block until the POST of each unsent job was answered, or will not be.

        The process may end right after; see `_name_unsent`.
        """
        if not self.loop.inside():
            for job in filter(transitions.is_unsent, jobs):
                wait_blocking(self.placed(job.id))

    def has_owner(self, job_id: str) -> bool:
        """Return whether a kernel that may be alive has the job."""
        sighting = self.store.sighting(job_id)
        if sighting is None or sighting.owner is None:
            return False
        return is_alive(sighting.owner) is not False

    def is_elsewhere(self, job_id: str) -> bool:
        """Return whether another kernel that may be alive has the job."""
        active = self._active.get(job_id)
        return (active is None or active.watching) and self.has_owner(job_id)

    def _follow(self, job_id: str) -> concurrent.futures.Future[JobSnapshot]:
        """Return a future of a job's snapshot once another kernel is done with it."""
        with self._lock:
            future = self._followed.get(job_id)
            if future is None or future.done():
                future = self._followed[job_id] = self.loop.submit(self._await_other(job_id))
            return future

    async def _await_other(self, job_id: str) -> JobSnapshot:
        silence = Silence(self.rules.monotonic)
        while True:
            job, sighting = self.store.get(job_id), self.store.sighting(job_id)
            if job is None or sighting is None:
                raise StoreError(f"The library has no job {job_id}.")
            if job.ended or sighting.owner is None or is_alive(sighting.owner) is False:
                return job
            if silence.look(sighting) >= SILENCE and not is_alive(sighting.owner):
                return job
            await self.rules.sleep(FOLLOW)

    def listen(self, job_id: str, listener: Listener) -> None:
        """Call `listener` with every new snapshot of an active job, on the loop's thread."""
        active = self._active.get(job_id)
        if active is not None:
            active.listeners.append(listener)

    def active(self) -> list[JobSnapshot]:
        """Return the jobs this kernel is working on."""
        with self._lock:
            return [active.snapshot for active in self._active.values() if not active.future.done()]

    def resumed(self) -> list[JobSnapshot]:
        """Return the active jobs that an earlier or another kernel made."""
        with self._lock:
            known = [one for one in self._active.values() if one.resumed]
            return [one.snapshot for one in known if not one.future.done()]

    def unsent(self) -> list[JobSnapshot]:
        """Return the active jobs that were not sent yet."""
        return [job for job in self.active() if transitions.is_unsent(job)]

    def seal(self) -> None:
        """Start and send nothing from now on; active work continues."""
        self.store.sealed = True

    def close(self) -> None:
        """Release every job, so that any session may resume it at once; this is final."""
        if self._at_exit is not None:
            atexit.unregister(self._at_exit)
        try:
            self.store.end()
        except StoreError as error:
            log.warning("%s", error)

    def forget(self, job_id: str) -> None:
        """Remove an ended job from the library; raises `StoreError` if another kernel has it."""
        if not self.store.claim(job_id) and self.store.get(job_id) is not None:
            raise StoreError(f"Another kernel is working on {job_id}: it was not deleted.")
        with self._lock:
            self._active.pop(job_id, None)
        self.store.delete(job_id)

    def delete(self, job: JobSnapshot) -> concurrent.futures.Future[str]:
        """Delete a job at its server and in the library; the future says what was done.

        Its file is kept. A job that has not ended is cancelled first.
        """
        return self.loop.submit(self._delete(job))

    def cancel(self, job: JobSnapshot) -> concurrent.futures.Future[JobSnapshot]:
        """Stop a job, and cancel it at its server if that is possible.

        The future's snapshot says in `note` what was done and what may still be billed.
        """
        with self._lock:
            active = self._active.get(job.id)
            if active is None or active.future.done() or active.watching:
                active = ActiveJob(snapshot=job, store=self.store)
                if job.ended or not self.store.claim(job.id):
                    busy = "Another kernel has this job; cancel it there."
                    active.snapshot = replace(job, note=job.note if job.ended else busy)
                    active.done()
                    return active.future
                self._keep(active)
        self.loop.submit(self._cancel(active))
        return active.future

    def cancel_all(
        self, jobs: Iterable[JobSnapshot]
    ) -> list[concurrent.futures.Future[JobSnapshot]]:
        """Stop the jobs that have not ended, first those that wait because of a limit.

        Otherwise each job that stops would let another one start.
        """
        going = sorted((job for job in jobs if not job.ended), key=lambda job: bool(job.sent_at))
        return [self.cancel(job) for job in going]

    def _name_unsent(self) -> None:
        """Print the jobs that were not sent when the process ends; nothing is sent from now on."""
        if self.store.ended:
            return
        self.seal()
        if unsent := self.unsent():
            names = ", ".join(f"{job.id} ({job_price(job)})" for job in unsent)
            sys.stderr.write(
                f"ipyreel: not sent before the process ended, and not paid: {names}."
                f" ipyreel.resume({unsent[0].id!r}) sends it.\n"
            )

    def _start(self, active: ActiveJob, limit: ParallelLimit | None) -> None:
        self._keep(active)
        self.loop.submit(self._run(active, limit))

    def _keep(self, active: ActiveJob) -> None:
        with self._lock:
            if self._at_exit is None:
                self._at_exit = self._name_unsent
                atexit.register(self._at_exit)
            self._active[active.snapshot.id] = active

    async def _run(self, active: ActiveJob, limit: ParallelLimit | None) -> None:
        active.task = asyncio.current_task()
        if self._beating is None or self._beating.done():
            self._beating = asyncio.ensure_future(self._beat())
        try:
            if active.watching and not await self._take_over(active):
                return
            async with limit or contextlib.nullcontext():
                await self._execute(active)
        except OwnershipLost as error:
            self._lose(active, error)
        except asyncio.CancelledError:
            if isinstance(active.error, OwnershipLost):
                self._lose(active, active.error)
            elif not active.cancelling:
                raise
        finally:
            if not active.cancelling:
                self._give_back(active)

    async def _take_over(self, active: ActiveJob) -> bool:
        """Wait until the job's owner, which cannot be seen from here, was silent long enough.

        Returns whether the job is ours now.
        """
        job_id, silence = active.snapshot.id, Silence(self.rules.monotonic)
        first = self.store.sighting(job_id)
        note = f"A kernel elsewhere has this job. If it stays silent for {SILENCE:.0f} s, this"
        active.show(replace(active.snapshot, note=f"{note} one takes over."))
        while True:
            sighting = self.store.sighting(job_id)
            still = silence.look(sighting) >= SILENCE
            if self.store.claim(job_id, silent=sighting if still else None):
                active.watching = False
                self._reopen(active)
                return True
            if sighting is None or sighting != first:
                note = f"Another kernel is working on this job. %video resume {job_id} --take"
                current = self.store.get(job_id) or active.snapshot
                active.show(replace(current, note=f"{note} takes it over."))
                return False
            await self.rules.sleep(BEAT)

    def _lose(self, active: ActiveJob, error: OwnershipLost) -> None:
        """Show that another kernel has the job now; nothing is written."""
        active.error = error
        if not isinstance(error, SessionClosed):
            log.warning("%s", error)
        job = active.snapshot
        with contextlib.suppress(StoreError):
            job = self.store.get(job.id) or job
        active.show(job if job.ended else replace(job, note=str(error)))

    async def _execute(self, active: ActiveJob) -> None:
        reached = False
        try:
            client = await self.connect(active.snapshot.provider, active.snapshot.base_url)
            reached = True
            await Run(active=active, client=client, rules=self.rules).execute()
        except OwnershipLost:
            raise
        except VideoError as error:
            # When the process ends, no server can be reached: that says nothing about the job.
            if not process_ends():
                self._stop(active, error, reached=reached)
        except Exception as error:  # noqa: BLE001 - a bug of ours must not lose the job
            if process_ends():
                return
            log.exception("job %s broke", active.snapshot.id)
            active.error = VideoError(f"Something in ipyreel broke: {error!r}")
            self._let_go(active, active.error)

    def _stop(self, active: ActiveJob, error: VideoError, *, reached: bool) -> None:
        active.error = error
        job = active.snapshot
        # Without a client (for example, no key in this kernel) we learn nothing new about a job.
        unwatched = not reached or isinstance(error, CANNOT_WATCH)
        if unwatched and (job.remote_id is not None or (not reached and job.sent_at is not None)):
            self._let_go(active, error)
        else:
            active.fail(error, self.rules.clock())

    def _let_go(self, active: ActiveJob, error: VideoError) -> None:
        # The job continues at the server; only this kernel can no longer watch it.
        note = f"{error} The job continues; %video resume {active.snapshot.id} asks again."
        active.trouble(note, self.rules.clock())

    def _give_back(self, active: ActiveJob) -> None:
        self._release(active.snapshot.id)
        active.done()

    def _release(self, job_id: str) -> None:
        if self.store.sealed:
            return  # all are released at once
        try:
            self.store.release(job_id)
        except StoreError as error:
            # While this process runs, others can take the job only with --take.
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
        except OwnershipLost as error:
            self._lose(active, error)
        finally:
            self._give_back(active)

    async def _halt(self, active: ActiveJob) -> None:
        if active.task is not None and not active.task.done():
            if not active.sending:
                # During a POST we wait for its answer: it has the job's id.
                active.task.cancel()
            await asyncio.wait({active.task})

    async def _tell_server(self, job: JobSnapshot) -> str:
        if job.remote_id is None and job.sent_at is None:
            return "Cancelled before anything was sent; nothing will be billed."
        if job.remote_id is None:
            late = "" if self.store.is_sending(job.id) is False else " or still arrives"
            return f"Stopped looking for it. If the POST arrived{late}, it continues and is billed."
        if job.ready:
            # DELETE would discard a finished video.
            return (
                f"Stopped the download. The video is ready at {job.provider} and may be billed;"
                f" %video resume {job.id} downloads it."
            )
        still = (
            f"The job continues at {job.provider} and may be billed; %video resume {job.id}"
            " watches it again."
        )
        try:
            client = await self.connect(job.provider, job.base_url)
            if "delete" not in client.provider.routes:
                return f"Stopped watching: {job.provider} cannot cancel. {still}"
            await client.delete(job.remote_id)
        except VideoError as error:
            return f"Stopped watching; DELETE did not work ({error.message}) {still}"
        return f"Asked {job.provider} to delete the job (DELETE). Work done so far may be billed."

    async def _delete(self, job: JobSnapshot) -> str:
        if not job.ended:
            job = await wait_async(self.cancel(job))
            if not job.ended:
                return job.note or f"{job.id} could not be cancelled, so it was not deleted."
        there = await self._delete_there(job)
        self.forget(job.id)
        kept = f" Its file is kept: {Path(job.target).name}." if job.file is not None else ""
        return f"{there} Deleted here.{kept}"

    async def _delete_there(self, job: JobSnapshot) -> str:
        if job.remote_id is None:
            return f"{job.provider} is not known to have the job."
        client = await self.connect(job.provider, job.base_url)
        if "delete" not in client.provider.routes:
            return f"{job.provider} cannot delete, so it keeps its copy."
        try:
            await client.delete(job.remote_id)
        except JobNotFound:
            return f"{job.provider} no longer had the job."
        return f"Deleted at {job.provider}."

    async def _beat(self) -> None:
        while self.active():
            await self.rules.sleep(BEAT)
            with self._lock:
                expected = [one for one in self._active.values() if not one.watching]
            try:
                ours = self.store.beat()
                for one in expected:
                    if not one.future.done() and one.snapshot.id not in ours:
                        self._check(one)
            except StoreError as error:
                # The next beat tries again; another kernel takes over after twelve missing ones.
                log.warning("%s", error)

    def _check(self, active: ActiveJob) -> None:
        """Write a job into a new library if the old one was moved aside, or stop its work."""
        try:
            self.store.save(active.snapshot)
        except OwnershipLost as error:
            # During a POST we wait for its answer: it has the job's id.
            if active.task is not None and not active.sending and not active.cancelling:
                active.error = error
                active.task.cancel()


def job_price(job: JobSnapshot) -> str:
    """Return what sending a job would cost, in words."""
    return "no price known" if job.estimate is None else f"about ${job.estimate:.2f}"
