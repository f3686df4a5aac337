"""From the network to the part file: gathered, written, hashed and pushed to the disk at once.

May import `part` and the standard library.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor

from ipyreel.client.part import Part

BATCH = 2**20
"""Bytes gathered before they go to the disk; large, since each batch costs a thread's turn."""

BACKLOG = 3
"""Batches that may wait to be hashed: never none, since hashing takes the longest of all."""

AT_HAND = 2**23
"""Bytes that the C library is to keep for the next pieces, instead of giving them back."""

FLUSH = 2**26
"""Bytes between two times that the disk is told to begin, so that the end is not all its work."""


class Flow:
    """Takes pieces in their order; waits (and so the sender does) while too much is held.

    Unless the disk refuses, everything that came is in the part after `drain`, also when a
    `put` was cancelled.
    """

    def __init__(self, part: Part) -> None:
        self._part = part
        self._batch: list[bytes] = []
        self._held = 0
        self._flushed = part.size
        self._writing: asyncio.Future[None] | None = None
        self._hashing: deque[asyncio.Future[None]] = deque()
        # A thread of its own, so that the next batch is there when it is done with one.
        self._hasher = ThreadPoolExecutor(1, "ipyreel-hash")
        self._flushing: asyncio.Future[None] | None = None
        # glibc gives each block of 128 KiB or more back to the system, and has pages cleared
        # for the next: a fifth of the work. It stops when it sees a larger one come and go
        # (mallopt(3), the dynamic M_MMAP_THRESHOLD); this one is never touched.
        bytes(AT_HAND)

    async def put(self, piece: bytes) -> None:
        """Take the next piece; raises `DownloadError` when the disk refused an earlier one."""
        self._batch.append(piece)
        self._held += len(piece)
        if self._held >= BATCH:
            await self._write()
            if _is_free(self._flushing) and self._part.size - self._flushed >= FLUSH:
                self._flushed = self._part.size
                await _end(self._flushing)
                self._flushing = _begin(self._part.flush)

    async def drain(self) -> None:
        """Write and hash what is held; raises `DownloadError` when the disk refuses."""
        try:
            await self._write()
            await _end(self._writing)
        finally:
            try:
                await self._hash(0)
                await _end(self._flushing)
            finally:
                self._hasher.shutdown(wait=False)

    async def _write(self) -> None:
        """Begin to write the batch once the one before is written."""
        # None is begun behind one that failed: the part has no holes.
        await _end(self._writing)
        await self._hash(BACKLOG)
        batch, self._batch, self._held = self._batch, [], 0
        self._writing = _begin(lambda: self._part.write(batch))

    async def _hash(self, backlog: int) -> None:
        """Begin to hash what was written, and wait until no more than `backlog` are left."""
        self._hashing.append(_begin(self._part.digest.catch_up, self._hasher))
        while len(self._hashing) > backlog:
            await _end(self._hashing[0])
            self._hashing.popleft()


def _begin(work: Callable[[], None], thread: Executor | None = None) -> asyncio.Future[None]:
    return asyncio.get_running_loop().run_in_executor(thread, work)


def _is_free(work: asyncio.Future[None] | None) -> bool:
    return work is None or work.done()


async def _end(work: asyncio.Future[None] | None) -> None:
    """Wait for a thread's work and raise what it raised."""
    if work is not None:
        # Not awaited itself: a cancellation of ours would cancel it too, and it cannot stop.
        await asyncio.wait({work})
        work.result()
