"""A sweep in JupyterLab: live cards become a grid of videos, which is saved."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.support.axe import grave_faults
from tests.support.lab import VIEWPORT, write_notebook

pytestmark = pytest.mark.browser

LOAD = "%load_ext ipyreel"
SWEEP = """%%video boats --vary mood=calm,stormy --vary seconds=1,2 --vary provider=quick,held
A paper boat on a {mood} sea at dawn, drifting past lanterns"""
LABELS = [
    f"{mood} · {seconds} s · {provider}"
    for provider in ("quick", "held")
    for mood in ("calm", "stormy")
    for seconds in (1, 2)
]
OUTPUT = "[...document.querySelectorAll('.jp-Notebook .jp-Cell')][index]"

HALF_DONE = f"""index => {{
  const cell = {OUTPUT};
  return [...cell.querySelectorAll('video')].filter(one => one.checkVisibility()).length === 4
    && cell.querySelectorAll('[role=progressbar]').length === 4;
}}"""
STATIC = """index => { const panel = window.jupyterapp.shell.currentWidget;
  const outputs = panel.content.widgets[index].model.outputs.toJSON();
  return !outputs.some(one => 'application/vnd.jupyter.widget-view+json' in one.data)
    && !outputs[1].data['text/html']; }"""
SEEN = "filter(one => one.checkVisibility())"
TILES = f"""index => [...{OUTPUT}.querySelectorAll('.jp-OutputArea-output figure')].{SEEN}
.map(figure => {{
  const video = figure.querySelector('video'), box = figure.getBoundingClientRect();
  return {{label: figure.querySelector('b').innerText, src: decodeURI(video.currentSrc),
          left: Math.round(box.left), top: Math.round(box.top)}};
}})"""
IN_ORDER = f"""index => {{
  const at = one => one.getBoundingClientRect();
  const buttons = [...{OUTPUT}.querySelectorAll('.ipyreel-tile-button')].{SEEN}.map(at);
  return [...{OUTPUT}.querySelectorAll('.ipyreel-grid figure')].{SEEN}
    .sort((one, other) => Math.abs(at(one).top - at(other).top) > 20
      ? at(one).top - at(other).top : at(one).left - at(other).left)
    .map(figure => [figure.querySelector('b').innerText, buttons.filter(button =>
      button.left > at(figure).left && button.right < at(figure).right
      && button.top > at(figure).top && button.bottom < at(figure).bottom).length]);
}}"""
"""The tiles of a live grid as they are read, each with the number of buttons on it."""
HEADERS = f"""index => [...{OUTPUT}.querySelectorAll('th[scope]')].{SEEN}.map(th => th.innerText)"""
BOTH = "false," * 6 + "true,true"
BAR = "[aria-label='All videos together']"
MOVES = f"""index => [...{OUTPUT}.querySelectorAll('video')].map(video => !video.paused)"""
CONTROLS = f"""index => [...{OUTPUT}.querySelectorAll('video')]
  .flatMap((video, at) => video.controls ? [at] : [])"""
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


def check_grid(lab, index, names):
    """Eight videos that play, in two matrices with headers: one for each provider."""
    lab.wait_for(READY, arg=index)
    tiles = lab.page.evaluate(TILES, index)
    assert [tile["label"] for tile in tiles] == LABELS
    assert [tile["src"].rpartition("/")[2].partition("?")[0] for tile in tiles] == names
    rows = [tile["top"] for tile in tiles]
    assert rows == sorted(rows)
    assert len(set(rows)) == 4
    assert {len({tile["left"] for tile in tiles[at::2]}) for at in (0, 1)} == {1}
    assert lab.page.evaluate(HEADERS, index) == ["1 s", "2 s", "calm", "stormy"] * 2
    assert all(second > 0 for second in lab.page.evaluate(PLAY, index))
    assert re.search(r"8 jobs · 8 done · no price known", lab.output_text(index))


def check_narrow(lab, index):
    """On a narrow page, live tiles stand in the order of the jobs, each with its own button."""
    lab.page.set_viewport_size({"width": 760, "height": 3000})  # less the side bar's 280
    lab.screenshot("sweep-live-narrow", cell=index)
    pairs = zip(LABELS[:4], LABELS[4:], strict=True)  # the one finished, the other held
    tiles = [[label, held] for pair in pairs for held, label in enumerate(pair)]
    assert lab.page.evaluate(IN_ORDER, index) == tiles
    lab.page.set_viewport_size(VIEWPORT)


def play_one_row(lab, index):
    """The bar plays the row that is chosen, and controls are where pointer or focus are."""
    lab.page.set_viewport_size({"width": 1280, "height": 1600})  # so that nothing scrolls
    bar, videos = lab.output(index).locator(BAR), lab.output(index).locator("video")
    bar.get_by_role("combobox").select_option("held · stormy")
    bar.get_by_role("button", name="Play").click()
    lab.wait_for(f"index => String(({MOVES})(index)) === '{BOTH}'", arg=index)
    bar.get_by_role("button", name="Pause").click()
    assert lab.page.evaluate(MOVES, index) == [False] * 8
    assert lab.output(index).locator("video[controls]").count() == 0
    # Not by `hover`: it looks for the video under the pointer, where there are controls by then.
    box = videos.nth(0).bounding_box()
    lab.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    videos.nth(5).focus()
    lab.wait_for(f"index => String(({CONTROLS})(index)) === '0,5'", arg=index)


def test_eight_cards_become_a_grid_of_eight_playing_videos(server, lab, open_page, stranger, shops):
    # As the matrices stand: by provider, then by mood.
    names = "print(*(boats[at].path.name for at in (0, 2, 4, 6, 1, 3, 5, 7)))"
    write_notebook(server.root / "sweep.ipynb", [LOAD, SWEEP, names])
    lab.open("sweep.ipynb")
    lab.run_cell(0)
    lab.run_cell(1)
    lab.wait_for(HALF_DONE, arg=1)
    lab.screenshot("sweep-live-light", cell=1)
    lab.use_theme("dark")
    lab.screenshot("sweep-live-dark", cell=1)
    check_narrow(lab, 1)
    lab.save()
    reloaded = open_page(server)  # as after a reload in the middle
    reloaded.open("sweep.ipynb")
    reloaded.wait_for(HALF_DONE, arg=1)
    shops["held"].faults.clear()
    lab.wait_for(STATIC, arg=1)
    names = lab.run_cell(2)[0]["text"].split()
    assert "paper-boat" in names[0]
    check_grid(lab, 1, names)
    check_grid(reloaded, 1, names)
    lab.screenshot("sweep-dark", cell=1)
    lab.use_theme("light")
    lab.screenshot("sweep-light", cell=1)
    saved = lab.save()
    assert set(saved.cells[1].outputs[0].data) == {"text/html", "text/plain"}
    assert set(saved.cells[1].outputs[1].data.values()) == {""}  # all that it kept meanwhile
    assert "widgets" not in saved.metadata
    html = saved.cells[1].outputs[0].data["text/html"]
    without_bar = re.sub(r"<(style|script)[^>]*>.*?</\1>", "", html, flags=re.DOTALL)
    assert len(without_bar) < 8 * 1500
    assert len(html) < len(without_bar) + 7100
    play_one_row(lab, 1)
    assert grave_faults(lab.page, ".jp-OutputArea-output")[0] == []
    lab.page.set_viewport_size({"width": 760, "height": 3000})  # less the side bar's 280
    lab.screenshot("sweep-narrow", cell=1)
    lefts = {tile["left"] for tile in lab.page.evaluate(TILES, 1)}
    assert (len(lefts), lab.page.evaluate(HEADERS, 1)) == (1, ["calm", "stormy"] * 2)
    assert lab.console_errors == []
    lab.close_notebook()

    other = stranger("sweep.ipynb")
    check_grid(other, 1, names)
    assert other.output(1).locator(BAR).count() == 0
    assert other.output(1).locator("video[controls]").count() == 8
    other.screenshot("sweep-untrusted-light", cell=1)
    other.use_theme("dark")
    other.screenshot("sweep-untrusted-dark", cell=1)
    assert other.console_errors == []


@pytest.mark.usefixtures("shops")
def test_tiles_are_tried_again_and_cancelled_alone_or_together(server, lab, open_page):
    tiles = "%%video --vary provider=quick,once,held\nA sea"
    waiting = "%%video -p held -n 3 --parallel 1\nA quiet sea"
    write_notebook(server.root / "retry.ipynb", [LOAD, tiles, waiting])
    lab.open("retry.ipynb")
    lab.run_cell(0)
    lab.run_cell(1)
    grid = lab.output(1)
    grid.get_by_text("1 done · 1 failed · 1 running").wait_for()
    assert "The content filter refused the prompt" in lab.output_text(1)
    retry = grid.get_by_role("button", name="Retry")
    assert retry.get_attribute("title") == "Retry once"
    # On the tile that it is about, which is where it would be without a button.
    boxes = [figure.bounding_box() for figure in grid.locator("figure:visible").all()]
    _, tile, _ = sorted(boxes, key=lambda one: one["x"])
    assert len({round(one["y"]) for one in boxes}) == 1
    box = retry.bounding_box()
    assert tile["x"] < box["x"] < box["x"] + box["width"] < tile["x"] + tile["width"]
    lab.screenshot("sweep-retry-light", cell=1)
    lab.use_theme("dark")
    lab.screenshot("sweep-retry-dark", cell=1)

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
    assert "1 done · 1 failed · 1 not finished when this was saved" in text
    assert "Error" not in text

    retry.click()
    grid.get_by_text("2 done · 1 running").wait_for()
    grid.get_by_role("button", name="Cancel", exact=True).click()
    lab.wait_for(STATIC, arg=1)
    assert "3 jobs · 2 done · 1 cancelled" in lab.output_text(1)
    lab.screenshot("sweep-retried-dark", cell=1)

    lab.run_cell(2)
    lab.wait_for(f"index => /1 running · 2 waiting/.test({OUTPUT}.innerText)", arg=2)
    lab.screenshot("sweep-waiting", cell=2)
    lab.output(2).get_by_role("button", name="Cancel all").click()
    lab.wait_for(STATIC, arg=2)
    text = lab.output_text(2)
    assert "3 jobs · 3 cancelled" in text
    assert text.count("before anything was sent") == 2
    assert "DELETE" in text
    lab.screenshot("sweep-cancelled", cell=2)
    assert lab.console_errors == []
