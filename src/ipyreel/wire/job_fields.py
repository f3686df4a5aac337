"""Finds the job in a reply: its object, its id, its status, its addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlsplit

from ipyreel.errors import WireError
from ipyreel.values import ENDED, Json, ServerStatus
from ipyreel.wire.parse import dig, is_empty, load, percent
from ipyreel.wire.text import excerpt

_WORDS: dict[ServerStatus, str] = {
    "queued": "queued pending submitted not_start created waiting queue queueing preparing "
    "preprocessing unknown 排队中",
    "in_progress": "in_progress processing running generating postprocessing rendering in_queue "
    "started active 处理中 生成中",
    "completed": "completed complete succeeded succeed success successful done finished finish "
    "generated ready ok 成功 完成 已完成 生成成功",
    "failed": "failed failure fail error errored rejected aborted timeout timed_out moderated "
    "content_moderated content_filtered censored nsfw nsfw_detected 失败 生成失败",
    "cancelled": "cancelled canceled cancelling deleted expired",
}

MEANINGS: Mapping[str, ServerStatus] = MappingProxyType(
    {word: status for status, words in _WORDS.items() for word in words.split()}
)
"""Every known word, in lower case with underscores, and what it means."""

STATUS_NAMES = ("status", "Status", "task_status", "taskStatus", "state", "video_status")
"""Fields in which servers put the status word, the usual one first."""

_PREFIX = re.compile(r"^(task_status|job_state|job_status|status|state|task|job|video)_")

LONGEST_ID = 4_096
"""Most characters of an id; LiteLLM's ids have about 300."""

_IDS = ("id", "video_id", "task_id")
_WRAPPERS = ("data", "detail", "result", "items", "output", "AigcVideoTask", "task")
_MOST_LEVELS = 3
_DONE = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFields:
    """What a JSON reply says about one job, with its layers merged.

    `fields` has the fields of all layers (inner layers override), `remote_id` and `raw_status`
    are None if not given, `addresses` are those of the file, `raw` is the body.
    """

    fields: dict[str, Json]
    remote_id: str | None
    raw_status: str | None
    status: ServerStatus | None
    addresses: tuple[str, ...]
    raw: Json

    @property
    def has_own_id(self) -> bool:
        """Whether the id is a job's: a `request_id` may only be the id of a log entry."""
        return any(_is_id(self.fields.get(name)) for name in _IDS)


def find_job(body: Json, *, creating: bool = False) -> JobFields | None:
    """Return the job in at most two wrappers; None: the body is not an object.

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
    """Return the objects from the outermost to the one that has the job."""
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
    """Return an object, or the only object of a list."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, dict) else None


def _names_job(layer: dict[str, Json]) -> bool:
    """Return whether a layer has its own id; a layer with only a task id also needs a state."""
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
    """Return the id to poll with, as text and otherwise unchanged.

    A number next to a textual `task_id` is a row of the gateway's database (new-api's legacy
    route), not the id. `request_id` (xAI) comes last: other servers use it as a log id.
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
    """Return the status word to use: a final one from any layer, else the innermost known one.

    Forks of new-api leave the inner word stale ("queued" under "success"). An outer "success"
    may also just mean that the request succeeded. So it ends a job with an active inner word
    only if a file is named or the progress is 100.
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
    """Translate a server's word; None: not known, so the job is treated as running.

    openai-python ends its poll on any unknown word, and loses jobs (ArcReel#410).
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


_FIELDS: tuple[tuple[str, ...], ...] = (
    ("video_url",),
    ("url",),
    ("urls",),
    ("videos",),
    ("video",),
    ("output",),
    ("outputs",),
    ("unsigned_urls",),
    ("metadata", "url"),
    ("metadata", "video_url"),
    ("meta_data", "url"),
    ("result_url",),
    ("content", "video_url"),
    ("data",),
    ("result",),
    ("download_url",),
    ("remixed_from_video_id",),  # Agnes hides the finished URL here (ArcReel#943)
)
"""Fields that contain the file's address, best first; the last ones are unusual."""

_INNER = ("video_url", "url", "result_url", "download_url", "urls")
_BASE64 = ("base64", "b64_json")
_OTHERS = re.compile(
    r"input|reference|image|callback|prompt|request|(?<!re)source|thumb|cover|poster|webhook|"
    r"cancel|status|polling|avatar|logo|docs|account",
    re.IGNORECASE,
)
"""Names of fields whose addresses are not those of the video."""

_MEANINGFUL = re.compile(r"url|uri|video|resource|download|file|link|href|src", re.IGNORECASE)
_MOST_GUESSES = 4
_MOST_ADDRESSES = 8
_FILM = re.compile(r"\.(mp4|webm|mov|m4v|avi)$", re.IGNORECASE)
_CONTROLS = re.compile(r"[^\S ]|[\x00-\x1f\x7f]")
_RESERVED = "%/?#[]@!$&'()*+,;=:~|{}"
_ALPHABET = re.compile(r"[A-Za-z0-9+/=_-]+")
_LONGEST_URL = 16_384
_DEEPEST = 8


def usable_address(text: Json) -> str | None:
    """Return `text` if it is the address of a file: http(s), data:, or a path ("/v1/…").

    Blanks and non-ASCII letters are percent-encoded. new-api puts the reason of a failure where
    the URL belongs; that is not an address.
    """
    address = text.strip() if isinstance(text, str) else ""
    if address.startswith(("data:video/", "data:application/octet-stream")):
        return address
    is_sentence = " " in address and not _FILM.search(address.partition("?")[0])
    if is_sentence or not 0 < len(address) <= _LONGEST_URL or _CONTROLS.search(address):
        return None
    address = quote(address, safe=_RESERVED)
    if address.startswith("/"):
        return None if address.startswith("//") else address
    try:
        parts = urlsplit(address)
        known = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    return address if known else None


def _from_base64(item: dict[str, Json]) -> Iterator[str]:
    for name in _BASE64:
        text = item.get(name)
        if isinstance(text, str) and _ALPHABET.fullmatch(text[:64]):
            kind = item.get("content_type")
            kind = kind if isinstance(kind, str) and kind.startswith("video/") else "video/mp4"
            yield f"data:{kind.split(';')[0]};base64,{text}"


def _texts(value: Json, depth: int = 0) -> Iterator[str]:
    """Yield the addresses in a field: one address, a list of them, or an object with one."""
    if isinstance(value, str):
        if (address := usable_address(value)) is not None:
            yield address
    elif isinstance(value, list) and depth < _DEEPEST:
        for item in value:
            yield from _texts(item, depth + 1)
    elif isinstance(value, dict) and depth < _DEEPEST:
        for name in _INNER:
            yield from _texts(value.get(name), depth + 1)
        yield from _from_base64(value)


def find_addresses(reply: dict[str, Json]) -> tuple[str, ...]:
    """Return the addresses in the known fields of a reply, best first: at most eight.

    Paths on the server's own disk (`file_path`, `file_name`) are not addresses.
    """
    found = [address for names in _FIELDS for address in _texts(dig(reply, *names))]
    return tuple(dict.fromkeys(found))[:_MOST_ADDRESSES]


def guess_addresses(reply: Json) -> tuple[str, ...]:
    """Return possible addresses of a video in unknown fields: at most four.

    First those with the suffix of a video, then those whose field has a suitable name. Fields
    about inputs, pictures and the like are left out. The download shows whether it is a video.
    """
    # Paths are left out: they may be on the server's own disk.
    found = [(name, url) for name, url in _named_addresses(reply) if not url.startswith("/")]
    films = [url for _, url in found if _FILM.search(urlsplit(url).path)]
    named = [url for name, url in found if _MEANINGFUL.search(name)]
    return tuple(dict.fromkeys((*films, *named)))[:_MOST_GUESSES]


def _named_addresses(value: Json, name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield every address with the name of its field."""
    if isinstance(value, str):
        if (address := usable_address(value)) is not None and not address.startswith("data:"):
            yield name, address
    elif isinstance(value, list) and depth < _DEEPEST:
        for item in value:
            yield from _named_addresses(item, name, depth + 1)
    elif isinstance(value, dict) and depth < _DEEPEST:
        for key, item in value.items():
            if not _OTHERS.search(key):
                yield from _named_addresses(item, key, depth + 1)


def read_envelope(body: bytes) -> str | None:
    """Return the address in a JSON body that was sent instead of a video.

    Some resellers answer `/content` with JSON that has a URL; None: an error, or not JSON.
    """
    try:
        found = load(body)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return next(_texts(found), None)
    if not is_empty(found.get("error")):
        return None
    return next(iter(find_addresses(found)), None) or next(iter(guess_addresses(found)), None)
