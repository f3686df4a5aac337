"""What loading costs, and the first and the later cells, in fresh kernels."""

from __future__ import annotations

import compileall
import statistics
import tempfile
import time
from pathlib import Path

from tests.benchmarks.kernels import JUPYTER, ROW
from tests.benchmarks.table import Figure, say
from tests.support.demo import running_demo
from tests.support.kernel import Kernel
from tests.support.laws import SRC

CELL = "%%video\na lighthouse in the fog"
TIMED = "import time; _b = time.perf_counter(); {work}; print(time.perf_counter() - _b)"
LOAD = "get_ipython().run_line_magic('load_ext', {name!r})"


def run(*, quick: bool) -> list[Figure]:
    """Ask in several fresh kernels, one question of loading each."""
    # As pip does when it installs: the peers are compiled, and so are we.
    compileall.compile_dir(SRC, quiet=1)
    rounds = 3 if quick else 7
    times: dict[str, list[float]] = {"openai": [], "load": [], "first": [], "later": []}
    times |= {"empty": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_demo(folder / "server", stub=True, speed=0.02, dialect="apigo") as demo:
            (folder / "ipyreel.toml").write_text(ROW.format(url=demo.url), encoding="utf-8")
            for number in range(rounds):
                say(f"round {number + 1}")
                _cells(folder, number, times)
                times["openai"].append(_alone(folder, number, "import openai"))
    return _figures(times)


def _cells(folder: Path, number: int, times: dict[str, list[float]]) -> None:
    with Kernel(folder / f"ours-{number}", cwd=folder, env=JUPYTER) as kernel:
        kernel.run("1")
        times["load"].append(
            float(kernel.run(TIMED.format(work=LOAD.format(name="ipyreel"))).stdout)
        )
        times["first"].append(_seconds(kernel, CELL))
        kernel.run("1")
        later, empty = [], []
        for _ in range(5):
            later.append(_seconds(kernel, CELL))
            empty.append(_seconds(kernel, ""))
        times["later"].append(statistics.median(later))
        times["empty"].append(statistics.median(empty))


def _alone(folder: Path, number: int, work: str) -> float:
    with Kernel(folder / f"alone-{number}-{len(work)}", cwd=folder) as kernel:
        kernel.run("1")
        return float(kernel.run(TIMED.format(work=work)).stdout)


def _seconds(kernel: Kernel, code: str) -> float:
    begun = time.perf_counter()
    cell = kernel.run(code)
    seconds = time.perf_counter() - begun
    if cell.status != "ok":
        raise AssertionError(cell.error)
    return seconds


def _figures(times: dict[str, list[float]]) -> list[Figure]:
    openai = times["openai"]
    over = [1e3 * (a - b) for a, b in zip(times["later"], times["empty"], strict=True)]

    def ratios(name: str, to: list[float]) -> list[float]:
        return [a / b for a, b in zip(times[name], to, strict=True)]

    def told(name: str) -> str:
        mine, theirs = statistics.median(times[name]), statistics.median(openai)
        return f"{1e3 * mine:.0f} ms against {1e3 * theirs:.0f} ms"

    return [
        Figure(
            what="%load_ext ipyreel",
            against="import openai",
            values=ratios("load", openai),
            reach=0.1,
            note=told("load"),
        ),
        Figure(
            what="the first %%video cell until it returns",
            against="import openai",
            values=ratios("first", openai),
            reach=0.5,
            note=told("first"),
        ),
        Figure(
            what="later %%video cells", against="an empty cell", values=over, reach=30, unit="ms"
        ),
    ]
