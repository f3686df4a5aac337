"""The grid of a sweep: drawn from the last snapshots only, and static at the end."""

from __future__ import annotations

import re
import threading
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ipywidgets.widgets.widget import _instances

from ipyreel.notebook.handles.video import Video
from ipyreel.notebook.live.grid import Grid, SweepView
from ipyreel.notebook.live.live_output import LINGER, PACE, SAVED_PACE, CardContext
from ipyreel.notebook.live.plain import PageOutput, TextOutput
from ipyreel.notebook.markup import sweep_html, sweep_text
from ipyreel.notebook.markup.sweep_html import TileVideo
from ipyreel.notebook.markup.sweep_text import SweepInfo
from ipyreel.notebook.screen import make_output
from ipyreel.values import Failure, JobSnapshot, VideoFile, VideoRequest
from tests.notebook.conftest import COLAB, HEADLESS, JUPYTER, TERMINAL
from tests.support.demo import Clock


def job(number: int, **fields) -> JobSnapshot:
    given = {
        "id": f"v{number}",
        "provider": "apiyi",
        "request": VideoRequest(prompt="A sea", seed=number, size="640x360"),
        "status": "in_progress",
        "created_at": 1000.0,
        "sent_at": 1000.0,
        "target": f"/n/videos/{number}.mp4",
        "estimate": 0.4,
    }
    return JobSnapshot(**{**given, **fields})


def done(number: int, folder="/n", **fields) -> JobSnapshot:
    path = f"{folder}/videos/{number}.mp4"
    file = VideoFile(path=path, size=9, sha256="0", media_type="video/mp4", width=640, height=360)
    return job(number, status="completed", completed_at=1090.0, file=file, target=path, **fields)


WAITING = replace(job(3), status="submitting", sent_at=None)
FAILED = job(2, status="failed", completed_at=1050.0, failure=Failure(message="No <b>boats</b>"))
LABELS = ("seed 0", "seed 1", "seed 2", "seed 3")
BOARD = SweepInfo(labels=LABELS, prompt="A sea", inner=2)


@pytest.fixture
def folder(tmp_path):
    """A notebook's folder with four small files in it."""
    (tmp_path / "videos").mkdir()
    for number in range(4):
        (tmp_path / "videos" / f"{number}.mp4").write_bytes(b"012345678")
    return tmp_path


def context_of(folder="/n", host=JUPYTER, **given) -> CardContext:
    def video(snapshot):
        return Video(snapshot.file.path, snapshot, host=host, folder=folder)

    return CardContext(**{"video": video, "clock": Clock(1000.0), **given})


def view_of(jobs, *, folder="/n", host=JUPYTER, given=BOARD, limit=20_000_000, **hooks):
    cancel_all = hooks.pop("cancel_all", None)
    return SweepView(given, jobs, context_of(folder, host, **hooks), limit, cancel_all)


def grid_of(jobs, **hooks) -> Grid:
    return Grid(view_of(jobs, **hooks))


def buttons(grid: Grid) -> list:
    """Return what the buttons on the tiles say, None where there is none."""
    found = [
        [one for one in both if "ipyreel-gone" not in one._dom_classes]
        for both in zip(*grid._buttons.buttons.values(), strict=True)
    ]
    assert all(len(some) < 2 for some in found)
    return [
        (some[0].description, some[0].tooltip, some[0].disabled) if some else None for some in found
    ]


def state(grid: Grid) -> dict:
    """Return everything of a grid that a person can see."""
    return {
        "sums": grid._sums.value,
        "clock": grid._clock.value,
        "prompt": grid._prompt.value,
        "tiles": grid._moving.value,
        "button": grid._button.layout.display or (grid._button.description, grid._button.disabled),
        "buttons": buttons(grid),
        "videos": sorted(str(one.outputs) for one in grid._outputs if one.outputs),
        "text": repr(grid),
    }


# ---- words --------------------------------------------------------------------------------


def test_a_strangers_label_stays_on_its_line():
    info = SweepInfo(labels=("a\x1b[2J\nb\u202ec \ud800",))
    assert info.label(0) == "a\ufffd[2J b\ufffdc \ufffd"


def test_one_line_sums_up():
    jobs = [done(0), job(1), FAILED, WAITING, job(4, status="cancelled"), job(5, status="unknown")]
    told = " · ".join(sweep_text.counts(SweepInfo(labels=("",) * 6), jobs))
    assert told == (
        "6 jobs · 1 done · 1 failed · 1 cancelled · 1 unknown · 1 running · 1 waiting"
        " · $0.40 of $2.40"
    )
    kept = sweep_text.counts(SweepInfo(labels=("",) * 6), jobs, saved=True)
    assert kept[5:-1] == ["2 not finished when this was saved"]


@pytest.mark.parametrize(
    ("jobs", "told"),
    [
        ([done(0), job(1)], "$0.40 of $0.80"),
        ([done(0, cost=0.5), job(1)], "$0.50 of $0.90"),
        ([done(0, estimate=0), job(1, estimate=0)], "free"),
        ([job(0, estimate=None)], "no price known"),
        ([done(0), job(1, estimate=None)], "$0.40 of $0.40, 1 without a known price"),
        ([], "nothing spent"),
    ],
)
def test_money(jobs, told):
    assert sweep_text.money(jobs) == told


def test_reused_jobs_cost_nothing_now():
    given = SweepInfo(labels=("a", "b"), reused=frozenset({"v0"}))
    assert sweep_text.counts(given, [done(0), done(1)])[-2:] == ["1 reused", "$0.40 of $0.40"]


@pytest.mark.parametrize(
    ("count", "inner", "columns"),
    [(8, 2, 4), (6, 3, 3), (10, 5, 5), (12, 7, 5), (2, 1, 2), (1, 1, 1)],
)
def test_rows_are_whole_where_they_can_be(count, inner, columns):
    assert SweepInfo(labels=("",) * count, inner=inner).columns == columns


# ---- the static grid ----------------------------------------------------------------------


def bare(html):
    """Return what is left of the bar and the style sheets where a notebook is not trusted."""
    return re.sub(r"<(style|script)[^>]*>.*?</\1>", "", html, flags=re.DOTALL)


def films(*jobs):
    return {one.id: TileVideo(src=f"videos/{one.id}.mp4", where=one.id, link="x") for one in jobs}


def test_the_saved_grid_needs_nothing_that_is_taken_away():
    jobs = [done(0), done(1), FAILED, job(3, status="cancelled", note="Stopped.")]
    html = bare(sweep_html.grid_html(BOARD, jobs, films(*jobs[:2])))
    for lost in ("<style", "<script", "var(", "aria-", " id=", "<source", "aspect-ratio"):
        assert lost not in html
    assert html.count("<video") == html.count(" controls") == 2
    assert [label in html for label in LABELS] == [True] * 4
    assert "No &lt;b&gt;boats&lt;/b&gt;" in html
    assert "4 jobs" in html


def test_a_linked_video_takes_little_room():
    prompt = "A golden retriever on the beach " * 40
    jobs = [replace(done(n), request=VideoRequest(prompt=prompt)) for n in range(40)]
    given = SweepInfo(labels=tuple(f"seed {n}" for n in range(40)), prompt=prompt)
    html = sweep_html.grid_html(given, jobs, films(*jobs))
    assert len(bare(html)) < 40 * 900
    assert len(html) - len(bare(html)) < 7000  # the bar: once, however many videos there are


@given(st.text(), st.text())
def test_hostile_words_are_text(label, prompt):
    given = SweepInfo(labels=(label,), prompt=prompt)
    hostile = replace(FAILED, failure=Failure(message=prompt), id="v0")
    for html in (
        sweep_html.grid_html(given, [hostile], {}),
        sweep_html.live_tile(given, 0, hostile, "order:0"),
        "".join(sweep_html.page_html(given, [hostile], lambda _at: None, label, "")),
    ):
        page = {"html", "meta", "title", "body", "h1"}
        assert {*re.findall(r"<(\w+)", html)} <= page | {
            "div",
            "b",
            "span",
            "figure",
            "figcaption",
            "i",
        }


def test_the_shape_of_a_tile_is_that_of_the_video():
    portrait = replace(job(0), request=VideoRequest(prompt="x", size="720x1280"))
    assert sweep_html.shape(portrait, 180) == (180, 320)
    assert sweep_html.shape(
        replace(job(0), request=VideoRequest(prompt="x", size="720p")), 160
    ) == (
        160,
        90,
    )
    assert sweep_html.shape(done(0), 320) == (320, 180)


def test_a_grid_embeds_no_more_than_one_video_may(folder):
    jobs = [done(n, folder) for n in range(3)]
    found = view_of(jobs, folder=folder, host=COLAB, limit=20).videos(jobs)
    assert [found[one.id].src is None for one in jobs] == [False, False, True]
    assert "over the limit" in found["v2"].where
    assert found["v0"].src.startswith("data:video/mp4;base64,")


def test_what_cannot_be_shown_is_said(folder):
    (folder / "videos" / "0.mp4").unlink()
    tile = Video(folder / "videos" / "0.mp4", host=JUPYTER, folder=folder).as_tile()
    assert tile.src is None
    assert "no longer exists" in tile.where

    def broken(_job):
        raise ValueError("no <codec>")

    jobs = [done(0, folder)]
    view = view_of(jobs, folder=folder, video=broken, place=lambda path: Path(path).name)
    html = view.bundle()["text/html"]
    assert "0.mp4: ValueError: no &lt;codec&gt;" in html
    assert str(folder) not in html


# ---- the live grid ------------------------------------------------------------------------


def snapshots(number):
    moving = st.builds(
        lambda **changes: replace(job(number), **changes),
        status=st.sampled_from(["submitting", "queued", "in_progress", "downloading", "failed"]),
        progress=st.none() | st.floats(0, 100),
        note=st.none() | st.text(max_size=9),
        sent_at=st.none() | st.just(1000.0),
    )
    # A job that is done does not move again.
    return st.builds(lambda some, end: [*some, *end], st.lists(moving, max_size=3),
                     st.sampled_from([[], [done(number)]]))  # fmt: skip


@settings(max_examples=20)  # each makes widgets, which takes a while
@given(st.data())
def test_a_grid_that_was_updated_equals_one_made_new(data):
    clock = Clock(1000.0)
    hooks = {"cancel_all": list, "cancel": print, "retry": print}
    rows = [[job(n), *data.draw(snapshots(n))] for n in range(3)]
    given = SweepInfo(labels=LABELS[:3])
    updated = grid_of([row[0] for row in rows], clock=clock, given=given, **hooks)
    for row in rows:
        for one in row[1:]:
            clock.now += 5
            updated.update(one)
    clock.now += 5
    updated.tick()
    new = grid_of([*updated.snapshots], clock=clock, given=given, **hooks)
    assert state(updated)["text"] == state(new)["text"]
    if not new.ended:
        assert state(updated) == state(new)
    updated.close()
    new.close()


def test_forty_jobs_are_at_most_four_bundles_a_second():
    clock = Clock(1000.0)
    given = SweepInfo(labels=tuple(f"seed {n}" for n in range(40)))
    grid = grid_of([job(n, progress=0) for n in range(40)], clock=clock, given=given)
    sent = []
    for part in (grid._sums, grid._clock, grid._prompt, grid._moving):
        part.observe(lambda _change: sent.append(clock.now), "value")
    for step in range(1000):
        clock.now += 0.01
        grid.update(job(step % 40, progress=float(step // 40)))
    assert len(set(sent)) <= 10 / PACE + 1
    assert len(sent) <= 3 * (10 / PACE + 1)
    clock.now += 1
    grid.tick()
    assert grid._moving.value.count("Generating 24 %</span>") == 40


def test_a_tile_is_made_anew_only_for_the_job_that_moved(monkeypatch):
    clock, made, make = Clock(1000.0), [], sweep_html.live_tile
    monkeypatch.setattr(
        sweep_html,
        "live_tile",
        lambda given, index, *rest: made.append(index) or make(given, index, *rest),
    )
    grid = grid_of([job(0), job(1), job(2)], clock=clock, given=SweepInfo(labels=LABELS[:3]))
    assert made == [0, 1, 2]
    for _ in range(5):
        clock.now += 1
        grid.tick()
    clock.now += 1
    grid.update(job(1, progress=50.0))
    assert made == [0, 1, 2, 1]
    assert "Generating 50 %" in grid._moving.value
    grid.close()


def test_a_finished_video_plays_while_the_others_move(folder):
    grid = grid_of([job(0), job(1)], folder=folder, given=SweepInfo(labels=LABELS[:2]))
    grid._context.clock.now += 1
    grid.update(done(1, folder))
    (shown,) = (child for child in grid._tiles.children if child in grid._outputs)
    assert 'src="videos/1.mp4"' in shown.outputs[0]["data"]["text/html"]
    assert "ipyreel-at-1" in shown._dom_classes
    assert "seed 0" in grid._moving.value
    assert "seed 1" not in grid._moving.value
    grid.close()


@pytest.mark.parametrize(
    ("last", "hooks"), [(job(1, status="unknown"), {}), (replace(FAILED, id="v1"), {"retry": list})]
)
def test_what_may_be_found_or_retried_is_live_for_a_while(publisher, last, hooks):
    before = set(_instances)
    grid = grid_of([FAILED, job(1)], given=SweepInfo(labels=LABELS[:2]), **hooks)
    grid.show()
    first = publisher.outputs[0]["data"]
    assert "application/vnd.jupyter.widget-view+json" in first
    assert "not finished when this was saved" in first["text/html"]
    grid.update(last)
    grid._context.clock.now += LINGER - 1
    grid.tick()
    assert not grid.ended
    assert not [one for one in publisher.outputs if one["update"]]
    grid._context.clock.now += 2
    grid.tick()
    assert grid.ended
    assert "No &lt;b&gt;boats" in publisher.outputs[-1]["data"]["text/html"]
    assert set(_instances) <= before  # no page shows a widget, so none stays behind


@pytest.mark.parametrize("button", ["all", 1])
def test_cancel_calls_back_and_shows_what_went_wrong(button):
    future, calls = Future(), []
    grid = grid_of([job(0), job(1)], cancel_all=lambda: calls.append("all") or [future],
                   cancel=lambda job_id: calls.append(job_id) or future)  # fmt: skip
    pressed, name, other = grid._button, "Cancel all", None
    if button != "all":
        pressed, name, other = grid._buttons.buttons["Cancel"][1], "Cancel", buttons(grid)[0]
    pressed.click()
    assert calls == ["all" if button == "all" else "v1"]
    assert (pressed.description, pressed.disabled) == ("Cancelling…", True)
    assert other in {None, ("Cancel", "Cancel seed 0", False)}
    assert other is None or buttons(grid)[0] == other
    future.set_exception(RuntimeError("no <way>"))
    assert "RuntimeError: no &lt;way&gt;" in grid._prompt.value
    assert (pressed.description, pressed.disabled) == (name, False)
    grid.close()


ONE = SweepInfo(labels=LABELS[:3])


def test_each_tile_has_the_button_that_its_job_needs():
    unsent = replace(FAILED, id="v5", failure=Failure(message="not fetched"), progress=100)
    ready = replace(unsent, ready=True)
    given = SweepInfo(labels=tuple("abcdef"))
    jobs = [done(0), job(1), FAILED, WAITING, job(4, status="unknown"), ready]
    grid = grid_of(jobs, given=given, cancel=print, retry=print)
    names = [one and one[0] for one in buttons(grid)]
    assert names == [None, "Cancel", "Retry", "Cancel", None, None]
    assert buttons(grid)[2] == ("Retry", "Retry c", False)
    grid.close()


def test_a_retry_takes_the_place_of_what_failed(folder):
    clock, new = Clock(1000.0), job(3, request=FAILED.request)
    grid = grid_of([done(0), done(1), FAILED], folder=folder, given=ONE, clock=clock,
                   retry=lambda _id: grid.update(replace(new, progress=40)) or new)  # fmt: skip
    assert not grid.ended  # all jobs are, but there is something to be done
    assert "No &lt;b&gt;boats" in grid._moving.value
    grid._buttons.buttons["Cancel"][2].click()  # late: the job has failed meanwhile
    assert [one.id for one in grid.snapshots] == ["v0", "v1", "v2"]
    for _ in "double click":
        grid._buttons.buttons["Retry"][2].click()
    assert [one.id for one in grid.snapshots] == ["v0", "v1", "v3"]
    clock.now += PACE
    grid.tick()
    assert "Generating 40 %" in grid._moving.value  # the news that came before the answer
    clock.now += LINGER + 1
    grid.tick()
    assert not grid.ended
    grid.update(done(3, folder))
    assert grid.ended


def test_what_is_saved_beside_a_live_grid(publisher, folder):
    clock = Clock(1000.0)
    view = view_of([job(0), job(1), job(2)], folder=folder, given=ONE, clock=clock)
    grid = Grid(view)
    grid.keep_copy()

    def saved():
        return [
            one["data"]["text/html"] for one in publisher.outputs if "ipyreel-saved" in str(one)
        ]

    grid.show()
    grid.update(done(0, folder))
    assert [page.count("<video") for page in saved()] == [0, 1]
    assert 'preload="none"' in saved()[-1]  # it is hidden, and loads nothing
    clock.now += 1
    grid.update(done(1, folder))
    assert len(saved()) == 2
    clock.now += SAVED_PACE
    grid.tick()
    assert [page.count("<video") for page in saved()] == [0, 1, 2]
    grid.update(done(2, folder))
    assert grid.ended
    assert publisher.outputs[-1]["data"] == {"text/html": "", "text/plain": ""}


def test_snapshots_of_other_jobs_and_old_ones_are_dropped():
    grid = grid_of([replace(job(0), updated_at=20.0)], given=SweepInfo(labels=("",)))
    grid.update(done(7))
    grid.update(replace(done(0), updated_at=10.0))
    assert not grid.ended
    grid.close()


# ---- without widgets ----------------------------------------------------------------------


def test_a_terminal_gets_one_line_and_then_one_for_each_job(capsys):
    given = SweepInfo(labels=LABELS[:2])
    grid, page, widget = (
        make_output(view_of([job(0), job(1)], host=host, given=given), Grid, host)
        for host in (TERMINAL, HEADLESS, JUPYTER)
    )
    assert [type(one) for one in (grid, page, widget)] == [TextOutput, PageOutput, Grid]
    grid.show()
    grid.update(job(0, progress=50))
    grid.update(done(0))
    thread = threading.Thread(target=grid.update, args=(done(1),))
    thread.start()
    thread.join()
    assert not grid.ended  # a thread prints nothing
    grid.tick()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 jobs · 2 running · $0.00 of $0.80 · 0:00"
    assert lines[1] == "2 jobs · 2 done · $0.80 of $0.80"
    assert lines[2] == "  seed 0  v0  /n/videos/0.mp4 (9 bytes)"
    assert len(lines) == 4
