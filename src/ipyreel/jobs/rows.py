"""A job as a row of the library, and back.

May import `values` only.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from ipyreel.values import Failure, JobSnapshot, VideoFile, VideoRequest

LARGEST = 2**63 - 1
"""The largest whole number that SQLite holds; no file has more bytes."""

COLUMNS = (
    "id",
    "provider",
    "base_url",
    "model",
    "prompt",
    "request",
    "fingerprint",
    "status",
    "remote_id",
    "raw_status",
    "progress",
    "ready",
    "received",
    "total",
    "note",
    "failure",
    "estimate",
    "cost",
    "target",
    "file",
    "created_at",
    "sent_at",
    "updated_at",
    "completed_at",
    "expires_at",
)
"""The columns of a job, but for who has it and the server's last answer."""

FIELDS = tuple(name for name in COLUMNS if name not in {"model", "prompt", "fingerprint"})
"""The columns that a job is read from: those three are for searching, and in the request."""

_scan = json.JSONDecoder().raw_decode
"""What `json.loads` does in the end, for texts that begin with their value, as ours do.

Looking for spaces around it takes an eighth of the time in which a list of jobs is read.
"""


def to_row(job: JobSnapshot) -> dict[str, object]:
    """Return the values of all columns, as SQLite takes them."""
    row: dict[str, object] = {
        name: getattr(job, name) for name in COLUMNS if hasattr(JobSnapshot, name)
    }
    row["model"] = job.request.model
    # This column is only for searching, and SQLite searches in text, not in bytes.
    row["prompt"] = job.request.prompt.encode("utf-8", "replace").decode()
    row["request"] = _json(job.request.to_dict())
    row["fingerprint"] = job.request.fingerprint(job.provider)
    row["ready"] = int(job.ready)
    row["failure"] = None if job.failure is None else _json(job.failure.to_dict())
    row["file"] = None if job.file is None else _json(asdict(job.file))
    return {name: storable(value) for name, value in row.items()}


def from_row(row: tuple[Any, ...]) -> JobSnapshot:
    """Return the job that the values of `FIELDS` stand for; images come without their pixels."""
    if bytes in map(type, row):
        row = tuple(map(_readable, row))
    found = dict(zip(FIELDS, row, strict=True))
    found["request"] = VideoRequest.from_dict(_scan(found["request"])[0])
    if found["failure"]:
        found["failure"] = Failure(**_scan(found["failure"])[0])
    if found["file"]:
        found["file"] = VideoFile(**_scan(found["file"])[0])
    found["ready"] = bool(found["ready"])
    return JobSnapshot(**found)


def storable(value: object) -> object:
    """Return what SQLite takes: text with lone surrogates, which is no UTF-8, as bytes."""
    if isinstance(value, int):
        return min(value, LARGEST)
    if not isinstance(value, str):
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")
    return value


def _readable(value: object) -> object:
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


def _json(value: object) -> str:
    # As it is, not as escapes: two escaped surrogates side by side come back as one character.
    return json.dumps(value, ensure_ascii=False, default=str)
