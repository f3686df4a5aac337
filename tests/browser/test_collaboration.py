"""Two browsers edit one notebook with jupyter-collaboration, which saves it by itself."""

from __future__ import annotations

import os

import pytest

from tests.browser.conftest import HOLDS
from tests.support.demo import running_demo
from tests.support.jupyter import package_folder
from tests.support.lab import LabServer, write_notebook

FOLDER = os.environ.get("IPYREEL_COLLABORATION", "")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not FOLDER, reason="no folder with jupyter-collaboration, see .ci/long"),
]

VIDEO = """%%video clip -s 2 --size 640x360
A train in the fog"""


@pytest.fixture(scope="module")
def together(browser, tmp_path_factory):  # noqa: ARG001 - without a browser, no server is needed
    """A JupyterLab whose notebooks are shared; no other finds what is in that folder."""
    server = LabServer(
        tmp_path_factory.mktemp("together"),
        tmp_path_factory.mktemp("together-home"),
        PYTHONPATH=os.pathsep.join((package_folder(), FOLDER)),
        JUPYTER_PATH=f"{FOLDER}/share/jupyter",
        JUPYTER_CONFIG_PATH=f"{FOLDER}/etc/jupyter",
    )
    yield server.wait_ready()
    server.stop()


@pytest.fixture
def shop(together, tmp_path):
    with running_demo(tmp_path, speed=20, faults=[HOLDS]) as demo:
        (together.root / "ipyreel.toml").write_text(
            f'provider = "shop"\n[providers.shop]\nbase_url = "{demo.url}"\ndialect = "openai"\n'
        )
        yield demo


def test_two_people_in_one_notebook(together, shop, open_page):
    path = together.root / "shared.ipynb"
    write_notebook(path, ["%load_ext ipyreel", VIDEO, "clip.wait(); clip.status"])
    first, second = open_page(together), open_page(together)
    for page in (first, second):
        page.open("shared.ipynb")
    first.run_cell(0)
    first.run_cell(1)
    first.output(1).locator("[role=progressbar]").wait_for()
    # JupyterLab gives the second page no widget, and no output that is replaced later.
    second.output(1).locator("video").wait_for()
    assert "was being made when the notebook was saved" in second.output_text(1)
    second.screenshot("together-second", cell=1)
    shop.faults.clear()
    first.run_cell(2)
    for page in (first, second):
        assert page.play(1) > 0
    saved = first.save()
    assert 'preload="metadata"' in saved.cells[1].outputs[0]["data"]["text/html"]
    second.reload()
    assert second.is_trusted(1)
    assert second.play(1) > 0
    assert "was being made" not in second.output_text(1)
    second.screenshot("together-reloaded", cell=1)
