"""What a client asked for, read from the body of its POST, and how a no is said.

Pure but for Pillow, which only looks at the size of an input image. May import nothing of
ipyreel but `values`.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from PIL import Image as Picture
from PIL import UnidentifiedImageError

from ipyreel.values import Json

MIN_SIDE, MAX_SIDE = 16, 1920
"""Pixels. Below, no caption fits; above, a laptop renders for minutes."""

IMAGE_FIELDS = (
    "input_reference",
    "image",
    "images",
    "reference_images",
    "image_urls",
    "input_references",
)


class Refused(Exception):
    """The server's no: HTTP status, sentence and the words that error objects carry.

    `body` replaces the dialect's usual error object where a vendor has another for the case.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        body: Json = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.kind = kind
        self.body = body


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file part of a form."""

    name: str
    data: bytes = field(repr=False)
    media_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The body of a POST: its fields with their JSON types (texts in a form) and its files."""

    fields: Mapping[str, Json]
    uploads: tuple[Upload, ...] = ()
    is_form: bool = False

    def text(self, name: str) -> str | None:
        """Return a field as text; None when it is absent, null or empty."""
        value = self.fields.get(name)
        return None if value is None or value == "" else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What will be rendered: seconds of clip, pixels, and the bytes of a start image.

    `clip` are the bytes of a film that comes first, as it is; it is within `seconds`.
    """

    prompt: str
    model: str
    seconds: float
    width: int
    height: int
    seed: int | None = None
    image: bytes | None = field(default=None, repr=False)
    clip: bytes | None = field(default=None, repr=False)


def quoted(words: tuple[str, ...]) -> str:
    """List words the way OpenAI's error sentences do: 'a', 'b', and 'c'."""
    marked = [f"'{word}'" for word in words]
    if len(marked) < 3:  # noqa: PLR2004 - two words are joined without a comma
        return " and ".join(marked)
    return f"{', '.join(marked[:-1])}, and {marked[-1]}"


def json_kind(value: Json) -> str:
    """Name a JSON type as OpenAI's error sentences do, with its article."""
    if isinstance(value, bool):
        return "a boolean"
    names = {int: "an integer", float: "a decimal", str: "a string", list: "an array"}
    return names.get(type(value), "an object" if isinstance(value, dict) else "null")


def read_prompt(ask: Ask) -> str:
    """Return the prompt, or refuse a request without one."""
    prompt = ask.text("prompt")
    if prompt is None or not prompt.strip():
        raise Refused(
            400,
            "Missing required parameter: 'prompt'.",
            code="missing_required_parameter",
            param="prompt",
        )
    return prompt


def read_number(value: Json, name: str) -> float:
    """Read a number or the text of one."""
    try:
        if not isinstance(value, bool):
            return float(value)
    except (TypeError, ValueError):
        pass
    raise Refused(
        400,
        f"Invalid type for '{name}': expected a number, but got {json_kind(value)} instead.",
        code="invalid_type",
        param=name,
    )


def read_seconds(
    ask: Ask, names: tuple[str, ...] = ("seconds", "duration"), *, default: float = 4
) -> float:
    """Read a length of 1 to 60 seconds, number or text, from the first of `names` that is set."""
    name = next((name for name in names if ask.text(name) is not None), None)
    if name is None:
        return default
    seconds = read_number(ask.fields[name], name)
    if not 1 <= seconds <= 60:  # noqa: PLR2004 - the limits are in the sentence
        raise Refused(
            400,
            f"Invalid value: '{ask.fields[name]}'. '{name}' must be between 1 and 60.",
            code="invalid_value",
            param=name,
        )
    return seconds


def read_size(text: str) -> tuple[int, int]:
    """Read "WIDTHxHEIGHT": even numbers of pixels that the renderer can do."""
    found = re.fullmatch(r"(\d{1,5})[xX*](\d{1,5})", text.strip())
    sides = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(MIN_SIDE <= side <= MAX_SIDE and side % 2 == 0 for side in sides):
        raise Refused(
            400,
            f"Invalid value: '{text}'. 'size' must be WIDTHxHEIGHT in even numbers "
            f"from {MIN_SIDE} to {MAX_SIDE}.",
            code="invalid_value",
            param="size",
        )
    return sides


def read_seed(ask: Ask) -> int | None:
    """Read the seed: a whole number or the text of one, at the top or in `metadata`."""
    value = ask.fields.get("seed")
    if value is None or value == "":
        value = read_metadata(ask).get("seed")
    if value is None or value == "":
        return None
    seed = read_number(value, "seed")
    if not seed.is_integer():
        raise Refused(
            400,
            f"Invalid type for 'seed': expected an integer, but got {json_kind(value)} instead.",
            code="invalid_type",
            param="seed",
        )
    return value if isinstance(value, int) else int(seed)


def read_metadata(ask: Ask) -> Mapping[str, Json]:
    """Return `metadata`, which is an object or the JSON text of one; {} when it is neither."""
    value = ask.fields.get("metadata")
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def read_images(ask: Ask, names: tuple[str, ...] = IMAGE_FIELDS) -> list[bytes]:
    """Collect the input images: files of a form, data URLs as text, in lists or in objects."""
    images = [upload.data for upload in ask.uploads if upload.name.removesuffix("[]") in names]
    for name in names:
        value = ask.fields.get(name)
        for item in value if isinstance(value, list) else [value]:
            address = _address_in(item)
            if address:
                images.append(_read_data_url(address, name))
    return list(dict.fromkeys(images))  # the same image under two names is one image


def _address_in(item: Json) -> str | None:
    """Find the address in "address", {"image_url": "address"} or {"image_url": {"url": ...}}."""
    if isinstance(item, dict):
        item = item.get("image_url") or item.get("url")
        if isinstance(item, dict):
            item = item.get("url")
    return item if isinstance(item, str) and item else None


def _read_data_url(address: str, name: str) -> bytes:
    """Decode "data:image/png;base64,..."; other addresses are refused, not fetched."""
    head, comma, tail = address.partition(",")
    if comma and head.lower().startswith("data:") and head.lower().endswith(";base64"):
        try:
            return base64.b64decode(tail, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise Refused(
        400,
        f"Invalid value for '{name}': this demo server fetches nothing from elsewhere; send "
        "the image itself, as a file or as a base64 data URL.",
        code="invalid_value",
        param=name,
    )


def read_video(ask: Ask) -> str | bytes:
    """Read `video`: the id of a job, `{"id": ...}` (in a form `video[id]`), or a film's bytes."""
    films = [upload.data for upload in ask.uploads if upload.name == "video"]
    if films:
        return films[0]
    value = ask.fields.get("video")
    found = value.get("id") if isinstance(value, dict) else ask.fields.get("video[id]")
    if isinstance(found, str) and found:
        return found
    if value is None:
        raise Refused(400, "Missing required parameter: 'video'.", param="video")
    raise Refused(
        400,
        f"Invalid type for 'video': expected an object with an id, but got {json_kind(value)} "
        "instead.",
        code="invalid_type",
        param="video",
    )


def measure_image(data: bytes) -> tuple[int, int]:
    """Return width and height of an input image in pixels, or refuse what is none."""
    try:
        with Picture.open(io.BytesIO(data)) as picture:
            width, height = picture.size
            return int(width), int(height)
    except (UnidentifiedImageError, OSError, Picture.DecompressionBombError, ValueError) as error:
        raise Refused(
            400,
            "Invalid image: 'input_reference' could not be read as JPEG, PNG or WebP.",
            code="invalid_image",
            param="input_reference",
        ) from error
