"""Answers of the demo provider as values: what will be sent, and how badly.

Pure but for a look at a file's size. May import nothing of ipyreel but `values` and `state`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ipyreel.demo.state import JobRecord
from ipyreel.values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request, its body aside: `step` says what it wants, `job_id` of which job.

    Header names are in lower case; `origin` is the address the client used, up to the path.
    """

    step: str
    method: str
    path: str
    job_id: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer: `json`, or `body`, or `length` bytes of `file` from `start`.

    `record` is the job it is about, `created` whether the request made that job. The rest is
    for faults: seconds without an answer (`hang`), a connection ended instead of (`hangup`)
    or in the middle of the answer (`cut`, in bytes), a speed in bytes per second (`pace`).
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Json = None
    body: bytes = field(default=b"", repr=False)
    file: Path | None = None
    start: int = 0
    length: int = 0
    record: JobRecord | None = field(default=None, repr=False)
    created: bool = False
    hang: float | None = None
    hangup: Literal["reset", "close"] | None = None
    cut: int | None = None
    pace: float | None = None

    def payload(self) -> bytes:
        """Return the body of an answer that is no file."""
        if self.json is None:
            return self.body
        # ASCII only: half an emoji in a prompt goes through as it came, as \\ud83d.
        return json.dumps(self.json).encode()

    def head(self) -> dict[str, str]:
        """Return the headers; the length is told as it is unless a header says otherwise."""
        length = len(self.payload()) if self.file is None else self.length
        told = {"content-length": str(length)}
        if self.json is not None:
            told["content-type"] = "application/json"
        return {**told, **self.headers}


def file_answer(path: Path, wanted: str | None, *, tag: str, ranges: bool = True) -> Answer:
    """Answer with an MP4, or with the part of it that a Range header wants: 200, 206 or 416.

    Several ranges at once are answered with the whole file, as RFC 9110 14.2 allows.
    """
    size = path.stat().st_size
    headers = {"content-type": "video/mp4", "etag": tag}
    if not ranges:
        return Answer(headers=headers, file=path, length=size)
    headers["accept-ranges"] = "bytes"
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", (wanted or "").strip())
    if found is None or not (found[1] or found[2]):
        return Answer(headers=headers, file=path, length=size)
    start, end = _span(found[1], found[2], size)
    if start > end:
        return Answer(status=416, headers={"content-range": f"bytes */{size}"})
    headers["content-range"] = f"bytes {start}-{end}/{size}"
    return Answer(status=206, headers=headers, file=path, start=start, length=end - start + 1)


def _span(first: str, last: str, size: int) -> tuple[int, int]:
    """Return the first and the last byte of "first-last", "first-" or "-count"."""
    if not first:
        return (max(0, size - int(last)), size - 1) if int(last) else (size, size - 1)
    if int(first) >= size:
        return size, size - 1
    return int(first), min(int(last), size - 1) if last else size - 1
