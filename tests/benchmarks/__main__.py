"""`python -m tests.benchmarks [--quick] [--only NAME ...]`: measure, then print one table."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from tests.benchmarks import (
    bench_clip,
    bench_crowd,
    bench_download,
    bench_notice,
    bench_start,
    bench_votes,
)
from tests.benchmarks.table import Figure, say, show

BENCHES: dict[str, Callable[..., list[Figure]]] = {
    "notice": bench_notice.run,
    "download": bench_download.run,
    "crowd": bench_crowd.run,
    "start": bench_start.run,
    "clip": bench_clip.run,
    "votes": bench_votes.run,
}


def main() -> int:
    """Run the benches that were asked for; the exit code is 0 however the figures are."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller and fewer: minutes")
    parser.add_argument("--only", nargs="+", choices=BENCHES, default=list(BENCHES))
    options = parser.parse_args()
    figures: list[Figure] = []
    for name in options.only:
        begun = time.monotonic()
        say(f"== {name}")
        figures += BENCHES[name](quick=options.quick)
        say(f"== {name}: {time.monotonic() - begun:.0f} s")
    sys.stdout.write(show(figures) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
