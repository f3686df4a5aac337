"""What a provider says about its prices never lowers an estimate, and never breaks the catalog."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from ipyreel.catalog import Catalog
from ipyreel.catalog.checks import estimate
from ipyreel.catalog.choice import with_offers
from ipyreel.catalog.offers import FILE, Offered, load_offers, save_offers
from ipyreel.errors import InvalidRequest
from ipyreel.plan import Cost, Limit, check_limits
from ipyreel.values import Money, Offer, OfferedPrice, VideoRequest

URL = "http://127.0.0.1:3000/v1"  # the built-in address of the row
NOW = 1_800_000_000.0
SORA, ASKED = "sora-2", VideoRequest(prompt="a boat", seconds=4, model="sora-2")


def said(name, amount, per="second", size=None, **more):
    prices = (OfferedPrice(usd=Decimal(str(amount)), per=per, size=size),)
    return Offer(name=name, prices=prices, **more)


def catalog(*offers, home, base_url=URL, environ=None):
    save_offers(home / FILE, "new-api", Offered(base_url=base_url, asked_at=NOW, offers=offers))
    return with_offers(Catalog.load(), home, environ or {})


def priced(found, model=SORA, asked=ASKED):
    provider = found.provider("new-api")
    asked = replace(asked, model=model)
    return estimate(asked, provider, found.model(model, provider))


@pytest.mark.parametrize(
    ("offer", "usd"),
    [
        (said(SORA, "0.25"), "1"),  # dearer than the list price of 0.10 a second: it counts
        (said(SORA, "0.01"), "0.4"),  # cheaper: it does not
        (said(SORA, "0"), "0.4"),
        (said(SORA, "3", "video"), "3"),
        (said(SORA, "0.25", size="1080p"), "0.4"),  # of another size
        (said(f"openai/{SORA}", "0.25"), "1"),  # with the vendor's name before it
        (said("other", "0.25"), "0.4"),
    ],
)
def test_a_price_counts_where_it_is_higher(tmp_path, offer, usd):
    found = priced(catalog(offer, home=tmp_path))
    assert (found.usd, found.trusted) == (Decimal(usd), True)


def test_alone_it_is_shown_and_proves_nothing(tmp_path):
    found = catalog(said("new-1", "0.01", seconds=(4.0,), sizes=("720p",)), home=tmp_path)
    new = found.model("new-1", found.provider("new-api"))
    assert (new.seconds, new.sizes, new.asked, new.listed) == (
        (4.0,),
        ("720p",),
        "2027-01-15",
        True,
    )
    cost = priced(found, "new-1")
    assert (cost.usd, cost.trusted) == (Decimal("0.04"), False)
    limit = Limit(setting="max_cost", usd=Decimal(5), where="--max-cost", since=None)
    with pytest.raises(InvalidRequest, match="new-api says so"):
        check_limits([Cost(estimate=cost, what="new-1")], [limit], lambda _since: Money())
    # A model without a price has none.
    assert priced(catalog(Offer(name="new-2"), home=tmp_path), "new-2").usd is None


def test_the_rows_of_a_provider_tell_what_it_lists(tmp_path):
    found = catalog(said(SORA, "0.1"), said("new-1", "1"), home=tmp_path)
    rows = {row.name: row for row in found.models_of(found.provider("new-api"))}
    assert rows[SORA].listed
    assert rows["new-1"].providers == ("new-api",)
    assert not rows["sora-2-pro"].listed
    # Nobody else's rows change.
    other = found.provider("generic")
    assert found.model(SORA, other) == Catalog.load().model(SORA, other)
    # A long list of bare names is that of a server for everything: it adds no rows.
    bare = tuple(Offer(name=f"chat-{n}", known=False) for n in range(50))
    found = catalog(said(SORA, "0.1"), *bare, home=tmp_path)
    assert "chat-1" not in found.model_names(found.provider("new-api"))


def test_it_is_for_the_address_that_was_asked(tmp_path):
    dear = said(SORA, "0.25")
    moved = {"NEW_API_BASE_URL": "https://other.example/v1"}
    assert priced(catalog(dear, home=tmp_path, environ=moved)).usd == Decimal("0.4")
    broken = {"NEW_API_BASE_URL": "nowhere"}
    assert priced(catalog(dear, home=tmp_path, environ=broken)).usd == Decimal("0.4")
    at_other = catalog(dear, home=tmp_path, base_url=moved["NEW_API_BASE_URL"], environ=moved)
    assert priced(at_other).usd == Decimal(1)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "7", "{", '{"new-api": 7}', '{"new-api": {"base_url": "x"}}', "[" * 10**5),
        json.dumps({"new-api": {"base_url": URL, "asked_at": 1, "offers": [{"name": 1}]}}),
    ],
)
def test_a_broken_file_counts_for_nothing_and_is_replaced(tmp_path, text):
    path = tmp_path / FILE
    path.write_text(text)
    assert with_offers(Catalog.load(), tmp_path, {}).offers == {}
    assert priced(catalog(said(SORA, "0.25"), home=tmp_path)).usd == Decimal(1)
    assert list(load_offers(path)) == ["new-api"]
