"""Which jobs to list from the library, in what order, and which page of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ipyreel.values import JobStatus

ORDERS: Mapping[str, str] = MappingProxyType(
    {
        "newest": "created_at DESC",
        "oldest": "created_at",
        "prompt": "lower(prompt), created_at DESC",
        "most_expensive": "coalesce(cost_micros, estimate_micros, 0) DESC, created_at DESC",
    }
)
"""The orders by name, and their SQL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which jobs to list, in what order, and which page of them.

    Empty values and None match every job.

    `text`: words that are all in the prompt, ignoring the case of ASCII letters; `opinion`: the
    same in tags and notes of one rating. `stars`: the least mean rating; `tags`: full tags that
    the video must have. `since` is in seconds since the epoch; `order` is a name in `ORDERS`.
    """

    text: str = ""
    stars: int = 0
    opinion: str = ""
    tags: tuple[str, ...] = ()
    provider: str | None = None
    model: str | None = None
    states: tuple[JobStatus, ...] = ()
    since: float | None = None
    order: str = "newest"
    limit: int = 12
    offset: int = 0

    def where(self) -> tuple[str, tuple[object, ...]]:
        """Return the condition as SQL and the values for its placeholders."""
        parts = list(self._conditions())
        text = " AND ".join(part for part, _ in parts)
        values = tuple(value for _, some in parts for value in some)
        return (f"WHERE {text}" if text else "", values)

    def _conditions(self) -> Iterator[tuple[str, tuple[object, ...]]]:
        for word in self.text.split():
            yield "instr(lower(prompt), lower(?)) > 0", (word,)
        rated = "json_extract(file, '$.sha256') IN (SELECT video FROM ratings {})"
        if self.stars:
            yield rated.format("GROUP BY video HAVING avg(stars) >= ?"), (self.stars,)
        words = self.opinion.split()
        if words:
            each = " AND ".join(["instr(lower(tags || ' ' || note), lower(?)) > 0"] * len(words))
            yield rated.format(f"WHERE {each}"), tuple(words)
        for tag in self.tags:
            has = "WHERE EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)"
            yield rated.format(has), (tag,)
        for name, value in (("provider", self.provider), ("model", self.model)):
            if value is not None:
                yield f"{name} = ?", (value,)
        if self.states:
            yield f"status IN ({', '.join('?' * len(self.states))})", self.states
        if self.since is not None:
            yield "created_at >= ?", (self.since,)
