"""The JobList: several jobs as one object, as rows of data and as one page of HTML."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, overload

from ipyreel.errors import InvalidRequest, StoreError, VideoError, WaitTimeout
from ipyreel.jobs.files import new_id
from ipyreel.jobs.loop import wait_async, wait_blocking
from ipyreel.jobs.run import log
from ipyreel.notebook.handles.job import Job, JobScreen, require_asyncio, wait_on
from ipyreel.notebook.handles.video import Video
from ipyreel.notebook.markup import sweep_html, sweep_text
from ipyreel.notebook.markup.sweep_html import TileVideo
from ipyreel.notebook.markup.sweep_text import SweepInfo
from ipyreel.notebook.markup.tables import Report
from ipyreel.session import Session
from ipyreel.sweeps import tell_apart, with_columns
from ipyreel.values import NOTHING, JobSnapshot, Json, SavedSweep, SweepItem


class JobList(Sequence[Job]):
    """Jobs in order: `await jobs` or `jobs.wait()` waits for all of them.

    As the last line of a cell it shows its grid. A job that fails stops no other, and waiting
    raises nothing for it: `failed` holds those jobs, `videos` the videos of the others. `id` is
    that of a sweep, by which `%video show ID` shows it in any later kernel. Lists of the same
    jobs in the same order are equal.
    """

    def __init__(
        self,
        screen: JobScreen,
        job_ids: Iterable[str],
        info: SweepInfo,
        sweep: str | None = None,
    ) -> None:
        self.id = sweep
        self.ids = tuple(job_ids)
        """The ids of the jobs."""
        self.info = info
        self._made_on = screen

    @property
    def differs(self) -> tuple[Mapping[str, Json], ...]:
        """How each job differs from the others, by the names of the fields."""
        return self.info.differs or (NOTHING,) * len(self.ids)

    @property
    def _screen(self) -> JobScreen:
        return self._made_on.latest()

    @overload
    def __getitem__(self, index: int) -> Job: ...

    @overload
    def __getitem__(self, index: slice) -> JobList: ...

    def __getitem__(self, index: int | slice) -> Job | JobList:
        return self._only(index) if isinstance(index, slice) else self._screen.job(self.ids[index])

    def __len__(self) -> int:
        return len(self.ids)

    def _only(self, some: slice | Sequence[int]) -> JobList:
        at = range(len(self))[some] if isinstance(some, slice) else some
        labels = tuple(self.info.labels[index] for index in at)
        differs = tuple(self.differs[index] for index in at)
        info = replace(self.info, labels=labels, differs=differs, inner=1)
        return JobList(self._screen, (self.ids[index] for index in at), info)

    @property
    def labels(self) -> tuple[str, ...]:
        """How each job differs from the others, in words."""
        return self.info.labels

    @property
    def snapshots(self) -> list[JobSnapshot]:
        """Everything that is known of the jobs at this moment."""
        return [job.snapshot for job in self]

    @property
    def videos(self) -> list[Video]:
        """The finished videos, in order."""
        return [video for job in self if (video := job.video) is not None]

    @property
    def failed(self) -> JobList:
        """The jobs that failed; `job.error` says why."""
        return self._only([at for at, job in enumerate(self) if job.status == "failed"])

    def done(self) -> bool:
        """Return whether all jobs have ended, successfully or not."""
        return all(job.ended for job in self.snapshots)

    def wait(self, timeout: float | None = None, *, nested: bool | None = None) -> list[Video]:
        """Block until all jobs have ended and return their videos; `timeout` is in seconds.

        Ctrl-C and a timeout (`WaitTimeout`) end the wait, never a job. `nested` is as in
        `Job.wait`.
        """
        try:
            first = self.ids[:1]  # one grid stands for all
            wait_on(self._screen, self._future(), *first, timeout=timeout, nested=nested)
        except WaitTimeout:
            raise
        except TimeoutError:
            going = sum(not job.ended for job in self.snapshots)
            raise WaitTimeout(
                f"{going} of {len(self)} jobs did not end within {timeout:g} s; they go on.",
                hint="wait() waits again, cancel() stops them.",
            ) from None
        return self.videos

    def __await__(self) -> Generator[Any, None, list[Video]]:
        """Wait on the caller's own loop; cancelling the wait leaves the jobs alone."""
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
        """Raise `VideoError` that names the jobs without a video and their reasons, if any."""
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
        """Stop all jobs that have not ended; returns what was done about each."""
        futures = self._screen.session.cancel_all(self.ids)
        ended = [wait_blocking(future) for future in futures]
        unsent = sum(job.sent_at is None for job in ended)
        lines = [f"{unsent} cancelled before anything was sent."] if unsent else []
        lines += [f"{job.id}: {job.note}" for job in ended if job.sent_at is not None]
        return "\n".join(lines) or "All jobs had already ended."

    def show(self) -> None:
        """Show the grid in this cell."""
        self._screen.show_again(self)

    def to_dict(self) -> dict[str, dict[str, Json]]:
        """Return plain data by the jobs' ids, with what differs under its own name.

        Once one of them is rated, `stars` is the mean, and `notes` and `tags` are everyone's. A
        column of your rows that has the name of one of ours is `row_NAME`.
        """
        jobs = self.snapshots
        rated = _later("handles.opinions").ratings_as_rows(self._screen.session, jobs)
        rows = zip(jobs, self.labels, self.differs, strict=True)
        return {
            job.id: with_columns({**row_of(job, label), **rated.get(job.id, {})}, differs)
            for job, label, differs in rows
        }

    def results(self) -> Report:
        """Return what votes between these videos have decided, and what is still open.

        Win rates with 95 % intervals and a score for each setting, and each varied field by
        itself; `data` has the numbers.
        """
        found: Report = _later("handles.opinions").results_of_list(self._screen.session, self)
        return found

    def export_votes(self, path: str | Path) -> Path:
        """Write the ratings and votes on these videos as a file that `merge_votes` reads."""
        opinions = _later("handles.opinions")
        found = opinions.opinions_of(self._screen.session)
        written: Path = found.export(path, opinions.videos_of(self.snapshots))
        return written

    def to_dataset(self, folder: str | Path) -> Path:
        """Write the finished videos as a new folder, with their settings, ratings and votes.

        Hugging Face's `datasets.load_dataset(folder)` reads it, and `ipyreel.load(folder)` in
        another library. Raises `InvalidRequest` when the folder exists or there are no videos,
        `StoreError` when it cannot be written.
        """
        opinions = _later("handles.opinions")
        written: Path = opinions.to_dataset(self._screen.session, self, folder)
        return written

    def _pieces(self, title: str, votes: int | None) -> Iterator[str]:
        """Give the pieces of a page of HTML, which asks for votes or shows all videos."""
        results: Any = self.results()
        if votes is None:
            info = replace(self.info, reused=frozenset(), width=WIDE)
            return sweep_html.page_html(
                info, self.snapshots, lambda at: _embedded(self[at]), title,
                results.html if results.data.votes else "",
            )  # fmt: skip
        voting = _later("handles.voting")
        pieces: Iterator[str] = voting.voting_page(self, results, title=title, votes=votes)
        return pieces

    def judge(self, votes: int = 20, *, who: str | None = None) -> Any:
        """Return a panel that shows two videos at a time, without labels, and asks for the better.

        It ends after so many votes of `who` (None: the user), and shows the result. Raises
        `InvalidRequest` unless there are videos of two settings.
        """
        return _later("panels.judge").open_judge(self._screen, self, votes=votes, who=who)

    def to_cell(self) -> str:
        """Return the `%%video` cell that makes the same jobs again.

        Raises `InvalidRequest` where no cell does, such as for rows of data.
        """
        text: str = _later("handles.recipes").cell_of_list(self)
        return text

    def to_toml(self, path: str | Path | None = None, *, overwrite: bool = False) -> str:
        """Return the whole plan as TOML, which `%%video --from FILE` makes again.

        Prompts, fields, seeds, and the names of providers and models; no address, key or header.
        With a `path` it is written there, too. Raises `InvalidRequest` when that file exists.
        """
        text: str = _later("handles.recipes").toml_of_list(self, path, overwrite=overwrite)
        return text

    def rerun(self, *, missing: bool = True, max_cost: float | None = None) -> JobList:
        """Send again what has no video and is not on its way; return the list with new jobs.

        Says the price first. What was sent goes on, an equal video takes the place of a new one,
        and limits apply to all new jobs together; `max_cost` is one more, in USD. With
        `missing=False` everything is sent and paid again. Raises `VideoError`; then nothing was
        sent.
        """
        recipes = _later("handles.recipes")
        found: JobList = recipes.rerun(self._screen, self, missing=missing, max_cost=max_cost)
        return found

    def to_pandas(self) -> Any:
        """Return a DataFrame with one row for each job; raises `InvalidRequest` without pandas."""
        try:
            import pandas as pd  # noqa: PLC0415 - an optional extra
        except ImportError as error:
            raise InvalidRequest(
                "to_pandas() needs pandas.", hint="pip install pandas, or use to_dict()."
            ) from error
        table = pd.DataFrame(list(self.to_dict().values()))
        for name in ("created_at", "completed_at"):
            if name in table:
                table[name] = pd.to_datetime(table[name].astype(float), unit="s", utc=True)
        return table

    def _repr_html_(self) -> str:
        """Return static HTML, for front ends that are not IPython's, such as marimo."""
        return self._screen.static_html(self)

    def _ipython_display_(self) -> None:
        self._screen.show_again(self)

    def __eq__(self, other: object) -> bool:
        return self.ids == other.ids if isinstance(other, JobList) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.ids)

    def __reduce__(self) -> tuple[Any, ...]:
        info = replace(self.info, differs=tuple(map(dict, self.differs)))
        return JobList, (self._screen, self.ids, info, self.id)

    def __repr__(self) -> str:
        try:
            return f"<JobList {sweep_text.text(self.info, self.snapshots)}>"
        except StoreError as error:  # one of them was deleted
            return f"<JobList of {len(self)}: {error.message}>"


def _later(name: str) -> Any:
    """Return a module of what comes after the videos: it builds on this one, and few need it."""
    return importlib.import_module(f"ipyreel.notebook.{name}")


def record(
    session: Session, prompt: str | None, columns: int, items: Sequence[SweepItem]
) -> SavedSweep:
    """Record in the library that these jobs are one sweep; without an id where that fails."""
    saved = SavedSweep(
        id=new_id(kind="s"),
        prompt=prompt,
        columns=columns,
        created_at=session.clock(),
        items=tuple(items),
    )
    try:
        session.store.keep_sweep(saved)
    except StoreError as error:
        # The jobs are being sent by now, and none of them needs the record.
        log.warning("a sweep was not recorded: %s", error)
        return replace(saved, id="")
    return saved


def row_of(job: JobSnapshot, label: str) -> dict[str, Json]:
    """Return one job as plain data: times in seconds since the epoch, money in USD."""
    request, file, failure = job.request, job.file, job.failure
    return {
        "id": job.id,
        "label": label,
        "status": job.status,
        "provider": job.provider,
        "model": request.model,
        "seconds": request.seconds,
        "size": request.size,
        "seed": request.seed,
        "prompt": request.prompt,
        "progress": job.progress,
        "estimate": None if job.estimate is None else float(job.estimate),
        "cost": None if job.cost is None else float(job.cost),
        "created_at": job.created_at,
        "completed_at": job.completed_at,
        "took": _took(job),
        "path": file.path if file else None,
        "bytes": file.size if file else None,
        "width": file.width if file else None,
        "height": file.height if file else None,
        "error": failure.message if failure else None,
        "code": failure.code if failure else None,
        "remote_id": job.remote_id,
    }


def _took(job: JobSnapshot) -> float | None:
    """Return the seconds from sending to the end."""
    if job.completed_at is None or job.sent_at is None:
        return None
    return round(job.completed_at - job.sent_at, 3)


# ---- one page of HTML


WIDE = 320
"""Width of a video on the page in CSS pixels; a page has more room than a cell."""


def info_of(jobs: Sequence[JobSnapshot]) -> SweepInfo:
    """Return the labels of any jobs, and the prompt they share."""
    prompts = {job.request.prompt for job in jobs}
    return SweepInfo(
        labels=tuple(tell_apart([(job.provider, job.request) for job in jobs])),
        prompt=prompts.pop() if len(prompts) == 1 else None,
    )


def export_html(
    jobs: JobList | Iterable[Job],
    path: str | Path,
    *,
    title: str = "",
    overwrite: bool = False,
    votes: int | None = None,
) -> Path:
    """Write jobs as one HTML page that contains their videos, and return its path.

    The page loads nothing from elsewhere. With `votes` it asks whoever opens it for so many
    votes, blind, and saves them as a file that `merge_votes` reads. Raises `InvalidRequest` when
    the file exists (unless `overwrite`), there are no jobs, or none to vote on; `StoreError`
    when it cannot be written.
    """
    target = Path(path).expanduser()
    found = jobs if isinstance(jobs, JobList) else list(jobs)
    if not found:
        raise InvalidRequest("There are no jobs to export.")
    if target.exists() and not overwrite:
        raise InvalidRequest(f"{target}: it exists; overwrite=True replaces it.")
    films = found if isinstance(found, JobList) else _listed(found)
    pieces = films._pieces(title or f"{len(films)} videos", votes)  # noqa: SLF001 - of one idea
    # A random name, opened as new: a link that somebody left in the folder is not followed.
    part = target.with_name(f".{target.name}.{new_id()}.part")
    try:
        with part.open("x", encoding="utf-8") as file:
            file.writelines(pieces)
        os.replace(part, target)  # noqa: PTH105 - over what is there, on every system
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise StoreError(f"{target} could not be written: {error.strerror}.") from error
    return target.absolute()


def _listed(jobs: Sequence[Job]) -> JobList:
    snapshots = [job.snapshot for job in jobs]
    return JobList(jobs[0]._screen, (job.id for job in jobs), info_of(snapshots))  # noqa: SLF001


def _embedded(job: Job) -> TileVideo | None:
    video = job.video
    if video is None:
        return None
    try:
        return replace(video, how="embed").as_tile()
    except OSError as error:
        return TileVideo(src=None, where=f"{video.place} cannot be read: {error.strerror}")
