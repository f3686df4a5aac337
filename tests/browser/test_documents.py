"""What papermill, nbconvert and `jupyter execute` (nbclient) leave plays from the disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter

from tests.support.demo import running_demo
from tests.support.jupyter import environment
from tests.support.lab import PATIENCE, write_notebook

pytestmark = pytest.mark.browser

CELLS = ["%load_ext ipyreel", "%%video clip --seconds 4\nwaves", "clip.status"]
NBCONVERT = "nbconvert --to html --execute --output out in.ipynb"
DATA = "data:video/mp4;base64,"
TOOLS = {
    "papermill that names its output": (
        ["-m", "papermill", "--inject-output-path", "in.ipynb", "out.ipynb"],
        "out.ipynb",
        "videos/",
    ),
    "papermill": (
        ["-m", "papermill", "../in.ipynb", "../aus gabe/out.ipynb"],
        "../aus gabe/out.ipynb",
        DATA,
    ),
    "nbconvert": (["-m", *NBCONVERT.split()], "out.html", DATA),
    "nbconvert to elsewhere": (
        ["-m", *NBCONVERT.replace("in.ipynb", "../in.ipynb").split(), "--output-dir=../aus gabe"],
        "../aus gabe/out.html",
        DATA,
    ),
    "jupyter execute": (
        ["-m", "jupyter", "execute", "in.ipynb", "--output=out"],
        "out.ipynb",
        DATA,
    ),
}
"""Tool -> its arguments, what it writes, and how the video's source begins."""


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    """Settings that name a demo server which renders nothing: a video is there at once."""
    home = tmp_path_factory.mktemp("provider")
    with running_demo(home, stub=True, speed=50) as demo:
        yield (
            f'provider = "shop"\n[providers.shop]\nbase_url = "{demo.url}"\ndialect = "openai"\n'
        )


def run(arguments, folder, home):
    """Run a tool in a folder, in a process of its own."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(home, IPYREEL_TRUST=str(folder)),
        capture_output=True,
        text=True,
        check=False,
    )


def as_page(document):
    """Return the document as HTML beside it, as nbconvert makes it."""
    if document.suffix == ".html":
        return document
    body, _ = HTMLExporter().from_notebook_node(nbformat.read(document, as_version=4))
    page = document.with_suffix(".html")
    page.write_text(body, encoding="utf-8")
    return page


@pytest.mark.parametrize("tool", TOOLS)
def test_a_document_plays_from_the_disk(browser, provider, tmp_path, tool):
    arguments, written, source = TOOLS[tool]
    folder = tmp_path / "ein Ordner ü"
    elsewhere = folder / "lauf"
    for one in (elsewhere, folder / "aus gabe"):
        one.mkdir(parents=True)
    here = elsewhere if written.startswith("..") else folder
    (here / "ipyreel.toml").write_text(provider, encoding="utf-8")
    write_notebook(folder / "in.ipynb", CELLS)
    ran = run(arguments, here, tmp_path / "kernel")
    assert ran.returncode == 0, ran.stderr[-3000:]
    page = browser.new_page()
    page.route("http*://**", lambda route: route.abort())  # MathJax and the like, from afar
    page.goto(as_page(Path(here / written).resolve()).as_uri())
    video = page.locator(".jp-OutputArea-output video")
    assert video.count() == 1
    page.wait_for_function(
        "() => document.querySelector('video').readyState >= 2", timeout=PATIENCE * 1000
    )
    assert video.get_attribute("src").startswith(source)
    assert video.evaluate("v => { v.muted = true; return v.play().then(() => v.duration > 0); }")
    assert str(tmp_path) not in page.locator(".jp-OutputArea-output").first.inner_text()
    page.close()
