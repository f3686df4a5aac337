"""A large video on loopback: throughput against a loop of `requests`, and growth of memory."""

from __future__ import annotations

import contextlib
import http.server
import json
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.table import Figure, say

MIB = 2**20
BLOCK = MIB


def _box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _head(size: int) -> bytes:
    """Return what an MP4 of `size` bytes begins with; the rest is one box of pictures."""
    head = _box(b"ftyp", b"isom\0\0\0\0isom") + _box(b"moov")
    return head + struct.pack(">I4s", size - len(head), b"mdat")


@contextlib.contextmanager
def _served(size: int) -> Iterator[str]:
    """Serve one video of `size` bytes from memory, as fast as a socket takes it."""
    head, block = _head(size), bytes(BLOCK)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "video/mp4")
            self.send_header("Content-Length", str(size))
            self.end_headers()
            self.wfile.write(head)
            left = size - len(head)
            while left > 0:
                left -= self.connection.send(block[: min(left, BLOCK)])

        def log_message(self, *_args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()


def _fetch(name: str, base_url: str, path: Path) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.fetchers", name, base_url, str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    said = json.loads(done.stdout)
    return said["seconds"], said["growth"] / MIB


def run(*, quick: bool) -> list[Figure]:
    """Fetch by turns, so that a busy moment of the machine meets both."""
    size = (128 if quick else 1024) * MIB
    seconds: dict[str, list[float]] = {"ipyreel": [], "requests": []}
    growth: dict[str, list[float]] = {"ipyreel": [], "requests": []}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        for number in range(3 if quick else 5):
            say(f"round {number + 1}: {size // MIB} MiB each")
            for name, times in seconds.items():
                # A process of its own serves each: one that has served has warm buffers.
                with _served(size) as url:
                    took, grew = _fetch(name, url, path)
                times.append(took)
                growth[name].append(grew)
                if path.stat().st_size != size:
                    raise AssertionError(f"{name} fetched {path.stat().st_size} bytes of {size}")
                path.unlink()
    speed = size / MIB / statistics.median(seconds["ipyreel"])
    both = zip(seconds["requests"], seconds["ipyreel"], strict=True)
    return [
        Figure(
            what=f"throughput of {size // MIB} MiB on loopback",
            against="requests loop",
            values=[theirs / ours for theirs, ours in both],
            reach=1,
            at_least=True,
            note=f"{speed:.0f} MiB/s, hashed, checked and synced",
        ),
        Figure(
            what="growth of memory meanwhile",
            against="",
            values=growth["ipyreel"],
            reach=16,
            unit="MiB",
        ),
    ]
