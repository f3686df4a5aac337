"""Tracebacks that show variables, as `%xmode Verbose` and `pytest --showlocals` do: no key."""

from __future__ import annotations

import asyncio
import traceback
from contextlib import suppress
from pathlib import Path

import pytest

from ipyreel.client import VideoClient
from ipyreel.errors import VideoError
from ipyreel.session import Session
from tests.hostile.conftest import KEYS
from tests.hostile.rawserver import answer, raw_server

KEY = KEYS["hex"]


def variables_in(error):
    """Return the variables of all frames of an error and its causes, but those of tests."""
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "tests" not in Path(frame.f_code.co_filename).parts:
                for name, value in frame.f_locals.items():
                    with suppress(AttributeError):  # an object that is not complete yet
                        yield f"{name} = {value!r}"
        error = error.__cause__ or error.__context__


def with_variables(work):
    """Return what the traceback of the error that `work` raises shows with variables."""
    with pytest.raises(VideoError) as caught:
        work()
    return "\n".join([*variables_in(caught.value), *traceback.format_exception(caught.value)])


ANSWERS = {
    "refused": answer({"error": "no"}, status="401 Unauthorized"),
    "no answer": b"",
    "no HTTP": b"220 ftp.example ready\r\n\r\n",
    "moved": answer(b"", status="307 Moved", location="/elsewhere"),
    "damaged": answer(b"not gzip", content_encoding="gzip"),
}


@pytest.mark.parametrize("provider", ["generic", "azure"])
@pytest.mark.parametrize("given", ANSWERS.values(), ids=ANSWERS)
def test_of_a_failed_request(monkeypatch, provider, given):
    monkeypatch.setenv("IPYREEL_API_KEY", KEY)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)

    async def buy(url):
        async with VideoClient(provider, base_url=url) as client:
            await client.create("a sea")

    with raw_server(create=given) as server:
        shown = with_variables(lambda: asyncio.run(buy(server.url)))
    assert "timeout = " in shown
    assert KEY not in shown


@pytest.mark.parametrize(
    ("variables", "work"),
    [
        ({"OPENAI_API_KEY": KEY}, lambda: VideoClient("openai")),
        ({"APIYI_API_KEY": f"{KEY}\u201d"}, lambda: VideoClient("apiyi")),
        ({}, lambda: VideoClient("apiyi", key=KEY, base_url="nowhere")),
        ({"IPYREEL_SECONDS": "soon"}, lambda: Session.open().read_settings()),
    ],
    ids=["no address", "a bad key", "a bad address", "a bad setting"],
)
def test_of_bad_settings(monkeypatch, tmp_path, variables, work):
    monkeypatch.setenv("IPYREEL_HOME", str(tmp_path))
    monkeypatch.setenv("A_SECRET", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    shown = with_variables(work)
    assert "Environment()" in shown
    assert KEY not in shown
