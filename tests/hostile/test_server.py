"""Attacks by a server: bombs, echoed keys, addresses inside the network, unprintable bytes."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from ipyreel.client import Timeouts
from ipyreel.client.stream import decoder
from ipyreel.notebook.markup import job_html, job_text
from tests.conformance.shop import Kernel, Shop, finals, told
from tests.hostile.conftest import KEYS, found_in, spellings
from tests.hostile.rawserver import answer, job, raw_server
from tests.support.demo import Clock

MEMORY = 48 * 2**20
"""Memory that a hostile answer may cost, in bytes; the bombs hold 256 MB."""

QUICK = Timeouts(create=5, poll=5, read=5)


def buy(server, home, *, key=None, deadline=60.0):
    """Request a video from the server, wait for the end, and return (kernel, job)."""
    shop = Shop(kind="openai", demo=None, clock=Clock())
    with Kernel(shop, home, base_url=server.url, deadline=deadline, timeouts=QUICK) as kernel:
        if key is not None:
            kernel.session.keys.remember("openai", key)
        return kernel, kernel.order()


# ------------------------------------------------------------------------------------ bombs


def packed(bits, size=2**28):
    """Return zeros packed by zlib: few bytes that unpack to 256 MB."""
    squeeze = zlib.compressobj(1, zlib.DEFLATED, bits)
    zeros = bytes(2**24)
    return b"".join(squeeze.compress(zeros) for _ in range(size // 2**24)) + squeeze.flush()


@pytest.fixture(scope="module")
def bombs():
    """Return the bombs by the content encoding under which they are sent."""
    once = packed(31)
    return {
        "gzip": once,
        "gzip, identity, gzip": gzip.compress(once),
        "deflate": packed(15),
        "br": once,
        # Not packed, but each two characters become an object of 64 bytes.
        "identity": b'{"id": "video_1", "l": [' + b"{}," * 5_000_000 + b"{}]}",
    }


BOMBS = [
    *(("retrieve", name) for name in ("gzip", "gzip, identity, gzip", "deflate", "br", "identity")),
    ("create", "gzip"),
    ("content", "gzip"),
    ("content", "identity"),
]


@pytest.mark.parametrize(("step", "encoding"), BOMBS)
def test_a_packed_answer_does_not_fill_the_memory(film, home, bombs, step, encoding):
    bomb = answer(bombs[encoding], content_encoding=encoding, content_type="application/json")
    with raw_server(film, **{step: bomb}) as server:
        tracemalloc.start()
        try:
            _, bought = buy(server, home)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < MEMORY + len(bomb)
    assert bought.status != "completed"
    assert finals(home) == []


def test_what_follows_a_packed_answer_is_not_kept():
    decode = decoder(["gzip"], "host")
    assert b"".join(decode(gzip.compress(b"{}"))) == b"{}"
    tracemalloc.start()
    try:
        assert not any(plain for _ in range(200) for plain in decode(bytes(2**16)))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_every_request_asks_for_answers_that_are_not_packed(film, home):
    with raw_server(film) as server:
        _, bought = buy(server, home)
    assert bought.status == "completed", told(bought)
    assert len(server.requests) >= 3
    for request in server.requests:
        assert b"\r\naccept-encoding: identity\r\n" in request.lower()


ENDLESS = {
    "a header without end": b"HTTP/1.1 200 OK\r\nx: " + b"a" * 2**24,
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000 + b"\r\n",
    "a status line without end": b"HTTP/1.1 200 " + b"A" * 2**24,
    "a chunk of a terabyte": (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffff\r\n" + b"{" * 2**20
    ),
    "a length of a terabyte": answer(b"{}", length=2**40),
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}{",
    "another protocol": b"220 ftp.example FTP server ready\r\n" * 1000,
    "zero bytes": bytes(2**20),
}


@pytest.mark.parametrize(
    ("step", "name"),
    [
        *(("create", name) for name in ENDLESS),
        ("content", "a chunk of a terabyte"),
        ("content", "a length of a terabyte"),
        ("retrieve", "a chunk of a terabyte"),
    ],
)
def test_an_answer_that_is_no_http_is_an_error_in_printable_text(film, home, step, name):
    with raw_server(film, **{step: ENDLESS[name]}) as server:
        _, bought = buy(server, home)
    assert bought.status != "completed"
    assert finals(home) == []
    assert told(bought).isprintable()
    assert len(told(bought)) < 2000


# ------------------------------------------------------------------------------ echoed keys


def places(echo):
    """Return the answers that repeat a text, by the place where they do."""
    wire = echo.encode("ascii", "replace").decode()
    header = "".join(char for char in wire if char.isprintable())
    error = {"error": {"message": f"Incorrect key {echo}", "code": echo, "type": echo}}
    failed = job("failed", error={"message": f"bad key {echo}", "code": echo})
    return {
        "error at create": {"create": answer(error, status="401 Unauthorized")},
        "page at create": {
            "create": answer(
                f"<html><title>{echo}</title>{echo}</html>".encode(), status="403 Forbidden"
            )
        },
        "reason phrase": {"create": answer(b"", status=f"403 {header}")},
        "bad status line": {"create": f"HTTP/1.1 {header}\r\n\r\n".encode("latin-1")},
        "redirect": {"create": answer(b"", status="302 Found", location=f"/login?key={header}")},
        "request id": {"create": answer(error, status="400 Bad", x_request_id=header)},
        "failed job": {"retrieve": answer(failed)},
        "odd status": {"retrieve": [answer(job(f"waiting {echo}")), answer(failed)]},
        "text for a video": {"content": answer(f"no file for {echo}".encode())},
        "address of the video": {
            "retrieve": answer(job(video_url=f"http://127.0.0.1:9/{header}/film.mp4")),
            "content": answer(error, status="404 Not Found"),
        },
        "redirect of the video": {
            "content": answer(b"", status="302 Found", location=f"http://127.0.0.1:9/{header}")
        },
        "etag": {"content": answer(bytes(50), etag=f'"{header}"', content_type="video/mp4")},
    }


PLACES = list(places(""))


@pytest.mark.parametrize(
    ("shape", "place"),
    [*(("unusual", place) for place in PLACES), ("sk", "failed job"), ("hex", "failed job")],
)
def test_an_echoed_key_is_kept_nowhere(film, home, all_logs, shape, place):
    key = KEYS[shape]
    echo = "_".join(spellings(key).values())
    with raw_server(film, **places(echo)[place]) as server:
        kernel, bought = buy(server, home, key=key)
    error = kernel.session.error(bought.id)
    shown = [told(bought), repr(bought), repr(error), repr(getattr(error, "__cause__", None))]
    shown += [job_text.text(bought), job_html.static_html(bought), all_logs.text]
    assert found_in("\n".join(map(str, shown)), key) == []
    for path in home.rglob("*"):
        if path.is_file():
            assert found_in(path.read_bytes().decode("latin-1"), key) == [], path.name


def test_the_search_finds_a_key_that_is_there():
    for key in KEYS.values():
        for name, spelled in spellings(key).items():
            assert name in found_in(f"before {spelled} after", key)
