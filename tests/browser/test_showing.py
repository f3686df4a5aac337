"""Linked, embedded or named: in odd places, under another base URL, and for strangers."""

from __future__ import annotations

import json

import pytest

from tests.browser.test_harness import make_clip
from tests.support.lab import write_notebook

pytestmark = pytest.mark.browser

FOLDER = "Übung 1/zweiter Teil"
NAME = f"{FOLDER}/mein Heft ä #2.ipynb"
ELSEWHERE = "import os; os.chdir('/')\n%load_ext ipyreel"
VIDEO = """%%video clip --provider demo --seconds 2 --size 640x360 --wait
A paper boat on a dark sea at dawn"""
SHOW = "from ipyreel import Video\nVideo({path!r}, embed_limit={limit})"
LIGHT = 10_000
"""Bytes that a linked video may add to a notebook."""


def weight(cell):
    """Return the bytes that a cell's outputs take in the file."""
    return len(json.dumps(cell.outputs).encode())


def test_every_place_is_shown_as_it_can_be(start_server, open_page, tmp_path):
    server = start_server(base_url="/user/zoe/")
    beside = server.root / FOLDER / "clips" / "ein Film #1 100% ü?.mp4"
    beside.parent.mkdir(parents=True)
    make_clip(beside)
    outside = make_clip(tmp_path / "outside.mp4")
    size = outside.stat().st_size
    cells = [
        ELSEWHERE,
        VIDEO,
        SHOW.format(path=str(beside), limit=0),
        SHOW.format(path=str(outside), limit=size),
        SHOW.format(path=str(outside), limit=size - 1),
    ]
    write_notebook(server.root / NAME, cells)
    lab = open_page(server)
    lab.open(NAME)
    lab.run_all()
    for index, width in ((1, 640), (2, 160), (3, 160)):
        assert lab.video(index)["width"] == width
        assert lab.seek(index, 1) == pytest.approx(1)
    assert "/user/zoe/files/" in lab.video(1)["src"]
    assert "videos/" in lab.output_text(1)
    assert "linked" in lab.output_text(1)
    assert "linked" in lab.output_text(2)
    assert "embedded (+" in lab.output_text(3)
    assert lab.output(4).locator("video").count() == 0
    assert "--embed embeds it anyway" in lab.output_text(4)
    saved = lab.save()
    assert max(weight(saved.cells[index]) for index in (1, 2)) < LIGHT
    assert weight(saved.cells[3]) > size * 4 / 3
    assert str(server.root) not in json.dumps([saved.cells[index].outputs for index in (1, 2)])
    assert lab.console_errors == []
    lab.shutdown_kernel()

    stranger = open_page(start_server(server.root, kernels=False))
    stranger.open(NAME, kernel=False)
    assert not stranger.is_trusted(1)
    for index in (1, 2, 3):
        assert stranger.video(index)["controls"]
        assert stranger.seek(index, 1.5) == pytest.approx(1.5)
    stranger.screenshot("showing-untrusted")
    assert stranger.console_errors == []
