"""The rows shipped with the package. The loader checks each; these tests check what they say."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

from ipyreel.catalog import Catalog, estimate
from ipyreel.catalog.checks import _is_resolution, price_of
from ipyreel.catalog.loader import _built_in
from ipyreel.values import VideoRequest

BUILT = Catalog.load()
PROVIDERS = list(BUILT.providers.values())
MODELS = list(BUILT.models.values())
DATA = json.loads((Path(__file__).parent / "data" / "aiid-models.json").read_text())


def test_plain_http_to_other_machines_is_for_servers_of_ones_own():
    for row in PROVIDERS:
        if row.plain_http:
            assert not row.needs_key
            assert row.default_model is None
        elif row.base_url:
            url = urlsplit(row.base_url)
            assert url.scheme == "https" or url.hostname == "127.0.0.1"


def test_only_the_demo_is_free():
    assert [row.name for row in PROVIDERS if row.free] == ["demo"]


def test_a_default_model_is_known():
    for row in PROVIDERS:
        assert row.default_model is None or BUILT.model(row.default_model, row) is not None


def test_a_shipped_default_is_one_of_the_sizes_and_seconds():
    rows = _built_in("models.toml").data["models"]
    for name, row in rows.items():
        for key in ("default_size", "default_seconds"):
            assert key not in row or getattr(BUILT.models[name], key) == row[key], name


def test_facts_of_a_model_name_known_providers():
    for row in MODELS:
        assert set(row.providers) <= set(BUILT.providers), row.name
        assert {*row.sizes_by_provider, *row.seconds_by_provider} <= set(row.providers), row.name


def test_all_33_public_names_are_known(catalog):
    assert len(DATA["models"]) == len(set(DATA["models"])) == 33
    aiid = catalog.provider("aiid")
    assert {row.name for row in catalog.models_of(aiid)} == set(DATA["models"])


def test_a_priced_model_has_one_price_for_each_of_its_sizes():
    for row in (row for row in MODELS if row.prices):
        provider = BUILT.provider(row.providers[0])
        for size in row.sizes:
            request = VideoRequest(prompt="a", model=row.name, size=size)
            assert price_of(request, provider, row) is not None, (row.name, size)
            fitting = [
                price
                for price in row.prices
                if size in price.sizes or any(_is_resolution(size, one) for one in price.sizes)
            ]
            assert len(fitting) <= 1, (row.name, size)


def test_an_unknown_price_is_not_a_price_of_0():
    for row in MODELS:
        request = VideoRequest(prompt="a", model=row.name, seconds=5)
        usd = estimate(request, BUILT.provider(row.providers[0]), row).usd
        assert (usd == 0) == (row.family == "demo"), row.name
        assert row.prices or usd is None, row.name
