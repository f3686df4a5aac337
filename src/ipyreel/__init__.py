"""Write a prompt in a notebook cell, get a video under it.

`%load_ext ipyreel`, then `%%video`. Importing the package imports none of its subpackages: each
name below is loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ipyreel._version import __version__

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_HOME = {
    "Job": "ipyreel.notebook.handles.job",
    "JobList": "ipyreel.notebook.job_list",
    "Session": "ipyreel.session",
    "Video": "ipyreel.notebook.handles.video",
    "SyncVideoClient": "ipyreel.sync_client",
    "VideoClient": "ipyreel.client",
    "VideoError": "ipyreel.errors",
    "VideoRequest": "ipyreel.values",
    "balance": "ipyreel.notebook.api",
    "compare": "ipyreel.notebook.api",
    "cost": "ipyreel.notebook.api",
    "export_html": "ipyreel.notebook.job_list",
    "form": "ipyreel.notebook.api",
    "gallery": "ipyreel.notebook.api",
    "history": "ipyreel.notebook.api",
    "in_flight": "ipyreel.notebook.api",
    "job": "ipyreel.notebook.api",
    "load": "ipyreel.notebook.api",
    "merge_votes": "ipyreel.notebook.api",
    "rate": "ipyreel.notebook.api",
    "refresh_models": "ipyreel.notebook.api",
    "resume": "ipyreel.notebook.api",
    "submit": "ipyreel.notebook.api",
    "sweep": "ipyreel.notebook.api",
    "trust_folder": "ipyreel.notebook.api",
    "use": "ipyreel.notebook.api",
    "vote": "ipyreel.notebook.api",
}

__all__ = ["__version__", "load_ipython_extension", "unload_ipython_extension"]
__all__ += list(_HOME)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register `%%video` and `%video`: what `%load_ext ipyreel` calls."""
    from ipyreel.notebook.magics import load  # noqa: PLC0415 - no IPython for plain imports

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Restore the shell, and stop what was started: `%unload_ext ipyreel`."""
    from ipyreel.notebook.magics import unload  # noqa: PLC0415 - as above

    unload(shell)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ipyreel' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
