"""Reads JSON and single values as servers write them, so that later code cannot fail on them.

None means that a value cannot be used.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from ipyreel.values import Json
from ipyreel.wire.text import clean

DEEPEST = 64
"""Most levels of nesting; no known server uses more than eight."""

MOST_VALUES = 250_000
"""Most values in one body; in memory each takes twenty times its two characters."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,4})?", re.ASCII | re.IGNORECASE)
_SIZE = re.compile(r"(\d{1,5})\s*[xX*×]\s*(\d{1,5})", re.ASCII)
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""(limit, units per second): a time above the limit is written in these units."""
_LAST_MOMENT = 1e11
_LONGEST_NUMBER = 64


def load(body: bytes) -> Json:
    """Read a JSON body, whatever its Content-Type; invalid UTF-8 is replaced.

    Any JSON writer can write the result: NaN and infinities are None, lone surrogates are "?",
    and it is nested at most `DEEPEST` levels.

    Raises
    ------
    ValueError
        It is not JSON, nested too deeply, or has too many values.
    """
    if sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise ValueError("too many values")
    try:
        return _tidy(_parse(body), 0)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _parse(body: bytes) -> Json:
    # As bytes it could be UTF-16, in which no mask finds a key.
    text = body.decode("utf-8-sig", "replace")
    return json.loads(text, parse_constant=_nothing, parse_float=_finite)


def _nothing(_name: str) -> None:
    return None


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _tidy(value: Json, depth: int) -> Json:
    if depth > DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, dict):
        return {_whole(name): _tidy(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list):
        return [_tidy(item, depth + 1) for item in value]
    return value


def _whole(text: str) -> str:
    """Return `text` without lone surrogates, which no encoder accepts."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def is_empty(value: Any) -> bool:
    """Return whether a field has no value: absent, null, "", {} or []."""
    return value is None or (isinstance(value, (str, dict, list)) and not value)


def dig(value: Json, *names: str) -> Json:
    """Return `value[a][b]…`, or None if a level is missing or not an object."""
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def number(value: Json) -> float | None:
    """Read a finite number, written as a number or as text; booleans are not numbers."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str):
        value = value.strip()
        if len(value) > _LONGEST_NUMBER or not _NUMBER.fullmatch(value):
            return None
    try:
        found = float(value)
    except (OverflowError, ValueError):
        return None
    return found if math.isfinite(found) else None


def percent(value: Json) -> float | None:
    """Read a progress: 57, 57.0, "57" or "57%", clamped to 0 … 100.

    A fraction is not scaled up: no known server sends one, and 0.5 % is possible.
    """
    if isinstance(value, str):
        value = value.strip().removesuffix("%")
    found = number(value)
    return None if found is None else min(100.0, max(0.0, found))


def length(value: Json) -> float | None:
    """Read the length of a clip in seconds: 8, "8", "3.4" or "8s"; "auto" and 0 are None."""
    if isinstance(value, str):
        value = value.strip().removesuffix("s")
    found = number(value)
    return found if found is not None and found > 0 else None


def moment(value: Json) -> float | None:
    """Read a time as seconds since the epoch: s, ms, µs or ns by its magnitude, or ISO 8601.

    0 is "unknown" (fal through LiteLLM); an ISO time without a zone is read as UTC.
    """
    found = number(value)
    if found is None:
        found = _iso(value) if isinstance(value, str) else None
    if found is None or found <= 0:
        return None
    for above, unit in _UNITS:
        if found > above:
            found /= unit
            break
    return found if found < _LAST_MOMENT else None


def _iso(text: str) -> float | None:
    try:
        when = datetime.fromisoformat(text.strip()[:40].replace("Z", "+00:00"))
        if when.tzinfo is None:
            when = when.replace(tzinfo=timezone.utc)
        return when.timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def word(value: Json, limit: int = 200) -> str | None:
    """Read a short text, or a whole number as text; anything else and "" are None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        value = f"{value:d}" if abs(value) < 10**40 else None
    if not isinstance(value, str):
        return None
    return clean(value, limit) or None


def size(value: Json) -> str | None:
    """Read a size: "1280x720" (also written with `*`), or a word such as "720p"."""
    text = word(value, 40)
    if text is None:
        return None
    found = _SIZE.fullmatch(text)
    return f"{found[1]}x{found[2]}" if found else text


LONGEST_WAIT = 120.0
"""Seconds; longer waits are cut to this, as openai-python does."""

_REQUEST_IDS = (
    "x-request-id",
    "x-oneapi-request-id",
    "x-litellm-call-id",
    "apim-request-id",
    "request-id",
    "x-tt-logid",
    "cf-ray",
)
_DATE = re.compile(r"[A-Za-z]{3}")


def retry_after(
    headers: Mapping[str, str], *, now: float, cap: float = LONGEST_WAIT
) -> float | None:
    """Return the seconds to wait before the next request to the server, at most `cap`.

    Reads `retry-after-ms`, then `retry-after` in seconds or as an HTTP date (against `now`,
    seconds since the epoch). None: nothing usable, or a time in the past.
    """
    wait = number(headers.get("retry-after-ms"))
    if wait is not None:
        wait /= 1000
    else:
        text = headers.get("retry-after")
        wait = number(text)
        if wait is None and text is not None:
            wait = _until(text, now)
    return min(wait, cap) if wait is not None and wait >= 0 else None


def _until(text: str, now: float) -> float | None:
    if not _DATE.match(text.strip()):
        return None
    try:
        when = parsedate_to_datetime(text.strip()[:64])
        # HTTP dates are GMT, even if a server leaves out the zone (RFC 9110, 5.6.7).
        when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
        return when.timestamp() - now
    except (TypeError, ValueError, IndexError, OverflowError, OSError):
        return None


def poll_after(headers: Mapping[str, str], *, cap: float = LONGEST_WAIT) -> float | None:
    """Return the seconds until the next poll that `openai-poll-after-ms` asks for."""
    wait = number(headers.get("openai-poll-after-ms"))
    return min(wait / 1000, cap) if wait is not None and wait >= 0 else None


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return the id with which the server (or a gateway before it) logged the request."""
    return next((found for name in _REQUEST_IDS if (found := word(headers.get(name)))), None)
