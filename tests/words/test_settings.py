"""Settings: where they are read, which layer wins, and what a wrong value is answered with."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipyreel.errors import ConfigError
from ipyreel.settings import LAYERS, READERS, Settings, read_size


@pytest.fixture
def home(tmp_path):
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def here(tmp_path):
    path = tmp_path / "here"
    path.mkdir()
    return path


@pytest.fixture
def load(home, here):
    def make(environ=None, *, toml=None, own=None):
        if toml is not None:
            (here / "ipyreel.toml").write_text(toml, encoding="utf-8")
        if own is not None:
            (home / "ipyreel.toml").write_text(own, encoding="utf-8")
        return Settings.load({"IPYREEL_HOME": str(home), **(environ or {})}, here)

    return make


BARE = Settings(cwd=Path("/c"), home=Path("/h"), config_dir=Path("/h"))


def test_the_defaults(load, home, here):
    settings = load()
    assert settings.provider is None
    assert settings.home == settings.config_dir == home
    assert settings.videos_dir == here / "videos"
    assert (settings.show, settings.wait) == ("auto", "auto")
    assert settings.embed_limit == 20_000_000
    assert settings.deadline == 2 * 3600
    assert settings.tomls == ()
    assert str(settings.source_of("show")) == "built in"
    assert str(settings.source_of("home")) == "IPYREEL_HOME"


def test_without_a_home_the_users_folders_are_taken(here):
    settings = Settings.load({}, here)
    assert settings.home.is_absolute()
    assert "ipyreel" in settings.home.parts
    assert settings.source_of("home").layer == "default"


def test_a_home_may_be_relative(here):
    assert Settings.load({"IPYREEL_HOME": "lib"}, here).home == here / "lib"


def test_later_layers_win(load):
    values = {layer: 100 + n for n, layer in enumerate(LAYERS)}
    settings = load({"IPYREEL_WIDTH": "104"}, own="width = 102", toml="width = 103")
    assert settings.width == values["env"]
    for layer in ("config", "use", "option"):
        settings = settings.with_values(layer, width=values[layer])
        assert settings.width == values[layer]
        assert settings.source_of("width").layer == layer


def test_none_is_not_set_and_false_is():
    settings = BARE.with_values("use", wait=True, model="a")
    settings = settings.with_values("option", wait=None, model=None)
    assert (settings.wait, settings.model) == (True, "a")
    assert settings.with_values("option", wait=False).wait is False


def test_the_notebooks_file_goes_before_the_persons_own(load, here, home):
    settings = load(toml='model = "near"', own='model = "far"\nsize = "1280x720"\n')
    assert [toml.path for toml in settings.tomls] == [
        str(home / "ipyreel.toml"),
        str(here / "ipyreel.toml"),
    ]
    assert (settings.model, settings.size) == ("near", "1280x720")
    assert str(settings.source_of("model")) == f"{here / 'ipyreel.toml'}:1"
    assert str(settings.source_of("size")) == f"{home / 'ipyreel.toml'}:2"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("PROVIDER", " apiyi ", "apiyi"),
        ("SECONDS", "8", 8.0),
        ("SIZE", "1280X720", "1280x720"),
        ("SIZE", "720p", "720p"),
        ("MAX_COST", "0", Decimal(0)),
        ("BUDGET", "2.5", Decimal("2.5")),
        ("PARALLEL", "3", 3),
        ("SHOW", "LINK", "link"),
        ("EMBED_LIMIT", "5 MB", 5_000_000),
        ("EMBED_LIMIT", "1024", 1024),
        ("WAIT", "yes", True),
        ("WAIT", "0", False),
        ("WAIT", "auto", "auto"),
        ("LOOP", "on", True),
        ("NEST_ASYNCIO", "false", False),
        ("DEADLINE", "900", 900.0),
        ("VIDEOS", "out", "out"),
    ],
)
def test_the_environment(load, name, text, value):
    settings = load({f"IPYREEL_{name}": text})
    found = getattr(settings, name.lower())
    assert (found, type(found)) == (value, type(value))
    assert str(settings.source_of(name.lower())) == f"IPYREEL_{name}"


def test_a_blank_variable_is_not_said(load):
    assert load({"IPYREEL_MODEL": "  "}).source_of("model").layer == "default"


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("SECONDS", "0", "takes a number above 0"),
        ("SECONDS", "nan", "takes a number above 0"),
        ("SECONDS", "long", "takes a number above 0"),
        ("SIZE", "1280", "takes WIDTHxHEIGHT in pixels, for example 1280x720"),
        ("SIZE", "0x720", "takes WIDTHxHEIGHT in pixels, both above 0"),
        ("BUDGET", "-1", "takes an amount in USD, 0 or more"),
        ("BUDGET", "inf", "takes an amount in USD, 0 or more"),
        ("PARALLEL", "1.5", "takes a whole number, 1 or more"),
        ("SHOW", "inline", "takes auto, link or embed"),
        ("WAIT", "maybe", "takes auto, true or false"),
        ("LOOP", "2", "takes true or false"),
        ("EMBED_LIMIT", "much", 'takes a number of bytes, or a text such as "20 MB"'),
    ],
)
def test_a_bad_value_is_answered_with_what_is_allowed(load, name, text, allowed):
    with pytest.raises(ConfigError) as caught:
        load({f"IPYREEL_{name}": text})
    assert str(caught.value) == f"IPYREEL_{name}: {name.lower()} = '{text}': {allowed}."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# x\nparallel = true", ":2: parallel = True: takes a whole number, 1 or more."),
        ("model = 3", ":1: model = 3: takes a text."),
        ("modle = 3", ":1: modle: unknown setting. Did you mean model?"),
        ("[provider]", ":1: provider = {}: takes a text."),
        ("[providrs.x]", ":1: providrs: unknown setting. Did you mean providers?"),
        ("seconds = ", ":1: not valid TOML"),
        ("budget = [1]", ":1: budget = [1]: takes an amount in USD, 0 or more."),
        ("seconds = 2026-11-21", ":1: seconds = datetime"),
    ],
)
def test_an_error_in_the_file_names_file_line_and_key(load, here, text, message):
    with pytest.raises(ConfigError) as caught:
        load(toml=text)
    assert str(caught.value).startswith(f"{here / 'ipyreel.toml'}{message}")


def test_an_unknown_setting_is_answered_with_those_there_are():
    with pytest.raises(ConfigError) as caught:
        BARE.with_values("use", secnds=8)
    text = str(caught.value)
    assert text.startswith("Unknown setting secnds. Did you mean seconds?")
    assert all(name in text for name in READERS)


@given(st.integers(1, 99999), st.integers(1, 99999), st.sampled_from("xX×*"), st.booleans())
def test_a_size_is_read_as_people_write_it(width, height, times, spaced):
    text = f" {width} {times} {height} " if spaced else f"{width}{times}{height}"
    assert read_size(text) == f"{width}x{height}"


@given(
    st.sampled_from(sorted(READERS)), st.one_of(st.none(), st.text(), st.integers(), st.floats())
)
def test_whatever_is_given_it_is_read_or_it_is_a_config_error(name, value):
    try:
        settings = BARE.with_values("use", **{name: value})
    except ConfigError:
        return
    again = BARE.with_values("use", **{name: getattr(settings, name)})
    assert getattr(again, name) == getattr(settings, name)
