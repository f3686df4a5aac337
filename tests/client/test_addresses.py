"""Which addresses may be connected to, and how they are shown."""

from __future__ import annotations

import pytest

from ipyreel.client.addresses import Gate, is_near, is_public, proxy_for
from ipyreel.errors import TransportError
from ipyreel.wire.urls import is_loopback, strip_query
from tests.client.support.time import run

PUBLIC = ("93.184.216.34",)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://host/a/b?sig=secret#x", "https://host/a/b"),
        ("https://user:pass@host:8/a?b@c", "https://host:8/a"),
        ("https://a:b@c@host/x", "https://host/x"),
        ("HTTPS://user@host", "HTTPS://host"),
        ("/v1/x?key=secret", "/v1/x"),
        ("https://host/#secret?", "https://host/"),
    ],
)
def test_urls_are_shown_without_what_may_be_secret(url, shown):
    assert strip_query(url) == shown


LOOPBACK = "127.0.0.1 127.9.9.9 ::1 [::1] localhost a.localhost LOCALHOST. ::ffff:127.0.0.1"
ELSEWHERE = "localhost.example 128.0.0.1 example.com 10.0.0.1"


def test_loopback_is_known_by_its_spelling():
    assert [host for host in LOOPBACK.split() if not is_loopback(host)] == []
    assert [host for host in ELSEWHERE.split() if is_loopback(host)] == []


ADDRESSES = {
    "near": "10.1.2.3 192.168.0.1 172.16.0.9 127.0.0.1 ::1 fd00::1 100.64.0.7 ::ffff:10.0.0.1",
    # The services of clouds that give out keys, and what belongs to nobody.
    "nobody's": (
        "169.254.169.254 100.100.100.200 168.63.129.16 ::ffff:168.63.129.16 64:ff9b::a83f:8110 "
        "192.0.0.192 fd00:ec2::254 0.0.0.0 :: 224.0.0.1 fe80::1%eth0 not-a-number"
    ),
    "public": "93.184.216.34 2606:2800:220:1::1 ::ffff:93.184.216.34",
}


@pytest.mark.parametrize("kind", ADDRESSES)
def test_an_address_is_public_or_near_or_nobodys(kind):
    for address in ADDRESSES[kind].split():
        found = (is_near(address), is_public(address))
        assert found == (kind == "near", kind == "public"), address
    assert not is_public("255.255.255.255")


@pytest.mark.parametrize(
    "host",
    [
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "0xA9.254.43518",
        "169.254.169.254.",
        "::169.254.169.254",
        "64:ff9b:1::a9fe:a9fe",
    ],
)
@pytest.mark.parametrize("direct", [True, False], ids=["directly", "behind a proxy"])
def test_no_spelling_hides_an_address_that_secrets_are_served_at(host, direct):
    assert admitted(gate({"api.example": PUBLIC}, direct=direct), host) is None


def gate(names, home="api.example", *, direct=True):
    async def look_up(host, _port):
        if host not in names:
            raise OSError("no such name")
        return names[host]

    return Gate(("https", home, 443), look_up, direct=direct)


NAMES = {
    "api.example": PUBLIC,
    "cdn.example": ("93.184.216.35", "2606:2800:220:1::1"),
    "evil.example": ("93.184.216.36", "127.0.0.1"),
    "inside.example": ("10.0.0.5",),
    "meta.example": ("169.254.169.254",),
    "empty.example": (),
}


def admitted(gate, host, scheme="https"):
    return run(gate.admit((scheme, host, 443)))


def test_a_public_api_sends_us_to_public_places_only():
    public = gate(NAMES)
    assert admitted(public, "cdn.example") == NAMES["cdn.example"]
    assert admitted(public, "93.184.216.40") == ("93.184.216.40",)
    for host in (
        "evil.example",
        "inside.example",
        "meta.example",
        "127.0.0.1",
        "10.0.0.1",
        "::1",
        "169.254.169.254",
    ):
        assert admitted(public, host) is None


def test_an_api_in_the_private_network_may_send_us_there():
    private = gate(NAMES, home="inside.example")
    assert admitted(private, "10.0.0.9") == ("10.0.0.9",)
    assert admitted(private, "127.0.0.1") == ("127.0.0.1",)
    assert admitted(private, "evil.example") == NAMES["evil.example"]
    assert admitted(private, "meta.example") is None


@pytest.mark.parametrize("host", ["empty.example", "unknown.example"])
def test_a_name_without_an_address_is_no_answer(host):
    with pytest.raises(TransportError) as caught:
        admitted(gate(NAMES), host)
    assert caught.value.sent is False


def test_where_somebody_else_connects_only_numbers_are_checked():
    elsewhere = gate({"api.example": PUBLIC}, direct=False)
    assert admitted(elsewhere, "cdn.example") == (None,)
    assert admitted(elsewhere, "93.184.216.34") == (None,)
    assert admitted(elsewhere, "10.0.0.1") is None


def test_a_proxy_of_the_environment_does_the_connecting(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.invalid:3128")
    monkeypatch.setenv("no_proxy", "inner.example")
    assert proxy_for("https", "cdn.example")
    assert not proxy_for("https", "inner.example")
    assert not proxy_for("https", "127.0.0.1")
    assert admitted(gate({}), "cdn.example") == (None,)


@pytest.mark.parametrize("entry", ["10.0.0.0/8", "fe80::/10", "10.1.2.3", " 10.1.0.0/16 ,x/y"])
def test_networks_in_no_proxy_are_read_as_curl_reads_them(monkeypatch, entry):
    monkeypatch.setenv("all_proxy", "proxy.invalid:3128")
    monkeypatch.setenv("no_proxy", f"localhost,{entry}")
    near = "fe80::1" if entry.startswith("fe80") else "10.1.2.3"
    assert proxy_for("http", near) is None
    assert proxy_for("http", "192.168.1.1") == "http://proxy.invalid:3128"
    assert proxy_for("https", "cdn.example") == "http://proxy.invalid:3128"
