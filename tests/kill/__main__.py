"""`python -m tests.kill --runs 150 --seed 0`: kill, stop, fork and race kernels; count the results.

Seeds play in turn kernels that are killed (`scene`) and processes that are stopped and continued,
forked, race each other, or whose clocks jump (`processes`). Prints a line for each run, then a
summary; the exit code is 1 if a promise was broken. A single run is repeated by `--runs 1
--seed ITS_SEED`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.kill import processes, scene


def main() -> int:
    """Play the runs."""
    parser = argparse.ArgumentParser(prog="python -m tests.kill", description=__doc__)
    parser.add_argument("--runs", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0, help="of the first run; then 1 more each")
    options = parser.parse_args()
    begun = time.monotonic()
    reports, broken = list[scene.Report | processes.Report](), list[int]()
    for seed in range(options.seed, options.seed + options.runs):
        room = scene if seed % 2 == 0 else processes
        plan = room.Plan.draw(seed)
        try:
            with tempfile.TemporaryDirectory(prefix="ipyreel-kill-") as folder:
                report = room.run(plan, Path(folder))
        except Exception:  # noqa: BLE001 - whatever it is, it is said, and the next one is played
            traceback.print_exc()
            broken.append(seed)
            say(f"seed {seed}: BROKEN  {plan}")
        else:
            reports.append(report)
            say(f"seed {seed}: {line(report)}")
    say(summary(reports, broken, time.monotonic() - begun))
    return 1 if broken else 0


def line(report: scene.Report | processes.Report) -> str:
    """Print the result of one run."""
    if isinstance(report, processes.Report):
        return f"{report.plan.kind}; {report.accepted} accepted, {report.unknown} unknown"
    kills = ", ".join(
        f"{phase} (by {kill.how})"
        for phase, kill in zip(report.phases, report.plan.kills, strict=True)
    )
    return f"killed in {kills}; {report.outcome}; {report.posts} POST"


def summary(
    reports: list[scene.Report | processes.Report], broken: list[int], seconds: float
) -> str:
    """Return a summary: kills by phase, runs by outcome, and the broken promises."""
    killed = [report for report in reports if isinstance(report, scene.Report)]
    others = [report for report in reports if isinstance(report, processes.Report)]
    phases = Counter(phase for report in killed for phase in report.phases)
    outcomes = Counter(report.outcome for report in killed)
    kinds = Counter(report.plan.kind for report in others)
    accepted = sum(report.posts for report in killed) + sum(one.accepted for one in others)
    return (
        f"{len(reports) + len(broken)} runs, {phases.total()} kills"
        f" ({listed(phases)}); {listed(outcomes)}; processes: {listed(kinds)}; {accepted} jobs"
        " accepted, none twice, none"
        f" lost; {len(broken)} broken{f' (seeds {broken})' if broken else ''}; {seconds:.0f} s"
    )


def listed(counts: Counter[str]) -> str:
    """Return counts in words, the largest first."""
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
