"""What papermill, nbconvert and `jupyter execute` (nbclient) leave plays on every desk."""

from __future__ import annotations

import shutil
import subprocess
import sys

import nbformat
import pytest
from nbconvert import HTMLExporter
from nbformat.sign import NotebookNotary

from tests.support.demo import running_demo
from tests.support.jupyter import environment
from tests.support.lab import PATIENCE, write_notebook

pytestmark = pytest.mark.browser

CELLS = ["%load_ext ipyreel", "%%video clip --seconds 4\nwaves", "clip.status"]
NBCONVERT = "nbconvert --to notebook --execute --output out in.ipynb"
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
    "nbconvert": (["-m", *NBCONVERT.split()], "out.ipynb", DATA),
    "nbconvert to elsewhere": (
        ["-m", *NBCONVERT.replace("in.ipynb", "../in.ipynb").split(), "--output-dir=../aus gabe"],
        "../aus gabe/out.ipynb",
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


@pytest.mark.parametrize("tool", TOOLS)
def test_a_document_plays_for_whoever_opens_it(
    browser, provider, open_page, serve, app, tool
):  # fmt: skip
    arguments, written, source = TOOLS[tool]
    reader = open_page(serve(app, kernels=False))
    root = reader.server.root
    folder = root / "documents" / tool / "ein Ordner ü"
    here = folder / "lauf" if written.startswith("..") else folder
    for one in (here, folder / "aus gabe"):
        one.mkdir(parents=True, exist_ok=True)
    (here / "ipyreel.toml").write_text(provider, encoding="utf-8")
    write_notebook(folder / "in.ipynb", CELLS)
    ran = run(arguments, here, folder.parent / "kernel")
    assert ran.returncode == 0, ran.stderr[-3000:]
    document = (here / written).resolve()
    check_page(browser, document, source)
    trusted = shutil.copy(document, document.with_name("trusted.ipynb"))
    for path in (document, trusted):
        notebook = nbformat.read(path, as_version=4)
        # papermill may put a cell of parameters before it.
        (index,) = (n for n, cell in enumerate(notebook.cells) if cell.source == CELLS[1])
        reader.open(str(path.relative_to(root)), kernel=False)
        assert reader.is_trusted(index) == (path == trusted)
        assert reader.play(index) > 0
        # From now on: what is signed is the content, whatever its name.
        NotebookNotary(data_dir=f"{reader.server.home}/jupyter-data").sign(notebook)
    reader.screenshot("documents-in-lab", cell=index)


def check_page(browser, document, source):
    """Check that a browser plays the document as HTML from the disk."""
    body, _ = HTMLExporter().from_notebook_node(nbformat.read(document, as_version=4))
    html = document.with_suffix(".html")
    html.write_text(body, encoding="utf-8")
    page = browser.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    page.route("http*://**", lambda route: route.abort())  # MathJax and the like, from afar
    page.goto(html.as_uri())
    video = page.locator(".jp-OutputArea-output video")
    assert video.count() == 1
    assert video.get_attribute("src").startswith(source)
    assert video.evaluate("v => { v.muted = true; return v.play().then(() => v.duration > 0); }")
    assert str(document.parent) not in page.locator(".jp-OutputArea-output").first.inner_text()
    page.close()
