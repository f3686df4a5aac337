"""A sweep as a person sees it: small cards become one grid of videos, and stay it when saved."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.support.axe import grave_faults
from tests.support.lab import write_notebook

pytestmark = pytest.mark.browser

LOAD = "%load_ext ipyreel"
SWEEP = """%%video boats --provider demo --size 640x360 --vary mood=calm,stormy --vary seconds=1,2 \
--vary seed=1,2
A paper boat on a {mood} sea at dawn, drifting past lanterns"""
LABELS = [
    f"{mood} · {seconds} s · seed {seed}"
    for seed in (1, 2)
    for mood in ("calm", "stormy")
    for seconds in (1, 2)
]
OUTPUT = "[...document.querySelectorAll('.jp-Notebook .jp-Cell')][index]"

MOVING = f"""index => {OUTPUT}.querySelectorAll('[role=progressbar]').length === 8"""
SOME_DONE = f"""index => {{
  const cell = {OUTPUT};
  return cell.querySelectorAll('video').length >= 2 && cell.querySelector('[role=progressbar]');
}}"""
STATIC = """index => { const panel = window.jupyterapp.shell.currentWidget;
  const outputs = panel.content.widgets[index].model.outputs.toJSON();
  return !outputs.some(one => 'application/vnd.jupyter.widget-view+json' in one.data)
    && !outputs[1].data['text/html']; }"""
SEEN = "filter(one => one.checkVisibility())"
TILES = f"""index => [...{OUTPUT}.querySelectorAll('.jp-OutputArea-output figure')].{SEEN}
.map(figure => {{
  const video = figure.querySelector('video'), box = figure.getBoundingClientRect();
  return {{label: figure.querySelector('b').innerText, seconds: video?.duration,
          width: video?.videoWidth, left: Math.round(box.left), top: Math.round(box.top),
          text: figure.innerText}};
}})"""
HEADERS = f"""index => [...{OUTPUT}.querySelectorAll('th[scope]')].{SEEN}.map(th => th.innerText)"""
BOTH = "false," * 6 + "true,true"
BAR = "[aria-label='All videos together']"
MOVES = f"""index => [...{OUTPUT}.querySelectorAll('video')].map(video => !video.paused)"""
READY = f"""index => {{
  const videos = [...{OUTPUT}.querySelectorAll('.jp-OutputArea-output video')].{SEEN};
  return videos.length === 8 && videos.every(video => video.readyState >= 2);
}}"""
PLAY = f"""index => Promise.all(
  [...{OUTPUT}.querySelectorAll('.jp-OutputArea-output video')].{SEEN}.map(video => {{
    video.muted = true;
    return new Promise((done, fail) => {{
      video.addEventListener('timeupdate', () => video.currentTime > 0 && done(video.currentTime));
      video.play().catch(fail);
    }});
  }}))"""


def check_grid(lab, index):
    """Eight videos that play, in two matrices with headers: one for each seed."""
    lab.wait_for(READY, arg=index)
    tiles = lab.page.evaluate(TILES, index)
    assert [tile["label"] for tile in tiles] == LABELS
    assert [round(tile["seconds"]) for tile in tiles] == [1, 2] * 4
    assert {tile["width"] for tile in tiles} == {640}
    rows = [tile["top"] for tile in tiles]
    assert rows == sorted(rows)
    assert len(set(rows)) == 4
    assert {len({tile["left"] for tile in tiles[at::2]}) for at in (0, 1)} == {1}
    assert lab.page.evaluate(HEADERS, index) == ["1 s", "2 s", "calm", "stormy"] * 2
    assert all(second > 0 for second in lab.page.evaluate(PLAY, index))
    assert re.search(r"8 jobs · 8 done · free", lab.output_text(index))


def play_one_row(lab, index):
    """The bar plays the row that is chosen, and controls are where pointer or focus are."""
    bar, videos = lab.output(index).locator(BAR), lab.output(index).locator("video")
    bar.get_by_role("combobox").select_option("seed 2 · stormy")
    bar.get_by_role("button", name="Play").click()
    lab.wait_for(f"index => String(({MOVES})(index)) === '{BOTH}'", arg=index)
    bar.get_by_role("button", name="Pause").click()
    assert lab.page.evaluate(MOVES, index) == [False] * 8
    assert lab.output(index).locator("video[controls]").count() == 0
    videos.nth(0).hover()
    videos.nth(5).focus()
    shown = videos.evaluate_all("all => all.map(video => video.controls)")
    assert [at for at, one in enumerate(shown) if one] == [0, 5]


def test_eight_cards_become_a_grid_of_eight_playing_videos(server, lab, open_page, start_server):
    write_notebook(server.root / "sweep.ipynb", [LOAD, SWEEP, "boats[3].path.name"])
    lab.open("sweep.ipynb")
    lab.use_theme("light")
    lab.run_cell(0)
    lab.run_cell(1)  # done, while the jobs have only begun
    lab.wait_for(MOVING, arg=1)
    lab.wait_for(SOME_DONE, arg=1)
    lab.screenshot("sweep-live-light", cell=1)
    lab.use_theme("dark")
    lab.screenshot("sweep-live-dark", cell=1)
    lab.wait_for(STATIC, arg=1)
    check_grid(lab, 1)
    lab.screenshot("sweep-dark", cell=1)
    lab.use_theme("light")
    lab.screenshot("sweep-light", cell=1)
    assert "paper-boat" in lab.run_cell(2)[0]["data"]["text/plain"]
    saved = lab.save()
    assert set(saved.cells[1].outputs[0].data) == {"text/html", "text/plain"}
    assert set(saved.cells[1].outputs[1].data.values()) == {""}  # all that it kept meanwhile
    assert "widgets" not in saved.metadata
    html = saved.cells[1].outputs[0].data["text/html"]
    without_bar = re.sub(r"<(style|script)[^>]*>.*?</\1>", "", html, flags=re.DOTALL)
    assert len(without_bar) < 8 * 1500
    assert len(html) < len(without_bar) + 7000
    play_one_row(lab, 1)
    assert grave_faults(lab.page, ".jp-OutputArea-output")[0] == []
    lab.page.set_viewport_size({"width": 760, "height": 3000})  # less the side bar's 280
    lab.screenshot("sweep-narrow", cell=1)
    lefts = {tile["left"] for tile in lab.page.evaluate(TILES, 1)}
    assert (len(lefts), lab.page.evaluate(HEADERS, 1)) == (1, ["calm", "stormy"] * 2)
    assert lab.console_errors == []
    lab.shutdown_kernel()

    stranger = open_page(start_server(server.root, kernels=False))
    stranger.open("sweep.ipynb", kernel=False)
    assert not stranger.is_trusted(1)
    check_grid(stranger, 1)
    assert stranger.output(1).locator(BAR).count() == 0
    assert stranger.output(1).locator("video[controls]").count() == 8
    stranger.screenshot("sweep-untrusted-light", cell=1)
    stranger.use_theme("dark")
    stranger.screenshot("sweep-untrusted-dark", cell=1)
    assert stranger.console_errors == []


def test_cancel_all_stops_what_runs_and_what_waits(server, lab):
    slow = "%%video --provider demo --seconds 20 --vary seed=1,2,3 --parallel 1\nA quiet sea"
    write_notebook(server.root / "cancel.ipynb", [LOAD, slow])
    lab.open("cancel.ipynb")
    lab.run_cell(0)
    lab.run_cell(1)
    lab.wait_for(f"index => /1 running · 2 waiting/.test({OUTPUT}.innerText)", arg=1)
    lab.screenshot("sweep-waiting", cell=1)
    lab.output(1).get_by_role("button", name="Cancel all").click()
    lab.wait_for(STATIC, arg=1)
    text = lab.output_text(1)
    assert "3 jobs · 3 cancelled" in text
    assert text.count("before anything was sent") == 2
    assert "DELETE" in text
    lab.screenshot("sweep-cancelled", cell=1)
    assert lab.console_errors == []


def test_a_reload_in_the_middle_loses_nothing(server, lab):
    write_notebook(server.root / "sweep-reload.ipynb", [LOAD, SWEEP])
    lab.open("sweep-reload.ipynb")
    lab.run_cell(0)
    lab.run_cell(1)
    lab.wait_for(SOME_DONE, arg=1)
    lab.save()
    lab.reload()
    check_grid(lab, 1)


@pytest.mark.usefixtures("shops")
def test_a_tile_is_tried_again_and_another_is_cancelled(server, lab, open_page):
    sweep = "%%video --vary provider=quick,once,slow\nA sea"
    write_notebook(server.root / "retry.ipynb", [LOAD, sweep])
    lab.use_theme("light")
    lab.open("retry.ipynb")
    lab.run_cell(0)
    lab.run_cell(1)
    grid = lab.output(1)
    grid.get_by_text("1 done · 1 failed · 1 running").wait_for()
    assert "The content filter refused the prompt" in lab.output_text(1)
    retry = grid.get_by_role("button", name="Retry")
    assert retry.get_attribute("title") == "Retry once"
    # On the tile that it is about, which is where it would be without a button.
    tiles = [figure.bounding_box() for figure in grid.locator("figure:visible").all()]
    _, tile, _ = sorted(tiles, key=lambda one: one["x"])
    assert len({round(one["y"]) for one in tiles}) == 1
    box = retry.bounding_box()
    assert tile["x"] < box["x"] < box["x"] + box["width"] < tile["x"] + tile["width"]
    lab.screenshot("sweep-retry-light", cell=1)
    lab.use_theme("dark")
    lab.screenshot("sweep-retry-dark", cell=1)
    assert grave_faults(lab.page, ".jp-OutputArea-output")[0] == []

    # What was saved on the way is there without the kernel, too.
    both = "() => /1 done · 1 failed/.test(document.querySelector('.ipyreel-saved').textContent)"
    lab.wait_for(both)
    lab.save()
    shutil.copy(server.root / "retry.ipynb", server.root / "retry-later.ipynb")
    later = open_page(server)
    later.open("retry-later.ipynb")
    assert later.is_trusted(1)
    later.output(1).locator("video:visible").first.wait_for()
    text = later.output_text(1)
    assert "1 done · 1 failed · 1 running" in text
    assert "Error" not in text
    later.shutdown_kernel()
    later.close()

    retry.click()
    grid.get_by_text("2 done · 1 running").wait_for()
    grid.get_by_role("button", name="Cancel", exact=True).click()
    lab.wait_for(STATIC, arg=1)
    assert "3 jobs · 2 done · 1 cancelled" in lab.output_text(1)
    lab.screenshot("sweep-retried-dark", cell=1)
    assert lab.console_errors == []
