"""Refreshes what is known of a provider's models and prices, and asks what is left on its key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from ipyreel.catalog.choice import FALLBACK, require_base_url
from ipyreel.catalog.offers import FILE, Offered, save_offers
from ipyreel.client import VideoClient
from ipyreel.errors import InvalidRequest, TransportError
from ipyreel.jobs.loop import wait_blocking
from ipyreel.plan import usd_text
from ipyreel.session import Session
from ipyreel.values import Balance

T = TypeVar("T")

PATIENCE = 45.0
"""Seconds to wait for a server's answers."""


def refresh(session: Session, name: str) -> Offered:
    """Ask a provider about its models and prices, and keep the answer beside the library.

    Raises `VideoError` when the provider does not answer or the answer cannot be kept; then what
    was known stays.
    """
    row = session.catalog.provider(name)
    if row.name == FALLBACK:
        raise InvalidRequest(
            f"{row.name} is part of ipyreel: its models change only with a new version."
        )
    url = require_base_url(row, session.keys.environ)
    session.store.require_open()
    offers = ask(session, name, VideoClient.offers)
    offered = Offered(base_url=url, asked_at=session.clock(), offers=offers)
    save_offers(session.settings.home / FILE, row.name, offered)
    session.read_settings()
    return offered


def balance(session: Session, name: str) -> Balance | None:
    """Return what is left on the key of a provider; None where it has no route to ask.

    Raises `VideoError` when the provider does not say it.
    """
    return ask(session, name, VideoClient.balance)


def balance_text(left: Balance) -> str:
    """Say what is left in words: "3.20 USD left, 1.80 USD spent"."""
    parts = ["the key has no limit"] if left.left is None else [f"{usd_text(left.left)} left"]
    if left.spent is not None:
        parts.append(f"{usd_text(left.spent)} spent")
    return ", ".join(parts)


def ask(session: Session, name: str, question: Callable[[VideoClient], Awaitable[T]]) -> T:
    """Ask the server of a provider, and wait for its answer; raises `VideoError`."""

    async def asking() -> T:
        return await question(await session.client(name))

    future = session.loop.submit(asking())
    try:
        return wait_blocking(future, PATIENCE)
    except TimeoutError:
        future.cancel()
        raise TransportError(f"{name} did not answer within {PATIENCE:g} s.") from None
