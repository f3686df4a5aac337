"""Keys: where they are found, and that they are never shown."""

from __future__ import annotations

import copy
import json
import pickle
import sys
import traceback
import types

import pytest

from ipyreel.catalog import KeyRing, Secret
from ipyreel.catalog.keys import read_key, stored_key
from ipyreel.errors import ConfigError, MissingKey

KEY = "sk-abcdefghijklmnopqrstuvwxyz-a1b2"


def nothing(_provider):
    return None


@pytest.fixture
def apiyi(catalog):
    return catalog.provider("apiyi")


@pytest.mark.parametrize("show", [repr, str, format, "{:>60}".format, "{0!r}".format, ascii])
def test_a_key_is_not_shown(show):
    text = show(Secret(KEY))
    assert "abcdef" not in text
    assert "a1b2" in text
    assert "abcdef" not in repr([{"key": Secret(KEY)}])
    assert Secret("short-key").masked == "•••"


def test_a_key_is_copied_but_neither_pickled_nor_written_as_json():
    secret = Secret(KEY)
    assert copy.deepcopy([secret])[0] is copy.copy(secret) is secret
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps([secret], protocol)
    with pytest.raises(TypeError):
        json.dumps({"key": secret})


def test_keys_compare():
    assert Secret(KEY) == Secret(KEY)
    assert Secret(KEY) != Secret("other")
    assert Secret(KEY) != KEY
    assert len({Secret(KEY), Secret(KEY)}) == 1
    assert Secret(KEY).masked == "sk-…a1b2"


@pytest.mark.parametrize("text", [None, "", "  ", "\n"])
def test_blank_counts_as_not_set(apiyi, text):
    assert read_key(text, "X") is None
    assert read_key(f" {KEY}\r\n", "X").reveal() == KEY
    environ = {} if text is None else {"APIYI_API_KEY": text}
    assert KeyRing(environ, stored=nothing).find(apiyi) is None


@pytest.mark.parametrize("odd", ["\n", "\r", "\x00", "\t", "é", "密", "\x7f", "\ud800"])
def test_a_key_that_no_header_takes_is_refused_unseen(apiyi, odd):
    text = f"sk-abcdef{odd}ghijkl-a1b2"
    with pytest.raises(ConfigError) as caught:
        KeyRing({"APIYI_API_KEY": text}, stored=nothing).find(apiyi)
    shown = "".join(traceback.format_exception(caught.value)) + "".join(
        caught.value._render_traceback_()
    )
    assert "APIYI_API_KEY" in shown
    assert "abcdef" not in shown
    assert "a1b2" not in shown


def test_typed_goes_before_environment_before_keyring(apiyi):
    environ = {}
    ring = KeyRing(environ, stored={"apiyi": "from-the-keyring"}.get)
    assert (ring.where(apiyi), ring.require(apiyi).reveal()) == ("keyring", "from-the-keyring")
    environ["APIYI_API_KEY"] = "exported"
    assert (ring.where(apiyi), ring.require(apiyi).reveal()) == ("APIYI_API_KEY", "exported")
    ring.remember("apiyi", KEY)
    assert (ring.where(apiyi), ring.require(apiyi).reveal()) == ("typed in", KEY)


def test_a_missing_key_says_what_to_type(apiyi):
    with pytest.raises(MissingKey) as caught:
        KeyRing({}, stored=nothing).require(apiyi)
    assert str(caught.value) == (
        "apiyi needs a key, and none is set. Set APIYI_API_KEY, or type %video key apiyi"
    )


def test_a_key_ring_does_not_show_its_keys():
    ring = KeyRing({"APIYI_API_KEY": KEY})
    ring.remember("aiid", KEY)
    assert repr(ring) == "KeyRing(typed in: aiid)"


def fake_keyring(monkeypatch, get_password):
    package = types.ModuleType("keyring")
    errors = types.ModuleType("keyring.errors")
    errors.KeyringError = type("KeyringError", (Exception,), {})
    package.errors = errors
    package.get_password = lambda service, name: get_password(errors, service, name)
    monkeypatch.setitem(sys.modules, "keyring", package)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)


def test_the_keyring_package_is_asked_by_service_and_provider(monkeypatch):
    asked = []

    def get_password(_errors, service, name):
        asked.append((service, name))
        return KEY

    fake_keyring(monkeypatch, get_password)
    assert stored_key("apiyi") == KEY
    assert asked == [("ipyreel", "apiyi")]


def test_a_locked_keyring_is_an_empty_one(monkeypatch):
    def get_password(errors, _service, _name):
        raise errors.KeyringError

    fake_keyring(monkeypatch, get_password)
    assert stored_key("apiyi") is None


def test_without_the_package_there_is_no_entry(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert stored_key("apiyi") is None
