"""Servers shaped like each vendor, and kernels that use them: real sockets, simulated time."""

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
"""Seconds after which a case stops waiting for a thread; never reached unless something hangs."""

KEY = "sk-conformance-key-0123456789"
PROMPT = "A paper boat on a <b>quiet</b> lake"
VIDEO_ENDINGS = {".mp4", ".mov", ".m4v", ".webm", ".avi"}

KEYS = dict.fromkeys(("OPENAI_API_KEY", "TIDEMIND_API_KEY", "APIYI_API_KEY", "AIID_API_KEY"), KEY)


ROWS = Catalog.load()


def catalog(kind: str, base_url: str) -> Catalog:
    """Return the built-in rows, with the one of `kind` moved to `base_url`."""
    fields = {"base_url": base_url, "base_url_vars": ()}
    if kind == "openai":
        fields["default_model"] = "sora-2"
    providers = {**ROWS.providers, kind: replace(ROWS.provider(kind), **fields)}
    return replace(ROWS, providers=MappingProxyType(providers))


@dataclass
class Shop:
    """One vendor: its server, the shared clock, and the requests of the current case."""

    kind: str
    demo: LiveDemo
    clock: Clock
    _mark: int = 0

    def open(self, *rules) -> None:
        """Start a case: no jobs, no requests yet, these faults."""
        self.demo.faults.clear()
        for record in self.demo.jobs.all():
            self.demo.jobs.remove(record.id)
        self._mark = len(self.demo.log())
        for rule in rules:
            self.demo.faults.add(self._timed(rule))

    def behave(self) -> None:
        """Remove all faults."""
        self.demo.faults.clear()

    def seen(self, *steps):
        """Return the requests of this case, or only those of some steps."""
        return [one for one in self.demo.log()[self._mark :] if not steps or one.step in steps]

    @property
    def accepted(self) -> int:
        """Number of jobs that the POSTs of this case made."""
        return sum(one.accepted for one in self.seen())

    @property
    def film(self) -> str:
        """SHA-256 of the only video that this server has, in hex."""
        stub = self.demo.jobs.folder / "stub.mp4"
        return hashlib.sha256(stub.read_bytes()).hexdigest()

    def _timed(self, rule):
        """Replace "$date+SECONDS" in headers by the date that many seconds from now."""
        headers = dict(rule["do"].get("headers", {}))
        for name, value in headers.items():
            if value.startswith("$date+"):
                moment = self.clock() + float(value.removeprefix("$date+"))
                headers[name] = formatdate(moment, usegmt=True)
        return {**rule, "do": {**rule["do"], "headers": headers}} if headers else rule


@contextmanager
def open_shop(folder: Path, kind: str, *, clock: Clock | None = None, port: int = 0):
    """Serve a vendor while the block runs; its jobs take 2.5 to 6 simulated seconds."""
    clock = clock or Clock()
    options = {"dialect": kind, "stub": True, "speed": 1, "key": KEY}
    with running_demo(folder, clock=clock, port=port, **options) as demo:
        yield Shop(kind=kind, demo=demo, clock=clock)


@dataclass
class Kernel:
    """A session like that of a kernel; its sleeps advance the shop's clock."""

    shop: Shop
    home: Path
    base_url: str | None = None
    deadline: float = 300.0
    timeouts: Timeouts = field(
        default_factory=lambda: Timeouts(create=30, poll=30, read=30, first_byte=30)
    )
    waits: list[float] = field(default_factory=list)
    seen: list = field(default_factory=list)
    on_wait: object = None

    def __post_init__(self) -> None:
        environ = {
            "IPYREEL_HOME": str(self.home),
            "IPYREEL_DEADLINE": str(self.deadline),
            "IPYREEL_PROVIDER": self.shop.kind,
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
            # The heartbeat runs in real time, so there is none in such a short case.
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
        """Submit a request, wait for its end and return the job.

        `on_submitted` is called when the job is in the library and not sent yet.
        """
        plan = self.session.plan(VideoRequest(prompt=prompt, **fields))
        with self._held():
            self.session.submit(plan)
            self.session.listen(plan.job.id, self.seen.append)
            if on_submitted is not None:
                on_submitted()
        return self.end(plan.job.id)

    def resume(self, word: str):
        """Resume one job, wait for its end and return (the job, what `resume` said)."""
        resumed = self.session.resume(word)[0]
        return self.end(resumed.job.id), resumed.sentence

    def adopt(self, remote_id: str):
        """Resume a job by the server's id, wait for its end and return it."""
        resumed = self.session.adopt(remote_id, provider=self.shop.kind)
        return self.end(resumed.job.id)

    @contextmanager
    def _held(self):
        """Block the loop, so that a listener misses nothing."""
        gate = threading.Event()
        self.session.loop.call(lambda: gate.wait(BOUND))
        try:
            yield
        finally:
            gate.set()

    def end(self, job_id: str):
        """Wait until this kernel's work on the job has ended; return the job."""
        return self.session.future(job_id).result(timeout=BOUND)


def reopened(home: Path, job_id: str):
    """Return a job as the library has it, read by a separate store."""
    store = JobStore(home / "library.sqlite")
    try:
        return store.get(job_id)
    finally:
        store.close()


def finals(home: Path) -> list[Path]:
    """Return the files that have the name of a video."""
    found = (home / "videos").rglob("*") if (home / "videos").exists() else ()
    return sorted(path for path in found if path.suffix in VIDEO_ENDINGS)


def parts(home: Path) -> list[Path]:
    """Return the part files that downloads left."""
    found = (home / "videos").rglob("*.part*") if (home / "videos").exists() else ()
    return sorted(found)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sidecar(path: Path) -> dict:
    return json.loads(sidecar_path(path).read_text(encoding="utf-8"))


def told(job) -> str:
    """Return every sentence that is shown for a job that ended or is no longer watched."""
    failure = job.failure
    lines = (failure.message, failure.hint, job.note) if failure else (job.note,)
    return " ".join(line for line in lines if line)
