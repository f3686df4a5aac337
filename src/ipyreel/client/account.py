"""Asks a provider for its models, its prices and the balance of the key."""

from __future__ import annotations

from contextlib import suppress

from ipyreel.client.http import Http
from ipyreel.errors import ProviderError, WireError
from ipyreel.values import Balance, HttpCall, HttpReply, Offer
from ipyreel.wire.dialects import dialect_named
from ipyreel.wire.offers import GATEWAYS, read_balance, read_offers
from ipyreel.wire.writer import models_call


async def ask_offers(http: Http, dialect: str, timeout: float, now: float) -> tuple[Offer, ...]:
    """Return what the provider says about its models, with prices if it has a route for them.

    Raises what `Http.send` raises, `ProviderError` or `WireError`.
    """
    gateway = GATEWAYS.get(dialect_named(dialect).gateway)
    if gateway is not None:
        # Not every gateway of this kind shows its prices; then the list of names is used.
        with suppress(ProviderError, WireError):
            reply = await _get(http, gateway.prices, timeout)
            return read_offers(gateway, reply, now=now)
    reply = await http.send(models_call(dialect), timeout=timeout)
    return read_offers(None, reply, now=now)


async def ask_balance(http: Http, dialect: str, timeout: float, now: float) -> Balance | None:
    """Return the balance of the key; None if no route for it is known. Raises as above."""
    gateway = GATEWAYS.get(dialect_named(dialect).gateway)
    if gateway is None:
        return None
    reply = await _get(http, gateway.balance, timeout)
    unit = await _get(http, gateway.unit, timeout) if gateway.unit else None
    return read_balance(gateway, reply, unit, now=now)


async def _get(http: Http, path: str, timeout: float) -> HttpReply:
    """GET a path of the API, or, if it begins with "//", one at the root of its origin."""
    path = http.absolute(path[1:]) if path.startswith("//") else path
    return await http.send(HttpCall(method="GET", path=path), timeout=timeout)
