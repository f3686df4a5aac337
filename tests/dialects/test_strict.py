"""The fakes are strict: what the real servers were seen to refuse, they refuse as well.

They are called with plain httpx, so that no code of ours corrects a request.
"""

from __future__ import annotations

import json

import httpx
import pytest

from tests.dialects.ask import FAKES
from tests.dialects.fakes.base import KEY, START

PNG = {"input_reference": ("a.png", START, "image/png")}
BY_NAME = {make.name: make for make in FAKES}
SORA = {"model": "sora-2", "prompt": "a", "seconds": "8", "size": "1280x720"}
KLING = {"model": "kling-v2-master", "prompt": "a", "seconds": "5", "duration": 5}
GROK = {"model": "g", "prompt": "a", "seconds": "6", "resolution": "720P", "aspect_ratio": "16:9"}
VEO = {"model": "veo3.1", "prompt": "a", "duration": 8, "size": "1280x720"}
ROUTER = {"model": "m", "prompt": "a", "duration": 8}

REFUSED = [
    ("openai", {**SORA, "seconds": 8}, None, 400, "got an integer instead"),
    ("openai", {**SORA, "seed": 7}, None, 400, "Unknown parameter: 'seed'"),
    ("openai", {**SORA, "size": None}, None, 400, "blank"),
    ("openai", {**SORA, "size": "720x1280"}, PNG, 400, "must match the requested"),
    ("azure", SORA, None, 400, "model"),
    ("apigo", {**SORA, "seconds": "8"}, None, 400, "integer"),
    ("apiyi", {**SORA, "seconds": "10"}, None, 400, "seconds"),
    ("apiyi", {**SORA, "input_reference": "https://h/a.png"}, None, 400, "as a file"),
    ("new-api", {**KLING, "seconds": 5}, None, 400, "seconds of type string"),
    ("new-api", KLING, PNG, 400, "image is required"),
    ("aiid", {**SORA, "seconds": 8}, None, 400, "seconds of type string"),
    ("aiid-grok", {**GROK, "resolution": "720p"}, None, 400, "resolution"),
    ("aiid-veo", VEO, None, 400, "aspect_ratio"),
    ("litellm", {**SORA, "input_reference": "https://h/a.png"}, None, 400, "as a file"),
    ("sglang", {"prompt": "a", "seconds": "8.5"}, None, 400, "integer"),
    ("vllm-omni", {"prompt": "a", "seconds": "4"}, None, 422, "Field required"),
    ("vllm-omni", {"prompt": "a", "seconds": "4.5"}, PNG, 422, "pattern"),
    ("trtllm", {"prompt": "a", "n": 2}, None, 400, "Extra inputs are not permitted"),
    ("trtllm", {"prompt": "a", "image_reference": {"content": "x"}}, None, 400, "reference"),
    ("openrouter", {**ROUTER, "duration": "8"}, None, 400, "expected number"),
    ("openrouter", ROUTER, PNG, 400, "application/json"),
    ("generic-415", {"prompt": "a"}, None, 415, "Unsupported Media Type"),
]
"""What comes most easily to a client that does not know the server, once or twice for each."""


def post(fake, fields, files):
    """POST a submission as JSON, or as a form where there is a file."""
    header = {fake.key_header: KEY if fake.key_header == "api-key" else f"Bearer {KEY}"}
    body = {"json": fields} if files is None else {"data": fields, "files": files}
    with httpx.Client(trust_env=False) as http:
        return http.post(f"{fake.url}/videos", headers=header, **body)


@pytest.mark.parametrize(("name", "fields", "files", "status", "words"), REFUSED)
def test_what_is_wrong_is_refused(stage, name, fields, files, status, words):
    fake = stage.play(BY_NAME[name]())
    reply = post(fake, fields, files)
    assert (reply.status_code, fake.jobs) == (status, {}), reply.text
    assert words in json.dumps(reply.json(), ensure_ascii=False)


@pytest.mark.parametrize("segment", ["sora-2:task_1/a+b=", "sora-2%3Atask_1%2Fa+b%3D"])
def test_an_id_is_known_only_as_one_encoded_segment(stage, segment):
    fake = stage.play(BY_NAME["generic"]())
    assert post(fake, SORA, None).json()["id"] == "sora-2:task_1/a+b="
    with httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {KEY}"}) as http:
        assert http.get(f"{fake.url}/videos/sora-2%3Atask_1%2Fa%2Bb%3D").status_code == 200
        assert http.get(f"{fake.url}/videos/{segment}").status_code == 404


def test_a_signed_address_takes_no_key(stage):
    fake = stage.play(BY_NAME["aiid"]())
    job = fake.add(type("Asked", (), {"fields": SORA})())
    with httpx.Client(trust_env=False) as http:
        assert http.get(fake.cdn.place(job)).status_code == 200
        key = {"Authorization": f"Bearer {KEY}"}
        assert http.get(fake.cdn.place(job), headers=key).status_code == 403
