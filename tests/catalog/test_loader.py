"""Loading: a user's rows replace built-in ones; errors name file and line."""

from __future__ import annotations

import pytest

from ipyreel.catalog import Catalog
from ipyreel.errors import ConfigError, UnknownProvider
from ipyreel.values import to_usd


def test_a_provider_is_added_without_code(own):
    path = own(
        """
        [providers.shop]
        base_url = "https://shop.example/v1"
        dialect = "aiid"
        key_vars = ["SHOP_KEY"]
        models = ["veo3.1", "their-own"]
        """
    )
    catalog = Catalog.load(path)
    shop = catalog.provider("shop")
    assert shop.needs_key
    assert shop.content == "url"  # as in the row of its dialect
    assert shop.origin == str(path)
    assert catalog.model_names(shop)[:2] == ("veo3.1", "their-own")
    assert catalog.model("kling-video", shop) is not None
    assert catalog.model("their-own", shop) is None


def test_a_row_names_only_what_differs(own):
    path = own(
        """
        [providers.sglang]
        base_url = "http://gpu.example:30000/v1"

        [models.sora-2]
        seconds = [5, 10]
        """
    )
    catalog = Catalog.load(path)
    sglang = catalog.provider("sglang")
    assert sglang.base_url == "http://gpu.example:30000/v1"
    assert sglang.plain_http
    assert "delete" in sglang.routes
    assert not sglang.needs_key
    model = catalog.model("sora-2", catalog.provider("apiyi"))
    assert model.seconds == (5, 10)
    assert model.default_seconds is None  # the shipped default is none of them
    assert model.prices


def test_later_files_win(own):
    first = own('[providers.apigo]\ntitle = "one"', "first.toml")
    second = own('[providers.apigo]\ntitle = "two"', "second.toml")
    assert Catalog.load(first, second).provider("apigo").title == "two"
    assert Catalog.load(second, first).provider("apigo").title == "one"


def test_a_model_like_another(own):
    path = own(
        """
        [models.my-veo]
        like = "veo3.1"
        providers = ["generic"]
        prices = [{ usd_per_video = 0.2 }]
        """
    )
    catalog = Catalog.load(path)
    model = catalog.model("my-veo", catalog.provider("generic"))
    assert model.shape == "veo"
    assert model.prices[0].usd_per_video == to_usd("0.2")
    assert model.prices[0].source == str(path)


def test_a_row_without_providers_holds_everywhere(own):
    catalog = Catalog.load(own("[models.mine]\nseconds = [3]"))
    assert all(catalog.model("mine", row) for row in catalog.providers.values())


def test_settings_in_the_same_file_are_let_be(own, catalog):
    found = Catalog.load(own('provider = "apiyi"\nseconds = 8\nsize = "1280x720"'))
    assert found.providers == catalog.providers


def test_a_prefix_of_the_maker_is_looked_past(catalog):
    litellm = catalog.provider("litellm")
    assert catalog.model("gemini/veo-3.1-generate-preview", litellm).family == "veo"
    assert catalog.model("nobody/knows", litellm) is None
    assert catalog.model(None, litellm) is None


def test_a_model_is_known_where_it_is_offered(catalog):
    assert catalog.model("sora-2", catalog.provider("apiyi")) is not None
    assert catalog.model("kling-video", catalog.provider("apiyi")) is None
    assert catalog.model("sora-2", catalog.provider("demo")) is None


def test_an_unknown_provider_is_answered_with_those_there_are(catalog):
    with pytest.raises(UnknownProvider) as caught:
        catalog.provider("apiy")
    text = str(caught.value)
    assert text.startswith('Unknown provider "apiy". Did you mean apiyi?')
    assert all(name in text for name in catalog.providers)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a = \n", 1, "not valid TOML"),
        ('[providers.x]\nbase_url = "ftp://x"', 2, "providers.x.base_url: takes a URL"),
        ('[providers.x]\nbase_url = "https://me:pw@x/v1"', 2, "without user"),
        ('[providers.x]\ntitle = "X"', 1, "needs base_url"),
        ('[providers.x]\nbase_url = "https://x"\n\ndialect = "sora"', 4, '"sora": takes openai'),
        ('[providers.x]\nbase_url = "https://x"\ndialekt = "openai"', 3, "Did you mean dialect?"),
        ('[providers.x]\nroutes = ["lists"]', 2, "Did you mean list?"),
        ("[providers.x]\nneeds_key = 1", 2, "takes true or false"),
        ('[providers]\nx = "https://x"', 2, "takes a table"),
        ('[providers.x]\nkey_vars = "KEY"', 2, "takes a list"),
        ('# provider = ""\nprovider = "apiyy"', 2, "Did you mean apiyi?"),
        ('providr = "apiyi"', 1, "Did you mean provider?"),
        ("[models.x]\nseconds = [true]", 2, "takes a number"),
        ("[models.x]\nseconds = [-1]", 2, "takes a number"),
        ("[models.x]\nseconds_range = [5, 3]", 2, "takes two numbers"),
        ('[models.x]\nlike = "nobody"', 2, "takes the name of another model row"),
        ('[models.x]\nlike = "x"', 2, "takes the name of another model row"),
        ("[models.x]\n[[models.x.prices]]\nusd = 1", 3, "usd: unknown key"),
        (
            '[models.x]\n[[models.x.prices]]\nsource = "me"',
            2,
            "needs either usd_per_second or usd_per_video",
        ),
        ('[models.x]\n[[models.x.warnings]]\noption = "size"', 2, "needs a text"),
        ("[models.x]\nprices = 3", 2, "takes a list of tables"),
        ('[models."a b"]\nseconds = [3]', 1, "must not contain spaces"),
        ('[models."\u202ea"]\nseconds = [3]', 1, "must not contain spaces"),
        ("".join(f"[models.m{n}]\n" for n in range(1001)), 1, "more than 1000"),
        ("[models.x]\nseconds = 1e999\n", 2, "takes a list"),
        ('[models.x]\nsizes = ["big"]', 2, "takes WIDTHxHEIGHT"),
        ('[models.x]\nended = "soon"', 2, "takes a date"),
    ],
)
def test_an_error_names_file_line_and_key(own, text, line, words):
    path = own(text)
    with pytest.raises(ConfigError) as caught:
        Catalog.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: ")
    assert words in message
    assert "me:pw" not in message


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        Catalog.load(tmp_path / "none.toml")
    odd = tmp_path / "odd.toml"
    odd.write_bytes(b'provider = "\xff"')
    with pytest.raises(ConfigError, match="not UTF-8"):
        Catalog.load(odd)


def test_a_byte_order_mark_is_let_be(tmp_path):
    path = tmp_path / "ipyreel.toml"
    path.write_bytes(b'\xef\xbb\xbf[providers.apigo]\r\ntitle = "one"\r\n')
    assert Catalog.load(path).provider("apigo").title == "one"
