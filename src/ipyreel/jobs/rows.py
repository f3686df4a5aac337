"""Converts jobs to rows of the library and back; the SQL for active jobs and for costs."""

from __future__ import annotations

import json
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from ipyreel.jobs.database import readable, storable
from ipyreel.values import MICROS, Failure, JobSnapshot, JobStatus, VideoFile, VideoRequest

IN_FLIGHT: tuple[JobStatus, ...] = (
    "submitting",
    "queued",
    "in_progress",
    "downloading",
    "unknown",
)
ACTIVE = f"status IN ({', '.join(map(repr, IN_FLIGHT))})"

COUNTS = (
    "(status NOT IN ('failed', 'cancelled') OR cost_micros IS NOT NULL"
    " OR (status = 'failed' AND (ready = 1 OR note IS NOT NULL))"
    " OR (status = 'cancelled' AND sent_at IS NOT NULL))"
)
"""Jobs that cost something, or may: not those that were never sent, and not those that the server
reported as failed. A failed job with a note was given up by us (`transitions.given_up`)."""

PRICE = "coalesce(cost_micros, estimate_micros)"

COLUMNS = (
    *("id", "provider", "base_url", "model", "prompt", "request", "fingerprint", "status"),
    *("remote_id", "raw_status", "progress", "ready", "received", "total", "note", "failure"),
    *("estimate_micros", "cost_micros", "target", "file"),
    *("created_at", "sent_at", "updated_at", "completed_at", "expires_at"),
)
"""The columns of a job, except its owner."""

FIELDS = tuple(name for name in COLUMNS if name not in {"model", "prompt", "fingerprint"})
"""The columns that a job is read from: the other three are for searching, and in the request."""


def usd_of(micros: int) -> Decimal:
    """Return an amount in USD, exactly."""
    return Decimal(micros) / MICROS


def micros_of(usd: Decimal | None) -> int | None:
    """Return USD as whole millionths, whose sums are exact."""
    return None if usd is None else round(usd * MICROS)


def to_row(job: JobSnapshot) -> dict[str, object]:
    """Return the values of all columns in the types that SQLite accepts."""
    row: dict[str, object] = {
        name: getattr(job, name) for name in COLUMNS if hasattr(JobSnapshot, name)
    }
    row["model"] = job.request.model
    # This column is only for searching, and SQLite searches text, not bytes.
    row["prompt"] = job.request.prompt.encode("utf-8", "replace").decode()
    row["request"] = to_json(job.request.to_dict())
    row["fingerprint"] = job.request.fingerprint(job.provider)
    row["ready"] = int(job.ready)
    row["estimate_micros"] = micros_of(job.estimate)
    row["cost_micros"] = micros_of(job.cost)
    row["failure"] = None if job.failure is None else to_json(job.failure.to_dict())
    row["file"] = None if job.file is None else to_json(asdict(job.file))
    return {name: storable(value) for name, value in row.items()}


def from_row(row: tuple[Any, ...]) -> JobSnapshot:
    """Return the job for the values of `FIELDS`; images come without their pixels."""
    if bytes in map(type, row):
        row = tuple(map(readable, row))
    found = dict(zip(FIELDS, row, strict=True))
    found["request"] = VideoRequest.from_dict(json.loads(found["request"]))
    if found["failure"]:
        found["failure"] = Failure(**json.loads(found["failure"]))
    if found["file"]:
        found["file"] = VideoFile(**json.loads(found["file"]))
    found["ready"] = bool(found["ready"])
    for name in ("estimate", "cost"):
        micros = found.pop(f"{name}_micros")
        found[name] = None if micros is None else usd_of(micros)
    return JobSnapshot(**found)


def to_json(value: object) -> str:
    """Return JSON with unescaped text: two escaped surrogates would be read as one character."""
    return json.dumps(value, ensure_ascii=False, default=str)
