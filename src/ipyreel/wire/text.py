"""Cleans text from servers before it is shown: control characters, signed URLs, keys, length."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from html.entities import html5

MESSAGE_LIMIT = 2_000
"""Most characters of a server's message."""

LONGEST_PROMPT = 100_000
"""Most characters of a prompt."""

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
    """Return `text` without secrets and control characters (newline and tab are kept).

    Queries of URLs (signatures), user names in them, base64 data and what looks like a key are
    removed; lone surrogates become "?"; at most `limit` characters are kept. Markup is not
    removed: text is escaped where it is shown.
    """
    text = text[: 4 * limit].encode("utf-8", "replace").decode("utf-8")
    # A space, not nothing: what stands between the characters of a key keeps it from being one.
    text = _CONTROLS.sub(" ", text.replace("\r\n", "\n"))
    for pattern, instead in _HIDDEN:
        text = pattern.sub(instead, text)
    text = text.strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


class KeyMask:
    r"""Removes keys from what a server sends, in any notation.

    It finds the key itself, with any of its characters written as `%73`, `\u0073`, `&#115;`,
    `&#x73;` or `&amp;`, and the key in base64 and in hex. Keys of fewer than 8 characters are
    not masked: they could be any word. None: nothing is masked.
    """

    def __init__(self, *keys: str | None) -> None:
        self._keys = keys
        self._plain: tuple[bytes, ...] = ()
        self._escaped: re.Pattern[bytes] | None = None
        found = [key.encode() for key in keys if key is not None and len(key) >= _SHORTEST_KEY]
        for data in found:
            self._plain += (data, *_base64_forms(data), data.hex().encode())
        if found:
            ways = b"|".join(b"".join(map(_ways_to_write, data)) for data in found)
            self._escaped = re.compile(ways, re.IGNORECASE)

    def with_keys(self, *keys: str) -> KeyMask:
        """Return a mask that also removes these keys."""
        return KeyMask(*self._keys, *keys) if keys else self

    def __call__(self, data: bytes) -> bytes:
        """Return `data` with `***` instead of the key."""
        for form in self._plain:
            data = data.replace(form, _MASK)
        if self._escaped is not None and any(mark in data for mark in b"%\\&"):
            data = self._escaped.sub(_MASK, data)
        return data

    def text(self, text: str) -> str:
        """Return `text` with `***` instead of the key."""
        return self(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


_SHORTEST_KEY = 8
_MASK = b"***"


_NAMED = [(name.encode(), text.encode()) for name, text in html5.items() if text.isascii()]
"""The names of HTML's entities for single bytes, and what they stand for."""


def _ways_to_write(byte: int) -> bytes:
    same = re.escape(bytes([byte]))
    named = b"".join(b"&%s|" % name for name, text in _NAMED if text == bytes([byte]))
    # JSON inside JSON has twice as many backslashes; bounded, so that a search stays linear.
    escaped = b"\\\\{0,4}%s|\\\\{1,4}u00%02x" % (same, byte)
    return b"(?:%s%s|%%%02x|&#0*%d;?|&#x0*%x;?)" % (named, escaped, byte, byte, byte)


def _base64_forms(data: bytes) -> Iterator[bytes]:
    """Yield the part that all base64 texts containing `data` share, for each of its offsets."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data)
        # Cut off what depends on neighbours: the first characters, and an incomplete triple.
        start, end = (0, 2, 3)[before], len(encoded) - (0, 3, 2)[(before + len(data)) % 3]
        core = encoded[start:end].rstrip(b"=")
        yield core
        yield core.translate(bytes.maketrans(b"+/", b"-_"))


def excerpt(body: bytes, limit: int = 500) -> str:
    """Return the beginning of a body as text that is safe to show."""
    return clean(body[: 4 * limit].decode("utf-8", "replace"), limit)
