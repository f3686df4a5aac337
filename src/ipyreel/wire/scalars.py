"""Single values as servers write them: numbers, times, lengths, words. None: not usable."""

from __future__ import annotations

import math
import re
from datetime import datetime, timezone

from ipyreel.values import Json
from ipyreel.wire.text import clean

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,4})?", re.ASCII | re.IGNORECASE)
_SIZE = re.compile(r"(\d{1,5})\s*[xX*×]\s*(\d{1,5})", re.ASCII)
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""Above the first, a time is written in units of which the second make a second."""
_LAST_MOMENT = 1e11
_LONGEST_NUMBER = 64


def number(value: Json) -> float | None:
    """Read a finite number, written as a number or as text; booleans are none."""
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

    A fraction is not scaled up: no server is known to send one, and 0.5 % exists.
    """
    if isinstance(value, str):
        value = value.strip().removesuffix("%")
    found = number(value)
    return None if found is None else min(100.0, max(0.0, found))


def length(value: Json) -> float | None:
    """Read the length of a clip in seconds: 8, "8", "3.4" or "8s"; "auto" and 0 say nothing."""
    if isinstance(value, str):
        value = value.strip().removesuffix("s")
    found = number(value)
    return found if found is not None and found > 0 else None


def moment(value: Json) -> float | None:
    """Read a time as seconds since the epoch: s, ms, µs or ns by its magnitude, or ISO 8601.

    0 is "unknown" (fal through LiteLLM); an ISO time without a zone is taken as UTC.
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
    """Read a short text, or a whole number as text; anything else and "" say nothing."""
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
