"""A thousand jobs in flight in one kernel, against an idle one."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.kernels import JUPYTER, ROW
from tests.benchmarks.table import Figure, say
from tests.support.kernel import Kernel

BEAT = """
import asyncio, time
_late = []
async def _beat(seconds):
    end = time.perf_counter() + seconds
    while (now := time.perf_counter()) < end:
        await asyncio.sleep(0.01)
        _late.append((time.perf_counter() - now) * 1e3)
_beating = asyncio.get_running_loop().create_task(_beat({seconds}))
"""

OURS = """
%load_ext ipyreel
from ipyreel.notebook import api
jobs = api.sweep([f"a lighthouse, number {{n}}" for n in range({count})], parallel={count})
jobs
"""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a kernel does while jobs are in flight."""

    cpu: float
    memory: float
    messages: float
    p99: float


def run(*, quick: bool) -> list[Figure]:
    """Start each in a kernel of its own, let it settle, then look for a while."""
    count, seconds, rounds = (200, 8, 1) if quick else (1000, 25, 3)
    loads: dict[str, list[Load]] = {"idle": [], "ipyreel": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(rounds):
            for way, found in loads.items():
                say(f"round {number + 1}: {way}")
                found.append(_measure(folder / f"{number}-{way}", way, count, seconds))
    return _figures(loads, count)


def _measure(home: Path, way: str, count: int, seconds: float) -> Load:
    home.mkdir()
    # A process apart: what it takes must not count, and it is a new one for each way.
    command = [sys.executable, "-m", "ipyreel.demo", "--port", "0", "--home", str(home), "--stub"]
    command += ["--speed", "0.01", "--dialect", "apigo", "--exit-with-stdin", "--no-key"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        url = json.loads(server.stdout.readline())["url"]
        (home / "ipyreel.toml").write_text(ROW.format(url=url), encoding="utf-8")
        try:
            with Kernel(home / "home", cwd=home, env=JUPYTER) as kernel:
                return _load(kernel, way, count, seconds)
        finally:
            server.stdin.close()


def _load(kernel: Kernel, way: str, count: int, seconds: float) -> Load:
    code = OURS if way == "ipyreel" else "1"
    kernel.run(code.format(count=1))  # what it needs is loaded before memory is looked at
    time.sleep(2)
    memory = _memory(kernel.pid)
    cell = kernel.run(code.format(count=count))
    if cell.status != "ok":
        raise AssertionError(cell.error)
    _settle(kernel)
    heard, cpu, begun = len(kernel.messages()), _cpu(kernel.pid), time.perf_counter()
    kernel.run(BEAT.format(seconds=seconds))
    time.sleep(seconds + 1)
    span = time.perf_counter() - begun
    heard, cpu = len(kernel.messages()) - heard - 8, _cpu(kernel.pid) - cpu
    if way == "ipyreel":
        active = int(kernel.evaluate("len(api.screen().session.manager.active())"))
        if active < count:
            raise AssertionError(f"{active} of {count} jobs were in flight")
    late = json.loads(kernel.evaluate("__import__('json').dumps(_late)").strip("'"))
    return Load(
        cpu=cpu / span,
        memory=(_memory(kernel.pid) - memory) / count / 1024,
        messages=max(0, heard) / span,
        p99=statistics.quantiles(late, n=100)[98],
    )


def _settle(kernel: Kernel) -> None:
    """Wait until all jobs are sent and the kernel works no more than it will."""
    before = _cpu(kernel.pid)
    for _ in range(60):
        time.sleep(2)
        now = _cpu(kernel.pid)
        if now - before < 0.7:
            return
        before = now


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _figures(loads: dict[str, list[Load]], count: int) -> list[Figure]:
    ours = loads["ipyreel"]

    def figure(what: str, name: str, reach: float, unit: str) -> Figure:
        values = [getattr(one, name) for one in ours]
        return Figure(what=what, against="", values=values, reach=reach, unit=unit)

    what = f"{count} jobs in flight: "
    return [
        figure(what + "share of a core", "cpu", 0.25, "cores"),
        figure(what + "memory per job", "memory", 64, "KiB"),
        figure(what + "messages to the front end a second", "messages", 50, "/s"),
        figure(what + "p99 time between beats of 10 ms on the main thread", "p99", 15, "ms"),
        Figure(
            what=what + "the same",
            against="an idle kernel",
            values=[a.p99 / b.p99 for a, b in zip(ours, loads["idle"], strict=True)],
            reach=1.2,
        ),
    ]
