"""The file of the library: opened when first used, checked when in doubt, never thrown away.

May import `sqlite3`, `errors` and the room's migrations. Any thread may call: one connection
behind one lock, every call short.

Looking through the whole file takes longer the more jobs are in it, so it is done when there
is a reason to: the file is not as the last kernel left it (which is noted beside it), changes
lie beside it that nobody brought in, or SQLite stumbles over it later on.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ipyreel.errors import StoreError
from ipyreel.jobs.migrations import migrate, refuse_newer
from ipyreel.jobs.rows import storable

T = TypeVar("T")
Identity = tuple[int, int]

log = logging.getLogger("ipyreel")

OPENING, PAUSE = 200, 0.05
"""How often, and how many seconds apart, opening is tried while another kernel opens too."""

TURNS = 4
"""How often a file is opened anew that is replaced meanwhile."""

_MAGIC = b"SQLite format 3\x00"

_INHERITED: list[sqlite3.Connection] = []
"""Connections that a forked process got from its parent; kept, so that none is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """An open file: `identity` tells whether the path still leads to it.

    `note` is what was noted of it when it was closed the last time, "" if it was in doubt.
    """

    path: Path
    connection: sqlite3.Connection
    identity: Identity | None
    note: str
    lock: threading.RLock
    pid: int

    def is_current(self) -> bool:
        return self.pid == os.getpid() and self.identity == _identity(self.path)

    def leave(self) -> None:
        """Close the file, and note how it was left if nobody else has it open."""
        if self.pid != os.getpid():
            # After a fork the parent's connection must not be used, nor closed, by the child.
            _INHERITED.append(self.connection)
            return
        # At the end of the process, a thread that hangs in SQLite must not hold it up.
        if self.lock.acquire(timeout=5):
            with contextlib.suppress(sqlite3.Error):
                self.connection.close()
            self.lock.release()
            if _looks(self.path) != self.note and self.identity == _identity(self.path):
                _note_as_whole(self.path)


class Database:
    """The SQLite file at `path`, opened (and brought to today's shape) when first used.

    A damaged file is moved aside and never deleted; `notice` then holds a sentence that says
    so, and `renewed` is true once that happened to a file that was in use here. A file that a
    newer ipyreel wrote is refused and not touched. Raises `StoreError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notice: str | None = None
        self.renewed = False
        self._lock = threading.RLock()
        self._file: _Open | None = None
        self._seen: Identity | None = None
        self._leave: Callable[[], object] | None = None

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            if self._leave is not None:
                self._leave()
            self._file = self._leave = None

    def _rows(self, query: str, values: Sequence[object]) -> list[Any]:
        values = tuple(map(storable, values))
        return self._attempt(lambda connection: connection.execute(query, values).fetchall())

    def _change(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do some work in one transaction; it is done again if the file turns out broken."""

        def whole(connection: sqlite3.Connection) -> T:
            connection.execute("BEGIN IMMEDIATE")
            try:
                done = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk may have rolled back already
                    with contextlib.suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                raise
            return done

        return self._attempt(whole)

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock, _told(self.path):
            try:
                return work(self._open())
            except sqlite3.DatabaseError as error:
                if not _says_broken(error):
                    raise
            self.close()
            with contextlib.suppress(OSError):
                # Should this kernel end now, the next one must look too.
                _note_of(self.path).unlink(missing_ok=True)
            return work(self._open(in_doubt=True))

    def _open(self, *, in_doubt: bool = False) -> sqlite3.Connection:
        if self._file is not None and self._file.is_current():
            return self._file.connection
        self.close()
        opened, notice = _open_or_move_aside(self.path, self._lock, in_doubt=in_doubt)
        if self._seen not in {None, opened.identity}:
            self.renewed = True
            notice = notice or f"The library {self.path} was moved away; a new one was begun."
        if notice:
            self.notice = notice
            log.warning("%s", notice)
        self._file, self._seen = opened, opened.identity
        # Kernels end without closing anything; without this, the next would find it in doubt.
        self._leave = weakref.finalize(self, opened.leave)
        return opened.connection


def _open_or_move_aside(
    path: Path, lock: threading.RLock, *, in_doubt: bool
) -> tuple[_Open, str | None]:
    notice: str | None = None
    for turn in range(TURNS):
        judged = _identity(path)
        if judged is None:
            path.parent.mkdir(parents=True, exist_ok=True)
        note = "" if in_doubt else _note_that_holds(path)
        try:
            if not note:
                _refuse_foreign(path)
            connection = _connect(path, whole=bool(note), in_doubt=in_doubt)
        except sqlite3.DatabaseError as error:
            if notice is not None or not _says_broken(error):
                raise
            aside = _move_aside(path, judged)
            kept = f"it was kept as {aside.name}" if aside else "another kernel kept it aside"
            notice = f"The library {path} could not be read ({error}); {kept}."
            continue
        identity = _identity(path)
        if judged in {None, identity} or turn == TURNS - 1:
            opened = _Open(
                path=path,
                connection=connection,
                identity=identity,
                note=note,
                lock=lock,
                pid=os.getpid(),
            )
            return opened, notice
        # It was replaced just now: what is open is not what the others see.
        connection.close()
    raise sqlite3.OperationalError("it is replaced again and again")


def _says_broken(error: sqlite3.DatabaseError) -> bool:
    # Its subclasses: locked, read-only, disk full, a wrong question. The file itself is well.
    return type(error) is sqlite3.DatabaseError


def _refuse_foreign(path: Path) -> None:
    # SQLite throws away the -wal beside a file that is empty or none of its own.
    if not path.exists():
        return
    with path.open("rb") as file:
        head = file.read(len(_MAGIC))
    left_behind = not head and _has_changes(path)
    if left_behind or (head and head != _MAGIC):
        raise sqlite3.DatabaseError("it is no SQLite file")


def _connect(path: Path, *, whole: bool, in_doubt: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        # First of all: nothing of a newer ipyreel's file is changed.
        refuse_newer(connection, path)
        _switch_to_wal(connection)
        # FULL, though WAL does not need it to stay whole: a job that was paid for must
        # survive a power cut too.
        connection.execute("PRAGMA synchronous = FULL")
        if in_doubt:
            _refuse_broken(connection, "integrity_check")
        elif not whole:
            _refuse_broken(connection, "quick_check")
        migrate(connection, time.time())
    except BaseException:
        # Before it is moved aside: closing removes the -wal of that name, whosever it is.
        connection.close()
        raise
    return connection


def _refuse_broken(connection: sqlite3.Connection, check: str) -> None:
    found = connection.execute(f"PRAGMA {check}(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(found.rpartition("\n")[2])  # the first line names "main"


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


# ---- how it was left ----------------------------------------------------------------------


def _identity(path: Path) -> Identity | None:
    """Tell one file from another that took its name."""
    try:
        found = os.stat(path)  # noqa: PTH116 - asked before each question; Path takes twice as long
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _has_changes(path: Path) -> bool:
    try:
        return os.stat(f"{path}-wal").st_size > 0  # noqa: PTH116 - as above
    except FileNotFoundError:
        return False


def _note_of(path: Path) -> Path:
    return path.with_name(path.name + ".checked")


def _looks(path: Path) -> str:
    try:
        found = os.stat(path)  # noqa: PTH116 - as above
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ino}"


def _note_that_holds(path: Path) -> str:
    """Return what was noted of a file that was closed in peace and is as it was then, or ""."""
    try:
        with open(f"{path}.checked", "rb") as file:  # noqa: PTH123 - as above
            note = file.read(99).decode("ascii")
        return note if note == _looks(path) and not _has_changes(path) else ""
    except (OSError, ValueError):
        return ""


def _note_as_whole(path: Path) -> None:
    # SQLite takes the -wal away when the last kernel closes.
    # A note that cannot be written costs the next kernel a look through the file.
    with contextlib.suppress(OSError):
        if not path.with_name(path.name + "-wal").exists():
            _note_of(path).write_text(_looks(path), "ascii")


# ---- moved aside --------------------------------------------------------------------------


def _move_aside(path: Path, judged: tuple[int, int] | None) -> Path | None:
    """Move a file and its companions away; None when another kernel was faster."""
    with _alone(path):
        if _identity(path) != judged:
            return None
        aside = _free_name(path)
        # Itself last: as long as it stands there, nobody begins a new one between the two.
        for ending in ("-wal", "-shm", ""):
            part = path.with_name(path.name + ending)
            if part.exists():
                part.rename(aside.with_name(aside.name + ending))
    return aside


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep the other kernels from moving the file too: they would move the new one."""
    # The lock is SQLite's own: it works everywhere, and ends with the process that has it.
    lock = sqlite3.connect(path.with_name(path.name + ".lock"), timeout=10, isolation_level=None)
    with contextlib.closing(lock):
        lock.execute("BEGIN EXCLUSIVE")
        yield


def _free_name(path: Path) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.name}.{stamp}.aside")
    count = 1
    while aside.exists():
        count += 1
        aside = path.with_name(f"{path.name}.{stamp}-{count}.aside")
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
