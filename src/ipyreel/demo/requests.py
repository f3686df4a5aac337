"""Reads a client's request from the body of a POST, or refuses it.

All input from outside is bounded here: numbers, sizes, images.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from ipyreel.values import Json

MIN_SIDE, MAX_SIDE = 16, 1920
"""Limits in pixels. Below, no caption fits; above, a laptop renders for minutes."""

MAX_PIXELS = 40_000_000
"""Most pixels of an input image: decoded, each takes four bytes, in several copies."""

MAX_SEED = 2**63 - 1

IMAGE_FIELDS = (
    "input_reference",
    "image",
    "images",
    "reference_images",
    "image_urls",
    "input_references",
)


class Refused(Exception):
    """The server refuses a request: HTTP status, message, and the fields of error objects.

    `body` replaces the dialect's usual error object if the vendor uses another one here.
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
    """A file in a form."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBody:
    """The body of a POST: its fields with their JSON types (text in a form) and its files."""

    fields: Mapping[str, Json] = field(default_factory=dict)
    uploads: tuple[Upload, ...] = ()
    is_form: bool = False

    def text(self, name: str) -> str | None:
        """Return a field as text; None if it is absent, null or empty."""
        value = self.fields.get(name)
        return None if value is None or value == "" else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRequest:
    """What will be rendered: length in seconds, size in pixels, and the bytes of a first image.

    `clip` is a video that comes first, unchanged; its length is part of `seconds`. `captioned`:
    the prompt is written on the picture.
    """

    prompt: str
    model: str
    seconds: float
    width: int
    height: int
    seed: int | None = None
    image: bytes | None = field(default=None, repr=False)
    clip: bytes | None = field(default=None, repr=False)
    captioned: bool = True


def quoted(words: tuple[str, ...]) -> str:
    """List words the way OpenAI's error messages do: 'a', 'b', and 'c'."""
    marked = [f"'{word}'" for word in words]
    if len(marked) < 3:  # noqa: PLR2004 - two words are joined without a comma
        return " and ".join(marked)
    return f"{', '.join(marked[:-1])}, and {marked[-1]}"


def json_kind(value: Json) -> str:
    """Name a JSON type as OpenAI's error messages do, with its article."""
    if isinstance(value, bool):
        return "a boolean"
    names = {int: "an integer", float: "a decimal", str: "a string", list: "an array"}
    return names.get(type(value), "an object" if isinstance(value, dict) else "null")


def wrong_type(name: str, expected: str, value: Json) -> Refused:
    """Refuse a value of another type, in OpenAI's words."""
    message = f"Invalid type for '{name}': expected {expected}, but got {json_kind(value)} instead."
    return Refused(400, message, code="invalid_type", param=name)


def wrong_value(name: str, message: str) -> Refused:
    """Refuse a value."""
    return Refused(400, message, code="invalid_value", param=name)


def missing(name: str) -> Refused:
    """Refuse a request that lacks a field."""
    message = f"Missing required parameter: '{name}'."
    return Refused(400, message, code="missing_required_parameter", param=name)


def read_prompt(body: RequestBody) -> str:
    """Return the prompt, or refuse a request without one."""
    prompt = body.text("prompt")
    if prompt is None or not prompt.strip():
        raise missing("prompt")
    return prompt


def read_number(value: Json, name: str) -> float:
    """Read a finite number or the text of one."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):  # 10**400 is an integer in JSON
        number = math.nan
    if not math.isfinite(number):
        raise wrong_type(name, "a number", value)
    return number


def read_seconds(
    body: RequestBody, names: tuple[str, ...] = ("seconds", "duration"), *, default: float = 4
) -> float:
    """Read a length of 1 to 60 seconds, number or text, from the first of `names` that is set."""
    name = next((name for name in names if body.text(name) is not None), None)
    if name is None:
        return default
    seconds = read_number(body.fields[name], name)
    if not 1 <= seconds <= 60:  # noqa: PLR2004 - the limits are in the message
        raise wrong_value(name, f"Invalid value: '{seconds:g}'. '{name}' must be between 1 and 60.")
    return seconds


def read_size(text: str) -> tuple[int, int]:
    """Read "WIDTHxHEIGHT": even numbers of pixels within the renderer's limits."""
    found = re.fullmatch(r"([0-9]{1,5})[xX*]([0-9]{1,5})", text.strip())
    sides = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(MIN_SIDE <= side <= MAX_SIDE and side % 2 == 0 for side in sides):
        raise wrong_value(
            "size",
            f"Invalid value: '{text[:40]}'. 'size' must be WIDTHxHEIGHT in even numbers "
            f"from {MIN_SIDE} to {MAX_SIDE}.",
        )
    return sides


def read_seed(body: RequestBody) -> int | None:
    """Read the seed: a whole number or the text of one, at the top or in `metadata`."""
    value = body.fields.get("seed")
    if value is None or value == "":
        value = read_metadata(body).get("seed")
    if value is None or value == "":
        return None
    seed = read_number(value, "seed")
    if not seed.is_integer():
        raise wrong_type("seed", "an integer", value)
    if abs(seed) > MAX_SEED:
        raise wrong_value("seed", f"Invalid value: 'seed' must be within ±{MAX_SEED}.")
    return value if isinstance(value, int) else int(seed)


def read_captioned(body: RequestBody) -> bool:
    """Read `caption`, true or false (text in a form); the default is true."""
    value = body.fields.get("caption", True)
    wanted = {"true": True, "false": False}.get(str(value).lower())
    if wanted is None:
        raise wrong_type("caption", "a boolean", value)
    return wanted


def read_metadata(body: RequestBody) -> Mapping[str, Json]:
    """Return `metadata`, which is an object or the JSON text of one; {} if it is neither."""
    value = body.fields.get("metadata")
    if isinstance(value, str):
        value = _object_in(value)
    return value if isinstance(value, dict) else {}


def _object_in(text: str) -> Json:
    """Return the JSON object in a form field, or the text itself."""
    try:
        return json.loads(text) if text.lstrip().startswith("{") else text
    except (ValueError, RecursionError):
        return text


# ------------------------------------------------------------------------- images and videos


def read_images(body: RequestBody, names: tuple[str, ...] = IMAGE_FIELDS) -> list[bytes]:
    """Collect the input images: files of a form, data URLs as text, in lists or in objects.

    Any other value under these names is refused: nothing is ignored silently.
    """
    images = [upload.data for upload in body.uploads if upload.name.removesuffix("[]") in names]
    for name in names:
        value = body.fields.get(name)
        items = value if isinstance(value, list) else [value]
        images += [_read_data_url(_address_in(item, name), name) for item in items if item]
    images = list(dict.fromkeys(images))  # the same image under two names is one image
    for image in images:
        measure_image(image)
    return images


def _address_in(item: Json, name: str) -> str:
    """Return the address in "address", {"image_url": "address"} or {"image_url": {"url": ...}}."""
    found = item
    if isinstance(found, dict):
        if found.get("file_id"):
            raise wrong_value(
                name, f"Invalid value for '{name}': this server keeps no files; send 'image_url'."
            )
        found = found.get("image_url") or found.get("url")
        if isinstance(found, dict):
            found = found.get("url")
    if not isinstance(found, str) or not found:
        raise wrong_type(name, "a string or an object with 'image_url'", item)
    return found


def _read_data_url(address: str, name: str) -> bytes:
    """Decode "data:image/png;base64,..."; other addresses are refused, not fetched."""
    head, comma, tail = address.partition(",")
    if comma and head.lower().startswith("data:") and head.lower().endswith(";base64"):
        try:
            return base64.b64decode(tail, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise wrong_value(
        name,
        f"Invalid value for '{name}': this demo server fetches nothing from elsewhere; send the "
        "image itself, as a file or as a base64 data URL.",
    )


def read_video(body: RequestBody) -> str | bytes:
    """Read `video`: the id of a job as `{"id": ...}`, or the bytes of a video."""
    videos = [upload.data for upload in body.uploads if upload.name == "video"]
    if videos:
        return videos[0]
    value = body.fields.get("video")
    if value is None:
        raise missing("video")
    if isinstance(value, str) and body.is_form:
        value = _object_in(value)
    found = value.get("id") if isinstance(value, dict) else None
    if not isinstance(found, str) or not found:
        raise wrong_type("video", "an object with an id", value)
    return found


def measure_image(data: bytes) -> tuple[int, int]:
    """Return width and height of an input image in pixels, or refuse it.

    Only the first bytes are read, and nothing is decoded: PNG, JPEG, WebP and GIF.
    """
    size = _png(data) or _gif(data) or _webp(data) or _jpeg(data)
    if size is None or 0 in size:
        message = "Invalid image: 'input_reference' could not be read as JPEG, PNG or WebP."
        raise Refused(400, message, code="invalid_image", param="input_reference")
    if size[0] * size[1] > MAX_PIXELS:
        message = f"Invalid image: {size[0]}x{size[1]} is more than {MAX_PIXELS} pixels."
        raise Refused(400, message, code="invalid_image", param="input_reference")
    return size


def _png(data: bytes) -> tuple[int, int] | None:
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and len(data) > 32:  # noqa: PLR2004
        return struct.unpack_from(">II", data, 16)
    return None


def _gif(data: bytes) -> tuple[int, int] | None:
    if data[:6] in (b"GIF87a", b"GIF89a") and len(data) > 12:  # noqa: PLR2004
        return struct.unpack_from("<HH", data, 6)
    return None


def _webp(data: bytes) -> tuple[int, int] | None:
    """Read the three kinds of header (RFC 9649, 2.5 to 2.7)."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:  # noqa: PLR2004
        return None
    if data[12:16] == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if data[12:16] == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    """Walk the segments to the start of a frame (ITU-T T.81, B.2.2)."""
    at = 2 if data[:3] == b"\xff\xd8\xff" else len(data)
    while at + 9 < len(data) and data[at] == 0xFF:  # noqa: PLR2004
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # noqa: PLR2004
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")  # noqa: PLR2004
    return None
