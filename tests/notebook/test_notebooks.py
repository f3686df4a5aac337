"""Every notebook runs from top to bottom in its own kernel, and is stored without outputs."""

from __future__ import annotations

import json
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


RUN = """
import asyncio, json, sys
import nbclient, nbformat

async def run(folder, env, turn):
    notebook = nbformat.read(f"{folder}/given.ipynb", as_version=4)
    client = nbclient.NotebookClient(notebook, resources={"metadata": {"path": folder}})
    async with turn:
        try:
            await client.async_execute(env=env)
        except nbclient.exceptions.CellExecutionError:
            pass  # the output is in the notebook
    nbformat.write(notebook, f"{folder}/done.ipynb")

async def run_all(given):
    turn = asyncio.Semaphore(3)  # most of their time they wait for a video
    await asyncio.gather(*(run(folder, env, turn) for folder, env in given.items()))

asyncio.run(run_all(json.load(sys.stdin)))
"""


SMALL = '[models.demo-1]\nsizes = ["160x90", "1280x720"]\n'
"""A person's own settings, by which the demo takes small sizes, too: they are rendered sooner."""


@pytest.fixture(scope="module")
def done(request, tmp_path_factory):
    """Run copies of the selected notebooks, with smaller videos; return the folder of each."""
    folder = tmp_path_factory.mktemp("notebooks")
    selected = {item.callspec.params["path"] for item in request.session.items if _runs(item)}
    found = {path: folder / path.stem for path in sorted(selected)}
    for path, here in found.items():
        here.mkdir()
        text = path.read_text(encoding="utf-8").replace("640x360", "160x90")
        (here / "given.ipynb").write_text(text, encoding="utf-8")
    envs = {str(here): environment(folder / f"home-{here.stem}") for here in found.values()}
    for env in envs.values():
        Path(env["IPYREEL_HOME"], "ipyreel.toml").write_text(SMALL, encoding="utf-8")
    subprocess.run(
        [sys.executable, "-c", RUN],
        env=environment(folder / "home"),
        input=json.dumps(envs),
        text=True,
        check=True,
    )
    return found


def _runs(item):
    return getattr(item, "function", None) is test_a_notebook_runs_from_top_to_bottom


IN_A_BROWSER = {"00_quickstart"}
"""Run by `tests/browser/test_lab.py`."""


@pytest.mark.notebook
@pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path.stem not in IN_A_BROWSER], ids=by_name
)
def test_a_notebook_runs_from_top_to_bottom(path, done):
    here = done[path]
    notebook = nbformat.read(here / "done.ipynb", as_version=4)
    outputs = [one for cell in notebook.cells for one in cell.get("outputs", [])]
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
