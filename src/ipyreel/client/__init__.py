"""The client of the `/v1/videos` API, usable alone."""

from __future__ import annotations

from ipyreel.client.client import VideoClient
from ipyreel.client.retry import DownloadPolicy, RetryPolicy, Timeouts

__all__ = ["DownloadPolicy", "RetryPolicy", "Timeouts", "VideoClient"]
