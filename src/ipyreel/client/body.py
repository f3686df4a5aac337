"""What goes out as the body of a call, and comes in as that of an answer.

May import `values`, `errors` and the catalog's keys.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ipyreel.catalog.keys import Secret
from ipyreel.errors import InvalidRequest
from ipyreel.values import HttpCall, HttpReply

SHORTEST_KEY = 8
"""Letters from which on a key is looked for in answers."""


def encode_body(call: HttpCall) -> dict[str, Any]:
    """Return the body as httpx takes it: JSON text, or the parts of a form.

    Raises `InvalidRequest` for data that cannot be written.
    """
    try:
        if call.form is not None:
            # A part without a name of a file is a plain field to httpx, in the order given.
            parts = ((part, _as_bytes(part.value)) for part in call.form)
            return {
                "files": [
                    (part.name, (part.filename, value, part.media_type)) for part, value in parts
                ]
            }
        if call.json is None:
            return {}
        text = json.dumps(call.json, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return {"content": text.encode()}
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"The request cannot be written: {error}.") from error


def _as_bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def without_key(reply: HttpReply, key: Secret | None) -> HttpReply:
    """Take the key out of an answer that repeats it, since answers are shown and kept."""
    secret = b"" if key is None else key.reveal().encode()
    # A shorter one may stand in any text by chance, and guards nothing.
    if len(secret) < SHORTEST_KEY or secret not in reply.body:
        return reply
    return replace(reply, body=reply.body.replace(secret, b"***"))
