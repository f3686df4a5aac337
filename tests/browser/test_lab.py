"""From prompt to playing video, as a person sees it: JupyterLab, Chromium, the demo provider."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.support.lab import ROOT, write_notebook

pytestmark = pytest.mark.browser

LOAD = "%load_ext ipyreel"
VIDEO = """%%video clip --provider demo --seconds 4 --size 640x360 --seed 7
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
PLAYS = """([index]) => {
  const cell = [...document.querySelectorAll('.jp-Notebook .jp-Cell')][index];
  const video = [...cell.querySelectorAll('.jp-OutputArea-output video')]
    .find(video => video.checkVisibility());
  return !!video && video.readyState >= 2;
}"""

OUTPUTS = ".jp-OutputArea-output"
PROBLEM = re.compile(r"Error displaying widget|model not found|Loading widget|widget-subarea")


def types_in(outputs):
    """Return the media types of saved outputs."""
    return {kind for output in outputs for kind in output.get("data", {})}


def test_the_card_moves_while_a_cell_blocks_and_then_the_video_plays(server, lab):
    write_notebook(server.root / "live.ipynb", [LOAD, VIDEO, BLOCK])
    lab.open("live.ipynb")
    assert lab.run_cell(0) == []
    lab.page.evaluate(RECORD, 1)
    lab.run_cell(1)  # done, while the job has only begun
    assert lab.output(1).locator("video:visible").count() == 0
    lab.start_cell(2)
    lab.wait_for(ABOVE, arg=[1, 0])
    lab.screenshot("card-light", cell=1)
    lab.use_theme("dark")
    lab.screenshot("card-dark", cell=1)
    lab.use_theme("light")
    facts = lab.video(1)
    assert lab.is_running(2), "the other cell was to block all the while"
    percents = lab.page.evaluate("() => window.percents")
    assert percents == sorted(percents)
    assert len(percents) > 2
    assert (facts["width"], facts["height"]) == (640, 360)
    assert facts["duration"] == pytest.approx(4, abs=0.05)
    assert facts["seekable"] == pytest.approx(4, abs=0.05)
    assert facts["controls"]
    assert lab.seek(1, 2.5) == pytest.approx(2.5)
    assert lab.play(1) > 0
    assert "A paper boat" in lab.output_text(1)
    lab.screenshot("video-light", cell=1)
    lab.use_theme("dark")
    lab.screenshot("video-dark", cell=1)
    lab.interrupt()
    lab.wait_cell(2)
    assert lab.console_errors == []


def test_what_was_saved_is_what_others_see(server, lab, open_page, start_server):
    write_notebook(server.root / "saved.ipynb", [LOAD, VIDEO])
    lab.open("saved.ipynb")
    lab.run_all()
    lab.video(1)
    lab.wait_for(  # the output itself, not only the page: it becomes static HTML
        """() => { const panel = window.jupyterapp.shell.currentWidget;
             const outputs = panel.content.widgets[1].model.outputs.toJSON();
             return outputs.length === 2 && outputs[1].data['text/html'] === ''
               && !('application/vnd.jupyter.widget-view+json' in outputs[0].data); }"""
    )
    saved = lab.save()
    assert types_in(saved.cells[1].outputs) == {"text/html", "text/plain"}
    assert "widgets" not in saved.metadata
    lab.shutdown_kernel()

    stranger = open_page(start_server(server.root, kernels=False))
    stranger.open("saved.ipynb", kernel=False)
    assert not stranger.is_trusted(1)
    facts = stranger.video(1)
    assert (facts["width"], facts["height"]) == (640, 360)
    assert stranger.seek(1, 3) == pytest.approx(3)
    assert stranger.play(1) > 0
    assert not PROBLEM.search(stranger.output_text(1))
    assert stranger.page.locator(".jp-RenderedHTMLCommon video").count() == 1
    stranger.screenshot("untrusted-light", cell=1)
    stranger.use_theme("dark")
    stranger.screenshot("untrusted-dark", cell=1)
    assert stranger.console_errors == []


def test_a_page_reload_in_the_middle_loses_nothing(server, lab):
    write_notebook(server.root / "reload.ipynb", [LOAD, VIDEO, "clip.status"])
    lab.open("reload.ipynb")
    lab.run_cell(0)
    lab.run_cell(1)
    lab.wait_for(ABOVE, arg=[1, 0])
    lab.save()
    lab.reload()
    lab.wait_for(PLAYS, arg=[1])
    assert lab.seek(1, 1) == pytest.approx(1)
    assert "completed" in lab.run_cell(2)[0]["data"]["text/plain"]


def test_bad_input_is_one_line_under_the_cell(server, lab):
    bad = "%%video --provider demo --seconds many\nwaves"
    write_notebook(server.root / "bad.ipynb", [LOAD, bad])
    lab.open("bad.ipynb")
    lab.run_cell(0)
    with pytest.raises(AssertionError, match="many"):
        lab.run_cell(1)
    lines = [line for line in lab.output_text(1).splitlines() if line.strip()]
    assert len(lines) == 1
    assert "--seconds" in lines[0]
    assert "Traceback" not in lines[0]


def test_dollars_stay_dollars(server, lab):
    """MathJax typesets what stands between two dollars in any HTML output, prices too."""
    formula = "from IPython.display import HTML; HTML('<b>a $x^2$ b</b>')"
    write_notebook(server.root / "dollars.ipynb", [LOAD, "%video models apiyi", formula])
    lab.open("dollars.ipynb")
    for index in range(3):
        lab.run_cell(index)
    lab.wait_for("() => document.querySelector('.jp-OutputArea-output mjx-container')")
    assert "$0.30/s (720x1280, 1280x720); $0.50/s" in lab.output_text(1)
    assert lab.output(1).locator("mjx-container").count() == 0


def test_the_quickstart_runs_from_top_to_bottom(server, lab):
    shutil.copy(ROOT / "notebooks" / "00_quickstart.ipynb", server.root)
    lab.use_theme("light")
    lab.open("00_quickstart.ipynb")
    lab.run_all(timeout=180)
    lab.wait_for(
        """() => { const videos = [...document.querySelectorAll('.jp-OutputArea-output video')];
             return videos.length > 0 && videos.every(video => video.readyState >= 2); }""",
        180,
    )
    saved = lab.save()
    outputs = [output for cell in saved.cells for output in cell.get("outputs", [])]
    assert [output for output in outputs if output.output_type == "error"] == []
    assert not any(PROBLEM.search(text) for text in lab.page.locator(OUTPUTS).all_inner_texts())
    lab.screenshot("quickstart")
    assert lab.console_errors == []
