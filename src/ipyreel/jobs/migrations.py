"""The schema of the library, as an append-only list of steps.

A released step is never changed: older files are opened by running the steps that they lack.
The names of the steps that ran are kept in the file. A file with a step that is not in this
list was written by a newer ipyreel: it is refused and not changed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection

from ipyreel._version import __version__
from ipyreel.errors import StoreError

Step = Callable[[sqlite3.Connection], None]
STEPS: tuple[tuple[str, Step], ...]


def migrate(connection: sqlite3.Connection, now: float, seen: Collection[str] = ()) -> None:
    """Bring a library up to this version's schema, each step in its own transaction.

    `seen` are the steps that ran before.
    """
    missing = [one for one in STEPS if one[0] not in seen]
    if missing:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations"
            " (name TEXT PRIMARY KEY, applied_at REAL NOT NULL)"
        )
    for name, step in missing:
        _run(connection, name, step, now)


def refuse_newer(connection: sqlite3.Connection, path: object) -> list[str]:
    """Return the steps that ran in this library, without changing it.

    Raises `StoreError` if a newer ipyreel wrote it.
    """
    if not connection.execute("PRAGMA table_info(migrations)").fetchall():
        return []
    seen, known = _seen(connection), {name for name, _ in STEPS}
    newer = [name for name in seen if name not in known]
    if not newer:
        return seen
    package = _package(connection)
    by = f"ipyreel {package}" if package else "a newer ipyreel"
    raise StoreError(
        f"The library {path} was written by {by} (schema {newer[-1]}). This is ipyreel"
        f" {__version__} (schema {STEPS[-1][0]}), which cannot read it; the file was not changed.",
        hint="Upgrade: pip install --upgrade ipyreel (then restart the kernel), or set"
        " IPYREEL_HOME to another folder.",
    )


def _package(connection: sqlite3.Connection) -> str | None:
    """Return the version of the package that ran the last step, if the file has it."""
    if not _has_package(connection):
        return None
    rows = connection.execute(
        "SELECT package FROM migrations WHERE package IS NOT NULL ORDER BY name DESC LIMIT 1"
    ).fetchall()
    return rows[0][0] if rows else None


def _has_package(connection: sqlite3.Connection) -> bool:
    columns = connection.execute("PRAGMA table_info(migrations)").fetchall()
    return "package" in [name for _, name, *_ in columns]


def _seen(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT name FROM migrations ORDER BY name")]


def _run(connection: sqlite3.Connection, name: str, step: Step, now: float) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Looked up inside the transaction: another kernel may have been faster.
        if name not in _seen(connection):
            step(connection)
            row: dict[str, object] = {"name": name, "applied_at": now}
            if _has_package(connection):
                row["package"] = __version__
            marks = ", ".join("?" * len(row))
            connection.execute(
                f"INSERT INTO migrations ({', '.join(row)}) VALUES ({marks})",  # noqa: S608
                tuple(row.values()),
            )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk may have rolled back already
            connection.execute("ROLLBACK")
        raise


def _jobs(connection: sqlite3.Connection) -> None:
    connection.execute(
        """
        CREATE TABLE jobs (
            id TEXT PRIMARY KEY,
            provider TEXT NOT NULL,
            base_url TEXT,
            model TEXT,
            prompt TEXT NOT NULL,
            request TEXT NOT NULL,      -- JSON, in our words
            fingerprint TEXT NOT NULL,  -- equal for equal requests to one provider
            status TEXT NOT NULL,
            remote_id TEXT,
            raw_status TEXT NOT NULL DEFAULT '',
            progress REAL,
            ready INTEGER NOT NULL DEFAULT 0,
            received INTEGER,
            total INTEGER,
            note TEXT,
            failure TEXT,               -- JSON
            estimate REAL,              -- USD
            cost REAL,                  -- USD, where the server says it
            target TEXT NOT NULL,
            file TEXT,                  -- JSON
            answer TEXT,                -- the server's last answer as it came
            created_at REAL NOT NULL,   -- seconds since the epoch, like every time here
            sent_at REAL,
            updated_at REAL,
            completed_at REAL,
            expires_at REAL,
            owner TEXT,                 -- the kernel that polls it
            heartbeat REAL
        )
        """
    )
    connection.execute("CREATE INDEX jobs_created ON jobs (created_at)")
    connection.execute("CREATE INDEX jobs_status ON jobs (status)")
    connection.execute("CREATE INDEX jobs_fingerprint ON jobs (fingerprint)")
    connection.execute("CREATE INDEX jobs_remote ON jobs (provider, remote_id)")


def _lessons(connection: sqlite3.Connection) -> None:
    connection.execute(
        """
        CREATE TABLE lessons (
            id INTEGER PRIMARY KEY,
            provider TEXT NOT NULL,
            model TEXT,
            took REAL NOT NULL,         -- seconds from sending to the server's being done
            trail TEXT NOT NULL         -- JSON: pairs of seconds and progress
        )
        """
    )
    connection.execute("CREATE INDEX lessons_whose ON lessons (provider, model)")
    # Each new card asks how long a model takes: that must not scan all jobs.
    connection.execute("CREATE INDEX jobs_whose ON jobs (provider, model, created_at)")


def _sweeps(connection: sqlite3.Connection) -> None:
    connection.execute(
        """
        CREATE TABLE sweeps (
            id TEXT PRIMARY KEY,
            prompt TEXT,                -- the one all share, as it was typed
            abreast INTEGER NOT NULL,   -- how many jobs belong side by side
            created_at REAL NOT NULL
        )
        """
    )
    connection.execute(
        """
        CREATE TABLE places (
            sweep TEXT NOT NULL,
            at INTEGER NOT NULL,
            job TEXT NOT NULL,
            label TEXT NOT NULL,
            differs TEXT NOT NULL,      -- JSON: what sets the job apart
            reused INTEGER NOT NULL,    -- it was finished before, and cost nothing here
            PRIMARY KEY (sweep, at)
        )
        """
    )
    connection.execute("CREATE INDEX places_job ON places (job)")


def _money(connection: sqlite3.Connection) -> None:
    # Whole numbers, since sums of fractions are not exact. The old columns remain, unused:
    # SQLite before 3.35 cannot drop a column.
    for name in ("estimate", "cost"):
        connection.execute(f"ALTER TABLE jobs ADD COLUMN {name}_micros INTEGER")
        connection.execute(
            f"UPDATE jobs SET {name}_micros = CAST(round({name} * 1000000) AS INTEGER)"  # noqa: S608 - our own names
        )
    # What a deleted job cost, so that deleting one does not raise a budget.
    connection.execute(
        """
        CREATE TABLE deleted_costs (
            job TEXT PRIMARY KEY,
            sent_at REAL NOT NULL,
            micros INTEGER              -- NULL: no price is known
        )
        """
    )
    connection.execute("CREATE INDEX jobs_sent ON jobs (sent_at)")


def _parts(connection: sqlite3.Connection) -> None:
    # Kept here and not next to the part file: others may write into its folder.
    connection.execute("CREATE TABLE parts (job TEXT PRIMARY KEY, record TEXT NOT NULL)")


def _kernels(connection: sqlite3.Connection) -> None:
    connection.execute(
        """
        CREATE TABLE kernels (
            owner TEXT PRIMARY KEY,     -- as in jobs.owner
            beat INTEGER NOT NULL       -- counts up while the kernel runs
        )
        """
    )
    # A newer schema names the version that is needed to read it.
    connection.execute("ALTER TABLE migrations ADD COLUMN package TEXT")


def _opinions(connection: sqlite3.Connection) -> None:
    # Videos are named by the SHA-256 of their files: ids differ between libraries.
    connection.execute(
        """
        CREATE TABLE ratings (
            video TEXT NOT NULL,
            who TEXT NOT NULL,
            stars INTEGER,              -- 1 to 5
            note TEXT NOT NULL,
            tags TEXT NOT NULL,         -- JSON
            at REAL NOT NULL,
            PRIMARY KEY (video, who)
        )
        """
    )
    connection.execute(
        """
        CREATE TABLE votes (
            id TEXT PRIMARY KEY,        -- random: the same in every library
            left_video TEXT NOT NULL,
            right_video TEXT NOT NULL,
            winner TEXT NOT NULL,       -- left, right or tie
            who TEXT NOT NULL,
            at REAL NOT NULL,
            balanced INTEGER NOT NULL,  -- the pair was not chosen because of earlier votes
            undone INTEGER NOT NULL
        )
        """
    )
    connection.execute("CREATE INDEX votes_left ON votes (left_video)")


def _sender(connection: sqlite3.Connection) -> None:
    # The kernel that marked the job as sent; it may still be sending, even if another has the job.
    connection.execute("ALTER TABLE jobs ADD COLUMN sender TEXT")


def _slashes(connection: sqlite3.Connection) -> None:
    # When these jobs were made, a base URL with a trailing slash still got `/v1`.
    connection.execute("UPDATE jobs SET base_url = rtrim(base_url, '/') WHERE base_url LIKE '%/'")


STEPS = (
    ("0001_jobs", _jobs),
    ("0002_lessons", _lessons),
    ("0003_sweeps", _sweeps),
    ("0004_money", _money),
    ("0005_parts", _parts),
    ("0006_kernels", _kernels),
    ("0007_opinions", _opinions),
    ("0008_sender", _sender),
    ("0009_slashes", _slashes),
)
