"""Asks other versions of ipykernel: `python -m tests.kernels 6.31 7.1 7.4`.

Each gets an environment of its own, made by pip and thrown away, in which
`tests/notebook/test_kernels.py` is run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCENARIOS = "tests/notebook/test_kernels.py"


def ask(version: str, folder: Path) -> bool:
    """Run the scenarios with an ipykernel of this version; tell whether they pass."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    wanted = [f"ipykernel=={version}.*", "pytest", "hypothesis", "-e", f"{ROOT}[demo]"]
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *wanted], check=True)
    run = subprocess.run([python, "-m", "pytest", "-q", SCENARIOS], cwd=ROOT, check=False)
    return run.returncode == 0


def main(versions: list[str]) -> int:
    """Ask each version in turn; the exit code is 1 unless all of them pass."""
    if not versions:
        sys.exit("which versions? python -m tests.kernels 6.31 7.1 ...")
    passed = {}
    for version in versions:
        with tempfile.TemporaryDirectory() as folder:
            passed[version] = ask(version, Path(folder))
    for version, good in passed.items():
        sys.stdout.write(f"ipykernel {version}: {'passes' if good else 'FAILS'}\n")
    return 0 if all(passed.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
