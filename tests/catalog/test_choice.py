"""Which provider is used: the chosen one, else the first with a key, else the demo."""

from __future__ import annotations

import pytest

from ipyreel.catalog import Catalog, KeyRing, base_url_of, choose_provider, require_base_url
from ipyreel.errors import ConfigError
from ipyreel.settings import Settings

KEY = "sk-abcdefghijklmnopqrstuvwxyz-a1b2"


@pytest.fixture
def choose(tmp_path):
    def make(environ=None, *, path=None, typed=(), stored=None, **layers):
        environ = environ or {}
        home = {"IPYREEL_HOME": str(tmp_path / "home")}
        settings = Settings.load(environ | home, path.parent if path else tmp_path / "none")
        for layer, name in layers.items():
            settings = settings.with_values(layer, provider=name)
        ring = KeyRing(environ, stored=(stored or {}).get)
        for name in typed:
            ring.remember(name, KEY)
        return choose_provider(settings, Catalog.of(*settings.tomls), ring)

    return make


def test_without_anything_the_demo_answers(choose):
    choice = choose()
    assert (choice.name, choice.why, choice.notes) == ("demo", "no key is set", ())


def test_the_order_of_those_who_said_so(choose, own):
    path = own('provider = "sglang"')
    environ = {"APIYI_API_KEY": KEY}
    assert choose(environ).name == "apiyi"
    assert choose(environ, path=path).name == "sglang"
    environ["IPYREEL_PROVIDER"] = "aiid"
    assert choose(environ, path=path).name == "aiid"
    assert choose(environ, path=path, config="apigo").name == "apigo"
    assert choose(environ, path=path, use="litellm", config="apigo").name == "litellm"
    assert choose(environ, path=path, option="demo", use="litellm").name == "demo"


def test_the_reason_names_variable_file_and_line(choose, own):
    assert choose({"IPYREEL_PROVIDER": "apiyi"}).why == "chosen by IPYREEL_PROVIDER"
    path = own('# mine\nprovider = "apiyi"')
    assert choose(path=path).why == f"chosen by {path}:2"


def test_the_first_set_key_chooses(choose):
    both = {"AIID_API_KEY": KEY, "APIYI_API_KEY": KEY}
    choice = choose(both)
    assert (choice.name, choice.why) == ("apiyi", "APIYI_API_KEY is set")
    assert choose({"APIYI_API_KEY": " "}).name == "demo"
    assert choose(typed=["aiid"]).why == "a key was typed in"
    assert choose(stored={"aiid": KEY}).why == "its key is in the keyring"


def test_a_persons_own_provider_goes_first(choose, own):
    path = own('[providers.shop]\nbase_url = "https://shop.example"\nkey_vars = ["SHOP_KEY"]')
    environ = {"APIYI_API_KEY": KEY, "SHOP_KEY": KEY}
    assert choose(environ, path=path).name == "shop"


def test_a_key_for_the_switched_off_endpoint_chooses_nobody(choose):
    choice = choose({"OPENAI_API_KEY": KEY})
    assert choice.name == "demo"
    (note,) = choice.notes
    assert note.startswith("OPENAI_API_KEY is set. OpenAI shut down its own video endpoint on")
    assert "2026-09-24" in note
    with_address = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "https://gateway.example/v1"}
    assert choose(with_address).name == "openai"
    assert choose({"OPENAI_API_KEY": KEY, "AIID_API_KEY": KEY}).name == "aiid"


def test_a_named_provider_without_address_is_spoken_of(choose):
    choice = choose(use="openai")
    assert choice.name == "openai"
    assert "2026-09-24" in choice.notes[0]
    assert "IPYREEL_BASE_URL" in choose(use="generic").notes[0]
    assert choose(use="demo").notes == ()


def test_addresses(catalog):
    openai, sglang = catalog.provider("openai"), catalog.provider("sglang")
    assert base_url_of(sglang, {}) == "http://127.0.0.1:30000/v1"
    assert base_url_of(sglang, {"SGLANG_BASE_URL": " http://gpu:1/v1 "}) == "http://gpu:1/v1"
    assert base_url_of(openai, {}) is None
    with pytest.raises(ConfigError, match="2026-09-24"):
        require_base_url(openai, {})
    assert require_base_url(openai, {"OPENAI_BASE_URL": "https://x/v1"}) == "https://x/v1"


@pytest.mark.parametrize("url", ["x", "http://", "file:///x", "https://me:pw@x", "http://x:99999"])
def test_what_is_no_address_is_refused_unseen(catalog, url):
    with pytest.raises(ConfigError) as caught:
        base_url_of(catalog.provider("openai"), {"OPENAI_BASE_URL": url})
    assert str(caught.value).startswith("OPENAI_BASE_URL: takes a URL")
    assert "pw" not in str(caught.value)
