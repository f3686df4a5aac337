"""Bodies of HTTP: encodes those that are sent, and streams those of replies."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ipyreel.errors import InvalidRequest, TransportError, WireError
from ipyreel.values import HttpCall, HttpReply
from ipyreel.wire.text import KeyMask, clean

MAX_REPLY = 16 * 2**20
"""The largest reply, in bytes, that is read into memory; jobs are a few kilobytes."""

IDENTITY = "identity"

WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""The encodings that are decoded although we ask for none, by zlib's parameters."""

MAX_PIECE = 2**18
"""Most bytes that are decoded at once."""

LONGEST_NUMBER = 18
"""Most digits of a length in bytes that is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A reply whose body was not read yet.

    Header names are in lower case; `host` is the host that answered at `url` after redirects;
    `url` is safe to show; `pieces` yields the decoded body once, and raises `TransportError` if
    it breaks off. `mask` removes the key from what is shown or stored.
    """

    status_code: int
    headers: Mapping[str, str]
    host: str
    url: str
    pieces: AsyncIterator[bytes] = field(repr=False)
    mask: KeyMask = field(repr=False)

    @property
    def encoded(self) -> bool:
        """Whether the body is compressed although we asked for plain bytes."""
        return bool(encodings(self.headers))

    @property
    def length(self) -> int | None:
        """The bytes of the body; None if the headers do not say or it is encoded."""
        text = self.headers.get("content-length", "")
        digits = text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER
        # Chunks have their own lengths, which override Content-Length (RFC 9112, 6.3).
        chunked = "transfer-encoding" in self.headers
        return int(text) if digits and not chunked and not self.encoded else None

    async def read(self, limit: int = MAX_REPLY) -> HttpReply:
        """Read the rest into memory; raises `WireError` if it is longer than `limit` bytes."""
        body = bytearray()
        async for piece in self.pieces:
            body += piece
            if len(body) > limit:
                start = self.mask(bytes(body[:4000]))[:500].decode(errors="replace")
                body.clear()  # the error's traceback would keep it in memory
                text = f"The reply of {self.host} is longer than {limit} bytes."
                raise WireError(text, excerpt=start)
        return self.reply(bytes(body))

    def reply(self, body: bytes) -> HttpReply:
        """Return the reply with this body, the key masked."""
        body = self.mask(body)
        return HttpReply(
            status_code=self.status_code, headers=self.headers, body=body, url=self.url
        )


def encode_body(call: HttpCall) -> dict[str, Any]:
    """Return the body as httpx accepts it: JSON text, or the parts of a form.

    Raises `InvalidRequest` for data that cannot be written.
    """
    try:
        if call.form is not None:
            # httpx sends a part without a file name as a plain field, and keeps the order.
            return {
                "files": [
                    (part.name, (part.filename, _as_bytes(part.value), part.media_type))
                    for part in call.form
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


def decoder(names: list[str], host: str) -> Callable[[bytes], Iterator[bytes]] | None:
    """Return a decoder for one gzip or deflate; raises `WireError` for other encodings."""
    if not names:
        return None
    if len(names) > 1 or names[0] not in WINDOW_BITS:
        shown = clean(", ".join(names), 60)
        raise WireError(f"{host} sent a body encoded as {shown}; plain bytes were requested.")
    inflate = zlib.decompressobj(WINDOW_BITS[names[0]])

    def decode(piece: bytes) -> Iterator[bytes]:
        # What follows the end would be kept in memory, and copied with each piece.
        while not inflate.eof:
            try:
                plain = inflate.decompress(piece, MAX_PIECE)
            except zlib.error as error:
                raise TransportError(f"{host} sent a damaged body.", sent=True) from error
            if plain:
                yield plain
            piece = inflate.unconsumed_tail
            if not piece and len(plain) < MAX_PIECE:
                return

    return decode


def encodings(headers: Mapping[str, str]) -> list[str]:
    """Return the encodings of a body, in lower case; [] for plain bytes."""
    found = (name.strip() for name in headers.get("content-encoding", "").lower().split(","))
    return [name for name in found if name not in {"", IDENTITY}]
