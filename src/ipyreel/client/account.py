"""Asks a provider about its models, its prices and what is left on the key."""

from __future__ import annotations

from contextlib import suppress

from ipyreel.client.http import Http
from ipyreel.errors import ProviderError, WireError
from ipyreel.values import Balance, HttpCall, HttpReply, Offer
from ipyreel.wire.dialects import dialect_named
from ipyreel.wire.offers import GATEWAYS, read_balance, read_offers
from ipyreel.wire.writer import models_call


async def ask_offers(http: Http, dialect: str, timeout: float, now: float) -> tuple[Offer, ...]:
    """Return what the provider says about its models: with prices where it has a route for them.

    Raises what `Http.send` raises, `ProviderError` or `WireError`.
    """
    gateway = GATEWAYS.get(dialect_named(dialect).gateway)
    if gateway is not None:
        # Not every gateway of a kind shows its prices; then there is the list of names.
        with suppress(ProviderError, WireError):
            reply = await _get(http, gateway.prices, timeout)
            return read_offers(gateway, reply, now=now)
    reply = await http.send(models_call(dialect), timeout=timeout)
    return read_offers(None, reply, now=now)


async def ask_balance(http: Http, dialect: str, timeout: float, now: float) -> Balance | None:
    """Return what is left on the key; None where no route for it is known. Raises as above."""
    gateway = GATEWAYS.get(dialect_named(dialect).gateway)
    if gateway is None:
        return None
    reply = await _get(http, gateway.balance, timeout)
    unit = await _get(http, gateway.unit, timeout) if gateway.unit else None
    return read_balance(gateway, reply, unit, now=now)


async def _get(http: Http, path: str, timeout: float) -> HttpReply:
    """GET a path of the API, or with "//" one at the root of its origin."""
    path = http.absolute(path[1:]) if path.startswith("//") else path
    return await http.send(HttpCall(method="GET", path=path), timeout=timeout)
