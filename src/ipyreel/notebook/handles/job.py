"""The Job: what a person holds of a job, in a cell and in plain Python.

May import `session` and its own room. A Job keeps nothing but the job's id: what it says
is looked up at the moment it is asked.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from ipyreel.errors import JobFailed, SubmissionUnknown, VideoError, WaitTimeout
from ipyreel.jobs.loop import nested_wait, wait_async, wait_blocking
from ipyreel.notebook.handles.video import Video
from ipyreel.notebook.markup import job_text
from ipyreel.session import Session
from ipyreel.values import Chain, JobSnapshot, JobStatus, VideoRequest

T = TypeVar("T")
Show = Callable[["Job"], None]


class Job:
    """One job: `await job` or `job.wait()` gives its video, `job.cancel()` stops it.

    As the last line of a cell it shows its card, or its video when it is done.
    """

    def __init__(
        self,
        session: Session,
        job_id: str,
        *,
        show: Show,
        make_video: Callable[[JobSnapshot], Video],
        make_job: Callable[[str], Job],
        tick: Callable[[], object] | None = None,
    ) -> None:
        self.id = job_id
        self._session = session
        self._show = show
        self._make_video = make_video
        self._make_job = make_job
        self._tick = tick

    @property
    def snapshot(self) -> JobSnapshot:
        """Everything that is known of the job at this moment."""
        return self._session.snapshot(self.id)

    @property
    def remote_id(self) -> str | None:
        """The server's id; None before it answered."""
        return self.snapshot.remote_id

    @property
    def provider(self) -> str:
        """Who makes the video."""
        return self.snapshot.provider

    @property
    def request(self) -> VideoRequest:
        """What was asked for."""
        return self.snapshot.request

    @property
    def status(self) -> JobStatus:
        """Where the job stands: one of eight words, from `submitting` to `completed`."""
        return self.snapshot.status

    @property
    def progress(self) -> float | None:
        """Progress from 0 to 100 as the server tells it; None: it does not."""
        return self.snapshot.progress

    @property
    def error(self) -> VideoError | None:
        """What ended the job badly, or why it is unknown; None otherwise."""
        return _error_of(self.snapshot, self._session.error(self.id))

    @property
    def estimate(self) -> float | None:
        """What it will probably cost, or did, in USD; None: no price is known."""
        snapshot = self.snapshot
        return snapshot.cost if snapshot.cost is not None else snapshot.estimate

    @property
    def path(self) -> Path | None:
        """Where the file lies; None before it is there."""
        file = self.snapshot.file
        return Path(file.path) if file is not None else None

    @property
    def video(self) -> Video | None:
        """The finished video, which shows itself; None before it is there."""
        snapshot = self.snapshot
        return self._make_video(snapshot) if snapshot.file is not None else None

    @property
    def created_at(self) -> float:
        """When it was asked for, in seconds since the epoch."""
        return self.snapshot.created_at

    @property
    def completed_at(self) -> float | None:
        """When it ended, in seconds since the epoch."""
        return self.snapshot.completed_at

    def done(self) -> bool:
        """Tell whether the job has ended, well or badly."""
        return self.snapshot.ended

    def wait(self, timeout: float | None = None, *, nested: bool | None = None) -> Video:
        """Block until the job ends and return its video; `timeout` is in seconds.

        Ctrl-C and a timeout end the wait, never the job. `nested` keeps your own tasks on
        the kernel's loop turning meanwhile, where that is safe (None: as
        `%config VideoMagics.nest_asyncio` says). Raises what ended the job badly
        (`JobFailed`, `ProviderError`, `DownloadError` ...), or `WaitTimeout`.
        """
        future = self._session.future(self.id)
        nested = self._session.settings.nest_asyncio if nested is None else nested
        try:
            return self._outcome(wait_on(future, timeout, nested=nested, tick=self._tick))
        except TimeoutError as error:
            if isinstance(error, WaitTimeout):
                raise
            raise WaitTimeout(
                f"{self.id} did not end within {timeout:g} s; it goes on.",
                hint=f"%video show {self.id} shows it, %video wait {self.id} waits again.",
            ) from None

    def __await__(self) -> Generator[Any, None, Video]:
        """Wait on the caller's own loop; cancelling the wait leaves the job alone."""
        return self._wait_async().__await__()

    async def _wait_async(self) -> Video:
        return self._outcome(await wait_async(self._session.future(self.id)))

    def _outcome(self, snapshot: JobSnapshot) -> Video:
        if self._tick is not None:
            self._tick()  # the last word, where none comes from a thread
        if snapshot.status == "completed":
            return self._make_video(snapshot)
        error = _error_of(snapshot, self._session.error(self.id))
        if error is not None:
            raise error
        # This kernel stopped watching: a deadline, or the job is another kernel's.
        raise WaitTimeout(
            snapshot.note or f"{self.id} is {snapshot.status} and not watched here.",
            hint=f"%video resume {self.id} goes on with it.",
        )

    def cancel(self) -> str:
        """Stop the job; returns what was done: told the server, or only stopped watching."""
        snapshot = wait_blocking(self._session.cancel(self.id))
        return snapshot.note or f"{self.id} had ended before ({snapshot.status})."

    def remix(self, prompt: str, *, max_cost: float | None = None) -> Job:
        """Have a new video made by the idea of the finished one; returns its job at once.

        `max_cost` is in USD. Raises `InvalidRequest` where the provider has no such route, and
        then nothing was sent. So do `edit` and `extend`.
        """
        return self._chain("remix", prompt, max_cost=max_cost)

    def edit(self, prompt: str, *, max_cost: float | None = None) -> Job:
        """Have the finished video changed as `prompt` says; returns the new job at once."""
        return self._chain("edit", prompt, max_cost=max_cost)

    def extend(
        self, prompt: str, *, seconds: float | None = None, max_cost: float | None = None
    ) -> Job:
        """Have the finished video go on as `prompt` says; returns the new job at once.

        Its film is the old one and `seconds` more (None: as many as were asked for last).
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
        return self._make_job(new.id)

    def show(self) -> None:
        """Show the job's card, or its video, in this cell."""
        self._show(self)

    def _ipython_display_(self) -> None:
        self._show(self)

    def __repr__(self) -> str:
        return f"<Job {job_text.text(self.snapshot)}>"


def wait_on(
    future: Future[T],
    timeout: float | None,
    *,
    nested: bool,
    tick: Callable[[], object] | None,
) -> T:
    """Block until a future is done, nested where that is asked for and does no harm.

    `timeout` is in seconds; raises `TimeoutError`.
    """
    if nested:
        waited = nested_wait(future, timeout)
        result, why_not = waited
        if why_not is None and result is not None:
            return result
        warnings.warn(why_not or "Waiting in slices.", stacklevel=3)
    return wait_blocking(future, timeout, tick=tick)


def _error_of(snapshot: JobSnapshot, error: VideoError | None) -> VideoError | None:
    """Return the error as it was raised in this kernel, or one made from what was kept."""
    if snapshot.status == "cancelled":
        return JobFailed(f"{snapshot.id} was cancelled.", job=snapshot, hint=snapshot.note)
    if error is not None:
        return error
    failure = snapshot.failure
    if failure is None or snapshot.status not in {"failed", "unknown"}:
        return None
    if snapshot.status == "unknown":
        return SubmissionUnknown(failure.message, hint=failure.hint)
    return JobFailed(failure.message, job=snapshot, hint=failure.hint)
