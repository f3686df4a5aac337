"""Libraries on network file systems: no WAL, tested locks, or one kernel only."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from ipyreel.errors import StoreError
from ipyreel.jobs import network
from ipyreel.jobs.network import Mount, leave_wal, locks_exclude, mount_of, take_alone
from ipyreel.jobs.owners import end_owner, new_owner
from ipyreel.jobs.store import JobStore
from tests.jobs.fakes import ELSEWHERE, make_job

NFS = Mount(kind="nfs4", options="rw,vers=4.2")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "library.sqlite"


@pytest.fixture
def on_nfs(monkeypatch):
    """Have every folder lie on NFS."""
    monkeypatch.setattr(network, "mount_of", lambda _path: NFS)


def names(path):
    return sorted(one.name for one in path.parent.iterdir() if one.is_file())


def mode_of(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA journal_mode").fetchone()[0]


def stored(path, job):
    with closing(JobStore(path)) as store:
        store.insert(job)
        store.release()
    return path


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/home/me/x", "nfs4"),
        ("/home/me/scratch/x", None),
        ("/homes/x", None),
        ("/mnt/share/x", "CIFS"),
        ("/work", "lustre"),
        ("/z/x", "fuse.unknown"),
    ],
)
def test_the_innermost_mount_says_whether_it_is_a_network(monkeypatch, place, kind):
    table = {
        "/": "ext4 rw",
        "/home/me": "nfs4 rw",
        "/home/me/scratch": "xfs rw",
        "/mnt/share": "CIFS rw",
        "/work": "lustre rw",
        "/z": "fuse.unknown rw,remote",
    }
    disks = [
        SimpleNamespace(mountpoint=root, fstype=row.split()[0], opts=row.split()[1])
        for root, row in table.items()
    ]
    monkeypatch.setattr(network.psutil, "disk_partitions", lambda **_: disks)
    monkeypatch.setattr(network.os.path, "realpath", str)
    found = mount_of(place)
    assert (found and found.kind) == kind


def test_a_second_process_tries_whether_a_lock_excludes_it(path, monkeypatch):
    assert locks_exclude(path, NFS)
    assert names(path) == []
    # A second process that SQLite's locks do not reach, as where they are not passed on.
    opened = "sys.argv[1], "
    assert opened in network._PROBE
    blind = network._PROBE.replace(opened, '"file:" + sys.argv[1] + "?vfs=unix-none", uri=True, ')
    monkeypatch.setattr(network, "_PROBE", blind)
    assert not locks_exclude(path, NFS)
    assert names(path) == []


@pytest.mark.parametrize("option", network.LOCAL_LOCKS)
def test_locks_of_one_machine_exclude_nobody_else(path, option):
    assert not locks_exclude(path, Mount(kind="nfs", options=f"rw,{option},vers=3"))


@pytest.fixture
def machines(tmp_path):
    """A folder as two machines have it: mounted twice by sshfs, which needs no SSH for that."""
    server = next(Path("/usr/lib").glob("**/openssh/sftp-server"), None)
    if not (shutil.which("sshfs") and server and os.access("/dev/fuse", os.W_OK)):
        pytest.skip("no sshfs here")
    (tmp_path / "served").mkdir()
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\nexec {server}\n", encoding="ascii")
    ssh.chmod(0o755)
    folders = [tmp_path / "one", tmp_path / "two"]
    with contextlib.ExitStack() as stack:
        for folder in folders:
            folder.mkdir()
            there = ["sshfs", "-o", f"ssh_command={ssh}", f"host:{tmp_path / 'served'}", folder]
            subprocess.run(there, check=True, timeout=60)
            stack.callback(subprocess.run, ["fusermount3", "-u", folder], check=True, timeout=60)
        yield [folder / "library.sqlite" for folder in folders]


def test_a_real_network_folder_is_found_and_left_to_one_kernel(machines, tmp_path):
    here, there = machines
    assert mount_of(here.parent).kind == "fuse.sshfs"
    with contextlib.ExitStack() as both:
        for path in (here, there):  # why: a lock of one machine says nothing to the other
            other = path.with_name("other.sqlite")
            connection = both.enter_context(closing(sqlite3.connect(other, isolation_level=None)))
            connection.execute("BEGIN EXCLUSIVE")
    with closing(JobStore(here)) as one, closing(JobStore(there)) as two:
        one.insert(make_job(tmp_path, id="v1"))
        assert network.promise(here).endswith("one kernel at a time")
        with pytest.raises(StoreError, match=r"fuse\.sshfs, which does not keep kernels apart"):
            two.newest()
        one.close()
        assert [job.id for job in two.newest()] == ["v1"]
    assert mode_of(here) == "delete"


@pytest.mark.usefixtures("on_nfs")
def test_two_kernels_share_a_library_without_the_wal(path, tmp_path):
    job = make_job(tmp_path, id="v1")
    with closing(JobStore(path)) as one, closing(JobStore(path)) as two:
        one.insert(job)
        assert two.get("v1") == job
        assert not two.claim("v1")
        two.insert(make_job(tmp_path, id="v2"))
        assert len(one.newest()) == 2
    assert mode_of(path) == "delete"
    assert names(path) == [path.name]


def test_a_library_leaves_the_wal_when_nobody_else_has_it_open(path, tmp_path, monkeypatch):
    stored(path, make_job(tmp_path, id="v1"))
    assert mode_of(path) == "wal"
    monkeypatch.setattr(network, "mount_of", lambda _path: NFS)
    monkeypatch.setattr(network, "locks_exclude", lambda _path, _mount: True)
    pauses = []
    with closing(sqlite3.connect(path)) as other:
        other.execute("SELECT * FROM jobs").fetchall()

        def pause(seconds):
            assert seconds == network.PAUSE
            pauses.append(seconds)
            if len(pauses) == 3:
                other.close()

        monkeypatch.setattr(network.time, "sleep", pause)
        with closing(JobStore(path)) as store:
            assert store.get("v1") is not None
    assert len(pauses) == 3
    assert mode_of(path) == "delete"


def test_a_kernel_that_keeps_the_wal_open_is_named(path, tmp_path, monkeypatch):
    stored(path, make_job(tmp_path, id="v1"))
    monkeypatch.setattr(network.time, "sleep", lambda _seconds: None)
    with (
        closing(sqlite3.connect(path)) as other,
        closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as mine,
    ):
        other.execute("SELECT * FROM jobs").fetchall()
        with pytest.raises(StoreError, match=r"nfs4, and another kernel.*IPYREEL_HOME"):
            leave_wal(mine, path, NFS)


@pytest.mark.usefixtures("on_nfs")
def test_where_locks_do_not_exclude_one_kernel_has_the_library_alone(path, tmp_path, monkeypatch):
    monkeypatch.setattr(network, "locks_exclude", lambda _path, _mount: False)
    with closing(JobStore(path)) as one, closing(JobStore(path)) as two:
        one.insert(make_job(tmp_path, id="v1"))
        with pytest.raises(StoreError, match=r"does not keep kernels apart.*IPYREEL_HOME"):
            two.newest()
        one.close()
        assert [job.id for job in two.newest()] == ["v1"]
    assert names(path) == [path.name]


def test_what_is_promised_is_said(path, monkeypatch):
    monkeypatch.setattr(network, "mount_of", lambda _path: None)
    assert network.promise(path) is None
    monkeypatch.setattr(network, "mount_of", lambda _path: NFS)
    assert network.promise(path) == "on nfs4: no WAL; locks keep the kernels of this machine apart"
    monkeypatch.setattr(network, "locks_exclude", lambda _path, _mount: False)
    assert network.promise(path).endswith("one kernel at a time")


def test_the_mark_of_a_kernel_that_ended_is_replaced(path):
    mark = path.with_name(path.name + ".kernel")
    gone, mine = new_owner(), new_owner()
    assert take_alone(path, gone, NFS) == mark
    with pytest.raises(StoreError, match="delete"):
        take_alone(path, mine, NFS)
    end_owner(gone)
    assert take_alone(path, mine, NFS) == mark
    assert take_alone(path, mine, NFS).read_text(encoding="utf-8") == mine
    end_owner(mine)
    mark.write_text(ELSEWHERE, encoding="utf-8")
    with pytest.raises(StoreError, match="another kernel uses it"):
        take_alone(path, new_owner(), NFS)
