"""The library's SQLite file: opened on first use, written in transactions, never deleted.

Any thread may call: one connection behind one lock, every call short. A file is moved aside only
if SQLite finds it damaged; a file that a newer ipyreel wrote is refused and not changed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ipyreel.errors import StoreError
from ipyreel.jobs import network
from ipyreel.jobs.migrations import migrate, refuse_newer
from ipyreel.jobs.owners import new_owner

T = TypeVar("T")
Identity = tuple[int, int]

log = logging.getLogger("ipyreel")

TIMEOUT = 10.0
"""Seconds to wait for another program that has the file locked."""

ATTEMPTS, PAUSE = 200, 0.05
"""How often, and how many seconds apart, opening is tried while another kernel opens the file."""

REPLACEMENTS = 4
"""How often a file that was replaced while it was opened is opened again."""

LARGEST = 2**63 - 1
"""The largest whole number that SQLite holds; no file has more bytes."""

_MAGIC = b"SQLite format 3\x00"

_INHERITED: list[sqlite3.Connection] = []
"""Connections that a forked process inherited; kept, so that none of them is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpenFile:
    """A connection, and the identity of its file, to detect that the path has another one."""

    connection: sqlite3.Connection
    identity: Identity | None
    pid: int


class Database:
    """The SQLite file at `path`, opened and brought up to date on first use.

    A damaged file is moved aside and never deleted; `notice` then holds a sentence that says
    so. Raises `StoreError`, also if a newer ipyreel wrote the file. `owner` names this kernel
    where it needs exclusive use of the file (`network`). `leave` is called with the connection
    to a file that was moved away, before it is closed.
    """

    def __init__(
        self,
        path: Path,
        owner: Callable[[], str] = new_owner,
        leave: Callable[[sqlite3.Connection], object] = bool,
    ) -> None:
        self.path = path
        self._owner = owner
        self._leave = leave
        self._mark: Path | None = None
        self.notice: str | None = None
        self.identity: Identity | None = None
        """The file that was used last: if the path has another one, that file was moved away."""
        self._lock = threading.RLock()
        self._file: _OpenFile | None = None

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            file, self._file = self._file, None
        if file is None:
            return
        if file.pid != os.getpid():
            # After a fork, the child must neither use nor close the parent's connection.
            _INHERITED.append(file.connection)
            return
        with contextlib.suppress(sqlite3.Error):
            file.connection.close()
        if self._mark is not None:
            mark, self._mark = self._mark, None
            mark.unlink(missing_ok=True)

    def rows(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """Return the rows of a query."""
        values = tuple(map(storable, values))
        return self._attempt(
            lambda connection: connection.execute(query, values).fetchall(), fresh=False
        )

    def change(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction; run it again if the file turns out to be damaged."""

        def transaction(connection: sqlite3.Connection) -> T:
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

        return self._attempt(transaction, fresh=True)

    def write(self, query: str, values: Sequence[object]) -> int:
        """Run one statement in its own transaction; return how many rows it changed."""
        values = tuple(map(storable, values))
        return self.change(lambda connection: connection.execute(query, values).rowcount)

    def _attempt(self, work: Callable[[sqlite3.Connection], T], *, fresh: bool) -> T:
        """Run `work`; `fresh`: only in the file that is at the path now."""
        with self._lock, _errors_of(self.path):
            try:
                return work(self._open(fresh=fresh))
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                judged = self.identity
                self.close()
                self._move_aside(judged, error)
            return work(self._open(fresh=True))

    def _open(self, *, fresh: bool) -> sqlite3.Connection:
        file = self._file
        # Checked before each change: a kernel must not write into a file that another kernel
        # found damaged and moved aside.
        current = not fresh or (file is not None and file.identity == identity_of(self.path))
        if file is not None and file.pid == os.getpid() and current:
            return file.connection
        if file is not None and file.pid == os.getpid():
            with contextlib.suppress(sqlite3.Error):
                self._leave(file.connection)
        self.close()
        before = self.identity
        self._file = self._open_current()
        self.identity = self._file.identity
        if before not in {None, self.identity} and self.notice is None:
            self._say(f"The library {self.path} was moved away; a new one was created.")
        return self._file.connection

    def _open_current(self) -> _OpenFile:
        for _ in range(REPLACEMENTS):
            judged = identity_of(self.path)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                _refuse_foreign(self.path)
                mount = network.mount_of(self.path.parent)
                if mount is not None and not network.locks_exclude(self.path, mount):
                    self._mark = network.take_alone(self.path, self._owner(), mount)
                connection = _connect(self.path, mount)
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._move_aside(judged, error)
                continue
            identity = identity_of(self.path)
            if judged in {None, identity}:
                return _OpenFile(connection=connection, identity=identity, pid=os.getpid())
            # It was replaced just now: the open file is not the one that others see.
            connection.close()
        raise sqlite3.OperationalError("another program keeps replacing it")

    def _move_aside(self, judged: Identity | None, error: sqlite3.DatabaseError) -> None:
        aside = move_aside(self.path, judged)
        kept = f"it was kept as {aside.name}" if aside else "another kernel kept it aside"
        self._say(f"The library {self.path} could not be read ({error}); {kept}.")

    def _say(self, notice: str) -> None:
        self.notice = notice
        log.warning("%s", notice)


def storable(value: object) -> object:
    """Return a value that SQLite accepts: text with lone surrogates (not UTF-8) as bytes."""
    if isinstance(value, int):
        return min(value, LARGEST)
    if not isinstance(value, str):
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")
    return value


def readable(value: Any) -> Any:
    """Return the text that `storable` converted to bytes; any other value unchanged."""
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


def _make_private(path: Path) -> None:
    """Let only the user read the library and its prompts. SQLite's other files copy its mode."""
    with contextlib.suppress(OSError):  # if it cannot be written, SQLite says so
        if path.exists():
            # Not opened: closing it would drop the locks that this process has on it.
            if path.stat().st_mode & 0o077:
                path.chmod(0o600)
        else:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _connect(path: Path, mount: network.Mount | None) -> sqlite3.Connection:
    _make_private(path)
    connection = sqlite3.connect(
        path, timeout=TIMEOUT, isolation_level=None, check_same_thread=False
    )
    try:
        # First of all: a newer ipyreel's file must not be changed.
        seen = refuse_newer(connection, path)
        if mount is None:
            _switch_to_wal(connection)
        else:
            network.leave_wal(connection, path, mount)
        # FULL, though WAL needs less to avoid damage: a job that was paid for must also
        # survive a power failure.
        connection.execute("PRAGMA synchronous = FULL")
        migrate(connection, time.time(), seen)
    except BaseException:
        # Before it is moved aside: closing removes the -wal of that name, even another file's.
        connection.close()
        raise
    return connection


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # While another kernel creates the file, this fails with "locked" at once, without the timeout.
    left = ATTEMPTS
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


def identity_of(path: Path) -> Identity | None:
    """Return what identifies a file, even if another one takes its name."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


# ---- damage -------------------------------------------------------------------------------


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    # Its subclasses mean: locked, read-only, disk full, a wrong query. The file is not damaged.
    return type(error) is sqlite3.DatabaseError


def _refuse_foreign(path: Path) -> None:
    # SQLite deletes the -wal of a file that is empty or not a database.
    if not path.exists():
        return
    with path.open("rb") as file:
        head = file.read(len(_MAGIC))
    wal = path.with_name(path.name + "-wal")
    emptied = not head and wal.exists() and wal.stat().st_size > 0
    if emptied or (head and head != _MAGIC):
        raise sqlite3.DatabaseError("it is not an SQLite file")


def move_aside(path: Path, judged: Identity | None) -> Path | None:
    """Move a file, its -wal and its -shm away; return None if another kernel was faster."""
    with _alone(path):
        if identity_of(path) != judged:
            return None
        aside = _free_name(path)
        # The file itself last: while it exists, nobody creates a new one in between.
        for ending in ("-wal", "-shm", ""):
            part = path.with_name(path.name + ending)
            if part.exists():
                part.rename(aside.with_name(aside.name + ending))
    return aside


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other kernels from moving the file, too: they would move the new one."""
    # SQLite's own lock: it works everywhere, and ends with the process that holds it.
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
def _errors_of(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        reason, hint = _explain(error)
        raise StoreError(f"The library {path} could not be used: {reason}.", hint=hint) from error


def _explain(error: Exception) -> tuple[str, str]:
    """Return the reason, and what to do, as a sentence each."""
    said = str(error)
    if "locked" in said:
        busy = f"another program has kept it locked for {TIMEOUT:.0f} s"
        return busy, "Try again; if it stays locked, end the other program that uses it."
    if "readonly" in said or isinstance(error, PermissionError):
        return "it is read-only for this user", "Set IPYREEL_HOME to a folder you can write to."
    return said, "Set IPYREEL_HOME to a folder you can write to, or free some space."
