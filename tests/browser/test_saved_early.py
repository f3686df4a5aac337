"""A notebook that was saved while its jobs ran shows their videos to everybody afterwards."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.support.lab import write_notebook

pytestmark = pytest.mark.browser

LOAD = "%load_ext ipyreel"
VIDEO = "%%video clip -p held\nA paper boat on a dark sea"
SWEEP = "%%video seas -p held -n 2\nA calm sea"
WAIT = "clip.wait(); seas.wait(); clip.status"
PROBLEM = re.compile(r"Error displaying widget|model not found|Loading widget|widget-subarea")
SHOWN = """([index, count]) => [...[...document.querySelectorAll('.jp-Notebook .jp-Cell')]
  .filter(cell => cell.checkVisibility())[index].querySelectorAll('video')]
  .filter(video => video.checkVisibility()).length === count"""
PLAYED = """async ([index, count]) => {
  const cell = [...document.querySelectorAll('.jp-Notebook .jp-Cell')]
    .filter(cell => cell.checkVisibility())[index];
  const videos = [...cell.querySelectorAll('video')].filter(video => video.checkVisibility());
  if (videos.length !== count) return `${videos.length} videos`;
  for (const video of videos) {
    video.muted = true;
    await video.play();
    await new Promise(done => {
      if (video.currentTime > 0) done();
      video.addEventListener('timeupdate', done, {once: true});
    });
    video.pause();
  }
  return 'played';
}"""


def check_videos(page, *cells):
    """Pairs of a cell and a number: it shows so many videos, which play, and no error."""
    for index, count in cells:
        page.wait_for(SHOWN, arg=[index, count])
        assert page.page.evaluate(PLAYED, [index, count]) == "played"
        assert not PROBLEM.search(page.output_text(index))


def test_what_was_saved_while_jobs_ran_shows_their_videos(server, shops, open_page, stranger):
    write_notebook(server.root / "early.ipynb", [LOAD, VIDEO, SWEEP, WAIT])
    first = open_page(server)
    first.open("early.ipynb")
    for index in range(3):
        first.run_cell(index)
    assert first.output(1).locator("video:visible").count() == 0  # the live card hides it
    saved = first.save()
    html = [one["data"]["text/html"] for one in saved.cells[1].outputs]
    assert 'preload="none"' in html[1]
    shutil.copy(server.root / "early.ipynb", server.root / "never-saved-again.ipynb")
    first.start_cell(3)
    first.close_notebook(kernels=False)  # the tab is closed in mid-job
    shops["held"].faults.clear()
    server.wait_idle()

    first.open("early.ipynb")
    check_videos(first, (1, 1), (2, 2))  # the live widgets, which know the end
    first.screenshot("early-reopened", cell=1)
    saved = first.save()
    assert any("application/vnd.jupyter.widget-view+json" in one["data"]
               for one in saved.cells[1].outputs)  # fmt: skip
    first.close_notebook()

    for name in ("early", "never-saved-again"):
        first.open(f"{name}.ipynb")
        assert first.is_trusted(1)
        check_videos(first, (1, 1), (2, 2))
        first.screenshot(f"{name}-trusted", cell=1)
        first.close_notebook()
        other = stranger(f"{name}.ipynb")
        check_videos(other, (1, 1), (2, 2))
        other.screenshot(f"{name}-untrusted", cell=1)
        other.screenshot(f"{name}-untrusted-grid", cell=2)
        assert other.console_errors == []
        other.close_notebook()


def test_a_second_browser_and_cells_that_moved_show_the_videos(server, shops, open_page, stranger):
    cells = [LOAD, VIDEO, "1", VIDEO.replace("clip", "other"), "clip.wait(); other.wait()"]
    write_notebook(server.root / "shared.ipynb", cells)
    first = open_page(server)
    first.open("shared.ipynb")
    first.run_cell(0)
    first.run_cell(1)
    first.command("notebook:move-cell-down")
    first.run_cell(3)
    first.command("notebook:cut-cell")
    first.command("notebook:paste-cell-below")
    first.output(4).locator(".jp-OutputArea-output").first.wait_for()
    saved = first.save()
    assert all("<video src=" in str(saved.cells[index].outputs) for index in (2, 4))
    second = open_page(server)
    second.open("shared.ipynb")
    second.output(2).locator("[role=progressbar]").wait_for()
    assert not PROBLEM.search(second.output_text(2))
    assert "was saved before" not in second.output_text(2)
    shops["held"].faults.clear()
    first.run_cell(3)
    for name, page in (("moved-cells", first), ("second-browser", second)):
        check_videos(page, (2, 1), (4, 1))
        page.screenshot(name, cell=4)
    first.close_notebook()
    second.close_notebook()
    check_videos(stranger("shared.ipynb"), (2, 1), (4, 1))
