"""Every notebook runs from top to bottom in its own kernel, and is stored without outputs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest

from tests.support.jupyter import environment
from tests.support.tracked import project_files

NOTEBOOKS = [path for path in project_files() if path.match("notebooks/*.ipynb")]


def by_name(path):
    return path.stem


def execute(path, folder):
    """Run a copy of a notebook by nbconvert in a process of its own; return the result."""
    here = folder / path.stem
    here.mkdir()
    shutil.copy(path, here)
    options = ["--to", "notebook", "--execute", "--output", "done", "--log-level", "ERROR"]
    ran = subprocess.run(
        [sys.executable, "-m", "nbconvert", *options, path.name],
        cwd=here,
        env=environment(folder / f"home-{path.stem}"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return here, nbformat.read(here / "done.ipynb", as_version=4)


@pytest.fixture(scope="module")
def runs(request, tmp_path_factory):
    """Run the selected notebooks, three at a time: most of their time they wait for a video."""
    folder = tmp_path_factory.mktemp("notebooks")
    selected = {item.callspec.params["path"] for item in request.session.items if _runs(item)}
    with ThreadPoolExecutor(max_workers=3) as pool:
        yield {path: pool.submit(execute, path, folder) for path in sorted(selected)}


def _runs(item):
    return getattr(item, "function", None) is test_a_notebook_runs_from_top_to_bottom


IN_A_BROWSER = {"00_quickstart"}
"""Run by `tests/browser/test_lab.py`."""


@pytest.mark.notebook
@pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path.stem not in IN_A_BROWSER], ids=by_name
)
def test_a_notebook_runs_from_top_to_bottom(path, runs):
    here, done = runs[path].result()
    outputs = [one for cell in done.cells for one in cell.get("outputs", [])]
    assert [one for one in outputs if one.output_type == "error"] == []
    shown = [one["data"].get("text/html", "") for one in outputs if "data" in one]
    assert any("<video" in html for html in shown)
    assert not any("jupyter.widget-view" in str(one.get("data")) for one in outputs)
    assert list((here / "videos").glob("*.mp4"))
    assert list((here / "videos").glob("*.part")) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
def test_a_notebook_is_stored_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
