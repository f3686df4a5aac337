"""What the servers' words for the state of a job mean (rows of data)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ipyreel.values import Json, ServerStatus

_WORDS: dict[ServerStatus, str] = {
    "queued": "queued pending submitted not_start created waiting queue queueing preparing "
    "preprocessing unknown",
    "in_progress": "in_progress processing running generating postprocessing rendering in_queue "
    "started active",
    "completed": "completed complete succeeded succeed success done finished finish ready ok",
    "failed": "failed failure fail error errored rejected aborted timeout moderated",
    "cancelled": "cancelled canceled cancelling deleted expired",
}

MEANINGS: Mapping[str, ServerStatus] = MappingProxyType(
    {word: status for status, words in _WORDS.items() for word in words.split()}
)
"""Every known word, in lower case with underscores, and what it means."""

STATUS_NAMES = ("status", "Status", "task_status", "taskStatus", "state", "video_status")
"""Fields in which servers put that word, the usual one first."""

ENDS: frozenset[ServerStatus] = frozenset({"completed", "failed", "cancelled"})


def meaning(raw: str) -> ServerStatus | None:
    """Translate a server's word; None: not known, so the job is taken to be still running.

    openai-python does the opposite (any other word ends its poll), and loses jobs by it,
    ArcReel#410.
    """
    return MEANINGS.get(raw.strip().lower().replace("-", "_").replace(" ", "_"))


def status_word(level: Mapping[str, Json]) -> str | None:
    """Return the status word of one level of an answer, as the server wrote it."""
    for name in STATUS_NAMES:
        value = level.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return None
