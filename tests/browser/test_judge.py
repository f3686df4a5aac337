"""Blind judging as a person does it, by keyboard alone, and what is left of it afterwards."""

from __future__ import annotations

import re

import pytest

from tests.support.axe import grave_faults
from tests.support.lab import write_notebook

pytestmark = pytest.mark.browser

SWEEP = """%%video films -p demo --vary mood=calm,stormy --vary seconds=1,2,3 --seed 1 \
--size 640x360 -w
A {mood} sea"""
VOTES = 8
KEYS = ("ArrowLeft", "u", *("ArrowLeft", "ArrowRight", "ArrowDown", "ArrowRight") * (VOTES // 4))

TURN = "turn => document.querySelector('.ipyreel-judge [data-turn]')?.dataset.turn === turn"

STATUS = """text => [...document.querySelectorAll('.ipyreel-judge .ipyreel-status')]
  .some(line => line.checkVisibility() && line.innerText.startsWith(text))"""
LISTENS = """() => document.activeElement.matches('.ipyreel-judge[role=group]')
  && document.activeElement.innerText.includes('Space plays')"""
PLAYING = """wanted => { const v = [...document.querySelectorAll('.ipyreel-judge video')];
  return v.length === 2 && v.every(one => one.readyState >= 2 && one.src.startsWith('blob:')
    && one.paused !== wanted) && (!wanted || Math.abs(v[0].currentTime - v[1].currentTime) < 0.1);
}"""


def rate_one(lab, cell):
    """Give stars, a note and a tag by keyboard alone."""
    lab.run_cell(cell)
    panel = lab.output(cell)
    panel.get_by_role("button", name="4 stars").first.focus()
    for key in ("Space", *["Tab"] * 3):
        lab.page.keyboard.press(key)
    lab.page.keyboard.type("Calm, and sharp")
    lab.page.keyboard.press("Tab")
    lab.page.keyboard.type("keep")
    lab.page.keyboard.press("Tab")
    panel.get_by_text("tags saved").wait_for()
    lab.screenshot("rate-dark", cell=cell)


def test_votes_by_keyboard_survive_the_kernel(server, lab, stranger):
    write_notebook(
        server.root / "judge.ipynb",
        [
            "%load_ext ipyreel",
            SWEEP,
            f"%video judge films --votes {VOTES}",
            "films.id",
            "%video rate films",
        ],
    )
    lab.use_theme("light")
    lab.open("judge.ipynb")
    lab.run_cell(0)
    lab.run_cell(1)
    lab.run_cell(2)
    lab.wait_for(LISTENS)
    lab.wait_for(PLAYING, arg=True)
    page = lab.output(2).evaluate("cell => cell.outerHTML")
    assert not re.search(r"calm|stormy|\.mp4|\bv(?=\w*\d)\w{6}\b", page)  # nothing tells
    lab.page.keyboard.press("Space")
    lab.wait_for(PLAYING, arg=False)
    lab.screenshot("judge-light", cell=2)
    for turn, key in enumerate(KEYS, 1):
        lab.wait_for(TURN, arg=str(turn))
        lab.page.keyboard.press(key)
    lab.wait_for(STATUS, arg="Votes are in the library")
    results = lab.output_text(2).partition("Votes are")[0].strip()
    assert "8 votes by 1 person." in results
    lab.screenshot("judge-result-light", cell=2)
    assert grave_faults(lab.page, ".ipyreel-judge")[0] == []
    lab.use_theme("dark")
    lab.screenshot("judge-result-dark", cell=2)
    name = lab.run_cell(3)[0]["data"]["text/plain"].strip("'")
    rate_one(lab, 4)
    saved = lab.save()
    assert [len(saved.cells[at].outputs) for at in (2, 4)] == [2, 2]
    assert lab.console_errors == []
    lab.close_notebook()

    lab.open("judge.ipynb")  # with a kernel that knows of nothing
    lab.set_source(3, f"%video results {name}")
    lab.run_cell(0)
    lab.run_cell(3)
    assert lab.output_text(3).strip().endswith(results)
    assert results in lab.output_text(2)

    other = stranger("judge.ipynb")
    assert results in other.output_text(2)
    for page in (lab, other):
        rated = page.output_text(4)
        assert re.search(r"calm · 1 s\s+★★★★☆\s+Calm, and sharp\s+keep", rated)
        assert "shows the videos with fields" in rated
    assert "Error" not in other.output_text(2) + other.output_text(4)
    assert "Loading" not in other.output_text(4)
    other.screenshot("judge-untrusted", cell=2)
