"""Run in a process of its own: fetch one large video in one way, and say what that took.

`python -m tests.benchmarks.fetchers NAME BASE_URL PATH` prints JSON: `seconds` for the fetch
alone and `growth`, by how many bytes the process's peak of memory grew meanwhile.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ipyreel.catalog.rows import Provider
from ipyreel.client import VideoClient
from ipyreel.values import VideoJob

KEY = "sk-benchmark-of-loopback"
JOB = "video_1"


def by_ipyreel(base_url: str, path: Path) -> Callable[[], None]:
    """Stream, hash, check and sync, as the project does."""

    async def fetch() -> None:
        row = Provider(name="bench", title="Bench", base_url=base_url)
        async with VideoClient(row, key=KEY) as client:
            await client.download(VideoJob(remote_id=JOB, status="completed"), path)

    return lambda: asyncio.run(fetch())


def by_requests(base_url: str, path: Path) -> Callable[[], None]:
    """Do as apiyi's sample does: a loop over 8 KiB."""
    requests = importlib.import_module("requests")

    def fetch() -> None:
        url = f"{base_url}/videos/{JOB}/content"
        headers = {"Authorization": f"Bearer {KEY}"}
        with requests.get(url, headers=headers, stream=True, timeout=60) as reply:
            reply.raise_for_status()
            with path.open("wb") as file:
                for chunk in reply.iter_content(chunk_size=8192):
                    file.write(chunk)

    return fetch


WAYS = {"ipyreel": by_ipyreel, "requests": by_requests}


def peak() -> int:
    """Return the largest memory this program has had, in bytes.

    Not `ru_maxrss`: that of a parent is handed down through fork and exec.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def main(name: str, base_url: str, path: str) -> None:
    """Fetch once and print what it took."""
    fetch = WAYS[name](base_url, Path(path))
    before, begun = peak(), time.perf_counter()
    fetch()
    seconds = time.perf_counter() - begun
    sys.stdout.write(json.dumps({"seconds": seconds, "growth": peak() - before}))


if __name__ == "__main__":
    main(*sys.argv[1:])
