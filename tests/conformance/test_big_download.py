"""A 50 MB download over a connection that breaks at random: same bytes, little memory."""

from __future__ import annotations

import asyncio
import socket
import struct
import tempfile
import tracemalloc
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ipyreel.catalog import Provider
from ipyreel.client import VideoClient
from ipyreel.client.part import ProcessMemory
from ipyreel.demo.render import render
from ipyreel.errors import DownloadError, TransportError
from ipyreel.values import VideoJob
from tests.conformance.shop import sha256
from tests.support.films import padded

LARGE = 50_000_000
SMALL = 5_000_000
MEMORY = 16 * 2**20
"""Memory that a download may use at once, including the server in the same process."""

PIECE = 2**16
ROW = Provider(name="shop", title="Shop", dialect="openai")
JOB = VideoJob(remote_id="video_1", status="completed")


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Return a large and a small video as (path, sha256)."""
    folder = tmp_path_factory.mktemp("films")
    render("a film", seed=1, width=64, height=64, seconds=1, path=folder / "tiny.mp4")
    found = []
    for size in (LARGE, SMALL):
        path = folder / f"{size}.mp4"
        padded(folder / "tiny.mp4", path, size)
        found.append((path, sha256(path)))
    return found


@dataclass(frozen=True)
class Break:
    """How one answer ends: after so many bytes, closed or reset."""

    after: int
    reset: bool = False


@dataclass
class Line:
    """A server for one file: each answer breaks as `breaks` says, the later ones are whole.

    `ranges`: ranges are served, starting `early` bytes too early. `validator` is the header
    that identifies the file.
    """

    film: Path
    breaks: list[Break] = field(default_factory=list)
    ranges: bool = True
    early: int = 0
    validator: tuple[str, str] | None = ("etag", '"film"')
    sent: int = 0

    async def serve(self, reader, writer):
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                await self._answer(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, head, writer):
        size, start = self.film.stat().st_size, self._start(head)
        lines = [f"HTTP/1.1 {206 if start else 200} Said", f"content-length: {size - start}"]
        lines += ["content-type: video/mp4"]
        if start:
            lines.append(f"content-range: bytes {start}-{size - 1}/{size}")
        if self.validator:
            lines.append(": ".join(self.validator))
        writer.write("\r\n".join([*lines, "", ""]).encode())
        end = self.breaks.pop(0) if self.breaks else None
        with self.film.open("rb") as file:
            file.seek(start)
            left = size - start if end is None else min(size - start, end.after)
            while left and (piece := file.read(min(PIECE, left))):
                writer.write(piece)
                await writer.drain()
                left -= len(piece)
                self.sent += len(piece)
        if end is not None:
            self._hang_up(writer, reset=end.reset)

    def _start(self, head):
        fields = dict(line.split(": ", 1) for line in head.splitlines()[1:] if line)
        fits = self.validator and fields.get("if-range") == self.validator[1].lower()
        if not (self.ranges and fits and "range" in fields):
            return 0
        wanted = int(fields["range"].removeprefix("bytes=").removesuffix("-"))
        return max(0, wanted - self.early)

    @staticmethod
    def _hang_up(writer, *, reset):
        if reset:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        else:
            writer.close()


@asynccontextmanager
async def opened(line):
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield f"http://127.0.0.1:{port}/v1"


async def fetch(url, target, memory):
    """Download with a new client, as a new kernel would."""

    async def no_pause(_seconds):
        await asyncio.sleep(0)

    async with VideoClient(ROW, base_url=url, sleep=no_pause, rng=lambda: 0.5) as client:
        return await client.download(JOB, target, memory=memory)


async def fetch_until_here(line, target):
    """Download and resume until the file is complete; return the file and the number of tries."""
    memory = ProcessMemory(target)
    async with opened(line) as url:
        for tries in range(1, len(line.breaks) + 3):
            with suppress(DownloadError, TransportError):
                return await fetch(url, target, memory), tries
            assert not target.exists()
    raise AssertionError("still incomplete after the last break")


BREAKS = st.lists(
    st.builds(Break, st.integers(0, LARGE) | st.integers(0, 100_000), st.booleans()), max_size=8
)
VALIDATORS = st.sampled_from(
    [
        ("etag", '"film"'),
        ("last-modified", "Tue, 15 Jun 2027 08:00:00 GMT"),
        ("etag", 'W/"film"'),
        None,
    ]
)


@settings(max_examples=5, deadline=None)
@given(
    breaks=BREAKS,
    validator=VALIDATORS,
    ranges=st.booleans(),
    early=st.sampled_from([0, 0, 1, 70_000]),
)
@example(
    breaks=[Break(3_000_000), Break(5_000_000)], validator=("etag", '"film"'), ranges=True, early=1
)
def test_random_breaks_end_in_the_same_bytes(films, breaks, validator, ranges, early):
    film, digest = films[0]
    line = Line(film, list(breaks), ranges=ranges, early=early, validator=validator)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "clip.mp4"
        file, _ = asyncio.run(fetch_until_here(line, target))
        assert sha256(target) == file.sha256 == digest
        assert file.size == LARGE
        assert [path.name for path in Path(folder).iterdir()] == ["clip.mp4"]


def test_bytes_on_disk_are_not_requested_again(films, tmp_path):
    film, digest = films[0]
    breaks = [Break(20_000_000), Break(10_000_000, reset=True), Break(0), Break(1)]
    line = Line(film, breaks)
    file, tries = asyncio.run(fetch_until_here(line, tmp_path / "clip.mp4"))
    assert (file.sha256, tries) == (digest, 1)
    # Only what a reset discards in transit is sent twice.
    assert line.sent <= LARGE + 2**23


def test_memory_does_not_grow_with_the_film(films, tmp_path):
    async def peak(film, name):
        tracemalloc.start()
        line = Line(film, [Break(2_000_000), Break(1_000_000, reset=True)])
        try:
            await fetch_until_here(line, tmp_path / name)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    (large, _), (small, _) = films
    # The first run pays for imports and caches.
    for _ in range(2):
        of_small = asyncio.run(peak(small, "small.mp4"))
        (tmp_path / "small.mp4").unlink()
    of_large = asyncio.run(peak(large, "large.mp4"))
    assert of_large < MEMORY
    assert of_large < of_small + MEMORY // 4
