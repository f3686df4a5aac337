"""Linked, embedded or named: in odd places, behind links, after a move, and for strangers."""

from __future__ import annotations

import json
from importlib import resources

import pytest

from tests.support.lab import write_notebook

pytestmark = pytest.mark.browser

FOLDER = "Übung 1/zweiter Teil"
NAME = f"{FOLDER}/mein Heft ä #2.ipynb"
ELSEWHERE = "import os; os.chdir('/')\n%load_ext ipyreel"
VIDEO = """%%video clip -p quick --wait
A paper boat on a dark sea at dawn"""
SHOW = "from ipyreel import Video\nVideo({path!r}, embed_limit={limit})"
LIGHT = 10_000
"""Bytes that a linked video may add to a notebook."""


def weight(cell):
    """Return the bytes that a cell's outputs take in the file."""
    return len(json.dumps(cell.outputs).encode())


@pytest.mark.usefixtures("shops")
def test_every_place_is_shown_as_it_can_be(server, lab, stranger, tmp_path):
    film = resources.files("ipyreel.demo").joinpath("stub.mp4").read_bytes()
    folder, outside = server.root / FOLDER, tmp_path / "outside.mp4"
    beside = folder / "clips" / "ein Film #1 100% ü?.mp4"
    beside.parent.mkdir(parents=True)
    for path in (beside, outside):
        path.write_bytes(film)
    (folder / "disk").symlink_to(tmp_path)
    shown = [(beside, 0), (outside, len(film)), (outside, len(film) - 1)]
    shown.append((folder / "disk" / "outside.mp4", len(film)))  # which the server does not serve
    cells = [ELSEWHERE, VIDEO]
    cells += [SHOW.format(path=str(path), limit=limit) for path, limit in shown]
    write_notebook(server.root / NAME, [*cells, "clip.video"])
    lab.open(NAME)
    for index in range(6):
        lab.run_cell(index)
    for index in (1, 2, 3, 5):
        assert lab.video(index)["width"] == 64
        assert lab.seek(index, 0.5) == pytest.approx(0.5)
    assert "/files/" in lab.video(1)["src"]
    assert "videos/" in lab.output_text(1)
    assert [how for index in (1, 2, 3, 5) for how in ("linked", "embedded (+")
            if how in lab.output_text(index)] == ["linked"] * 2 + ["embedded (+"] * 2  # fmt: skip
    assert lab.output(4).locator("video").count() == 0
    assert "--embed embeds it anyway" in lab.output_text(4)
    saved = lab.save()
    assert max(weight(saved.cells[index]) for index in (1, 2)) < LIGHT
    assert weight(saved.cells[3]) > len(film) * 4 / 3
    assert str(server.root) not in json.dumps([saved.cells[index].outputs for index in (1, 2)])
    assert lab.console_errors == []

    other = stranger(NAME)
    for index in (1, 2, 3, 5):
        assert other.video(index)["controls"]
        assert other.seek(index, 0.5) == pytest.approx(0.5)
    other.screenshot("showing-untrusted")
    assert other.console_errors == []

    # The notebook is moved to a folder from which the file cannot be linked.
    (server.root / "new").mkdir()
    lab.page.evaluate(
        """async name => window.jupyterapp.serviceManager.contents.rename(
             name, 'new/moved.ipynb')""",
        NAME,
    )
    lab.path = "new/moved.ipynb"
    lab.wait_for("() => window.jupyterapp.shell.currentWidget.context.path === 'new/moved.ipynb'")
    lab.run_cell(6)
    assert "embedded (+" in lab.output_text(6)
    assert lab.video(6)["width"] == 64
