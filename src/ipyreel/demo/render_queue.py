"""Where the demo provider's videos are rendered: one or two threads beside the server.

Threads and not processes: encoder and pixels work outside Python's lock, so the server goes
on answering, and nothing has to be killed at the end.
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from PIL import Image as Picture

from ipyreel.demo.render import look_at, picture_of, render, still
from ipyreel.demo.state import JobRecord, Shelf

log = logging.getLogger(__name__)

SPRITES = 8
"""Pictures in a spritesheet, in one row."""

Kind = Literal["webp", "jpeg"]
Draw = Callable[[float, Kind], bytes]
"""Makes the picture of a job at some second, as a file of some kind."""

__all__ = [
    "Draw",
    "RenderQueue",
    "look_at",
    "make_spritesheet",
    "make_still",
    "make_stub",
    "picture_of",
]


class RenderQueue:
    """Renders jobs of a shelf, each once at a time, first come first served.

    A second server on the same folder may render a job that the first has not finished: the
    renderer gives the same pixels and the file is moved into place whole, so that costs
    time only.
    """

    def __init__(self, shelf: Shelf, *, clock: Callable[[], float], threads: int = 1) -> None:
        self._shelf = shelf
        self._clock = clock
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="ipyreel-demo-render")
        self._wanted: set[str] = set()
        self._lock = threading.Lock()

    def want(self, record: JobRecord) -> None:
        """See to it that the job's file comes to be. Asking again does no harm."""
        if record.rendered_at is not None or record.failed_at is not None:
            return
        with self._lock:
            if record.id in self._wanted:
                return
            self._wanted.add(record.id)
        self._pool.submit(self._work, record.id)

    def close(self) -> None:
        """Let the video in work be finished, drop the others; a later server makes them."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _work(self, job_id: str) -> None:
        try:
            record = self._shelf.read(job_id)  # it may have been deleted while it waited
            if record is not None and record.rendered_at is None:
                self._render(record)
        finally:
            with self._lock:
                self._wanted.discard(job_id)

    def _render(self, record: JobRecord) -> None:
        scratch = self._shelf.scratch(".part.mp4")
        try:
            render(
                record.prompt,
                seed=record.seed,
                width=record.width,
                height=record.height,
                seconds=record.seconds,
                path=scratch,
                image=self._shelf.image(record),
                clip=self._shelf.clip(record),
            )
            scratch.replace(self._shelf.video(record))
        except Exception as error:
            # Whatever the renderer stumbles over ends this job and not the server.
            log.exception("rendering %s", record.id)
            scratch.unlink(missing_ok=True)
            reason = f"The renderer failed: {error}"
            self._shelf.change(record, failed_at=self._clock(), failure=reason)
        else:
            self._shelf.change(record, rendered_at=self._clock())
            if self._shelf.read(record.id) is None:  # deleted while it was rendered
                self._shelf.remove(record.id)


def make_stub(shelf: Shelf) -> None:
    """Render the one tiny video that all jobs of a load test share."""
    target = shelf.folder / "stub.mp4"
    if not target.exists():
        scratch = shelf.scratch(".part.mp4")
        render("stub", seed=0, width=64, height=64, seconds=1, path=scratch)
        scratch.replace(target)


def make_still(record: JobRecord, image: bytes | None, *, at: float, kind: Kind) -> bytes:
    """Return the picture of a job's video at `at` seconds."""
    return still(
        record.prompt,
        seed=record.seed,
        width=record.width,
        height=record.height,
        at=at,
        seconds=record.seconds,
        image=image,
        format=kind,
    )


def make_spritesheet(record: JobRecord, draw: Draw) -> bytes:
    """Return eight moments of a job's video side by side, 160 pixels wide each, as JPEG."""
    width = 160
    height = max(2, round(width * record.height / record.width))
    sheet = Picture.new("RGB", (width * SPRITES, height))
    for number in range(SPRITES):
        moment = record.seconds * number / SPRITES
        picture = Picture.open(io.BytesIO(draw(moment, "jpeg")))
        sheet.paste(picture.convert("RGB").resize((width, height)), (width * number, 0))
    target = io.BytesIO()
    sheet.save(target, "JPEG", quality=85)
    return target.getvalue()
