"""Cleans text of servers before it is shown: control characters, signed URLs, keys, length."""

from __future__ import annotations

import re

MESSAGE_LIMIT = 2_000
"""Characters of a server's message that are kept."""

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SCHEMES = r"\b(?:https?|wss?|ftp|s3|gs|oss)://"
_HIDDEN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bdata:[\w.+-]*/?[\w.+-]*;base64,[^\s\"'<>]*", re.IGNORECASE), "data:…"),
    (re.compile(rf"({_SCHEMES})[^\s/@\"'<>]+@", re.IGNORECASE), r"\1"),
    (re.compile(rf"({_SCHEMES}[^\s?#\"'<>]*)[?#][^\s\"'<>]*", re.IGNORECASE), r"\1?…"),
    (
        re.compile(
            r"\b(X-Amz-[\w-]+|X-Tos-[\w-]+|signature|sig|token|access_token|api[_-]?key)"
            r"=[^&\s\"'<>]+",
            re.IGNORECASE,
        ),
        r"\1=…",
    ),
    (re.compile(r"\bBearer\s+(?=\S*\d)[\w.~+/=-]{6,}", re.IGNORECASE), "Bearer …"),
    (re.compile(r"\b(sk|rk|xai|gsk|hf)[-_][\w*-]{6,}", re.IGNORECASE), r"\1-…"),
    (re.compile(r"\bAIza[\w-]{20,}"), "AIza…"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), "eyJ…"),
)


def clean(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """Return `text` without control characters (newline and tab stay) and without secrets.

    Queries of URLs (signatures), user names in them, base64 data and what looks like a key
    are cut out; lone surrogates become "?"; at most `limit` characters are kept. Markup
    stays: text is escaped where it is shown.
    """
    text = text[: 4 * limit].encode("utf-8", "replace").decode("utf-8")
    text = _CONTROLS.sub("", text)
    for pattern, instead in _HIDDEN:
        text = pattern.sub(instead, text)
    text = text.strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def excerpt(body: bytes, limit: int = 500) -> str:
    """Return the beginning of a body as text that may be shown."""
    return clean(body[: 4 * limit].decode("utf-8", "replace"), limit)
