"""A finished job's content: whole, in part, as pictures, and until it expires."""

from __future__ import annotations

import io

import pytest
from PIL import Image


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=10-", slice(10, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=5-99999999", slice(5, None)),
        ("bytes=0-0", slice(0, 1)),
        ("bytes=-99999999", slice(0, None)),
    ],
)
def test_content_in_part(start, finished, wanted, part):
    with start() as (demo, http):
        job_id = finished(http)
        whole = demo.video_bytes(job_id)
        reply = http.get(f"/videos/{job_id}/content", headers={"range": wanted})
        assert reply.status_code == 206
        assert reply.content == whole[part]
        begin, end, _ = part.indices(len(whole))
        assert reply.headers["content-range"] == f"bytes {begin}-{end - 1}/{len(whole)}"


def test_a_range_beyond_the_end_is_416(start, finished):
    with start() as (demo, http):
        job_id = finished(http)
        size = len(demo.video_bytes(job_id))
        for wanted in (f"bytes={size}-", "bytes=-0", "bytes=9-3"):
            reply = http.get(f"/videos/{job_id}/content", headers={"range": wanted})
            assert reply.status_code == 416
            assert reply.headers["content-range"] == f"bytes */{size}"


@pytest.mark.parametrize("wanted", ["bytes=0-1,4-5", "lines=1-2", "bytes=-", "bytes"])
def test_a_range_that_is_none_gives_the_whole(start, finished, wanted):
    with start() as (_, http):
        reply = http.get(f"/videos/{finished(http)}/content", headers={"range": wanted})
        assert reply.status_code == 200


def test_if_range_with_another_etag_gives_the_whole(start, finished):
    with start() as (_, http):
        path = f"/videos/{finished(http)}/content"
        tag = http.get(path).headers["etag"]
        same = http.get(path, headers={"range": "bytes=3-", "if-range": tag})
        other = http.get(path, headers={"range": "bytes=3-", "if-range": '"other"'})
        assert (same.status_code, other.status_code) == (206, 200)


def test_variants(start, finished):
    with start() as (_, http):
        job_id = finished(http, size="64x48", seconds=1)
        path = f"/videos/{job_id}/content"
        assert http.get(path, params={"variant": "video"}).content[4:8] == b"ftyp"
        thumbnail = http.get(path, params={"variant": "thumbnail"})
        assert thumbnail.headers["content-type"] == "image/webp"
        assert Image.open(io.BytesIO(thumbnail.content)).size == (64, 48)
        sheet = http.get(path, params={"variant": "spritesheet"})
        assert sheet.headers["content-type"] == "image/webp"
        assert Image.open(io.BytesIO(sheet.content)).size == (8 * 160, 120)
        assert http.get(path, params={"variant": "poster"}).status_code == 400


def test_content_expires(start, finished, clock):
    with start(expire=60) as (_, http):
        job_id = finished(http)
        assert http.get(f"/videos/{job_id}/content").status_code == 200
        clock.later(61)
        reply = http.get(f"/videos/{job_id}/content")
        assert reply.status_code == 404
        assert "expired" in reply.json()["error"]["message"]
        assert http.get(f"/videos/{job_id}").json()["status"] == "completed"
