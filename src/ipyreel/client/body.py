"""The body of a call, as the transport takes it. May import `values` and `errors`."""

from __future__ import annotations

import json
from typing import Any

from ipyreel.errors import InvalidRequest
from ipyreel.values import HttpCall


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
