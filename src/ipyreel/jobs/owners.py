"""Which process works on a job, and whether that process still runs.

No wall clock decides anything here. On one host (same boot, same pid namespace) a process is
identified by its pid and start time: while it runs, it keeps its jobs, however silent it is.
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
"""Seconds between two signs of life for kernels elsewhere that use the same library."""

SILENCE = 60.0
"""Seconds for which a kernel elsewhere must be silent, on our own clock, before its jobs are
taken over: twelve beats."""

_PROC = Path("/proc")
_HIDDEN = "hidden"
"""The start of a process that runs and may not be looked at."""

_STATE, _START = 0, 19
"""Fields of /proc/PID/stat after the name, https://man7.org/linux/man-pages/man5/proc.5.html"""


class OwnershipLost(StoreError):
    """Another kernel took the job over, or it was deleted: nothing of it may be written here."""


class SessionClosed(OwnershipLost):
    """The session of this kernel has ended: nothing is begun, and nothing sent, from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Who has a job, and its last signs of life; `heartbeat` is that of older versions."""

    owner: str | None
    beat: int | None
    heartbeat: float | None


@dataclass(slots=True)
class Silence:
    """For how many seconds the owner of a job has been silent, on this process's own clock.

    Time in which we did not look (a laptop asleep, a debugger) does not count: the other may
    have slept as well.
    """

    clock: Callable[[], float]
    seconds: float = 0.0
    _last: tuple[Sighting | None, float] | None = None

    def look(self, sighting: Sighting | None) -> float:
        """Count what passed since the last look; anything new begins at zero again."""
        now = self.clock()
        if self._last is not None and self._last[0] == sighting:
            self.seconds += min(now - self._last[1], 2 * BEAT)
        else:
            self.seconds = 0.0
        self._last = sighting, now
        return self.seconds


@dataclass(frozen=True, slots=True)
class Process:
    """A process: `started` tells it from an earlier one with the same pid."""

    host: str
    pid: int
    started: str


_HERE: set[str] = set()
"""The owners in this process that have not ended."""


def new_owner() -> str:
    """Name this process as an owner of jobs, as one of possibly several sessions in it."""
    pid = os.getpid()
    started = _started(pid) or secrets.token_hex(8)
    owner = f"{_host()}/{pid}/{started}/{secrets.token_hex(4)}"
    _HERE.add(owner)
    return owner


def end_owner(owner: str) -> None:
    """Note that a session of this process ended: what it could not give back is free."""
    _HERE.discard(owner)


def is_alive(owner: str) -> bool | None:
    """Tell whether an owner still works; None: its process cannot be seen from here."""
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
    """Return what only processes that see each other share: the boot and the pid namespace."""
    if sys.platform != "linux":
        # There is no namespace there, and a start time tells one boot from another.
        return f"{sys.platform}:{platform.node()}:{uuid.getnode():x}"
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}:{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        # A sandbox without them: it sees nobody, and nobody sees it.
        return f"hidden:{secrets.token_hex(8)}"


def _started(pid: int) -> str | None:
    """Return when a process began, as the system counts; None: it does not run."""
    if sys.platform != "linux":
        return _started_elsewhere(pid)
    try:
        # In ticks since the boot. What psutil says on Linux moves with the wall clock.
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        # Where /proc hides the processes of others, signals still tell that there is one.
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
    """Return the error for a job whose row is not ours any more."""
    return OwnershipLost(
        f"Another kernel took {job_id} over, or it was deleted: this kernel stopped working on it."
    )
