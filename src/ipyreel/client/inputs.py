"""Writes requests as calls, reads the files that they need, and checks if a URL is a video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ipyreel.catalog import Catalog, Model, Provider, check_request, complete_request
from ipyreel.client.http import Http
from ipyreel.client.retry import within
from ipyreel.errors import InvalidRequest, TransportError, VideoError
from ipyreel.images import MAX_IMAGE, image_of_bytes, read_image, too_large
from ipyreel.values import NOTHING, FormPart, HttpCall, HttpReply, Image, Json, VideoRequest
from ipyreel.wire.media_types import SNIFFED, VIDEO_SUFFIXES, sniff
from ipyreel.wire.refusals import wants_form
from ipyreel.wire.urls import strip_query
from ipyreel.wire.writer import chain_call, create_call, needs_image_bytes

OK = 200

FLEXIBLE = "generic"
"""The dialect of servers that may want either JSON or a form."""


def request_of(
    request: VideoRequest | str,
    *,
    images: Sequence[Image | str | Path | bytes] = (),
    extra: Mapping[str, Json] = NOTHING,
    **fields: Any,
) -> VideoRequest:
    """Return a request from a prompt or another request, with these fields replaced."""
    asked = VideoRequest(prompt=request) if isinstance(request, str) else request
    return replace(
        asked,
        images=(*asked.images, *map(read_image, images)),
        extra={**asked.extra, **extra},
        **{name: value for name, value in fields.items() if value not in {None, ""}},
    )


def id_or_part(video: str | Path) -> str | FormPart:
    """Return a job's id unchanged, and a file as a part of a form."""
    return file_part(video) if isinstance(video, Path) else video


def file_part(path: Path) -> FormPart:
    """Read a video file as a part of a form; raises `InvalidRequest` for any other file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise InvalidRequest(f"The video {path} could not be read: {reason}.") from error
    media_type = sniff(data[:SNIFFED])
    if media_type not in VIDEO_SUFFIXES:
        raise InvalidRequest(f"{path} is {media_type or 'of no known type'}, not a video.")
    return FormPart(name="video", value=data, filename=path.name, media_type=media_type)


async def with_bytes(http: Http, image: Image, timeout: float) -> Image:
    """Fetch an image that only has a URL; the key goes to the API's origin only."""
    if image.data is not None or image.url is None:
        return image
    shown = strip_query(image.url)
    try:
        late = TransportError("it did not come in time.")
        data = await within(_image_bytes(http, image.url, shown), timeout, late)
    except InvalidRequest:
        raise
    except VideoError as error:
        raise InvalidRequest(f"The image {shown} could not be fetched: {error.message}") from error
    return replace(image_of_bytes(data, shown), source=image.source, url=image.url)


async def _image_bytes(http: Http, url: str, shown: str) -> bytes:
    async with http.stream(url) as stream:
        if stream.status_code != OK:
            raise InvalidRequest(f"The image {shown} answered HTTP {stream.status_code}.")
        if stream.length is not None and stream.length > MAX_IMAGE:
            raise too_large(shown)
        return (await stream.read(MAX_IMAGE)).body


async def is_video(http: Http, url: str, timeout: float) -> bool:
    """Return whether an address has a video, by its first bytes; no answer means no."""
    if url.startswith("data:"):
        return True
    late = TransportError("it did not come in time.")
    try:
        return await within(_starts_as_video(http, url), timeout, late)
    except VideoError:
        return False


async def _starts_as_video(http: Http, url: str) -> bool:
    async with http.stream(http.absolute(url)) as stream:
        first = b""
        async for piece in stream.pieces:
            first += piece
            if len(first) >= SNIFFED:
                break
    return stream.status_code == OK and sniff(first) in VIDEO_SUFFIXES


@dataclass(slots=True, kw_only=True)
class RequestWriter:
    """Checks requests, and writes them as the calls that one provider accepts.

    `checks`: check requests by the catalog's models. `as_form`: a server that once asked for a
    form gets forms from then on.
    """

    provider: Provider
    catalog: Catalog
    checks: bool
    as_form: bool = False

    def checked(self, asked: VideoRequest) -> VideoRequest:
        """Return the request with the provider's defaults; raises `InvalidRequest`."""
        complete = complete_request(asked, self.provider)
        check_request(complete, self.provider, self._model(asked) if self.checks else None)
        return complete

    async def call(self, request: VideoRequest, http: Http, timeout: float) -> HttpCall:
        """Write a request; images are fetched if the server accepts only files."""
        if self._needs_bytes:
            images = [await with_bytes(http, image, timeout) for image in request.images]
            request = replace(request, images=tuple(images))
        return self._written(request)

    def preview(self, asked: VideoRequest) -> HttpCall:
        """Check and write a request; fetches nothing."""
        request = self.checked(asked)
        if self._needs_bytes:
            shown = (replace(image, data=image.data or b"") for image in request.images)
            request = replace(request, images=tuple(shown))
        return self._written(request)

    def turns_to_forms(self, call: HttpCall, reply: HttpReply) -> bool:
        """Return whether the server wants a form instead of this call; then write forms."""
        if self.provider.dialect != FLEXIBLE or call.json is None or not wants_form(reply):
            return False
        self.as_form = True
        return True

    @property
    def _needs_bytes(self) -> bool:
        return self.as_form or needs_image_bytes(self.provider.dialect)

    def _model(self, request: VideoRequest) -> Model | None:
        return self.catalog.model(request.model or self.provider.default_model, self.provider)

    def _written(self, request: VideoRequest) -> HttpCall:
        if request.chain is not None:
            return chain_call(request)
        model = self._model(request)
        shape = (model.shape if model else None) or ""
        return create_call(request, self.provider.dialect, as_form=self.as_form, shape=shape)
