"""The rows shipped with the package. The loader checks each of them; here is what they say."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ipyreel.catalog import Catalog, estimate
from ipyreel.catalog.checks import _is_resolution, price_of
from ipyreel.catalog.loader import _built_in
from ipyreel.values import VideoRequest, to_usd

BUILT = Catalog.load()
PROVIDERS = list(BUILT.providers.values())
MODELS = list(BUILT.models.values())
DATA = json.loads((Path(__file__).parent / "data" / "aiid-models.json").read_text())


@pytest.mark.parametrize(
    ("name", "variable", "base_url"),
    [
        ("apigo", "TIDEMIND_API_KEY", "https://mass.apigo.ai/v1"),
        ("apiyi", "APIYI_API_KEY", "https://api.apiyi.com/v1"),
        ("aiid", "AIID_API_KEY", "https://api.aiid.edu.kg/v1"),
        ("openai", "OPENAI_API_KEY", None),
        ("litellm", "LITELLM_API_KEY", "http://127.0.0.1:4000/v1"),
        ("openrouter", "OPENROUTER_API_KEY", "https://openrouter.ai/api/v1"),
    ],
)
def test_keys_and_addresses(catalog, name, variable, base_url):
    row = catalog.provider(name)
    assert row.key_vars == (variable,)
    assert row.base_url == base_url


def test_azure_takes_its_key_in_its_own_header(catalog):
    assert catalog.provider("azure").key_header == "api-key"
    others = [row for row in PROVIDERS if row.name != "azure"]
    assert {row.key_header for row in others} == {"Authorization"}


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


def test_the_prices_of_sora(catalog):
    apiyi = catalog.provider("apiyi")
    model = catalog.model("sora-2-pro", apiyi)

    def cost(size):
        request = VideoRequest(prompt="a", model="sora-2-pro", seconds=8, size=size)
        return estimate(request, apiyi, model).usd

    sizes = ("1280x720", "1024x1792", "1920x1080")
    assert [cost(size) for size in sizes] == [to_usd(usd) for usd in ("2.4", "4", "5.6")]


def test_the_demo_model(catalog):
    demo = catalog.provider("demo")
    model = catalog.model("demo-1", demo)
    assert model.seconds_range == (1, 60)
    for size in model.sizes:
        width, height = map(int, size.split("x"))
        assert width % 2 == height % 2 == 0
    found = estimate(VideoRequest(prompt="a", model="demo-1", seconds=7), demo, model)
    assert (found.usd, found.source) == (0, "embedded")
