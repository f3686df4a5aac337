"""Each vendor's shapes and refusals, in its own sentences."""

from __future__ import annotations

import base64

import httpx
import pytest

from ipyreel.demo.dialects import models_of

LANDSCAPE = "1280x720"
BIG = "1920x1080"


def error_of(reply):
    return reply.json()["error"]


def data_url(image):
    return "data:image/png;base64," + base64.b64encode(image).decode()


def sora(*, big=False):
    """Return the name of the model with small sizes only, or of the one with all."""
    found = models_of("apiyi").items()
    return next(name for name, row in found if (len(row["sizes"]) > 2) is big)


# ---------------------------------------------------------------------------------- openai


@pytest.mark.parametrize(
    ("seconds", "message"),
    [
        (4, "expected one of '4', '8', or '12', but got an integer instead."),
        (4.5, "expected one of '4', '8', or '12', but got a decimal instead."),
        ([4], "expected one of '4', '8', or '12', but got an array instead."),
        ("10", "Invalid value: '10'. Supported values are: '4', '8', and '12'."),
    ],
)
@pytest.mark.parametrize("dialect", ["openai", "apiyi"])
def test_seconds_must_be_one_of_three_texts(start, dialect, seconds, message):
    with start(dialect=dialect) as (demo, http):
        reply = http.post("/videos", json={"prompt": "x", "model": sora(), "seconds": seconds})
        assert reply.status_code == 400
        assert error_of(reply)["message"].endswith(message)
        assert error_of(reply)["param"] == "seconds"
        assert demo.posts() == 0


@pytest.mark.parametrize("dialect", ["openai", "apiyi"])
def test_sizes_depend_on_the_model(start, dialect):
    with start(dialect=dialect) as (_, http):
        ask = {"prompt": "x", "size": BIG}
        assert http.post("/videos", json={**ask, "model": sora()}).status_code == 400
        reply = http.post("/videos", json={**ask, "model": sora(big=True)})
        assert reply.status_code == 200
        assert reply.json()["size"] == BIG
        odd = http.post("/videos", json={"prompt": "x", "model": sora(big=True), "size": "64x64"})
        assert error_of(odd)["param"] == "size"


@pytest.mark.parametrize("field", ["seed", "n", "image", "metadata"])
def test_openai_refuses_unknown_parameters(start, field):
    with start(dialect="openai") as (_, http):
        error = error_of(http.post("/videos", json={"prompt": "x", field: 1}))
        assert error["message"] == f"Unknown parameter: '{field}'."


@pytest.mark.parametrize(
    ("change", "param"),
    [({"model": "y"}, "model"), ({"model": ""}, "model"), ({"prompt": "x" * 40_000}, "prompt")],
)
def test_openai_refuses_unknown_models_and_long_prompts(start, change, param):
    with start(dialect="openai") as (_, http):
        reply = http.post("/videos", json={"prompt": "x", **change})
        assert (reply.status_code, error_of(reply)["param"]) == (400, param)


def test_openai_wants_an_object_in_json_and_a_file_in_a_form(start, png):
    image = png(720, 1280)
    with start(dialect="openai") as (demo, http):
        text = http.post("/videos", json={"prompt": "x", "input_reference": data_url(image)})
        assert error_of(text)["message"] == (
            "Invalid type for 'input_reference': expected an object, but got a string instead."
        )
        form = {"prompt": (None, "x"), "input_reference": (None, "https://example.org/i.png")}
        text = http.post("/videos", files=form)
        assert error_of(text)["code"] == "invalid_type"
        assert "expected a file, but got a string" in error_of(text)["message"]
        assert demo.posts() == 0
        fields = {"prompt": "x", "input_reference": {"image_url": data_url(image)}}
        assert http.post("/videos", json=fields).status_code == 200
        form["input_reference"] = ("i.png", image, "image/png")
        assert http.post("/videos", files=form).status_code == 200


@pytest.mark.parametrize("dialect", ["openai", "apiyi"])
def test_an_image_must_be_as_large_as_the_video(start, png, dialect):
    form = {
        "prompt": (None, "x"),
        "model": (None, sora()),
        "size": (None, LANDSCAPE),
        "input_reference": ("i.png", png(1280, 718), "image/png"),
    }
    with start(dialect=dialect) as (_, http):
        reply = http.post("/videos", files=form)
        assert reply.status_code == 400
        assert error_of(reply)["message"] == (
            "Inpaint image must match the requested width and height"
        )


# ----------------------------------------------------------------------------------- apigo


@pytest.mark.parametrize("seconds", [8, "8"])
def test_apigo_takes_seconds_as_number_or_text(start, seconds):
    with start(dialect="apigo") as (_, http):
        fields = {"model": sora(), "prompt": "x", "seconds": seconds, "size": LANDSCAPE}
        job = http.post("/videos", json=fields).json()
        assert (job["status"], job["seconds"]) == ("pending", "8")


def test_apigo_has_its_own_error_shape(start):
    with start(dialect="apigo") as (_, http):
        for reply in (
            http.post("/videos", json={"prompt": "x"}),
            http.post("/videos", data={"prompt": "x", "model": "y"}),
            http.get("/videos"),
            http.delete("/videos/video_1"),
        ):
            assert reply.status_code in {400, 404, 415}
            assert error_of(reply).keys() == {"code", "message", "type"}


def test_apigo_content_moves_to_an_address_that_needs_no_key(start, finished):
    with start(dialect="apigo", key="sk-right") as (demo, http):
        http.headers["authorization"] = "Bearer sk-right"
        job_id = finished(http, model=sora())
        moved = http.get(f"/videos/{job_id}/content")
        assert moved.status_code == 302
        target = moved.headers["location"]
        assert target.startswith(f"{demo.origin}/files/")
        assert httpx.get(target, trust_env=False).content == demo.video_bytes(job_id)
        wrong = target.replace(".mp4", "0.mp4")
        assert httpx.get(wrong, trust_env=False).status_code == 404
        part = httpx.get(target, headers={"range": "bytes=4-7"}, trust_env=False)
        assert (part.status_code, part.content) == (206, b"ftyp")


# ----------------------------------------------------------------------------------- apiyi


def test_apiyi_jobs_look_as_on_its_page(start, clock):
    with start(dialect="apiyi") as (_, http):
        fields = {"model": sora(), "prompt": "x", "seconds": "8", "size": LANDSCAPE}
        job = http.post("/videos", json=fields).json()
        assert job == {
            "id": job["id"],
            "object": "video",
            "model": sora(),
            "status": "queued",
            "progress": 0,
            "created_at": int(clock.now),
            "size": LANDSCAPE,
            "seconds": "8",
            "quality": "standard",
        }
        clock.later(10)
        done = http.get(f"/videos/{job['id']}").json()
        del job["quality"]
        changed = {"status": "completed", "progress": 100, "completed_at": done["completed_at"]}
        assert done == {**job, **changed}


def test_apiyi_takes_images_as_files_only(start, png):
    image = png(720, 1280)
    with start(dialect="apiyi") as (_, http):
        for value in (data_url(image), {"image_url": data_url(image)}):
            fields = {"model": sora(), "prompt": "x", "input_reference": value}
            assert http.post("/videos", json=fields).status_code == 400
        form = {"model": (None, sora()), "prompt": (None, "x"), "input_reference": ("i.png", image)}
        assert http.post("/videos", files=form).status_code == 200


def test_apiyi_says_503_for_a_model_the_key_has_not(start):
    with start(dialect="apiyi") as (_, http):
        reply = http.post("/videos", json={"prompt": "x", "model": "other"})
        assert reply.status_code == 503
        assert "other" in error_of(reply)["message"]


@pytest.mark.parametrize("dialect", ["apigo", "apiyi", "aiid"])
def test_gateways_neither_list_nor_delete_nor_remix(start, finished, dialect):
    with start(dialect=dialect) as (_, http):
        job_id = finished(http, model=sora())
        assert http.get("/videos").status_code == 404
        assert http.delete(f"/videos/{job_id}").status_code == 404
        assert http.post(f"/videos/{job_id}/remix", json={"prompt": "y"}).status_code == 404
        assert http.get(f"/videos/{job_id}").json()["status"] == "completed"


def test_apiyi_content_is_404_after_a_day(start, finished, clock):
    with start(dialect="apiyi") as (_, http):
        job_id = finished(http, model=sora())
        assert http.get(f"/videos/{job_id}/content").status_code == 200
        clock.later(24 * 3600)
        assert http.get(f"/videos/{job_id}/content").status_code == 404


def test_apiyi_gives_no_reason_for_a_failure(start, clock):
    with start(dialect="apiyi") as (demo, http):
        job = http.post("/videos", json={"prompt": "x", "model": sora()}).json()
        jobs = demo.jobs
        jobs.change(jobs.read(job["id"]), failed_at=clock.now, failure="secret")
        failed = http.get(f"/videos/{job['id']}").json()
        assert failed["status"] == "failed"
        assert "error" not in failed


@pytest.mark.parametrize("dialect", ["apiyi", "aiid"])
def test_gateways_take_a_bare_key(start, dialect):
    with start(dialect=dialect, key="sk-right") as (_, http):
        fields = {"prompt": "x", "model": sora()}
        for given, status in (("sk-right", 200), ("Bearer sk-right", 200), ("sk-wrong", 401)):
            reply = http.post("/videos", json=fields, headers={"authorization": given})
            assert reply.status_code == status
        assert error_of(reply)["type"] == "new_api_error"


# ------------------------------------------------------------------------------------ aiid


def test_aiid_jobs_have_milliseconds_a_task_id_and_an_address(start, clock):
    with start(dialect="aiid", key="sk-right") as (demo, http):
        http.headers["authorization"] = "Bearer sk-right"
        job = http.post("/videos", json={"prompt": "x", "model": sora(), "seconds": "8"}).json()
        assert job["task_id"] == job["id"]
        assert job["created_at"] == round(clock.now * 1000)
        assert (job["seconds"], "video_url" in job) == ("8", False)
        clock.later(10)
        done = http.get(f"/videos/{job['id']}").json()
        assert done["completed_at"] > 1e12
        assert httpx.get(done["video_url"], trust_env=False).content == demo.video_bytes(job["id"])


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"seconds": "6"}, "6"),
        ({"duration": 7}, "7"),
        ({"duration": "7"}, "7"),
        ({"duration": 7, "seconds": "6"}, "7"),
        ({}, "4"),
    ],
)
def test_aiid_seconds(start, fields, seconds):
    with start(dialect="aiid") as (_, http):
        job = http.post("/videos", json={"prompt": "x", "model": "veo3", **fields}).json()
        assert job["seconds"] == seconds


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({}, "1280x720"),
        ({"size": "720x1280"}, "720x1280"),
        ({"size": "720P"}, "1280x720"),
        ({"resolution": "480P", "aspect_ratio": "9:16"}, "480x854"),
        ({"resolution": "720p", "ratio": "1:1"}, "720x720"),
        ({"width": 512, "height": 256}, "512x256"),
    ],
)
def test_aiid_sizes(start, fields, size):
    with start(dialect="aiid") as (_, http):
        job = http.post("/videos", json={"prompt": "x", "model": "veo3", **fields}).json()
        assert job["size"] == size


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"seconds": 8}, "invalid_request"),
        ({"duration": 0}, "invalid_seconds"),
        ({"images": "https://example.org/i.png"}, "invalid_request"),
        ({"model": None}, "invalid_request"),
        ({"aspect_ratio": "wide"}, "invalid_request"),
    ],
)
def test_aiid_task_errors(start, fields, code):
    with start(dialect="aiid") as (_, http):
        reply = http.post("/videos", json={"prompt": "x", "model": "veo3", **fields})
        assert reply.status_code == 400
        assert reply.json().keys() == {"code", "message", "data"}
        assert reply.json()["code"] == code


def test_aiid_unknown_job_and_content_too_early(start):
    with start(dialect="aiid") as (_, http):
        unknown = http.get("/videos/nobody")
        assert (unknown.status_code, unknown.json()["code"]) == (400, "task_not_exist")
        job_id = http.post("/videos", json={"prompt": "x", "model": "veo3"}).json()["id"]
        early = http.get(f"/videos/{job_id}/content")
        assert early.status_code == 400
        assert "not completed yet" in error_of(early)["message"]


def test_aiid_takes_every_model_of_its_page(start):
    with start(dialect="aiid") as (_, http):
        assert len(models_of("aiid")) == 33
        for model in models_of("aiid"):
            reply = http.post("/videos", data={"prompt": "x", "model": model, "metadata": "{}"})
            assert reply.status_code == 200
        reply = http.post("/videos", json={"prompt": "x", "model": "other"})
        assert reply.status_code == 503


def test_aiid_starts_from_the_first_of_several_images(start, png):
    first = png(64, 48)
    fields = {"prompt": "x", "model": "veo3", "images": [data_url(first), data_url(png(48, 64))]}
    with start(dialect="aiid") as (demo, http):
        assert http.post("/videos", json=fields).status_code == 200
        jobs = demo.jobs
        assert jobs.image(jobs.all()[0]) == first
