"""Writes images and sizes as each dialect expects them: files, addresses, ratios, resolutions."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ipyreel.errors import InvalidRequest
from ipyreel.values import FormPart, Image, Json

Images = tuple[Image, ...]
Fields = tuple[dict[str, Json], tuple[FormPart, ...]]
"""Further fields, and files (which make the request a form)."""

_FETCH_HINT = "Download the picture first and give its path or bytes."


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageWay:
    """How a dialect takes images: `show` converts one or more to fields and files.

    `most` None: no limit. `needs_bytes`: an address alone cannot be sent.
    """

    show: Callable[[Images], Fields]
    most: int | None = 1
    needs_bytes: bool = False


def reference(image: Image) -> str:
    """Return the address of an image: its URL, or a data URL if it has bytes."""
    if image.data is not None:
        text = base64.b64encode(image.data).decode("ascii")
        return f"data:{image.media_type};base64,{text}"
    if image.url is None:
        raise InvalidRequest(
            "The pixels of an input image are not stored.", hint="Give the image again."
        )
    return image.url


def file_part(image: Image, name: str = "input_reference") -> FormPart:
    """Return an image as a file of a form, under its real media type."""
    if image.data is None:
        raise InvalidRequest(
            "This provider accepts the input image only as a file, not by its address.",
            hint=_FETCH_HINT,
        )
    return FormPart(
        name=name, value=image.data, filename=image.filename, media_type=image.media_type
    )


def _file_or(make: Callable[[str], dict[str, Json]], name: str = "input_reference") -> ImageWay:
    """Return the `ImageWay` that sends bytes as a file, and a URL as `make` writes it."""

    def show(images: Images) -> Fields:
        if images[0].data is not None:
            return {}, (file_part(images[0], name),)
        return make(reference(images[0])), ()

    return ImageWay(show=show)


def _plain_text(url: str) -> dict[str, Json]:
    return {"input_reference": url}


def _vllm_omni(images: Images) -> Fields:
    """Send files; a single address is sent as the JSON text of an object."""
    if len(images) == 1 and images[0].data is None:
        return {"image_reference": {"image_url": reference(images[0])}}, ()
    name = "input_reference" if len(images) == 1 else "input_references"
    return {}, tuple(file_part(image, name) for image in images)


def _image_and_images(images: Images) -> Fields:
    """Send one image under both names (kling reads `image`, vidu `images`), several in a list.

    Never `input_reference`: it would replace the list (new-api `relay_utils.go`).
    """
    return {**_image_or_images(images)[0], **_list("images")(images)[0]}, ()


def _list(name: str) -> Callable[[Images], Fields]:
    return lambda images: ({name: [reference(image) for image in images]}, ())


def _image_or_images(images: Images) -> Fields:
    if len(images) == 1:
        return {"image": reference(images[0])}, ()
    return _list("images")(images)


def _openrouter(images: Images) -> Fields:
    """Send the first and the last frame; more than two are references."""
    shown = [{"type": "image_url", "image_url": {"url": reference(image)}} for image in images]
    if len(shown) > len(_FRAMES):
        return {"input_references": shown}, ()
    frames = [{**item, "frame_type": name} for item, name in zip(shown, _FRAMES, strict=False)]
    return {"frame_images": frames}, ()


_FRAMES = ("first_frame", "last_frame")

IMAGE_WAYS: Mapping[str, ImageWay] = MappingProxyType(
    {
        "file": ImageWay(show=lambda images: ({}, (file_part(images[0]),)), needs_bytes=True),
        "text": ImageWay(show=lambda images: (_plain_text(reference(images[0])), ())),
        "file or object": _file_or(lambda url: {"input_reference": {"image_url": url}}),
        "file or text": _file_or(_plain_text),
        "file or reference_url": _file_or(lambda url: {"reference_url": url}),
        "file or image_reference": _file_or(
            lambda url: {"image_reference": {"content": url, "format": "url"}}, "image_reference"
        ),
        "files or text": ImageWay(show=_vllm_omni, most=None),
        "image and images": ImageWay(show=_image_and_images, most=None),
        "image or images": ImageWay(show=_image_or_images, most=None),
        "images": ImageWay(show=_list("images"), most=None),
        "reference_images": ImageWay(show=_list("reference_images"), most=None),
        "frame_images": ImageWay(show=_openrouter, most=None),
    }
)
"""Every way to send images, by the name that the rows of dialects use."""


_PIXELS = re.compile(r"(\d{1,5})[xX*×](\d{1,5})", re.ASCII)
_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9", "9:21")
_SHORT_SIDES = {360: "360p", 480: "480p", 512: "512p", 540: "540p", 720: "720p", 768: "768p"}
_LONG_SHORT_SIDES = {1024: "1024p", 1080: "1080p", 1440: "2k", 2160: "4k"}
_CLOSE = 0.04


def _pixels(size: str) -> tuple[int, int] | None:
    found = _PIXELS.fullmatch(size.strip())
    if found is None or int(found[1]) == 0 or int(found[2]) == 0:
        return None
    return int(found[1]), int(found[2])


def aspect_ratio(size: str) -> str | None:
    """Return the common ratio closest to "WxH" (within 4 %: 864x496 is 16:9), or None."""
    pixels = _pixels(size)
    if pixels is None:
        return None
    wanted = pixels[0] / pixels[1]

    def distance(ratio: str) -> float:
        across, down = ratio.split(":")
        return abs(wanted / (int(across) / int(down)) - 1)

    best = min(_RATIOS, key=distance)
    return best if distance(best) <= _CLOSE else None


def resolution(size: str) -> str | None:
    """Return the name of the short side ("720p"), a word unchanged, or None."""
    pixels = _pixels(size)
    if pixels is None:
        return size.strip().lower() or None
    names = _SHORT_SIDES | _LONG_SHORT_SIDES
    short = min(names, key=lambda side: abs(side - min(pixels)))
    return names[short] if abs(short / min(pixels) - 1) <= _CLOSE else None


def _upper_resolution(size: str) -> str | None:
    name = resolution(size)
    return name.upper() if name else None


_SIZE_FIELDS: Mapping[str, Callable[[str], str | None]] = {
    "size": str,
    "aspect_ratio": aspect_ratio,
    "ratio": aspect_ratio,
    "resolution": resolution,
    "RESOLUTION": _upper_resolution,
}


def _as(*names: str) -> Callable[[str], dict[str, Json]]:
    """Return a function that writes a size into these fields; upper-case names: in upper case."""
    return lambda size: {name.lower(): _SIZE_FIELDS[name](size) for name in names}


def _size_or_resolution(size: str) -> dict[str, Json]:
    return {"size": size} if _pixels(size) else {"resolution": size}


def _in_metadata(size: str) -> dict[str, Json]:
    inner = _as("RESOLUTION", "ratio")(size)
    return {"size": size, "metadata": {name: text for name, text in inner.items() if text}}


SIZES: Mapping[str, Callable[[str], dict[str, Json]]] = MappingProxyType(
    {
        "size": _as("size"),
        "size and ratio": _as("size", "aspect_ratio"),
        "size or resolution": _size_or_resolution,
        "ratio and RESOLUTION": _as("aspect_ratio", "RESOLUTION"),
        "size, ratio and resolution": _as("size", "aspect_ratio", "resolution"),
        "size, named ratio and resolution": _as("size", "ratio", "resolution"),
        "size and metadata": _in_metadata,
        "size and RESOLUTION": _as("size", "RESOLUTION"),
    }
)
"""Every way to write a size, by the name that the rows of dialects use."""
