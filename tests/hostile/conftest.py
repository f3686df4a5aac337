"""Fixtures of the attacks: a victim whose keys are marked, and a search for those keys."""

from __future__ import annotations

import base64
import html
import json
import logging
from urllib.parse import quote

import pytest

from tests.hostile.rawserver import small_film

KEYS = {
    "sk": "sk-canary-0123456789abcdef",
    "hex": "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    "aws": "wJalrXUtnFEMI/K7MDENG+bPxRfiCY=canary",
    "unusual": 'k3y"with<every>&thing\\in%it',
}
"""Keys of several shapes: what is masked must not depend on how a key looks."""


def spellings(key):
    """Return the key in every encoding in which an attacker can return it."""
    data = key.encode()
    plain = base64.b64encode(data).decode().rstrip("=")
    return {
        "plain": key,
        "percent": quote(key, safe=""),
        "every byte percent": "".join(f"%{byte:02X}" for byte in data),
        "html": html.escape(key),
        "numeric html": "".join(f"&#{byte};" for byte in data),
        "json": json.dumps(key)[1:-1],
        "unicode escapes": "".join(f"\\u{byte:04x}" for byte in data),
        "base64": plain,
    }


def found_in(text, key):
    """Return the encodings of the key that the text contains."""
    return [name for name, spelled in spellings(key).items() if spelled in text]


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """Return the bytes of a small MP4."""
    return small_film(tmp_path_factory.mktemp("film"))


@pytest.fixture
def home(tmp_path):
    """Return a fresh IPYREEL_HOME, which is also the notebook's folder."""
    folder = tmp_path / "kernel"
    folder.mkdir()
    return folder


@pytest.fixture
def all_logs(caplog):
    """Record what every library logs at the levels that people switch on."""
    caplog.set_level(logging.INFO)
    return caplog
