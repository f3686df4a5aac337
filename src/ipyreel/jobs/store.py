"""What the library knows: jobs, which kernel has each, sweeps, and how long jobs took.

Every job is written before it is sent. Each change is one transaction.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ipyreel.jobs.database import Database, Identity, readable, storable
from ipyreel.jobs.schedule import Lesson
from ipyreel.values import (
    ENDED,
    MICROS,
    Failure,
    JobSnapshot,
    JobStatus,
    Money,
    SavedSweep,
    SweepItem,
    VideoFile,
    VideoRequest,
)

IN_FLIGHT: tuple[JobStatus, ...] = (
    "submitting",
    "queued",
    "in_progress",
    "downloading",
    "unknown",
)

STALE = 30.0
"""Seconds without a heartbeat after which a kernel is taken to have abandoned its jobs."""

AT_ONCE = 500
"""Ids in one query: some builds of SQLite take 999 values."""

ORDERS: Mapping[str, str] = MappingProxyType(
    {
        "newest": "created_at DESC",
        "oldest": "created_at",
        "prompt": "lower(prompt), created_at DESC",
        "dearest": "coalesce(cost_micros, estimate_micros, 0) DESC, created_at DESC",
    }
)
"""The orders by name, and what they are in SQL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which jobs to list, in what order, and which page of them.

    What is empty or None does not narrow the search.

    `text`: words that are all in the prompt, in any case (of ASCII letters). `since` and
    `until` are in seconds since the epoch; `order` is a name in `ORDERS`.
    """

    text: str = ""
    provider: str | None = None
    model: str | None = None
    states: tuple[JobStatus, ...] = ()
    since: float | None = None
    until: float | None = None
    order: str = "newest"
    limit: int = 12
    offset: int = 0

    def where(self) -> tuple[str, tuple[object, ...]]:
        """Return the condition as SQL and the values for its placeholders."""
        parts = list(self._conditions())
        text = " AND ".join(part for part, _ in parts)
        values = tuple(value for _, some in parts for value in some)
        return (f"WHERE {text}" if text else "", values)

    def _conditions(self) -> Iterator[tuple[str, tuple[object, ...]]]:
        for word in self.text.split():
            yield "instr(lower(prompt), lower(?)) > 0", (word,)
        for name, value in (("provider", self.provider), ("model", self.model)):
            if value is not None:
                yield f"{name} = ?", (value,)
        if self.states:
            yield f"status IN ({', '.join('?' * len(self.states))})", self.states
        if self.since is not None:
            yield "created_at >= ?", (self.since,)
        if self.until is not None:
            yield "created_at < ?", (self.until,)


COLUMNS = (
    "id",
    "provider",
    "base_url",
    "model",
    "prompt",
    "request",
    "fingerprint",
    "status",
    "remote_id",
    "raw_status",
    "progress",
    "ready",
    "received",
    "total",
    "note",
    "failure",
    "estimate_micros",
    "cost_micros",
    "target",
    "file",
    "created_at",
    "sent_at",
    "updated_at",
    "completed_at",
    "expires_at",
)
"""The columns of a job, but for who has it and the server's last answer."""

FIELDS = tuple(name for name in COLUMNS if name not in {"model", "prompt", "fingerprint"})
"""The columns that a job is read from: those three are for searching, and in the request."""

_INSERT = (
    f"INSERT INTO jobs ({', '.join(COLUMNS)}, owner, heartbeat)"  # noqa: S608 - our own names
    f" VALUES ({', '.join(':' + name for name in COLUMNS)}, :owner, :heartbeat)"
)
_UPDATE = (
    "UPDATE jobs SET "  # noqa: S608 - our own names
    + ", ".join(f"{name} = :{name}" for name in COLUMNS if name != "id")
    + ", answer = coalesce(:answer, answer) WHERE id = :id"
)
_SELECTED = ", ".join(FIELDS)

_COUNTS = (
    "(status NOT IN ('failed', 'cancelled') OR cost_micros IS NOT NULL"
    " OR (status = 'failed' AND ready = 1) OR (status = 'cancelled' AND sent_at IS NOT NULL))"
)
"""Which jobs cost something, or may: not those that failed before there was a video."""

Select = Callable[[Sequence[JobSnapshot]], Sequence[JobSnapshot]]
"""Returns which of some new jobs to write; called in the transaction that writes them."""

_scan = json.JSONDecoder().raw_decode
"""What `json.loads` does in the end, for texts that begin with their value, as ours do.

Looking for spaces around it takes an eighth of the time in which a list of jobs is read.
"""


def owner_name(token: str) -> str:
    """Name this process as an owner of jobs: host, process id and a token of its own."""
    return f"{socket.gethostname()}:{os.getpid()}:{token}"


class JobStore:
    """The library at `path`: jobs, who has them, which are a sweep, what they taught."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = Database(path)
        self._alive: tuple[str | None, float | None] = None, None
        """Who this kernel is to the library, and its last heartbeat."""
        self._written_in: dict[str, Identity | None] = {}
        """In which file the row of each active job was written last."""

    @property
    def notice(self) -> str | None:
        """A sentence on a library that was damaged and moved aside, or None."""
        return self.database.notice

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self.database.close()

    def insert(
        self, *jobs: JobSnapshot, owner: str, now: float, select: Select | None = None
    ) -> list[JobSnapshot]:
        """Write new jobs, claimed by `owner`: all of them or none; on disk when this returns.

        `select` returns which of the jobs to write. What it reads from this store cannot change
        before they are written; when it raises, nothing is written. Returns the jobs written.
        """
        self._alive = owner, now

        def work(connection: sqlite3.Connection) -> list[JobSnapshot]:
            chosen = list(jobs if select is None else select(jobs))
            rows = [{**to_row(job), "owner": owner, "heartbeat": now} for job in chosen]
            connection.executemany(_INSERT, rows)
            self._written_in.update(dict.fromkeys((j.id for j in chosen), self.database.identity))
            return chosen

        return self.database.change(work)

    def save(self, job: JobSnapshot, *, answer: object = None) -> None:
        """Write how a job stands now, and the server's last answer where there is one."""
        text = None if answer is None else json.dumps(answer, ensure_ascii=False, default=str)
        row = {**to_row(job), "answer": storable(text)}

        def work(connection: sqlite3.Connection) -> None:
            here, before = self.database.identity, self._written_in.get(job.id)
            if not connection.execute(_UPDATE, row).rowcount and before not in {None, here}:
                # Its row is in the file that was moved aside while the job was active.
                owner, now = self._alive
                connection.execute(_INSERT, {**row, "owner": owner, "heartbeat": now})
            self._written_in[job.id] = here

        self.database.change(work)

    def get(self, job_id: str) -> JobSnapshot | None:
        """Return one job by its id, or None."""
        rows = self._select("WHERE id = ?", (job_id,))
        return rows[0] if rows else None

    def matching(self, word: str) -> list[JobSnapshot]:
        """Return the jobs whose id begins with `word`, or whose remote id is `word`."""
        # No LIKE: it refuses long patterns.
        where = "WHERE substr(id, 1, length(?)) = ? OR remote_id = ?"
        return self._select(where + " ORDER BY created_at DESC LIMIT 20", (word, word, word))

    def newest(self, limit: int = 50, *, text: str = "") -> list[JobSnapshot]:
        """Return the newest jobs first, those with `text` in the prompt if it is given."""
        if not text:
            return self._select("ORDER BY created_at DESC LIMIT ?", (limit,))
        where = "WHERE instr(lower(prompt), lower(?)) > 0 ORDER BY created_at DESC LIMIT ?"
        return self._select(where, (text, limit))

    def page(self, query: Query) -> tuple[list[JobSnapshot], int]:
        """Return one page of what a query finds, and how many jobs it finds in all."""
        where, values = query.where()
        total = self.database.rows(f"SELECT count(*) FROM jobs {where}", values)[0][0]  # noqa: S608
        page = f"{where} ORDER BY {ORDERS[query.order]}, id LIMIT ? OFFSET ?"
        return self._select(page, (*values, query.limit, query.offset)), int(total)

    def makers(self) -> list[tuple[str, str | None]]:
        """Return each provider and model that made something, or was asked to."""
        rows = self.database.rows("SELECT DISTINCT provider, model FROM jobs ORDER BY 1, 2", ())
        return [(provider, model) for provider, model in rows]

    def in_flight(self) -> list[JobSnapshot]:
        """Return the jobs that have not ended, oldest first."""
        marks = ", ".join("?" * len(IN_FLIGHT))
        return self._select(f"WHERE status IN ({marks}) ORDER BY created_at", IN_FLIGHT)

    def undelivered(self) -> list[JobSnapshot]:
        """Return the jobs whose file the server has ready and the download failed."""
        return self._select("WHERE status = 'failed' AND ready = 1 ORDER BY created_at", ())

    def finished_like(
        self, fingerprint: str, *, besides: Collection[str] = ()
    ) -> JobSnapshot | None:
        """Return the newest completed job with this fingerprint, or None.

        Those whose ids are in `besides` do not count.
        """
        where = "WHERE fingerprint = ? AND status = 'completed' ORDER BY created_at DESC"
        rows = self._select(where, (fingerprint,))
        return next((job for job in rows if job.id not in besides), None)

    def active_like(self, fingerprint: str, *, besides: Collection[str] = ()) -> JobSnapshot | None:
        """Return the newest job with this fingerprint that has not ended, or None."""
        marks = ", ".join("?" * len(IN_FLIGHT))
        where = f"WHERE fingerprint = ? AND status IN ({marks}) ORDER BY created_at DESC"
        rows = self._select(where, (fingerprint, *IN_FLIGHT))
        return next((job for job in rows if job.id not in besides), None)

    def knows_remote(self, provider: str, remote_id: str) -> bool:
        """Tell whether some job of the library already stands for this one of the server."""
        query = "SELECT 1 FROM jobs WHERE provider = ? AND remote_id = ? LIMIT 1"
        return bool(self.database.rows(query, (provider, remote_id)))

    def durations(self, provider: str, model: str | None, limit: int = 50) -> list[float]:
        """Return how many seconds the last completed jobs took, newest first."""
        rows = self.database.rows(
            "SELECT completed_at - sent_at FROM jobs WHERE provider = ? AND model IS ?"
            " AND status = 'completed' AND sent_at IS NOT NULL"
            " ORDER BY created_at DESC LIMIT ?",
            (provider, model, limit),
        )
        return [float(seconds) for (seconds,) in rows]

    def learn(self, provider: str, model: str | None, lesson: Lesson) -> None:
        """Keep what an ended job teaches about how long jobs take."""
        row = (provider, model, lesson.took, json.dumps(lesson.trail))
        query = "INSERT INTO lessons (provider, model, took, trail) VALUES (?, ?, ?, ?)"
        self.database.write(query, row)

    def lessons(self, provider: str, model: str | None, limit: int) -> tuple[Lesson, ...]:
        """Return what the last jobs of this provider and model taught, the newest first."""
        rows = self.database.rows(
            "SELECT took, trail FROM lessons WHERE provider = ? AND model IS ?"
            " ORDER BY id DESC LIMIT ?",
            (provider, model, limit),
        )
        return tuple(
            Lesson(took, tuple((age, progress) for age, progress in json.loads(trail)))
            for took, trail in rows
        )

    def spent(self, since: float, *, besides: Collection[str] = ()) -> Money:
        """Return what jobs sent since then cost, and what waiting and active jobs will cost.

        A job that failed without a file counts only if the server named a cost. The ids in
        `besides` do not count.
        """
        ended = ", ".join(f"'{status}'" for status in sorted(ENDED))
        skipped = ", ".join("?" * len(besides))
        rows = self.database.rows(
            "SELECT coalesce(sum(micros), 0), coalesce(sum(micros) FILTER (WHERE active), 0),"  # noqa: S608 - our own names
            " count(*) FILTER (WHERE micros IS NULL) FROM ("
            " SELECT coalesce(cost_micros, estimate_micros) AS micros,"
            f" status NOT IN ({ended}) AS active FROM jobs"
            f" WHERE (created_at >= ? OR sent_at >= ?) AND {_COUNTS} AND id NOT IN ({skipped})"
            " UNION ALL SELECT micros, 0 FROM deleted_costs WHERE sent_at >= ?)",
            (since, since, *besides, since),
        )
        total, active, unpriced = rows[0]
        return Money(usd=_usd(total), reserved=_usd(active), unpriced=int(unpriced))

    def costs(self) -> list[tuple[str, str, str, int, Decimal, int]]:
        """Return what was spent: day (local), provider, model, jobs, USD, jobs without a price.

        Counts the jobs that were sent, as `spent` does; the newest day comes first.
        """
        rows = self.database.rows(
            "SELECT date(created_at, 'unixepoch', 'localtime') AS day, provider,"  # noqa: S608
            " coalesce(model, ''), count(*),"
            " coalesce(sum(coalesce(cost_micros, estimate_micros)), 0),"
            " count(*) FILTER (WHERE coalesce(cost_micros, estimate_micros) IS NULL) FROM jobs"
            f" WHERE sent_at IS NOT NULL AND {_COUNTS} GROUP BY 1, 2, 3 ORDER BY 1 DESC, 2, 3",
            (),
        )
        return [(*row[:4], _usd(row[4]), row[5]) for row in rows]

    def answer(self, job_id: str) -> Any:
        """Return the server's last answer on a job as it came, or None."""
        rows = self.database.rows("SELECT answer FROM jobs WHERE id = ?", (job_id,))
        return json.loads(rows[0][0]) if rows and rows[0][0] else None

    def claim(self, job_id: str, *, owner: str, now: float) -> bool:
        """Take a job to poll it, unless another living kernel has it; tell whether it is ours."""
        query = "SELECT owner, heartbeat FROM jobs WHERE id = ?"
        self._alive = owner, now

        def work(connection: sqlite3.Connection) -> bool:
            found = connection.execute(query, (job_id,)).fetchone()
            if found is None or not _is_free(*found, owner=owner, now=now):
                return False
            connection.execute(
                "UPDATE jobs SET owner = ?, heartbeat = ? WHERE id = ?", (owner, now, job_id)
            )
            self._written_in[job_id] = self.database.identity
            return True

        return self.database.change(work)

    def beat(self, *, owner: str, now: float) -> None:
        """Say that `owner` is alive and still has its jobs."""
        self._alive = owner, now
        self.database.write("UPDATE jobs SET heartbeat = ? WHERE owner = ?", (now, owner))

    def release(self, *, owner: str, job_id: str | None = None) -> None:
        """Give a job back, or all that `owner` has, so that any kernel may take it."""
        self.database.write(
            "UPDATE jobs SET owner = NULL, heartbeat = NULL"
            " WHERE owner = ? AND id = coalesce(?, id)",
            (owner, job_id),
        )

    def part(self, job_id: str) -> dict[str, Any] | None:
        """Return what `keep_part` kept of a job's part file, or None."""
        rows = self.database.rows("SELECT record FROM parts WHERE job = ?", (job_id,))
        return json.loads(rows[0][0]) if rows else None

    def keep_part(self, job_id: str, record: dict[str, Any] | None) -> None:
        """Keep which file a job downloads into; None: forget it."""
        if record is None:
            self.database.write("DELETE FROM parts WHERE job = ?", (job_id,))
        else:
            self.database.write(
                "INSERT OR REPLACE INTO parts VALUES (?, ?)", (job_id, json.dumps(record))
            )

    def delete(self, job_id: str) -> None:
        """Forget a job; its file is not touched."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO deleted_costs"  # noqa: S608 - our own names
                " SELECT id, max(sent_at, created_at), coalesce(cost_micros, estimate_micros)"
                f" FROM jobs WHERE id = ? AND sent_at IS NOT NULL AND {_COUNTS}",
                (job_id,),
            )
            connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
            connection.execute("DELETE FROM places WHERE job = ?", (job_id,))
            connection.execute("DELETE FROM parts WHERE job = ?", (job_id,))

        self.database.change(work)

    # ---- sweeps

    def keep_sweep(self, sweep: SavedSweep) -> None:
        """Write which jobs are a sweep. A kernel that ends before leaves jobs that stand alone."""
        row = (sweep.id, sweep.prompt, sweep.columns, sweep.created_at)
        items = [
            (
                sweep.id,
                at,
                item.job,
                item.label,
                json.dumps(dict(item.differs), ensure_ascii=False, default=str),
                int(item.reused),
            )
            for at, item in enumerate(sweep.items)
        ]

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO sweeps VALUES (?, ?, ?, ?)", tuple(map(storable, row)))
            connection.executemany(
                "INSERT INTO places VALUES (?, ?, ?, ?, ?, ?)",
                [tuple(map(storable, item)) for item in items],
            )

        self.database.change(work)

    def sweep(self, sweep_id: str) -> SavedSweep | None:
        """Return a sweep by its id, without the jobs that were deleted since, or None."""
        rows = self.database.rows(
            "SELECT id, prompt, abreast, created_at FROM sweeps WHERE id = ?", (sweep_id,)
        )
        if not rows:
            return None
        items = self.database.rows(
            "SELECT job, label, differs, reused FROM places"
            " WHERE sweep = ? AND job IN (SELECT id FROM jobs) ORDER BY at",
            (sweep_id,),
        )
        return SavedSweep(
            id=rows[0][0],
            prompt=readable(rows[0][1]),
            columns=rows[0][2],
            created_at=rows[0][3],
            items=tuple(
                SweepItem(
                    job=job, label=readable(label), differs=json.loads(differs), reused=bool(reused)
                )
                for job, label, differs, reused in items
            ),
        )

    def sweeps_of(self, jobs: Collection[str]) -> dict[str, str]:
        """Return the id of the sweep for which each of these jobs was made, where there is one."""
        asked, found = tuple(jobs), dict[str, str]()
        for start in range(0, len(asked), AT_ONCE):
            some = asked[start : start + AT_ONCE]
            marks = ", ".join("?" * len(some))
            query = f"SELECT job, sweep FROM places WHERE NOT reused AND job IN ({marks})"  # noqa: S608
            found.update(self.database.rows(query, some))
        return found

    def _select(self, where: str, values: Sequence[object]) -> list[JobSnapshot]:
        query = f"SELECT {_SELECTED} FROM jobs {where}"  # noqa: S608 - our own names
        return [from_row(row) for row in self.database.rows(query, values)]


def _usd(micros: int) -> Decimal:
    return Decimal(micros) / MICROS


def _micros(usd: Decimal | None) -> int | None:
    return None if usd is None else round(usd * MICROS)


def _is_free(holder: str | None, beat: float | None, *, owner: str, now: float) -> bool:
    if holder is None or holder == owner or beat is None:
        return True
    return now - beat > STALE or _is_gone(holder)


def _is_gone(holder: str) -> bool:
    """Tell whether a kernel on this machine surely ended; elsewhere only its silence tells."""
    host, _, rest = holder.rpartition(":")[0].rpartition(":")
    if host != socket.gethostname() or os.name == "nt" or not rest.isdigit():
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def to_row(job: JobSnapshot) -> dict[str, object]:
    """Return the values of all columns, as SQLite takes them."""
    row: dict[str, object] = {
        name: getattr(job, name) for name in COLUMNS if hasattr(JobSnapshot, name)
    }
    row["model"] = job.request.model
    # This column is only for searching, and SQLite searches in text, not in bytes.
    row["prompt"] = job.request.prompt.encode("utf-8", "replace").decode()
    row["request"] = _json(job.request.to_dict())
    row["fingerprint"] = job.request.fingerprint(job.provider)
    row["ready"] = int(job.ready)
    row["estimate_micros"] = _micros(job.estimate)
    row["cost_micros"] = _micros(job.cost)
    row["failure"] = None if job.failure is None else _json(job.failure.to_dict())
    row["file"] = None if job.file is None else _json(asdict(job.file))
    return {name: storable(value) for name, value in row.items()}


def from_row(row: tuple[Any, ...]) -> JobSnapshot:
    """Return the job that the values of `FIELDS` stand for; images come without their pixels."""
    if bytes in map(type, row):
        row = tuple(map(readable, row))
    found = dict(zip(FIELDS, row, strict=True))
    found["request"] = VideoRequest.from_dict(_scan(found["request"])[0])
    if found["failure"]:
        found["failure"] = Failure(**_scan(found["failure"])[0])
    if found["file"]:
        found["file"] = VideoFile(**_scan(found["file"])[0])
    found["ready"] = bool(found["ready"])
    for name in ("estimate", "cost"):
        micros = found.pop(f"{name}_micros")
        found[name] = None if micros is None else _usd(micros)
    return JobSnapshot(**found)


def _json(value: object) -> str:
    # As it is, not as escapes: two escaped surrogates side by side come back as one character.
    return json.dumps(value, ensure_ascii=False, default=str)
