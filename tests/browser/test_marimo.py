"""marimo, where cells are Python: static HTML while a job runs, and the video once it is there."""

from __future__ import annotations

import importlib.util

import pytest

from tests.support.lab import PATIENCE, SCREENSHOTS, Server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        importlib.util.find_spec("marimo") is None, reason="marimo is not installed"
    ),
]

NOTEBOOK = """import marimo
app = marimo.App()

@app.cell
def _():
    import ipyreel
    job = ipyreel.submit("A paper boat", provider="demo", seconds=2, size="640x360")
    job
    return ipyreel, job

@app.cell
def _(ipyreel, job):
    job.wait()
    ipyreel.job(job.id)
    return
"""


class MarimoServer(Server):
    """marimo that runs one notebook for each visitor."""

    ready = "/health"

    def _prepare(self):
        (self.root / "boat.py").write_text(NOTEBOOK, encoding="utf-8")

    def _command(self):
        options = ["--headless", "--no-token", f"--port={self.port}"]
        return ["marimo", "run", "boat.py", *options]


def test_a_job_is_told_and_then_shown(browser, tmp_path):
    server = MarimoServer(tmp_path / "root", tmp_path / "home")
    page = browser.new_page(viewport={"width": 1000, "height": 1000})
    page.set_default_timeout(PATIENCE * 1000)
    try:
        server.wait_ready()
        page.goto(server.url)
        page.get_by_text("Run ipyreel.job(").wait_for()
        video = page.locator("video")
        video.wait_for()
        assert video.get_attribute("src").startswith("data:video/mp4;base64,")
        assert video.evaluate("v => { v.muted = true; return v.play().then(() => v.duration); }")
    finally:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / "marimo.png")
        page.close()
        server.stop()
