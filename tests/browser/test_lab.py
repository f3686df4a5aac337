"""From a prompt to a playing video in JupyterLab and Chromium."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.browser.conftest import MOVES
from tests.support.lab import ROOT, write_notebook

pytestmark = pytest.mark.browser

LOAD = "%load_ext ipyreel"
VIDEO = """%%video clip --provider draws --seconds 2 --size 640x360
A paper boat on a dark sea at dawn, drifting past lanterns"""
BLOCK = "import time; time.sleep(3600)"

PERCENT = """([index]) => {
  const cell = [...document.querySelectorAll('.jp-Notebook .jp-Cell')][index];
  const bar = cell.querySelector('.jp-OutputArea-output [role=progressbar]');
  return bar ? Number(bar.getAttribute('aria-valuenow')) : null;
}"""
ABOVE = f"""([index, low]) => {{
  const found = ({PERCENT})([index]);
  return found !== null && found > low ? found : null;
}}"""
RECORD = f"""index => {{
  const cell = [...document.querySelectorAll('.jp-Notebook .jp-Cell')][index];
  window.percents = [];
  const look = () => {{
    const found = ({PERCENT})([index]);
    if (found !== null && found !== window.percents.at(-1)) window.percents.push(found);
  }};
  new MutationObserver(look).observe(cell, {{subtree: true, childList: true, attributes: true}});
}}"""
STATIC = """() => { const panel = window.jupyterapp.shell.currentWidget;
  const outputs = panel.content.widgets[1].model.outputs.toJSON();
  return outputs.length === 2 && outputs[1].data['text/html'] === ''
    && !('application/vnd.jupyter.widget-view+json' in outputs[0].data); }"""
"""The output itself, and not only the page, has become static HTML."""

OUTPUTS = ".jp-OutputArea-output"
PROBLEM = re.compile(r"Error displaying widget|model not found|Loading widget|widget-subarea")


def types_in(outputs):
    """Return the media types of saved outputs."""
    return {kind for output in outputs for kind in output.get("data", {})}


def test_the_card_moves_while_a_cell_blocks_and_its_video_is_saved(server, shops, lab, stranger):
    for rule in MOVES:
        shops["draws"].faults.add(rule)
    write_notebook(server.root / "live.ipynb", [LOAD, VIDEO, BLOCK])
    lab.open("live.ipynb")
    assert lab.run_cell(0) == []
    lab.page.evaluate(RECORD, 1)
    lab.run_cell(1)  # done, while the job has only begun
    assert lab.output(1).locator("video:visible").count() == 0
    lab.start_cell(2)
    lab.wait_for(ABOVE, arg=[1, 39])
    lab.screenshot("card-light", cell=1)
    lab.use_theme("dark")
    lab.screenshot("card-dark", cell=1)
    shops["draws"].faults.clear()
    facts = lab.video(1)
    assert lab.is_running(2), "the other cell was to block all the while"
    percents = lab.page.evaluate("() => window.percents")
    assert percents == sorted(percents)
    assert len(percents) > 2
    assert (facts["width"], facts["height"]) == (640, 360)
    assert facts["duration"] == pytest.approx(2, abs=0.05)
    assert facts["controls"]
    assert lab.seek(1, 1.5) == pytest.approx(1.5)
    assert lab.play(1) > 0
    assert "A paper boat" in lab.output_text(1)
    lab.screenshot("video-dark", cell=1)
    lab.use_theme("light")
    lab.screenshot("video-light", cell=1)
    lab.interrupt()
    lab.wait_cell(2)
    assert lab.console_errors == []

    lab.wait_for(STATIC)
    saved = lab.save()
    assert types_in(saved.cells[1].outputs) == {"text/html", "text/plain"}
    assert "widgets" not in saved.metadata
    lab.close_notebook()

    lab.open("live.ipynb")  # the next day: trusted, and with a kernel that knows of nothing
    assert lab.is_trusted(1)
    assert lab.play(1) > 0
    assert not PROBLEM.search(lab.output_text(1))
    lab.close_notebook()
    other = stranger("live.ipynb")
    facts = other.video(1)
    assert (facts["width"], facts["height"]) == (640, 360)
    assert "/user/zoe/files/videos/" in facts["src"]
    assert other.seek(1, 1) == pytest.approx(1)
    assert other.play(1) > 0
    assert not PROBLEM.search(other.output_text(1))
    assert other.page.locator(".jp-RenderedHTMLCommon video").count() == 1
    other.screenshot("untrusted-light", cell=1)
    assert other.console_errors == []


def test_texts_are_shown_as_they_are(server, lab):
    """MathJax typesets what stands between two dollars in any HTML output, prices too."""
    bad = "%%video --provider demo --seconds many\nwaves"
    formula = "from IPython.display import HTML; HTML('<b>a $x^2$ b</b>')"
    cells = [LOAD, "%video models apiyi", formula, "%video doctor", bad, "1 / 0"]
    write_notebook(server.root / "texts.ipynb", cells)
    lab.open("texts.ipynb")
    for index in range(4):
        lab.run_cell(index)
    lab.wait_for("() => document.querySelector('.jp-OutputArea-output mjx-container')")
    assert "$0.30/s (720x1280, 1280x720); $0.50/s" in lab.output_text(1)
    assert lab.output(1).locator("mjx-container").count() == 0
    # The server of these tests has no token, and so cannot be asked.
    assert "not checked: the server has no token" in lab.output_text(3)
    assert "demo captions" in lab.output_text(3)
    with pytest.raises(AssertionError, match="many"):
        lab.run_cell(4)
    (line,) = [line for line in lab.output_text(4).splitlines() if line.strip()]
    assert "--seconds" in line
    with pytest.raises(AssertionError, match="division by zero"):  # the tests' own eyes are open
        lab.run_cell(5)


def test_the_quickstart_runs_from_top_to_bottom(server, lab):
    shutil.copy(ROOT / "notebooks" / "00_quickstart.ipynb", server.root)
    lab.open("00_quickstart.ipynb")
    lab.run_all(timeout=600)
    lab.wait_for(
        """() => { const videos = [...document.querySelectorAll('.jp-OutputArea-output video')];
             return videos.length > 0 && videos.every(video => video.readyState >= 2); }""",
        600,
    )
    saved = lab.save()
    outputs = [output for cell in saved.cells for output in cell.get("outputs", [])]
    assert [output for output in outputs if output.output_type == "error"] == []
    assert not any(PROBLEM.search(text) for text in lab.page.locator(OUTPUTS).all_inner_texts())
    lab.screenshot("quickstart")
    assert lab.console_errors == []
