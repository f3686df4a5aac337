"""Keeps a library safe on a network file system, as JupyterHub and HPC homes often are.

SQLite's WAL needs memory that all kernels share, which is impossible across machines:
https://sqlite.org/wal.html. So the rollback journal is used there. Its safety depends on file
locks; if those do not exclude other kernels, only one kernel at a time may use the library.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from ipyreel.errors import StoreError
from ipyreel.jobs.owners import is_alive

KINDS = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afpfs", "webdav", "davfs"),
        *("lustre", "gpfs", "beegfs", "panfs", "wekafs", "orangefs", "afs", "9p", "ceph"),
        *("glusterfs", "fuse.glusterfs", "fuse.ceph", "fuse.sshfs", "fuse.rclone", "fuse.s3fs"),
        *("fuse.gcsfuse", "fuse.juicefs"),
    }
)
"""File systems that several machines may mount."""

FUSE = "fuse."
"""Prefixes of file systems on which only one kernel may use a library, whatever a lock does.

sshfs locks within one machine only. GlusterFS shares locks, but each client reads through its
own cache: two clients damaged a library within 40 writes.
"""

LOCAL_LOCKS = ("nolock", "local_lock=all", "local_lock=posix", "nobrl")
"""Mount options with which a lock is valid on one machine only (nfs(5), mount.cifs(8))."""

ATTEMPTS, PAUSE = 40, 0.25
"""How often, and how many seconds apart, we try to leave WAL while others have the file open."""

_PROBE = """
import sqlite3, sys
try:
    sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None).execute("BEGIN EXCLUSIVE")
except sqlite3.OperationalError:
    sys.exit(3)
"""
_LOCKED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A network file system: its kind, and the options it is mounted with."""

    kind: str
    options: str


def mount_of(path: Path) -> Mount | None:
    """Return the network file system that a path is on; None: a local disk."""
    place = os.path.realpath(path)
    if place.startswith("\\\\"):
        return Mount(kind="a network share", options="")
    disks = {disk.mountpoint: disk for disk in psutil.disk_partitions(all=True)}
    folders = map(str, (Path(place), *Path(place).parents))
    disk = next((disks[folder] for folder in folders if folder in disks), None)
    if disk is None or not (disk.fstype.lower() in KINDS or "remote" in disk.opts.split(",")):
        return None
    return Mount(kind=disk.fstype, options=disk.opts)


def promise(path: Path) -> str | None:
    """Return what is safe for a library here, in words; None: a local disk, with no limits."""
    mount = mount_of(path.parent)
    if mount is None:
        return None
    if path.parent.is_dir() and locks_exclude(path, mount):
        return f"on {mount.kind}: no WAL; locks keep the kernels of this machine apart"
    return f"on {mount.kind}, which does not keep kernels apart: one kernel at a time"


def locks_exclude(path: Path, mount: Mount) -> bool:
    """Return whether a lock on a file here excludes other processes, on any machine."""
    if mount.kind.startswith(FUSE) or any(word in mount.options.split(",") for word in LOCAL_LOCKS):
        return False
    probe = path.with_name(f"{path.name}.{os.getpid()}.probe")
    try:
        with contextlib.closing(sqlite3.connect(probe, timeout=0, isolation_level=None)) as mine:
            mine.execute("BEGIN EXCLUSIVE")
            other = subprocess.run(  # noqa: S603 - our own text
                [sys.executable, "-S", "-E", "-c", _PROBE, str(probe)], check=False, timeout=30
            )
    except (sqlite3.Error, subprocess.SubprocessError):
        return False
    else:
        return other.returncode == _LOCKED
    finally:
        for ending in ("", "-journal"):
            probe.with_name(probe.name + ending).unlink(missing_ok=True)


def leave_wal(connection: sqlite3.Connection, path: Path, mount: Mount) -> None:
    """Use the rollback journal; raises `StoreError` while another kernel uses the WAL."""
    # With exclusive locks the WAL is read without shared memory.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE)
        with contextlib.suppress(sqlite3.OperationalError):
            ((mode,),) = connection.execute("PRAGMA journal_mode = DELETE").fetchall()
            if mode == "delete":
                break
    else:
        raise StoreError(
            f"The library {path} is on {mount.kind}, and another kernel has it open in a way that"
            " is not safe there.",
            hint="End the other kernels that use it, or set IPYREEL_HOME to a local folder.",
        )
    connection.execute("PRAGMA locking_mode = NORMAL")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # releases the lock


def take_alone(path: Path, owner: str, mount: Mount) -> Path:
    """Reserve the library with a file that only one kernel can create; return that file.

    Raises `StoreError` if another kernel has it.
    """
    mark = path.with_name(path.name + ".kernel")
    for _ in range(ATTEMPTS):
        if _make(mark, owner):
            return mark
        # A deleted file may be listed for a moment, from the cache of a network folder.
        with contextlib.suppress(FileNotFoundError):
            holder = mark.read_text(encoding="utf-8")
            if holder == owner:
                return mark
            if is_alive(holder) is not False:
                break
            _clear(mark, holder)
    raise StoreError(
        f"The library {path} is on {mount.kind}, which does not keep kernels apart, and another"
        " kernel uses it.",
        hint="Set IPYREEL_HOME to a folder on a local disk, or end the other kernel. If there is"
        f" none, delete {mark}.",
    )


def _make(mark: Path, owner: str) -> bool:
    try:
        with mark.open("x", encoding="utf-8") as file:
            file.write(owner)
    except FileExistsError:
        return False
    return True


def _clear(mark: Path, holder: str) -> None:
    """Remove the mark of a kernel that ended, but not a new one of another kernel."""
    aside = mark.with_name(f"{mark.name}.{secrets.token_hex(8)}")
    mark.rename(aside)
    if aside.read_text(encoding="utf-8") == holder:
        aside.unlink()
    else:
        aside.rename(mark)
