"""Two kernels share a library of twenty jobs: one polls each job, and one takes over."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from ipyreel.client.mp4 import read_container
from ipyreel.demo.provider import find_step
from ipyreel.demo.server import DemoApp, DemoConfig, create_app, serve_in_thread
from ipyreel.jobs.store import JobStore
from tests.support.demo import Clock
from tests.support.kernel import PATIENCE, Cell, Kernel

EACH = 10
KEYS = {"one": "key-of-kernel-one", "two": "key-of-kernel-two"}
SHOP = """
provider = "shop"
[providers.shop]
title = "Shop"
base_url = "{url}"
dialect = "openai"
default_model = "m-1"
key_vars = ["SHOP_API_KEY"]
"""
SUBMIT = """
import ipyreel
jobs = [ipyreel.submit(f"{name} {{n}}", size="64x64", seconds=1) for n in range({count})]
"""
"""Submits jobs as cells do; each call returns as soon as its job is written."""


@dataclass
class Gatekeeper:
    """A proxy of the provider that records which kernel's key polled each job."""

    app: ASGIApp
    asked: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            step, job_id = find_step(scope["method"], scope["raw_path"].decode())
            given = dict(scope["headers"]).get(b"authorization", b"").decode()
            who = next((name for name, key in KEYS.items() if given == f"Bearer {key}"), "nobody")
            self.asked[step].append((who, job_id))
        await self.app(scope, receive, send)

    def by(self, name: str, step: str) -> set[str]:
        """Return the jobs that this kernel requested in this way."""
        return {job_id for who, job_id in list(self.asked[step]) if who == name}


@dataclass(frozen=True)
class Stage:
    """One provider with a stopped clock, one notebook folder, one library."""

    folder: Path
    demo: DemoApp
    gate: Gatekeeper
    clock: Clock

    def kernel(self, name: str) -> Kernel:
        notebook = self.folder / "notebook"
        env = {"SHOP_API_KEY": KEYS[name], "JPY_SESSION_NAME": str(notebook / f"{name}.ipynb")}
        return Kernel(self.folder / "home", cwd=notebook, env=env)

    def jobs(self) -> dict[str, str]:
        """Return the library's jobs: prompt -> the server's id."""
        store = JobStore(self.folder / "home" / "ipyreel" / "library.sqlite")
        found = store.newest(100)
        store.close()
        return {job.request.prompt: job.remote_id for job in found}


@pytest.fixture
def stage(tmp_path) -> Iterator[Stage]:
    clock = Clock(time.time())
    app = create_app(DemoConfig(home=tmp_path / "server", clock=clock))
    gate = Gatekeeper(app)
    with serve_in_thread(gate) as url:
        (tmp_path / "notebook").mkdir()
        toml = SHOP.format(url=url)
        (tmp_path / "notebook" / "ipyreel.toml").write_text(toml, encoding="utf-8")
        yield Stage(tmp_path, app.state.demo, gate, clock)


def eventually(condition: Callable[[], object]) -> None:
    """Wait until a condition is true; fail if it never is."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def fine(cell: Cell) -> Cell:
    assert (cell.status, cell.error, cell.stderr) == ("ok", None, "")
    return cell


def start(kernel: Kernel, name: str) -> None:
    """Load the extension and submit this kernel's jobs."""
    fine(kernel.run("%load_ext ipyreel"))
    fine(kernel.run(SUBMIT.format(name=name, count=EACH)))


def said(cell: Cell) -> str:
    return "\n".join(str(shown["data"].get("text/plain")) for shown in fine(cell).displays)


@pytest.mark.notebook
def test_each_job_is_one_kernels_and_the_other_takes_over_what_a_dead_one_left(stage):
    gate = stage.gate
    with stage.kernel("two") as two:
        with contextlib.ExitStack() as life:
            one = life.enter_context(stage.kernel("one"))
            start(one, "one")
            start(two, "two")
            eventually(lambda: len(gate.by("one", "retrieve")) == EACH)
            eventually(lambda: len(gate.by("two", "retrieve")) == EACH)
            jobs = stage.jobs()
            assert len(jobs) == len(set(jobs.values())) == 2 * EACH
            own = {
                name: {remote for prompt, remote in jobs.items() if prompt.startswith(name)}
                for name in KEYS
            }
            assert said(two.run("%video resume")).count("another kernel is working on it") == EACH
            asked = len(gate.asked["retrieve"])
            eventually(lambda: len(gate.asked["retrieve"]) >= asked + 2 * EACH)
            assert {name: gate.by(name, "retrieve") for name in KEYS} == own
            one.kill()
        assert said(two.run("%video resume")).count("resumed.") == EACH
        eventually(lambda: gate.by("two", "retrieve") == own["one"] | own["two"])
        eventually(lambda: stage.demo.provider.queue.waiting == 0)  # all are rendered
        stage.clock.later(3600)
        assert "done." in said(two.run("%video wait"))
        assert "Nothing to resume" in said(two.run("%video resume"))
    assert_each_finished_once(stage, own)


def assert_each_finished_once(stage: Stage, own: dict[str, set[str]]) -> None:
    gate, shelf = stage.gate, stage.demo.provider.jobs
    assert len(gate.asked["create"]) == 2 * EACH
    assert gate.by("one", "retrieve") == own["one"]
    assert sorted(gate.asked["content"]) == sorted(
        ("two", job) for ids in own.values() for job in ids
    )
    rendered = {shelf.video(record).read_bytes() for record in shelf.all()}
    assert len(rendered) == 2 * EACH
    store = JobStore(stage.folder / "home" / "ipyreel" / "library.sqlite")
    for job in store.newest(100):
        path = Path(job.target)
        read_container(path)
        assert job.status == "completed"
        assert path.read_bytes() == shelf.video(shelf.read(job.remote_id)).read_bytes()
        assert hashlib.sha256(path.read_bytes()).hexdigest() == job.file.sha256
    store.close()
    assert len(list((stage.folder / "notebook" / "videos").iterdir())) == 4 * EACH
