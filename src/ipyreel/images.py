"""Converts what the user has (path, bytes, array, video) to an `Image` that can be sent.

Pillow is only needed for numpy arrays, GIFs and fitting.
"""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ipyreel.errors import InvalidRequest
from ipyreel.values import Image
from ipyreel.wire.media_types import IMAGE_SUFFIXES, SNIFFED, sniff

MAX_IMAGE = 20 * 2**20
"""The largest input image in bytes: OpenAI's own limit, and no known server accepts more."""

ALLOWED = "a path, a URL, bytes, a PIL image, a numpy array or a video (its last frame)"
CHANNELS = (3, 4)
MEDIA = 'pip install "ipyreel[media]"'

JPEG_QUALITY = 95
"""JPEG quality of a cropped photograph: high, so that the model sees no artefacts."""


def read_image(given: Any) -> Image:
    """Return an `Image` of a path, a URL, bytes, a PIL image or a numpy array (H×W or H×W×3/4).

    Arrays have integers from 0 to 255, or floats from 0 to 1. A URL is not fetched here. For a
    video (or a job that has one) the last frame is used, for a GIF the first, as a PNG: servers
    accept PNG, JPEG and WebP. Raises `InvalidRequest` naming what was given and what is allowed.
    """
    if isinstance(given, Image):
        return given
    if isinstance(given, (bytes, bytearray, memoryview)):
        return image_of_bytes(bytes(given), "bytes")
    if not isinstance(given, (str, Path)):
        return _of_object(given)
    try:
        parts = urlsplit(str(given))
        if isinstance(given, str) and parts.scheme in {"http", "https"}:
            name = parts.path.rpartition("/")[2] or "image"
            return Image(source=given, url=given, filename=name)
        return _of_path(Path(given).expanduser())
    except InvalidRequest:
        raise
    except (ValueError, RuntimeError) as error:  # half of an IPv6 address, NUL, ~nobody
        raise InvalidRequest(f"The image has no usable name: {error}.") from None


def image_of_bytes(data: bytes, source: str) -> Image:
    """Return an `Image` of an encoded picture; `source` says where it is from.

    Raises `InvalidRequest` for more than 20 MB, and for anything but PNG, JPEG, WebP or GIF.
    """
    if len(data) > MAX_IMAGE:
        raise too_large(source)
    if data.startswith((b"GIF87a", b"GIF89a")):
        return _of_gif(data, source)
    media_type = sniff(data[:SNIFFED])
    suffix = IMAGE_SUFFIXES.get(media_type or "")
    if media_type is None or suffix is None:
        found = f"is {media_type}" if media_type else "is not a picture"
        raise InvalidRequest(f"The image {source} {found}; servers accept PNG, JPEG and WebP.")
    name = f"{_stem(source)}.{suffix}"
    return Image(source=source, data=data, media_type=media_type, filename=name)


def _stem(source: str) -> str:
    return (Path(urlsplit(source).path).stem or "image") if source != "bytes" else "image"


def too_large(source: str) -> InvalidRequest:
    """Return the error for an image of more than `MAX_IMAGE` bytes."""
    return InvalidRequest(
        f"The image {source} is larger than {MAX_IMAGE // 2**20} MB.", hint="Use a smaller one."
    )


def fit_image(image: Image, size: str) -> tuple[Image, str | None]:
    """Resize an image to exactly `size` ("1280x720"), for servers that accept no other.

    It is rotated as its EXIF orientation says, cropped around its middle to the shape of the
    video, then scaled. Returns it with a sentence on what was done, None if it already fits.
    An image that is a URL is not changed, and the sentence says so. Raises `InvalidRequest` if
    Pillow is missing or the pixels cannot be read.
    """
    pixels = re.fullmatch(r"(\d+)x(\d+)", size)
    if pixels is None:
        return image, None
    if image.data is None:
        return image, f"The image must be exactly {size}; the one at its URL was not checked."
    try:
        from PIL import Image as Pillow  # noqa: PLC0415 - an optional extra
        from PIL import ImageOps  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise InvalidRequest(
            f"The image must be exactly {size} here, and resizing it needs Pillow.", hint=MEDIA
        ) from error
    wanted = (int(pixels[1]), int(pixels[2]))
    try:
        with Pillow.open(io.BytesIO(image.data)) as opened:
            upright = ImageOps.exif_transpose(opened)
            if opened.size == upright.size == wanted:
                return image, None
            fitted = ImageOps.fit(upright, wanted, method=Pillow.Resampling.LANCZOS)
    except (OSError, ValueError, Pillow.DecompressionBombError) as error:
        raise _unreadable(image.source) from error
    before = "{}x{}".format(*upright.size)
    same_shape = upright.width * wanted[1] == upright.height * wanted[0]
    verb = "scaled" if same_shape else "cropped"
    return _encoded(fitted, image), f"The image was {verb} from {before} to {size}."


def _unreadable(source: str) -> InvalidRequest:
    return InvalidRequest(f"The image {source} is damaged: its pixels cannot be read.")


def _encoded(picture: Any, like: Image) -> Image:
    """Encode pixels like the original image: a JPEG as JPEG, anything else as PNG."""
    buffer, stem = io.BytesIO(), Path(like.filename).stem
    if like.media_type == "image/jpeg":
        picture.convert("RGB").save(buffer, format="JPEG", quality=JPEG_QUALITY)
        return replace(like, data=buffer.getvalue(), filename=f"{stem}.jpg")
    data = _png(picture, "RGBA")
    return replace(like, data=data, media_type="image/png", filename=f"{stem}.png")


def _png(picture: Any, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    plain = picture if picture.mode in {"RGB", "RGBA", "L"} else picture.convert(mode)
    plain.save(buffer, format="PNG")
    return buffer.getvalue()


def _of_path(path: Path) -> Image:
    try:
        if path.is_fifo():  # to open it would wait for ever
            raise InvalidRequest(f"The image {path} is a pipe.", hint=f"It can be {ALLOWED}.")
        with path.open("rb") as file:
            # One byte more than allowed shows that the file is too large, whatever it is.
            data = file.read(MAX_IMAGE + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidRequest(
            f"The image {path} could not be read: {reason}.", hint=f"It can be {ALLOWED}."
        ) from error
    return image_of_bytes(data, str(path))


def _of_gif(data: bytes, source: str) -> Image:
    try:
        from PIL import Image as Pillow  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise InvalidRequest(
            f"The image {source} is a GIF; servers accept PNG, JPEG and WebP.",
            hint=f"Convert it, or install Pillow: {MEDIA}.",
        ) from error
    try:
        with Pillow.open(io.BytesIO(data)) as opened:
            pixels = _png(opened, "RGBA")
    except (OSError, ValueError, Pillow.DecompressionBombError) as error:
        raise _unreadable(source) from error
    return Image(source=source, data=pixels, filename=f"{_stem(source)}.png")


def _of_object(given: Any) -> Image:
    if hasattr(given, "save") and hasattr(given, "mode"):
        return _of_pillow(given, "PIL image")
    if hasattr(given, "__array_interface__"):
        return _of_array(given)
    if hasattr(given, "last_frame"):
        return _of_pillow(given.last_frame(), "last frame")
    if hasattr(given, "remote_id") and hasattr(given, "video"):
        return _of_job(given)
    raise InvalidRequest(f"A {type(given).__name__} is not an image.", hint=f"It can be {ALLOWED}.")


def _of_job(job: Any) -> Image:
    if job.video is None:
        raise InvalidRequest(f"The job {job.id} has no video yet ({job.status}).")
    return read_image(job.video)


def _of_pillow(picture: Any, source: str) -> Image:
    return Image(source=source, data=_png(picture))


def _of_array(array: Any) -> Image:
    try:
        import numpy as np  # noqa: PLC0415 - an optional extra
        from PIL import Image as Pillow  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise InvalidRequest(
            "A numpy array as the image needs Pillow and numpy.", hint=MEDIA
        ) from error
    pixels = np.asarray(array)
    shape = pixels.shape
    flat = len(shape) == 2  # noqa: PLR2004 - height and width
    if not flat and not (len(shape) == 3 and shape[2] in CHANNELS):  # noqa: PLR2004
        raise InvalidRequest(f"An array of shape {shape} is not a picture (H×W or H×W×3/4).")
    if pixels.dtype.kind == "f":
        pixels = np.clip(pixels, 0, 1) * 255
    picture = Pillow.fromarray(pixels.astype(np.uint8))
    return _of_pillow(picture, f"array {shape[1]}x{shape[0]}")
