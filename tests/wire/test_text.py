"""Texts of servers: cleaned, shortened, and without keys and signatures."""

import base64
import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipyreel.errors import VideoError, WireError
from ipyreel.values import HttpReply
from ipyreel.wire.reader import read_job
from ipyreel.wire.refusals import read_error
from ipyreel.wire.text import KeyMask, clean


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("plain\ttext\nhere", "plain\ttext\nhere"),
        ("a\x00b\x1b[31mc\x85d\x7f", "a b [31mc d"),
        ("a\r\nb\rc", "a\nb c"),
        ("bidi \u202eabc", "bidi \u202eabc"),
        ("<b>stays</b>", "<b>stays</b>"),
        ("see https://h/x.mp4?X-Amz-Signature=abc&b=1 now", "see https://h/x.mp4?… now"),
        ("see s3://b/x?sig=1#f", "see s3://b/x?…"),
        ("https://user:word@h/x", "https://h/x"),
        ("token=abcdef", "token=…"),
        ("Incorrect key sk-proj-abc123DEF456", "Incorrect key sk-…"),
        ("Authorization: Bearer abc123.def", "Authorization: Bearer …"),
        ("Bearer authentication required", "Bearer authentication required"),
        ("AIzaSyA1234567890123456789012345", "AIza…"),
        ("data:image/png;base64,iVBORw0KGgo= end", "data:… end"),
        ("broken \ud800 half", "broken ? half"),
    ],
)
def test_text_is_made_fit_to_show(told, shown):
    assert clean(told) == shown


@given(st.text(max_size=300), st.integers(2, 50))
def test_text_is_not_endless(text, limit):
    assert len(clean(text, limit)) <= limit


def test_an_endless_message_is_cut():
    body = b'{"error":{"message":"' + b"x" * 100_000 + b'"}}'
    assert len(read_error(HttpReply(status_code=400, body=body), now=0).message) == 2_000


def test_an_excerpt_shows_no_signature():
    body = b"not json https://h/x.mp4?X-Amz-Signature=SECRET sk-abcdefgh123"
    with pytest.raises(WireError) as caught:
        read_job(HttpReply(status_code=200, body=body), now=0)
    shown = f"{caught.value} {caught.value.excerpt} {caught.value!r}"
    assert "SECRET" not in shown
    assert "abcdefgh" not in shown


def test_a_job_shows_no_addresses():
    body = b'{"id":"v","status":"completed","url":"https://h/x.mp4?sig=SECRET","polling_url":"/p?SECRET"}'
    job = read_job(HttpReply(status_code=200, body=body), now=0)
    assert job.urls == ("https://h/x.mp4?sig=SECRET",)
    assert "SECRET" not in repr(job)


KEYS = [
    "sk-very-secret-key-0123456789",
    "0123456789abcdef0123456789abcdef",
    "tm:Ab+/=&<ü>\"\\x'y z",
]

WRITTEN = {
    "plain": lambda key: key,
    "twice": lambda key: f"{key} and {key}",
    "in a word": lambda key: f"x{key}x",
    "percent": lambda key: quote(key, safe=""),
    "every letter percent": lambda key: "".join(f"%{byte:02X}" for byte in key.encode()),
    "html": lambda key: html.escape(key) if key.isascii() else "",
    "every letter html": lambda key: "".join(f"&#{byte};" for byte in key.encode()),
    "every letter html in hex": lambda key: "".join(f"&#x{byte:x};" for byte in key.encode()),
    "html with zeros": lambda key: "".join(f"&#{byte:032};" for byte in key.encode()),
    "html by name": lambda key: key.replace("+", "&plus;").replace("_", "&lowbar;"),
    "json": lambda key: json.dumps(key, ensure_ascii=False)[1:-1],
    "every letter json": lambda key: "".join(f"\\u{byte:04x}" for byte in key.encode()),
    "every other letter json": lambda key: "".join(
        f"\\u{ord(one):04X}" if at % 2 and one.isascii() else one for at, one in enumerate(key)
    ),
    "hex": lambda key: key.encode().hex(),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "a header in base64": lambda key: base64.b64encode(f"Bearer {key}!".encode()).decode(),
    "a tail in base64": lambda key: base64.urlsafe_b64encode(f"ab{key}".encode()).decode(),
}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)
def test_a_key_is_found_however_a_server_writes_it(key, write):
    text = write(key)
    shown = KeyMask(key).text(f"<<{text}>>")
    assert shown.startswith("<<")
    assert shown.endswith(">>")
    # What is left is the mask, and letters of base64 that other bytes share.
    assert "***" in shown or not text
    middle = key[4:-4]
    assert middle not in shown
    assert base64.b64encode(middle.encode()).decode().strip("=")[2:-3] not in shown


UNREADABLE = {
    "utf-16": lambda key: json.dumps({"error": f"bad {key}"}).encode("utf-16"),
    "utf-16 without a mark": lambda key: json.dumps({"error": f"bad {key}"}).encode("utf-16-be"),
    "zero bytes": lambda key: "\0".join(key).encode(),
    "controls in JSON": lambda key: json.dumps({"error": "\x01".join(key)}).encode(),
}


@pytest.mark.parametrize("status", [200, 401])
@pytest.mark.parametrize("write", UNREADABLE.values(), ids=UNREADABLE)
def test_cleaning_a_text_does_not_put_a_key_together(write, status):
    key = KEYS[1]
    body = KeyMask(key)(write(key))
    with pytest.raises(VideoError) as caught:
        read_job(HttpReply(status_code=status, body=body), now=0, remote_id="v")
    assert key not in f"{caught.value} {caught.value!r} {vars(caught.value)}"


def test_what_is_no_key_stays():
    data = bytes(range(256)) * 4
    assert KeyMask(KEYS[0])(data) == data
    for key in (None, "", "short"):
        assert KeyMask(key)(b"short %20 \\u0073") == b"short %20 \\u0073"
