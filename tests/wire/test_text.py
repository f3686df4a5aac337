import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipyreel.errors import WireError
from ipyreel.values import HttpReply
from ipyreel.wire.reader import read_error, read_job
from ipyreel.wire.text import clean


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("plain\ttext\nhere", "plain\ttext\nhere"),
        ("a\x00b\x1b[31mc\x85d\x7f", "ab[31mcd"),
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
