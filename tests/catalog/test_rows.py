"""The built-in rows: their schema, their sources, and that nothing known is missing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ipyreel.catalog import Catalog, estimate
from ipyreel.catalog.checks import _is_resolution, price_of
from ipyreel.catalog.rows import BUILT_IN, ROUTES
from ipyreel.values import VideoRequest, to_usd
from ipyreel.wire.dialects import DIALECTS

BUILT = Catalog.load()
PROVIDERS = list(BUILT.providers.values())
MODELS = list(BUILT.models.values())
DATA = json.loads((Path(__file__).parent / "data" / "aiid-models.json").read_text())

DAY = re.compile(r"20\d\d-[01]\d-[0-3]\d")
SIZE = re.compile(r"\d{3,4}x\d{3,4}|\d{3,4}[pP]|[24][kK]")


def names(rows):
    return [row.name for row in rows]


def test_the_providers_of_the_product_are_there():
    wanted = "demo apigo apiyi aiid openai azure new-api litellm sglang vllm-omni trtllm dynamo"
    assert set(names(PROVIDERS)) == {*wanted.split(), "openrouter", "generic"}


@pytest.mark.parametrize("row", PROVIDERS, ids=names(PROVIDERS))
def test_a_provider_row_is_whole(row):
    assert row.origin == BUILT_IN
    assert row.dialect in DIALECTS
    assert row.routes <= ROUTES
    assert row.source
    assert DAY.fullmatch(row.checked)
    assert row.free or row.base_url or row.base_url_vars
    assert row.key_vars or not row.needs_key
    if row.default_model is not None:
        assert BUILT.model(row.default_model, row) is not None


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


def test_azure_wants_its_key_in_a_header_of_its_own(catalog):
    assert catalog.provider("azure").key_header == "api-key"
    others = [row for row in PROVIDERS if row.name != "azure"]
    assert {row.key_header for row in others} == {"Authorization"}


@pytest.mark.parametrize("name", ["sglang", "vllm-omni", "trtllm", "dynamo"])
def test_self_hosted_rows_need_no_key_and_name_no_model(catalog, name):
    row = catalog.provider(name)
    assert not row.needs_key
    assert row.default_model is None
    assert row.plain_http


def test_plain_http_beyond_loopback_is_for_self_hosted_rows_only():
    assert {row.name for row in PROVIDERS if row.plain_http} == {
        "sglang",
        "vllm-omni",
        "trtllm",
        "dynamo",
    }
    for row in PROVIDERS:
        if row.base_url and not row.plain_http:
            url = urlsplit(row.base_url)
            assert url.scheme == "https" or url.hostname == "127.0.0.1"


def test_only_the_demo_is_free():
    assert [row.name for row in PROVIDERS if row.free] == ["demo"]


def test_the_switched_off_endpoint_is_spoken_of(catalog):
    row = catalog.provider("openai")
    assert "2026-09-24" in row.note
    assert "OPENAI_BASE_URL" in row.note


def test_all_33_public_names_are_known(catalog):
    assert len(DATA["models"]) == len(set(DATA["models"])) == 33
    aiid = catalog.provider("aiid")
    assert {row.name for row in catalog.models_of(aiid)} == set(DATA["models"])


@pytest.mark.parametrize("row", MODELS, ids=names(MODELS))
def test_a_model_row_is_whole(row):
    assert row.family
    assert row.title
    assert row.source
    assert DAY.fullmatch(row.checked)
    assert row.providers
    assert set(row.providers) <= set(BUILT.providers)
    assert row.shape or row.family == "demo"
    assert row.ended is None or DAY.fullmatch(row.ended)
    assert all(SIZE.fullmatch(size) for size in row.sizes)
    assert {*row.sizes_by_provider, *row.seconds_by_provider} <= set(row.providers)
    assert all(re.fullmatch(r"\d+:\d+|adaptive", ratio) for ratio in row.ratios)
    assert all(row.extra.values())


@pytest.mark.parametrize("row", MODELS, ids=names(MODELS))
def test_a_default_is_one_of_the_allowed(row):
    if row.default_size is not None:
        assert row.default_size in row.sizes
    if row.default_seconds is not None and row.seconds is not None:
        assert row.default_seconds in row.seconds
    elif row.default_seconds is not None:
        least, most = row.seconds_range
        assert least <= row.default_seconds <= most


@pytest.mark.parametrize("row", MODELS, ids=names(MODELS))
def test_every_price_has_a_source_and_a_day(row):
    for price in row.prices:
        assert price.source
        assert DAY.fullmatch(price.checked)
        assert (price.usd_per_second is None) != (price.usd_per_video is None)
        free = price.usd_per_second == 0
        assert free == (row.family == "demo")


@pytest.mark.parametrize("row", MODELS, ids=names(MODELS))
def test_a_priced_model_has_a_price_for_each_of_its_sizes(row):
    provider = BUILT.provider(row.providers[0])
    for size in row.sizes if row.prices else ():
        request = VideoRequest(prompt="a", model=row.name, size=size)
        assert price_of(request, provider, row) is not None, size
        fitting = [
            price
            for price in row.prices
            if size in price.sizes or any(_is_resolution(size, one) for one in price.sizes)
        ]
        assert len(fitting) <= 1, size


@pytest.mark.parametrize("row", MODELS, ids=names(MODELS))
def test_no_price_known_is_not_a_price_of_0(row):
    if row.prices:
        return
    request = VideoRequest(prompt="a", model=row.name, seconds=5)
    assert estimate(request, BUILT.provider(row.providers[0]), row).usd is None


def test_the_prices_of_sora(catalog):
    apiyi = catalog.provider("apiyi")
    model = catalog.model("sora-2-pro", apiyi)

    def cost(size):
        request = VideoRequest(prompt="a", model="sora-2-pro", seconds=8, size=size)
        return estimate(request, apiyi, model).usd

    assert [cost(size) for size in ("1280x720", "1024x1792", "1920x1080")] == [
        to_usd(usd) for usd in ("2.4", "4", "5.6")
    ]


def test_the_demo_model(catalog):
    demo = catalog.provider("demo")
    model = catalog.model("demo-1", demo)
    assert model.seconds_range == (1, 60)
    for size in model.sizes:
        width, height = map(int, size.split("x"))
        assert width % 2 == height % 2 == 0
    found = estimate(VideoRequest(prompt="a", model="demo-1", seconds=7), demo, model)
    assert (found.usd, found.source) == (0, "embedded")
