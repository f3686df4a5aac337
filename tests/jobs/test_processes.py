"""Several processes on one library: concurrent, forked, killed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from ipyreel.jobs.owners import SessionClosed
from ipyreel.jobs.store import JobStore
from tests.jobs.fakes import BOUND, make_job

WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from ipyreel.jobs import database
from ipyreel.jobs.store import JobStore
from ipyreel.values import JobSnapshot, VideoRequest

# A loaded machine may leave whoever has the lock without a turn for longer than ten seconds.
database.TIMEOUT, database.ATTEMPTS = 120, 2400
path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = JobStore(path)
job = JobSnapshot(
    id="", provider="p", request=VideoRequest(prompt="x"), status="queued", created_at=1,
    target="t",
)
print("ready", flush=True)
sys.stdin.readline()
for number in range(1, count + 1):
    one = replace(job, id=f"{name}-{number}", note="n" * 3000)
    store.insert(one)
    store.save(replace(one, note="m" * 5000))
    assert store.claim(one.id)
store.close()
"""


class Writer:
    """A process that writes jobs."""

    def __init__(self, path, name, count):
        command = [sys.executable, "-W", "error", "-c", WRITER, str(path), name, str(count)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout.readline() == "ready\n"

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def finish(self):
        """Return how it ended."""
        with self.process:
            return self.process.wait(BOUND)


def assert_whole(path):
    """Check what SQLite can check, by its full check and not the quick one."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_processes_that_create_one_library_at_once_lose_nothing(tmp_path):
    # Creating is the tight spot: SQLite says "locked" at once while the mode is switched.
    path = tmp_path / "library.sqlite"
    writers = [Writer(path, f"w{number}", 10) for number in range(3)]
    for writer in writers:
        writer.go()
    assert [writer.finish() for writer in writers] == [0, 0, 0]
    store = JobStore(path)
    jobs = store.newest(100)
    assert {job.id for job in jobs} == {f"w{n}-{k}" for n in range(3) for k in range(1, 11)}
    assert {job.note for job in jobs} == {"m" * 5000}
    assert store.notice is None
    store.close()
    assert_whole(path)


def in_a_child(work):
    """Fork, do something in the child, and return how it ended: 0 is well."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            # Nothing of the parent's tests is cleaned up twice.
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork there")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_process_opens_the_library_itself(store, tmp_path):
    store.insert(make_job(tmp_path, id="parent"))
    parents = store.database._file.connection

    def child():
        job = store.get("parent")
        assert store.database._file.connection is not parents
        parents.execute("SELECT 1")  # not closed, though nobody uses it
        assert store.ended
        for write in (store.insert, store.save, store.mark_sent, lambda _: store.claim("parent")):
            with pytest.raises(SessionClosed, match="parent process"):
                write(job)
        with closing(JobStore(store.path)) as own:
            own.insert(make_job(tmp_path, id="child"))
            assert not own.claim("parent")
        store.close()
        store.close()

    assert in_a_child(store.close) == 0
    assert in_a_child(child) == 0
    assert store.database._file.connection is parents
    store.insert(make_job(tmp_path, id="after"))
    assert {job.id for job in store.newest()} == {"parent", "child", "after"}
    assert_whole(store.path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork there")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_process_starts_a_loop_of_its_own(loop):
    async def answer():
        return os.getpid()

    assert loop.submit(answer()).result(BOUND) == os.getpid()

    def child():
        assert not loop.started
        assert loop.submit(answer()).result(BOUND) == os.getpid()
        assert loop.started
        loop.stop()

    assert in_a_child(loop.stop) == 0
    assert in_a_child(child) == 0
    assert loop.started
    assert loop.submit(answer()).result(BOUND) == os.getpid()


def test_a_process_ends_though_its_loop_runs_on():
    code = (
        "import asyncio\n"
        "from ipyreel.jobs.loop import LoopThread\n"
        "loop = LoopThread()\n"
        "loop.submit(asyncio.sleep(3600))\n"
        "print('end')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=BOUND, check=True
    )
    assert (ran.stdout, ran.stderr) == ("end\n", "")
