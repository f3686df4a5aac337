"""What the demo server saw: one value for each request, kept for tests to count and compare.

May import nothing of ipyreel but `values`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from ipyreel.values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request that came: what the server knows of it, the key itself not among it.

    `accepted` tells whether it made a job, `job_id` which job it was about; `status` is None
    when the connection was ended without an answer. `fields` are those of a POST.
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


class Log:
    """The requests that came, in order. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: list[Seen] = []

    def note(self, seen: Seen) -> None:
        """Add a request."""
        with self._lock:
            self._seen.append(seen)

    def entries(self) -> list[Seen]:
        """Return all requests so far."""
        with self._lock:
            return list(self._seen)
