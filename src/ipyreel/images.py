"""Input images: from whatever a person holds in a notebook to an `Image` that can be sent.

May import `values` and `errors`. Pillow is needed for numpy arrays and for fitting only.
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

KINDS = {
    b"\x89PNG\r\n\x1a\n": ("image/png", "png"),
    b"\xff\xd8\xff": ("image/jpeg", "jpg"),
    b"GIF8": ("image/gif", "gif"),
}
ALLOWED = "a path, a URL, bytes, a PIL image, a numpy array or a video (its last frame)"
CHANNELS = (3, 4)
MEDIA = 'pip install "ipyreel[media]"'

JPEG_QUALITY = 95
"""What a photograph that had to be cut is written with: the model is to see no artefacts."""


def read_image(given: Any) -> Image:
    """Make an `Image` of a path, a URL, bytes, a PIL image or a numpy array (H×W or H×W×3/4).

    Arrays hold 0-255 integers, or floats from 0 to 1. A URL is not fetched here. Of a video
    (or a job that has one) it is the last frame. Raises `InvalidRequest` naming what was given
    and what is allowed.
    """
    if isinstance(given, Image):
        return given
    if isinstance(given, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(given), "bytes")
    if isinstance(given, str) and urlsplit(given).scheme in {"http", "https"}:
        name = urlsplit(given).path.rpartition("/")[2] or "image"
        return Image(source=given, url=given, filename=name)
    if isinstance(given, (str, Path)):
        return _from_path(Path(given).expanduser())
    return _from_object(given)


def fit_image(image: Image, size: str) -> tuple[Image, str | None]:
    """Make an image exactly `size` ("1280x720") large, for servers that take no other.

    Cut to the shape of the video around its middle, then scaled; turned upright first where a
    camera noted how it was held. Returns it with a sentence on what was done, None where it
    fitted already. What cannot be looked at, a URL, is left alone, and so it is said. Raises
    `InvalidRequest` where Pillow is missing or the pixels cannot be read.
    """
    pixels = re.fullmatch(r"(\d+)x(\d+)", size)
    if pixels is None:
        return image, None
    if image.data is None:
        return image, f"The image must be exactly {size}; the one at its address was not checked."
    try:
        from PIL import Image as Pillow  # noqa: PLC0415 - an optional extra
        from PIL import ImageOps  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise InvalidRequest(
            f"--image: it must be exactly {size} here, and fitting it needs Pillow.", hint=MEDIA
        ) from error
    wanted = (int(pixels[1]), int(pixels[2]))
    try:
        with Pillow.open(io.BytesIO(image.data)) as opened:
            upright = ImageOps.exif_transpose(opened)
            if opened.size == upright.size == wanted:
                return image, None
            fitted = ImageOps.fit(upright, wanted, method=Pillow.Resampling.LANCZOS)
    except (OSError, ValueError, Pillow.DecompressionBombError) as error:
        raise InvalidRequest(f"--image {image.source}: its pixels cannot be read.") from error
    before = "{}x{}".format(*upright.size)
    same_shape = upright.width * wanted[1] == upright.height * wanted[0]
    verb = "scaled" if same_shape else "cropped"
    return _encoded(fitted, image), f"The image was {verb} from {before} to {size}."


def _encoded(picture: Any, like: Image) -> Image:
    """Write pixels as the image was written: a photograph as JPEG, all else as PNG."""
    buffer, stem = io.BytesIO(), Path(like.filename).stem
    if like.media_type == "image/jpeg":
        picture.convert("RGB").save(buffer, format="JPEG", quality=JPEG_QUALITY)
        return replace(like, data=buffer.getvalue(), filename=f"{stem}.jpg")
    plain = picture if picture.mode in {"RGB", "RGBA", "L"} else picture.convert("RGBA")
    plain.save(buffer, format="PNG")
    data = buffer.getvalue()
    return replace(like, data=data, media_type="image/png", filename=f"{stem}.png")


def _from_object(given: Any) -> Image:
    if hasattr(given, "save") and hasattr(given, "mode"):
        return _from_pillow(given, "PIL image")
    if hasattr(given, "__array_interface__"):
        return _from_array(given)
    if hasattr(given, "last_frame"):
        return _from_pillow(given.last_frame(), "last frame")
    if hasattr(given, "remote_id") and hasattr(given, "video"):
        return _from_job(given)
    raise InvalidRequest(f"--image: a {type(given).__name__} is no image; it takes {ALLOWED}.")


def _from_job(job: Any) -> Image:
    if job.video is None:
        raise InvalidRequest(f"--image: the job {job.id} has no video yet ({job.status}).")
    return read_image(job.video)


def _from_path(path: Path) -> Image:
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidRequest(f"--image {path}: {reason}; it takes {ALLOWED}.") from error
    return _from_bytes(data, str(path))


def _from_bytes(data: bytes, source: str) -> Image:
    kind = _kind(data)
    if kind is None:
        raise InvalidRequest(f"--image {source}: it holds no PNG, JPEG, WebP or GIF picture.")
    stem = Path(source).stem if source != "bytes" else "image"
    return Image(source=source, data=data, media_type=kind[0], filename=f"{stem}.{kind[1]}")


def _kind(data: bytes) -> tuple[str, str] | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp", "webp"
    return next((kind for first, kind in KINDS.items() if data.startswith(first)), None)


def _from_pillow(picture: Any, source: str) -> Image:
    buffer = io.BytesIO()
    plain = picture if picture.mode in {"RGB", "RGBA", "L"} else picture.convert("RGB")
    plain.save(buffer, format="PNG")
    return Image(source=source, data=buffer.getvalue())


def _from_array(array: Any) -> Image:
    try:
        import numpy as np  # noqa: PLC0415 - an optional extra
        from PIL import Image as Pillow  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise InvalidRequest(
            "--image: a numpy array needs Pillow and numpy.", hint=MEDIA
        ) from error
    pixels = np.asarray(array)
    shape = pixels.shape
    flat = len(shape) == 2  # noqa: PLR2004 - height and width
    if not flat and not (len(shape) == 3 and shape[2] in CHANNELS):  # noqa: PLR2004
        raise InvalidRequest(f"--image: an array of shape {shape} is no picture (H×W or H×W×3/4).")
    if pixels.dtype.kind == "f":
        pixels = np.clip(pixels, 0, 1) * 255
    picture = Pillow.fromarray(pixels.astype(np.uint8))
    return _from_pillow(picture, f"array {shape[1]}x{shape[0]}")
