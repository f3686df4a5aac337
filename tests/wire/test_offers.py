"""Hostile answers about prices and balances: read within bounds, or refused in our own words."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipyreel.errors import ProviderError, WireError
from ipyreel.values import HttpReply
from ipyreel.wire.offers import GATEWAYS, MOST_MODELS, MOST_PRICES, read_balance, read_offers

OPENROUTER, NEW_API = GATEWAYS["openrouter"], GATEWAYS["new-api"]
STATUS = {"data": {"quota_per_unit": 500000}}


def answer(body, status=200):
    return HttpReply(status_code=status, body=json.dumps(body).encode())


def offered(**fields):
    return read_offers(OPENROUTER, answer({"data": [{"id": "a/b", **fields}]}))[0]


@pytest.mark.parametrize(
    "name", ["<b>x</b>", "a b", "a\nb", "", None, 7.5, ["x"], "x" * 500, "sk-0123456789abcdef"]
)
def test_what_is_no_name_is_left_out(name):
    rows = [{"id": name}, {"id": "fine"}]
    assert [one.name for one in read_offers(OPENROUTER, answer({"data": rows}))] == ["fine"]


@pytest.mark.parametrize("price", ["nan", "inf", "-1", "1e308", 1e9, "", None, True, {}, "0x10"])
def test_what_is_no_price_is_left_out(price):
    assert offered(pricing_skus={"duration_seconds": price}).prices == ()


def test_a_price_is_that_of_a_second_and_the_highest_of_its_size():
    skus = {"image_to_video_duration_seconds_720p": "0.2", "duration_seconds_720p": 0.1}
    skus |= {"minimum_cents_per_generation": "900", "reference_images": "0.04", "video_tokens": "9"}
    (price,) = offered(pricing_skus=skus).prices
    assert (price.usd, price.per, price.size) == (Decimal("0.2"), "second", "720p")


def test_an_endless_answer_is_read_to_a_bound():
    rows = [{"id": f"m{n}"} for n in range(3 * MOST_MODELS)]
    assert len(read_offers(OPENROUTER, answer({"data": rows}))) == MOST_MODELS
    sizes = [f"{n}x100" for n in range(100, 999)]
    one = offered(supported_sizes=sizes, supported_durations=list(range(999)))
    assert (len(one.sizes), len(one.seconds)) == (MOST_PRICES, MOST_PRICES)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"success": False, "message": "token not found"}, STATUS),
        ({"data": {}}, STATUS),
        ({"data": {"total_available": "much"}}, STATUS),
        ({"data": {"total_available": 5}}, {}),
        ({"data": {"total_available": 5}}, {"data": {"quota_per_unit": 0}}),
        ({"data": {"total_available": 5}}, {"data": {"quota_per_unit": -1}}),
        ([], STATUS),
    ],
)
def test_a_balance_that_is_not_told_is_an_error(body, status):
    with pytest.raises((ProviderError, WireError)):
        read_balance(NEW_API, answer(body), answer(status))


def test_a_balance_below_zero_is_nothing_left():
    data = {"data": {"total_available": -7, "unlimited_quota": False}}
    assert read_balance(NEW_API, answer(data), answer(STATUS)).left == 0


NAMES = ["data", "id", "info", "model_info", "mode", "spend", "max_budget", "usage", "success"]
NAMES += ["pricing_skus", "model_name", "duration_seconds", "total_available", "quota_per_unit"]
NAMES += ["limit_remaining", "model_price", "enable_groups", "group_ratio"]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=25)
@given(st.sampled_from([*GATEWAYS.values(), None]), JSON, JSON)
def test_whatever_comes_nothing_else_is_raised(gateway, body, unit):
    try:
        for offer in read_offers(gateway, answer(body)):
            assert offer.name.isprintable()
            assert all(0 <= price.usd <= 1000 for price in offer.prices)
    except (ProviderError, WireError):
        pass
    if gateway is not None:
        try:
            found = read_balance(gateway, answer(body), answer(unit) if gateway.unit else None)
            assert found.left is None or found.left >= 0
        except (ProviderError, WireError):
            pass
