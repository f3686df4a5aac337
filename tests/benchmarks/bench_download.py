"""A large video on loopback: throughput and growth of memory against curl and others."""

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
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.fetchers import JOB
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


def _curl(base_url: str, path: Path) -> float:
    begun = time.perf_counter()
    subprocess.run(
        ["curl", "-sS", "--fail", "-o", str(path), f"{base_url}/videos/{JOB}/content"], check=True
    )
    return time.perf_counter() - begun


def _python(name: str, base_url: str, path: Path) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.fetchers", name, base_url, str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    said = json.loads(done.stdout)
    return said["seconds"], said["growth"] / MIB


def run(*, quick: bool) -> list[Figure]:
    """Fetch by turns, so that a busy moment of the machine meets everybody."""
    size = (128 if quick else 1024) * MIB
    ways = ("curl", "ipyreel", "sdk", "requests", "checked")
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    growth: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        for number in range(3 if quick else 5):
            say(f"round {number + 1}: {size // MIB} MiB each")
            for name, times in seconds.items():
                # A process of its own serves each: one that has served has warm buffers.
                with _served(size) as url:
                    if name == "curl":
                        times.append(_curl(url, path))
                    else:
                        took, grew = _python(name, url, path)
                        times.append(took)
                        growth[name].append(grew)
                if path.stat().st_size != size:
                    raise AssertionError(f"{name} fetched {path.stat().st_size} bytes of {size}")
                path.unlink()
    return _figures(size, seconds, growth)


def _figures(
    size: int, seconds: dict[str, list[float]], growth: dict[str, list[float]]
) -> list[Figure]:
    what = f"throughput of {size // MIB} MiB on loopback"
    speed = size / MIB / statistics.median(seconds["ipyreel"])

    def ratios(name: str) -> list[float]:
        return [a / b for a, b in zip(seconds[name], seconds["ipyreel"], strict=True)]

    def figure(against: str, name: str, reach: float | None, note: str = "") -> Figure:
        values = ratios(name)
        return Figure(
            what=what, against=against, values=values, reach=reach, at_least=True, note=note
        )

    note = f"{speed:.0f} MiB/s, hashed, checked and synced"
    sdk = statistics.median(growth["sdk"])
    return [
        figure("curl", "curl", 0.5, note),
        figure("requests loop", "requests", 1),
        figure("openai SDK", "sdk", 2),
        figure("requests loop that hashes and syncs too", "checked", None),
        Figure(
            what="growth of memory meanwhile",
            against="",
            values=growth["ipyreel"],
            reach=16,
            unit="MiB",
            note=f"openai SDK {sdk:.0f} MiB",
        ),
    ]
