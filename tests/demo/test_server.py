"""The routes of /v1/videos over real sockets, in the default dialect."""

from __future__ import annotations

import base64

import httpx
import pytest

from tests.support.demo import running_demo

FIELDS = {"id", "object", "model", "status", "progress", "created_at", "completed_at"}
FIELDS |= {"expires_at", "error", "prompt", "seconds", "size", "remixed_from_video_id"}


def test_create_by_json_answers_as_openai_did(start, clock):
    with start() as (demo, http):
        reply = http.post(
            "/videos", json={"prompt": "a cat", "model": "any", "seconds": "8", "size": "64x48"}
        )
        job = reply.json()
        assert reply.status_code == 200
        assert job.keys() == FIELDS
        assert job["id"].startswith("video_")
        expected = {"object": "video", "model": "any", "status": "queued", "progress": 0}
        expected |= {"seconds": "8", "size": "64x48", "prompt": "a cat", "error": None}
        assert job | expected == job
        assert job["created_at"] == int(clock.now)
        assert demo.posts() == 1


@pytest.mark.parametrize("how", ["multipart", "urlencoded"])
def test_create_by_form(start, how):
    fields = {"prompt": "a cat", "seconds": "2.5", "size": "64x48", "seed": "3"}
    with start() as (demo, http):
        if how == "multipart":
            parts = {name: (None, value) for name, value in fields.items()}
            reply = http.post("/videos", files=parts)
        else:
            reply = http.post("/videos", data=fields)
        assert reply.status_code == 200
        assert reply.json()["seconds"] == "2.5"
        assert demo.jobs.all()[0].seed == 3
        assert demo.log()[0].fields == fields


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"seconds": 0}, "seconds"),
        ({"seconds": 61}, "seconds"),
        ({"seconds": "long"}, "seconds"),
        ({"seconds": [4]}, "seconds"),
        ({"seconds": True}, "seconds"),
        ({"seconds": "nan"}, "seconds"),
        ({"size": "720p"}, "size"),
        ({"size": "65x48"}, "size"),
        ({"size": "1922x1080"}, "size"),
        ({"size": "8x8"}, "size"),
        ({"seed": "x"}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": "inf"}, "seed"),
        ({"n": 2}, "n"),
        ({"caption": "maybe"}, "caption"),
        ({"input_reference": "https://example.org/cat.png"}, "input_reference"),
        ({"input_reference": {"image_url": "data:image/png;base64,AAAA"}}, "input_reference"),
        ({"input_reference": {"image_url": "data:image/png;base64,!"}}, "input_reference"),
    ],
)
def test_what_cannot_be_rendered_is_refused_by_name(shared, fields, param):
    demo, http = shared()
    reply = http.post("/videos", json={"prompt": "x", **fields})
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == param
    assert reply.json()["error"]["message"]
    assert demo.posts() == 0


def test_a_picture_without_a_caption_has_none_after_a_remix_either(start, finished, clock):
    with start() as (_, http):
        told, untold = (
            finished(http, seed=1, size="320x180", caption=caption) for caption in (True, False)
        )
        remix = http.post(f"/videos/{untold}/remix", json={"prompt": "a red balloon"}).json()["id"]
        clock.later(10)
        still, bare, again = (
            http.get(f"/videos/{job_id}/content", params={"variant": "thumbnail"}).content
            for job_id in (told, untold, remix)
        )
    assert still != bare == again


def test_a_job_goes_from_queued_to_completed(start, clock):
    with start() as (_, http):
        job_id = http.post("/videos", json={"prompt": "x"}).json()["id"]
        seen = []
        for _ in range(80):
            reply = http.get(f"/videos/{job_id}")
            job = reply.json()
            seen.append((job["status"], job["progress"]))
            done = job["status"] == "completed"
            assert ("openai-poll-after-ms" in reply.headers) is not done
            assert (job["completed_at"] is not None) is done
            clock.later(0.1)
        assert list(dict.fromkeys(status for status, _ in seen)) == [
            "queued",
            "in_progress",
            "completed",
        ]
        assert job["progress"] == 100
        assert job["expires_at"] - job["completed_at"] == 86400


def test_the_list_is_paged(start, clock):
    with start() as (_, http):
        made = []
        for _ in range(5):
            made.append(http.post("/videos", json={"prompt": "x"}).json()["id"])
            clock.later(1)
        page = http.get("/videos").json()
        assert [job["id"] for job in page["data"]] == made[::-1]
        assert (page["object"], page["has_more"]) == ("list", False)
        first = http.get("/videos", params={"limit": 2}).json()
        assert first["has_more"]
        assert (first["first_id"], first["last_id"]) == (made[4], made[3])
        rest = http.get("/videos", params={"after": first["last_id"]}).json()
        assert [job["id"] for job in rest["data"]] == made[2::-1]
        upward = http.get("/videos", params={"order": "asc", "limit": 1}).json()
        assert upward["first_id"] == made[0]
        assert http.get("/videos", params={"after": ""}).json() == page
        none = http.get("/videos", params={"limit": 0}).json()
        assert (none["data"], none["first_id"], none["has_more"]) == ([], None, True)


def test_delete_forgets_the_job_and_its_files(start, finished):
    with start() as (demo, http):
        job_id = finished(http)
        reply = http.delete(f"/videos/{job_id}")
        assert reply.json() == {"id": job_id, "object": "video.deleted", "deleted": True}
        assert http.get(f"/videos/{job_id}").status_code == 404
        assert http.delete(f"/videos/{job_id}").status_code == 404
        assert demo.job_ids() == []


def test_remix_takes_all_but_the_prompt(start, finished):
    with start() as (demo, http):
        source = finished(http, seconds=2, size="64x48", seed=5)
        reply = http.post(f"/videos/{source}/remix", json={"prompt": "at night"})
        job = reply.json()
        assert (job["prompt"], job["remixed_from_video_id"]) == ("at night", source)
        assert (job["seconds"], job["size"]) == ("2", "64x48")
        assert demo.posts() == 2
        early = http.post(f"/videos/{job['id']}/remix", json={"prompt": "again"})
        assert early.status_code == 404
        assert http.post(f"/videos/{source}/remix", json={}).status_code == 400


def test_models_are_listed_and_keys_are_wanted_where_one_is_set(start):
    with start(key="sk-right") as (demo, http):
        for given in (None, "Bearer sk-wrong", "sk-right", "Bearer", "Basic sk-right"):
            headers = {"authorization": given} if given else {}
            reply = http.post("/videos", json={"prompt": "x"}, headers=headers)
            assert reply.status_code == 401
            assert reply.json()["error"]["code"] == "invalid_api_key"
            assert "sk-" not in reply.text
        http.headers["authorization"] = "bearer sk-right"
        assert http.post("/videos/", json={"prompt": "x"}).status_code == 200
        assert [seen.authorization for seen in demo.log()] == [False, *[True] * 5]
        rows = http.get("/models").json()["data"]
        assert [row["id"] for row in rows] == ["demo-1"]
        assert http.get("/models/demo-1").json() == rows[0]
        missing = http.get("/models/other")
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")


def test_every_reply_has_a_request_id(start, finished):
    with start() as (_, http):
        replies = [http.get("/videos"), http.get("/nothing"), http.post("/videos", json={})]
        replies.append(http.get(f"/videos/{finished(http)}/content"))
        ids = {reply.headers["x-request-id"] for reply in replies}
        assert len(ids) == 4
        assert all(one.startswith("req_") for one in ids)


def test_head_of_content_is_its_headers(start, finished):
    with start() as (_, http):
        path = f"/videos/{finished(http)}/content"
        head, whole = http.head(path), http.get(path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-length", "content-type", "etag", "accept-ranges"):
            assert head.headers[name] == whole.headers[name]


def test_characters(start, finished):
    with start() as (demo, http):
        film = demo.video_bytes(finished(http))
        files = {"video": ("a.mp4", film, "video/mp4"), "name": (None, "Mo")}
        made = http.post("/videos/characters", files=files).json()
        assert made.keys() == {"id", "name", "created_at"}
        assert http.get(f"/videos/characters/{made['id']}").json() == made
        assert http.get("/videos/characters/char_0").status_code == 404
        for broken in ({"video": files["video"]}, {"name": files["name"]}):
            assert http.post("/videos/characters", files=broken).status_code == 400
        noise = {**files, "video": ("a.mp4", b"noise", "video/mp4")}
        assert http.post("/videos/characters", files=noise).status_code == 400
        assert len(http.get("/videos").json()["data"]) == 1  # a character is no job


def test_objects_in_a_form(start, finished, png):
    """As openai's SDKs write them: `name[part]`, and JSON in a field."""
    url = "data:image/png;base64," + base64.b64encode(png(64, 48)).decode()
    with start() as (demo, http):
        reply = http.post("/videos", data={"prompt": "x", "input_reference[image_url]": url})
        assert demo.jobs.image(demo.jobs.read(reply.json()["id"])) == png(64, 48)
        job_id = finished(http)
        for video in ({"video[id]": job_id}, {"video": f'{{"id": "{job_id}"}}'}):
            assert http.post("/videos/edits", data={"prompt": "y", **video}).status_code == 200
        both = {"prompt": "x", "image": "a", "image[url]": "b"}
        assert http.post("/videos", data=both).json()["error"]["param"] == "image"


def test_an_input_image_in_every_form(start, png):
    image = png(64, 48)
    with start() as (demo, http):
        parts = {"prompt": (None, "x"), "input_reference": ("i.png", image, "image/png")}
        assert http.post("/videos", files=parts).status_code == 200
        data = "data:image/png;base64," + base64.b64encode(image).decode()
        for fields in (
            {"input_reference": {"image_url": data}},
            {"input_reference": data},
            {"image": data},
            {"images": [data]},
            {"image": data, "images": [data]},
            {"image": {"image_url": {"url": data}}},
        ):
            reply = http.post("/videos", json={"prompt": "x", **fields})
            assert reply.status_code == 200, fields
        other = "data:image/png;base64," + base64.b64encode(png(48, 64)).decode()
        two = http.post("/videos", json={"prompt": "x", "images": [data, other]})
        assert two.json()["error"]["param"] == "input_reference"
        jobs = demo.jobs
        assert {jobs.image(record) for record in jobs.all()} == {image}


def test_a_real_video_is_rendered(tmp_path):
    with (
        running_demo(tmp_path, speed=100) as demo,
        httpx.Client(base_url=demo.url, trust_env=False) as http,
    ):
        asked = {"prompt": "a red balloon", "seconds": 1, "size": "64x64", "seed": 1}
        ids = [http.post("/videos", json=asked).json()["id"] for _ in range(2)]
        one, two = (demo.rendered_sha256(job_id) for job_id in ids)
        assert one == two
        other = http.post("/videos", json={**asked, "seed": 2, "prompt": "a blue sea"}).json()["id"]
        assert demo.rendered_sha256(other) != one


def test_what_the_renderer_cannot_do_ends_the_job_and_not_the_server(tmp_path, clock):
    with (
        running_demo(tmp_path, speed=100, clock=clock) as demo,
        httpx.Client(base_url=demo.url, trust_env=False) as http,
    ):
        provider = demo.provider
        # A folder stands where the video is to go.
        job_id = "video_" + "0" * 32
        (tmp_path / "demo" / f"{job_id}.mp4" / "in the way").mkdir(parents=True)
        demo.faults.add({"step": "create", "do": {"id": job_id}})
        http.post("/videos", json={"prompt": "x", "seconds": 1, "size": "64x48"})
        provider.queue.close()
        job = http.get(f"/videos/{job_id}").json()
        assert job["status"] == "failed"
        assert job["error"]["code"] == "video_generation_failed"
        assert http.get(f"/videos/{job_id}/content").status_code == 404
