"""Input images: taken as a person gives them, fetched where the server wants their bytes.

May import `http` of the client, `wire`, `values` and `errors`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from ipyreel.client.addresses import bare
from ipyreel.client.http import Http
from ipyreel.client.stream import Stream
from ipyreel.errors import InvalidRequest, VideoError
from ipyreel.values import Image
from ipyreel.wire.reader import sniff

MAX_IMAGE = 20 * 2**20
"""The largest input image in bytes: OpenAI's own limit, and no server studied takes more."""

ENOUGH = 64
OK = 200
SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}


def as_image(given: Image | str | Path | bytes) -> Image:
    """Make an `Image` of a path, a URL or encoded bytes; an `Image` passes as it is.

    Raises `InvalidRequest` for a file that cannot be read, or is no PNG, JPEG or WebP.
    """
    if isinstance(given, Image):
        return given
    if isinstance(given, bytes):
        return _checked(given, source="bytes", name="image")
    text = str(given)
    if text.startswith(("http://", "https://")):
        return Image(source=bare(text), url=text)
    try:
        data = Path(text).read_bytes()
    except OSError as error:
        raise InvalidRequest(
            f"The image {text} could not be read: {error.strerror or error}."
        ) from error
    return _checked(data, source=text, name=Path(text).stem)


async def with_bytes(image: Image, http: Http) -> Image:
    """Fetch the pixels of an image that is given by its URL only; others pass as they are.

    The key goes along to the API's own origin only, as always. Raises `InvalidRequest` when
    the image does not come or is none.
    """
    if image.data is not None or image.url is None:
        return image
    place = bare(image.url)
    try:
        async with http.stream(image.url) as stream:
            data = await _read(stream, place)
    except InvalidRequest:
        raise
    except VideoError as error:
        raise InvalidRequest(f"The image {place} could not be fetched: {error.message}") from error
    name = Path(urlsplit(place).path).stem or "image"
    found = _checked(data, source=image.source, name=name)
    return replace(found, url=image.url)


async def _read(stream: Stream, place: str) -> bytes:
    if stream.status_code != OK:
        raise InvalidRequest(
            f"The image {place} could not be fetched: the answer was {stream.status_code}."
        )
    return (await stream.read(MAX_IMAGE)).body


def _checked(data: bytes, *, source: str, name: str) -> Image:
    media_type = sniff(data[:ENOUGH])
    if media_type not in SUFFIXES:
        raise InvalidRequest(
            f"The image {source} is {media_type or 'of no known type'}.",
            hint="Servers take PNG, JPEG and WebP.",
        )
    if len(data) > MAX_IMAGE:
        raise InvalidRequest(f"The image {source} is larger than {MAX_IMAGE // 2**20} MB.")
    return Image(
        source=source, data=data, media_type=media_type, filename=f"{name}{SUFFIXES[media_type]}"
    )
