"""Which process works on a job, and whether that process still runs.

Nothing here depends on a wall clock. On one host (same boot, same pid namespace) a process is
identified by its pid and start time: while it runs, it keeps its jobs, even if it is silent.
From elsewhere (a container, another machine) a process cannot be seen: see `Silence`.
"""

from __future__ import annotations

import os
import platform
import secrets
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from ipyreel.errors import StoreError

BEAT = 5.0
"""Seconds between two heartbeats for kernels elsewhere that use the same library."""

SILENCE = 60.0
"""Seconds for which a kernel elsewhere must be silent, on our own clock, before its jobs are
taken over: twelve beats."""

_PROC = Path("/proc")
_HIDDEN = "hidden"
"""The start time of a running process that we may not inspect."""

_STATE, _START = 0, 19
"""Fields of /proc/PID/stat after the name, https://man7.org/linux/man-pages/man5/proc.5.html"""


class OwnershipLost(StoreError):
    """Another kernel took the job over, or it was deleted: this kernel must not write it."""


class SessionClosed(OwnershipLost):
    """The session of this kernel has ended: it starts and sends nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """The owner of a job and its last heartbeat; `heartbeat` is written by older versions."""

    owner: str | None
    beat: int | None
    heartbeat: float | None


@dataclass(slots=True)
class Silence:
    """For how many seconds the owner of a job has been silent, on this process's own clock.

    Time in which we did not check (a laptop asleep, a debugger) does not count: the other
    process may have been suspended, too.
    """

    clock: Callable[[], float]
    seconds: float = 0.0
    _last: tuple[Sighting | None, float] | None = None

    def look(self, sighting: Sighting | None) -> float:
        """Add the time since the last check; return to zero if anything is new."""
        now = self.clock()
        if self._last is not None and self._last[0] == sighting:
            self.seconds += min(now - self._last[1], 2 * BEAT)
        else:
            self.seconds = 0.0
        self._last = sighting, now
        return self.seconds


@dataclass(frozen=True, slots=True)
class Process:
    """A process: `started` distinguishes it from an earlier one with the same pid."""

    host: str
    pid: int
    started: str


_HERE: set[str] = set()
"""The owners in this process that have not ended."""


def new_owner() -> str:
    """Return a new owner name for a session of this process, which may have several."""
    pid = os.getpid()
    started = _started(pid) or secrets.token_hex(8)
    owner = f"{_host()}/{pid}/{started}/{secrets.token_hex(4)}"
    _HERE.add(owner)
    return owner


def end_owner(owner: str) -> None:
    """Note that a session of this process ended: jobs that it could not release are free."""
    _HERE.discard(owner)


def is_alive(owner: str) -> bool | None:
    """Return whether an owner still works; None: its process cannot be seen from here."""
    process = _read(owner)
    if process is None or process.host != _host():
        return None
    if process.pid == os.getpid():
        return owner in _HERE
    return _started(process.pid) in {process.started, _HIDDEN}


def _read(owner: str) -> Process | None:
    """Return the process of an owner; None: another version of ipyreel wrote the name."""
    host, *rest = owner.rsplit("/", 3)
    if len(rest) != 3 or not rest[0].isdigit():  # noqa: PLR2004 - pid, start, token
        return None
    return Process(host=host, pid=int(rest[0]), started=rest[1])


def _host() -> str:
    """Return what identifies processes that see each other: the boot and the pid namespace."""
    if sys.platform != "linux":
        # There are no namespaces there, and a start time distinguishes one boot from another.
        return f"{sys.platform}:{platform.node()}:{uuid.getnode():x}"
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}:{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        # A sandbox without them: it sees no other process, and none sees it.
        return f"hidden:{secrets.token_hex(8)}"


def _started(pid: int) -> str | None:
    """Return when a process started, in the system's units; None: it does not run."""
    if sys.platform != "linux":
        return _started_elsewhere(pid)
    try:
        # In ticks since the boot. On Linux, psutil's value changes with the wall clock.
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        # If /proc hides other users' processes, signals still show that the process exists.
        return _HIDDEN if psutil.pid_exists(pid) else None
    except OSError:
        return _HIDDEN
    return None if fields[_STATE] in {b"Z", b"X"} else fields[_START].decode("ascii")


def _started_elsewhere(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return repr(process.create_time())
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return _HIDDEN


def lost(job_id: str) -> OwnershipLost:
    """Return the error for a job whose row is no longer ours."""
    return OwnershipLost(
        f"Another kernel took {job_id} over, or it was deleted: this kernel stopped working on it."
    )
