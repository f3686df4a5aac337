"""Lists the files that belong to the project: what git tracks, or would track."""

from __future__ import annotations

import subprocess
from fnmatch import fnmatch
from pathlib import Path

from tests.support.laws import ROOT


def project_files(root: Path = ROOT) -> list[Path]:
    """Return the project's files, without the files that commands of the README create.

    A copy without `.git` (the source distribution, the tree that `.ci/run` makes) has no index
    to ask, so there the patterns of `.gitignore` decide.
    """
    if (root / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        told = subprocess.run(command, cwd=root, check=True, capture_output=True)
        names = [name for name in told.stdout.decode().split("\0") if name]
        return sorted(root / name for name in names if (root / name).is_file())
    ignored = _patterns(root)
    return sorted(_walk(root, ignored))


def _patterns(root: Path) -> list[str]:
    lines = (root / ".gitignore").read_text(encoding="utf-8").splitlines()
    return [line.rstrip("/") for line in lines if line and not line.startswith("#")]


def _walk(folder: Path, ignored: list[str]) -> list[Path]:
    found: list[Path] = []
    for path in folder.iterdir():
        if any(fnmatch(path.name, pattern) for pattern in ignored):
            continue
        found += _walk(path, ignored) if path.is_dir() else [path]
    return found
