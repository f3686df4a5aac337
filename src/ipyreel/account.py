"""Refreshes the known models and prices of a provider, and asks for the balance of its key."""

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
    """Ask a provider for its models and prices, and store the answer next to the library.

    Raises `VideoError` if the provider does not answer or the answer cannot be stored; then the
    last answer is kept.
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
    """Return the balance of a provider's key; None if it has no route for it.

    Raises `VideoError` if the provider does not return it.
    """
    return ask(session, name, VideoClient.balance)


def balance_text(left: Balance) -> str:
    """Return a balance in words: "3.20 USD left, 1.80 USD spent"."""
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
