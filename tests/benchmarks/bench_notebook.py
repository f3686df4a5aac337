"""Bytes that a video adds to a notebook, against `IPython.display.Video`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import nbformat
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import Video as PlainVideo

from ipyreel.demo.render import render
from ipyreel.notebook.frontends import FrontEnd
from ipyreel.notebook.handles.video import Video
from ipyreel.values import JobSnapshot, VideoRequest
from tests.benchmarks.table import Figure


def run(*, quick: bool) -> list[Figure]:  # noqa: ARG001 - there is nothing to make smaller
    """Compare what is saved of a cell that shows the same file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "videos" / "clip.mp4"
        path.parent.mkdir()
        render("waves", seed=1, width=640, height=360, seconds=2, path=path)
        before = Path.cwd()
        os.chdir(folder)
        try:
            return [*_linked(folder, path), *_embedded(folder, path)]
        finally:
            os.chdir(before)


def _bytes(shown: object) -> int:
    """Return how much longer a notebook's file is with a cell's output, as nbformat writes it."""
    shell = InteractiveShell.instance()
    data, metadata = shell.display_formatter.format(shown)
    output = nbformat.v4.new_output("display_data", data=data, metadata=metadata)
    return _length([output]) - _length([])


def _length(outputs: list[nbformat.NotebookNode]) -> int:
    cell = nbformat.v4.new_code_cell("clip", outputs=outputs, id="one")
    return len(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])).encode())


def _ours(folder: Path, path: Path, how: str, *, bare: bool) -> int:
    job = JobSnapshot(
        id="v0000001",
        provider="demo",
        request=VideoRequest(prompt="waves", seconds=2, size="640x360"),
        status="completed",
        created_at=0.0,
        target=str(path),
    )
    host = FrontEnd(kind="jupyter", widgets=True, links=True, embeds=True)
    return _bytes(Video(path, None if bare else job, how=how, host=host, folder=folder))


def _linked(folder: Path, path: Path) -> list[Figure]:
    plain = _bytes(PlainVideo("videos/clip.mp4"))
    bare = _ours(folder, path, "link", bare=True)
    card = _ours(folder, path, "link", bare=False)
    return [
        Figure(
            what="bytes a linked video adds to the .ipynb",
            against="IPython.display.Video",
            values=[bare / plain],
            reach=1.0,
            note=f"{bare} against {plain} bytes; {card} with prompt, settings and file of its job",
        )
    ]


def _embedded(folder: Path, path: Path) -> list[Figure]:
    base64 = 4 * -(-path.stat().st_size // 3)
    plain = _bytes(PlainVideo("videos/clip.mp4", embed=True)) - base64
    bare = _ours(folder, path, "embed", bare=True) - base64
    card = _ours(folder, path, "embed", bare=False) - base64
    return [
        Figure(
            what="bytes an embedded video adds over its base64",
            against="IPython.display.Video",
            values=[bare / plain],
            reach=1.0,
            note=f"{bare} against {plain} bytes; {card} with prompt, settings and file of its job",
        )
    ]
