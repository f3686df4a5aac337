"""A reply whose body is still to come.

May import `errors`, `values`, the catalog's keys and `body`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from ipyreel.catalog.keys import Secret
from ipyreel.client.body import without_key
from ipyreel.errors import WireError
from ipyreel.values import HttpReply

MAX_REPLY = 16 * 2**20
"""The largest answer, in bytes, that is read into memory; jobs are a few kilobytes."""

IDENTITY = "identity"


def is_encoded(headers: Mapping[str, str]) -> bool:
    """Tell whether a body is compressed."""
    return headers.get("content-encoding", IDENTITY).strip().lower() not in {IDENTITY, ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One reply: header names are in lower case, `host` is who answered in the end.

    `pieces` yields the body once, decoded; it raises `TransportError` when the body breaks off.
    `key` is what no answer that is shown or kept may repeat.
    """

    status_code: int
    headers: Mapping[str, str]
    host: str
    pieces: AsyncIterator[bytes] = field(repr=False)
    key: Secret | None = field(default=None, repr=False)

    @property
    def encoded(self) -> bool:
        """Whether the body came compressed although plain bytes were asked for."""
        return is_encoded(self.headers)

    async def read(self, limit: int = MAX_REPLY) -> HttpReply:
        """Read the rest into memory; raises `WireError` when it is longer than `limit` bytes."""
        body = bytearray()
        async for piece in self.pieces:
            body += piece
            if len(body) > limit:
                raise WireError(
                    f"The answer of {self.host} is longer than {limit} bytes.",
                    excerpt=self.reply(bytes(body)).body[:500].decode(errors="replace"),
                )
        return self.reply(bytes(body))

    def reply(self, body: bytes) -> HttpReply:
        """Return the answer with this body, the key taken out of it."""
        reply = HttpReply(status_code=self.status_code, headers=self.headers, body=body)
        return without_key(reply, self.key)
