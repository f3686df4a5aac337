"""Shops that speak as vendors do, and kernels that order there: real sockets, made-up time."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from pathlib import Path
from types import MappingProxyType

from ipyreel.catalog import Catalog, KeyRing
from ipyreel.client import Timeouts
from ipyreel.jobs.files import sidecar_path
from ipyreel.jobs.run import JobConfig
from ipyreel.jobs.store import JobStore
from ipyreel.session import Session
from ipyreel.settings import Settings
from ipyreel.values import VideoRequest
from tests.support.demo import Clock, LiveDemo, running_demo

BOUND = 60
"""Seconds after which a case gives up on a thread: a net under it, nothing that is measured."""

KEY = "sk-conformance-key-0123456789"
PROMPT = "A paper boat on a <b>quiet</b> lake"
VIDEO_ENDINGS = {".mp4", ".mov", ".m4v", ".webm", ".avi"}

KEYS = dict.fromkeys(
    ("OPENAI_API_KEY", "TIDEMIND_API_KEY", "APIYI_API_KEY", "AIID_API_KEY", "SHOP_KEY"), KEY
)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A row of the catalog and the dialect in which the demo server plays it."""

    name: str
    row: str
    dialect: str
    lists: bool
    deletes: bool = True


KINDS = {
    kind.name: kind
    for kind in (
        Kind(name="demo", row="shop", dialect="demo", lists=True),
        Kind(name="demo-no-list", row="shop", dialect="demo", lists=False),
        Kind(name="openai", row="openai", dialect="openai", lists=True),
        Kind(name="openai-no-list", row="openai", dialect="openai", lists=False),
        Kind(name="apigo", row="apigo", dialect="apigo", lists=False),
        Kind(name="apiyi", row="apiyi", dialect="apiyi", lists=False),
        Kind(name="aiid", row="aiid", dialect="aiid", lists=False),
    )
}

ROWS = Catalog.load()


def catalog(kind: Kind, base_url: str) -> Catalog:
    """Return the built-in rows, the one of `kind` moved to `base_url`."""
    # The demo's own row stands for the server that ipyreel starts itself, so a row like it.
    row = ROWS.provider("demo" if kind.row == "shop" else kind.row)
    fields = {"name": kind.row, "base_url": base_url, "base_url_vars": ()}
    if kind.row == "shop":
        fields |= {"key_vars": ("SHOP_KEY",), "needs_key": True}
    if kind.row == "openai":
        fields["default_model"] = "sora-2"
    if not kind.lists:
        fields["routes"] = frozenset()
    providers = {**ROWS.providers, kind.row: replace(row, **fields)}
    return replace(ROWS, providers=MappingProxyType(providers))


@dataclass
class Shop:
    """One vendor: its server, the clock that everybody shares, and what happened today."""

    kind: Kind
    demo: LiveDemo
    clock: Clock
    _mark: int = 0

    def open(self, *rules) -> None:
        """Begin a case: no jobs, nothing seen yet, these faults."""
        self.demo.faults.clear()
        for record in self.demo.door.provider.shelf.all():
            self.demo.door.provider.shelf.remove(record.id)
        self._mark = len(self.demo.log())
        for rule in rules:
            self.demo.faults.add(self._timed(rule))

    def behave(self) -> None:
        """Stop misbehaving."""
        self.demo.faults.clear()

    def seen(self, *steps):
        """Return the requests of this case, or those of some steps."""
        return [one for one in self.demo.log()[self._mark :] if not steps or one.step in steps]

    @property
    def accepted(self) -> int:
        """How many jobs the POSTs of this case made."""
        return sum(one.accepted for one in self.seen())

    @property
    def film(self) -> str:
        """The SHA-256 of the one video that this server has, in hex."""
        stub = self.demo.door.provider.shelf.folder / "stub.mp4"
        return hashlib.sha256(stub.read_bytes()).hexdigest()

    def _timed(self, rule):
        """Put a date so many seconds from now in the place of "$date+SECONDS"."""
        headers = dict(rule["do"].get("headers", {}))
        for name, value in headers.items():
            if value.startswith("$date+"):
                moment = self.clock() + float(value.removeprefix("$date+"))
                headers[name] = formatdate(moment, usegmt=True)
        return {**rule, "do": {**rule["do"], "headers": headers}} if headers else rule


@contextmanager
def open_shop(folder: Path, kind: Kind, *, clock: Clock | None = None, port: int = 0):
    """Serve a vendor for as long as the block lasts; its jobs take 2.5 to 6 made-up seconds."""
    clock = clock or Clock()
    options = {"dialect": kind.dialect, "stub": True, "speed": 1, "key": KEY}
    with running_demo(folder, clock=clock, port=port, **options) as demo:
        yield Shop(kind=kind, demo=demo, clock=clock)


@dataclass
class Kernel:
    """A session of its own on one library, as a kernel has it; sleeping moves the shop's clock."""

    shop: Shop
    home: Path
    base_url: str | None = None
    deadline: float = 600.0
    timeouts: Timeouts = field(default_factory=lambda: Timeouts(create=30, poll=30, read=30))
    waits: list[float] = field(default_factory=list)
    seen: list = field(default_factory=list)
    on_wait: object = None

    def __post_init__(self) -> None:
        environ = {
            "IPYREEL_HOME": str(self.home),
            "IPYREEL_DEADLINE": str(self.deadline),
            "IPYREEL_PROVIDER": self.shop.kind.row,
            **KEYS,
        }
        clock = self.shop.clock
        self.session = Session(
            settings=Settings.load(environ, self.home),
            catalog=catalog(self.shop.kind, self.base_url or self.shop.demo.url),
            keys=KeyRing(environ),
            rules=JobConfig(
                clock=clock,
                monotonic=clock,
                sleep=self._sleep,
                chance=lambda: 0.5,
                timeouts=self.timeouts,
            ),
            clock=clock,
        )

    def __enter__(self) -> Kernel:  # noqa: PYI034 - Self came with Python 3.11
        return self

    def __exit__(self, *_) -> None:
        self.session.close()

    async def _sleep(self, seconds: float) -> None:
        if asyncio.current_task().get_coro().__name__ == "_beat":
            # Signs of life come in real time: none in so short a case.
            await asyncio.sleep(seconds)
            return
        self.waits.append(seconds)
        self.shop.clock.later(seconds)
        if self.on_wait is not None:
            self.on_wait(seconds)
        await asyncio.sleep(0)

    @property
    def videos(self) -> Path:
        return self.home / "videos"

    def order(self, prompt: str = PROMPT, *, on_submitted=None, **fields):
        """Submit a request, see it through and return how it ended.

        `on_submitted` is called once the job is written and nothing is sent yet.
        """
        plan = self.session.plan(VideoRequest(prompt=prompt, **fields))
        with self._held():
            self.session.submit(plan)
            self.session.listen(plan.job.id, self.seen.append)
            if on_submitted is not None:
                on_submitted()
        return self.end(plan.job.id)

    def resume(self, word: str):
        """Resume one job, see it through and return (how it ended, the sentence)."""
        resumed = self.session.resume(word)[0]
        return self.end(resumed.job.id), resumed.sentence

    def adopt(self, remote_id: str):
        """Go on with a job of the server, see it through and return how it ended."""
        resumed = self.session.adopt(remote_id, provider=self.shop.kind.row)
        return self.end(resumed.job.id)

    @contextmanager
    def _held(self):
        """Hold the loop back, so that whoever listens hears everything."""
        gate = threading.Event()
        self.session.loop.call(lambda: gate.wait(BOUND))
        try:
            yield
        finally:
            gate.set()

    def end(self, job_id: str):
        """Wait until this kernel's work on the job ended; return how it stands."""
        return self.session.future(job_id).result(timeout=BOUND)


def reopened(home: Path, job_id: str):
    """Return a job as its row says, read by nobody who has it in memory."""
    store = JobStore(home / "library.sqlite")
    try:
        return store.get(job_id)
    finally:
        store.close()


def finals(home: Path) -> list[Path]:
    """Return the files under a video's name."""
    found = (home / "videos").rglob("*") if (home / "videos").exists() else ()
    return sorted(path for path in found if path.suffix in VIDEO_ENDINGS)


def parts(home: Path) -> list[Path]:
    """Return what is left of downloads."""
    found = (home / "videos").rglob("*.part*") if (home / "videos").exists() else ()
    return sorted(found)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sidecar(path: Path) -> dict:
    return json.loads(sidecar_path(path).read_text(encoding="utf-8"))


def told(job) -> str:
    """Return every sentence that a person gets to see of a job that ended or was let go."""
    failure = job.failure
    lines = (failure.message, failure.hint, job.note) if failure else (job.note,)
    return " ".join(line for line in lines if line)
