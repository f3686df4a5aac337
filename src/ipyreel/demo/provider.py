"""Computes the demo server's reply to each request: calls and bodies in, replies out.

It uses no socket and no web framework: `server` passes the requests.
"""

from __future__ import annotations

import dataclasses
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from ipyreel.demo import render_queue
from ipyreel.demo.dialects import DIALECTS, Dialect, models_of
from ipyreel.demo.exchange import Call, Reply, file_reply
from ipyreel.demo.jobs import JobFolder, JobRecord, View, new_record, view
from ipyreel.demo.render_queue import RenderQueue
from ipyreel.demo.requests import (
    Refused,
    RequestBody,
    VideoRequest,
    missing,
    read_prompt,
    read_size,
    read_video,
    wrong_value,
)
from ipyreel.values import Json

POLL_MS = 400
"""The value of `openai-poll-after-ms` at speed 1."""

LONGEST = 120
"""Seconds to which a video can be extended: OpenAI's own limit."""

MAX_QUEUED = 100
"""Jobs that may wait for the renderer; more are refused with 429."""

_STEPS = {
    ("POST", "videos"): "create",
    ("GET", "videos"): "list",
    ("GET", "videos/*"): "retrieve",
    ("DELETE", "videos/*"): "delete",
    ("GET", "videos/*/content"): "content",
    ("HEAD", "videos/*/content"): "content",
    ("POST", "videos/*/remix"): "remix",
    ("GET", "models"): "models",
    ("GET", "models/*"): "models",
}


def find_step(method: str, raw_path: str) -> tuple[str, str]:
    """Return the operation of a request, and the id in its path; "" for no route.

    The path is still percent-encoded: an id may contain an encoded slash.
    """
    path = raw_path.rstrip("/")
    if method in ("GET", "HEAD") and (found := re.fullmatch(r"/files/([^/]+)\.mp4", path)):
        return "file", unquote(found[1])
    if method == "POST" and (found := re.fullmatch(r"/v1/videos/(edits|extensions)", path)):
        return found[1], ""
    if method == "POST" and path == "/v1/videos/characters":
        return "create_character", ""
    if method == "GET" and (found := re.fullmatch(r"/v1/videos/characters/([^/]+)", path)):
        return "get_character", unquote(found[1])
    found = re.fullmatch(r"/v1/(models|videos)(?:/([^/]+)(/content|/remix)?)?", path)
    if found is None:
        return "", ""
    shape = found[1] + ("/*" if found[2] else "") + (found[3] or "")
    return _STEPS.get((method, shape), ""), unquote(found[2] or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """The demo provider without its HTTP server.

    `speed` divides the duration of every job; finished videos are kept for `keeps` seconds;
    `key` is the only key accepted (None: any or none); `stub` gives every job the same tiny
    video at once.
    """

    dialect: Dialect = DIALECTS["demo"]
    jobs: JobFolder
    queue: RenderQueue
    clock: Callable[[], float]
    speed: float = 1.0
    keeps: float = 86400.0
    key: str | None = dataclasses.field(default=None, repr=False)
    stub: bool = False

    def reply(
        self, call: Call, body: RequestBody | None = None, *, job_id: str | None = None
    ) -> Reply:
        """Return the reply to one request; `job_id` is the id for a new job."""
        try:
            return self._reply(call, body or RequestBody(), job_id)
        except Refused as refused:
            return self.refuse(refused)

    def refuse(self, refused: Refused) -> Reply:
        """Return a refusal in the dialect's shape."""
        body = self.dialect.error(refused) if refused.body is None else refused.body
        headers = {"retry-after": "2"} if refused.status == 429 else {}  # noqa: PLR2004
        return Reply(status=refused.status, json=body, headers=headers)

    def check_key(self, call: Call) -> None:
        """Refuse a request with another key or without one, if a key is set."""
        if self.key is None:
            return
        given = call.headers.get("authorization", "")
        word, _, rest = given.partition(" ")
        if word.lower() == "bearer":
            given = rest.strip()
        elif not self.dialect.bare_key:
            given = ""
        if not hmac.compare_digest(given.encode(), self.key.encode()):
            raise self.dialect.wrong_key

    def record(self, call: Call) -> JobRecord | None:
        """Return the job a request is about, if there is one."""
        if call.step == "file":
            return self.jobs.by_stem(call.job_id.rpartition("-")[0])
        about_job = call.step in {"retrieve", "content", "delete", "remix"}
        return self.jobs.read(call.job_id) if about_job else None

    def download_url(self, call: Call, record: JobRecord) -> str:
        """Return an address of a job's video that needs no key."""
        return f"{call.origin}/files/{self.jobs.stem(record.id)}-{record.ticket}.mp4"

    def _reply(self, call: Call, body: RequestBody, job_id: str | None) -> Reply:
        if call.step == "file":  # its address contains a secret
            return self._file(call)
        self.check_key(call)
        if call.step == "create":
            return self._create(call, self.dialect.read(body), job_id=job_id)
        if call.step == "models":
            return self._models(call.job_id)
        if call.step in {"retrieve", "content"}:
            record = self._known(call.job_id)
            if call.step == "content":
                return self._content(call, record)
            return self._tell(call, record, self._view(record))
        if call.step not in self.dialect.routes:
            raise Refused(404, f"Invalid URL ({call.method} {call.path})")
        return self._on_route(call, body, job_id)

    def _on_route(self, call: Call, body: RequestBody, job_id: str | None) -> Reply:
        """Return the reply on a route that not every dialect has."""
        if call.step == "list":
            return self._list(call)
        if call.step == "delete":
            return self._delete(self._known(call.job_id))
        if call.step == "create_character":
            return self._create_character(body)
        if call.step == "get_character":
            return self._get_character(call.job_id)
        makers = {"edits": self._edit, "extensions": self._extend, "remix": self._remix}
        return makers[call.step](call, body, job_id)

    def _known(self, job_id: str) -> JobRecord:
        record = self.jobs.read(job_id)
        if record is None:
            raise self.dialect.unknown_job(job_id)
        return record

    # ----------------------------------------------------------------------- new jobs

    def _create(
        self,
        call: Call,
        request: VideoRequest,
        *,
        job_id: str | None,
        remixed_from: str | None = None,
    ) -> Reply:
        if self.queue.waiting >= MAX_QUEUED:
            message = f"{MAX_QUEUED} jobs are waiting here. Try again later."
            raise Refused(429, message, code="rate_limit_exceeded", kind="rate_limit_error")
        now = self.clock()
        record = new_record(request, now=now, speed=self.speed, keeps=self.keeps, job_id=job_id)
        rendered = now if self.stub else None
        record = dataclasses.replace(
            record, stub=self.stub, rendered_at=rendered, remixed_from=remixed_from
        )
        # Saved before the reply: an id that a client has received is never lost.
        self.jobs.add(record, request.image, request.clip)
        self.queue.submit(record)
        # As it was when it was created: a new job is queued, however slow this machine is.
        return dataclasses.replace(self._tell(call, record, view(record, now)), created=True)

    def _remix(self, call: Call, body: RequestBody, job_id: str | None) -> Reply:
        source = self._known(call.job_id)
        request = self._like(source, read_prompt(body))
        return self._create(call, request, job_id=job_id, remixed_from=source.id)

    def _like(self, source: JobRecord, prompt: str) -> VideoRequest:
        """Return the request of a finished job with another prompt."""
        self._ready_file(source)
        return VideoRequest(
            prompt=prompt,
            model=source.model,
            seconds=source.seconds,
            width=source.width,
            height=source.height,
            seed=source.seed,
            image=self.jobs.image(source),
            captioned=source.captioned,
        )

    def _edit(self, call: Call, body: RequestBody, job_id: str | None) -> Reply:
        prompt, video = read_prompt(body), read_video(body)
        if isinstance(video, bytes):
            request = self._of_upload(video, prompt)
        else:
            request = self._like(self._known(video), prompt)
        return self._create(call, request, job_id=job_id)

    def _extend(self, call: Call, body: RequestBody, job_id: str | None) -> Reply:
        prompt, video = read_prompt(body), read_video(body)
        more = self.dialect.read_more(body)
        if isinstance(video, bytes):
            before, clip = self._of_upload(video, prompt), video
        else:
            source = self._known(video)
            before, clip = self._like(source, prompt), self._ready_file(source).read_bytes()
        total = before.seconds + more
        if total > LONGEST:
            message = f"A video can be extended to {LONGEST} seconds; this would be {total:g}."
            raise wrong_value("seconds", message)
        request = dataclasses.replace(before, seconds=total, image=None, clip=clip)
        return self._create(call, request, job_id=job_id)

    def _of_upload(self, video: bytes, prompt: str) -> VideoRequest:
        """Return a request for a video with the length, size and first frame of an upload."""
        try:
            width, height, seconds, image = render_queue.look_at(video)
        except ValueError as error:
            message = "Invalid video: 'video' could not be read as a video."
            raise Refused(400, message, code="invalid_video", param="video") from error
        if seconds > LONGEST:
            raise wrong_value("video", f"Invalid video: longer than {LONGEST} seconds.")
        width, height = read_size(f"{width}x{height}")
        model = next(iter(models_of(self.dialect.name)))
        return VideoRequest(
            prompt=prompt, model=model, seconds=seconds, width=width, height=height, image=image
        )

    # --------------------------------------------------------------------- known jobs

    def _view(self, record: JobRecord) -> View:
        seen = view(record, self.clock())
        if seen.running:
            # The server that should have rendered it may have ended: then it is rendered here.
            self.queue.submit(record)
        return seen

    def _job(self, call: Call, record: JobRecord, seen: View) -> dict[str, Json]:
        return self.dialect.job(record, seen, self.download_url(call, record))

    def _tell(self, call: Call, record: JobRecord, seen: View) -> Reply:
        headers = {}
        if seen.running and self.dialect.poll_hint:
            headers["openai-poll-after-ms"] = str(max(20, round(POLL_MS / self.speed)))
        return Reply(json=self._job(call, record, seen), headers=headers, record=record)

    def _list(self, call: Call) -> Reply:
        limit = call.query.get("limit", "20")
        order = call.query.get("order", "desc")
        if not re.fullmatch("[0-9]{1,3}", limit) or int(limit) > 100:  # noqa: PLR2004 - OpenAI's own limit
            raise Refused(400, "'limit' must be an integer from 0 to 100.", param="limit")
        if order not in {"asc", "desc"}:
            raise Refused(400, "'order' must be 'asc' or 'desc'.", param="order")
        records = self.jobs.all()
        if order == "desc":
            records.reverse()
        after = call.query.get("after")
        if after:
            ids = [record.id for record in records]
            if after not in ids:
                raise Refused(400, f"No video with id '{after}' to continue after.", param="after")
            records = records[ids.index(after) + 1 :]
        page = records[: int(limit)]
        body = {
            "object": "list",
            "data": [self._job(call, record, self._view(record)) for record in page],
            "first_id": page[0].id if page else None,
            "last_id": page[-1].id if page else None,
            "has_more": len(records) > len(page),
        }
        return Reply(json=body)

    def _delete(self, record: JobRecord) -> Reply:
        self.jobs.remove(record.id)
        body = {"id": record.id, "object": "video.deleted", "deleted": True}
        return Reply(json=body, record=record)

    # ----------------------------------------------------------------------- content

    def _ready_file(self, record: JobRecord) -> Path:
        seen = self._view(record)
        if seen.running:
            raise self.dialect.not_ready(record.id)
        path = self.jobs.video(record)
        if seen.status == "failed" or seen.expired or not path.exists():
            raise self.dialect.gone(record.id)
        return path

    def _content(self, call: Call, record: JobRecord) -> Reply:
        path = self._ready_file(record)
        variant = call.query.get("variant", "video")
        if variant == "video":
            if self.dialect.content_moves:
                target = self.download_url(call, record)
                return Reply(status=302, headers={"location": target}, record=record)
            return self._bytes(call, record, path)
        if variant not in {"thumbnail", "spritesheet"}:
            allowed = "'video', 'thumbnail', and 'spritesheet'"
            message = f"Invalid value: '{variant}'. Supported values are: {allowed}."
            raise wrong_value("variant", message)
        make = (
            render_queue.make_spritesheet if variant == "spritesheet" else render_queue.make_still
        )
        body = make(record, path, self.jobs.image(record))
        return Reply(body=body, headers={"content-type": "image/webp"}, record=record)

    def _bytes(self, call: Call, record: JobRecord, path: Path) -> Reply:
        tag = f'"{self.jobs.stem(record.id)}"'
        wanted = call.headers.get("range")
        if call.headers.get("if-range", tag) != tag:
            wanted = None
        return dataclasses.replace(file_reply(path, wanted, tag=tag), record=record)

    def _file(self, call: Call) -> Reply:
        record = self.record(call)
        ticket = call.job_id.rpartition("-")[2]
        if record is None or not hmac.compare_digest(record.ticket.encode(), ticket.encode()):
            raise Refused(404, "No such file.")
        return self._bytes(call, record, self._ready_file(record))

    # --------------------------------------------------------------- models, characters

    def _models(self, name: str) -> Reply:
        rows = [
            {"id": name, "object": "model", "created": 0, "owned_by": "ipyreel-demo"}
            for name in models_of(self.dialect.name)
        ]
        if not name:
            return Reply(json={"object": "list", "data": rows})
        for row in rows:
            if row["id"] == name:
                return Reply(json=row)
        message = f"The model '{name}' does not exist"
        raise Refused(404, message, code="model_not_found", param="model")

    def _create_character(self, body: RequestBody) -> Reply:
        name, video = body.text("name"), read_video(body)
        if name is None:
            raise missing("name")
        if not isinstance(video, bytes):
            raise wrong_value("video", "Invalid type for 'video': expected a file.")
        self._of_upload(video, name)
        character = {
            "id": f"char_{secrets.token_hex(16)}",
            "name": name[:100],
            "created_at": int(self.clock()),
        }
        self.jobs.add_character(character)
        return Reply(json=character)

    def _get_character(self, character_id: str) -> Reply:
        character = self.jobs.character(character_id)
        if character is None:
            raise Refused(
                404, f"Character with id '{character_id}' not found.", param="character_id"
            )
        return Reply(json=character)
