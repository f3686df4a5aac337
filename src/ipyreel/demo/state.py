"""Jobs of the demo provider: files that outlive their server, and where each stands at a time.

A job is one JSON file, an MP4 once it is rendered, and the input image or film if there was
one. What the server says of it is a pure function of that record and the time, so that any
later server goes on with it. May import nothing of ipyreel but `values` and `orders`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import random
import re
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ipyreel.demo.requests import Order
from ipyreel.values import Json

Status = Literal["queued", "in_progress", "completed", "failed"]

FORGET_AFTER = 30 * 24 * 3600.0
"""Seconds after which a job's last files are swept away; nobody asks for it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """One job as it is written to disk.

    `created_at`, `rendered_at` and `failed_at` are seconds since the epoch, `queued_for`,
    `lasts` and `keeps` seconds after creation, creation and completion; `steps` are pairs of
    seconds after creation and the progress (0-100) that is told from then on.
    """

    id: str
    model: str
    prompt: str
    seconds: float
    width: int
    height: int
    seed: int
    created_at: float
    queued_for: float
    steps: tuple[tuple[float, int], ...]
    lasts: float
    keeps: float
    ticket: str
    has_image: bool = False
    has_clip: bool = False
    remixed_from: str | None = None
    stub: bool = False
    rendered_at: float | None = None
    failed_at: float | None = None
    failure: str | None = None

    @property
    def size(self) -> str:
        """The size as it is written on the wire."""
        return f"{self.width}x{self.height}"

    @property
    def seconds_text(self) -> str:
        """The length as it is written on the wire: "8", "2.5"."""
        return f"{self.seconds:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Where a job stands at one moment; times are seconds since the epoch."""

    status: Status
    progress: int
    completed_at: float | None = None
    expires_at: float | None = None
    expired: bool = False

    @property
    def running(self) -> bool:
        """Whether a later question will get another answer."""
        return self.status in ("queued", "in_progress")


def plan(
    order: Order, *, now: float, speed: float, keeps: float, job_id: str | None = None
) -> JobRecord:
    """Make the record of a new job; its pace follows from its id and length alone.

    A job lasts 2.5 to 6 seconds divided by `speed`: a moment in the queue, then jumps to
    about 45 and 80 as real services show them. Without a seed the id chooses one.
    """
    job_id = job_id or f"video_{secrets.token_hex(16)}"
    rng = random.Random(job_id)  # noqa: S311 - a pace, not a secret
    lasts = (2.5 + 2.0 * min(order.seconds, 20) / 20 + rng.uniform(0, 1.5)) / speed
    steps = (
        (lasts * rng.uniform(0.35, 0.5), rng.randint(42, 48)),
        (lasts * rng.uniform(0.65, 0.8), rng.randint(76, 84)),
    )
    return JobRecord(
        id=job_id,
        model=order.model,
        prompt=order.prompt,
        seconds=order.seconds,
        width=order.width,
        height=order.height,
        seed=rng.getrandbits(31) if order.seed is None else order.seed,
        created_at=now,
        queued_for=lasts * rng.uniform(0.1, 0.2),
        steps=steps,
        lasts=lasts,
        keeps=keeps,
        ticket=secrets.token_hex(16),
        has_image=order.image is not None,
        has_clip=order.clip is not None,
    )


def view(record: JobRecord, now: float) -> View:
    """Say where a job stands at `now`. Never completed before its file is rendered."""
    age = now - record.created_at
    told = max((progress for at, progress in record.steps if age >= at), default=0)
    if record.failed_at is not None:
        return View(status="failed", progress=told, completed_at=record.failed_at)
    if age < record.queued_for:
        return View(status="queued", progress=0)
    ends = record.created_at + record.lasts
    if now < ends:
        return View(status="in_progress", progress=told)
    if record.rendered_at is None or now < record.rendered_at:
        return View(status="in_progress", progress=99)
    completed = max(ends, record.rendered_at)
    expires = completed + record.keeps
    return View(
        status="completed",
        progress=100,
        completed_at=completed,
        expires_at=expires,
        expired=now >= expires,
    )


class Shelf:
    """The folder of the jobs, `<home>/demo`. Every write is atomic; methods are thread-safe."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "demo"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._numbers = itertools.count()

    @staticmethod
    def stem(job_id: str) -> str:
        """Return the file name of a job; ids that are no file names get their hash."""
        if re.fullmatch(r"video_[0-9a-f]{32}", job_id):
            return job_id
        return f"odd_{hashlib.sha256(job_id.encode()).hexdigest()[:32]}"

    def scratch(self, suffix: str) -> Path:
        """Name a file beside the jobs that nobody else writes to; it is moved when whole."""
        return self.folder / f".{os.getpid()}-{next(self._numbers)}{suffix}"

    def video(self, record: JobRecord) -> Path:
        """Say where the job's MP4 lies, or will lie."""
        name = "stub" if record.stub else self.stem(record.id)
        return self.folder / f"{name}.mp4"

    def image(self, record: JobRecord) -> bytes | None:
        """Read the job's input image."""
        if not record.has_image:
            return None
        return (self.folder / f"{self.stem(record.id)}.image").read_bytes()

    def clip(self, record: JobRecord) -> Path | None:
        """Say where the film lies that the job goes on from."""
        return self.folder / f"{self.stem(record.id)}.clip" if record.has_clip else None

    def add(self, record: JobRecord, image: bytes | None = None, clip: bytes | None = None) -> None:
        """Keep a new job; when this returns, a server that is killed has not lost it."""
        with self._lock:
            if image is not None:
                self._put(f"{self.stem(record.id)}.image", image)
            if clip is not None:
                self._put(f"{self.stem(record.id)}.clip", clip)
            self._write(record)

    def change(self, record: JobRecord, **changes: Json) -> None:
        """Write fields of a job anew, unless it was deleted in the meantime."""
        with self._lock:
            if self._path(record.id).exists():
                self._write(dataclasses.replace(record, **changes))

    def read(self, job_id: str) -> JobRecord | None:
        """Return the job with that id; None when there is none."""
        return self._load(self._path(job_id))

    def by_stem(self, stem: str) -> JobRecord | None:
        """Return the job whose files have that name; None when there is none."""
        if not re.fullmatch(r"[a-z]+_[0-9a-f]{32}", stem):
            return None
        return self._load(self.folder / f"{stem}.json")

    def all(self) -> list[JobRecord]:
        """Return every job, the oldest first."""
        found = (self._load(path) for path in self.folder.glob("*.json"))
        records = [record for record in found if record is not None]
        return sorted(records, key=lambda record: (record.created_at, record.id))

    def remove(self, job_id: str) -> None:
        """Forget a job and its files."""
        stem = self.stem(job_id)
        with self._lock:
            for suffix in (".json", ".mp4", ".image", ".clip"):
                (self.folder / f"{stem}{suffix}").unlink(missing_ok=True)

    def sweep(self, now: float) -> None:
        """Remove expired videos, jobs nobody asks for any more, and what a crash left half."""
        for record in self.all():
            if now - record.created_at > record.lasts + record.keeps + FORGET_AFTER:
                self.remove(record.id)
            elif view(record, now).expired and not record.stub:
                self.video(record).unlink(missing_ok=True)
        for path in self.folder.glob(".*-*"):
            # Another server sweeps the same folder, or is about to move the file.
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < now - 3600:
                    path.unlink()

    def _path(self, job_id: str) -> Path:
        return self.folder / f"{self.stem(job_id)}.json"

    def _write(self, record: JobRecord) -> None:
        text = json.dumps(dataclasses.asdict(record), ensure_ascii=False)
        # surrogatepass: a prompt may hold half an emoji, as JSON allows.
        self._put(f"{self.stem(record.id)}.json", text.encode("utf-8", "surrogatepass"))

    def _put(self, name: str, data: bytes) -> None:
        scratch = self.scratch(".tmp")
        scratch.write_bytes(data)
        scratch.replace(self.folder / name)

    @staticmethod
    def _load(path: Path) -> JobRecord | None:
        try:
            data = json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
        except FileNotFoundError:
            return None
        known = {item.name for item in dataclasses.fields(JobRecord)}
        data = {name: value for name, value in data.items() if name in known}
        data["steps"] = tuple((at, progress) for at, progress in data["steps"])
        return JobRecord(**data)
