"""A sweep as plain text: what differs, the state of each job, and a summary line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ipyreel.notebook.markup import job_text
from ipyreel.notebook.markup.matrix import Matrix, matrices
from ipyreel.notebook.markup.tables import table_text
from ipyreel.values import JobSnapshot, Json

COLUMNS = 5
"""The largest number of tiles side by side."""

TILE = 180
"""Default width of a tile in CSS pixels."""

LONGEST = 240
"""Characters of a reason in a tile; the job itself has the full text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepInfo:
    """What a grid shows besides its jobs, which are in the same order as `labels`.

    `prompt` is the shared prompt, as it was typed; `inner` is how many jobs belong side by
    side; `reused` holds the ids of those that were finished before and cost nothing now;
    `differs` is the data of `labels`; `width` is that of a tile in CSS pixels.
    """

    labels: tuple[str, ...]
    prompt: str | None = None
    inner: int = 1
    reused: frozenset[str] = frozenset()
    differs: tuple[Mapping[str, Json], ...] = ()
    width: int | None = None

    @property
    def tile(self) -> int:
        """The width of a tile in CSS pixels."""
        return self.width or TILE

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        """The matrices that the jobs form; () if they are a plain row."""
        return matrices(self.differs, self.prompt)

    @property
    def columns(self) -> int:
        """How many tiles are side by side if there is room: full rows, if possible."""
        most = max(1, COLUMNS * TILE // max(self.tile, TILE))
        fit = min(most, len(self.labels)) or 1
        whole = fit - fit % self.inner if self.inner <= fit else 0
        return whole or fit

    def label(self, index: int) -> str:
        """Return how a job differs from the others; "video" if nothing differs."""
        return job_text.one_line(self.labels[index]) or "video"


def waits(job: JobSnapshot) -> bool:
    """Return whether a job was not sent yet."""
    return job.status == "submitting" and job.sent_at is None


COMING = "not finished when this was saved"


def counts(info: SweepInfo, jobs: Sequence[JobSnapshot], *, saved: bool = False) -> list[str]:
    """Return the parts of the line above the grid: `12 jobs`, `7 done`, ..., the money.

    If `saved`, the text stays true: jobs that run now will have ended when it is read.
    """
    found = Counter(map(_kind, jobs))
    reused = sum(job.id in info.reused for job in jobs)
    parts = [number(len(jobs))]
    if saved:
        found[COMING] = found.pop("running", 0) + found.pop("waiting", 0)
    kinds = ("done", "failed", "cancelled", "unknown", "running", "waiting", COMING)
    parts += [f"{found[kind]} {kind}" for kind in kinds if found[kind]]
    parts += [f"{reused} reused"] if reused else []
    return [*parts, money(job for job in jobs if job.id not in info.reused)]


def number(jobs: int) -> str:
    """Return how many jobs there are in words."""
    return f"{jobs} jobs" if jobs != 1 else "1 job"


def _kind(job: JobSnapshot) -> str:
    if job.status == "completed":
        return "done"
    if job.ended or job.status == "unknown":
        return job.status
    return "waiting" if waits(job) else "running"


def money(jobs: Iterable[JobSnapshot]) -> str:
    """Return what was spent of what was estimated: `$2.40 of $4.80`.

    A job counts as spent when it is done, or when its provider has reported the cost.
    """
    found = list(jobs)
    prices = [job.cost if job.cost is not None else job.estimate for job in found]
    known = [price for price in prices if price is not None]
    if not found:
        return "nothing spent"
    if not known:
        return "no price known"
    if sum(known) == 0 and len(known) == len(found):
        return "free"
    spent = sum(
        price
        for job, price in zip(found, prices, strict=True)
        if price is not None and (job.status == "completed" or job.cost is not None)
    )
    text = f"{job_text.dollars(spent)} of {job_text.dollars(sum(known))}"
    missing = len(found) - len(known)
    return f"{text}, {missing} without a known price" if missing else text


def state(job: JobSnapshot) -> str:
    """Return a job's state, for the line under its label."""
    if waits(job):
        return "Waiting"
    if job.status in {"failed", "cancelled", "unknown"}:
        word, text = job_text.PHASES[job.status], job_text.sentence(job)
        return job_text.one_line(text if text.startswith(word) else f"{word}: {text}", LONGEST)
    return job_text.phase(job)


def text(
    info: SweepInfo,
    jobs: Sequence[JobSnapshot],
    results: Mapping[str, str] = MappingProxyType({}),
    *,
    saved: bool = False,
) -> str:
    """Return the whole sweep as plain lines, one for each job, below its matrix if it is one.

    `results` has lines to use instead of the state, by the jobs' ids, such as one on the file;
    `saved` is as in `counts`.
    """
    lines = [" · ".join(counts(info, jobs, saved=saved))]
    lines += [job_text.one_line(info.prompt, 300)] if info.prompt else []
    if found := info.matrices:
        lines += [line for one in found for line in _table(one, jobs)]
        lines += [
            f"  {job.id}  {_result(job, results.get(job.id))}"
            for job in jobs
            if job.id in results or _kind(job) not in {"running", "waiting"}
        ]
        return "\n".join(lines)
    rows = [
        ("", info.label(index), job.id, _result(job, results.get(job.id)))
        for index, job in enumerate(jobs)
    ]
    return "\n".join([*lines, *table_text((), rows, frozenset(), None).splitlines()])


def _table(one: Matrix, jobs: Sequence[JobSnapshot]) -> list[str]:
    rows = [
        (label, *(", ".join(f"{jobs[at].id} {_kind(jobs[at])}" for at in cell) for cell in cells))
        for label, cells in zip(one.rows, one.cells, strict=True)
    ]
    table = table_text((one.corner, *one.columns), rows, frozenset(), None).splitlines()
    return ["", *filter(None, [one.title]), *table, ""]


def _result(job: JobSnapshot, line: str | None) -> str:
    if line is not None:
        return job_text.one_line(line)
    return state(job) if job.status != "completed" else job_text.one_line(Path(job.target).name)


def started_at(jobs: Iterable[JobSnapshot]) -> float:
    """Return when the first job was created, in seconds since the epoch."""
    return min((job.created_at for job in jobs), default=0.0)


def lasted(jobs: Sequence[JobSnapshot], now: float) -> str:
    """Return the time from the creation of the first job to `now` or the last job's end."""
    ends = [job.completed_at for job in jobs if job.ended and job.completed_at is not None]
    end = max(ends) if len(ends) == len(jobs) and ends else now
    return job_text.elapsed(end - started_at(jobs))
