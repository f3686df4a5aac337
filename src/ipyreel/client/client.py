"""The client of one provider's `/v1/videos`: create, retrieve, list, delete, remix, download."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from ipyreel.catalog import (
    Catalog,
    KeyRing,
    Provider,
    Secret,
    require_base_url,
)
from ipyreel.catalog.keys import Environment, read_headers, read_key
from ipyreel.client.account import ask_balance, ask_offers
from ipyreel.client.download import Download
from ipyreel.client.fetch import OnProgress
from ipyreel.client.http import Headers, Http, HttpClient
from ipyreel.client.inputs import OK, RequestWriter, file_part, id_or_part, is_video, request_of
from ipyreel.client.part_record import PartMemory, PartRecord, ProcessMemory
from ipyreel.client.retry import (
    DownloadPolicy,
    RetryPolicy,
    Sleep,
    Timeouts,
    poll_until_ended,
)
from ipyreel.client.submit import OnSend, Submission, ignore_send
from ipyreel.client.transport import Transport
from ipyreel.errors import DownloadError, InvalidRequest
from ipyreel.values import (
    ENDED,
    NOTHING,
    Balance,
    HttpCall,
    HttpReply,
    Image,
    Json,
    Offer,
    VideoFile,
    VideoJob,
    VideoPage,
    VideoRequest,
)
from ipyreel.wire.job_fields import meaning
from ipyreel.wire.media_types import IMAGE_SUFFIXES, SNIFFED, sniff
from ipyreel.wire.reader import read_character, read_deleted, read_job, read_models, read_page
from ipyreel.wire.refusals import read_error
from ipyreel.wire.urls import strip_query
from ipyreel.wire.writer import (
    character_call,
    content_call,
    delete_call,
    edit_call,
    extension_call,
    list_call,
    models_call,
    retrieve_call,
)


class VideoClient:
    """Client of one provider; belongs to one event loop, and also works without a notebook.

    >>> async with VideoClient("apiyi") as client:                        # doctest: +SKIP
    ...     job = await client.create_and_wait("A cat on a beach", seconds=4, size="1280x720")
    ...     file = await client.download(job, Path("cat.mp4"))

    Parameters
    ----------
    provider
        The name of a built-in row, or your own row.
    key
        The API key; if not given, it is taken from the row's variables or the keyring.
        It is sent to the provider's own origin only.
    base_url
        Replaces the base URL of the row.
    retry, timeouts
        How often a POST that was certainly not accepted is sent again; how long replies may take.
    sleep, clock, rng
        Time and randomness: `clock` returns seconds since the epoch, `rng` numbers in [0, 1).
    transport
        Replaces the network, for tests.
    catalog
        Rows to write requests by, and to check them before they are sent. The default is the
        built-in rows, which do not check a provider that is given as a row.

    default_headers
        Sent with every request to the provider's own origin, and to no other.
    http_client
        Your own `httpx.AsyncClient` (client certificates, a proxy, hooks) for requests to the
        provider's own origin. It is not closed here. Files elsewhere are fetched without it.

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
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.time,
        rng: Callable[[], float] = random.random,
        transport: Transport | None = None,
        timeouts: Timeouts | None = None,
        catalog: Catalog | None = None,
        default_headers: Mapping[str, str] = NOTHING,
        http_client: HttpClient | None = None,
    ) -> None:
        # First of all: the traceback of an error below may show what `key` is.
        key = read_key(key, "what was given") if isinstance(key, str) else key
        environ = Environment()
        checks = catalog is not None or isinstance(provider, str)
        catalog = catalog or Catalog.load()
        if isinstance(provider, str):
            provider = catalog.provider(provider)
        self._writer = RequestWriter(provider=provider, catalog=catalog, checks=checks)
        self.provider = provider
        self.retry = retry or RetryPolicy()
        self.timeouts = (timeouts or Timeouts()).with_poll(provider.timeout_read)
        self._sleep, self._clock, self._rng = sleep, clock, rng
        self._keys = KeyRing(environ)
        self.key = self._keys.find(provider) if key is None else key
        self._http = Http(
            base_url or require_base_url(provider, environ),
            key=self.key,
            key_header=provider.key_header,
            headers=read_headers(provider, environ),
            allow_plain_http=provider.plain_http,
            transport=transport,
            timeouts=self.timeouts,
            default_headers=default_headers,
            client=http_client,
        )
        self._parts: dict[Path, PartRecord] = {}
        self._asked: set[str] = set()

    def __repr__(self) -> str:
        """Name the provider and its address, never the key."""
        return f"VideoClient({self.provider.name!r}, base_url={strip_query(self._http.base_url)!r})"

    async def __aenter__(self) -> VideoClient:  # noqa: PYI034 - Self came with Python 3.11
        """Open nothing yet: the first request opens a connection."""
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

    async def create(  # noqa: PLR0913 - what a request may hold, each by its name
        self,
        request: VideoRequest | str,
        *,
        model: str | None = None,
        seconds: float | None = None,
        size: str | None = None,
        seed: int | None = None,
        images: Sequence[Image | str | Path | bytes] = (),
        extra: Mapping[str, Json] = NOTHING,
        on_send: OnSend = ignore_send,
        timeout: float | None = None,
        headers: Headers = NOTHING,
    ) -> VideoJob:
        """Request a video, once, and return the job as the server describes it.

        Parameters
        ----------
        request
            A prompt, or a whole request; the other arguments override its fields.
        images
            `Image`s, paths, URLs, or encoded bytes.
        on_send
            Called with True right before bytes may be sent, with False once this attempt was
            certainly not accepted.
        timeout, headers
            For this call, as in every method here: how long the reply may take, in seconds, and
            further headers for the provider's own origin.

        Raises
        ------
        InvalidRequest
            The request was refused here; nothing was sent.
        ProviderError
            The server refused it; the subclass says how.
        TransportError
            The server could not be reached; nothing was accepted.
        SubmissionUnknown
            The request may have arrived. It is never sent again automatically.
        """
        asked = request_of(
            request,
            model=model,
            seconds=seconds,
            size=size,
            seed=seed,
            images=images,
            extra=extra,
        )
        self._require_key()
        return await self._submit(
            self._writer.checked(asked), on_send, self._submission(timeout, headers)
        )

    async def retrieve(
        self,
        remote_id: str,
        *,
        polling_url: str | None = None,
        timeout: float | None = None,
        headers: Headers = NOTHING,
    ) -> VideoJob:
        """Ask once for the state of a job. `polling_url` is used if it is on the provider's origin.

        Raises `ProviderError`, `TransportError` or `WireError`; the caller decides whether to ask
        again.
        """
        self._require_key()
        if polling_url is not None:
            polling_url = self._http.absolute(polling_url)
            polling_url = polling_url if self._http.is_home(polling_url) else None
        call = retrieve_call(remote_id, polling_url=polling_url)
        reply = await self._send(call, timeout, headers)
        # A server that sends two answers for one question shifts those to all that follow on the
        # same connection.
        self._asked.add(remote_id)
        job = read_job(reply, now=self._clock(), remote_id=remote_id, others=self._asked)
        if job.status == "in_progress" and job.urls and meaning(job.raw_status) is None:
            # An unknown status with an address: the job is done if the address has a video.
            for url in job.urls:
                if await is_video(self._http, url, self.timeouts.poll):
                    return replace(job, status="completed", urls=(url,))
        return job

    async def list(
        self,
        *,
        limit: int = 20,
        after: str | None = None,
        timeout: float | None = None,
        headers: Headers = NOTHING,
    ) -> VideoPage:
        """Return one page of the account's jobs, newest first; `after` asks for the next.

        Raises `InvalidRequest` if the provider is known to have no list.
        """
        self._require_route("list", "cannot list its jobs")
        call = list_call(limit, after, dialect=self.provider.dialect)
        reply = await self._send(call, timeout, headers)
        return read_page(reply, now=self._clock())

    async def delete(
        self, remote_id: str, *, timeout: float | None = None, headers: Headers = NOTHING
    ) -> bool:
        """Delete a job and its file; True if the server confirms. It may still continue the work.

        Raises `InvalidRequest` if the provider is known to have no such route, and `JobNotFound`
        if the job no longer exists.
        """
        self._require_route("delete", "cannot delete jobs")
        reply = await self._send(delete_call(remote_id), timeout, headers)
        return read_deleted(reply, now=self._clock())

    async def remix(
        self,
        remote_id: str,
        prompt: str,
        *,
        on_send: OnSend = ignore_send,
        timeout: float | None = None,
        headers: Headers = NOTHING,
    ) -> VideoJob:
        """Request a finished job's video with changes; the POST is sent as in `create`."""
        request = VideoRequest(prompt=prompt, remix_of=remote_id)
        return await self.create(request, on_send=on_send, timeout=timeout, headers=headers)

    async def edit(
        self,
        prompt: str,
        *,
        video: str | Path,
        on_send: OnSend = ignore_send,
        timeout: float | None = None,
        headers: Headers = NOTHING,
    ) -> VideoJob:
        """Request a video with changes: `video` is a finished job's id (text) or a file.

        Raises `InvalidRequest` if the provider has no such route, else what `create` raises.
        """
        self._require_route("edits", "cannot edit videos")
        call = edit_call(prompt, video=id_or_part(video))
        return await self._submission(timeout, headers).start(call, on_send)

    async def extend(
        self,
        prompt: str,
        *,
        video: str | Path,
        seconds: float | None = None,
        on_send: OnSend = ignore_send,
        timeout: float | None = None,
        headers: Headers = NOTHING,
    ) -> VideoJob:
        """Request a continuation of a video, `seconds` long; `video` as in `edit`."""
        self._require_route("extensions", "cannot extend videos")
        call = extension_call(prompt, video=id_or_part(video), seconds=seconds)
        return await self._submission(timeout, headers).start(call, on_send)

    async def create_character(
        self, name: str, video: Path, *, timeout: float | None = None, headers: Headers = NOTHING
    ) -> str:
        """Make a character from a video file; return its id. `name` has 1 to 80 characters."""
        self._require_route("characters", "cannot make characters")
        call = character_call(name, file_part(video))
        reply = await self._submission(timeout, headers).post(call, ignore_send)
        return read_character(reply, now=self._clock())

    async def variant(
        self,
        remote_id: str,
        name: str = "thumbnail",
        *,
        timeout: float | None = None,
        headers: Headers = NOTHING,
    ) -> Image:
        """Fetch a picture of a finished job: "thumbnail" or "spritesheet".

        Raises `DownloadError` for anything else: some gateways send the video.
        """
        self._require_route("variants", "has no thumbnails")
        call = content_call(remote_id, variant=name)
        reply = await self._send(call, timeout, headers)
        if reply.status_code != OK:
            raise read_error(reply, now=self._clock())
        media_type = sniff(reply.body[:SNIFFED]) or "something else"
        if media_type not in IMAGE_SUFFIXES:
            raise DownloadError(f"{self.provider.title} sent {media_type} instead of a {name}.")
        return Image(
            source=f"{name} of {remote_id}",
            data=reply.body,
            media_type=media_type,
            filename=f"{name}.{IMAGE_SUFFIXES[media_type]}",
        )

    async def models(
        self, *, timeout: float | None = None, headers: Headers = NOTHING
    ) -> tuple[str, ...]:
        """Return the names of the models that the server offers to this key."""
        self._require_key()
        reply = await self._send(models_call(self.provider.dialect), timeout, headers)
        return read_models(reply, now=self._clock())

    async def offers(self) -> tuple[Offer, ...]:
        """Return what the provider says about its models, with prices if it has them."""
        return await ask_offers(*self._asking())

    async def balance(self) -> Balance | None:
        """Return the balance of the key; None if the provider has no route for it."""
        return await ask_balance(*self._asking())

    def _asking(self) -> tuple[Http, str, float, float]:
        self._require_key()
        return self._http, self.provider.dialect, self.timeouts.poll, self._clock()

    async def watch(
        self,
        job: VideoJob | str,
        *,
        interval: float = 10.0,
        deadline: float = 3600.0,
        timeout: float | None = None,
        headers: Headers = NOTHING,
    ) -> AsyncIterator[VideoJob]:
        """Ask every `interval` seconds and yield each answer, until the job has ended.

        `job` is a job or its remote id. A server that does not answer is asked again, with
        backoff. Raises `WaitTimeout` after `deadline` seconds; the job continues.
        """
        remote_id = job if isinstance(job, str) else job.remote_id
        if isinstance(job, VideoJob) and job.status in ENDED:
            yield job
            return
        answers = poll_until_ended(
            lambda: self.retrieve(remote_id, timeout=timeout, headers=headers),
            interval=interval,
            deadline=deadline,
            retry=self.retry,
            sleep=self._sleep,
            clock=self._clock,
            rng=self._rng,
        )
        async for answer in answers:
            yield answer

    async def wait(
        self,
        /,
        job: VideoJob | str,
        *,
        on_update: Callable[[VideoJob], object] | None = None,
        **asking: Any,
    ) -> VideoJob:
        """Watch a job, calling `on_update` with each answer, and return the last one.

        Takes the arguments of `watch`, and raises what it raises.
        """
        async for answer in self.watch(job, **asking):
            if on_update is not None:
                on_update(answer)
        return answer

    async def create_and_wait(
        self,
        /,
        request: VideoRequest | str,
        *,
        interval: float = 10.0,
        deadline: float = 3600.0,
        on_update: Callable[[VideoJob], object] | None = None,
        headers: Headers = NOTHING,
        **fields: Any,
    ) -> VideoJob:
        """Request a video as `create` does, and wait for it as `wait` does.

        `headers` are sent with all of its requests, `timeout` is for the reply to the first one.
        """
        job = await self.create(request, headers=headers, **fields)
        return await self.wait(
            job, interval=interval, deadline=deadline, on_update=on_update, headers=headers
        )

    async def jobs(self, /, *, page_size: int = 20, **asking: Any) -> AsyncIterator[VideoJob]:
        """Yield all of the account's jobs, newest first, page after page; raises as `list`."""
        seen: set[str] = set()
        after: str | None = None
        while True:
            page = await self.list(limit=page_size, after=after, **asking)
            fresh = [job for job in page.jobs if job.remote_id not in seen]
            for job in fresh:
                seen.add(job.remote_id)
                yield job
            # Servers that ignore `after` send the same page endlessly.
            if page.after is None or not fresh:
                return
            after = page.after

    async def download(
        self,
        job: VideoJob,
        target: Path,
        *,
        on_progress: OnProgress | None = None,
        policy: DownloadPolicy | None = None,
        memory: PartMemory | None = None,
        timeout: float | None = None,
        headers: Headers = NOTHING,
    ) -> VideoFile:
        """Download a finished job's video to `target`; continues an earlier partial download.

        The name gets the suffix of the file's real type; nothing is overwritten. `memory` stores
        what a later process needs to continue; without it, this client remembers its own
        downloads. `on_progress` gets the bytes received and those of the whole file (None: not
        known). `timeout` is for the whole download and replaces the policy's deadline. Raises
        `DownloadError`, `JobNotFound`, or the last error of the server or the connection.
        """
        if job.status in {"failed", "cancelled"}:
            reason = job.failure.message if job.failure else "no reason was given"
            raise DownloadError(f"There is no file: the job {job.status} ({reason}).")
        self._require_key()
        policy = policy or DownloadPolicy()
        download = Download(
            http=self._http.with_headers(headers),
            urls=self._video_urls(job),
            target=Path(target),
            sleep=self._sleep,
            clock=self._clock,
            rng=self._rng,
            memory=memory or ProcessMemory(Path(target), self._parts),
            refresh=lambda: self._urls_now(job.remote_id, headers),
            policy=policy if timeout is None else replace(policy, deadline=timeout),
            on_progress=on_progress,
        )
        return await download.run()

    def preview(self, request: VideoRequest | str) -> HttpCall:
        """Return the call that `create` would make, with its full URL and the key masked.

        Sends and fetches nothing. Raises `InvalidRequest` as `create` does.
        """
        call = self._writer.preview(request_of(request))
        return replace(
            call,
            path=strip_query(self._http.url_for(call)),
            query={},
            headers=self._http.headers_for(call, masked=True),
        )

    async def _send(self, call: HttpCall, timeout: float | None, headers: Headers) -> HttpReply:
        http, limit = self._http.with_headers(headers), self.timeouts.poll
        return await http.send(call, timeout=limit if timeout is None else timeout)

    async def _urls_now(self, remote_id: str, headers: Headers) -> tuple[str, ...]:
        return self._video_urls(await self.retrieve(remote_id, headers=headers))

    def _video_urls(self, job: VideoJob) -> tuple[str, ...]:
        route = self._http.url_for(content_call(job.remote_id))
        urls = tuple(
            url if url.startswith("data:") else self._http.absolute(url) for url in job.urls
        )
        return (route, *urls) if self.provider.content == "content" else (*urls, route)

    async def _submit(
        self, request: VideoRequest, on_send: OnSend, submission: Submission
    ) -> VideoJob:
        limit = self.timeouts.create
        call = await self._writer.call(request, self._http, limit)
        reply = await submission.post(call, on_send)
        if self._writer.turns_to_forms(call, reply):
            # A body that the server could not read was certainly not accepted.
            on_send(False)  # noqa: FBT003 - the shape of OnSend
            call = await self._writer.call(request, self._http, limit)
            reply = await submission.post(call, on_send)
        return submission.read(reply, on_send)

    def _submission(self, timeout: float | None = None, headers: Headers = NOTHING) -> Submission:
        return Submission.to(
            self.provider,
            http=self._http.with_headers(headers),
            retry=self.retry,
            sleep=self._sleep,
            clock=self._clock,
            rng=self._rng,
            timeout=timeout or self.provider.timeout_create or self.timeouts.create,
        )

    def _require_key(self) -> None:
        """Refuse to send without a key if one is needed; a preview needs none."""
        if self.key is None and self.provider.needs_key:
            self._keys.require(self.provider)

    def _require_route(self, route: str, lack: str) -> None:
        self._require_key()
        if route not in self.provider.routes:
            raise InvalidRequest(f"{self.provider.title} {lack}.")
