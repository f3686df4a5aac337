"""The environment of a Jupyter process under test: separate folders, and no keys."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import ipyreel

KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
"""The variables that a child process inherits: no key, no proxy, none of our settings."""

KERNEL_NAME = "python3"


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of a child that keeps everything it writes under `home`."""
    folders = {
        "HOME": home,
        "IPYTHONDIR": home / "ipython",
        "IPYREEL_HOME": home / "ipyreel",
        "JUPYTER_CONFIG_DIR": home / "jupyter-config",
        "JUPYTER_DATA_DIR": home / "jupyter-data",
        "JUPYTER_RUNTIME_DIR": home / "jupyter-runtime",
        "JUPYTERLAB_SETTINGS_DIR": home / "lab-settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "lab-workspaces",
    }
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    paths = {name: str(folder) for name, folder in folders.items()}
    # JUPYTER_PATH comes before the kernels of the environment, which may belong to another project.
    paths["JUPYTER_PATH"] = str(install_kernelspec(home / "jupyter-path"))
    return {**kept, **paths, "PYTHONPATH": package_folder(), "PYTHONUNBUFFERED": "1", **more}


def package_folder() -> str:
    """Return the folder that holds the `ipyreel` under test."""
    return str(Path(ipyreel.__file__).resolve().parents[1])


def install_kernelspec(data: Path) -> Path:
    """Write a kernel that is the interpreter running the tests; return the data folder."""
    folder = data / "kernels" / KERNEL_NAME
    folder.mkdir(parents=True, exist_ok=True)
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3 (tests)",
        "language": "python",
    }
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    return data
