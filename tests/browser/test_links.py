"""A file is linked only where the server would serve it: links, moved and shared notebooks."""

from __future__ import annotations

import json

import pytest

from tests.support.lab import write_notebook

pytestmark = pytest.mark.browser

LOAD = "%load_ext ipyreel"
VIDEO = """%%video clip --provider demo --seconds 2 --size 640x360 --wait
A paper boat on a dark sea"""
AGAIN = "clip.video"
DOCTOR = "%video doctor"


def source(lab, index):
    """Return how the first video below a cell is saved: "embedded", or its relative URL."""
    text = json.dumps([one.get("data", {}) for one in lab.outputs(index)])
    start = text.partition('<video src=\\"')[2].partition('\\"')[0]
    return "embedded" if start.startswith("data:") else start


def test_a_folder_of_videos_that_leaves_the_root_is_embedded(server, open_page, tmp_path):
    outside = tmp_path / "disk"
    outside.mkdir()
    folder = server.root / "linked"
    folder.mkdir()
    (folder / "videos").symlink_to(outside)
    write_notebook(folder / "linked.ipynb", [LOAD, VIDEO])
    lab = open_page(server)
    lab.open("linked/linked.ipynb")
    lab.run_all()
    assert lab.video(1)["width"] == 640
    assert source(lab, 1) == "embedded"
    assert "embedded (+" in lab.output_text(1)
    lab.screenshot("links-outside", cell=1)
    assert lab.console_errors == []
    assert not [reply for reply in lab.bad_replies if ".mp4" in reply]


def test_a_notebook_that_was_moved_embeds_what_its_new_folder_cannot_link(server, open_page):
    (server.root / "old").mkdir()
    (server.root / "new").mkdir()
    write_notebook(server.root / "old" / "moved.ipynb", [LOAD, VIDEO, AGAIN])
    lab = open_page(server)
    lab.open("old/moved.ipynb")
    lab.run_cell(0)
    lab.run_cell(1)
    assert source(lab, 1).startswith("videos/")
    lab.page.evaluate(
        """async () => window.jupyterapp.serviceManager.contents.rename(
             'old/moved.ipynb', 'new/moved.ipynb')"""
    )
    lab.path = "new/moved.ipynb"
    lab.wait_for("() => window.jupyterapp.shell.currentWidget.context.path === 'new/moved.ipynb'")
    lab.run_cell(2)
    assert source(lab, 2) == "embedded"
    assert lab.video(2)["width"] == 640


def test_the_doctor_says_what_it_saw_of_linked_files(server, open_page):
    write_notebook(server.root / "doctor.ipynb", [LOAD, DOCTOR])
    lab = open_page(server)
    lab.open("doctor.ipynb")
    lab.run_all()
    # The server of these tests has no token, and so cannot be asked.
    assert "not checked: the server has no token" in lab.output_text(1)
    lab.screenshot("links-doctor", cell=1)
