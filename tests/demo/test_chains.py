"""Edits and extensions at the demo server: routes, refusals, and the videos."""

from __future__ import annotations

import io
import time

import av
import httpx
import numpy as np
import pytest
from PIL import Image

PATHS = {"edits": "/videos/edits", "extensions": "/videos/extensions"}


def pictures(data: bytes) -> list[np.ndarray]:
    with av.open(io.BytesIO(data)) as container:
        return [frame.to_ndarray(format="gray").astype(int) for frame in container.decode(video=0)]


def far(one, other) -> float:
    return float(np.abs(one - other).mean())


REAL = {"stub": False, "speed": 200, "clock": time.time}
"""A server that renders, as quickly as it can."""


def rendered(http, reply):
    """Wait for the job that a POST made; gives its id and its pictures."""
    path = f"/videos/{reply.json()['id']}"
    deadline = time.monotonic() + 60
    while (seen := http.get(path)).json()["status"] != "completed":
        assert seen.status_code == 200, seen.text
        assert time.monotonic() < deadline
    return path.rpartition("/")[2], pictures(http.get(f"{path}/content").content)


def balloon(http):
    fields = {"prompt": "a red balloon", "seconds": 1, "size": "64x48", "seed": 5}
    return rendered(http, http.post("/videos", json=fields))


def ask(http, route, **fields):
    return http.post(PATHS[route], json=fields)


def test_an_extension_is_the_film_and_what_comes_after(start):
    with start(**REAL) as (_, http):
        source, first = balloon(http)
        fields = {"prompt": "stars", "video": {"id": source}, "seconds": "2"}
        reply = ask(http, "extensions", **fields)
        job = reply.json()
        assert (job["seconds"], job["size"], job["prompt"]) == ("3", "64x48", "stars")
        assert job["remixed_from_video_id"] is None
        made, whole = rendered(http, reply)
        assert (len(first), len(whole)) == (24, 72)
        assert all(far(one, other) < 3 for one, other in zip(first, whole, strict=False))
        assert far(whole[23], whole[24]) < 3  # it goes on from where it ended
        assert far(whole[23], whole[-1]) > 3
        content = f"/videos/{made}/content"
        for variant, size in (("thumbnail", (64, 48)), ("spritesheet", (1280, 120))):
            picture = http.get(content, params={"variant": variant})
            assert Image.open(io.BytesIO(picture.content)).size == size


def test_an_edit_is_as_long_and_another_picture(start):
    with start(**REAL) as (_, http):
        source, first = balloon(http)
        reply = ask(http, "edits", prompt="a red balloon at night", video={"id": source})
        assert (reply.json()["seconds"], reply.json()["size"]) == ("1", "64x48")
        _, other = rendered(http, reply)
        assert len(first) == len(other)
        assert far(first[0], other[0]) > 10


@pytest.mark.parametrize("route", PATHS)
def test_a_film_of_ones_own(start, route):
    with start(**REAL) as (demo, http):
        source, first = balloon(http)
        film = demo.video_bytes(source)
        form = {"prompt": "rain", **({"seconds": "1"} if route == "extensions" else {})}
        reply = http.post(PATHS[route], data=form, files={"video": ("a.mp4", film, "video/mp4")})
        assert reply.json()["seconds"] == ("2" if route == "extensions" else "1")
        _, made = rendered(http, reply)
        assert len(made) == (48 if route == "extensions" else 24)
        assert far(first[0], made[0]) < 3
        files = {"video": ("a.mp4", b"no film", "video/mp4")}
        reply = http.post(PATHS[route], data=form, files=files)
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, "video")


@pytest.mark.parametrize("route", PATHS)
def test_what_is_refused(start, finished, route):
    with start() as (demo, http):
        source = finished(http)
        right = {"prompt": "x", "video": {"id": source}, "seconds": "4"}
        for change, status, param in (
            ({"prompt": ""}, 400, "prompt"),
            ({"video": None}, 400, "video"),
            ({"video": source}, 400, "video"),
            ({"video": {"id": "video_no"}}, 404, "video_id"),
        ):
            reply = ask(http, route, **{**right, **change})
            assert (reply.status_code, reply.json()["error"]["param"]) == (status, param)
        early = http.post("/videos", json={"prompt": "slow"}).json()["id"]
        assert ask(http, route, **{**right, "video": {"id": early}}).status_code == 404
        assert [one.accepted for one in demo.log(route)] == [False] * 5


def test_an_extension_has_its_limits(start, finished, clock):
    with start() as (_, http):
        source = finished(http, seconds=60)
        right = {"prompt": "x", "video": {"id": source}}
        job = ask(http, "extensions", **right, seconds="60").json()
        assert job["seconds"] == "120"
        clock.later(10)
        reply = ask(http, "extensions", prompt="x", video={"id": job["id"]})
        assert "can be extended to 120 seconds" in reply.json()["error"]["message"]
        assert ask(http, "extensions", **right, seconds=61).status_code == 400


def test_openai_wants_the_length_of_an_extension_said(start, finished):
    with start(dialect="openai") as (_, http):
        right = {"prompt": "x", "video": {"id": finished(http)}}
        assert ask(http, "extensions", **right).json()["error"]["param"] == "seconds"
        assert ask(http, "extensions", **right, seconds=8).status_code == 400
        assert ask(http, "extensions", **right, seconds="20").json()["seconds"] == "24"


def test_faults_hold_there_too(start, finished):
    faults = [{"step": "extensions", "do": {"drop_reply": True}}]
    with start(faults=faults) as (demo, http):
        source = finished(http)
        with pytest.raises(httpx.RemoteProtocolError):
            ask(http, "extensions", prompt="x", video={"id": source}, seconds="4")
        assert demo.log("extensions")[0].accepted
