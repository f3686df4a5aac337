"""Headers of a provider's row: sent to its own origin, secrets masked, missing ones named."""

from __future__ import annotations

import httpx
import pytest

from ipyreel.catalog import Catalog
from ipyreel.client import VideoClient
from ipyreel.errors import ConfigError
from tests.client.support.time import run

SECRET = "pc-very-secret-config-0123456789"
ROW = """
[providers.portkey]
base_url = "https://gateway.example/v1"
timeout_read = 7
headers = { x-portkey-provider = "openai", x-portkey-config = "$PORTKEY_CONFIG" }
"""


@pytest.fixture
def rows(tmp_path):
    def read(text=ROW):
        path = tmp_path / "ipyreel.toml"
        path.write_text(text, encoding="utf-8")
        return Catalog.load(path)

    return read


def test_headers_of_a_row_are_sent_and_secrets_masked(rows, monkeypatch):
    monkeypatch.setenv("PORTKEY_CONFIG", SECRET)
    seen = []

    def answer(request):
        seen.append(request.headers)
        return httpx.Response(200, json={"id": "v", "status": "queued", "prompt": SECRET})

    async def ask():
        catalog, transport = rows(), httpx.MockTransport(answer)
        async with VideoClient("portkey", catalog=catalog, transport=transport) as client:
            shown = client.preview("a cat").headers
            assert client.timeouts.poll == 7
            return shown, await client.create("a cat")

    shown, job = run(ask())
    assert seen[0]["x-portkey-provider"] == "openai"
    assert seen[0]["x-portkey-config"] == SECRET
    assert shown["x-portkey-provider"] == "openai"
    assert SECRET not in repr(shown)
    assert SECRET not in repr(job)
    assert SECRET not in str(job.raw)


def test_a_secret_that_is_not_set_is_named(rows, monkeypatch):
    monkeypatch.delenv("PORTKEY_CONFIG", raising=False)
    with pytest.raises(ConfigError, match="x-portkey-config, and PORTKEY_CONFIG is not set"):
        VideoClient("portkey", catalog=rows())


@pytest.mark.parametrize("header", ['Host = "evil"', '"a b" = "c"', 'x-a = "b\\u00e9"'])
def test_headers_that_cannot_be_set_are_refused(rows, header):
    text = f'[providers.p]\nbase_url = "https://p.example"\nheaders = {{ {header} }}'
    with pytest.raises(ConfigError, match=r"providers\.p\.headers"):
        rows(text)
