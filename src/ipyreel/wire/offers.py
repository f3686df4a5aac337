"""Requests a gateway's prices and the balance of a key, and reads the answers.

Answers are untrusted: values that are not a number or a name, or not plausible, are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from ipyreel.errors import ProviderError
from ipyreel.values import Balance, HttpReply, Json, Offer, OfferedPrice, to_usd
from ipyreel.wire.parse import dig, number, size, word
from ipyreel.wire.reader import read_body, read_rows, rows_of
from ipyreel.wire.refusals import read_error

MOST_MODELS = 1000
"""Most models of one answer."""

MOST_PRICES = 24
"""Most prices, sizes or lengths of one model."""

MOST_USD = 1000
"""USD for a second or a video above which a price must be a mistake."""

_NAME = re.compile(r"[\w./:@+-]{1,120}")
_RESOLUTION = r"(?P<size>\d{3,4}p|[248]k)"

# OpenRouter names prices freely; these are the ones for seconds of the result:
# `duration_seconds_with_audio_720p` in USD, `cents_per_second_output_720p` in cents.
_IN_USD = re.compile(
    rf"(?:(?:text|image)_to_video_)?duration_seconds(?:_with(?:out)?_audio)?(?:_{_RESOLUTION})?"
)
_IN_CENTS = re.compile(
    rf"cents_per_(?:video_output_second|second_output|second|output_second)(?:_{_RESOLUTION})?"
)
_PER_SECOND = re.compile(rf"output_cost_per_(?:video_per_)?second(?:_{_RESOLUTION})?")

Offers = tuple[Offer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The routes of one kind of gateway for prices and balances; "/..." is below the base URL.

    Paths that begin with "//" are at the root of the origin.
    """

    prices: str
    read_prices: Callable[[Json], Iterator[Offer]]
    balance: str
    read_balance: Callable[[Json, Decimal], Balance]
    unit: str = ""


def read_offers(gateway: Gateway | None, reply: HttpReply, *, now: float = 0.0) -> Offers:
    """Read what a provider says about its models; without a `gateway`, a list of names.

    Raises `ProviderError` or `WireError`.
    """
    read_rows(reply, "models", now=now)
    body = read_body(reply, now=now)
    found = gateway.read_prices(body) if gateway else _read_names(body)
    kept: dict[str, Offer] = {}
    for offer in found:
        kept.setdefault(offer.name, offer)
        if len(kept) == MOST_MODELS:
            break
    return tuple(kept.values())


def read_balance(
    gateway: Gateway, reply: HttpReply, unit: HttpReply | None, *, now: float = 0.0
) -> Balance:
    """Read the balance of a key; `unit` is the reply that says what its numbers mean.

    Raises `ProviderError` or `WireError`.
    """
    body = read_body(reply, now=now)
    if dig(body, "success") is False:
        raise read_error(reply, now=now)
    units = Decimal(1)
    if unit is not None:
        told = number(dig(read_body(unit, now=now), "data", "quota_per_unit"))
        if not told or told < 0:
            raise ProviderError(
                "The provider does not say what its units are worth.", status_code=unit.status_code
            )
        units = Decimal(str(told))
    return gateway.read_balance(body, units)


# ---- new-api: QuantumNous/new-api, commits as of 2026-08


def _new_api_prices(body: Json) -> Iterator[Offer]:
    """Read `/api/pricing` (controller/pricing.go, model/pricing.go at 09e9618a and 0067bd93).

    `quota_type` 1 has a price: for one video, or for a second of it if the channel multiplies
    (relay/relay_task.go at 00fca48c, EstimateBilling). It is read as the price of a video, the
    least that is paid; the most expensive group of the model counts.
    """
    ratios = dig(body, "group_ratio")
    for row in _rows(body):
        kinds = row.get("supported_endpoint_types")
        name = _name(row.get("model_name"))
        if name is None or not isinstance(kinds, list) or "openai-video" not in kinds:
            continue
        groups = row.get("enable_groups")
        told = [number(dig(ratios, group)) for group in _texts(groups)]
        usd = _usd(row.get("model_price"), max([one for one in told if one] or [1.0]))
        priced = usd is not None and row.get("quota_type") == 1
        prices = (OfferedPrice(usd=usd, per="video"),) if priced and usd is not None else ()
        yield Offer(name=name, prices=prices)


def _new_api_balance(body: Json, units: Decimal) -> Balance:
    """Read `/api/usage/token/` (controller/token.go at 0533f389: GetTokenUsage)."""
    data = dig(body, "data")
    left = _amount(dig(data, "total_available"), units)
    if dig(data, "unlimited_quota") is True:
        left = None
    elif left is None:
        raise _no_balance()
    return Balance(left=left, spent=_amount(dig(data, "total_used"), units))


# ---- LiteLLM 1.108.7


def _litellm_prices(body: Json) -> Iterator[Offer]:
    """Read `/v1/model/info` (proxy/proxy_server.py; the prices: types/utils.py, ModelInfoBase)."""
    for row in _rows(body):
        facts = row.get("model_info")
        name = _name(row.get("model_name"))
        if name is None or dig(facts, "mode") != "video_generation":
            continue
        assert isinstance(facts, dict)  # noqa: S101 - it has a mode
        yield Offer(name=name, prices=_by_size(facts, ((_PER_SECOND, 1.0),)))


def _litellm_balance(body: Json, units: Decimal) -> Balance:
    """Read `/key/info` (proxy/management_endpoints/key_management_endpoints.py, info_key_fn)."""
    info = dig(body, "info")
    spent, most = (_amount(dig(info, name), units) for name in ("spend", "max_budget"))
    if spent is None:
        raise _no_balance()
    return Balance(left=None if most is None else max(most - spent, Decimal(0)), spent=spent)


# ---- OpenRouter: openrouter 1.3.84 on PyPI


def _openrouter_prices(body: Json) -> Iterator[Offer]:
    """Read `/videos/models` (components/videomodel.py: prices are text, by names)."""
    for row in _rows(body):
        name, skus = _name(row.get("id")), row.get("pricing_skus")
        if name is None:
            continue
        prices = _by_size(skus, ((_IN_USD, 1.0), (_IN_CENTS, 0.01)))
        lengths = row.get("supported_durations")
        seconds = (number(one) for one in lengths) if isinstance(lengths, list) else ()
        sizes = map(size, _texts(row.get("supported_sizes") or row.get("supported_resolutions")))
        yield Offer(
            name=name,
            prices=prices,
            seconds=tuple(one for one in seconds if one and one > 0)[:MOST_PRICES],
            sizes=tuple(one for one in sizes if one and _NAME.fullmatch(one))[:MOST_PRICES],
        )


def _openrouter_balance(body: Json, units: Decimal) -> Balance:
    """Read `/key` (operations/getcurrentkey.py: `limit_remaining` null is no limit)."""
    data = dig(body, "data")
    spent = _amount(dig(data, "usage"), units)
    if spent is None:
        raise _no_balance()
    left = dig(data, "limit_remaining")
    return Balance(left=None if left is None else _amount(left, units) or Decimal(0), spent=spent)


GATEWAYS: Mapping[str, Gateway] = MappingProxyType(
    {
        # router/api-router.go at 002f9122: the trailing slash is part of the route; the value
        # of a unit is public (controller/misc.go at 002f9122: GetStatus).
        "new-api": Gateway(
            prices="//api/pricing",
            read_prices=_new_api_prices,
            balance="//api/usage/token/",
            read_balance=_new_api_balance,
            unit="//api/status",
        ),
        "litellm": Gateway(
            prices="/model/info",
            read_prices=_litellm_prices,
            balance="//key/info",
            read_balance=_litellm_balance,
        ),
        "openrouter": Gateway(
            prices="/videos/models",
            read_prices=_openrouter_prices,
            balance="/key",
            read_balance=_openrouter_balance,
        ),
    }
)
"""The gateways that have such routes, by the name in a dialect's row."""


# ---- for all gateways


def _read_names(body: Json) -> Iterator[Offer]:
    """Read a plain list of models; new-api's also says what each model is for."""
    for row in _rows(body):
        name = _name(row.get("id") or row.get("name"))
        kinds = row.get("supported_endpoint_types")
        if name is not None and not (isinstance(kinds, list) and "openai-video" not in kinds):
            yield Offer(name=name, known=isinstance(kinds, list))


def _rows(body: Json) -> Iterator[dict[str, Json]]:
    return (row for row in rows_of(body) or () if isinstance(row, dict))


def _name(value: Json) -> str | None:
    """Read a model's name: one word, and nothing that looks like a secret to `clean`."""
    text = word(value, 120)
    return text if text is not None and _NAME.fullmatch(text) else None


def _texts(value: Json) -> list[str]:
    found = value if isinstance(value, list) else []
    return [one for one in found[:MOST_PRICES] if isinstance(one, str)]


def _by_size(
    values: Json, ways: Iterable[tuple[re.Pattern[str], float]]
) -> tuple[OfferedPrice, ...]:
    """Return the highest price per second for each size; prices for one size come first."""
    found: dict[str | None, Decimal] = {}
    for key, value in values.items() if isinstance(values, dict) else ():
        for way, factor in ways:
            named, usd = way.fullmatch(key.lower()), _usd(value, factor)
            if named is not None and usd is not None:
                found[named["size"]] = max(usd, found.get(named["size"], usd))
        if len(found) == MOST_PRICES:
            break
    ordered = sorted(found.items(), key=lambda item: (item[0] is None, item[0] or ""))
    return tuple(OfferedPrice(usd=usd, per="second", size=at) for at, usd in ordered)


def _usd(value: Json, factor: float = 1.0) -> Decimal | None:
    found = number(value)
    if found is None or not 0 <= found * factor <= MOST_USD:
        return None
    return to_usd(Decimal(str(found)) * Decimal(str(factor)))


def _amount(value: Json, units: Decimal) -> Decimal | None:
    """Read an amount of money that may be negative (then nothing is left)."""
    found = number(value)
    try:
        return None if found is None else to_usd(max(Decimal(str(found)), Decimal(0)) / units)
    except (ValueError, ArithmeticError):
        return None


def _no_balance() -> ProviderError:
    return ProviderError("The provider's reply contains no balance.", status_code=200)
