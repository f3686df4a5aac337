"""Finds the job in a reply: which object it is in, its id, its status, its addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ipyreel.errors import WireError
from ipyreel.values import ENDED, Json, ServerStatus
from ipyreel.wire.parse import is_empty, percent
from ipyreel.wire.text import excerpt
from ipyreel.wire.video_addresses import find_addresses, guess_addresses

_WORDS: dict[ServerStatus, str] = {
    "queued": "queued pending submitted not_start created waiting queue queueing preparing "
    "preprocessing unknown",
    "in_progress": "in_progress processing running generating postprocessing rendering in_queue "
    "started active",
    "completed": "completed complete succeeded succeed success successful done finished finish "
    "generated ready ok",
    "failed": "failed failure fail error errored rejected aborted timeout timed_out moderated "
    "content_moderated nsfw",
    "cancelled": "cancelled canceled cancelling deleted expired",
}

MEANINGS: Mapping[str, ServerStatus] = MappingProxyType(
    {word: status for status, words in _WORDS.items() for word in words.split()}
)
"""Every known word, in lower case with underscores, and what it means."""

STATUS_NAMES = ("status", "Status", "task_status", "taskStatus", "state", "video_status")
"""Fields in which servers put that word, the usual one first."""

_PREFIX = re.compile(r"^(task_status|job_state|job_status|status|state|task|job|video)_")

LONGEST_ID = 4_096
"""Characters; LiteLLM's ids have about 300."""

_IDS = ("id", "video_id", "task_id")
_WRAPPERS = ("data", "detail", "result", "items", "output", "AigcVideoTask", "task")
_MOST_LEVELS = 3
_DONE = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFields:
    """What a JSON reply says of one job, its layers merged.

    `fields` holds what all layers say (the inner wins), `remote_id` and `raw_status` are
    None where none is named, `addresses` are those of the file, `raw` is the body.
    """

    fields: dict[str, Json]
    remote_id: str | None
    raw_status: str | None
    status: ServerStatus | None
    addresses: tuple[str, ...]
    raw: Json


def find_job(body: Json, *, creating: bool = False) -> JobFields | None:
    """Take a job out of at most two wrappers; None: the body is no object.

    Raises
    ------
    WireError
        The id is longer than `LONGEST_ID` characters.
    """
    layers = _layers(body)
    if not layers:
        return None
    fields = _overlay(layers)
    addresses = find_addresses(fields)
    raw = _pick_status(layers, has_address=bool(addresses), creating=creating)
    status = meaning(raw) if raw is not None else None
    if raw is not None and status in {"completed", None} and not addresses:
        addresses = guess_addresses(fields)
    return JobFields(
        fields=fields,
        remote_id=_find_id(layers),
        raw_status=raw,
        status=status,
        addresses=addresses,
        raw=body,
    )


def _layers(body: Json) -> list[dict[str, Any]]:
    """Return the objects from the outermost to the one that holds the job."""
    layer = _single(body)
    layers: list[dict[str, Any]] = []
    while layer is not None and len(layers) < _MOST_LEVELS:
        layers.append(layer)
        if _names_job(layer):
            break
        found = (_single(layer.get(name)) for name in _WRAPPERS)
        layer = next((inner for inner in found if inner), None)
    return layers


def _single(value: Json) -> dict[str, Any] | None:
    """Return an object, or the only one of a list."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, dict) else None


def _names_job(layer: dict[str, Json]) -> bool:
    """Whether a layer has an id of its own; one with a task id alone needs a state as well."""
    if _is_id(layer.get("id")):
        return True
    return any(_is_id(layer.get(name)) for name in _IDS) and status_word(layer) is not None


def _is_id(value: Json) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, int) and not isinstance(value, bool)


def _overlay(layers: list[dict[str, Any]]) -> dict[str, Json]:
    merged: dict[str, Json] = {}
    for layer in layers:
        for name, value in layer.items():
            if name not in merged or not is_empty(value):
                merged[name] = value
    return merged


def _find_id(layers: list[dict[str, Any]]) -> str | None:
    """Return the id to poll with, as text and otherwise as it came.

    A number beside a textual `task_id` is a row of the gateway's database (new-api's legacy
    route), not the id. `request_id` (xAI) comes last: elsewhere it is a log id.
    """
    for layer in layers:
        ids = [layer[name] for name in _IDS if _is_id(layer.get(name))]
        if ids:
            return _id_text(next((found for found in ids if isinstance(found, str)), ids[0]))
    for layer in layers:
        if _is_id(layer.get("request_id")):
            return _id_text(layer["request_id"])
    return None


def _id_text(value: str | int) -> str:
    if isinstance(value, int) and abs(value) >= 10**LONGEST_ID:
        value = "9" * (LONGEST_ID + 1)
    text = str(value)
    if len(text) > LONGEST_ID:
        raise WireError(
            f"The server's job id has {len(text)} characters, more than {LONGEST_ID}.",
            excerpt=excerpt(text[:500].encode()),
        )
    return text


def _pick_status(layers: list[dict[str, Any]], *, has_address: bool, creating: bool) -> str | None:
    """Return the word that counts: one for an end from any layer, else the innermost known.

    Forks of new-api leave the inner word stale ("queued" under "success"). As "success" on
    the outside also means just that the question was answered, it ends a job whose inner
    word goes on only where a file is named or the progress is 100.
    """
    words = [text for layer in layers if (text := status_word(layer)) is not None]
    inner = words[-1] if words else None
    for text in reversed(words):
        found = meaning(text)
        stale = text is not inner and inner is not None and meaning(inner) is not None
        if found == "completed" and stale and (creating or not (has_address or _full(layers))):
            continue
        if found in ENDED:
            return text
    return next((text for text in reversed(words) if meaning(text)), inner)


def _full(layers: list[dict[str, Any]]) -> bool:
    return any(percent(layer.get("progress")) == _DONE for layer in layers)


def meaning(raw: str) -> ServerStatus | None:
    """Translate a server's word; None: not known, so the job is taken to be still running.

    openai-python ends its poll on any other word, and so loses jobs (ArcReel#410).
    """
    word = raw.strip().lower().replace("-", "_").replace(" ", "_")
    return MEANINGS.get(word) or MEANINGS.get(_PREFIX.sub("", word))


def status_word(level: Mapping[str, Json]) -> str | None:
    """Return the status word of one level of an answer, as the server wrote it."""
    for name in STATUS_NAMES:
        value = level.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return None
