"""Records the side effects of one statement; run in a separate process.

`python quiet.py import|load_ext` prints as JSON: modules newly imported, files opened, sockets
and processes created, threads left running, and names of environment variables read.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading

CODE = (".py", ".pyc", ".so", ".pyd", ".dll", ".pth", ".zip")
"""Files that Python itself opens to load a module."""

STARTS = ("socket.", "subprocess.", "os.posix_spawn", "os.fork", "sqlite3.", "os.mkdir")
STARTS += ("os.putenv", "_thread.start_new_thread", "urllib.Request")
"""Audit events of actions, not of reads."""

watching = False
seen: dict[str, list[str]] = {"files": [], "effects": [], "environ": []}


def hook(event, args):
    """Record an audit event, while watching."""
    if not watching:
        return
    if event == "open" and isinstance(args[0], str | bytes):
        path = os.fsdecode(args[0])
        if not path.endswith(CODE):
            seen["files"].append(path)
    elif event.startswith(STARTS):
        seen["effects"].append(event)


class Watched(type(os.environ)):
    """An environment that records which names are read."""

    def __getitem__(self, key):
        if watching:
            seen["environ"].append(key)
        return super().__getitem__(key)

    def __contains__(self, key):
        if watching:
            seen["environ"].append(key)
        return super().__contains__(key)


def open_shell():
    """Return a shell without a history file, so that later effects come from the extension."""
    shell_module = importlib.import_module("IPython.core.interactiveshell")
    config = importlib.import_module("traitlets.config").Config()
    config.HistoryManager.enabled = False
    return shell_module.InteractiveShell.instance(config=config)


def main(what):
    """Run the statement and print what was recorded."""
    global watching  # noqa: PLW0603
    shell = open_shell() if what == "load_ext" else None
    if shell:  # the first cell loads parts of IPython itself
        shell.run_cell("%who").raise_error()
    modules, threads = set(sys.modules), threading.active_count()
    os.environ.__class__ = Watched
    sys.addaudithook(hook)
    watching = True
    if shell:
        shell.run_cell("%load_ext ipyreel").raise_error()
    else:
        importlib.import_module("ipyreel")
    watching = False
    report = {
        **seen,
        "modules": sorted(set(sys.modules) - modules),
        "threads": threading.active_count() - threads,
    }
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
