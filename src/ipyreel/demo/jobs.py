"""The demo's jobs: files that outlive the server, and the state of each at a given time.

A job is one JSON file, an MP4 once it is rendered, and the input image or video if there was
one. Its state is a pure function of that record and the time, so any later server can continue
it.
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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ipyreel.demo.requests import VideoRequest
from ipyreel.values import Json

Status = Literal["queued", "in_progress", "completed", "failed"]

FORGET_AFTER = 30 * 24 * 3600.0
"""Seconds after which a job's last files are deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """One job as it is written to disk.

    `created_at`, `rendered_at` and `failed_at` are seconds since the epoch, `queued_for`,
    `lasts` and `keeps` seconds after creation, creation and completion; `steps` are pairs of
    seconds after creation and the progress (0-100) reported from then on.
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
    captioned: bool = True
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
    """The state of a job at one moment; times are seconds since the epoch."""

    status: Status
    progress: int
    completed_at: float | None = None
    expires_at: float | None = None
    expired: bool = False

    @property
    def running(self) -> bool:
        """Whether the state will still change."""
        return self.status in ("queued", "in_progress")


def new_record(
    request: VideoRequest, *, now: float, speed: float, keeps: float, job_id: str | None = None
) -> JobRecord:
    """Return the record of a new job; its pace depends only on its id and length.

    A job takes 2.5 to 6 seconds divided by `speed`: first queued, then progress jumps to about
    45 and 80, as at real services. Without a seed, one is derived from the id.
    """
    job_id = job_id or f"video_{secrets.token_hex(16)}"
    rng = random.Random(job_id)  # noqa: S311 - a pace, not a secret
    lasts = (2.5 + 2.0 * min(request.seconds, 20) / 20 + rng.uniform(0, 1.5)) / speed
    steps = (
        (lasts * rng.uniform(0.35, 0.5), rng.randint(42, 48)),
        (lasts * rng.uniform(0.65, 0.8), rng.randint(76, 84)),
    )
    return JobRecord(
        id=job_id,
        model=request.model,
        prompt=request.prompt,
        seconds=request.seconds,
        width=request.width,
        height=request.height,
        seed=rng.getrandbits(31) if request.seed is None else request.seed,
        created_at=now,
        queued_for=lasts * rng.uniform(0.1, 0.2),
        steps=steps,
        lasts=lasts,
        keeps=keeps,
        ticket=secrets.token_hex(16),
        has_image=request.image is not None,
        has_clip=request.clip is not None,
        captioned=request.captioned,
    )


def view(record: JobRecord, now: float) -> View:
    """Return the state of a job at `now`: never completed before its file is rendered."""
    age = now - record.created_at
    reached = max((progress for at, progress in record.steps if age >= at), default=0)
    if record.failed_at is not None:
        return View(status="failed", progress=reached, completed_at=record.failed_at)
    if age < record.queued_for:
        return View(status="queued", progress=0)
    ends = record.created_at + record.lasts
    if now < ends:
        return View(status="in_progress", progress=reached)
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


class JobFolder:
    """The folder of the jobs, `<home>/demo`. Writes are atomic; methods are thread-safe."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "demo"
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.name == "posix":  # it may exist with another mode, and mkdir is subject to umask
            self.folder.chmod(0o700)
        self._lock = threading.Lock()
        self._numbers = itertools.count()

    @staticmethod
    def stem(job_id: str) -> str:
        """Return the file name of a job; ids that cannot be file names get a hash."""
        if re.fullmatch(r"video_[0-9a-f]{32}", job_id):
            return job_id
        return f"odd_{hashlib.sha256(job_id.encode()).hexdigest()[:32]}"

    def scratch(self, suffix: str) -> Path:
        """Create a temporary file in the folder, mode 0600; it is renamed when complete."""
        path = self.folder / f".{os.getpid()}-{next(self._numbers)}-{secrets.token_hex(4)}{suffix}"
        path.touch(mode=0o600, exist_ok=False)
        return path

    def video(self, record: JobRecord) -> Path:
        """Return the path of the job's MP4, which may not exist yet."""
        name = "stub" if record.stub else self.stem(record.id)
        return self.folder / f"{name}.mp4"

    def image(self, record: JobRecord) -> bytes | None:
        """Read the job's input image."""
        if not record.has_image:
            return None
        return (self.folder / f"{self.stem(record.id)}.image").read_bytes()

    def clip(self, record: JobRecord) -> Path | None:
        """Return the path of the video that the job continues, if any."""
        return self.folder / f"{self.stem(record.id)}.clip" if record.has_clip else None

    def add(self, record: JobRecord, image: bytes | None = None, clip: bytes | None = None) -> None:
        """Save a new job: when this returns, it survives a kill of the server."""
        with self._lock:
            if image is not None:
                self._put(f"{self.stem(record.id)}.image", image)
            if clip is not None:
                self._put(f"{self.stem(record.id)}.clip", clip)
            self._write(record)

    def change(self, record: JobRecord, **changes: Json) -> None:
        """Update fields of a job, unless it was deleted in the meantime."""
        with self._lock:
            if self._path(record.id).exists():
                self._write(dataclasses.replace(record, **changes))

    def read(self, job_id: str) -> JobRecord | None:
        """Return the job with that id; None if there is none."""
        return self._load(self._path(job_id))

    def by_stem(self, stem: str) -> JobRecord | None:
        """Return the job whose files have that name; None if there is none."""
        if not re.fullmatch(r"[a-z]+_[0-9a-f]{32}", stem):
            return None
        return self._load(self.folder / f"{stem}.json")

    def all(self) -> list[JobRecord]:
        """Return every job, the oldest first."""
        found = (self._load(path) for path in self.folder.glob("*.json"))
        records = [record for record in found if record is not None]
        return sorted(records, key=lambda record: (record.created_at, record.id))

    def remove(self, job_id: str) -> None:
        """Delete a job and its files."""
        stem = self.stem(job_id)
        with self._lock:
            for suffix in (".json", ".mp4", ".image", ".clip"):
                (self.folder / f"{stem}{suffix}").unlink(missing_ok=True)

    def add_character(self, character: Mapping[str, Json]) -> None:
        """Save a character: `id`, `name`, `created_at`."""
        data = json.dumps(character).encode()
        with self._lock:
            self._put(f"{self.stem(str(character['id']))}.character", data)

    def character(self, character_id: str) -> Json:
        """Return the character with that id; None if there is none."""
        try:
            data = (self.folder / f"{self.stem(character_id)}.character").read_bytes()
        except FileNotFoundError:
            return None
        return json.loads(data)

    def clean_up(self, now: float) -> None:
        """Delete expired videos, old jobs, and temporary files of a crash."""
        for record in self.all():
            if now - record.created_at > record.lasts + record.keeps + FORGET_AFTER:
                self.remove(record.id)
            elif view(record, now).expired and not record.stub:
                self.video(record).unlink(missing_ok=True)
        for path in self.folder.glob(".*-*"):
            # Another server may be cleaning the same folder.
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < now - 3600:
                    path.unlink()

    def _path(self, job_id: str) -> Path:
        return self.folder / f"{self.stem(job_id)}.json"

    def _write(self, record: JobRecord) -> None:
        text = json.dumps(dataclasses.asdict(record), ensure_ascii=False)
        # surrogatepass: a prompt may contain a lone surrogate, as JSON allows.
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
