"""The client of one provider's `/v1/videos`: create, retrieve, list, delete, remix, download.

May import the rest of the client, `wire`, the catalog, `values` and `errors`.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from ipyreel.catalog import (
    Catalog,
    KeyRing,
    Model,
    Provider,
    Secret,
    check_request,
    complete_request,
    require_base_url,
)
from ipyreel.catalog.keys import read_key
from ipyreel.client.addresses import bare
from ipyreel.client.download import Download, DownloadPolicy
from ipyreel.client.fetch import OnProgress
from ipyreel.client.http import Http
from ipyreel.client.inputs import as_image, with_bytes
from ipyreel.client.pools import Transport
from ipyreel.client.retry import RetryPolicy, Timeouts
from ipyreel.client.siblings import Siblings
from ipyreel.client.submit import OnSend, Submission, unheard
from ipyreel.client.waiting import until_ended
from ipyreel.errors import DownloadError
from ipyreel.values import (
    NOTHING,
    HttpCall,
    Image,
    Json,
    VideoFile,
    VideoJob,
    VideoPage,
    VideoRequest,
)
from ipyreel.wire.reader import read_deleted, read_job, read_page, wants_form
from ipyreel.wire.writer import (
    chain_call,
    content_call,
    create_call,
    delete_call,
    list_call,
    needs_image_bytes,
    retrieve_call,
)

FLEXIBLE = "generic"
"""The dialect of servers of which it is not known whether they want JSON or a form."""


class VideoClient(Siblings):
    """Speaks to one provider; belongs to one event loop, and is usable without a notebook.

    >>> async with VideoClient("apiyi") as client:                        # doctest: +SKIP
    ...     job = await client.create("A cat on a beach", seconds=4, size="1280x720")
    ...     job = await client.wait(job.remote_id)
    ...     file = await client.download(job, Path("cat.mp4"))

    Parameters
    ----------
    provider
        The name of a built-in row, or a row of one's own.
    key
        The API key; without one it is looked for in the row's variables and the keyring.
        It goes to the provider's own origin only.
    base_url
        Instead of the row's.
    retry
        How often and how fast a POST that surely was not accepted is sent again.
    sleep, clock, rng
        Time and chance: `clock` returns seconds since the epoch, `rng` numbers in [0, 1).
    transport
        Instead of the network, for tests.
    timeouts
        How long is waited for answers.
    catalog
        Rows by which requests are written, and checked before they are sent; without one the
        built-in rows, by which a provider that is itself given as a row is not checked.

    Raises
    ------
    ConfigError
        The name is not known, or there is no usable address or key.
    """

    def __init__(  # noqa: PLR0913 - time and chance are arguments here, each one by its name
        self,
        provider: str | Provider,
        *,
        key: str | Secret | None = None,
        base_url: str | None = None,
        retry: RetryPolicy | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] = time.time,
        rng: Callable[[], float] = random.random,
        transport: Transport | None = None,
        timeouts: Timeouts | None = None,
        catalog: Catalog | None = None,
    ) -> None:
        self._catalog = catalog or Catalog.load()
        self._checks = catalog is not None or isinstance(provider, str)
        if isinstance(provider, str):
            provider = self._catalog.provider(provider)
        self.provider = provider
        self.retry = retry or RetryPolicy()
        self.timeouts = timeouts or Timeouts()
        self._sleep, self._clock, self._rng = sleep, clock, rng
        self._keys = KeyRing(os.environ)
        self.key = read_key(key, "what was given") if isinstance(key, str) else key
        if self.key is None:
            self.key = self._keys.find(provider)
        self._http = Http(
            base_url or require_base_url(provider, os.environ),
            key=self.key,
            key_header=provider.key_header,
            allow_plain_http=provider.plain_http,
            transport=transport,
            timeouts=self.timeouts,
        )
        # A server that once asked for a form gets forms from then on.
        self._as_form = False

    def __repr__(self) -> str:
        """Name the provider and its address, never the key."""
        return f"VideoClient({self.provider.name!r}, base_url={bare(self._http.base_url)!r})"

    async def __aenter__(self) -> VideoClient:  # noqa: PYI034 - Self came with Python 3.11
        """Open nothing yet: connections come with the first question."""
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def create(
        self,
        request: VideoRequest | str,
        *,
        model: str | None = None,
        seconds: float | None = None,
        size: str | None = None,
        seed: int | None = None,
        images: Sequence[Image | str | Path | bytes] = (),
        extra: Mapping[str, Json] = NOTHING,
        on_send: OnSend = unheard,
    ) -> VideoJob:
        """Ask for a video, once, and return the job as the server describes it.

        Parameters
        ----------
        request
            A prompt, or a whole request; the other fields go over those of the request.
        images
            `Image`s, paths, URLs, or encoded bytes.
        on_send
            Called with True right before bytes may leave, with False once it is sure that
            this attempt was not accepted.

        Raises
        ------
        InvalidRequest
            Refused here; nothing was sent.
        ProviderError
            Refused by the server, in a subclass that says how.
        TransportError
            The server could not be reached; surely nothing was accepted.
        SubmissionUnknown
            The request may have arrived. It is never sent again by itself.
        """
        asked = VideoRequest(prompt=request) if isinstance(request, str) else request
        asked = replace(
            asked,
            model=model or asked.model,
            seconds=asked.seconds if seconds is None else seconds,
            size=size or asked.size,
            seed=asked.seed if seed is None else seed,
            images=(*asked.images, *map(as_image, images)),
            extra={**asked.extra, **extra},
        )
        self._require_key()
        return await self._submit(self._checked(asked), on_send)

    async def retrieve(self, remote_id: str, *, polling_url: str | None = None) -> VideoJob:
        """Ask once how a job stands. `polling_url` is used when it lies at the provider.

        Raises `ProviderError`, `TransportError` or `WireError`; whoever polls decides about
        asking again.
        """
        self._require_key()
        if polling_url is not None:
            polling_url = self._http.absolute(polling_url)
            polling_url = polling_url if self._http.is_home(polling_url) else None
        call = retrieve_call(remote_id, polling_url=polling_url)
        reply = await self._http.send(call, timeout=self.timeouts.poll)
        return read_job(reply, now=self._clock(), remote_id=remote_id)

    async def list(self, *, limit: int = 20, after: str | None = None) -> VideoPage:
        """Return one page of the account's jobs, newest first; `after` asks for the next.

        Raises `InvalidRequest` where the provider is known to have no list.
        """
        self._require_route("list", "cannot list its jobs")
        call = list_call(limit, after, dialect=self.provider.dialect)
        reply = await self._http.send(call, timeout=self.timeouts.poll)
        return read_page(reply, now=self._clock())

    async def delete(self, remote_id: str) -> bool:
        """Delete a job and its file; True when the server says so. It may work on all the same.

        Raises `InvalidRequest` where the provider is known to have no such route, and
        `JobNotFound` when it is gone already.
        """
        self._require_route("delete", "cannot delete jobs")
        reply = await self._http.send(delete_call(remote_id), timeout=self.timeouts.poll)
        return read_deleted(reply, now=self._clock())

    async def remix(self, remote_id: str, prompt: str, *, on_send: OnSend = unheard) -> VideoJob:
        """Ask for a finished job's video with changes; sent as carefully as `create`."""
        return await self.create(VideoRequest(prompt=prompt, remix_of=remote_id), on_send=on_send)

    async def wait(
        self, remote_id: str, *, interval: float = 10.0, deadline: float = 3600.0
    ) -> VideoJob:
        """Ask every `interval` seconds until the job has ended, well or badly.

        A server that does not answer is asked again, at growing distances. Raises
        `WaitTimeout` after `deadline` seconds; the job goes on.
        """
        return await until_ended(
            lambda: self.retrieve(remote_id),
            interval=interval,
            deadline=deadline,
            retry=self.retry,
            sleep=self._sleep,
            clock=self._clock,
            rng=self._rng,
        )

    async def download(
        self,
        job: VideoJob,
        target: Path,
        *,
        on_progress: OnProgress | None = None,
        patience: DownloadPolicy | None = None,
    ) -> VideoFile:
        """Fetch a finished job's video into `target`, going on with what is there already.

        The name gets the ending that is true of the file; nothing is overwritten.
        `on_progress` gets the bytes that are here and those of the whole file (None: not
        known). Raises `DownloadError`, `JobNotFound`, or what the server or the way to it
        ended with.
        """
        if job.status in {"failed", "cancelled"}:
            reason = job.failure.message if job.failure else "no reason was given"
            raise DownloadError(f"There is no file: the job {job.status} ({reason}).")
        self._require_key()
        download = Download(
            http=self._http,
            places=self._places(job),
            target=Path(target),
            sleep=self._sleep,
            clock=self._clock,
            rng=self._rng,
            patience=patience or DownloadPolicy(),
            on_progress=on_progress,
        )
        return await download.run()

    def preview(self, request: VideoRequest | str) -> HttpCall:
        """Return the call that `create` would make, with its whole URL and the key masked.

        Sends and fetches nothing. Raises `InvalidRequest` as `create` does.
        """
        asked = VideoRequest(prompt=request) if isinstance(request, str) else request
        complete = self._checked(asked)
        if self._needs_bytes(as_form=self._as_form):
            shown = (replace(image, data=image.data or b"") for image in complete.images)
            complete = replace(complete, images=tuple(shown))
        call = self._call(complete, as_form=self._as_form)
        return replace(
            call,
            path=bare(self._http.url_for(call)),
            query={},
            headers=self._http.headers_for(call, masked=True),
        )

    def _places(self, job: VideoJob) -> tuple[str, ...]:
        route = self._http.url_for(content_call(job.remote_id))
        urls = tuple(
            url if url.startswith("data:") else self._http.absolute(url) for url in job.urls
        )
        return (route, *urls) if self.provider.content == "content" else (*urls, route)

    def _model(self, request: VideoRequest) -> Model | None:
        return self._catalog.model(request.model or self.provider.default_model, self.provider)

    def _checked(self, asked: VideoRequest) -> VideoRequest:
        model = self._model(asked)
        complete = complete_request(asked, self.provider, model)
        check_request(complete, self.provider, model if self._checks else None)
        return complete

    def _needs_bytes(self, *, as_form: bool) -> bool:
        return as_form or needs_image_bytes(self.provider.dialect)

    async def _fetched(self, request: VideoRequest, *, as_form: bool) -> VideoRequest:
        """Put the pixels in place of addresses where the server takes files only."""
        if not self._needs_bytes(as_form=as_form):
            return request
        images = [await with_bytes(image, self._http) for image in request.images]
        return replace(request, images=tuple(images))

    def _call(self, request: VideoRequest, *, as_form: bool) -> HttpCall:
        if request.chain is not None:
            return chain_call(request)
        model = self._model(request)
        shape = (model.shape if model else None) or ""
        return create_call(request, self.provider.dialect, as_form=as_form, shape=shape)

    async def _submit(self, request: VideoRequest, on_send: OnSend) -> VideoJob:
        submission = self._submission()
        request = await self._fetched(request, as_form=self._as_form)
        call = self._call(request, as_form=self._as_form)
        reply = await submission.post(call, on_send)
        if self.provider.dialect == FLEXIBLE and call.json is not None and wants_form(reply):
            # A body that the server could not even read was surely not accepted.
            on_send(False)  # noqa: FBT003 - the shape of OnSend
            self._as_form = True
            request = await self._fetched(request, as_form=True)
            reply = await submission.post(self._call(request, as_form=True), on_send)
        return submission.read(reply, on_send)

    def _submission(self) -> Submission:
        can_list = "list" in self.provider.routes
        where = "in the list of jobs" if can_list else f"at {self.provider.title}"
        return Submission(
            http=self._http,
            name=self.provider.title,
            retry=self.retry,
            sleep=self._sleep,
            clock=self._clock,
            rng=self._rng,
            timeout=self.timeouts.create,
            advice=f"Look for it {where} first.",
        )

    def _require_key(self) -> None:
        """Refuse to ask without a key where one is needed; a preview needs none."""
        if self.key is None and self.provider.needs_key:
            self._keys.require(self.provider)
