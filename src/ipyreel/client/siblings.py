"""The routes beside create, retrieve and content, for providers whose row says they have them.

May import the rest of the client but `client`, `wire`, the catalog, `values` and `errors`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ipyreel.catalog import Provider
from ipyreel.client.download import save
from ipyreel.client.http import Http
from ipyreel.client.mp4 import VIDEO_TYPES
from ipyreel.client.retry import Timeouts
from ipyreel.client.submit import OnSend, Submission, unheard
from ipyreel.errors import DownloadError, InvalidRequest
from ipyreel.values import FormPart, HttpCall, Image, VideoFile, VideoJob, VideoRequest
from ipyreel.wire.reader import read_character, read_error, read_models, sniff
from ipyreel.wire.writer import (
    character_call,
    content_call,
    edit_call,
    extension_call,
    models_call,
    sync_call,
)

SYNC_TIMEOUT = 660.0
"""Seconds for a POST that is answered with the film: vLLM-Omni gives up after 600 s itself."""

SYNC_LIMIT = 512 * 2**20
"""The largest film, in bytes, that is taken out of such an answer."""

LONGEST_NAME = 80
OK = 200

SUFFIXES = {"image/webp": "webp", "image/jpeg": "jpg", "image/png": "png"}


class Siblings:
    """What a `VideoClient` can do beyond the three routes that every server has.

    Each method raises `InvalidRequest`, in one sentence, where the provider has no such route,
    and otherwise what `create` and `retrieve` raise.
    """

    provider: Provider
    timeouts: Timeouts
    _http: Http
    _clock: Callable[[], float]

    async def edit(self, prompt: str, *, video: str | Path, on_send: OnSend = unheard) -> VideoJob:
        """Ask for a video with changes: `video` is a finished job's id (text) or a file."""
        self._require_route("edits", "cannot edit videos")
        return await self._start(edit_call(prompt, video=_film(video)), on_send)

    async def extend(
        self,
        prompt: str,
        *,
        video: str | Path,
        seconds: float | None = None,
        on_send: OnSend = unheard,
    ) -> VideoJob:
        """Ask for what comes after the end of a video, `seconds` long; `video` as in `edit`."""
        self._require_route("extensions", "cannot extend videos")
        call = extension_call(prompt, video=_film(video), seconds=seconds)
        return await self._start(call, on_send)

    async def create_character(self, name: str, video: Path) -> str:
        """Make a character out of a film and return its id; `name` has 1 to 80 characters."""
        self._require_route("characters", "cannot make characters")
        if not 1 <= len(name) <= LONGEST_NAME:
            raise InvalidRequest(f"A character's name has 1 to {LONGEST_NAME} characters.")
        call = character_call(name, _part(video))
        reply = await self._submission().post(call, unheard)
        return read_character(reply, now=self._clock())

    async def variant(self, remote_id: str, name: str = "thumbnail") -> Image:
        """Fetch a picture of a finished job: "thumbnail" or "spritesheet".

        Raises `DownloadError` when something else comes: some gateways send the film.
        """
        self._require_route("variants", "has no thumbnails")
        call = content_call(remote_id, variant=name)
        reply = await self._http.send(call, timeout=self.timeouts.poll)
        if reply.status_code != OK:
            raise read_error(reply, now=self._clock())
        media_type = sniff(reply.body[:64])
        if media_type not in SUFFIXES:
            what = media_type or "something else"
            raise DownloadError(f"{self.provider.title} sent {what} instead of a {name}.")
        return Image(
            source=f"{name} of {remote_id}",
            data=reply.body,
            media_type=media_type,
            filename=f"{name}.{SUFFIXES[media_type]}",
        )

    async def create_sync(
        self, request: VideoRequest | str, target: Path, *, on_send: OnSend = unheard
    ) -> VideoFile:
        """Ask for a video, stay on the line until it is made, and save it as `target`.

        There is no job: when the line breaks, so does the video. For tests of an engine.
        """
        self._require_route("sync", "has no /videos/sync; create() asks for a job")
        asked = VideoRequest(prompt=request) if isinstance(request, str) else request
        call = sync_call(self._checked(asked), self.provider.dialect)
        submission = replace(self._submission(), timeout=SYNC_TIMEOUT, limit=SYNC_LIMIT)
        reply = await submission.post(call, on_send)
        if reply.status_code == OK and sniff(reply.body[:64]) in VIDEO_TYPES:
            return await asyncio.to_thread(save, reply.body, target)
        job = submission.read(reply, on_send)
        raise DownloadError(
            f"{self.provider.title} answered with the job {job.remote_id} instead of its film.",
            hint="Wait for that job and download it.",
        )

    async def models(self) -> tuple[str, ...]:
        """Return the names of the models that the server says it offers to this key."""
        self._require_key()
        call = models_call(self.provider.dialect)
        reply = await self._http.send(call, timeout=self.timeouts.poll)
        return read_models(reply, now=self._clock())

    async def _start(self, call: HttpCall, on_send: OnSend) -> VideoJob:
        submission = self._submission()
        return submission.read(await submission.post(call, on_send), on_send)

    def _require_route(self, route: str, lack: str) -> None:
        self._require_key()
        if route not in self.provider.routes:
            raise InvalidRequest(f"{self.provider.title} {lack}.")

    def _require_key(self) -> None:
        raise NotImplementedError

    def _checked(self, asked: VideoRequest) -> VideoRequest:
        raise NotImplementedError

    def _submission(self) -> Submission:
        raise NotImplementedError


def _film(video: str | Path) -> str | FormPart:
    return _part(video) if isinstance(video, Path) else video


def _part(path: Path) -> FormPart:
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise InvalidRequest(f"The video {path} could not be read: {reason}.") from error
    media_type = sniff(data[:64])
    if media_type not in VIDEO_TYPES:
        raise InvalidRequest(f"{path} is {media_type or 'of no known type'}, and no video.")
    return FormPart(name="video", value=data, filename=path.name, media_type=media_type)
