"""The notebooks are documentation that runs: each from top to bottom, in a kernel of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.support.jupyter import environment
from tests.support.tracked import project_files

NOTEBOOKS = [path for path in project_files() if path.match("notebooks/*.ipynb")]


def by_name(path):
    return path.stem


def execute(path, home):
    """Run a notebook by nbconvert (that is, nbclient), in a process of its own; return it."""
    options = ["--to", "notebook", "--execute", "--output", "done", "--log-level", "ERROR"]
    ran = subprocess.run(
        [sys.executable, "-m", "nbconvert", *options, path.name],
        cwd=path.parent,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return nbformat.read(path.with_name("done.ipynb"), as_version=4)


@pytest.mark.notebook
@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_a_notebook_runs_from_top_to_bottom(path, tmp_path):
    here = tmp_path / "notebook"
    here.mkdir()
    done = execute(Path(shutil.copy(path, here)), tmp_path / "kernel")
    outputs = [one for cell in done.cells for one in cell.get("outputs", [])]
    assert [one for one in outputs if one.output_type == "error"] == []
    shown = [one["data"].get("text/html", "") for one in outputs if "data" in one]
    assert any("<video" in html for html in shown)
    assert not any("jupyter.widget-view" in str(one.get("data")) for one in outputs)
    assert list((here / "videos").glob("*.mp4"))
    assert list((here / "videos").glob("*.part")) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_a_notebook_is_kept_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
