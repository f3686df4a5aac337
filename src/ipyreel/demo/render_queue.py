"""Renders the demo's videos in one or two threads of the server.

Threads and not processes: the encoder and Pillow release the GIL, so the server keeps replying,
and no process has to be killed at the end. The renderer and its packages are imported on first
use: a stub server works without them.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from types import ModuleType

from ipyreel.demo.jobs import JobFolder, JobRecord
from ipyreel.demo.requests import Refused

log = logging.getLogger(__name__)

SPRITES = 8
"""Pictures in a spritesheet, in one row."""


@functools.cache
def renderer() -> ModuleType:
    """Import the renderer. Raises `ImportError` without the extra "demo"."""
    from ipyreel.demo import render  # noqa: PLC0415 - PyAV, numpy and Pillow are an extra

    return render


class RenderQueue:
    """Renders the jobs of a folder in the order of their submission, each in one thread only.

    A second server on the same folder may render a job that this one has not finished: the
    result has the same pixels, and files are renamed when complete, so only time is lost.
    """

    def __init__(self, jobs: JobFolder, *, clock: Callable[[], float], threads: int = 1) -> None:
        self._jobs = jobs
        self._clock = clock
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="ipyreel-demo-render")
        self._waiting: set[str] = set()
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """Jobs that are waiting or being rendered."""
        return len(self._waiting)

    def submit(self, record: JobRecord) -> None:
        """Render a job unless it is rendered or being rendered."""
        if record.rendered_at is not None or record.failed_at is not None:
            return
        with self._lock:
            if record.id in self._waiting:
                return
            self._waiting.add(record.id)
        self._pool.submit(self._work, record.id)

    def close(self) -> None:
        """Finish the current video and drop the others; a later server renders them."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _work(self, job_id: str) -> None:
        try:
            record = self._jobs.read(job_id)  # it may have been deleted while it waited
            if record is not None and record.rendered_at is None:
                self._render(record)
        finally:
            with self._lock:
                self._waiting.discard(job_id)

    def _render(self, record: JobRecord) -> None:
        scratch = self._jobs.scratch(".part.mp4")
        try:
            renderer().render(
                record.prompt,
                seed=record.seed,
                width=record.width,
                height=record.height,
                seconds=record.seconds,
                path=scratch,
                image=self._jobs.image(record),
                clip=self._jobs.clip(record),
                captioned=record.captioned,
            )
            scratch.replace(self._jobs.video(record))
        except Exception as error:
            # Any error in the renderer ends this job, not the server.
            log.exception("rendering %s", record.id)
            scratch.unlink(missing_ok=True)
            reason = f"The renderer failed: {error}"
            self._jobs.change(record, failed_at=self._clock(), failure=reason)
        else:
            self._jobs.change(record, rendered_at=self._clock())
            if self._jobs.read(record.id) is None:  # deleted while it was rendered
                self._jobs.remove(record.id)


def make_stub(jobs: JobFolder) -> None:
    """Write the tiny video that all jobs of a stub server share."""
    target = jobs.folder / "stub.mp4"
    if not target.exists():
        scratch = jobs.scratch(".part.mp4")
        scratch.write_bytes(_stub("stub.mp4"))
        scratch.replace(target)


def _stub(name: str) -> bytes:
    return resources.files(__package__).joinpath(name).read_bytes()


def look_at(video: bytes) -> tuple[int, int, float, bytes]:
    """Return width, height, seconds and the first picture (PNG) of an uploaded video.

    Raises `ValueError` for what cannot be read as a video.
    """
    try:
        found: tuple[int, int, float, bytes] = renderer().look_at(video)
    except ImportError as error:
        message = 'This server cannot read videos: it needs pip install "ipyreel[demo]".'
        raise Refused(501, message) from error
    return found


def make_still(record: JobRecord, path: Path, image: bytes | None) -> bytes:
    """Return the picture in the middle of a job's video, as WebP."""
    draw = _drawing(record, path, image)
    return draw(record.seconds / 2) if draw else _stub("stub.webp")


def make_spritesheet(record: JobRecord, path: Path, image: bytes | None) -> bytes:
    """Return eight moments of a job's video side by side, 160 pixels wide each, as WebP."""
    draw = _drawing(record, path, image)
    if draw is None:
        return _stub("stub.webp")
    pictures = [draw(record.seconds * number / SPRITES) for number in range(SPRITES)]
    sheet: bytes = renderer().side_by_side(pictures, width=160)
    return sheet


def _drawing(record: JobRecord, path: Path, image: bytes | None) -> Callable[[float], bytes] | None:
    """Return a function for the picture at a second of a job; None: a stub without a renderer."""
    try:
        render = renderer()
    except ImportError:
        if record.stub:
            return None
        raise
    if record.has_clip and not record.stub:
        return functools.partial(render.picture_of, path)

    def draw(at: float) -> bytes:
        picture: bytes = render.still(
            record.prompt,
            seed=record.seed,
            width=record.width,
            height=record.height,
            at=at,
            seconds=record.seconds,
            image=image,
            captioned=record.captioned,
        )
        return picture

    return draw
