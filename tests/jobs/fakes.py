"""A fake provider, simulated time and files for the tests of jobs: no mocks, no network."""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import struct
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from ipyreel.catalog import Provider
from ipyreel.errors import DownloadError, SubmissionUnknown
from ipyreel.jobs.files import new_id
from ipyreel.jobs.loop import LoopThread, wait_async
from ipyreel.jobs.manager import JobManager
from ipyreel.jobs.run import JobConfig
from ipyreel.jobs.store import JobStore
from ipyreel.values import JobSnapshot, VideoFile, VideoJob, VideoPage, VideoRequest

BOUND = 60
"""Seconds after which a test gives up on a thread; nothing is measured by it."""

START = 1_700_000_000.0
"""The moment at which made-up time begins, in seconds since the epoch."""

PROMPT = "A golden retriever on the beach"


ELSEWHERE = "another boot:pid:[4026531836]/77/12345/abcd"
"""An owner on another machine, or in another container."""


def elsewhere(store: JobStore, job_id: str, *, owner: str = ELSEWHERE) -> None:
    """Make a job that of a kernel which cannot be seen from here."""
    store.database.write("UPDATE jobs SET owner = ? WHERE id = ?", (owner, job_id))


def make_job(tmp_path: Path, **fields) -> JobSnapshot:
    """Return a job that was not sent yet; its file would lie in `tmp_path`."""
    job_id = fields.pop("id", None) or new_id()
    given = {
        "provider": "fake",
        "request": VideoRequest(prompt=PROMPT, model="m-1"),
        "status": "submitting",
        "created_at": START,
        "target": str(tmp_path / f"clip-{job_id}.mp4"),
    }
    return JobSnapshot(id=job_id, **{**given, **fields})


def video(status="queued", **fields) -> VideoJob:
    """Return what a server says of a job."""
    return VideoJob(**{"remote_id": "video_1", "status": status, "raw_status": status, **fields})


def small_mp4() -> bytes:
    """Return the smallest file that counts as a whole MP4."""

    def box(kind: bytes, content: bytes = b"") -> bytes:
        return struct.pack(">I4s", 8 + len(content), kind) + content

    return box(b"ftyp", b"isom\0\0\0\0isom") + box(b"moov") + box(b"mdat", b"pictures")


class FakeTime:
    """Time that moves only in `sleep`; heartbeats come when the test says so."""

    def __init__(self) -> None:
        self.now = START
        self.waits: list[float] = []
        self._asleep = threading.Event()
        self._beat: concurrent.futures.Future[None] = concurrent.futures.Future()

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        if asyncio.current_task().get_coro().__name__ == "_beat":
            beat = self._beat
            self._asleep.set()
            await wait_async(beat)
            return
        self.waits.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def let_beat(self) -> None:
        """Let one sign of life go out, and return when it has."""
        assert self._asleep.wait(BOUND)
        self._asleep.clear()
        beat, self._beat = self._beat, concurrent.futures.Future()
        beat.set_result(None)
        assert self._asleep.wait(BOUND)


class Gate:
    """A step of a script that waits until the test lets it go on."""

    def __init__(self, outcome=None) -> None:
        self.reached = threading.Event()
        self._outcome = outcome
        self._opened: concurrent.futures.Future[None] = concurrent.futures.Future()

    def open(self) -> None:
        self._opened.set_result(None)

    async def pass_through(self):
        self.reached.set()
        await wait_async(self._opened)
        return self._outcome


class FakeClient:
    """The part of `VideoClient` that jobs use, answering from scripts.

    A step is an answer, an error, a `Gate`, or a function that is called; the last step of a
    script is repeated. `log` holds the names of the calls in order.
    """

    def __init__(self, *, routes=("list", "delete"), name="fake") -> None:
        self.provider = Provider(name=name, title=name, routes=frozenset(routes))
        self.log: list[str] = []
        self.posts: list[VideoRequest] = []
        self.asked: list[str] = []
        self.create_steps = [video()]
        self.retrieve_steps = [video("in_progress", progress=50.0), video("completed")]
        self.list_steps = [VideoPage(jobs=())]
        self.delete_steps = [True]
        self.download_steps = [small_mp4()]

    async def _next(self, steps: list):
        step = steps[0] if len(steps) == 1 else steps.pop(0)
        if isinstance(step, Gate):
            step = await step.pass_through()
        if callable(step):
            step = step()
        if isinstance(step, BaseException):
            raise step
        return step

    async def create(self, request, *, on_send):
        self.log.append("create")
        on_send(True)  # noqa: FBT003 - the shape of OnSend
        self.posts.append(request)
        try:
            return await self._next(self.create_steps)
        except SubmissionUnknown:
            raise
        except Exception:
            on_send(False)  # noqa: FBT003 - the shape of OnSend
            raise

    async def retrieve(self, remote_id):
        self.log.append("retrieve")
        self.asked.append(remote_id)
        return await self._next(self.retrieve_steps)

    async def list(self, *, limit, after):
        self.log.append("list")
        assert limit <= 100
        assert after is None or isinstance(after, str)
        return await self._next(self.list_steps)

    async def delete(self, remote_id):
        self.log.append("delete")
        self.asked.append(remote_id)
        return await self._next(self.delete_steps)

    async def download(self, job, target, *, on_progress, memory):
        self.log.append("download")
        assert job.status == "completed"
        assert memory.load() is None
        data = await self._next(self.download_steps)
        if target.exists():
            raise DownloadError(f"{target} is there already.")
        on_progress(len(data) // 2, len(data))
        on_progress(len(data), len(data))
        target.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        return VideoFile(path=str(target), size=len(data), sha256=digest, media_type="video/mp4")


@dataclass
class Bench:
    """A manager on a library of its own, a fake provider and made-up time."""

    folder: Path
    loop: LoopThread
    client: FakeClient = field(default_factory=FakeClient)
    time: FakeTime = field(default_factory=FakeTime)
    deadline: float = 3600.0
    connect_steps: deque = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.store = JobStore(self.folder / "home" / "library.sqlite", monotonic=self.time.clock)
        rules = JobConfig(
            deadline=self.deadline,
            clock=self.time.clock,
            monotonic=self.time.clock,
            sleep=self.time.sleep,
            chance=lambda: 0.5,
        )
        self.manager = JobManager(
            store=self.store, loop=self.loop, connect=self._connect, rules=rules
        )

    async def _connect(self, provider, base_url):
        assert (provider, base_url) == ("fake", None)
        if self.connect_steps:
            step = self.connect_steps.popleft()
            if isinstance(step, Gate):
                await step.pass_through()
            elif isinstance(step, Exception):
                raise step
            else:
                step()
        return self.client

    def job(self, **fields) -> JobSnapshot:
        return make_job(self.folder, **fields)

    def begin(self, gate: Gate) -> JobSnapshot:
        """Submit a job, and return it once its work has come to the gate."""
        job = self.job()
        self.manager.submit(job)
        assert gate.reached.wait(BOUND)
        return job

    def held(self, step: str, answer) -> tuple[Gate, JobSnapshot]:
        """Submit a job, and return it once its client waits in this step for an answer."""
        gate = Gate(answer)
        setattr(self.client, f"{step}_steps", [gate])
        return gate, self.begin(gate)

    def watch(self, listen=None) -> tuple[JobSnapshot, list[JobSnapshot]]:
        """Submit a job and wait for its end; return it, and all that its listeners were told."""
        gate, seen = Gate(), []
        self.connect_steps.append(gate)
        job = self.begin(gate)
        for listener in filter(None, (listen, seen.append)):
            self.manager.listen(job.id, listener)
        gate.open()
        return self.end(job), seen

    def left_behind(self, **fields) -> JobSnapshot:
        """Write a job into the library as a kernel would have left it."""
        job = self.job(**fields)
        self.store.insert(job)
        self.store.release(job.id)
        return job

    def left_elsewhere(self, owner=ELSEWHERE, **fields) -> JobSnapshot:
        """Write a job into the library as a kernel has it that cannot be seen from here."""
        job = self.left_behind(**fields)
        elsewhere(self.store, job.id, owner=owner)
        return job

    def end(self, job: JobSnapshot) -> JobSnapshot:
        """Wait until the work on a job ended; the library must say the same as the future."""
        snapshot = self.manager.future(job.id).result(timeout=BOUND)
        assert self.store.get(job.id) == snapshot
        return snapshot

    def submit(self, **fields) -> JobSnapshot:
        job = self.job(**fields)
        self.manager.submit(job)
        return self.end(job)

    def resume(self, job: JobSnapshot) -> JobSnapshot:
        assert self.manager.resume(job) != "refused"
        return self.end(job)

    def holder(self, job: JobSnapshot) -> str | None:
        """Return who has the job, as the library says."""
        return self.store.database.rows("SELECT owner FROM jobs WHERE id = ?", (job.id,))[0][0]

    def read_only(self, *, on: bool = True) -> None:
        """Make every write to the library fail, as on a disk that was mounted again."""
        self.store.database._open(fresh=True).execute(f"PRAGMA query_only = {int(on)}")

    def close(self) -> None:
        self.store.close()
