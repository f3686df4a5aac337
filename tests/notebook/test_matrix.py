"""A sweep of two or more fields as matrices, in text, in HTML and live."""

from __future__ import annotations

import re

import pytest

from ipyreel.notebook.live.grid import Grid
from ipyreel.notebook.markup import sweep_html, sweep_text
from ipyreel.notebook.markup.matrix import groups, matrices
from ipyreel.notebook.markup.sweep_text import SweepInfo
from tests.notebook.test_grid import FAILED, bare, done, films, job, view_of

PROMPT = "A {mood} sea"
TWO = [{"mood": mood, "seconds": seconds} for mood in ("calm", "<wild>") for seconds in (4, 8, 12)]
THREE = [
    {"mood": mood, "seconds": seconds, "seed": seed, "take": take}
    for mood in ("calm", "wild") for seconds in (4, 8) for seed in (1, 2) for take in (1, 2)
]  # fmt: skip
ROWS = [{**some, "note": f"n{at}"} for at, some in enumerate(reversed(TWO))]


def info_of(differs):
    labels = tuple(" · ".join(map(str, some.values())) for some in differs)
    return SweepInfo(labels=labels, prompt=PROMPT, inner=3, differs=tuple(differs))


def test_the_first_field_goes_down_and_the_second_across():
    (one,) = matrices(TWO, PROMPT)
    assert (one.corner, one.rows, one.columns) == (
        "mood ↓ · seconds →", ("calm", "<wild>"), ("4 s", "8 s", "12 s")
    )  # fmt: skip
    assert one.cells == (((0,), (1,), (2,)), ((3,), (4,), (5,)))


def test_further_fields_make_further_matrices_and_samples_share_a_cell():
    first, second = matrices(THREE, PROMPT)
    assert (first.title, second.title) == ("seed 1", "seed 2")
    assert first.cells == (((0, 1), (4, 5)), ((8, 9), (12, 13)))
    assert second.cells[0][0] == (2, 3)
    names, within = groups((first, second))
    assert names[:4] == ("seed 1 · calm", "seed 1 · wild", "seed 1 · 4 s", "seed 1 · 8 s")
    assert within[2] == [4, 6]


@pytest.mark.parametrize(
    ("differs", "count"),
    [
        (ROWS, 1),  # the columns are a full product, the note is none of them
        (ROWS[1:], 0),
        ([*TWO, TWO[0]], 0),
        ([{"seconds": 4}, {"seconds": 8}], 0),
        ([{"prompt": f"A {{mood}} {noun}", "mood": mood} for noun in "ab" for mood in "xy"], 1),
        ([], 0),
    ],
)
def test_only_a_full_product_is_a_matrix(differs, count):
    assert len(matrices(differs, None if "prompt" in str(differs) else PROMPT)) == count


def test_as_text_it_is_a_table_with_headers():
    jobs = [done(0), done(1), FAILED, job(3), done(4), done(5)]
    text = sweep_text.text(info_of(TWO), jobs, {"v0": "videos/0.mp4"})
    assert text.splitlines()[2:] == [
        "",
        "mood ↓ · seconds →  4 s         8 s      12 s",
        "calm                v0 done     v1 done  v2 failed",
        "<wild>              v3 running  v4 done  v5 done",
        "",
        "  v0  videos/0.mp4",
        "  v1  1.mp4",
        "  v2  Failed: No <b>boats</b>.",
        "  v4  4.mp4",
        "  v5  5.mp4",
    ]


def test_as_text_a_row_is_aligned_whatever_the_width_of_its_letters():
    info = SweepInfo(labels=("calm", "雨中", ""), prompt=None)
    text = sweep_text.text(info, [done(0), done(1), done(2)])
    assert text.splitlines()[1:] == [
        "  calm   v0  0.mp4",
        "  雨中   v1  1.mp4",
        "  video  v2  2.mp4",
    ]


def test_as_html_it_is_a_table_with_header_cells():
    jobs = [done(number) for number in range(6)]
    html = sweep_html.grid_html(info_of(TWO), jobs, films(*jobs))
    assert re.findall(r'<th scope="(\w+)"[^>]*>([^<]*)', html) == [
        ("col", "4 s"), ("col", "8 s"), ("col", "12 s"), ("row", "calm"), ("row", "&lt;wild&gt;")
    ]  # fmt: skip
    assert re.findall(r'data-in="([\d ]+)">\n<video src="videos/v(\d)', html) == [
        ("0 2", "0"), ("0 3", "1"), ("0 4", "2"), ("1 2", "3"), ("1 3", "4"), ("1 4", "5")
    ]  # fmt: skip
    assert 'data-groups="calm\n&lt;wild&gt;\n4 s' in html
    assert len(bare(html)) < 6 * 1000


def test_the_exported_page_has_it_too_whatever_the_order_of_the_jobs():
    jobs = [done(number) for number in range(6)]
    asked = []
    pieces = sweep_html.page_html(
        info_of(ROWS), jobs, lambda at: asked.append(at) or films(jobs[at])[f"v{at}"], "Study", ""
    )
    page = "".join(pieces)
    assert asked == [0, 1, 2, 3, 4, 5]  # the rows were reversed, and so are the headers
    assert re.findall(r"<th [^>]*>([^<]*)", page)[:3] == ["12 s", "8 s", "4 s"]
    assert page.count("<video") == 6


def test_live_every_tile_and_header_has_its_place():
    grid = Grid(view_of([job(number) for number in range(16)], given=info_of(THREE)))
    assert grid._tiles.layout.grid_template_columns == "110px repeat(4,minmax(80px,180px))"
    sheet = grid.children[-1].value
    assert ".ipyreel-at-0{order:0;grid-area:3/2}" in sheet
    assert ".ipyreel-at-9{order:9;grid-area:4/3}" in sheet  # wild, 4 s, seed 1, second sample
    assert ".ipyreel-at-2{order:2;grid-area:7/2}" in sheet  # calm, 4 s, seed 2
    assert 'style="grid-area:1/1/auto/span 5">seed 1<' in grid._moving.value
    assert 'style="grid-area:2/4/auto/span 2">8 s<' in grid._moving.value
    grid.close()


def test_live_the_bar_comes_with_the_second_video():
    grid = Grid(view_of([job(number) for number in range(6)], given=info_of(TWO)))
    for number, bars in ((0, 0), (4, 1)):
        grid._context.clock.now += 1
        grid.update(done(number))
        assert len(grid._bar.outputs) == bars
    assert 'data-groups="calm\n' in grid._bar.outputs[0]["data"]["text/html"]
    grid.close()
