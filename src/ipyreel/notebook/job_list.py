"""The JobList: the jobs of a sweep, and what can be done with their videos.

Votes, results, a dataset, the cell or file that makes the jobs again, and one page of HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ipyreel.errors import InvalidRequest, StoreError
from ipyreel.jobs.files import new_id
from ipyreel.jobs.run import log
from ipyreel.notebook.handles import opinions, recipes
from ipyreel.notebook.handles.job import Job, JobScreen
from ipyreel.notebook.handles.jobs import Jobs
from ipyreel.notebook.handles.voting import voting_page
from ipyreel.notebook.markup import sweep_html
from ipyreel.notebook.markup.results import ResultsReport
from ipyreel.notebook.markup.sweep_html import TileVideo
from ipyreel.notebook.markup.sweep_text import SweepInfo
from ipyreel.notebook.markup.tables import Notice
from ipyreel.notebook.panels.judge import Judge, open_judge
from ipyreel.notebook.panels.rate import Rate, open_rate
from ipyreel.notebook.screen import Screen
from ipyreel.sweeps import tell_apart, with_columns
from ipyreel.values import JobSnapshot, Json, SavedSweep, SweepItem
from ipyreel.whole_file import whole_file


class JobList(Jobs):
    """Jobs in order: `await jobs` or `jobs.wait()` waits for all of them.

    As the last line of a cell it shows its grid. A failed job does not stop the others, and
    waiting does not raise for it: `failed` holds those jobs, `videos` the videos of the others.
    `id` is the id of the sweep; `%video show ID` shows it in any later kernel. Lists of the
    same jobs in the same order are equal.
    """

    _made_on: Screen

    @property
    def _screen(self) -> Screen:
        return self._made_on.latest()

    def to_dict(self) -> dict[str, dict[str, Json]]:
        """Return plain data by the jobs' ids; each field that differs is a key of its own.

        Once one of them is rated, `stars` is the mean, and `notes` and `tags` are everyone's. A
        column of your rows that has the name of one of these keys is `row_NAME`.
        """
        jobs = self.snapshots
        rated = opinions.ratings_as_rows(self._screen.session, jobs)
        rows = zip(jobs, self.labels, self.differs, strict=True)
        return {
            job.id: with_columns({**row_of(job, label), **rated.get(job.id, {})}, differs)
            for job, label, differs in rows
        }

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

    def results(self) -> ResultsReport:
        """Return the results of the votes between these videos, and what is still undecided.

        Contains win rates with 95 % intervals and a score for each setting, and the same for
        each varied field; `data` has the numbers.
        """
        return opinions.results_of_list(self._screen.session, self)

    def judge(self, votes: int = 20, *, who: str | None = None) -> Judge | Notice:
        """Return a panel that shows two unlabelled videos at a time and asks which is better.

        It ends after `votes` votes by `who` (None: the user), and shows the result. Raises
        `InvalidRequest` unless there are videos of two settings.
        """
        return open_judge(self._screen, self, votes=votes, who=who)

    def rate(self) -> Rate | Notice:
        """Return a panel that shows the videos with fields for stars, notes and tags.

        Raises `InvalidRequest` if there is no video, or too many for one panel.
        """
        return open_rate(self._screen, self)

    def export_votes(self, path: str | Path) -> Path:
        """Write the ratings and votes on these videos as a file that `merge_votes` reads."""
        found = opinions.opinions_of(self._screen.session)
        return found.export(path, opinions.videos_of(self.snapshots))

    def to_dataset(self, folder: str | Path) -> Path:
        """Write the finished videos as a new folder, with their settings, ratings and votes.

        Hugging Face's `datasets.load_dataset(folder)` reads it, and `ipyreel.load(folder)` in
        another library. Raises `InvalidRequest` when the folder exists or there are no videos,
        `StoreError` when it cannot be written.
        """
        return opinions.to_dataset(self._screen.session, self, folder)

    def to_cell(self) -> str:
        """Return the `%%video` cell that makes the same jobs again.

        Raises `InvalidRequest` if no cell can, for example for rows of data.
        """
        return recipes.cell_of_list(self)

    def to_toml(self, path: str | Path | None = None, *, overwrite: bool = False) -> str:
        """Return the whole plan as TOML, which `%%video --from FILE` makes again.

        Prompts, fields, seeds, and the names of providers and models; no address, key or header.
        With a `path` it is written there, too. Raises `InvalidRequest` when that file exists.
        """
        return recipes.toml_of_list(self, path, overwrite=overwrite)

    def rerun(self, *, missing: bool = True, max_cost: float | None = None) -> JobList:
        """Send each job again that has no video and is not active; return the list of jobs.

        Prints the price first. Active jobs continue, existing equal videos are reused, and
        limits apply to all new jobs together; `max_cost` is one more limit, in USD. With
        `missing=False` everything is sent and paid again. Raises `VideoError`; then nothing was
        sent.
        """
        items = recipes.rerun(self._screen.session, self, missing=missing, max_cost=max_cost)
        if items is None:
            return self
        return recorded(self._screen, self.info.prompt, self.info.inner, items)


def saved_sweep(screen: JobScreen, sweep: SavedSweep) -> JobList:
    """Return the handle of a sweep that the library remembers."""
    info = SweepInfo(
        labels=tuple(item.label for item in sweep.items),
        prompt=sweep.prompt,
        inner=sweep.columns,
        reused=frozenset(item.job for item in sweep.items if item.reused),
        differs=tuple(item.differs for item in sweep.items),
    )
    return JobList(screen, (item.job for item in sweep.items), info, sweep.id or None)


def recorded(
    screen: JobScreen, prompt: str | None, columns: int, items: Sequence[SweepItem]
) -> JobList:
    """Record in the library that these jobs are one sweep; the list has no id if that fails."""
    sweep = SavedSweep(
        id=new_id(kind="s"),
        prompt=prompt,
        columns=columns,
        created_at=screen.session.clock(),
        items=tuple(items),
    )
    try:
        screen.session.store.keep_sweep(sweep)
    except StoreError as error:
        # The jobs are being sent by now, and none of them needs the record.
        log.warning("a sweep was not recorded: %s", error)
        sweep = replace(sweep, id="")
    return saved_sweep(screen, sweep)


def listed(
    screen: JobScreen, jobs: Sequence[JobSnapshot], differs: Iterable[Mapping[str, Json]] = ()
) -> JobList:
    """Return any jobs as a JobList, each labelled by how it differs from the others."""
    prompts = {job.request.prompt for job in jobs}
    info = SweepInfo(
        labels=tuple(tell_apart([(job.provider, job.request) for job in jobs])),
        prompt=prompts.pop() if len(prompts) == 1 else None,
        differs=tuple(differs),
    )
    return JobList(screen, (job.id for job in jobs), info)


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


def export_html(
    jobs: JobList | Iterable[Job],
    path: str | Path,
    *,
    title: str = "",
    overwrite: bool = False,
    votes: int | None = None,
) -> Path:
    """Write jobs as one HTML page that contains their videos, and return its path.

    The page loads nothing from elsewhere. With `votes` it asks the reader for that many blind
    votes, and saves them as a file that `merge_votes` reads. Raises `InvalidRequest` if the
    file exists (unless `overwrite`), or there are no jobs, or none to vote on; `StoreError` if
    it cannot be written.
    """
    target = Path(path).expanduser()
    found = jobs if isinstance(jobs, JobList) else _listed(jobs)
    if not found:
        raise InvalidRequest("There are no jobs to export.")
    if target.exists() and not overwrite:
        raise InvalidRequest(f"{target} exists; overwrite=True replaces it.")
    pieces = _pieces(found, title or f"{len(found)} videos", votes)
    with whole_file(target, mode=0o666) as part, part.open("w", encoding="utf-8") as file:
        file.writelines(pieces)
    return target.absolute()


def _listed(jobs: Iterable[Job]) -> JobList | None:
    found = list(jobs)
    if not found:
        return None
    return listed(found[0]._screen, [job.snapshot for job in found])  # noqa: SLF001 - a handle


def _pieces(jobs: JobList, title: str, votes: int | None) -> Iterator[str]:
    """Yield the pieces of an HTML page, which asks for votes or shows all videos."""
    results = jobs.results()
    if votes is not None:
        return voting_page(jobs, results, title=title, votes=votes)
    info = replace(jobs.info, reused=frozenset(), width=WIDE)
    votes_html = results.html if results.data.votes else ""
    return sweep_html.page_html(
        info, jobs.snapshots, lambda at: _embedded(jobs[at]), title, votes_html
    )


def _embedded(job: Job) -> TileVideo | None:
    video = job.video
    if video is None:
        return None
    try:
        return replace(video, how="embed").as_tile()
    except OSError as error:
        return TileVideo(src=None, where=f"{video.place} cannot be read: {error.strerror}")
