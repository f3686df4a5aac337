"""Jobs: several jobs as one object, which waits for all of them and shows their grid."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any, overload

from ipyreel.errors import StoreError, VideoError, WaitTimeout
from ipyreel.jobs.loop import wait_async, wait_blocking
from ipyreel.notebook.handles.job import Handle, Job, JobScreen, require_asyncio, wait_on
from ipyreel.notebook.handles.video import Video
from ipyreel.notebook.markup import sweep_text
from ipyreel.notebook.markup.sweep_text import SweepInfo
from ipyreel.values import NOTHING, JobSnapshot, Json

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11 on


class Jobs(Handle, Sequence[Job]):
    """Several jobs as cells, cards and panels use them; the user gets a `JobList`."""

    def __init__(
        self,
        screen: JobScreen,
        job_ids: Iterable[str],
        info: SweepInfo,
        sweep: str | None = None,
    ) -> None:
        self.id = sweep
        self._ids = tuple(job_ids)
        self.info = info
        self._made_on = screen

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the jobs; a retry replaces the job that failed, as in the grid."""
        return self._screen.current_ids(self._ids)

    @property
    def differs(self) -> tuple[Mapping[str, Json], ...]:
        """How each job differs from the others, by the names of the fields."""
        return self.info.differs or (NOTHING,) * len(self)

    @overload
    def __getitem__(self, index: int) -> Job: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> Job | Self:
        return self._only(index) if isinstance(index, slice) else self._screen.job(self.ids[index])

    def __len__(self) -> int:
        return len(self._ids)

    def _only(self, some: slice | Sequence[int]) -> Self:
        at = range(len(self))[some] if isinstance(some, slice) else some
        labels = tuple(self.info.labels[index] for index in at)
        differs = tuple(self.differs[index] for index in at)
        info = replace(self.info, labels=labels, differs=differs, inner=1)
        return type(self)(self._screen, (self.ids[index] for index in at), info)

    @property
    def labels(self) -> tuple[str, ...]:
        """How each job differs from the others, in words."""
        return self.info.labels

    @property
    def snapshots(self) -> list[JobSnapshot]:
        """The current states of the jobs."""
        return [job.snapshot for job in self]

    @property
    def videos(self) -> list[Video]:
        """The finished videos, in order."""
        return [video for job in self if (video := job.video) is not None]

    @property
    def failed(self) -> Self:
        """The jobs that failed; `job.error` says why."""
        return self._only([at for at, job in enumerate(self) if job.status == "failed"])

    def done(self) -> bool:
        """Return whether all jobs have ended, successfully or not."""
        return all(job.ended for job in self.snapshots)

    def wait(self, timeout: float | None = None, *, nested: bool | None = None) -> list[Video]:
        """Block until all jobs have ended and return their videos; `timeout` is in seconds.

        Ctrl-C and a timeout (`WaitTimeout`) end the wait, not the jobs. `nested` is as in
        `Job.wait`.
        """
        try:
            first = self.ids[:1]  # all jobs are in one grid
            wait_on(self._screen, self._future(), *first, timeout=timeout, nested=nested)
        except WaitTimeout:
            raise
        except TimeoutError:
            going = sum(not job.ended for job in self.snapshots)
            raise WaitTimeout(
                f"{going} of {len(self)} jobs did not end within {timeout:g} s; they continue.",
                hint="wait() waits again, cancel() stops them.",
            ) from None
        return self.videos

    def __await__(self) -> Generator[Any, None, list[Video]]:
        """Wait on the caller's own loop; cancelling the wait does not cancel the jobs."""
        return self._wait_async().__await__()

    async def _wait_async(self) -> list[Video]:
        require_asyncio()
        await wait_async(self._future())
        return self.videos

    def _future(self) -> Future[bool]:
        """Return a future that is done when this kernel's work on all jobs has ended."""
        done = Future[bool]()
        futures = [self._screen.session.future(job.id) for job in self]
        left, lock = len(futures), Lock()

        def count(_future: Future[JobSnapshot]) -> None:
            nonlocal left
            with lock:
                left -= 1
                last = left == 0
            if last:
                done.set_result(True)

        if not futures:
            done.set_result(True)
        for future in futures:
            future.add_done_callback(count)
        return done

    def check(self) -> None:
        """Raise a `VideoError` that names the jobs without a video and the reasons, if any."""
        bad = [
            f"{self.info.label(at)} ({job.id}): {sweep_text.state(job).rstrip('.')}"
            for at, job in enumerate(self.snapshots)
            if job.status != "completed"
        ]
        if bad:
            raise VideoError(
                f"{len(bad)} of {len(self)} jobs have no video. {'; '.join(bad)}.",
            )

    def cancel(self) -> str:
        """Stop all jobs that have not ended; return what was done for each."""
        futures = self._screen.session.cancel_all(self.ids)
        ended = [wait_blocking(future) for future in futures]
        unsent = sum(job.sent_at is None for job in ended)
        lines = [f"{unsent} cancelled before anything was sent."] if unsent else []
        lines += [f"{job.id}: {job.note}" for job in ended if job.sent_at is not None]
        return "\n".join(lines) or "All jobs had already ended."

    def __eq__(self, other: object) -> bool:
        return self.ids == other.ids if isinstance(other, Jobs) else NotImplemented

    def __hash__(self) -> int:
        return hash(len(self))  # the ids change with a retry

    def __reduce__(self) -> tuple[Any, ...]:
        info = replace(self.info, differs=tuple(map(dict, self.differs)))
        return type(self), (self._screen, self.ids, info, self.id)

    def __repr__(self) -> str:
        try:
            return f"<JobList {sweep_text.text(self.info, self.snapshots)}>"
        except StoreError as error:  # one of them was deleted
            return f"<JobList of {len(self)}: {error.message}>"
