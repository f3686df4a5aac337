"""Reads headers of replies: when to ask again, and the id under which the server logged it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime

from ipyreel.wire.parse import number, word

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
    """Return the seconds after which the server wants to be asked again, at most `cap`.

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
        # HTTP dates are GMT, also where a server leaves the zone out (RFC 9110, 5.6.7).
        when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
        return when.timestamp() - now
    except (TypeError, ValueError, IndexError, OverflowError, OSError):
        return None


def poll_after(headers: Mapping[str, str], *, cap: float = LONGEST_WAIT) -> float | None:
    """Return the seconds until the next poll that `openai-poll-after-ms` asks for."""
    wait = number(headers.get("openai-poll-after-ms"))
    return min(wait / 1000, cap) if wait is not None and wait >= 0 else None


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return the id under which the server (or a gateway before it) logged the request."""
    return next((found for name in _REQUEST_IDS if (found := word(headers.get(name)))), None)
