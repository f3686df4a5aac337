"""The library's file: opened, migrated, damaged, newer, full, read-only."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ipyreel._version import __version__
from ipyreel.errors import StoreError
from ipyreel.jobs import database, migrations
from ipyreel.jobs.migrations import STEPS, migrate
from ipyreel.jobs.owners import OwnershipLost
from ipyreel.jobs.store import JobStore
from tests.jobs.fakes import make_job

FIRST_SHAPE = """
CREATE TABLE migrations (name TEXT PRIMARY KEY, applied_at REAL NOT NULL);
INSERT INTO migrations VALUES ('0001_jobs', 1.0);
CREATE TABLE jobs (
    id TEXT PRIMARY KEY, provider TEXT NOT NULL, base_url TEXT, model TEXT,
    prompt TEXT NOT NULL, request TEXT NOT NULL, fingerprint TEXT NOT NULL,
    status TEXT NOT NULL, remote_id TEXT, raw_status TEXT NOT NULL DEFAULT '',
    progress REAL, ready INTEGER NOT NULL DEFAULT 0, received INTEGER, total INTEGER,
    note TEXT, failure TEXT, estimate REAL, cost REAL, target TEXT NOT NULL, file TEXT,
    answer TEXT, created_at REAL NOT NULL, sent_at REAL, updated_at REAL,
    completed_at REAL, expires_at REAL, owner TEXT, heartbeat REAL
);
CREATE INDEX jobs_created ON jobs (created_at);
CREATE INDEX jobs_status ON jobs (status);
CREATE INDEX jobs_fingerprint ON jobs (fingerprint);
CREATE INDEX jobs_remote ON jobs (provider, remote_id);
INSERT INTO jobs (id, provider, model, prompt, request, fingerprint, status, remote_id,
    raw_status, failure, target, file, answer, created_at, sent_at, owner, heartbeat)
VALUES ('vold001', 'demo', 'm', 'a dog', '{"prompt": "a dog", "model": "m"}', 'f00d',
    'completed', 'r-1', 'SUCCESS', '{"message": "m"}', '/x/a.mp4',
    '{"path": "/x/a.mp4", "size": 3, "sha256": "ab", "media_type": "video/mp4"}',
    '{"id": "r-1"}', 5.0, 5.0, 'host:1:x', 5.0);
"""
"""The library as the first release wrote it, word for word: never changed here."""


TABLES = (
    "migrations",
    "jobs",
    "lessons",
    "sweeps",
    "places",
    "deleted_costs",
    "parts",
    "kernels",
    "ratings",
    "votes",
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "library.sqlite"


@pytest.fixture
def open_store(path):
    """Return a function that opens the library as one more kernel would."""
    opened: list[JobStore] = []

    def open_one() -> JobStore:
        opened.append(JobStore(path))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def run_sql(path, script):
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def schema(path):
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT type, name FROM sqlite_master").fetchall()
        columns = connection.execute("PRAGMA table_info(jobs)").fetchall()
    return set(rows), [(name, kind, notnull) for _, name, kind, notnull, *_ in columns]


def folder_of(path):
    return sorted(one.name for one in path.parent.iterdir() if one.name.startswith(path.name))


# ---- migrations ---------------------------------------------------------------------------


def test_steps_run_once_and_are_written_down(open_store):
    for _ in range(3):
        store = open_store()
        assert store.newest() == []
        names = store.database.rows("SELECT name FROM migrations", ())
        assert [name for (name,) in names] == [name for name, _ in STEPS]
        assert store.notice is None
        store.close()
    assert STEPS[0][0] == "0001_jobs"


def test_the_first_step_is_still_what_the_first_release_ran(tmp_path):
    run_sql(tmp_path / "then.sqlite", FIRST_SHAPE)
    with closing(sqlite3.connect(tmp_path / "now.sqlite", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE migrations (name TEXT PRIMARY KEY, applied_at REAL)")
        STEPS[0][1](connection)
    assert schema(tmp_path / "then.sqlite") == schema(tmp_path / "now.sqlite")


def test_a_file_of_the_first_release_is_read_and_written(path, open_store, tmp_path):
    run_sql(path, FIRST_SHAPE)
    store = open_store()
    old = store.get("vold001")
    assert (old.request.prompt, old.file.size, old.failure.message) == ("a dog", 3, "m")
    assert old.request.images == ()
    assert store.equal("f00d") == [old]
    assert store.claim("vold001") is False
    assert store.claim("vold001", silent=store.sighting("vold001"))
    store.save(replace(old, note="seen"))
    store.insert(make_job(tmp_path, id="vnew"))
    assert {job.id for job in store.newest()} == {"vold001", "vnew"}
    assert store.get("vold001").note == "seen"
    assert store.notice is None


def test_jobs_of_a_base_url_with_a_slash_stay_where_they_are(path, open_store, tmp_path):
    run_sql(path, FIRST_SHAPE)
    run_sql(path, "UPDATE jobs SET base_url = 'https://host/'")
    store = open_store()
    assert store.get("vold001").base_url == "https://host"
    store.insert(make_job(tmp_path, id="vnew", base_url="https://host/"))
    store.close()
    assert open_store().get("vnew").base_url == "https://host/"


def test_a_step_that_breaks_leaves_nothing_of_itself(path, monkeypatch):
    def half(connection):
        connection.execute("CREATE TABLE half (a)")
        connection.execute("no SQL at all")

    monkeypatch.setattr(migrations, "STEPS", (*STEPS, ("9999_half", half)))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            migrate(connection, 1.0)
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        assert {name for (name,) in tables} == set(TABLES)
        monkeypatch.setattr(migrations, "STEPS", (*STEPS, ("9999_whole", lambda _: None)))
        migrate(connection, 2.0)
        names = connection.execute("SELECT name, applied_at FROM migrations ORDER BY name")
        assert names.fetchall() == [*((name, 1.0) for name, _ in STEPS), ("9999_whole", 2.0)]


# ---- files that cannot be used ------------------------------------------------------------


NEWER = {
    "no package": "INSERT INTO migrations VALUES ('9999_marvel', 2.0, NULL);"
    "UPDATE migrations SET package = NULL",
    "package": "INSERT INTO migrations VALUES ('9999_marvel', 2.0, '7.5.1')",
}


@pytest.mark.parametrize("newer", NEWER)
def test_a_library_of_a_newer_ipyreel_is_refused_and_not_changed(path, open_store, tmp_path, newer):
    first = open_store()
    first.insert(make_job(tmp_path, id="v1"))
    first.close()
    run_sql(path, NEWER[newer])
    before = path.read_bytes()
    for attempt in (open_store().newest, lambda: open_store().save(make_job(tmp_path, id="v1"))):
        with pytest.raises(StoreError) as refused:
            attempt()
        text = str(refused.value)
        assert "schema 9999_marvel" in text
        assert f"This is ipyreel {__version__} (schema {STEPS[-1][0]})" in text
        assert ("ipyreel 7.5.1" in text) == (newer == "package")
        assert "pip install --upgrade ipyreel" in text
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.aside*"))


def test_a_newer_library_that_takes_the_place_of_an_open_one_is_refused(path, open_store, tmp_path):
    store = open_store()
    store.insert(make_job(tmp_path, id="v1"))
    there = tmp_path / "there.sqlite"
    with closing(JobStore(there)) as other:
        other.newest()
    run_sql(there, NEWER["no package"])
    database.move_aside(path, database.identity_of(path))
    there.rename(path)
    with pytest.raises(StoreError, match="pip install --upgrade"):
        store.save(make_job(tmp_path, id="v1"))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id FROM jobs").fetchall() == []


@pytest.mark.parametrize("content", [b"<html>not a database</html>" * 99, b"SQLite", b"\0" * 4096])
def test_something_else_in_its_place_is_kept_aside_with_its_companions(
    path, open_store, tmp_path, content
):
    path.write_bytes(content)
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).write_bytes(b"content of " + ending.encode())
    store = open_store()
    store.insert(make_job(tmp_path, id="v1"))
    assert store.get("v1") is not None
    aside = next(one for one in tmp_path.iterdir() if one.name.endswith(".aside"))
    assert aside.read_bytes() == content
    for ending in ("-wal", "-shm"):
        kept = aside.with_name(aside.name + ending)
        assert kept.read_bytes() == b"content of " + ending.encode()
    assert "could not be read" in store.notice
    assert aside.name in store.notice


def test_an_empty_file_is_a_new_library_and_changes_beside_it_are_kept(path, open_store, tmp_path):
    path.touch()
    store = open_store()
    assert (store.newest(), store.notice) == ([], None)
    store.close()
    path.write_bytes(b"")
    path.with_name(path.name + "-wal").write_bytes(b"changes")
    assert open_store().newest() == []
    assert [one.read_bytes() for one in tmp_path.glob("*.aside-wal")] == [b"changes"]


def fill(store, tmp_path, count=50):
    for number in range(count):
        job = make_job(tmp_path, id=f"v{number}", note="x" * 2000)
        store.insert(job)
    store.release()
    store.close()


@pytest.mark.parametrize("damage", ["cut", "scribbled"])
def test_a_damaged_file_is_kept_aside_as_it_was(path, open_store, tmp_path, damage):
    fill(open_store(), tmp_path)
    size = path.stat().st_size
    with path.open("r+b") as file:
        if damage == "cut":
            file.truncate(size // 2)
        else:
            file.seek(4096)
            file.write(b"\xff" * (size // 2))
    before = path.read_bytes()
    store = open_store()
    store.insert(make_job(tmp_path, id="new"))
    assert [job.id for job in store.newest()] == ["new"]
    (aside,) = tmp_path.glob("*.aside")
    assert aside.read_bytes() == before
    assert "could not be read" in store.notice
    store.close()
    assert [job.id for job in open_store().newest()] == ["new"]


def damage(path):
    """Overwrite pages in the middle, which hold jobs."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 4096 // 2 * 4096)
        file.write(b"\xff" * 4096 * 3)


def test_damage_that_a_query_meets_moves_the_file_aside_and_is_said(
    path, open_store, tmp_path, caplog
):
    fill(open_store(), tmp_path)
    damage(path)
    before = path.read_bytes()
    store = open_store()
    # Nothing is looked for: the rest of the file can be used.
    assert store.get("v0") is not None
    assert store.notice is None
    # A job that is active when the damage shows is written into the new library.
    job = replace(store.get("v0"), status="in_progress")
    assert store.claim("v0")
    assert store.newest(100) == []
    (aside,) = tmp_path.glob("*.aside")
    assert aside.name in store.notice
    assert "\n" not in store.notice
    assert store.notice in caplog.messages
    store.save(job)
    assert store.get("v0") == job
    assert store.sighting("v0").owner == store.owner
    assert len(path.with_name(aside.name).read_bytes()) == len(before)
    # Once: a job that is deleted later stays deleted.
    store.delete("v0")
    with pytest.raises(OwnershipLost):
        store.save(job)
    assert store.newest() == []


def test_a_change_that_meets_the_damage_is_made_in_the_new_library(path, open_store, tmp_path):
    fill(open_store(), tmp_path)
    damage(path)
    store = open_store()
    assert store.get("v0") is not None
    for number in range(200):
        name = f"new{number}"
        store.insert(make_job(tmp_path, id=name, note="y" * 3000))
        store.save(make_job(tmp_path, id=name, note="z" * 9000))
        assert store.get(name).note == "z" * 9000
        store.get(f"v{number}")
        if store.notice is not None and number > 50:
            break
    assert "could not be read" in store.notice
    assert len(list(tmp_path.glob("*.aside"))) == 1


def test_a_library_that_another_kernel_moved_aside_is_left_for_the_new_one(
    path, open_store, tmp_path
):
    fill(open_store(), tmp_path, 3)
    one, other = open_store(), open_store()
    job = replace(one.get("v1"), status="in_progress")
    assert one.claim("v1")
    database.move_aside(path, database.identity_of(path))
    other.insert(make_job(tmp_path, id="others"))
    one.save(job)
    assert "moved away" in one.notice
    assert {found.id for found in other.newest()} == {"others", "v1"}
    one.close()
    other.close()
    assert {found.id for found in open_store().newest()} == {"others", "v1"}
    assert len(list(tmp_path.glob("*.aside"))) == 1


def test_two_kernels_that_find_it_broken_at_once_move_it_once(
    path, open_store, tmp_path, monkeypatch
):
    path.write_bytes(b"broken")
    alone, faster = database._alone, open_store()

    @contextmanager
    def later(where):
        monkeypatch.setattr(database, "_alone", alone)
        faster.insert(make_job(tmp_path, id="new"))
        with alone(where):
            yield

    monkeypatch.setattr(database, "_alone", later)
    store = open_store()
    assert [job.id for job in store.newest()] == ["new"]
    assert "another kernel kept it aside" in store.notice
    assert [one.read_bytes() for one in tmp_path.glob("*.aside")] == [b"broken"]


def test_two_broken_files_in_one_second_are_both_kept(path, open_store, tmp_path, monkeypatch):
    monkeypatch.setattr("ipyreel.jobs.database.time.strftime", lambda _: "20260101-000000")
    for number in range(3):
        path.write_bytes(b"broken %d" % number)
        store = open_store()
        assert store.newest() == []
        store.close()
        path.unlink()
    kept = sorted(one.read_bytes() for one in tmp_path.glob("*.aside"))
    assert kept == [b"broken 0", b"broken 1", b"broken 2"]


def test_a_database_of_somebody_else_is_not_touched(path, open_store):
    run_sql(path, "CREATE TABLE jobs (something TEXT); INSERT INTO jobs VALUES ('theirs')")
    with pytest.raises(StoreError, match="already exists"):
        open_store().newest()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM jobs").fetchall() == [("theirs",)]
    assert folder_of(path) == ["library.sqlite"]


def a_file_for_its_folder(tmp_path):
    (tmp_path / "home").write_text("in the way")
    return tmp_path / "home"


def a_folder_in_its_place(tmp_path):
    (tmp_path / "library.sqlite").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "make", [a_file_for_its_folder, a_folder_in_its_place, lambda _: Path("/proc/self")]
)
def test_a_place_that_cannot_be_used_is_a_clear_error(tmp_path, make):
    store = JobStore(make(tmp_path) / "library.sqlite")
    with pytest.raises(StoreError, match=r"could not be used.*IPYREEL_HOME"):
        store.newest()


# ---- opened by two at once ------------------------------------------------------------------


def test_opening_waits_for_another_kernel_that_is_creating_the_file(path, open_store, monkeypatch):
    run_sql(path, "CREATE TABLE other (a)")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        # With this lock the switch to WAL fails at once, whatever the timeout.
        other.execute("BEGIN IMMEDIATE")
        pauses = []

        def pause(seconds):
            pauses.append(seconds)
            if len(pauses) == 3:
                other.execute("COMMIT")

        monkeypatch.setattr("ipyreel.jobs.database.time.sleep", pause)
        assert open_store().newest() == []
        assert len(pauses) == 3


def test_opening_does_not_wait_for_ever(path, open_store, monkeypatch):
    run_sql(path, "CREATE TABLE other (a)")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr("ipyreel.jobs.database.time.sleep", lambda _: None)
        with pytest.raises(StoreError, match="locked"):
            open_store().newest()
    assert folder_of(path) == ["library.sqlite"]


# ---- full disks and read-only folders -------------------------------------------------------


def test_a_full_disk_says_so_and_what_was_written_stays(store, tmp_path):
    job = make_job(tmp_path, id="v1")
    store.insert(job)
    # SQLite's own limit fails exactly as a full disk does: SQLITE_FULL, rolled back by itself.
    pages = store.database.rows("PRAGMA page_count", ())[0][0]
    store.database._open(fresh=True).execute(f"PRAGMA max_page_count = {pages}")
    for _ in range(3):
        with pytest.raises(StoreError, match=r"disk is full.*free some space"):
            store.save(replace(job, note="x" * 100_000))
    assert store.get("v1") == job
    store.database._open(fresh=True).execute("PRAGMA max_page_count = 1000000")
    store.save(replace(job, note="x" * 100_000))
    assert len(store.get("v1").note) == 100_000
