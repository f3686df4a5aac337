"""The shapes and refusals of each vendor that the demo server imitates."""

from __future__ import annotations

import base64

import httpx
import pytest

from ipyreel.demo.dialects import models_of

LANDSCAPE, BIG = "1280x720", "1920x1080"


def sora(*, big=False):
    """Return the name of the model with small sizes only, or of the one with all."""
    found = models_of("apiyi").items()
    return next(name for name, row in found if (len(row["sizes"]) > 2) is big)


SORA, PRO = sora(), sora(big=True)
VEO = {"model": "veo3"}


def error_of(reply):
    """Return the error of a reply: gateways put it at the top, the others inside."""
    return reply.json().get("error", reply.json())


def data_url(image):
    return "data:image/png;base64," + base64.b64encode(image).decode()


def form(image, **fields):
    """Return the parts of a form with an image."""
    return {
        **{name: (None, value) for name, value in {"prompt": "x", **fields}.items()},
        "input_reference": ("i.png", image, "image/png"),
    }


INTEGER = (
    "Invalid type for 'seconds': expected one of '4', '8', or '12', but got an integer instead."
)
IMAGE = {"image_url": "data:image/png;base64,AAAA"}

REFUSED = [
    # dialect, fields, status, a field of the error and its value (... at its end)
    ("openai", {"seconds": 8}, 400, "message", INTEGER),
    ("openai", {"seconds": 8}, 400, "code", "invalid_type"),
    ("openai", {"seconds": 4.5}, 400, "message", "...but got a decimal instead."),
    ("openai", {"seconds": [4]}, 400, "message", "...but got an array instead."),
    ("openai", {"seconds": "10"}, 400, "message", "...Supported values are: '4', '8', and '12'."),
    ("openai", {"model": SORA, "size": BIG}, 400, "param", "size"),
    ("openai", {"model": PRO, "size": "64x64"}, 400, "param", "size"),
    ("openai", {"seed": 1}, 400, "message", "Unknown parameter: 'seed'."),
    ("openai", {"image": 1}, 400, "message", "Unknown parameter: 'image'."),
    ("openai", {"model": "y"}, 400, "param", "model"),
    ("openai", {"model": ""}, 400, "param", "model"),
    ("openai", {"prompt": "x" * 40_000}, 400, "param", "prompt"),
    ("openai", {"input_reference": "data:,"}, 400, "message", "...but got a string instead."),
    ("apigo", {}, 400, "type", "invalid_request_error"),
    ("apiyi", {"model": SORA, "seconds": 8}, 400, "param", "seconds"),
    ("apiyi", {"model": SORA, "size": BIG}, 400, "param", "size"),
    ("apiyi", {"model": SORA, "input_reference": "data:,"}, 400, "param", "input_reference"),
    ("apiyi", {"model": SORA, "input_reference": IMAGE}, 400, "param", "input_reference"),
    ("apiyi", {}, 400, "param", "model"),
    ("apiyi", {"model": "other"}, 503, "code", "model_not_found"),
    ("aiid", {**VEO, "seconds": 8}, 400, "code", "invalid_request"),
    ("aiid", {**VEO, "duration": 0}, 400, "code", "invalid_seconds"),
    ("aiid", {**VEO, "images": "https://example.org/i.png"}, 400, "code", "invalid_request"),
    ("aiid", {**VEO, "resolution": "9P"}, 400, "message", "unsupported resolution 9P"),
    ("aiid", {"model": None}, 400, "code", "invalid_request"),
    ("aiid", {**VEO, "aspect_ratio": "wide"}, 400, "code", "invalid_request"),
    ("aiid", {"model": "other"}, 503, "code", "model_not_found"),
]


@pytest.mark.parametrize(("dialect", "fields", "status", "name", "value"), REFUSED)
def test_what_is_refused(shared, dialect, fields, status, name, value):
    demo, http = shared(dialect)
    before = demo.posts()
    reply = http.post("/videos", json={"prompt": "x", **fields})
    assert reply.status_code == status
    assert error_of(reply)[name].endswith(value.removeprefix("..."))
    assert demo.posts() == before


TAKEN = [
    ("openai", {}, {"model": SORA, "seconds": "4", "size": "720x1280"}),
    ("openai", {"model": PRO, "size": BIG}, {"size": BIG}),
    ("apigo", {"model": SORA, "seconds": 8}, {"status": "pending", "seconds": "8"}),
    ("apigo", {"model": SORA, "seconds": "8"}, {"status": "pending", "seconds": "8"}),
    ("apiyi", {"model": PRO, "size": BIG}, {"size": BIG}),
    ("aiid", {**VEO, "seconds": "6"}, {"seconds": "6"}),
    ("aiid", {**VEO, "duration": "7", "seconds": "6"}, {"seconds": "7"}),
    ("aiid", VEO, {"seconds": "4", "size": LANDSCAPE}),
    ("aiid", {**VEO, "size": "720P"}, {"size": LANDSCAPE}),
    ("aiid", {**VEO, "resolution": "480P", "aspect_ratio": "9:16"}, {"size": "480x854"}),
    ("aiid", {**VEO, "resolution": "720p", "ratio": "1:1"}, {"size": "720x720"}),
    ("aiid", {**VEO, "width": 512, "height": 256}, {"size": "512x256"}),
]


@pytest.mark.parametrize(("dialect", "fields", "job"), TAKEN)
def test_what_is_taken(shared, dialect, fields, job):
    _, http = shared(dialect)
    told = http.post("/videos", json={"prompt": "x", **fields}).json()
    assert told == {**told, **job}


def test_images_come_in_the_vendors_way_and_are_as_large_as_the_video(start, png):
    image = png(720, 1280)
    with start(dialect="openai") as (demo, http):
        text = http.post("/videos", data={"prompt": "x", "input_reference": "https://h/i.png"})
        assert "expected a file, but got a string" in error_of(text)["message"]
        assert demo.posts() == 0
        fields = {"prompt": "x", "input_reference": {"image_url": data_url(image)}}
        assert http.post("/videos", json=fields).status_code == 200
        assert http.post("/videos", files=form(image)).status_code == 200
    for dialect in ("openai", "apiyi"):
        with start(dialect=dialect) as (_, http):
            reply = http.post("/videos", files=form(image, model=SORA, size=LANDSCAPE))
            assert error_of(reply)["message"] == (
                "Inpaint image must match the requested width and height"
            )
    fields = {"prompt": "x", **VEO, "images": [data_url(image), data_url(png(48, 64))]}
    with start(dialect="aiid") as (demo, http):  # the first of several
        assert http.post("/videos", json=fields).status_code == 200
        assert demo.jobs.image(demo.jobs.all()[0]) == image


def test_apigo_content_moves_to_an_address_that_needs_no_key(start, finished):
    with start(dialect="apigo", key="sk-right") as (demo, http):
        http.headers["authorization"] = "Bearer sk-right"
        moved = http.get(f"/videos/{finished(http, model=SORA)}/content")
        assert moved.status_code == 302
        target = moved.headers["location"]
        assert target.startswith(f"{demo.origin}/files/")
        assert httpx.get(target.replace(".mp4", "0.mp4"), trust_env=False).status_code == 404
        part = httpx.get(target, headers={"range": "bytes=4-7"}, trust_env=False)
        assert (part.status_code, part.content) == (206, b"ftyp")


def test_apiyi_jobs_look_as_on_its_page_and_give_no_reason(start, clock):
    with start(dialect="apiyi") as (demo, http):
        fields = {"model": SORA, "prompt": "x", "seconds": "8", "size": LANDSCAPE}
        job = http.post("/videos", json=fields).json()
        plain = {"id": job["id"], "object": "video", "model": SORA, "progress": 0}
        plain |= {"created_at": int(clock.now), "size": LANDSCAPE, "seconds": "8"}
        assert job == {**plain, "status": "queued", "quality": "standard"}
        clock.later(10)
        done = http.get(f"/videos/{job['id']}").json()
        changed = {"status": "completed", "progress": 100, "completed_at": done["completed_at"]}
        assert done == {**plain, **changed}
        clock.later(24 * 3600)
        assert http.get(f"/videos/{job['id']}/content").status_code == 404
        failing = http.post("/videos", json=fields).json()["id"]
        demo.jobs.change(demo.jobs.read(failing), failed_at=clock.now, failure="secret")
        failed = http.get(f"/videos/{failing}").json()
        assert (failed["status"], "error" in failed) == ("failed", False)


@pytest.mark.parametrize("dialect", ["apigo", "apiyi", "aiid"])
def test_gateways_neither_list_nor_delete_nor_make_a_video_of_another(start, finished, dialect):
    with start(dialect=dialect) as (_, http):
        job_id = finished(http, model=SORA)
        for reply in (
            http.get("/videos"),
            http.delete(f"/videos/{job_id}"),
            http.post(f"/videos/{job_id}/remix", json={"prompt": "y"}),
            http.post("/videos/edits", json={"prompt": "y", "video": {"id": job_id}}),
            http.post("/videos/extensions", json={"prompt": "y", "video": {"id": job_id}}),
        ):
            assert reply.status_code == 404
            if dialect == "apigo":
                assert error_of(reply).keys() == {"code", "message", "type"}
        assert http.get(f"/videos/{job_id}").json()["status"] == "completed"


@pytest.mark.parametrize("dialect", ["apiyi", "aiid"])
def test_gateways_take_a_bare_key(start, dialect):
    with start(dialect=dialect, key="sk-right") as (_, http):
        fields = {"prompt": "x", "model": SORA}
        for given, status in (("sk-right", 200), ("Bearer sk-right", 200), ("sk-wrong", 401)):
            reply = http.post("/videos", json=fields, headers={"authorization": given})
            assert reply.status_code == status
        assert error_of(reply)["type"] == "new_api_error"


def test_aiid_jobs_have_milliseconds_a_task_id_and_an_address(start, clock):
    with start(dialect="aiid", key="sk-right") as (demo, http):
        http.headers["authorization"] = "Bearer sk-right"
        job = http.post("/videos", json={"prompt": "x", "model": SORA, "seconds": "8"}).json()
        assert job["task_id"] == job["id"]
        assert job["created_at"] == round(clock.now * 1000)
        assert (job["seconds"], "video_url" in job) == ("8", False)
        early = http.get(f"/videos/{job['id']}/content")
        assert (early.status_code, "not completed yet" in error_of(early)["message"]) == (400, True)
        clock.later(10)
        done = http.get(f"/videos/{job['id']}").json()
        assert done["completed_at"] > 1e12
        assert httpx.get(done["video_url"], trust_env=False).content == demo.video_bytes(job["id"])
        unknown = http.get("/videos/nobody")
        assert (unknown.status_code, unknown.json()["code"]) == (400, "task_not_exist")


def test_aiid_takes_every_model_of_its_page(shared):
    _, http = shared("aiid")
    assert len(models_of("aiid")) == 33
    for model in models_of("aiid"):
        reply = http.post("/videos", data={"prompt": "x", "model": model, "metadata": "{}"})
        assert reply.status_code == 200
