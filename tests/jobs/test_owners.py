"""Owners of jobs: processes that live, that ended, and that cannot be seen from here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ipyreel.jobs import owners
from ipyreel.jobs.owners import end_owner, is_alive, new_owner

CHILD = """
import sys
from ipyreel.jobs.owners import new_owner
print(new_owner(), flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def child():
    """Another process, and its name as an owner."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process, process.stdout.readline().strip()
        process.kill()


def test_sessions_of_one_process_are_told_apart():
    one, two = new_owner(), new_owner()
    assert one != two
    assert one.rpartition("/")[0] == two.rpartition("/")[0]
    end_owner(one)
    assert (is_alive(one), is_alive(two)) == (False, True)
    end_owner(two)


def test_a_process_is_alive_until_it_ended(child):
    process, owner = child
    assert is_alive(owner) is True
    process.kill()
    # It is dead already while its parent has not asked for its end.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_alive(owner) is False
    process.wait()
    assert is_alive(owner) is False


@pytest.mark.skipif(os.name == "nt", reason="no SIGSTOP there")
def test_a_stopped_process_is_alive(child):
    process, owner = child
    process.send_signal(signal.SIGSTOP)
    assert is_alive(owner) is True
    process.send_signal(signal.SIGCONT)


def test_another_process_with_the_same_pid_is_another_owner(child):
    _, owner = child
    host, pid, started, token = owner.rsplit("/", 3)
    assert is_alive(f"{host}/{pid}/{int(float(started)) + 1}/{token}") is False


@pytest.mark.parametrize(
    "owner", ["host:1:x", "", "a/b/c/d", "another boot:pid:[1]/1/2/3", f"host/{10**30}/1/x"]
)
def test_who_cannot_be_seen_is_neither_alive_nor_dead(owner):
    assert is_alive(owner) is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_another_pid_namespace_is_elsewhere(child):
    _, owner = child
    assert is_alive(owner.replace("pid:[", "pid:[9")) is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_sandbox_without_proc_sees_nobody(monkeypatch, tmp_path):
    monkeypatch.setattr(owners, "_PROC", tmp_path)
    owner = new_owner()
    assert is_alive(owner) is None
    end_owner(owner)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_that_may_not_be_looked_at_is_alive(monkeypatch, child, tmp_path):
    _, owner = child
    for name in ("sys/kernel/random", "self/ns"):
        (tmp_path / name).mkdir(parents=True)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    (tmp_path / "sys/kernel/random/boot_id").write_text(boot, encoding="ascii")
    (tmp_path / "self/ns/pid").symlink_to(Path("/proc/self/ns/pid").readlink())
    monkeypatch.setattr(owners, "_PROC", tmp_path)
    assert is_alive(owner) is True


def test_without_proc_it_is_told_by_pid_and_start_too(monkeypatch, child):
    monkeypatch.setattr(owners.sys, "platform", "darwin")
    process, _ = child
    started = owners._started(process.pid)
    assert started == owners._started(process.pid)
    assert is_alive(f"{owners._host()}/{process.pid}/{started}/x") is True
    assert is_alive(f"{owners._host()}/{process.pid}/1.5/x") is False
    process.kill()
    process.wait()
    assert is_alive(f"{owners._host()}/{process.pid}/{started}/x") is False
