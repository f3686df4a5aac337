"""Keeps a key that was typed where it does not belong out of what is answered."""

from __future__ import annotations

import re

KEY = re.compile(
    r"\b(?:(?:sk|pk|rk|gsk|hf|xai|r8|ghp|key)[-_](?=\S*\d)|AIza|eyJ)[-_A-Za-z0-9.]{12,}"
)
"""Keys as the usual services make them."""

_USER_INFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_NAMED = re.compile(r"(?i)\b(?:api_?key|(?:access_?)?token|secret|password)=(\S{6,})")
_PROVIDER_FIRST = {"key", "doctor", "use", "models"}
LONG = 16
"""Characters of a word that is no provider's name."""


def secrets_in(line: str, *, cell: bool) -> list[str]:
    """Return what looks like a key on a line of `%%video` (`cell`) or of `%video`."""
    found = [*KEY.findall(line), *_USER_INFO.findall(line), *_NAMED.findall(line)]
    verb, *words = [*line.split(), ""] if not cell else [""]
    if verb in _PROVIDER_FIRST:
        found += [word for word in words if len(word) >= LONG and re.search(r"\d", word)
                  and not re.search(r"[=/]", word)]  # fmt: skip
    if verb == "key":
        found += [word for word in words[1:] if word and not word.startswith("--")]
    return found


def hide_secrets(text: str, line: str, *, cell: bool) -> str:
    """Return an answer without the keys of the line, and with what to do about them."""
    found = secrets_in(line, cell=cell)
    for secret in sorted(found, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "•••", text)
    if not found or "revoke" in text:
        return text
    return (
        f"{text.rstrip('.')}. This line may contain a key, and it is in the notebook and in "
        "IPython's history: revoke that key. %video key PROVIDER asks for one without showing it."
    )
