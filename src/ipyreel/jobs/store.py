"""The library: one SQLite file in which every job is written before it is sent.

May import `sqlite3`, `values`, `errors` and the rooms' own helpers. Any thread may call:
one connection behind one lock, every call short. Each change is one transaction.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from ipyreel.errors import StoreError
from ipyreel.jobs.groups import Groups
from ipyreel.jobs.migrations import migrate, unknown_steps
from ipyreel.jobs.query import ORDERS, Query
from ipyreel.jobs.rows import COLUMNS, from_row, storable, to_row
from ipyreel.jobs.schedule import Lesson
from ipyreel.values import JobSnapshot, JobStatus

IN_FLIGHT: tuple[JobStatus, ...] = (
    "submitting",
    "queued",
    "in_progress",
    "downloading",
    "unknown",
)

OPENING, PAUSE = 200, 0.05
"""How often, and how many seconds apart, opening is tried while another kernel opens too."""

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


_MAGIC = b"SQLite format 3\x00"

_INHERITED: list[sqlite3.Connection] = []
"""Connections that a forked process got from its parent; kept, so that none is closed."""


def owner_name(token: str) -> str:
    """Name this process as an owner of jobs: host, process id and a token of its own."""
    return f"{socket.gethostname()}:{os.getpid()}:{token}"


class Store(Groups):
    """The library at `path`, opened (and brought to today's shape) when first used.

    A file that cannot be read, or that a newer ipyreel wrote, is moved aside and never
    deleted; `notice` then holds a sentence that says so. Raises `StoreError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notice: str | None = None
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._pid = 0

    def insert(self, *jobs: JobSnapshot, owner: str, now: float) -> None:
        """Write new jobs, claimed by `owner`: all of them or none; on disk when this returns."""
        rows = [{**to_row(job), "owner": owner, "heartbeat": now} for job in jobs]
        with self._transaction() as connection:
            connection.executemany(_INSERT, rows)

    def save(self, job: JobSnapshot, *, answer: object = None) -> None:
        """Write how a job stands now, and the server's last answer where there is one."""
        text = None if answer is None else json.dumps(answer, ensure_ascii=False, default=str)
        with self._transaction() as connection:
            connection.execute(_UPDATE, {**to_row(job), "answer": storable(text)})

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
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO lessons (provider, model, took, trail) VALUES (?, ?, ?, ?)",
                tuple(map(storable, row)),
            )

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
        with self._transaction() as connection:
            found = connection.execute(
                "SELECT owner, heartbeat FROM jobs WHERE id = ?", (job_id,)
            ).fetchone()
            if found is None or not _is_free(*found, owner=owner, now=now):
                return False
            connection.execute(
                "UPDATE jobs SET owner = ?, heartbeat = ? WHERE id = ?", (owner, now, job_id)
            )
        return True

    def beat(self, *, owner: str, now: float) -> None:
        """Say that `owner` is alive and still has its jobs."""
        with self._transaction() as connection:
            connection.execute("UPDATE jobs SET heartbeat = ? WHERE owner = ?", (now, owner))

    def release(self, *, owner: str, job_id: str | None = None) -> None:
        """Give a job back, or all that `owner` has, so that any kernel may take it."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE jobs SET owner = NULL, heartbeat = NULL"
                " WHERE owner = ? AND id = coalesce(?, id)",
                (owner, job_id),
            )

    def delete(self, job_id: str) -> None:
        """Forget a job; its file is not touched."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
            connection.execute("DELETE FROM places WHERE job = ?", (job_id,))

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
                self._connection = None

    def _select(self, where: str, values: Sequence[object]) -> list[JobSnapshot]:
        query = f"SELECT {', '.join(COLUMNS)} FROM jobs {where}"  # noqa: S608 - our own names
        return [from_row(dict(zip(COLUMNS, row, strict=True))) for row in self._rows(query, values)]

    def _rows(self, query: str, values: Sequence[object]) -> list[Any]:
        with self._lock, _told(self.path):
            return self._open().execute(query, tuple(map(storable, values))).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _told(self.path):
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk may have rolled back already
                    connection.execute("ROLLBACK")
                raise

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._pid == os.getpid():
            return self._connection
        if self._connection is not None:
            # After a fork the parent's connection must not be used, nor closed, by the child.
            _INHERITED.append(self._connection)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection, self.notice = _open_or_move_aside(self.path)
        self._connection, self._pid = connection, os.getpid()
        return connection


def _open_or_move_aside(path: Path) -> tuple[sqlite3.Connection, str | None]:
    try:
        _refuse_foreign(path)
        return _connect(path), None
    except sqlite3.OperationalError:
        raise  # locked, read-only, disk full: nothing is wrong with the file itself
    except sqlite3.DatabaseError as error:
        reason = error
    aside = _move_aside(path)
    notice = f"The library {path} could not be read ({reason}); it was kept as {aside.name}."
    return _connect(path), notice


def _refuse_foreign(path: Path) -> None:
    # SQLite throws away the -wal beside a file that is empty or none of its own.
    if not path.exists():
        return
    with path.open("rb") as file:
        head = file.read(len(_MAGIC))
    wal = path.with_name(path.name + "-wal")
    left_behind = not head and wal.exists() and wal.stat().st_size > 0
    if left_behind or (head and head != _MAGIC):
        raise sqlite3.DatabaseError("it is no SQLite file")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        _switch_to_wal(connection)
        # FULL, though WAL does not need it to stay whole: a job that was paid for must
        # survive a power cut too.
        connection.execute("PRAGMA synchronous = FULL")
        _refuse_broken(connection)
        migrate(connection, time.time())
        _refuse_newer(connection)
    except BaseException:
        # Before it is moved aside: closing removes the -wal of that name, whosever it is.
        connection.close()
        raise
    return connection


def _refuse_broken(connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _refuse_newer(connection: sqlite3.Connection) -> None:
    if newer := unknown_steps(connection):
        raise sqlite3.DatabaseError(f"a newer ipyreel wrote it: {newer[-1]}")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # While another kernel creates the file, this is "locked" at once, whatever the timeout.
    left = OPENING
    while True:
        left -= 1
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or not left:
                raise
            time.sleep(PAUSE)
        else:
            return


def _move_aside(path: Path) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.name}.{stamp}.aside")
    count = 1
    while aside.exists():
        count += 1
        aside = path.with_name(f"{path.name}.{stamp}-{count}.aside")
    for ending in ("", "-wal", "-shm"):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(aside.with_name(aside.name + ending))
    return aside


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"The library {path} could not be used: {error}.",
            hint="Set IPYREEL_HOME to a folder you can write to, or free some space.",
        ) from error


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
