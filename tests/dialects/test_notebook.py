"""The how-to runs from top to bottom, offline, and leaves nothing behind."""

from __future__ import annotations

import shutil

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.jupyter import KERNEL_NAME, environment
from tests.support.laws import ROOT

HOW_TO = ROOT / "notebooks" / "40_your_own_server.ipynb"


def test_it_is_stored_without_outputs():
    notebook = nbformat.read(HOW_TO, as_version=4)
    nbformat.validate(notebook)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert not [cell for cell in notebook.cells if cell.get("outputs")]


@pytest.mark.notebook
def test_it_runs_from_top_to_bottom(tmp_path, monkeypatch):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    shutil.copy(HOW_TO, folder)
    surroundings = environment(tmp_path)
    monkeypatch.setenv("JUPYTER_PATH", surroundings["JUPYTER_PATH"])
    notebook = nbformat.read(folder / HOW_TO.name, as_version=4)
    client = NotebookClient(
        notebook,
        kernel_name=KERNEL_NAME,
        timeout=120,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=surroundings)
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    text = "\n".join(str(output.get("data") or output.get("text")) for output in shown)
    assert "POST https://api.apiyi.com/v1/videos" in text
    assert "boat-1" in text
    films = sorted((folder / "videos").glob("*.mp4"))
    assert len(films) == 2
    assert not (folder / "ipyreel.toml").exists()
