"""How each vendor reads the body of a POST, and what it refuses, in its own sentences.

Pure; may import nothing of ipyreel but `values` and `orders`.
"""

from __future__ import annotations

from ipyreel.demo import requests
from ipyreel.demo.requests import Ask, Order, Refused
from ipyreel.demo.tables import models_of
from ipyreel.values import Json

# ---------------------------------------------------------------------- OpenAI and what is like it

SORA_SECONDS = ("4", "8", "12")
MORE_SECONDS = ("4", "8", "12", "16", "20")
"""What an extension may add (openai 3.54: `types/video_extend_params.py`)."""

SORA_FIELDS = {"model", "prompt", "seconds", "size", "input_reference"}


def _invalid(name: str, value: Json, allowed: tuple[str, ...]) -> Refused:
    return Refused(
        400,
        f"Invalid value: '{value}'. Supported values are: {requests.quoted(allowed)}.",
        code="invalid_value",
        param=name,
    )


def sora_seconds(ask: Ask) -> float:
    """Read `seconds` as OpenAI does: one of three texts (sentence: OpenMAIC issue 98)."""
    value = ask.fields.get("seconds")
    if value is None:
        return float(SORA_SECONDS[0])
    if not isinstance(value, str):
        raise Refused(
            400,
            "Invalid type for 'seconds': expected one of '4', '8', or '12', but got "
            f"{requests.json_kind(value)} instead.",
            code="invalid_type",
            param="seconds",
        )
    if value not in SORA_SECONDS:
        raise _invalid("seconds", value, SORA_SECONDS)
    return float(value)


def read_openai_more(ask: Ask) -> float:
    """Read the length of an extension, which has to be said: one of five texts."""
    value = ask.fields.get("seconds")
    if value is None:
        raise Refused(400, "Missing required parameter: 'seconds'.", param="seconds")
    if value not in MORE_SECONDS:
        raise _invalid("seconds", value, MORE_SECONDS)
    return float(value)


def sora_model_and_size(ask: Ask, dialect: str) -> tuple[str, tuple[int, int]]:
    """Read the model and a size that the model has; the first of each is the default."""
    models = models_of(dialect)
    model = ask.text("model") or next(iter(models))
    if model not in models:
        raise _invalid("model", model, tuple(models))
    sizes = tuple(models[model]["sizes"])
    size = ask.text("size") or sizes[0]
    if size not in sizes:
        raise _invalid("size", size, sizes)
    return model, requests.read_size(size)


def sora_image(ask: Ask, size: tuple[int, int]) -> bytes | None:
    """Read `input_reference`: a file in a form, an object in JSON, as large as the video.

    Sentences: lobehub issue 14891, huobao-drama issue 49, mslearn-ai-vision issue 78.
    """
    value = ask.fields.get("input_reference")
    if value is not None and (ask.is_form or not isinstance(value, dict)):
        wanted = "a file" if ask.is_form else "an object"
        raise Refused(
            400,
            f"Invalid type for 'input_reference': expected {wanted}, but got "
            f"{requests.json_kind(value)} instead.",
            code="invalid_type",
            param="input_reference",
        )
    image = one_image(ask, ("input_reference",))
    if image is not None and requests.measure_image(image) != size:
        raise Refused(
            400,
            "Inpaint image must match the requested width and height",
            param="input_reference",
        )
    return image


def one_image(ask: Ask, names: tuple[str, ...] = requests.IMAGE_FIELDS) -> bytes | None:
    """Read at most one input image that can be opened."""
    images = requests.read_images(ask, names)
    if len(images) > 1:
        raise Refused(
            400,
            f"Too many images: expected at most 1, but got {len(images)} instead.",
            code="invalid_value",
            param="input_reference",
        )
    if images:
        requests.measure_image(images[0])
    return images[0] if images else None


def read_openai(ask: Ask) -> Order:
    """Read a request as api.openai.com did: nothing unknown, every value from its list."""
    for name in (*ask.fields, *(upload.name for upload in ask.uploads)):
        if name not in SORA_FIELDS:
            raise Refused(
                400, f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name
            )
    return _read_sora(ask, "openai")


def _read_sora(ask: Ask, dialect: str) -> Order:
    model, (width, height) = sora_model_and_size(ask, dialect)
    return Order(
        prompt=requests.read_prompt(ask),
        model=model,
        seconds=sora_seconds(ask),
        width=width,
        height=height,
        image=sora_image(ask, (width, height)),
    )


def read_demo(ask: Ask) -> Order:
    """Read a request in OpenAI's form with any model, 1 to 60 seconds and any even size."""
    if ask.text("n") not in {None, "1"}:
        raise Refused(
            400, "Invalid value: 'n' must be 1; one request makes one video here.", param="n"
        )
    width, height = requests.read_size(ask.text("size") or "1280x720")
    return Order(
        prompt=requests.read_prompt(ask),
        model=ask.text("model") or next(iter(models_of("demo"))),
        seconds=requests.read_seconds(ask),
        width=width,
        height=height,
        seed=requests.read_seed(ask),
        image=one_image(ask),
    )


# --------------------------------------------------------------------------------- apigo (page S0)


def read_apigo(ask: Ask) -> Order:
    """Read JSON with `seconds` as a number, as the page has it, or as text."""
    if ask.is_form:
        raise Refused(415, "Content-Type must be application/json.", code="invalid_content_type")
    if ask.text("model") is None:
        raise Refused(400, "model is required", code="invalid_request", param="model")
    return read_demo(ask)


# --------------------------------------------------------------------------------- apiyi (page S1)


def read_apiyi(ask: Ask) -> Order:
    """Read text to video (JSON or form) or image to video (form with one file)."""
    model = ask.text("model")
    if model is None:
        raise Refused(400, "model is required", param="model")
    if model not in models_of("apiyi"):
        raise Refused(
            503,
            f"No available channel for model {model} under group default",
            code="model_not_found",
            kind="new_api_error",
        )
    if not ask.is_form and ask.fields.get("input_reference") is not None:
        raise Refused(
            400,
            "input_reference must be uploaded as a file (multipart/form-data); URLs and "
            "base64 are not supported",
            code="invalid_type",
            param="input_reference",
        )
    return _read_sora(ask, "apiyi")


# ---------------------------------------------------------------------------------- aiid (page S2)

RESOLUTIONS = {"480P": 480, "540P": 540, "720P": 720, "1080P": 1080}


def _task_error(message: str, code: str = "invalid_request") -> Refused:
    body = {"code": code, "message": message, "data": None}
    return Refused(400, message, code=code, body=body)


def aiid_seconds(ask: Ask) -> float:
    """Read `duration` (whole number or its text), else `seconds` (in JSON a text only)."""
    value = ask.fields.get("seconds")
    if value is not None and not isinstance(value, str):
        raise _task_error(
            "json: cannot unmarshal number into Go struct field TaskSubmitReq.seconds of type "
            "string"
        )
    try:
        return requests.read_seconds(ask, ("duration", "seconds"))
    except Refused as refused:
        raise _task_error(refused.message, "invalid_seconds") from refused


def aiid_size(ask: Ask) -> tuple[int, int]:
    """Read `size`, or `width` and `height`, or `resolution` with `aspect_ratio`."""
    size = ask.text("size") or ""
    if ask.text("width") and ask.text("height"):
        size = size or f"{ask.text('width')}x{ask.text('height')}"
    word = (size or ask.text("resolution") or "720P").upper()
    if size and word not in RESOLUTIONS:
        return requests.read_size(size)
    if word not in RESOLUTIONS:
        raise _task_error(f"unsupported resolution {word}")
    short = RESOLUTIONS[word]
    ratio = ask.text("aspect_ratio") or ask.text("ratio") or "16:9"
    wide, colon, high = ratio.partition(":")
    if not (colon and wide.isdigit() and high.isdigit() and int(wide) and int(high)):
        raise _task_error(f"unsupported aspect_ratio {ratio}")
    long = round(short * max(int(wide), int(high)) / min(int(wide), int(high)) / 2) * 2
    pair = (long, short) if int(wide) >= int(high) else (short, long)
    return requests.read_size("{}x{}".format(*pair))


def read_aiid(ask: Ask) -> Order:
    """Read JSON or a form; the first of several images is the start."""
    model = ask.text("model")
    if model is None:
        raise _task_error("model is required")
    if model not in models_of("aiid"):
        message = f"No available channel for model {model} under group default"
        raise Refused(503, message, code="model_not_found", kind="new_api_error")
    if not ask.is_form and isinstance(ask.fields.get("images"), str):
        raise _task_error(
            "json: cannot unmarshal string into Go struct field TaskSubmitReq.images of type "
            "[]string"
        )
    width, height = aiid_size(ask)
    images = requests.read_images(ask)
    for image in images:
        requests.measure_image(image)
    return Order(
        prompt=requests.read_prompt(ask),
        model=model,
        seconds=aiid_seconds(ask),
        width=width,
        height=height,
        seed=requests.read_seed(ask),
        image=images[0] if images else None,
    )
