"""The vendors that the demo server can play: one row each, made of readers and writers.

A reader turns the body of a POST into a request for a video, or refuses it as that vendor does;
a writer makes its job and error objects. A new vendor is a new row; models are in `models.json`.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import resources

from ipyreel.demo import requests
from ipyreel.demo.jobs import JobRecord, View
from ipyreel.demo.requests import Refused, RequestBody, VideoRequest
from ipyreel.values import Json


@functools.cache
def models_of(dialect: str) -> Mapping[str, Mapping[str, Json]]:
    """Return a vendor's models, the default one first, with their `sizes` and `quality`."""
    text = resources.files(__package__).joinpath("models.json").read_text(encoding="utf-8")
    found: Mapping[str, Mapping[str, Json]] = json.loads(text)[dialect]
    return found


# ---------------------------------------------------------------------- OpenAI and what is like it

SORA_SECONDS = ("4", "8", "12")
MORE_SECONDS = ("4", "8", "12", "16", "20")
"""What an extension may add (openai 3.54: `types/video_extend_params.py`)."""

LONGEST_PROMPT = 32_000
"""Characters (OpenAI's document: `CreateVideoJsonBody.prompt`)."""

SORA_FIELDS = {"model", "prompt", "seconds", "size", "input_reference"}


def _invalid(name: str, value: Json, allowed: tuple[str, ...]) -> Refused:
    message = f"Invalid value: '{value}'. Supported values are: {requests.quoted(allowed)}."
    return requests.wrong_value(name, message)


def sora_seconds(body: RequestBody) -> float:
    """Read `seconds` as OpenAI does: one of three strings (message: OpenMAIC issue 98)."""
    value = body.fields.get("seconds")
    if value is None:
        return float(SORA_SECONDS[0])
    if not isinstance(value, str):
        raise requests.wrong_type("seconds", "one of '4', '8', or '12'", value)
    if value not in SORA_SECONDS:
        raise _invalid("seconds", value, SORA_SECONDS)
    return float(value)


def read_openai_more(body: RequestBody) -> float:
    """Read the length of an extension, which is required: one of five strings."""
    value = body.fields.get("seconds")
    if value is None:
        raise requests.missing("seconds")
    if value not in MORE_SECONDS:
        raise _invalid("seconds", value, MORE_SECONDS)
    return float(value)


def sora_model_and_size(body: RequestBody, dialect: str) -> tuple[str, tuple[int, int]]:
    """Read the model and a size that the model has; the first of each is the default."""
    models = models_of(dialect)
    model = body.text("model") or next(iter(models))
    if model not in models:
        raise _invalid("model", model, tuple(models))
    sizes = tuple(models[model]["sizes"])
    size = body.text("size") or sizes[0]
    if size not in sizes:
        raise _invalid("size", size, sizes)
    return model, requests.read_size(size)


def sora_image(body: RequestBody, size: tuple[int, int]) -> bytes | None:
    """Read `input_reference`: a file in a form, an object in JSON, as large as the video.

    Messages: lobehub issue 14891, huobao-drama issue 49, mslearn-ai-vision issue 78.
    """
    value = body.fields.get("input_reference")
    if value is not None and not isinstance(value, dict):
        expected = "a file" if body.is_form else "an object"
        raise requests.wrong_type("input_reference", expected, value)
    image = one_image(body, ("input_reference",))
    if image is not None and requests.measure_image(image) != size:
        message = "Inpaint image must match the requested width and height"
        raise Refused(400, message, param="input_reference")
    return image


def one_image(body: RequestBody, names: tuple[str, ...] = requests.IMAGE_FIELDS) -> bytes | None:
    """Read at most one input image."""
    images = requests.read_images(body, names)
    if len(images) > 1:
        message = f"Too many images: expected at most 1, but got {len(images)} instead."
        raise requests.wrong_value("input_reference", message)
    return images[0] if images else None


def read_openai(body: RequestBody) -> VideoRequest:
    """Read a request as api.openai.com did: no unknown fields, every value from its list."""
    for name in (*body.fields, *(upload.name for upload in body.uploads)):
        if name not in SORA_FIELDS:
            message = f"Unknown parameter: '{name}'."
            raise Refused(400, message, code="unknown_parameter", param=name)
    if body.fields.get("model") == "":
        raise _invalid("model", "", tuple(models_of("openai")))
    if len(body.text("prompt") or "") > LONGEST_PROMPT:
        message = (
            f"Invalid 'prompt': string too long. Expected at most {LONGEST_PROMPT} characters."
        )
        raise Refused(400, message, code="string_above_max_length", param="prompt")
    return _read_sora(body, "openai")


def _read_sora(body: RequestBody, dialect: str) -> VideoRequest:
    model, (width, height) = sora_model_and_size(body, dialect)
    return VideoRequest(
        prompt=requests.read_prompt(body),
        model=model,
        seconds=sora_seconds(body),
        width=width,
        height=height,
        image=sora_image(body, (width, height)),
    )


def read_demo(body: RequestBody) -> VideoRequest:
    """Read a request in OpenAI's form with any model, 1 to 60 seconds and any even size."""
    if body.text("n") not in {None, "1"}:
        message = "Invalid value: 'n' must be 1: one request creates one video."
        raise requests.wrong_value("n", message)
    width, height = requests.read_size(body.text("size") or "1280x720")
    return VideoRequest(
        prompt=requests.read_prompt(body),
        model=body.text("model") or next(iter(models_of("demo"))),
        seconds=requests.read_seconds(body),
        width=width,
        height=height,
        seed=requests.read_seed(body),
        image=one_image(body),
        captioned=requests.read_captioned(body),
    )


# --------------------------------------------------------------------------------- apigo (page S0)


def read_apigo(body: RequestBody) -> VideoRequest:
    """Read JSON with `seconds` as a number, as on the page, or as a string."""
    if body.is_form:
        raise Refused(415, "Content-Type must be application/json.", code="invalid_content_type")
    if body.text("model") is None:
        raise Refused(400, "model is required", code="invalid_request", param="model")
    return read_demo(body)


# --------------------------------------------------------------------------------- apiyi (page S1)


def _no_channel(model: str) -> Refused:
    message = f"No available channel for model {model} under group default"
    return Refused(503, message, code="model_not_found", kind="new_api_error")


def read_apiyi(body: RequestBody) -> VideoRequest:
    """Read text to video (JSON or form) or image to video (form with one file)."""
    model = body.text("model")
    if model is None:
        raise Refused(400, "model is required", param="model")
    if model not in models_of("apiyi"):
        raise _no_channel(model)
    if body.fields.get("input_reference") is not None:
        message = (
            "input_reference must be uploaded as a file (multipart/form-data); URLs and "
            "base64 are not supported"
        )
        raise Refused(400, message, code="invalid_type", param="input_reference")
    return _read_sora(body, "apiyi")


# ---------------------------------------------------------------------------------- aiid (page S2)

RESOLUTIONS = {"480P": 480, "540P": 540, "720P": 720, "1080P": 1080}


def _task_error(message: str, code: str = "invalid_request") -> Refused:
    body = {"code": code, "message": message, "data": None}
    return Refused(400, message, code=code, body=body)


def aiid_seconds(body: RequestBody) -> float:
    """Read `duration` (a whole number or its string), else `seconds` (in JSON only a string)."""
    value = body.fields.get("seconds")
    if value is not None and not isinstance(value, str):
        raise _task_error(
            "json: cannot unmarshal number into Go struct field TaskSubmitReq.seconds of type "
            "string"
        )
    try:
        return requests.read_seconds(body, ("duration", "seconds"))
    except Refused as refused:
        raise _task_error(refused.message, "invalid_seconds") from refused


def aiid_size(body: RequestBody) -> tuple[int, int]:
    """Read `size`, or `width` and `height`, or `resolution` with `aspect_ratio`."""
    size = body.text("size") or ""
    if body.text("width") and body.text("height"):
        size = size or f"{body.text('width')}x{body.text('height')}"
    word = (size or body.text("resolution") or "720P").upper()
    if size and word not in RESOLUTIONS:
        return requests.read_size(size)
    if word not in RESOLUTIONS:
        raise _task_error(f"unsupported resolution {word}")
    short = RESOLUTIONS[word]
    ratio = body.text("aspect_ratio") or body.text("ratio") or "16:9"
    found = re.fullmatch(r"([1-9][0-9]{0,3}):([1-9][0-9]{0,3})", ratio)
    if found is None:
        raise _task_error(f"unsupported aspect_ratio {ratio[:40]}")
    wide, high = int(found[1]), int(found[2])
    long = round(short * max(wide, high) / min(wide, high) / 2) * 2
    return requests.read_size(f"{long}x{short}" if wide >= high else f"{short}x{long}")


def read_aiid(body: RequestBody) -> VideoRequest:
    """Read JSON or a form; the first of several images becomes the first frame."""
    model = body.text("model")
    if model is None:
        raise _task_error("model is required")
    if model not in models_of("aiid"):
        raise _no_channel(model)
    if not body.is_form and isinstance(body.fields.get("images"), str):
        raise _task_error(
            "json: cannot unmarshal string into Go struct field TaskSubmitReq.images of type "
            "[]string"
        )
    width, height = aiid_size(body)
    images = requests.read_images(body)
    return VideoRequest(
        prompt=requests.read_prompt(body),
        model=model,
        seconds=aiid_seconds(body),
        width=width,
        height=height,
        seed=requests.read_seed(body),
        image=images[0] if images else None,
    )


# -------------------------------------------------------------------------- job and error objects


def openai_job(record: JobRecord, seen: View, _url: str) -> dict[str, Json]:
    """Return a job as in OpenAI's schema `VideoResource`."""
    failed = seen.status == "failed"
    error = {"code": "video_generation_failed", "message": record.failure} if failed else None
    return {
        "id": record.id,
        "object": "video",
        "model": record.model,
        "status": seen.status,
        "progress": seen.progress,
        "created_at": int(record.created_at),
        "completed_at": _whole(seen.completed_at),
        "expires_at": _whole(seen.expires_at),
        "error": error,
        "prompt": record.prompt,
        "seconds": record.seconds_text,
        "size": record.size,
        "remixed_from_video_id": record.remixed_from,
    }


def openai_error(refused: Refused) -> Json:
    """Return OpenAI's error object."""
    return {
        "error": {
            "message": refused.message,
            "type": refused.kind,
            "param": refused.param,
            "code": refused.code,
        }
    }


def _whole(moment: float | None) -> int | None:
    return None if moment is None else int(moment)


def openai_unknown(job_id: str) -> Refused:
    """Refuse an unknown id."""
    return Refused(404, f"Video with id '{job_id}' not found.", param="video_id")


def openai_not_ready(_job_id: str) -> Refused:
    """Refuse content that is not ready (message: litellm issue 32602)."""
    return Refused(404, "Video is not ready yet, use GET /v1/videos/{video_id} to check status.")


def openai_gone(job_id: str) -> Refused:
    """Refuse content that has expired."""
    return Refused(404, f"Video content for '{job_id}' has expired.", param="video_id")


def apigo_job(record: JobRecord, seen: View, url: str) -> dict[str, Json]:
    """Return a job with that page's word for waiting: pending."""
    job = openai_job(record, seen, url)
    if seen.status == "queued":
        job["status"] = "pending"
    return {name: value for name, value in job.items() if value is not None}


def apigo_error(refused: Refused) -> Json:
    """Return {error: {code, message, type}}."""
    code = refused.code or "invalid_request"
    return {"error": {"code": code, "message": refused.message, "type": refused.kind}}


def apiyi_job(record: JobRecord, seen: View, _url: str) -> dict[str, Json]:
    """Return a job as in the page's three samples; a failed one has no reason."""
    job: dict[str, Json] = {
        "id": record.id,
        "object": "video",
        "model": record.model,
        "status": seen.status,
        "progress": seen.progress,
        "created_at": int(record.created_at),
        "size": record.size,
        "seconds": record.seconds_text,
    }
    if seen.status == "queued":
        job["quality"] = models_of("apiyi").get(record.model, {}).get("quality")
    if seen.status == "completed":
        job["completed_at"] = _whole(seen.completed_at)
    return job


def aiid_job(record: JobRecord, seen: View, url: str) -> dict[str, Json]:
    """Return a job with `task_id`, times in milliseconds, and the address once it is done."""
    job: dict[str, Json] = {
        "id": record.id,
        "task_id": record.id,
        "object": "video",
        "model": record.model,
        "status": seen.status,
        "progress": seen.progress,
        "created_at": round(record.created_at * 1000),
        "seconds": record.seconds_text,
        "size": record.size,
    }
    if seen.completed_at is not None:
        job["completed_at"] = round(seen.completed_at * 1000)
    if seen.status == "completed":
        job["expires_at"] = round((seen.expires_at or 0) * 1000)
        job["video_url"] = url
    if seen.status == "failed":
        job["error"] = {"code": "task_failed", "message": record.failure}
    return job


def aiid_error(refused: Refused) -> Json:
    """Return {error: {message, type, code}}, as the underlying gateway software does."""
    return {"error": {"message": refused.message, "type": refused.kind, "code": refused.code or ""}}


def aiid_unknown(_job_id: str) -> Refused:
    """Refuse an unknown id with 400, as new-api's `controller/relay.go` does."""
    word = "task_not_exist"
    return Refused(400, word, body={"code": word, "message": word, "data": None})


def aiid_not_ready(_job_id: str) -> Refused:
    """Refuse content that is not ready (message: new-api `video_proxy.go`)."""
    return Refused(400, "Task is not completed yet, current status: IN_PROGRESS")


# ------------------------------------------------------------------------------------- the rows

RefuseId = Callable[[str], Refused]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one vendor's API behaves.

    `read_more` reads how many seconds an extension adds; `routes` are those beyond create,
    retrieve and content; `job` gets the address of the video as its last argument;
    `content_moves`: /content redirects there; `poll_hint`: replies about unfinished jobs carry
    `openai-poll-after-ms`; `bare_key`: the key is also accepted without "Bearer"; `unknown_job`,
    `not_ready` and `gone` refuse a job's id.
    """

    name: str
    title: str
    read: Callable[[RequestBody], VideoRequest]
    job: Callable[[JobRecord, View, str], dict[str, Json]]
    error: Callable[[Refused], Json]
    unknown_job: RefuseId
    not_ready: RefuseId
    gone: RefuseId
    wrong_key: Refused
    read_more: Callable[[RequestBody], float] = requests.read_seconds
    routes: frozenset[str] = frozenset()
    content_moves: bool = False
    poll_hint: bool = False
    bare_key: bool = False


FULL = frozenset(
    {"list", "delete", "remix", "edits", "extensions", "create_character", "get_character"}
)

GATEWAY_KEY = Refused(401, "Invalid token", code="", kind="new_api_error")

_DEMO = Dialect(
    name="demo",
    title="OpenAI's shapes, any model, 1 to 60 seconds, any even size up to 1920x1920",
    read=read_demo,
    job=openai_job,
    error=openai_error,
    unknown_job=openai_unknown,
    not_ready=openai_not_ready,
    gone=openai_gone,
    wrong_key=Refused(401, "Incorrect API key provided.", code="invalid_api_key"),
    routes=FULL,
    poll_hint=True,
)
_GATEWAY = replace(_DEMO, routes=frozenset(), poll_hint=False)

_ROWS = (
    _DEMO,
    replace(
        _DEMO,
        name="openai",
        title="api.openai.com as it was: strict about every field",
        read=read_openai,
        read_more=read_openai_more,
    ),
    replace(
        _GATEWAY,
        name="apigo",
        title="mass.apigo.ai: seconds as a number, /content redirects",
        read=read_apigo,
        job=apigo_job,
        error=apigo_error,
        content_moves=True,
    ),
    replace(
        _GATEWAY,
        name="apiyi",
        title="api.apiyi.com: seconds as text, sizes by model, no list or delete",
        read=read_apiyi,
        job=apiyi_job,
        wrong_key=GATEWAY_KEY,
        bare_key=True,
    ),
    replace(
        _GATEWAY,
        name="aiid",
        title="api.aiid.edu.kg: JSON or form, times in ms, task_id, video_url",
        read=read_aiid,
        job=aiid_job,
        error=aiid_error,
        unknown_job=aiid_unknown,
        not_ready=aiid_not_ready,
        wrong_key=GATEWAY_KEY,
        bare_key=True,
    ),
)

DIALECTS: Mapping[str, Dialect] = {row.name: row for row in _ROWS}
