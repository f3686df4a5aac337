"""Prints the oldest versions that pyproject.toml allows, as constraints for pip.

`python -m tests.lowest demo`: for each dependency of ipyreel and of these extras, the lowest
version that has a wheel for this Python (numpy 1.26 has none for 3.13, for example). What the
dependencies need in turn is left to pip.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def wanted(extras: list[str]) -> list[Requirement]:
    """Return what ipyreel needs on this Python with these extras, except itself."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    more = (project["optional-dependencies"][extra] for extra in extras)
    needs = [Requirement(line) for lines in (project["dependencies"], *more) for line in lines]
    own = [need for need in needs if need.name == "ipyreel"]
    needs += [need for one in own for need in wanted(sorted(one.extras))]
    here = [need for need in needs if need.marker is None or need.marker.evaluate()]
    return [need for need in here if need.name != "ipyreel"]


def lowest(need: Requirement) -> Version:
    """Ask pip which versions can be installed here; return the lowest that is allowed."""
    command = [sys.executable, "-m", "pip", "index", "versions", "--only-binary", ":all:"]
    loud = {**os.environ, "PIP_QUIET": "0"}  # a quiet pip prints nothing
    told = subprocess.run(
        [*command, need.name], env=loud, check=True, stdout=subprocess.PIPE, text=True
    )
    line = next(line for line in told.stdout.splitlines() if line.startswith("Available"))
    versions = [Version(text) for text in line.partition(":")[2].split(",")]
    return min(version for version in versions if version in need.specifier)


def main(extras: list[str]) -> None:
    """Print one line for each dependency."""
    found = sorted({need.name: need for need in wanted(extras)}.items())
    with ThreadPoolExecutor() as pool:  # pip waits for the index most of the time
        versions = pool.map(lowest, (need for _, need in found))
        for (name, _), version in zip(found, versions, strict=True):
            sys.stdout.write(f"{name}=={version}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
