"""The Job: the handle of one job, in a cell and in plain Python.

A Job keeps the job's id and the screen; everything else is looked up when it is asked for.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Generator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ipyreel.errors import JobFailed, StoreError, SubmissionUnknown, VideoError, WaitTimeout
from ipyreel.jobs.loop import nested_wait, wait_async, wait_blocking
from ipyreel.notebook.handles.video import Video
from ipyreel.notebook.markup import job_text
from ipyreel.session import Session
from ipyreel.values import Chain, JobSnapshot, JobStatus, VideoRequest

T = TypeVar("T")


class JobScreen(Protocol):
    """What handles ask of the screen they are shown on."""

    @property
    def session(self) -> Session:
        """The session that has the jobs."""

    def latest(self) -> JobScreen:
        """Return this screen, or the current one if this one's session has ended."""

    def job(self, job_id: str, /) -> Job:
        """Return the handle of a job."""

    def current_ids(self, job_ids: tuple[str, ...], /) -> tuple[str, ...]:
        """Return the ids of jobs, with each failed job replaced by its retry."""

    def video(self, snapshot: JobSnapshot, /) -> Video:
        """Return the video of a completed job."""

    def place(self, path: str, /) -> str:
        """Return a path as it is written to saved output."""

    def static_html(self, shown: Any, /) -> str:
        """Return a Job or Jobs as static HTML."""

    def show_again(self, shown: Any, /) -> None:
        """Show a Job or Jobs in this cell, unless the cell has just shown it."""

    def tick(self, *job_ids: str) -> None:
        """Bring the cards of these jobs up to date, from the main thread."""


class Handle:
    """Base of what shows itself: as the last line of a cell, by `show()`, as static HTML."""

    _made_on: JobScreen

    @property
    def _screen(self) -> JobScreen:
        return self._made_on.latest()

    def show(self) -> None:
        """Show in this cell the card or grid, or the videos once they are ready."""
        self._screen.show_again(self)

    def _repr_html_(self) -> str:
        """Return static HTML, for front ends that are not IPython's, such as marimo."""
        return self._screen.static_html(self)

    def _ipython_display_(self) -> None:
        self._screen.show_again(self)


class Job(Handle):
    """One job: `await job` or `job.wait()` returns its video, `job.cancel()` stops it.

    As the last line of a cell it shows its card, or its video when it is done. Jobs are equal
    when their ids are; pickled or stored, a Job is its id.
    """

    def __init__(self, screen: JobScreen, job_id: str) -> None:
        self.id = job_id
        self._made_on = screen

    @property
    def _session(self) -> Session:
        return self._screen.session

    @property
    def snapshot(self) -> JobSnapshot:
        """The current state of the job; raises `StoreError` once it is deleted."""
        return self._session.snapshot(self.id)

    @property
    def remote_id(self) -> str | None:
        """The server's id; None until the server has answered."""
        return self.snapshot.remote_id

    @property
    def provider(self) -> str:
        """The name of the provider that makes the video."""
        return self.snapshot.provider

    @property
    def request(self) -> VideoRequest:
        """The request that was made."""
        return self.snapshot.request

    @property
    def status(self) -> JobStatus:
        """One of eight words, from `submitting` to `completed`."""
        return self.snapshot.status

    @property
    def progress(self) -> float | None:
        """Progress from 0 to 100 as the server reports it; None if it reports none."""
        return self.snapshot.progress

    @property
    def error(self) -> VideoError | None:
        """Why the job failed, was cancelled or is unknown; None otherwise."""
        return _error_of(self.snapshot, self._session.error(self.id))

    @property
    def estimate(self) -> float | None:
        """The cost in USD as the server reported it, else the estimate; None if not known."""
        snapshot = self.snapshot
        usd = snapshot.cost if snapshot.cost is not None else snapshot.estimate
        return None if usd is None else float(usd)

    @property
    def path(self) -> Path | None:
        """The video file; None until it is downloaded."""
        file = self.snapshot.file
        return Path(file.path) if file is not None else None

    @property
    def video(self) -> Video | None:
        """The finished video, which shows itself; None until it is downloaded."""
        snapshot = self.snapshot
        return self._screen.video(snapshot) if snapshot.file is not None else None

    @property
    def created_at(self) -> float:
        """When the job was made, in seconds since the epoch."""
        return self.snapshot.created_at

    @property
    def completed_at(self) -> float | None:
        """When the job ended, in seconds since the epoch."""
        return self.snapshot.completed_at

    def done(self) -> bool:
        """Return whether the job has ended, successfully or not."""
        return self.snapshot.ended

    def wait(self, timeout: float | None = None, *, nested: bool | None = None) -> Video:
        """Block until the job ends and return its video; `timeout` is in seconds.

        Ctrl-C and a timeout end the wait, not the job. `nested` keeps your own tasks on the
        kernel's loop running during the wait, if that is safe (None: as
        `%config VideoMagics.nest_asyncio` says). Raises the job's error (`JobFailed`,
        `ProviderError`, `DownloadError` ...), or `WaitTimeout`.
        """
        try:
            future = self._session.future(self.id)
            done = wait_on(self._screen, future, self.id, timeout=timeout, nested=nested)
            return self._outcome(done)
        except TimeoutError as error:
            if isinstance(error, WaitTimeout):
                raise
            raise WaitTimeout(
                f"{self.id} did not end within {timeout:g} s; it continues.",
                hint=f"%video show {self.id} shows it, %video wait {self.id} waits again.",
            ) from None

    def __await__(self) -> Generator[Any, None, Video]:
        """Wait on the caller's own loop; cancelling the wait does not cancel the job."""
        return self._wait_async().__await__()

    async def _wait_async(self) -> Video:
        require_asyncio()
        return self._outcome(await wait_async(self._session.future(self.id)))

    def _outcome(self, snapshot: JobSnapshot) -> Video:
        self._screen.tick(self.id)  # the last update, if threads cannot deliver it
        if snapshot.status == "completed":
            return self._screen.video(snapshot)
        error = _error_of(snapshot, self._session.error(self.id))
        if error is not None:
            raise error
        # This kernel stopped watching: at a deadline, or since another kernel has the job.
        raise WaitTimeout(
            snapshot.note or f"{self.id} is {snapshot.status} and not watched here.",
            hint=f"%video resume {self.id} continues it.",
        )

    def cancel(self) -> str:
        """Stop the job; return what was done: cancelled at the server, or only not watched."""
        snapshot = wait_blocking(self._session.cancel(self.id))
        return snapshot.note or f"{self.id} had already ended ({snapshot.status})."

    def remix(self, prompt: str, *, max_cost: float | None = None) -> Job:
        """Make a new video from the idea of this finished one; return its job at once.

        `max_cost` is in USD. Raises `InvalidRequest` if the provider has no such route; then
        nothing was sent. This also applies to `edit` and `extend`.
        """
        return self._chain("remix", prompt, max_cost=max_cost)

    def edit(self, prompt: str, *, max_cost: float | None = None) -> Job:
        """Change the finished video as `prompt` says; return the new job at once."""
        return self._chain("edit", prompt, max_cost=max_cost)

    def extend(
        self, prompt: str, *, seconds: float | None = None, max_cost: float | None = None
    ) -> Job:
        """Continue the finished video as `prompt` says; return the new job at once.

        The new file holds the old video and `seconds` more (None: as many as in the last
        request).
        """
        return self._chain("extend", prompt, seconds=seconds, max_cost=max_cost)

    def _chain(
        self,
        how: Chain,
        prompt: str,
        *,
        seconds: float | None = None,
        max_cost: float | None = None,
    ) -> Job:
        plan = self._session.chain(self.snapshot, how, prompt, seconds=seconds)
        (new,) = self._session.submit(plan, max_cost=max_cost)
        return self._screen.job(new.id)

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, Job) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> tuple[Any, ...]:
        return Job, (self._screen, self.id)

    def __repr__(self) -> str:
        try:
            job = self.snapshot
        except StoreError:
            return f"<Job {self.id}: not in the library>"
        return f"<Job {job_text.text(job, place=self._screen.place(job_text.path(job)))}>"


def require_asyncio() -> None:
    """Raise `VideoError` if the awaiting code does not run on asyncio, but for example on trio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise VideoError(
            "await needs an asyncio event loop, and this code runs on another kind.",
            hint="job.wait() works everywhere; in IPython, %autoawait asyncio.",
        ) from None


def wait_on(
    screen: JobScreen,
    future: Future[T],
    *job_ids: str,
    timeout: float | None,
    nested: bool | None,
) -> T:
    """Block until a future is done, and keep the cards of `job_ids` up to date.

    `timeout` is in seconds. The wait is nested if `nested` says so (None: as the settings say)
    and it is safe. Raises `TimeoutError`.
    """
    if screen.session.settings.nest_asyncio if nested is None else nested:
        waited = nested_wait(future, timeout)
        result, why_not = waited
        if why_not is None and result is not None:
            return result
        warnings.warn(why_not or "Waiting in slices.", stacklevel=3)
    return wait_blocking(future, timeout, tick=lambda: screen.tick(*job_ids))


def _error_of(snapshot: JobSnapshot, error: VideoError | None) -> VideoError | None:
    """Return the error that was raised in this kernel, or one made from the library's row."""
    if snapshot.status == "cancelled":
        return JobFailed(f"{snapshot.id} was cancelled.", job=snapshot, hint=snapshot.note)
    failure = snapshot.failure
    if error is not None or failure is None:
        return error
    if snapshot.status == "unknown":
        return SubmissionUnknown(failure.message, hint=failure.hint)
    if snapshot.status == "failed":
        return JobFailed(failure.message, job=snapshot, hint=failure.hint)
    return None
