"""One run with plain processes: stopped and continued, forked, racing, with clocks that jump.

The seed chooses. The processes are scripts on one library; a provider that outlives them counts
the jobs it accepted. In every run, each job is accepted at most once, and none is lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ipyreel.jobs.store import JobStore
from ipyreel.values import JobSnapshot
from tests.support.demo import LiveDemo, running_demo

Kind = Literal["stop", "take", "fork", "threads", "clock"]
KINDS: tuple[Kind, ...] = ("stop", "take", "fork", "threads", "clock")

JOBS = 3
LIFE = 2.5
"""About how many seconds a process needs for its jobs."""

PATIENCE = 120

SHOP = """
provider = "shop"
[providers.shop]
title = "Shop"
base_url = "{url}"
dialect = "openai"
default_model = "m-1"
routes = ["list", "delete"]
"""
FAULTS = ({"step": "create", "do": {"slow": 1500}},)
"""Makes an answer to a POST take some tenths of a second."""

COMMON = """
import contextlib, json, os, sys, threading, time, warnings
from dataclasses import replace

real, jumps = time.time, json.loads(sys.argv[1])
started = time.monotonic()
time.time = lambda: real() + sum(by for after, by in jumps if time.monotonic() - started > after)
warnings.simplefilter("ignore")

import ipyreel
from ipyreel.jobs.poller import PollPolicy
from ipyreel.notebook import api

session = api.screen().session
quick = PollPolicy(first=0.1, floor=0.1, cap=0.2)
session.manager.rules = replace(session.manager.rules, pace=quick)

def wait(jobs):
    for job in jobs:
        with contextlib.suppress(ipyreel.VideoError):
            job.wait(60)

def resume(take):
    ipyreel.resume()
    for job in ipyreel.in_flight():
        with contextlib.suppress(ipyreel.VideoError):
            ipyreel.resume(job.id, take=take)
"""
MAKE = """
print("ready", flush=True)
jobs = ipyreel.sweep([f"number {n}" for n in range(JOBS)], parallel=2, seconds=1)
""".replace("JOBS", str(JOBS))
SCRIPTS: dict[str, str] = {
    "make": MAKE + "wait(jobs)",
    "fork": MAKE + "child = os.fork()\nwait(jobs)\nif child: os.waitpid(child, 0)",
    "resume": "resume(False); wait(ipyreel.in_flight())",
    "take": "resume(True); wait(ipyreel.in_flight())",
    "threads": """
threads = [threading.Thread(target=resume, args=(False,)) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
wait(ipyreel.in_flight())
""",
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan of a seed: what happens, and after how many seconds.

    `jumps` are pairs: a time in seconds, and by how many the clock of a process jumps then.
    """

    seed: int
    kind: Kind
    stop_at: float
    stopped_for: float
    jumps: tuple[tuple[float, float], ...] = ()

    @classmethod
    def draw(cls, seed: int) -> Plan:
        """Return a random plan; the same seed returns the same plan."""
        rng = random.Random(seed)  # noqa: S311 - a moment, not a secret
        jumps = [(rng.uniform(0, LIFE), rng.choice((-86400, -60, 60, 86400))) for _ in range(3)]
        kind = rng.choice(KINDS)
        return cls(
            seed=seed,
            kind=kind,
            stop_at=rng.uniform(0, LIFE),
            stopped_for=rng.uniform(0.2, 3.0),
            jumps=tuple(jumps) if kind == "clock" else (),
        )


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of a run."""

    plan: Plan
    accepted: int
    unknown: int


def run(plan: Plan, folder: Path) -> Report:
    """Play one run; raises AssertionError if a promise is broken."""
    (folder / "home").mkdir()
    with running_demo(folder / "server", stub=True, speed=20.0, faults=FAULTS) as demo:
        (folder / "home" / "ipyreel.toml").write_text(SHOP.format(url=demo.url), encoding="utf-8")
        with started("fork" if plan.kind == "fork" else "make", plan, folder) as first:
            assert first.stdout is not None
            first.stdout.readline()
            time.sleep(plan.stop_at)
            disturb(plan, first, folder)
            finish(first)
        with started("resume", plan, folder) as last:
            finish(last)
        return look(plan, demo, jobs_of(folder))


def disturb(plan: Plan, first: subprocess.Popen[str], folder: Path) -> None:
    """Run the plan: act on the first process, and start others."""
    if plan.kind == "fork":
        return
    if plan.kind == "threads":
        first.kill()
        with started("threads", plan, folder) as others:
            finish(others)
        return
    first.send_signal(signal.SIGSTOP)
    with started("take" if plan.kind == "take" else "resume", plan, folder) as second:
        time.sleep(plan.stopped_for)
        first.send_signal(signal.SIGCONT)
        finish(second)


@contextlib.contextmanager
def started(script: str, plan: Plan, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a script as a process that shares one library with the others."""
    command = [sys.executable, "-c", COMMON + SCRIPTS[script], json.dumps(plan.jumps)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "IPYREEL_HOME": str(folder / "home")},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def finish(process: subprocess.Popen[str]) -> None:
    """Wait until a process ended by itself, or was killed before."""
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode in {0, -signal.SIGKILL}, stderr
    assert "Traceback" not in stderr, stderr


def jobs_of(folder: Path) -> list[JobSnapshot]:
    """Read the library."""
    store = JobStore(folder / "home" / "library.sqlite")
    try:
        return store.newest()
    finally:
        store.close()


def look(plan: Plan, demo: LiveDemo, jobs: list[JobSnapshot]) -> Report:
    """No job is sent twice or lost: the library has all jobs of the server."""
    records = demo.jobs.all()
    prompts = Counter(record.prompt for record in records)
    assert all(count == 1 for count in prompts.values()), f"sent twice: {prompts}"
    assert len(jobs) in {0, JOBS}
    known = {job.remote_id for job in jobs if job.remote_id is not None}
    unknown = [job for job in jobs if job.status == "unknown"]
    lost = {record.id for record in records} - known
    assert len(lost) <= len(unknown), f"lost: {lost}"
    for job in jobs:
        assert job.status in {"completed", "unknown"}, job
        assert (job.file is not None) == (job.status == "completed")
    return Report(plan=plan, accepted=len(records), unknown=len(unknown))
