"""A notebook that was saved while its jobs ran shows their videos to everybody afterwards."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.support.lab import write_notebook

pytestmark = pytest.mark.browser

LOAD = "%load_ext ipyreel"
VIDEO = """%%video clip -p demo -s 4 --size 640x360
A paper boat on a dark sea"""
SWEEP = """%%video seas -p demo -s 4 --size 640x360 -n 2
A calm sea"""
WAIT = "clip.wait(); seas.wait(); clip.status"
PROBLEM = re.compile(r"Error displaying widget|model not found|Loading widget|widget-subarea")
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


def check_videos(page):
    """Card and grid show their videos, which play, and no error of a widget."""
    for index, count in ((1, 1), (2, 2)):
        page.output(index).locator("video:visible").first.wait_for()
        assert page.page.evaluate(PLAYED, [index, count]) == "played"
        assert not PROBLEM.search(page.output_text(index))


def test_what_was_saved_while_jobs_ran_shows_their_videos(server, open_page, start_server):
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
    first.close()  # the tab is closed in mid-job
    server.wait_idle()

    again = open_page(server)
    again.open("early.ipynb")
    check_videos(again)  # the live widgets, which know the end
    again.screenshot("early-reopened", cell=1)
    saved = again.save()
    assert any("application/vnd.jupyter.widget-view+json" in one["data"]
               for one in saved.cells[1].outputs)  # fmt: skip
    again.shutdown_kernel()
    again.close()

    stranger_server = start_server(server.root, kernels=False)
    for name in ("early", "never-saved-again"):
        trusted = open_page(server)
        trusted.open(f"{name}.ipynb")
        assert trusted.is_trusted(1)
        check_videos(trusted)
        trusted.screenshot(f"{name}-trusted", cell=1)
        trusted.shutdown_kernel()
        trusted.close()

        stranger = open_page(stranger_server)
        stranger.open(f"{name}.ipynb", kernel=False)
        assert not stranger.is_trusted(1)
        check_videos(stranger)
        stranger.screenshot(f"{name}-untrusted", cell=1)
        stranger.screenshot(f"{name}-untrusted-grid", cell=2)
        assert stranger.console_errors == []
        stranger.close()


def test_two_browsers_read_what_is_true_while_the_job_runs_and_after_it(server, open_page):
    slow = """%%video clip -p demo -s 8 --size 640x360
A train in the fog"""
    write_notebook(server.root / "shared.ipynb", [LOAD, slow, "clip.wait(); clip.status"])
    first = open_page(server)
    first.open("shared.ipynb")
    first.run_cell(0)
    first.run_cell(1)
    first.save()
    second = open_page(server)
    second.open("shared.ipynb")
    text = second.output_text(1)
    assert "was saved before" not in text
    assert not PROBLEM.search(text)
    first.run_cell(2)
    second.output(1).locator("video:visible").first.wait_for()
    assert second.page.evaluate(PLAYED, [1, 1]) == "played"
    second.screenshot("second-browser", cell=1)


@pytest.mark.parametrize("how", ["notebook:move-cell-down", "notebook:cut-cell"])
def test_a_cell_that_is_moved_while_its_job_runs_keeps_its_video(server, open_page, how):
    name = f"moved-{how.rpartition(':')[2]}.ipynb"
    write_notebook(server.root / name, [LOAD, VIDEO, "clip.wait(); clip.status"])
    lab = open_page(server)
    lab.open(name)
    lab.run_cell(0)
    lab.run_cell(1)
    lab.command(how)
    if how == "notebook:cut-cell":
        lab.command("notebook:paste-cell-below")
    lab.wait_for(
        """() => [...document.querySelectorAll('.jp-Notebook .jp-Cell')][2]
             ?.querySelector('.jp-OutputArea-output')"""
    )
    lab.run_cell(1)
    assert lab.page.evaluate(PLAYED, [2, 1]) == "played"
    assert not PROBLEM.search(lab.output_text(2))
    lab.screenshot(name.removesuffix(".ipynb"), cell=2)
    saved = lab.save()
    assert "<video src=" in str(saved.cells[2].outputs)
    lab.shutdown_kernel()
    lab.close()
    again = open_page(server)
    again.open(name)
    again.output(2).locator("video:visible").first.wait_for()
    assert again.page.evaluate(PLAYED, [2, 1]) == "played"
    assert not PROBLEM.search(again.output_text(2))
