"""What was saved plays in code-server, which resolves links against the notebook's folder."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.support.jupyter import environment
from tests.support.lab import PATIENCE, SCREENSHOTS, Server, write_notebook

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        shutil.which("code-server") is None, reason="no code-server (npm install -g code-server)"
    ),
]

VIDEO = "%%video -p demo --seconds 2 --size 640x360"
CELLS = ["%load_ext ipyreel", f"{VIDEO}\nWaves at noon", f"{VIDEO} --link\nA paper boat"]
PLAYS = """async video => {
  video.muted = true;
  await video.play();
  return video.duration > 0;
}"""


class CodeServer(Server):
    """VS Code in a browser. It trusts every folder: in others VS Code shows no HTML output."""

    program = ("code-server",)
    ready = "/healthz"

    def _command(self):
        options = ["--disable-telemetry", "--disable-update-check", "--disable-workspace-trust"]
        options += [f"--user-data-dir={self.home}/user", f"--extensions-dir={self.home}/more"]
        return [*options, "--auth=none", f"--bind-addr=127.0.0.1:{self.port}"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a notebook that was run and saved: one video is embedded, one linked."""
    root = tmp_path_factory.mktemp("code") / "Übung 课程 1"
    write_notebook(root / "in.ipynb", CELLS)
    command = ["nbconvert", "--to", "notebook", "--execute", "--output", "saved", "in.ipynb"]
    env = environment(tmp_path_factory.mktemp("kernel"))
    subprocess.run([sys.executable, "-m", *command], cwd=root, env=env, check=True)
    return root


def open_notebook(page, name):
    """Open a notebook; until the extension for notebooks is there, it opens as JSON."""
    notebook, text = page.locator(".notebookOverlay"), page.locator(".editor-instance .view-lines")
    while not notebook.is_visible():
        page.get_by_role("treeitem", name=name).dblclick()
        notebook.or_(text).first.wait_for()
        if not notebook.is_visible():
            page.get_by_role("tab", name=name).locator(".codicon-close").click()


def test_saved_videos_play(browser, folder, tmp_path):
    server = CodeServer(folder, tmp_path)
    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    page.set_default_timeout(PATIENCE * 1000)
    try:
        server.wait_ready()
        page.goto(f"{server.url}/?folder={folder}")
        open_notebook(page, "saved.ipynb")
        shown = page.frame_locator("iframe.webview").frame_locator("iframe")
        for source in ("data:video/mp4", "videos/"):
            assert shown.locator(f"video[src^='{source}']").evaluate(PLAYS)
    finally:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / "code-server.png")
        page.close()
        server.stop()
