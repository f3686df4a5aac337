"""Stores what providers say about their models, and adds it to the rows of the catalog.

This never lowers an estimate: a provider's prices count if they are higher than the known ones,
and are shown next to them if they are lower.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ipyreel.catalog.rows import Model, Price, Provider
from ipyreel.errors import StoreError
from ipyreel.trust import write_private
from ipyreel.values import Offer, OfferedPrice, to_usd

FILE = "offers.json"
"""The file next to the library that has the answers."""

MAX_BYTES = 16 * 2**20

FEW = 20
"""A list of at most so many plain names must be from a server that only makes videos."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What one provider said at `base_url`, and when (seconds since the epoch)."""

    base_url: str
    asked_at: float
    offers: tuple[Offer, ...]

    @property
    def day(self) -> str:
        """The day on which the provider was asked, such as 2026-01-31."""
        return time.strftime("%Y-%m-%d", time.localtime(self.asked_at))

    def find(self, name: str) -> Offer | None:
        """Return the offer of this name, with or without the vendor's prefix."""
        exact = (one for one in self.offers if one.name == name)
        bare = (one for one in self.offers if one.name.rpartition("/")[2] == name)
        return next(exact, None) or next(bare, None)

    def model(self, name: str, row: Model | None, provider: Provider) -> Model | None:
        """Return the row of a model with what the provider said; None: nothing is known."""
        offer = self.find(name)
        if offer is None:
            return None if row is None else replace(row, asked=self.day, listed=False)
        if row is None:
            row = Model(
                name=offer.name,
                family=offer.name,
                title=offer.name,
                providers=(provider.name,),
                seconds=offer.seconds or None,
                sizes=offer.sizes,
                open_sizes=True,
            )
        return replace(row, asked=self.day, offered_prices=tuple(self._prices(offer, provider)))

    def models(self, rows: Iterable[Model], provider: Provider) -> Iterator[Model]:
        """Yield the rows of a provider with what it said, then the models that have no row."""
        seen = set[Offer | None]()
        for row in rows:
            seen.add(self.find(row.name))
            yield self.model(row.name, row, provider) or row
        for offer in self.offers:
            if offer not in seen and (offer.known or len(self.offers) <= FEW):
                new = self.model(offer.name, None, provider)
                assert new is not None  # noqa: S101 - the catalog has a row for it
                yield new

    def _prices(self, offer: Offer, provider: Provider) -> Iterator[Price]:
        for one in offer.prices:
            yield Price(
                usd_per_second=one.usd if one.per == "second" else None,
                usd_per_video=one.usd if one.per == "video" else None,
                sizes=() if one.size is None else (one.size,),
                provider=provider.name,
                source=f"{provider.name} says so",
                checked=self.day,
            )


NO_OFFERS: Mapping[str, Offered] = MappingProxyType({})


def load_offers(path: Path) -> Mapping[str, Offered]:
    """Return the stored answers by the provider's name, without those that cannot be read."""
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(MAX_BYTES))
        return MappingProxyType({name: _read(data) for name, data in found.items()})
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return NO_OFFERS


def save_offers(path: Path, name: str, offered: Offered) -> None:
    """Store a provider's answer, replacing the earlier one; raises `StoreError`."""
    kept = {**load_offers(path), name: offered}
    text = json.dumps({key: asdict(one) for key, one in kept.items()}, default=str)
    if len(text) > MAX_BYTES:
        raise StoreError(f"{path} would be larger than {MAX_BYTES:,} bytes; delete it.")
    write_private(path, text)


def _read(data: Any) -> Offered:
    return Offered(
        base_url=str(data["base_url"]),
        asked_at=float(data["asked_at"]),
        offers=tuple(map(_read_offer, data["offers"])),
    )


def _read_offer(data: Any) -> Offer:
    prices = (
        OfferedPrice(usd=to_usd(one["usd"]), per=one["per"], size=one["size"])
        for one in data["prices"]
    )
    return Offer(
        name=str(data["name"]),
        prices=tuple(prices),
        seconds=tuple(map(float, data["seconds"])),
        sizes=tuple(map(str, data["sizes"])),
        known=bool(data["known"]),
    )
