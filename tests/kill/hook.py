"""Runs inside a kernel: kills it by SIGKILL at one exact step of ipyreel's own code.

`arm(anchor, steps, package)`: once the function `anchor` is entered, calls and returns in
files of `package` are counted, including those of C functions (`os.link`, `execute`); at
number `steps` the process kills itself. A timer could not hit so exactly between two calls.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

ANCHORS = {
    "insert": ("store.py", "insert"),
    "resume": ("session.py", "resume"),
    "create": ("client.py", "create"),
    "send": ("run.py", "_mark_sent"),
    "accept": ("run.py", "_accept"),
    "search": ("recover.py", "find_accepted"),
    "poll": ("run.py", "_watch"),
    "download": ("run.py", "_download"),
    "write": ("part.py", "write"),
    "publish": ("part.py", "publish"),
    "move": ("part.py", "_move"),
    "explain": ("files.py", "write_sidecar"),
}
"""Where a phase begins: file and function."""


def arm(anchor: str, steps: int, package: str) -> None:
    """Count from now on, in this thread and in all that are started later."""
    name, function = ANCHORS[anchor]
    left: int | None = None

    def look(frame, event, _arg):
        nonlocal left
        code = frame.f_code
        if not code.co_filename.startswith(package):
            return
        if left is None:
            if event != "call" or code.co_name != function or not code.co_filename.endswith(name):
                return
            left = steps
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(look)
    sys.setprofile(look)
