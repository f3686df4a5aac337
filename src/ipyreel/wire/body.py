"""JSON bodies, read so that nothing after this has to fear what was in them."""

from __future__ import annotations

import json
import math
from typing import Any

from ipyreel.values import Json

DEEPEST = 64
"""Levels of nesting that are read; no server studied goes beyond eight."""


def load(body: bytes) -> Json:
    """Read a JSON body whatever its Content-Type said; broken UTF-8 is replaced.

    What comes back can be written again by any JSON writer: NaN and infinities are None,
    lone surrogates are "?", and it is nested at most `DEEPEST` levels.

    Raises
    ------
    ValueError
        It is no JSON, or nested too deeply.
    """
    try:
        return _tidy(_parse(body), 0)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _parse(body: bytes) -> Json:
    try:
        return json.loads(body, parse_constant=_nothing, parse_float=_finite)
    except UnicodeDecodeError:
        text = body.decode("utf-8", "replace")
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
    """Return `text` without lone surrogates, which no encoder takes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def is_empty(value: Any) -> bool:
    """Whether a field says nothing: absent, null, "", {} or []."""
    return value is None or (isinstance(value, (str, dict, list)) and not value)


def dig(value: Json, *names: str) -> Json:
    """Return `value[a][b]…`, or None where a level is missing or no object."""
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
