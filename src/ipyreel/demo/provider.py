"""What the demo provider answers to each request: visits and orders in, answers out.

No socket and no web framework here; `server` brings the requests.
"""

from __future__ import annotations

import dataclasses
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from ipyreel.demo import render_queue
from ipyreel.demo.answers import Answer, Visit, file_answer
from ipyreel.demo.dialects import DIALECTS, Dialect
from ipyreel.demo.render_queue import RenderQueue
from ipyreel.demo.requests import Ask, Order, Refused, read_prompt, read_size, read_video
from ipyreel.demo.state import JobRecord, Shelf, View, plan, view
from ipyreel.demo.tables import models_of

POLL_MS = 400
"""What `openai-poll-after-ms` says at speed 1."""

LONGEST = 120
"""Seconds to which a video can be extended: OpenAI's own limit."""

_STEPS = {
    ("POST", "videos"): "create",
    ("GET", "videos"): "list",
    ("GET", "videos/*"): "retrieve",
    ("DELETE", "videos/*"): "delete",
    ("GET", "videos/*/content"): "content",
    ("POST", "videos/*/remix"): "remix",
    ("GET", "models"): "models",
}


def find_step(method: str, raw_path: str) -> tuple[str, str]:
    """Say what a request wants and of which job; "" when there is no such route.

    The path is taken as it came, still percent-encoded: an id may hold an encoded slash.
    """
    path = raw_path.rstrip("/")
    if method == "GET" and (found := re.fullmatch(r"/files/([^/]+)\.mp4", path)):
        return "file", unquote(found[1])
    if method == "POST" and (found := re.fullmatch(r"/v1/videos/(edits|extensions)", path)):
        return found[1], ""
    found = re.fullmatch(r"/v1/(models|videos)(?:/([^/]+)(/content|/remix)?)?", path)
    if found is None:
        return "", ""
    shape = found[1] + ("/*" if found[2] else "") + (found[3] or "")
    return _STEPS.get((method, shape), ""), unquote(found[2] or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """The demo provider behind its door.

    `speed` divides the length of every job, `keeps` is how many seconds after completion its
    content stays, `key` the only key taken (None: any or none), `stub` gives every job the
    same tiny video at once.
    """

    dialect: Dialect = DIALECTS["demo"]
    shelf: Shelf
    shop: RenderQueue
    clock: Callable[[], float]
    speed: float = 1.0
    keeps: float = 86400.0
    key: str | None = dataclasses.field(default=None, repr=False)
    stub: bool = False

    def answer(self, visit: Visit, ask: Ask | None = None, *, job_id: str | None = None) -> Answer:
        """Answer one request; `job_id` is the id that a new job is to get."""
        try:
            return self._answer(visit, ask or Ask(fields={}), job_id)
        except Refused as refused:
            return self.refuse(refused)

    def refuse(self, refused: Refused) -> Answer:
        """Say no in the dialect's shape."""
        body = self.dialect.error(refused) if refused.body is None else refused.body
        return Answer(status=refused.status, json=body)

    def record(self, visit: Visit) -> JobRecord | None:
        """Return the job a request is about, if there is one."""
        if visit.step == "file":
            return self.shelf.by_stem(visit.job_id.rpartition("-")[0])
        return self.shelf.read(visit.job_id) if visit.job_id else None

    def download_url(self, visit: Visit, record: JobRecord) -> str:
        """Return the address of a job's video that needs no key."""
        return f"{visit.origin}/files/{self.shelf.stem(record.id)}-{record.ticket}.mp4"

    def _answer(self, visit: Visit, ask: Ask, job_id: str | None) -> Answer:
        if visit.step == "file":
            return self._file(visit)
        self._check_key(visit)
        if visit.step == "create":
            return self._create(visit, self.dialect.read(ask), job_id=job_id)
        if visit.step == "models":
            return self._models()
        if visit.step in self.dialect.routes | {"retrieve", "content"}:
            return self._beyond(visit, ask, job_id)
        raise Refused(404, f"Invalid URL ({visit.method} {visit.path})")

    def _beyond(self, visit: Visit, ask: Ask, job_id: str | None) -> Answer:
        """Answer on the route of a step that this dialect has."""
        if visit.step == "list":
            return self._list(visit)
        made_of = {"edits": self._edit, "extensions": self._extend, "remix": self._remix}
        if visit.step in made_of:
            return made_of[visit.step](visit, ask, job_id)
        steps = {"retrieve": self._retrieve, "content": self._content, "delete": self._delete}
        return steps[visit.step](visit, self._known(visit.job_id))

    def _check_key(self, visit: Visit) -> None:
        if self.key is None:
            return
        given = visit.headers.get("authorization", "")
        word, _, rest = given.partition(" ")
        if word.lower() == "bearer":
            given = rest.strip()
        elif not self.dialect.bare_key:
            given = ""
        if not hmac.compare_digest(given.encode(), self.key.encode()):
            raise self.dialect.wrong_key

    def _known(self, job_id: str) -> JobRecord:
        record = self.shelf.read(job_id)
        if record is None:
            raise self.dialect.unknown_job(job_id)
        return record

    def _create(
        self,
        visit: Visit,
        order: Order,
        *,
        job_id: str | None,
        remixed_from: str | None = None,
    ) -> Answer:
        now = self.clock()
        record = plan(order, now=now, speed=self.speed, keeps=self.keeps, job_id=job_id)
        rendered = now if self.stub else None
        record = dataclasses.replace(
            record, stub=self.stub, rendered_at=rendered, remixed_from=remixed_from
        )
        self.shelf.add(
            record, order.image, order.clip
        )  # before the answer: an id once told is kept
        self.shop.want(record)
        return dataclasses.replace(self._tell(visit, record), created=True)

    def _remix(self, visit: Visit, ask: Ask, job_id: str | None) -> Answer:
        source = self._known(visit.job_id)
        order = self._like(source, read_prompt(ask))
        return self._create(visit, order, job_id=job_id, remixed_from=source.id)

    def _like(self, source: JobRecord, prompt: str) -> Order:
        """Order what a finished job was made of, with another prompt: the same scene, redone."""
        self._ready_file(source)
        return Order(
            prompt=prompt,
            model=source.model,
            seconds=source.seconds,
            width=source.width,
            height=source.height,
            seed=source.seed,
            image=self.shelf.image(source),
        )

    def _edit(self, visit: Visit, ask: Ask, job_id: str | None) -> Answer:
        prompt, video = read_prompt(ask), read_video(ask)
        if isinstance(video, bytes):
            order = self._of_upload(video, prompt)
        else:
            order = self._like(self._known(video), prompt)
        return self._create(visit, order, job_id=job_id)

    def _extend(self, visit: Visit, ask: Ask, job_id: str | None) -> Answer:
        prompt, video = read_prompt(ask), read_video(ask)
        more = self.dialect.read_more(ask)
        if isinstance(video, bytes):
            before, clip = self._of_upload(video, prompt), video
        else:
            source = self._known(video)
            before, clip = self._like(source, prompt), self._ready_file(source).read_bytes()
        total = before.seconds + more
        if total > LONGEST:
            message = f"A video can be extended to {LONGEST} seconds; this makes {total:g}."
            raise Refused(400, message, code="invalid_value", param="seconds")
        order = dataclasses.replace(before, seconds=total, image=None, clip=clip)
        return self._create(visit, order, job_id=job_id)

    def _of_upload(self, film: bytes, prompt: str) -> Order:
        """Order a film as long and large as one that was sent, which begins as that begins."""
        try:
            width, height, seconds, image = render_queue.look_at(film)
        except ValueError as error:
            message = "Invalid video: 'video' could not be read as a film."
            raise Refused(400, message, code="invalid_video", param="video") from error
        width, height = read_size(f"{width}x{height}")
        model = next(iter(models_of(self.dialect.name)))
        return Order(
            prompt=prompt, model=model, seconds=seconds, width=width, height=height, image=image
        )

    def _view(self, record: JobRecord) -> View:
        seen = view(record, self.clock())
        if seen.running:
            # An earlier server's job, whose rendering ended with that server, is made here.
            self.shop.want(record)
        return seen

    def _job(self, visit: Visit, record: JobRecord, seen: View) -> dict[str, object]:
        return self.dialect.job(record, seen, self.download_url(visit, record))

    def _tell(self, visit: Visit, record: JobRecord) -> Answer:
        seen = self._view(record)
        headers = {}
        if seen.running and self.dialect.poll_hint:
            headers["openai-poll-after-ms"] = str(max(20, round(POLL_MS / self.speed)))
        return Answer(json=self._job(visit, record, seen), headers=headers, record=record)

    def _retrieve(self, visit: Visit, record: JobRecord) -> Answer:
        return self._tell(visit, record)

    def _list(self, visit: Visit) -> Answer:
        limit = visit.query.get("limit", "20")
        order = visit.query.get("order", "desc")
        if not limit.isdecimal() or int(limit) > 100:  # noqa: PLR2004 - OpenAI's own limit
            raise Refused(400, "'limit' must be an integer from 0 to 100.", param="limit")
        if order not in {"asc", "desc"}:
            raise Refused(400, "'order' must be 'asc' or 'desc'.", param="order")
        records = self.shelf.all()
        if order == "desc":
            records.reverse()
        after = visit.query.get("after")
        if after is not None:
            ids = [record.id for record in records]
            if after not in ids:
                raise Refused(400, f"No video with id '{after}' to go on after.", param="after")
            records = records[ids.index(after) + 1 :]
        page = records[: int(limit)]
        body = {
            "object": "list",
            "data": [self._job(visit, record, self._view(record)) for record in page],
            "first_id": page[0].id if page else None,
            "last_id": page[-1].id if page else None,
            "has_more": len(records) > len(page),
        }
        return Answer(json=body)

    def _delete(self, _visit: Visit, record: JobRecord) -> Answer:
        self.shelf.remove(record.id)
        body = {"id": record.id, "object": "video.deleted", "deleted": True}
        return Answer(json=body, record=record)

    def _ready_file(self, record: JobRecord) -> Path:
        seen = self._view(record)
        if seen.running:
            raise self.dialect.not_ready(record.id)
        path = self.shelf.video(record)
        if seen.status == "failed" or seen.expired or not path.exists():
            raise self.dialect.gone(record.id)
        return path

    def _content(self, visit: Visit, record: JobRecord) -> Answer:
        path = self._ready_file(record)
        variant = visit.query.get("variant", "video")
        if variant == "video":
            if self.dialect.content_moves:
                target = self.download_url(visit, record)
                return Answer(status=302, headers={"location": target}, record=record)
            return self._bytes(visit, record, path)
        draw = self._draw(record, path)
        if variant == "thumbnail":
            body = draw(record.seconds / 2, "webp")
            return Answer(body=body, headers={"content-type": "image/webp"}, record=record)
        if variant == "spritesheet":
            body = render_queue.make_spritesheet(record, draw)
            return Answer(body=body, headers={"content-type": "image/jpeg"}, record=record)
        allowed = "'video', 'thumbnail', and 'spritesheet'"
        message = f"Invalid value: '{variant}'. Supported values are: {allowed}."
        raise Refused(400, message, code="invalid_value", param="variant")

    def _draw(self, record: JobRecord, path: Path) -> render_queue.Draw:
        """Return what makes pictures of a job: anew, or out of a film that is made of two."""
        if record.has_clip and not record.stub:
            return lambda at, kind: render_queue.picture_of(path, at, kind)
        image = self.shelf.image(record)
        return lambda at, kind: render_queue.make_still(record, image, at=at, kind=kind)

    def _bytes(self, visit: Visit, record: JobRecord, path: Path) -> Answer:
        tag = f'"{self.shelf.stem(record.id)}"'
        wanted = visit.headers.get("range")
        if visit.headers.get("if-range", tag) != tag:
            wanted = None
        return dataclasses.replace(file_answer(path, wanted, tag=tag), record=record)

    def _file(self, visit: Visit) -> Answer:
        record = self.record(visit)
        ticket = visit.job_id.rpartition("-")[2]
        if record is None or not hmac.compare_digest(record.ticket.encode(), ticket.encode()):
            raise Refused(404, "No such file.")
        return self._bytes(visit, record, self._ready_file(record))

    def _models(self) -> Answer:
        rows = [
            {"id": name, "object": "model", "created": 0, "owned_by": "ipyreel-demo"}
            for name in models_of(self.dialect.name)
        ]
        return Answer(json={"object": "list", "data": rows})
