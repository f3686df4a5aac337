"""The library: one SQLite file in which every job is written before it is sent.

May import `sqlite3`, `values` and the room's own helpers; what is done to the file as such
is in `library.py`. Each change is one transaction.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from collections.abc import Collection, Sequence
from typing import Any

from ipyreel.jobs.groups import Groups
from ipyreel.jobs.query import ORDERS, Query
from ipyreel.jobs.rows import COLUMNS, FIELDS, from_row, storable, to_row
from ipyreel.jobs.schedule import Lesson
from ipyreel.values import JobSnapshot, JobStatus

IN_FLIGHT: tuple[JobStatus, ...] = (
    "submitting",
    "queued",
    "in_progress",
    "downloading",
    "unknown",
)

STALE = 30.0
"""Seconds without a heartbeat after which a kernel is taken to have left its jobs."""

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


def owner_name(token: str) -> str:
    """Name this process as an owner of jobs: host, process id and a token of its own."""
    return f"{socket.gethostname()}:{os.getpid()}:{token}"


class JobStore(Groups):
    """The library at `path` as what it knows: jobs, who has them, what they taught."""

    _alive: tuple[str | None, float | None] = (None, None)
    """Who this kernel is to the library, and its last sign of life."""

    def insert(self, *jobs: JobSnapshot, owner: str, now: float) -> None:
        """Write new jobs, claimed by `owner`: all of them or none; on disk when this returns."""
        rows = [{**to_row(job), "owner": owner, "heartbeat": now} for job in jobs]
        self._alive = owner, now
        self._change(lambda connection: connection.executemany(_INSERT, rows))

    def save(self, job: JobSnapshot, *, answer: object = None) -> None:
        """Write how a job stands now, and the server's last answer where there is one."""
        text = None if answer is None else json.dumps(answer, ensure_ascii=False, default=str)
        row = {**to_row(job), "answer": storable(text)}

        def work(connection: sqlite3.Connection) -> None:
            known = connection.execute(_UPDATE, row).rowcount
            if not known and self.renewed:
                # Its row is in the file that was moved aside while the job was in hand.
                owner, now = self._alive
                connection.execute(_INSERT, {**row, "owner": owner, "heartbeat": now})

        self._change(work)

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
        total = self._rows(f"SELECT count(*) FROM jobs {where}", values)[0][0]  # noqa: S608
        page = f"{where} ORDER BY {ORDERS[query.order]}, id LIMIT ? OFFSET ?"
        return self._select(page, (*values, query.limit, query.offset)), int(total)

    def makers(self) -> list[tuple[str, str | None]]:
        """Return each provider and model that made something, or was asked to."""
        rows = self._rows("SELECT DISTINCT provider, model FROM jobs ORDER BY 1, 2", ())
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

    def knows_remote(self, provider: str, remote_id: str) -> bool:
        """Tell whether some job of the library already stands for this one of the server."""
        query = "SELECT 1 FROM jobs WHERE provider = ? AND remote_id = ? LIMIT 1"
        return bool(self._rows(query, (provider, remote_id)))

    def durations(self, provider: str, model: str | None, limit: int = 50) -> list[float]:
        """Return how many seconds the last completed jobs took, newest first."""
        rows = self._rows(
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
        self._write(query, row)

    def lessons(self, provider: str, model: str | None, limit: int) -> tuple[Lesson, ...]:
        """Return what the last jobs of this provider and model taught, the newest first."""
        rows = self._rows(
            "SELECT took, trail FROM lessons WHERE provider = ? AND model IS ?"
            " ORDER BY id DESC LIMIT ?",
            (provider, model, limit),
        )
        return tuple(
            Lesson(took, tuple((age, progress) for age, progress in json.loads(trail)))
            for took, trail in rows
        )

    def spent(self, since: float) -> tuple[float, int]:
        """Return the USD spent on jobs sent since then, and how many have no known price."""
        rows = self._rows(
            "SELECT total(coalesce(cost, estimate)),"
            " count(*) FILTER (WHERE coalesce(cost, estimate) IS NULL) FROM jobs"
            " WHERE created_at >= ? AND sent_at IS NOT NULL AND status NOT IN ('failed')",
            (since,),
        )
        return float(rows[0][0]), int(rows[0][1])

    def costs(self) -> list[tuple[str, str, str, int, float, int]]:
        """Return what was spent: day (local), provider, model, jobs, USD, jobs without a price.

        Counts what `spent` counts; the newest day comes first.
        """
        return self._rows(
            "SELECT date(created_at, 'unixepoch', 'localtime') AS day, provider,"
            " coalesce(model, ''), count(*), total(coalesce(cost, estimate)),"
            " count(*) FILTER (WHERE coalesce(cost, estimate) IS NULL) FROM jobs"
            " WHERE sent_at IS NOT NULL AND status NOT IN ('failed')"
            " GROUP BY 1, 2, 3 ORDER BY 1 DESC, 2, 3",
            (),
        )

    def answer(self, job_id: str) -> Any:
        """Return the server's last answer on a job as it came, or None."""
        rows = self._rows("SELECT answer FROM jobs WHERE id = ?", (job_id,))
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
            return True

        return self._change(work)

    def beat(self, *, owner: str, now: float) -> None:
        """Say that `owner` is alive and still has its jobs."""
        self._alive = owner, now
        self._write("UPDATE jobs SET heartbeat = ? WHERE owner = ?", (now, owner))

    def release(self, *, owner: str, job_id: str | None = None) -> None:
        """Give a job back, or all that `owner` has, so that any kernel may take it."""
        self._write(
            "UPDATE jobs SET owner = NULL, heartbeat = NULL"
            " WHERE owner = ? AND id = coalesce(?, id)",
            (owner, job_id),
        )

    def delete(self, job_id: str) -> None:
        """Forget a job; its file is not touched."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
            connection.execute("DELETE FROM places WHERE job = ?", (job_id,))

        self._change(work)

    def _select(self, where: str, values: Sequence[object]) -> list[JobSnapshot]:
        query = f"SELECT {_SELECTED} FROM jobs {where}"  # noqa: S608 - our own names
        return [from_row(row) for row in self._rows(query, values)]

    def _write(self, query: str, values: Sequence[object]) -> None:
        stored = tuple(map(storable, values))
        self._change(lambda connection: connection.execute(query, stored))


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
