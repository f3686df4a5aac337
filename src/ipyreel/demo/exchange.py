"""One HTTP exchange as plain values: the call, the reply to send, and the log of past ones."""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ipyreel.demo.jobs import JobRecord
from ipyreel.values import Json

LOG_ENTRIES = 20_000
LOG_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request without its body: `step` names the operation, `job_id` the job.

    Header names are in lower case; `origin` is the address that the client used, up to the path.
    """

    step: str
    method: str
    path: str
    job_id: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One reply: `json`, or `body`, or `length` bytes of `file` from `start`.

    `record` is its job, `created` says whether the request created that job. The other fields
    are for faults: seconds without a reply (`hang`), a connection closed instead of replying
    (`hangup`) or in the middle of the reply (`cut`, in bytes), bytes per second (`pace`).
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
        """Return the body of a reply that is not a file."""
        if self.json is None:
            return self.body
        # ASCII only: a lone surrogate in a prompt is sent unchanged, as \\ud83d.
        return json.dumps(self.json).encode()

    def head(self) -> dict[str, str]:
        """Return the headers; `headers` can override the true length."""
        length = len(self.payload()) if self.file is None else self.length
        found = {"content-length": str(length)}
        if self.json is not None:
            found["content-type"] = "application/json"
        return {**found, **self.headers}


def file_reply(path: Path, wanted: str | None, *, tag: str, ranges: bool = True) -> Reply:
    """Reply with an MP4, or with the part of it that a Range header requests: 200, 206 or 416.

    Several ranges at once get the whole file, as RFC 9110 14.2 allows.
    """
    size = path.stat().st_size
    headers = {"content-type": "video/mp4", "etag": tag}
    if not ranges:
        return Reply(headers=headers, file=path, length=size)
    headers["accept-ranges"] = "bytes"
    found = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", (wanted or "").strip())
    if found is None or not (found[1] or found[2]):
        return Reply(headers=headers, file=path, length=size)
    start, end = _span(found[1], found[2], size)
    if start > end:
        return Reply(status=416, headers={"content-range": f"bytes */{size}"})
    headers["content-range"] = f"bytes {start}-{end}/{size}"
    return Reply(status=206, headers=headers, file=path, start=start, length=end - start + 1)


def _span(first: str, last: str, size: int) -> tuple[int, int]:
    """Return the first and the last byte of "first-last", "first-" or "-count"."""
    if not first:
        return (max(0, size - int(last)), size - 1) if int(last) else (size, size - 1)
    if int(first) >= size:
        return size, size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One request that the server saw, without its key.

    `accepted`: it created a job. `job_id`: the job it was about. `status` is None when the
    connection was closed without a reply. `fields` are those of a POST.
    """

    method: str
    path: str
    query: str
    step: str
    at: float
    authorization: bool
    content_type: str | None
    sha256: str
    fields: Json
    files: tuple[str, ...]
    range: str | None
    accepted: bool = False
    job_id: str | None = None
    status: int | None = None

    def to_dict(self) -> dict[str, Json]:
        """Return plain JSON data."""
        return {name: getattr(self, name) for name in self.__slots__}


class RequestLog:
    """The latest requests, in order, bounded in number and in bytes. Thread-safe."""

    def __init__(self, *, entries: int = LOG_ENTRIES, size: int = LOG_BYTES) -> None:
        self._lock = threading.Lock()
        self._entries: deque[LogEntry] = deque()
        self._sizes: deque[int] = deque()
        self._limit, self._room = entries, size
        self._share = size // 4

    def add(self, entry: LogEntry) -> None:
        """Add a request; drop the oldest if needed. A request that is too large loses fields."""
        size = len(repr(entry))
        if size > self._share:
            entry = replace(entry, fields=None, query=entry.query[:200], path=entry.path[:200])
            size = len(repr(entry))
        with self._lock:
            self._entries.append(entry)
            self._sizes.append(size)
            self._room -= size
            while self._room < 0 or len(self._entries) > self._limit:
                self._entries.popleft()
                self._room += self._sizes.popleft()

    def entries(self) -> list[LogEntry]:
        """Return the requests in the log, the oldest first."""
        with self._lock:
            return list(self._entries)
