"""One run of the kill test: a seed says when kernels die; then what is left is checked.

A provider that outlives every kernel counts the jobs it accepted. Kernels are real processes and
die by SIGKILL: after a time, when something is visible from outside, or at an exact step inside.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ipyreel.client.mp4 import read_container
from ipyreel.demo.render import render
from ipyreel.jobs.files import sidecar_path
from ipyreel.jobs.store import JobStore
from ipyreel.jobs.transitions import is_unsent
from ipyreel.values import JobSnapshot
from tests.support.demo import LiveDemo, running_demo
from tests.support.jupyter import package_folder
from tests.support.kernel import Cell, Kernel

How = Literal["clock", "sight", "steps"]
Aim = Literal["submit", "poll", "download", "finish"]
Phase = Literal["early", "submit", "poll", "download", "finish", "late"]
Outcome = Literal["nothing", "sent once", "found", "unknown", "went on", "was done"]

AIMS: tuple[Aim, ...] = ("submit", "poll", "download", "finish")
LIFE = 2.6
"""Least seconds, roughly, from the cell to the file of a job here."""

GIVEN_UP = 40.0
"""Seconds after which a moment was missed: the job was too quick, or past it."""

WIDTHS = {"submit": 0.6, "poll": 1.2, "download": 0.6, "finish": 0.001}
"""Seconds that a phase lasts here after it is first seen from outside, roughly."""

STEPS: dict[Aim, dict[str, int]] = {
    "submit": {"insert": 250, "create": 2000, "send": 3500, "accept": 400},
    "poll": {"poll": 3000},
    "download": {"download": 4500},
    "finish": {"publish": 60, "explain": 400},
}
"""Where counting begins (see hook.py), and how many steps there are until the phase is over."""

RESUMING: dict[Aim, dict[str, int]] = {**STEPS, "submit": {"resume": 700, "search": 1000}}
"""The same in a kernel that resumes."""

PROMPT = "A lighthouse in the fog"
SHOP = """
provider = "shop"
[providers.shop]
title = "Shop"
base_url = "{url}"
dialect = "openai"
default_model = "m-1"
routes = {routes}
"""
FAULTS = (
    {"step": "create", "do": {"slow": 1000}},
    {"step": "content", "do": {"slow": 4_000_000}},
)
"""Makes the answer to a POST take half a second, and the file nearly one."""

PAD = 3_000_000
"""Bytes of a video; more than are buffered before a write, so that there are parts."""


@dataclass(frozen=True, kw_only=True)
class Kill:
    """When a kernel dies: `wait` seconds after the cell was sent or `aim` was seen, or at step
    `wait` after `anchor`.
    """

    how: How
    aim: Aim
    wait: float
    anchor: str | None = None

    @classmethod
    def draw(cls, rng: random.Random, *, resuming: bool) -> Kill:
        how: How = rng.choices(("clock", "sight", "steps"), (3, 3, 4))[0]
        aim = rng.choices(AIMS, (4, 2, 2, 3))[0]
        if how == "clock":
            return cls(how=how, aim=aim, wait=rng.uniform(0, LIFE / 3 if resuming else LIFE))
        if how == "sight":
            return cls(how=how, aim=aim, wait=rng.uniform(0, WIDTHS[aim]))
        anchor, most = rng.choice(sorted((RESUMING if resuming else STEPS)[aim].items()))
        return cls(how=how, aim=aim, wait=rng.randint(1, most), anchor=anchor)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan of a seed. `lists`: the provider can list its jobs; `named`: the user names the
    file; the second kill, if any, hits the kernel that resumes.
    """

    seed: int
    lists: bool
    named: bool = False
    kills: tuple[Kill, ...]

    @classmethod
    def draw(cls, seed: int) -> Plan:
        rng = random.Random(seed)  # noqa: S311 - a moment, not a secret
        lists = rng.random() < 0.6
        count = 2 if rng.random() < 0.25 else 1
        kills = tuple(Kill.draw(rng, resuming=number > 0) for number in range(count))
        return cls(seed=seed, lists=lists, named=rng.random() < 0.25, kills=kills)


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of a run."""

    plan: Plan
    phases: tuple[Phase, ...]
    outcome: Outcome
    posts: int


@dataclass(kw_only=True)
class Stage:
    """The provider, the notebook's folder and the library of one run."""

    plan: Plan
    folder: Path
    demo: LiveDemo
    video: bytes
    phases: list[Phase] = field(default_factory=list)

    @property
    def notebook(self) -> Path:
        return self.folder / "notebook"

    @property
    def videos(self) -> Path:
        return self.notebook / "videos"

    def kernel(self) -> Kernel:
        named = {"JPY_SESSION_NAME": str(self.notebook / "lighthouse.ipynb")}
        return Kernel(self.folder / "home", cwd=self.notebook, env=named)

    def jobs(self) -> list[JobSnapshot]:
        """Read the library as a dead kernel left it, from a copy: reading must not repair it."""
        home, copy = self.folder / "home" / "ipyreel", self.folder / "copy"
        if not (home / "library.sqlite").exists():
            return []
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(home, copy)
        with contextlib.closing(sqlite3.connect(copy / "library.sqlite")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        store = JobStore(copy / "library.sqlite")
        jobs = store.newest()
        store.close()
        assert store.notice is None
        return jobs

    def files(self, pattern: str) -> list[Path]:
        return sorted(self.videos.glob(pattern))

    def sees(self, aim: Aim) -> bool:
        """Return whether it is visible from outside the kernel that a phase has begun."""
        signs: dict[Aim, Callable[[], object]] = {
            "submit": self.demo.posts,
            "poll": lambda: self.demo.log("retrieve"),
            "download": lambda: self.files("*.mp4.*.part"),
            "finish": lambda: self.files("*.mp4"),
        }
        return bool(signs[aim]())

    def is_over(self) -> bool:
        """Return whether the last file that a job writes exists."""
        return bool(self.files("*.json"))


def run(plan: Plan, folder: Path) -> Report:
    """Play one run and check what is left; raises AssertionError if a promise is broken."""
    with staged(plan, folder) as stage:
        named = " --output videos/mine.mp4" if plan.named else ""
        code = f"%%video --size 64x64{named}\n{PROMPT}"
        for kill in plan.kills:
            perform(stage, code, kill)
            left = look(stage)
            # A job that was never sent is sent only if it is named.
            code = f"%video resume {left.id}" if left and is_unsent(left) else "%video resume"
        outcome = recover(stage, left)
        return Report(
            plan=plan, phases=tuple(stage.phases), outcome=outcome, posts=stage.demo.posts()
        )


@contextlib.contextmanager
def staged(plan: Plan, folder: Path) -> Iterator[Stage]:
    """Start the provider and prepare the notebook's folder."""
    video = _small_video() + _free_box(random.Random(plan.seed).randbytes(PAD))  # noqa: S311
    shelf = folder / "server" / "demo"
    shelf.mkdir(parents=True)
    (shelf / "stub.mp4").write_bytes(video)
    with running_demo(folder / "server", stub=True, speed=3.0, faults=FAULTS) as demo:
        stage = Stage(plan=plan, folder=folder, demo=demo, video=video)
        stage.notebook.mkdir()
        routes = '["list", "delete"]' if plan.lists else '["delete"]'
        toml = SHOP.format(url=demo.url, routes=routes)
        (stage.notebook / "ipyreel.toml").write_text(toml, encoding="utf-8")
        yield stage


def perform(stage: Stage, code: str, kill: Kill) -> None:
    """Let a new kernel run a cell, and kill it at the planned moment."""
    with stage.kernel() as kernel:
        prepare(kernel)
        if kill.anchor is not None:
            hook = str(Path(__file__).with_name("hook.py"))
            package = str(Path(package_folder()) / "ipyreel")
            arm = f"__import__('runpy').run_path({hook!r})['arm']"
            kernel.run(f"{arm}({kill.anchor!r}, {kill.wait}, {package!r})")
        kernel.send(code)
        process: subprocess.Popen[bytes] = kernel._manager.provisioner.process
        await_moment(stage, kill, process)
        if process.poll() is None:
            kernel.kill()
        assert process.returncode == -signal.SIGKILL


def prepare(kernel: Kernel) -> None:
    """Load the extension; this provider lists a job at once, so there is no need to wait."""
    for code in (
        "%load_ext ipyreel",
        "from ipyreel.jobs import recover; recover.WAITS = (0.01, 0.1, 0.2)",
    ):
        assert_fine(kernel.run(code))


def await_moment(stage: Stage, kill: Kill, process: subprocess.Popen[bytes]) -> None:
    """Return when the kernel is to be killed, or has killed itself."""
    deadline = time.monotonic() + GIVEN_UP
    if kill.how == "clock":
        time.sleep(kill.wait)
    elif kill.how == "sight":
        while not stage.sees(kill.aim) and time.monotonic() < deadline:
            time.sleep(0.0005)
        time.sleep(kill.wait)
    else:
        while not stage.is_over() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)


def look(stage: Stage) -> JobSnapshot | None:
    """Check what a killed kernel left, and record in which phase it died."""
    jobs = stage.jobs()
    assert len(jobs) <= 1
    job = jobs[0] if jobs else None
    stage.phases.append(phase_of(stage, job))
    if job is None or (job.sent_at is None and job.remote_id is None):
        assert stage.demo.posts() == 0, "something was sent before it was written down"
    if job is not None and job.remote_id is not None:
        assert stage.demo.job_ids() == [job.remote_id]
    check_files(stage)
    return job


def phase_of(stage: Stage, job: JobSnapshot | None) -> Phase:
    """Return the state of the job when its kernel died."""
    if job is None:
        return "early"
    if job.remote_id is None:
        return "submit"
    if job.status == "completed":
        return "late"
    if stage.files("*.mp4"):
        return "finish"
    return "download" if job.ready else "poll"


def check_files(stage: Stage) -> None:
    """Every file with a final name is complete: videos byte by byte, sidecars as JSON."""
    digest = hashlib.sha256(stage.video).hexdigest()
    for path in stage.files("*.mp4"):
        read_container(path)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    for path in stage.files("*.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["sha256"] == digest


def recover(stage: Stage, left: JobSnapshot | None) -> Outcome:
    """Resume in a new kernel and check that all promises are kept."""
    sent_before = stage.demo.posts()
    with stage.kernel() as kernel:
        prepare(kernel)
        resumed = kernel.run("%video resume")
        if left is not None and not left.ended and is_unsent(left):
            assert f"{left.id}: never sent" in resumed.displays[-1]["data"]["text/plain"]
            assert stage.demo.posts() == 0, "something was bought that nobody had named"
            resumed = kernel.run(f"%video resume {left.id}")
        waited = kernel.run("%video wait")
        again = kernel.run("%video resume")
    outcome = expected(stage, left, sent_before)
    assert stage.demo.posts() == (1 if outcome == "sent once" else sent_before) <= 1
    jobs = stage.jobs()
    assert len(jobs) == (0 if outcome == "nothing" else 1)
    check_files(stage)
    assert_fine(resumed)
    if outcome == "unknown":
        assert jobs[0].status == "unknown"
        assert jobs[0].remote_id is None
        assert waited.error is None or waited.error[0] == "SubmissionUnknown"
        assert stage.files("*") == []
        return outcome
    assert_fine(waited)
    assert "Nothing to resume" in (again.displays[-1]["data"]["text/plain"])
    if jobs:
        check_completed(stage, jobs[0])
    return outcome


def expected(stage: Stage, left: JobSnapshot | None, posts: int) -> Outcome:
    """Return the expected result for what a kernel left."""
    if left is None:
        return "nothing"
    if left.status == "completed":
        return "was done"
    if left.remote_id is not None:
        return "went on"
    if left.sent_at is None:
        return "sent once"
    # The reply had not arrived. If the provider lists its jobs, the job is found.
    return "found" if posts and stage.plan.lists else "unknown"


def check_completed(stage: Stage, job: JobSnapshot) -> None:
    """The only job is the provider's, its file and sidecar exist, and nothing else."""
    assert (job.status, job.failure) == ("completed", None)
    assert stage.demo.job_ids() == [job.remote_id]
    target = Path(job.target)
    assert job.file is not None
    assert job.file.path == str(target)
    assert job.file.sha256 == hashlib.sha256(stage.video).hexdigest()
    assert stage.files("*") == sorted([target, sidecar_path(target)])
    told = json.loads(sidecar_path(target).read_text(encoding="utf-8"))
    assert (told["id"], told["remote_id"]) == (job.id, job.remote_id)
    assert told["request"]["prompt"] == PROMPT


def assert_fine(cell: Cell) -> None:
    """The cell raised nothing, and printed nothing in red."""
    assert (cell.status, cell.error, cell.stderr) == ("ok", None, "")


@functools.cache
def _small_video() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.mp4"
        render("stub", seed=0, width=64, height=64, seconds=1, path=path)
        return path.read_bytes()


def _free_box(data: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(data), b"free") + data
