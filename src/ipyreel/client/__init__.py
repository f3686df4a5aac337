"""The client of the `/v1/videos` API; it also works without a notebook.

Importing the package imports no HTTP library: `VideoClient` is loaded on first use, in a
notebook on the thread of the jobs, while the cell that made the first job continues.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ipyreel.client.retry import DownloadPolicy, RetryPolicy, Timeouts

if TYPE_CHECKING:
    from ipyreel.client.client import VideoClient

__all__ = ["DownloadPolicy", "RetryPolicy", "Timeouts", "VideoClient"]


def __getattr__(name: str) -> Any:
    if name != "VideoClient":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module("ipyreel.client.client").VideoClient
