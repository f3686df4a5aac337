"""A library with 100,000 jobs, against sqlite3 by hand with the same schema.

By hand means: `sqlite3` with the same pragmas, rows made into plain dicts, the JSON in them read;
no check of the file, no migrations, no values of a class of its own.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ipyreel.jobs.query import Query
from ipyreel.jobs.rows import COLUMNS, to_row
from ipyreel.jobs.store import _INSERT, JobStore
from ipyreel.values import JobSnapshot, VideoFile, VideoRequest
from tests.benchmarks.table import Figure, say

WORDS = ("lighthouse", "retriever", "fog", "harbour", "tram", "meadow", "comet", "violin")
NEWEST = f"SELECT {', '.join(COLUMNS)} FROM jobs ORDER BY created_at DESC LIMIT 50"  # noqa: S608
ONE = f"SELECT {', '.join(COLUMNS)} FROM jobs WHERE id = 'v0000001'"  # noqa: S608
FOUND = (
    f"SELECT {', '.join(COLUMNS)} FROM jobs "  # noqa: S608
    "WHERE instr(lower(prompt), lower(?)) > 0 ORDER BY created_at DESC LIMIT 50"
)
NEEDLE = "needle"


def run(*, quick: bool) -> list[Figure]:
    """Fill two libraries alike, then ask both the same, by turns."""
    count, rounds = (10_000, 5) if quick else (100_000, 9)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "library.sqlite"
        _fill(path, count)
        say(f"{count} jobs, {path.stat().st_size / 2**20:.0f} MiB")
        return [
            _figure(
                f"open a library of {count} jobs", _opened(path), _by_hand_opened(path), rounds * 5
            ),
            *_asked(path, count, rounds),
        ]


def _job(number: int) -> JobSnapshot:
    word, other = WORDS[number % 8], WORDS[number // 8 % 8]
    prompt = f"A {word} and a {other} in the evening light, number {number}, wide shot"
    if number % 1000 == 1:
        prompt += f" with a {NEEDLE}"
    target = f"/home/somebody/videos/clip-{number}.mp4"
    return JobSnapshot(
        id=f"v{number:07d}",
        provider="apiyi",
        request=VideoRequest(prompt=prompt, model="m-1", seconds=8, size="1280x720"),
        status="completed",
        created_at=1.7e9 + number,
        target=target,
        remote_id=f"video_{number:032x}",
        sent_at=1.7e9 + number,
        completed_at=1.7e9 + number + 60,
        file=VideoFile(path=target, size=3_000_000, sha256="0" * 64, media_type="video/mp4"),
    )


def _fill(path: Path, count: int) -> None:
    store = JobStore(path)
    for start in range(0, count, 5000):
        store.insert(*map(_job, range(start, start + 5000)))
    store.release()
    store.close()


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _opened(path: Path) -> Callable[[], None]:
    def work() -> None:
        store = JobStore(path)
        store.get("v0000001")
        store.close()

    return work


def _by_hand_opened(path: Path) -> Callable[[], None]:
    def work() -> None:
        connection = _connect(path)
        for row in connection.execute(ONE):
            _read(row)
        connection.close()

    return work


def _asked(path: Path, count: int, rounds: int) -> list[Figure]:
    store, connection = JobStore(path), _connect(path)
    numbers = iter(range(count + 1, count + 10_000))

    def insert() -> None:
        store.insert(_job(next(numbers)))

    def insert_by_hand() -> None:
        connection.execute("BEGIN IMMEDIATE")
        row = {**to_row(_job(next(numbers))), "owner": "bench"}
        connection.execute(_INSERT, row)
        connection.execute("COMMIT")

    def save() -> None:
        store.save(replace(_job(7), note=f"{next(numbers)}"))

    def by_hand(query: str, *values: object) -> Callable[[], object]:
        return lambda: [_read(row) for row in connection.execute(query, values)]

    store.claim(_job(7).id)
    say("one state of a job saved:", f"{_seconds(save) * 1e3:.2f} ms")
    figures = [
        _figure("insert a job", insert, insert_by_hand, rounds * 5),
        _figure("list the newest 50", store.newest, by_hand(NEWEST), rounds * 5),
        _figure(
            "search all prompts for a word",
            lambda: store.page(Query(text=NEEDLE, limit=50)),
            by_hand(FOUND, NEEDLE),
            rounds,
        ),
    ]
    connection.close()
    store.close()
    return figures


def _read(row: tuple[Any, ...]) -> dict[str, Any]:
    """Make of a row what anybody would who wants to know its request and its file."""
    found = dict(zip(COLUMNS, row, strict=True))
    for name in ("request", "failure", "file"):
        found[name] = json.loads(found[name]) if found[name] else None
    return found


def _figure(
    what: str, ours: Callable[[], object], theirs: Callable[[], object], rounds: int
) -> Figure:
    ours()
    theirs()
    pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(rounds)]
    us, them = min(a for a, _ in pairs), min(b for _, b in pairs)
    return Figure(
        what=what,
        against="sqlite3 by hand, same schema",
        values=[a / b for a, b in pairs],
        reach=1.5,
        note=f"{us * 1e3:.2f} ms against {them * 1e3:.2f} ms",
    )


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
