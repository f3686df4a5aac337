"""Reads and writes the library: jobs and their owners, sweeps, and how long jobs took.

Every job is written before it is sent. Each change is one transaction.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from ipyreel.jobs.database import Database, Identity, readable, storable
from ipyreel.jobs.loop import process_ends
from ipyreel.jobs.owners import SessionClosed, Sighting, end_owner, is_alive, lost, new_owner
from ipyreel.jobs.query import ORDERS, Query
from ipyreel.jobs.rows import (
    ACTIVE,
    COLUMNS,
    COUNTS,
    FIELDS,
    PRICE,
    from_row,
    to_json,
    to_row,
    usd_of,
)
from ipyreel.jobs.schedule import Lesson
from ipyreel.values import JobSnapshot, Money, SavedSweep, SweepItem

LEASE = 30.0
"""Seconds after its last write or heartbeat in which nobody can have taken a kernel's jobs over."""

_INSERT = (
    f"INSERT INTO jobs ({', '.join(COLUMNS)}, owner)"  # noqa: S608 - our own names
    f" VALUES ({', '.join(':' + name for name in COLUMNS)}, :owner)"
)
_RESTORE = _INSERT.replace("INSERT", "INSERT OR IGNORE", 1)
_UPDATE = (
    "UPDATE jobs SET "  # noqa: S608 - our own names
    + ", ".join(f"{name} = :{name}" for name in COLUMNS if name != "id")
    + " WHERE id = :id AND owner = :owner"
)
_MARK_SENT = (
    _UPDATE.replace(" WHERE", ", sender = :owner WHERE", 1)
    + " AND sent_at IS NULL AND remote_id IS NULL"
)
_SIGHTING = (
    "SELECT jobs.owner, kernels.beat, jobs.heartbeat FROM jobs"
    " LEFT JOIN kernels ON kernels.owner = jobs.owner WHERE id = ?"
)
_BEAT = "INSERT OR REPLACE INTO kernels VALUES (?, ?)"
Select = Callable[[Sequence[JobSnapshot]], Sequence[JobSnapshot]]
"""Returns which of some new jobs to write; called in the transaction that writes them."""


class JobStore:
    """The library at `path`: jobs, their owners, sweeps, and how long jobs took.

    `owner` is the one who writes (None: this process). A job is written only while this owner
    has it; otherwise `OwnershipLost` is raised and nothing is written.
    """

    def __init__(
        self,
        path: Path,
        *,
        owner: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.database = Database(path, lambda: self.owner, self._leave)
        self.sealed = False
        """Whether the session has ended: nothing new is written, nothing is marked as sent."""
        self._monotonic = monotonic
        self._owner = os.getpid(), owner or new_owner()
        self._written_in: dict[str, Identity | None] = {}
        """The file in which each of our jobs was written last."""
        self._written_at = monotonic()
        self._taken: set[str] = set()
        """Jobs that were another kernel's in a file which was moved away."""
        self._beats = 0

    @property
    def owner(self) -> str:
        """The one who writes here; raises `SessionClosed` in a forked child, which is another."""
        pid, owner = self._owner
        if pid != os.getpid():
            raise SessionClosed(
                "This session belongs to the parent process.",
                hint="A forked process gets its own from ipyreel's functions.",
            )
        return owner

    @property
    def ended(self) -> bool:
        """Whether the session has ended, or belongs to the parent of this forked process."""
        return self.sealed or self._owner[0] != os.getpid()

    @property
    def notice(self) -> str | None:
        """A sentence about a library that was damaged and moved aside, or None."""
        return self.database.notice

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self.database.close()

    def end(self) -> None:
        """Release all jobs of ours, and close the file for good."""
        self.sealed = True
        try:
            if self._written_in:
                self.release()
        finally:
            # If releasing them failed, this shows that nobody works on them.
            end_owner(self.owner)
            self.close()

    def insert(self, *jobs: JobSnapshot, select: Select | None = None) -> list[JobSnapshot]:
        """Write new jobs as ours: all of them or none; they are on disk when this returns.

        `select` returns which of the jobs to write. What it reads from this store cannot change
        before they are written; if it raises, nothing is written. Returns the jobs written.
        """
        self.require_open()

        def work(connection: sqlite3.Connection) -> list[JobSnapshot]:
            chosen = list(jobs if select is None else select(jobs))
            rows = [{**to_row(job), "owner": self.owner} for job in chosen]
            connection.executemany(_INSERT, rows)
            return chosen

        written = self.database.change(work)
        self._note_written(*(job.id for job in written))
        return written

    def save(self, job: JobSnapshot) -> None:
        """Write the current state of a job of ours."""
        self._update(job, _UPDATE)

    def rename(self, job_id: str, target: str) -> bool:
        """Record a new path for the file of an ended job; False if the job has not ended."""
        free = f"coalesce(owner, '') IN ('', ?) AND NOT {ACTIVE}"
        query = f"UPDATE jobs SET target = ? WHERE id = ? AND {free}"  # noqa: S608
        return bool(self.database.write(query, (target, job_id, self.owner)))

    def mark_sent(self, job: JobSnapshot) -> None:
        """Record that the POST of a job of ours is about to be sent.

        Raises `OwnershipLost` if another kernel has the job or it was sent before: then nothing
        may be sent.
        """
        self.require_open()
        self._update(job, _MARK_SENT)

    def is_sending(self, job_id: str) -> bool | None:
        """Return whether a living other kernel marked a job as sent: its POST may still arrive.

        None: that kernel cannot be seen from here.
        """
        rows = self.database.rows("SELECT sender FROM jobs WHERE id = ?", (job_id,))
        sender = rows[0][0] if rows else None
        return False if sender in {None, self.owner} else is_alive(sender)

    def _update(self, job: JobSnapshot, statement: str) -> None:
        row = {**to_row(job), "owner": self.owner}

        def work(connection: sqlite3.Connection) -> None:
            if connection.execute(statement, row).rowcount:
                return
            # The row is missing, and this is not the file it was written to last: that file was
            # moved aside, and the job continues in the new one. Not after a long silence, in
            # which another kernel may have taken it over there.
            moved = self._written_in.get(job.id) not in {None, self.database.identity}
            sure = self._monotonic() - self._written_at < LEASE
            ours = moved and sure and job.id not in self._taken
            if not (ours and connection.execute(_RESTORE, row).rowcount):
                raise lost(job.id)

        self.database.change(work)
        self._note_written(job.id)

    def _leave(self, connection: sqlite3.Connection) -> None:
        found = connection.execute("SELECT id FROM jobs WHERE owner IS NOT ?", (self.owner,))
        self._taken.update(job_id for (job_id,) in found)

    def _note_written(self, *job_ids: str) -> None:
        self._written_in.update(dict.fromkeys(job_ids, self.database.identity))
        self._taken.difference_update(job_ids)
        self._written_at = self._monotonic()

    def require_open(self) -> None:
        """Raise `SessionClosed` if nothing may be started or sent any more."""
        if self.sealed or (self.owner and process_ends()):
            raise SessionClosed(
                "This session was closed: it sends nothing any more.",
                hint="Run the cell again; it opens a new session.",
            )

    def get(self, job_id: str) -> JobSnapshot | None:
        """Return one job by its id, or None."""
        rows = self._select("WHERE id = ?", (job_id,))
        return rows[0] if rows else None

    def matching(self, word: str) -> list[JobSnapshot]:
        """Return the jobs whose id begins with `word`, or whose remote id is `word`."""
        # No LIKE: it refuses long patterns.
        where = "WHERE substr(id, 1, length(?)) = ? OR remote_id = ?"
        return self._select(where + " ORDER BY created_at DESC LIMIT 20", (word, word, word))

    def newest(self, limit: int = 50) -> list[JobSnapshot]:
        """Return the newest jobs first."""
        return self._select("ORDER BY created_at DESC LIMIT ?", (limit,))

    def page(self, query: Query) -> tuple[list[JobSnapshot], int]:
        """Return one page of a query's jobs, and how many jobs match in total."""
        where, values = query.where()
        total = self.database.rows(f"SELECT count(*) FROM jobs {where}", values)[0][0]  # noqa: S608
        page = f"{where} ORDER BY {ORDERS[query.order]}, id LIMIT ? OFFSET ?"
        return self._select(page, (*values, query.limit, query.offset)), int(total)

    def makers(self) -> list[tuple[str, str | None]]:
        """Return each provider and model that has a job."""
        rows = self.database.rows("SELECT DISTINCT provider, model FROM jobs ORDER BY 1, 2")
        return [(provider, model) for provider, model in rows]

    def in_flight(self) -> list[JobSnapshot]:
        """Return the jobs that have not ended, oldest first."""
        return self._select(f"WHERE {ACTIVE} ORDER BY created_at")

    def failed(self) -> list[JobSnapshot]:
        """Return the failed jobs that a server had accepted, oldest first."""
        return self._select("WHERE status = 'failed' AND remote_id IS NOT NULL ORDER BY created_at")

    def equal(self, fingerprint: str) -> list[JobSnapshot]:
        """Return the active, completed and ready jobs with this fingerprint, the newest first.

        Jobs from datasets are left out: their data about videos cannot be trusted.
        """
        done = "(status = 'completed' OR (status = 'failed' AND ready))"
        good = f"({ACTIVE} OR (sent_at IS NOT NULL AND {done}))"
        return self._select(
            f"WHERE fingerprint = ? AND {good} ORDER BY created_at DESC", (fingerprint,)
        )

    def with_video(self, sha256: str) -> str | None:
        """Return the id of the oldest job whose file has this SHA-256, or None."""
        query = "SELECT id FROM jobs WHERE instr(file, ?) ORDER BY created_at LIMIT 1"
        rows = self.database.rows(query, (sha256,))
        return rows[0][0] if rows else None

    def knows_remote(self, provider: str, remote_id: str) -> bool:
        """Return whether the library already has this job of the server."""
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
        """Store how long an ended job took."""
        row = (provider, model, lesson.took, json.dumps(lesson.trail))
        query = "INSERT INTO lessons (provider, model, took, trail) VALUES (?, ?, ?, ?)"
        self.database.write(query, row)

    def lessons(self, provider: str, model: str | None, limit: int) -> tuple[Lesson, ...]:
        """Return how long the last jobs of this provider and model took, the newest first."""
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
        """Return the cost of jobs sent since then, including waiting and active jobs.

        A job that failed at its server counts only if the server named a cost; one that waits in
        a running kernel counts regardless of its age. The ids in `besides` do not count.
        """
        unsent = f"{ACTIVE} AND sent_at IS NULL AND remote_id IS NULL"
        owners = self.database.rows(f"SELECT DISTINCT owner FROM jobs WHERE {unsent}")  # noqa: S608
        waiting = [owner for (owner,) in owners if owner is not None and is_alive(owner)]
        rows = self.database.rows(
            "SELECT coalesce(sum(micros), 0), coalesce(sum(micros) FILTER (WHERE active), 0),"  # noqa: S608 - our own names
            " count(*) FILTER (WHERE micros IS NULL) FROM ("
            f" SELECT {PRICE} AS micros, {ACTIVE} AS active FROM jobs"
            f" WHERE (created_at >= ? OR sent_at >= ? OR ({unsent}"
            f" AND owner IN (SELECT value FROM json_each(?)))) AND {COUNTS}"
            " AND id NOT IN (SELECT value FROM json_each(?))"
            " UNION ALL SELECT micros, 0 FROM deleted_costs WHERE sent_at >= ?)",
            (since, since, json.dumps(waiting), json.dumps(list(besides)), since),
        )
        total, active, unpriced = rows[0]
        return Money(usd=usd_of(total), reserved=usd_of(active), unpriced=int(unpriced))

    def costs(self) -> list[tuple[str, str, str, int, Decimal, int]]:
        """Return what was spent: day (local), provider, model, jobs, USD, jobs without a price.

        Counts the jobs that were sent, as `spent` does; the newest day comes first.
        """
        rows = self.database.rows(
            "SELECT date(created_at, 'unixepoch', 'localtime') AS day, provider,"  # noqa: S608
            f" coalesce(model, ''), count(*), coalesce(sum({PRICE}), 0),"
            f" count(*) FILTER (WHERE {PRICE} IS NULL) FROM jobs"
            f" WHERE sent_at IS NOT NULL AND {COUNTS} GROUP BY 1, 2, 3 ORDER BY 1 DESC, 2, 3"
        )
        return [(*row[:4], usd_of(row[4]), row[5]) for row in rows]

    # ---- owners

    def sighting(self, job_id: str) -> Sighting | None:
        """Return the owner of a job and its last heartbeat; None: there is no such job."""
        rows = self.database.rows(_SIGHTING, (job_id,))
        return Sighting(owner=rows[0][0], beat=rows[0][1], heartbeat=rows[0][2]) if rows else None

    def claim(
        self,
        job_id: str,
        *,
        silent: Sighting | None = None,
        take: bool = False,
        check: Callable[[], object] = bool,
    ) -> bool:
        """Try to make a job ours; return whether it is ours now.

        It is taken if nobody has it, if its owner's process has ended, or if its owner has
        given no heartbeat since `silent` (which was watched for long enough); `take`: from any
        owner, whose later writes then change nothing. If `check` raises, it is not taken; what
        `check` reads from this store cannot change before it is.
        """
        self.require_open()

        def work(connection: sqlite3.Connection) -> bool:
            found = connection.execute(_SIGHTING, (job_id,)).fetchone()
            if found is None:
                return False
            check()
            owner, beat, heartbeat = found
            now = Sighting(owner=owner, beat=beat, heartbeat=heartbeat)
            free = owner in {None, self.owner} or take or now == silent
            if not free and is_alive(owner) is not False:
                return False
            connection.execute("UPDATE jobs SET owner = ? WHERE id = ?", (self.owner, job_id))
            return True

        claimed = self.database.change(work)
        if claimed:
            self._note_written(job_id)
        return claimed

    def beat(self) -> set[str]:
        """Write a heartbeat; return the ids of the jobs that are ours."""

        def work(connection: sqlite3.Connection) -> set[str]:
            # Counted here: if a new file replaces the library, a count that starts again
            # would look like silence.
            self._beats += 1
            connection.execute(_BEAT, (self.owner, self._beats))
            found = connection.execute("SELECT id FROM jobs WHERE owner = ?", (self.owner,))
            return {job_id for (job_id,) in found}

        ours = self.database.change(work)
        if ours:
            # Known to be ours now: a job may run for hours with nothing new to write.
            self._note_written(*ours)
        return ours

    def part(self, job_id: str) -> dict[str, Any] | None:
        """Return what `keep_part` stored about a job's part file, or None."""
        rows = self.database.rows("SELECT record FROM parts WHERE job = ?", (job_id,))
        return json.loads(rows[0][0]) if rows else None

    def keep_part(self, job_id: str, record: dict[str, Any] | None) -> None:
        """Store which file a job of ours downloads into; None deletes the record."""
        ours = "(SELECT id FROM jobs WHERE id = ? AND owner = ?)"
        if record is None:
            self.database.write(f"DELETE FROM parts WHERE job = {ours}", (job_id, self.owner))  # noqa: S608
            return
        kept = self.database.write(
            f"INSERT OR REPLACE INTO parts SELECT id, ? FROM {ours}",  # noqa: S608
            (json.dumps(record), job_id, self.owner),
        )
        if not kept:
            raise lost(job_id)

    def release(self, job_id: str | None = None) -> None:
        """Release a job of ours, or all of them, so that any kernel may take it."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE jobs SET owner = NULL, heartbeat = NULL"
                " WHERE owner = ? AND id = coalesce(?, id)",
                (self.owner, job_id),
            )
            if job_id is None:
                connection.execute(
                    "DELETE FROM kernels WHERE owner NOT IN"
                    " (SELECT owner FROM jobs WHERE owner IS NOT NULL)"
                )

        self.database.change(work)

    def delete(self, job_id: str) -> None:
        """Delete a job of ours, but not its cost; its file is not touched."""

        def work(connection: sqlite3.Connection) -> None:
            ours = job_id, self.owner
            connection.execute(
                f"INSERT OR REPLACE INTO deleted_costs SELECT id, max(sent_at, created_at), {PRICE}"  # noqa: S608 - our own names
                f" FROM jobs WHERE id = ? AND owner = ? AND sent_at IS NOT NULL AND {COUNTS}",
                ours,
            )
            if connection.execute("DELETE FROM jobs WHERE id = ? AND owner = ?", ours).rowcount:
                connection.execute("DELETE FROM places WHERE job = ?", (job_id,))
                connection.execute("DELETE FROM parts WHERE job = ?", (job_id,))

        self.database.change(work)

    # ---- sweeps

    def keep_sweep(self, sweep: SavedSweep) -> None:
        """Write which jobs are a sweep. If a kernel ends before, its jobs belong to no sweep."""
        row = (sweep.id, sweep.prompt, sweep.columns, sweep.created_at)
        items = [
            (
                sweep.id,
                at,
                item.job,
                item.label,
                to_json(dict(item.differs)),
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

    def put_in_place(self, new: str, old: str) -> None:
        """Replace a failed job by its retry in all sweeps."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE places SET job = ? WHERE job = ?", (new, old))

        self.database.change(work)

    def sweep(self, sweep_id: str) -> SavedSweep | None:
        """Return a sweep by its id, without its deleted jobs, or None."""
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
        """Return the id of the sweep for which each of these jobs was made, if there is one."""
        among = "job IN (SELECT value FROM json_each(?))"
        query = f"SELECT job, sweep FROM places WHERE NOT reused AND {among}"  # noqa: S608
        return dict(self.database.rows(query, (json.dumps(list(jobs)),)))

    def _select(self, where: str, values: Sequence[object] = ()) -> list[JobSnapshot]:
        query = f"SELECT {', '.join(FIELDS)} FROM jobs {where}"  # noqa: S608 - our own names
        return [from_row(row) for row in self.database.rows(query, values)]
