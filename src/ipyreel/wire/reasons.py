"""Why something did not work, wherever a server wrote it."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ipyreel.values import Json
from ipyreel.wire.body import is_empty
from ipyreel.wire.places import usable
from ipyreel.wire.scalars import word
from ipyreel.wire.text import clean, excerpt

MODERATION = frozenset(
    {
        "moderation_blocked",
        "sentinel_block",
        "content_filter",
        "content_policy_violation",
        "input_moderation",
        "output_moderation",
        "sensitive_words_detected",
        "moderated",
    }
)
"""Codes with which servers say that the prompt or the picture was refused."""

MODERATION_HINT = "The provider's moderation refused the prompt. Change it and run the cell again."

_SENTENCES = ("message", "msg", "error", "detail", "reason", "description", "err_msg", "ErrMsg")
_REASONS = (
    "fail_reason",
    "failReason",
    "failure_reason",
    "error_message",
    "err_msg",
    "ErrMsg",
    "reason",
    "message",
    "msg",
    "detail",
)
_NO_REASON = frozenset({"success", "ok", "none", "null", "succeeded"})
_NO_CODE = frozenset({"", "0", "200", "201", "202", "success", "ok", "none", "null"})
_DEEPEST = 4
_FEW = 3
_LOGGED = re.compile(r"request id:\s*([\w-]{6,80})", re.IGNORECASE)
_TITLE = re.compile(rb"<title[^>]{0,200}>([^<]{1,300})", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """What a server gave as its reason; every part may be missing."""

    message: str | None = None
    code: str | None = None
    param: str | None = None
    request_id: str | None = None

    @property
    def moderated(self) -> bool:
        """Whether the code says that moderation refused."""
        return (self.code or "").lower() in MODERATION


def sentence(value: Json, depth: int = 0) -> str | None:
    """Return the readable text in a field that is text, an object with some, or a list."""
    if isinstance(value, str):
        told = clean(value)
        return told if told and told.lower() not in _NO_REASON else None
    if depth >= _DEEPEST:
        return None
    if isinstance(value, dict):
        found = (sentence(value.get(name), depth + 1) for name in _SENTENCES)
        inner = next((line for line in found if line), None)
        where = field_of(value)
        return f"{where}: {inner}" if inner and where else inner
    if isinstance(value, list):
        lines = [text for item in value[:_FEW] if (text := sentence(item, depth + 1))]
        return clean("; ".join(lines)) or None
    return None


def field_of(value: Json) -> str | None:
    """Return the field that one entry of a FastAPI `detail` list complains of."""
    loc = value.get("loc") if isinstance(value, dict) else None
    if not isinstance(loc, list):
        return None
    names = [text for item in loc[:8] if (text := word(item, 60)) and text != "body"]
    return ".".join(names) or None


def code_of(value: Json) -> str | None:
    """Return a code, unless it says that all is well or nothing at all."""
    text = word(value)
    return text if text is not None and text.lower() not in _NO_CODE else None


def _first(names: tuple[str, ...], *levels: Mapping[str, Json]) -> str | None:
    found = (code_of(level.get(name)) for level in levels for name in names)
    return next((code for code in found if code), None)


def _param(error: Mapping[str, Json], answer: Mapping[str, Json]) -> str | None:
    detail = answer.get("detail")
    first = detail[0] if isinstance(detail, list) and detail else None
    return word(error.get("param")) or field_of(first)


def reason_in(answer: Mapping[str, Json], *, only_error: bool = False) -> Reason:
    """Search an answer for its reason: `error` in all its shapes, then the other names.

    Parameters
    ----------
    answer
        The body, unwrapped.
    only_error
        Look at `error` alone: on a job that is said to be completed, a `message` means nothing.
    """
    error = answer.get("error")
    inner: Mapping[str, Json] = error if isinstance(error, dict) else {}
    message = sentence(error)
    code = _first(("code", "type"), inner)
    if not only_error:
        message = message or _elsewhere(answer)
        code = code or _first(("code", "error_code", "ErrCode"), answer)
        code = code or _filtered(answer)
    logged = _LOGGED.search(message or "")
    return Reason(
        message=message,
        code=code,
        param=_param(inner, answer),
        request_id=logged[1] if logged else word(answer.get("request_id")),
    )


def _elsewhere(answer: Mapping[str, Json]) -> str | None:
    """Return the reason from the fields that are used where there is no `error`."""
    found = (sentence(answer.get(name)) for name in _REASONS)
    message = next((text for text in found if text), None)
    metadata = answer.get("metadata")
    place = metadata.get("url") if isinstance(metadata, dict) else None
    if message or not isinstance(place, str) or usable(place):
        return message
    return sentence(place)  # new-api: GetResultURL falls back to FailReason (model/task.go)


def _filtered(answer: Mapping[str, Json]) -> str | None:
    """Return the code for Bifrost's `content_filter`, or for a `failure_reason` that is one."""
    reason = word(answer.get("failure_reason"))
    if reason in MODERATION:
        return reason
    told = answer.get("content_filter")
    return None if is_empty(told) or told is False else "content_filter"


def of_unreadable(status_code: int, headers: Mapping[str, str], body: bytes) -> str:
    """Say what a body was that is no JSON: status, type, and the title or first characters."""
    kind = clean(headers.get("content-type", "").split(";")[0], 60) or "no type"
    title = _TITLE.search(body[:8192])
    if title:
        shown = clean(html.unescape(title[1].decode("utf-8", "replace")), 200)
    else:
        shown = excerpt(body, 200)
    tail = f": {shown}" if shown else " and an empty body."
    return f"The server answered {status_code} with {kind}{tail}"
