"""Writes input images as each dialect takes them: file, address, object or list."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ipyreel.errors import InvalidRequest
from ipyreel.values import FormPart, Image, Json

Images = tuple[Image, ...]
Fields = tuple[dict[str, Json], tuple[FormPart, ...]]
"""Fields beside the others, and files (which make the request a form)."""

_FETCH_HINT = "Download the picture first and give its path or bytes."


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageWay:
    """How a dialect takes images: `show` makes fields and files out of one or more.

    `most` None: as many as given. `needs_bytes`: an address alone cannot be sent.
    """

    show: Callable[[Images], Fields]
    most: int | None = 1
    needs_bytes: bool = False


def reference(image: Image) -> str:
    """Return the address of an image: its URL, or a data URL when there are bytes."""
    if image.data is not None:
        text = base64.b64encode(image.data).decode("ascii")
        return f"data:{image.media_type};base64,{text}"
    if image.url is None:
        raise InvalidRequest(
            "The pixels of an input image are not kept.", hint="Give the image again."
        )
    return image.url


def file_part(image: Image, name: str = "input_reference") -> FormPart:
    """Return an image as a file of a form, under its real media type."""
    if image.data is None:
        raise InvalidRequest(
            "This provider takes the input image as a file only, not by its address.",
            hint=_FETCH_HINT,
        )
    return FormPart(
        name=name, value=image.data, filename=image.filename, media_type=image.media_type
    )


def _file(images: Images) -> Fields:
    return {}, (file_part(images[0]),)


def _file_or(make: Callable[[str], dict[str, Json]], name: str = "input_reference") -> ImageWay:
    """Return the way of a dialect that takes bytes as a file, and a URL as `make` writes it."""

    def show(images: Images) -> Fields:
        if images[0].data is not None:
            return {}, (file_part(images[0], name),)
        return make(reference(images[0])), ()

    return ImageWay(show=show)


def _text(images: Images) -> Fields:
    """Send the image as one text: its URL, or a data URL."""
    return _plain_text(reference(images[0])), ()


def _openai_object(url: str) -> dict[str, Json]:
    return {"input_reference": {"image_url": url}}


def _plain_text(url: str) -> dict[str, Json]:
    return {"input_reference": url}


def _sglang_url(url: str) -> dict[str, Json]:
    return {"reference_url": url}


def _trtllm_url(url: str) -> dict[str, Json]:
    return {"image_reference": {"content": url, "format": "url"}}


def _vllm_omni(images: Images) -> Fields:
    """Send files; one address goes as the JSON text of an object."""
    if len(images) == 1 and images[0].data is None:
        return {"image_reference": {"image_url": reference(images[0])}}, ()
    name = "input_reference" if len(images) == 1 else "input_references"
    return {}, tuple(file_part(image, name) for image in images)


def _image_and_images(images: Images) -> Fields:
    """Send one image under both names (kling reads `image`, vidu `images`), several in a list.

    Never `input_reference`: it would replace the list (new-api `relay_utils.go`).
    """
    urls = [reference(image) for image in images]
    if len(urls) == 1:
        return {"image": urls[0], "images": urls}, ()
    return {"images": urls}, ()


def _one_image(images: Images) -> Fields:
    return {"image": reference(images[0])}, ()


def _image_or_images(images: Images) -> Fields:
    return _one_image(images) if len(images) == 1 else _image_list(images)


def _image_list(images: Images) -> Fields:
    return {"images": [reference(image) for image in images]}, ()


def _reference_images(images: Images) -> Fields:
    return {"reference_images": [reference(image) for image in images]}, ()


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
        "file": ImageWay(show=_file, needs_bytes=True),
        "text": ImageWay(show=_text),
        "file or object": _file_or(_openai_object),
        "file or text": _file_or(_plain_text),
        "file or reference_url": _file_or(_sglang_url),
        "file or image_reference": _file_or(_trtllm_url, "image_reference"),
        "files or text": ImageWay(show=_vllm_omni, most=None),
        "image and images": ImageWay(show=_image_and_images, most=None),
        "image": ImageWay(show=_one_image),
        "image or images": ImageWay(show=_image_or_images, most=None),
        "images": ImageWay(show=_image_list, most=None),
        "reference_images": ImageWay(show=_reference_images, most=None),
        "frame_images": ImageWay(show=_openrouter, most=None),
    }
)
"""Every way to send images, by the name that the rows of dialects use."""
