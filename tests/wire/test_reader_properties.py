"""Any answer of a server is read, or refused with one of two errors."""

import json
import math
import string
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ipyreel.errors import ProviderError, WireError
from ipyreel.values import HttpReply, VideoJob
from ipyreel.wire.job_fields import MEANINGS, read_envelope
from ipyreel.wire.media_types import sniff
from ipyreel.wire.parse import poll_after, retry_after
from ipyreel.wire.reader import read_deleted, read_job, read_page
from ipyreel.wire.refusals import read_error, wants_form

NOW = 1_764_347_100.0
WORDS = st.sampled_from(
    json.loads((Path(__file__).parent / "fixtures" / "field_names.json").read_text("utf-8"))
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 10**400, 10**18, 1e308, math.nan, math.inf, "\ud800", "video"])
    | st.sampled_from(sorted(MEANINGS))
    | st.sampled_from(["57%", "https://[bad", "https://h/x.mp4?s=1", "//x", "/v1/x", "NaN", "1e9"])
    | st.floats()
    | st.text(max_size=30)
    | st.text(string.digits + ".%:-TZ+", max_size=25)
)
BODIES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS, inner, max_size=8)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=25,
)
STATUSES = st.sampled_from([200, 201, 202, 204, 301, 400, 401, 402, 403, 404, 409, 410]) | (
    st.sampled_from([415, 422, 429, 500, 502, 503, 524]) | st.integers(-1, 1000)
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["content-type", "retry-after", "retry-after-ms", "openai-poll-after-ms", "cf-ray"]
    )
    | st.sampled_from(["x-request-id", "x-litellm-response-cost"]),
    st.text(max_size=40) | st.sampled_from(["nan", "-1", "1e999", "20", "Wed, 99 Foo 2026"]),
)


def _outcome(read, reply, **options):
    try:
        return read(reply, now=NOW, **options)
    except (ProviderError, WireError) as trouble:
        return trouble


def _read_all(reply, **options):
    wants_form(reply)
    read_envelope(reply.body)
    sniff(reply.body)
    return [
        _outcome(read_job, reply, **options),
        _outcome(read_page, reply),
        _outcome(read_deleted, reply),
        read_error(reply, now=NOW),
    ]


def _check(found, reply):
    for item in found:
        jobs = [item] if isinstance(item, VideoJob) else getattr(item, "jobs", ())
        for job in jobs:
            _check_job(job)
        if isinstance(item, (ProviderError, WireError)):
            _check_text(item.message)
            assert len(item.message) <= 2_000
            item.failure()
    if not isinstance(found[0], VideoJob):
        return
    assert found[0].remote_id
    assert json.loads(json.dumps(found[0].raw, allow_nan=False)) is not None
    assert reply.status_code // 100 == 2 or found[0].raw_status or found[0].remote_id


def _check_job(job):
    assert 0 < len(job.remote_id) <= 4_096
    assert job.status in {"queued", "in_progress", "completed", "failed", "cancelled"}
    assert job.progress is None or 0 <= job.progress <= 100
    assert job.seconds is None or 0 < job.seconds < math.inf
    assert job.cost is None or 0 <= job.cost < math.inf
    for when in (job.created_at, job.completed_at, job.expires_at):
        assert when is None or 0 < when < 1e11
    assert (job.failure is not None) == (job.status in {"failed", "cancelled"})
    assert all(url.startswith(("https://", "http://", "/", "data:")) for url in job.urls)
    if job.failure is not None:
        _check_text(job.failure.message)
    _check_text(job.raw_status)
    repr(job).encode()


def _check_text(text):
    assert text.encode() is not None
    assert not set(text) & {chr(n) for n in [*range(9), *range(11, 32), *range(127, 160)]}


@given(BODIES, STATUSES, HEADERS, st.none() | st.just("video_asked"))
def test_any_json_is_read_or_refused(body, status, headers, asked):
    reply = HttpReply(status_code=status, headers=headers, body=json.dumps(body).encode())
    found = _read_all(reply, creating=asked is None, remote_id=asked)
    _check(found, reply)
    if asked and isinstance(found[0], VideoJob):
        assert found[0].remote_id == asked


@given(st.binary(max_size=300), STATUSES, HEADERS)
@example(b"[" * 200_000, 200, {})
@example(b'{"a":' * 100_000, 200, {})
@example(b'{"id":"v","x":' + b"[" * 80 + b"]" * 80 + b"}", 200, {})
@example(b'{"id":' + b"9" * 5000 + b"}", 200, {})
@example(b'{"id":"v","status":"\xff\xfe","progress":NaN}', 200, {})
@example(b'\xef\xbb\xbf{"id":"v","status":"queued"}', 200, {})
@example(b'{"id":"\\ud83d","status":"queued"}', 200, {})
@example(b'\x00{"id":1}', 200, {})
@example(b"", 204, {})
def test_any_bytes_are_read_or_refused(body, status, headers):
    reply = HttpReply(status_code=status, headers=headers, body=body)
    _check(_read_all(reply), reply)


JOBS = st.fixed_dictionaries(
    {
        "id": st.text(min_size=1, max_size=40) | st.integers(),
        "status": st.sampled_from(sorted(MEANINGS)) | st.text(max_size=12),
    },
    optional={
        "progress": LEAVES,
        "error": BODIES,
        "created_at": LEAVES,
        "completed_at": LEAVES,
        "seconds": LEAVES,
        "metadata": BODIES,
        "video_url": LEAVES,
        "data": BODIES,
    },
)


@given(JOBS, st.sampled_from(["", "data", "result"]))
def test_a_job_is_found_whatever_surrounds_it(body, wrapper):
    if isinstance(body["id"], str) and not body["id"].strip():
        return
    whole = {wrapper: body, "code": "success"} if wrapper else body
    reply = HttpReply(status_code=200, body=json.dumps(whole).encode())
    _check(_read_all(reply), reply)


@pytest.mark.parametrize("length", [4_097, 100_000])
def test_an_id_that_is_too_long_is_refused(length):
    body = json.dumps({"id": "x" * length, "status": "queued"}).encode()
    with pytest.raises(WireError, match="characters, more than 4096"):
        read_job(HttpReply(status_code=200, body=body), now=NOW)


def test_a_number_is_an_id_and_a_longest_one_too():
    for found, text in ((4711, "4711"), ("x" * 4_096, "x" * 4_096)):
        body = json.dumps({"id": found, "status": "queued"}).encode()
        assert read_job(HttpReply(status_code=200, body=body), now=NOW).remote_id == text


@given(HEADERS, st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1000))
def test_the_wait_is_never_negative_nor_longer_than_the_cap(headers, now, cap):
    wait = retry_after(headers, now=now, cap=cap)
    assert wait is None or 0 <= wait <= cap
    pause = poll_after(headers)
    assert pause is None or 0 <= pause <= 120
