"""What gateways tell of their prices and of a key: read, kept, used upwards only, shown."""

from __future__ import annotations

import os
import stat
from decimal import Decimal

import pytest
from IPython.core.error import UsageError

from ipyreel.catalog.offers import FILE
from ipyreel.errors import AuthenticationFailed
from ipyreel.notebook import api
from ipyreel.values import Balance, OfferedPrice
from tests.dialects.ask import at
from tests.dialects.fakes.base import KEY
from tests.dialects.fakes.engines import SGLang
from tests.dialects.fakes.gateways import NewApi
from tests.dialects.fakes.openai_like import LiteLLM, OpenRouter


def usd(amount, per="second", size=None):
    return OfferedPrice(usd=Decimal(str(amount)), per=per, size=size)


TOLD = {
    # The most expensive group that has it counts, and models that make no videos are left out.
    NewApi: (
        {"kling-v2-master": (usd("0.6", "video"),), "seedance-x": ()},
        Balance(left=Decimal("8.2"), spent=Decimal("1.8")),
    ),
    LiteLLM: (
        {"veo-x": (usd("0.5", size="1080p"), usd("0.3"))},
        Balance(left=Decimal("2.75"), spent=Decimal("1.25")),
    ),
    OpenRouter: (
        {"google/veo-3.1-fast": (usd("0.3", size="4k"), usd("0.08", size="720p"), usd("0.12"))},
        Balance(left=Decimal("7.5"), spent=Decimal("2.5")),
    ),
}


@pytest.mark.parametrize("make", TOLD, ids=lambda make: make.name)
def test_prices_and_balances_are_read_and_the_key_stays_at_home(stage, make):
    fake = make()

    async def ask(_table, client):
        return await client.offers(), await client.balance()

    offers, balance = at(stage, fake, ask)
    assert ({one.name: one.prices for one in offers}, balance) == TOLD[make]
    assert fake.cdn.seen == []
    assert all(seen.headers[fake.key_header] == f"Bearer {KEY}" for seen in fake.seen)


def test_a_gateway_that_hides_its_prices_lists_its_names(stage):
    fake = NewApi()
    fake.shows_prices = False
    offers = at(stage, fake, lambda _table, client: client.offers())
    assert [(one.name, one.prices) for one in offers] == [
        ("kling-v2-master", ()),
        ("seedance-x", ()),
    ]


def test_a_key_without_a_limit_and_a_server_without_a_route(stage):
    fake = NewApi()
    fake.unlimited = True
    balance = at(stage, fake, lambda _table, client: client.balance())
    assert balance == Balance(left=None, spent=Decimal("1.8"))
    assert at(stage, SGLang(), lambda _table, client: client.balance()) is None

    async def ask(table, _client):
        async with table.client(key=f"{KEY}-wrong") as other:
            await other.balance()

    with pytest.raises(AuthenticationFailed):
        at(stage, NewApi(), ask)


@pytest.fixture
def reel(stage, load, monkeypatch):
    """Load the extension with a new-api gateway whose key is set; returns what a line prints."""
    fake = stage.play(NewApi())
    monkeypatch.setenv("NEW_API_KEY", KEY)
    monkeypatch.setenv("NEW_API_BASE_URL", fake.url)
    shell = load()
    return lambda line: repr(shell.run_cell(f"%video {line}").result)


def test_the_verbs_ask_keep_and_show(reel):
    before = reel("models new-api")
    assert "--refresh asks the provider" in before
    assert "seedance-x" not in before
    after = reel("models new-api --refresh")
    assert "seedance-x" in after
    assert "no price known (the provider says $0.60 a video)" in after
    assert "provider: " in after
    assert "(today)" in after
    assert "not listed by the provider" in after  # the catalog's rows that it does not offer
    assert "chat-1" not in after
    assert reel("balance new-api") == "new-api: 8.20 USD left, 1.80 USD spent."
    assert "8.20 USD left" in reel("doctor new-api")
    assert api.balance("new-api").left == Decimal("8.2")
    path = api.screen().session.settings.home / FILE
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KEY not in path.read_text()
    with pytest.raises(UsageError, match="has no route"):
        reel("balance sglang")
    with pytest.raises(UsageError, match="demo is part of ipyreel"):
        reel("models demo --refresh")
