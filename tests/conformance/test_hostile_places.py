"""Hostile addresses: a key goes to its own origin only; the internal network is not reached."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import pytest

from ipyreel.catalog.keys import Secret
from ipyreel.client import VideoClient
from ipyreel.client.http import Http, Refused
from ipyreel.errors import TransportError, VideoError
from ipyreel.values import VideoJob
from tests.conformance.looks import check_inside
from tests.conformance.shop import KEY, ROWS, Kernel, reopened, sha256, told
from tests.conformance.table import rule

# ---------------------------------------------------------------------------------- the key


def test_the_key_does_not_follow_a_redirect_to_another_origin(market, home):
    shop = market("apigo")
    shop.open(rule("content", redirect="other", status=307))
    with Kernel(shop, home) as kernel:
        job = kernel.order()
    assert job.status == "completed", told(job)
    assert [one.authorization for one in shop.seen("file")] == [False]
    assert all(one.authorization for one in shop.seen("create", "retrieve", "content"))


def test_an_address_in_a_job_gets_no_key_elsewhere(market, home):
    shop = market("aiid")
    shop.open()
    with Kernel(shop, home) as kernel:
        moved = shop.demo.origin.replace("127.0.0.1", "localhost")
        shop.demo.faults.add(
            rule("retrieve", job={"video_url": f"{moved}/files/x.mp4", "polling_url": moved})
        )
        job = kernel.order()
    # There is no file there, so it comes from the route; only the route gets the key.
    assert job.status == "completed", told(job)
    assert {one.authorization for one in shop.seen("file")} == {False}
    assert {one.authorization for one in shop.seen("content", "retrieve")} == {True}


PLACES = {
    "script": "javascript:alert(1)",
    "file": "file:///etc/passwd",
    "page": "data:text/html,<script>alert(1)</script>",
    "not a film": "data:video/mp4;base64,PHNjcmlwdD4=",
    "user": "http://user:password@127.0.0.1:9/film.mp4",
    "lines": "http://127.0.0.1:9/\r\nX-Evil: 1",
    "no scheme": "//evil.invalid/film.mp4",
    "plain": "http://evil.invalid/film.mp4",
    "port": "http://127.0.0.1:99999/",
    "brackets": "http://[::1/film.mp4",
    "long": "https://evil.invalid/" + "a" * 100_000,
    "list": [{"url": None}, ["https://evil.invalid/x"]],
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_hostile_address_in_a_job_is_passed_over(market, home, place):
    shop = market("aiid")
    shop.open(rule("retrieve", job={"video_url": place}))
    with Kernel(shop, home) as kernel:
        job = kernel.order()
    assert job.status == "completed", told(job)
    assert sha256(check_inside(home, job)) == shop.film
    assert "password" not in repr(reopened(home, job.id))


# ------------------------------------------------------------------------------ plain http


def test_plain_http_is_refused_beyond_loopback(market, home):
    shop = market("openai")
    shop.open()
    with Kernel(shop, home, base_url="http://shop.invalid/v1") as kernel:
        job = kernel.order()
    assert (job.status, job.sent_at) == ("failed", None)
    for sentence in ("is plain http", "Use https, or set plain_http = true"):
        assert sentence in told(job)


# ------------------------------------------------------------------- a provider that is public

API = "https://api.example/v1"
ROW = ROWS.provider("openai")
NEAR = [
    "https://127.0.0.1:8888/api/contents",
    "https://localhost/film.mp4",
    "https://192.168.1.1/film.mp4",
    "https://169.254.169.254/latest/meta-data/",
    "https://[fe80::1]/film.mp4",
    "https://[::ffff:127.0.0.1]/film.mp4",
    "https://[64:ff9b::7f00:1]/film.mp4",
    "https://[2002:7f00:1::]/film.mp4",
    "https://user@127.0.0.1/film.mp4",
]
"""One of each kind; `tests/client/test_addresses.py` has the whole list."""

DOWNGRADED = ["http://api.example/film.mp4", "http://cdn.example/film.mp4", "http://8.8.8.8/f.mp4"]


def download_from_public(tmp_path, *, content="content", answer=None, urls=()):
    """Download from a public API, simulated by a transport; return the error and the requests."""
    asked = []

    def handle(request):
        asked.append(request)
        return answer if answer is not None and len(asked) == 1 else httpx.Response(404)

    async def no_pause(_seconds):
        await asyncio.sleep(0)

    async def main():
        row = replace(ROW, content=content)
        async with VideoClient(
            row, key=KEY, base_url=API, transport=httpx.MockTransport(handle), sleep=no_pause
        ) as client:
            job = VideoJob(remote_id="video_1", status="completed", urls=tuple(urls))
            return await client.download(job, tmp_path / "clip.mp4")

    with pytest.raises(VideoError) as caught:
        asyncio.run(main())
    assert not list(tmp_path.glob("clip*"))
    return caught.value, asked


@pytest.mark.parametrize("place", [*NEAR, *DOWNGRADED])
def test_a_public_provider_does_not_redirect_us_home(tmp_path, place):
    answer = httpx.Response(307, headers={"location": f"{place}?sig=secret"})
    error, asked = download_from_public(tmp_path, answer=answer)
    assert isinstance(error, Refused)
    assert "was not opened" in error.message
    assert "secret" not in str(error)
    assert {request.url.host for request in asked} == {"api.example"}


@pytest.mark.parametrize("place", [*NEAR, *DOWNGRADED])
def test_a_public_provider_does_not_name_us_a_place_at_home(tmp_path, place):
    error, asked = download_from_public(tmp_path, content="url", urls=[f"{place}?sig=secret"])
    assert "secret" not in str(error)
    assert {request.url.host for request in asked} <= {"api.example"}
    answer = httpx.Response(200, json={"url": f"{place}?sig=secret"})
    error, asked = download_from_public(tmp_path, answer=answer)
    assert "secret" not in str(error)
    assert {request.url.host for request in asked} <= {"api.example"}


NAMES = {
    "api.invalid": ("93.184.216.34",),
    "loopback.invalid": ("127.0.0.1",),
    "mixed.invalid": ("93.184.216.34", "192.168.0.1"),
    "metadata.invalid": ("169.254.169.254",),
    "0x7f.1": ("127.0.0.1",),
    "sub.localhost": ("::1",),
    "nat64.invalid": ("64:ff9b::a00:1",),
    "nobody.invalid": (),
}


@pytest.mark.parametrize("name", sorted(NAMES.keys() - {"api.invalid"}))
def test_a_name_that_leads_home_is_seen_through(name):
    async def look_up(host, _port):
        return NAMES[host]

    async def main():
        http = Http("https://api.invalid/v1", key=Secret(KEY), lookup=look_up)
        async with http.stream(f"https://{name}/film.mp4") as stream:
            await stream.read()

    with pytest.raises((Refused, TransportError)) as caught:
        asyncio.run(main())
    words_of_it = "has no address" if name == "nobody.invalid" else "private network"
    assert words_of_it in caught.value.message
