"""The transport: what is sent where, what is refused, and which error each failure becomes."""

from __future__ import annotations

import gzip
import logging
import zlib

import httpx
import pytest

from ipyreel.catalog.keys import Secret
from ipyreel.client.http import Http
from ipyreel.client.transport import NOT_SENT, mapped, transport_error
from ipyreel.errors import (
    ConfigError,
    InvalidRequest,
    ProviderError,
    TransportError,
    VideoError,
)
from ipyreel.values import HttpCall
from tests.client.support.server import Server, reply
from tests.client.support.time import run
from tests.support.ports import free_port

KEY = "sk-very-secret-key-0123456789"
GET = HttpCall(method="GET", path="/videos/x")
POST = HttpCall(method="POST", path="/videos", json={"prompt": "a cat"})

SURELY_NOT_SENT = {
    "ConnectError",
    "ConnectTimeout",
    "PoolTimeout",
    "ProxyError",
    "UnsupportedProtocol",
}


def each_error_of_httpx():
    """Walk httpx's classes of exceptions and make one of each."""
    request = httpx.Request("GET", "https://host.example")
    found = [
        value
        for value in vars(httpx).values()
        if isinstance(value, type) and issubclass(value, Exception)
    ]
    for kind in found:
        if issubclass(kind, httpx.HTTPStatusError):
            yield kind("x", request=request, response=httpx.Response(500))
        elif kind in {
            httpx.StreamConsumed,
            httpx.ResponseNotRead,
            httpx.RequestNotRead,
            httpx.StreamClosed,
        }:
            yield kind()
        else:
            yield kind("x")


EVERY_ERROR = list(each_error_of_httpx())


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: type(error).__name__)
def test_every_exception_of_httpx_is_mapped(error):
    with pytest.raises(TransportError) as caught, mapped("host.example"):
        raise error
    assert caught.value.sent is (type(error).__name__ not in SURELY_NOT_SENT)
    assert "host.example" in caught.value.message


def test_the_walk_finds_them_all():
    names = {type(error).__name__ for error in EVERY_ERROR}
    assert names >= SURELY_NOT_SENT | {"ReadTimeout", "ReadError", "RemoteProtocolError"}
    assert {kind.__name__ for kind in NOT_SENT} == SURELY_NOT_SENT


def test_texts_that_may_quote_a_header_are_not_repeated():
    error = httpx.LocalProtocolError(f"Illegal header value b'Bearer {KEY}'")
    with pytest.raises(TransportError) as caught, mapped("host"):
        raise error
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert KEY not in str(transport_error(httpx.InvalidURL(KEY), "host"))


def exchange(*script, call=GET, key=KEY, timeout=20.0, **options):
    """Send one call to a scripted server; returns the answer or the error, and the server."""

    async def main():
        async with Server(*script) as server:
            http = Http(server.url, key=Secret(key) if key else None, **options)
            try:
                return await http.send(call, timeout=timeout), server
            except VideoError as error:
                return error, server
            finally:
                await http.aclose()

    return run(main())


@pytest.mark.parametrize(
    "value", [float("nan"), object(), "\ud800"], ids=["nan", "object", "surrogate"]
)
def test_what_json_cannot_say_is_refused_before_sending(value):
    call = HttpCall(method="POST", path="/videos", json={"x": value})
    error, server = exchange(reply(), call=call)
    assert isinstance(error, InvalidRequest)
    assert server.seen == []


def test_the_query_of_a_base_url_is_sent_with_every_request():
    async def main():
        async with Server(reply()) as server:
            http = Http(f"{server.origin}/openai/v1?api-version=preview", key=Secret(KEY))
            await http.send(GET, timeout=9)
            await http.send(HttpCall(method="GET", path="/videos", query={"limit": "5"}), timeout=9)
            await http.aclose()
            return [seen.target for seen in server.seen]

    assert run(main()) == [
        "/openai/v1/videos/x?api-version=preview",
        "/openai/v1/videos?api-version=preview&limit=5",
    ]


def test_every_post_has_a_connection_of_its_own():
    async def main():
        async with Server(reply()) as server:
            http = Http(server.url)
            for _ in range(3):
                await http.send(POST, timeout=9)
            posts = server.connections
            for _ in range(3):
                await http.send(GET, timeout=9)
            await http.aclose()
            return posts, server.connections - posts

    assert run(main()) == (3, 1)


@pytest.mark.parametrize("status", [302, 307])
def test_a_post_is_never_redirected(status):
    error, server = exchange(reply(status, location="https://b.example/v1?sig=1"), call=POST)
    assert isinstance(error, ProviderError)
    assert error.status_code == status
    assert "https://b.example/v1" in error.message
    assert "sig" not in str(error)
    assert "base URL" in error.hint
    assert len(server.seen) == 1


def test_a_get_is_redirected_within_the_origin_with_its_key():
    answer, server = exchange(reply(302, location="/v1/elsewhere"), reply(200, b"here"))
    assert answer.body == b"here"
    assert [seen.target for seen in server.seen] == ["/v1/videos/x", "/v1/elsewhere"]
    assert server.seen[1].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("place", ["http://127.0.0.1:99999/x", "//127.0.0.1:65536/x"])
def test_a_redirect_to_a_port_that_cannot_be_is_an_error_like_any_other(place):
    error, server = exchange(reply(302, location=place))
    assert isinstance(error, ProviderError)
    assert "no such port" in error.message
    assert len(server.seen) == 1


def test_the_key_does_not_cross_to_another_origin():
    async def main():
        async with Server(reply(200, b"film")) as cdn:
            there = f"{cdn.origin}/film?sig=1"
            async with Server(reply(302, location=there, set_cookie="a=b")) as server:
                http = Http(server.url, key=Secret(KEY))
                async with http.stream(f"{server.url}/videos/x/content") as stream:
                    body = (await stream.read()).body
                async with http.stream(there) as stream:
                    await stream.read()
                await http.aclose()
                return body, server.seen, cdn.seen

    body, api, cdn = run(main())
    assert body == b"film"
    assert api[0].headers["authorization"] == f"Bearer {KEY}"
    assert [seen.target for seen in cdn] == ["/film?sig=1"] * 2
    assert KEY not in str([seen.headers for seen in cdn])
    assert all("cookie" not in seen.headers for seen in cdn)


def test_a_checked_address_is_the_one_connected_to():
    async def main():
        asked = []

        async def look_up(host, port):
            asked.append((host, port))
            return ("127.0.0.2", "127.0.0.1") if host == "cdn.invalid" else ("127.0.0.1",)

        async with Server(reply(200, b"film")) as server:
            http = Http(
                "http://127.0.0.1:1/v1", key=Secret(KEY), allow_plain_http=True, lookup=look_up
            )
            async with http.stream(f"http://cdn.invalid:{server.port}/film") as stream:
                assert stream.host == "cdn.invalid"
                body = (await stream.read()).body
            await http.aclose()
            return body, server.seen[0].headers, asked, server.port

    body, headers, asked, port = run(main())
    assert body == b"film"
    assert headers["host"] == f"cdn.invalid:{port}"
    assert asked == [("cdn.invalid", port)]
    assert KEY not in str(headers)


def from_public_api(*answers):
    """Stream from an API on the open internet, played by a transport; returns what was asked."""
    asked = []

    def handle(request):
        asked.append(request)
        status, headers = answers[len(asked) - 1]
        return httpx.Response(status, headers=headers)

    async def main():
        transport = httpx.MockTransport(handle)
        http = Http("https://api.example/v1", key=Secret(KEY), transport=transport)
        async with http.stream("https://api.example/v1/videos/x/content") as stream:
            await stream.read()
        await http.aclose()

    run(main())
    return asked


def test_a_public_api_may_send_us_to_a_cdn_without_the_key():
    asked = from_public_api((302, {"location": "https://cdn.example/film"}), (200, {}))
    assert asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert asked[1].url.host == "cdn.example"
    assert "authorization" not in asked[1].headers


@pytest.mark.parametrize(
    "url", ["http://api.example/v1", "http://10.0.0.1/v1", "ftp://x/v1", "api.example", ""]
)
def test_a_base_url_that_cannot_be_used_is_a_setting_gone_wrong(url):
    with pytest.raises(ConfigError):
        Http(url)


def test_plain_http_is_for_loopback_and_rows_that_allow_it():
    Http("http://localhost:8000")
    Http("http://[::1]:8000/v1")
    Http("http://gpu-box:8000/v1", allow_plain_http=True)


def test_a_key_that_no_header_carries_is_refused_without_showing_it():
    with pytest.raises(ConfigError) as caught:
        Http("https://api.example", key=Secret("sk-secret\nkey-0123456789"))
    assert "secret" not in str(caught.value)


def test_loopback_is_never_asked_through_a_proxy(monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{free_port()}")
    answer, _ = exchange(reply(200, b"direct"))
    assert answer.body == b"direct"


def test_other_hosts_are_asked_through_the_proxy_of_the_environment(monkeypatch):
    async def main():
        async with Server(reply(200, b"via")) as proxy:
            monkeypatch.setenv("http_proxy", proxy.origin)
            http = Http("http://gpu-box.invalid/v1", allow_plain_http=True)
            answer = await http.send(GET, timeout=9)
            await http.aclose()
            return answer, proxy.seen

    answer, seen = run(main())
    assert answer.body == b"via"
    assert seen[0].target == "http://gpu-box.invalid/v1/videos/x"


# -- what servers send back ----------------------------------------------------------------


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
def test_one_encoding_that_was_not_asked_for_is_undone(pack):
    body = bytes(range(256)) * 5000
    name = "gzip" if pack is gzip.compress else "Deflate"
    answer, _ = exchange(reply(200, pack(body), content_encoding=name))
    assert answer.body == body
    error, _ = exchange(reply(200, b"no such thing", content_encoding=name))
    assert isinstance(error, TransportError)


def test_logs_hold_no_key_and_no_signature(caplog):
    caplog.set_level(logging.DEBUG)

    async def main():
        async with Server(reply(200, b"film", x_echo="tidemind-0123456789")) as cdn:
            there = f"{cdn.origin}/film?sig=secret"
            async with Server(reply(302, location=there)) as server:
                http = Http(server.url, key=Secret("tidemind-0123456789"))
                async with http.stream(f"{server.url}/videos/x/content?a=secret") as stream:
                    await stream.read()
                await http.aclose()

    run(main())
    assert "HTTP Request: GET" in caplog.text
    assert "receive_response_headers" in caplog.text
    assert "secret" not in caplog.text
    assert "tidemind-0123456789" not in caplog.text
