"""The screen keeps its cards current, and closes the panels of an earlier run of a cell."""

from __future__ import annotations

import threading

import pytest
from ipywidgets.widgets.widget import _instances

from ipyreel.notebook import api
from ipyreel.notebook import screen as screen_module
from ipyreel.notebook.frontends import FrontEnd
from ipyreel.notebook.panels.form import open_form
from ipyreel.notebook.panels.gallery import open_gallery
from ipyreel.notebook.screen import Screen
from ipyreel.session import Session
from ipyreel.values import VideoRequest
from tests.notebook.conftest import JUPYTER, TERMINAL

STUCK = {"step": "retrieve", "do": {"job": {"status": "in_progress"}}}


class Kernel:
    """The part of a kernel that says which cell is running."""

    cell = "a"

    def get_parent(self):
        return {"metadata": {"cellId": self.cell}}


class Shell:
    """The part of a shell that counts the cells."""

    def __init__(self):
        self.kernel, self.execution_count = Kernel(), 1


@pytest.mark.parametrize("opens", [open_form, open_gallery])
def test_a_cell_that_runs_again_closes_the_panel_of_its_earlier_run(screen, opens):
    screen.shell = Shell()
    before = set(_instances)
    opens(screen)._ipython_display_()
    first = set(_instances) - before
    screen.shell.execution_count = 2
    second = opens(screen)
    second._ipython_display_()
    assert not first & set(_instances)
    assert second.comm is not None
    screen.shell.execution_count, screen.shell.kernel.cell = 3, "b"
    other = opens(screen)
    other._ipython_display_()
    assert second.comm is not None  # it stands in another cell
    second.close()
    other.close()
    assert set(_instances) <= before


def test_two_panels_of_one_run_stay(screen):
    screen.shell = Shell()
    panels = [open_form(screen), open_form(screen)]
    for panel in panels:
        panel._ipython_display_()
    assert all(panel.comm is not None for panel in panels)
    for panel in panels:
        panel.close()


def test_a_card_that_cannot_be_drawn_does_not_stop_the_others(screen, live, monkeypatch, caplog):
    live.faults.add({**STUCK, "count": 10_000})
    monkeypatch.setattr(screen_module, "TICK", 0.01)
    plans = [screen.session.plan(VideoRequest(prompt=f"A {word}")) for word in ("boat", "train")]
    jobs = [screen.job(job.id) for job in screen.session.submit(*plans)]
    broken, sound = (screen.card(job) for job in jobs)
    ticked = threading.Event()

    def tick():
        raise ValueError("no pixels")

    monkeypatch.setattr(type(broken), "tick", lambda card: tick() if card is broken else later())
    again = iter(range(3))

    def later():
        if next(again, None) is None:
            ticked.set()

    assert ticked.wait(60)
    assert "no pixels" in caplog.text
    assert caplog.text.count("could not be drawn") == 1
    assert sound.comm is not None
    for job in jobs:
        job.cancel()


def test_a_card_follows_a_job_of_another_kernel(screen, live, monkeypatch):
    monkeypatch.setattr(screen_module, "TICK", 0.01)
    live.faults.add({**STUCK, "count": 10_000})
    job = api.submit("A boat")
    other = Screen(session=Session.open(cwd=screen.folder), host=JUPYTER, folder=screen.folder)
    card = other.card(other.job(job.id))
    ended = threading.Event()
    card.observe(lambda _change: ended.set(), "children")
    live.faults.clear()
    job.wait()
    assert ended.wait(60)
    assert card.snapshots == (job.snapshot,)
    assert other.session.manager.active() == []
    assert other.session.store.sighting(job.id).owner is None  # it was never ours
    other.close()
    card.close()


@pytest.mark.parametrize("opens", [open_form, open_gallery])
def test_a_panel_of_a_closed_session_says_so_and_sends_nothing(reel, screen, live, opens):
    panel = opens(screen)
    form = panel if opens is open_form else None
    if form is not None:
        form.fields.prompt.value = "A red balloon"
        assert not form._submit.disabled
    before = set(panel.children)
    reel.run_cell("%reload_ext ipyreel")
    assert panel.children != tuple(before)
    assert panel.children[0] is panel.status
    assert "belongs to a session that was closed" in panel.status.value
    assert f"%video {panel._name} opens a new one" in panel.status.value
    if form is not None:
        form._submit.click()  # a click that was on its way
        assert "belongs to a session that was closed" in panel.status.value
    assert live.posts() == 0
    panel.close()


def test_all_cards_of_a_job_become_its_video(screen):
    screen.host = FrontEnd(kind="headless", embeds=True, front_end=False)
    job = api.submit("A boat")
    screen.show(job)
    screen.show(job)
    cards = list(screen._cards[job.id])
    assert len(cards) == 2
    job.wait()
    assert all(card.ended for card in cards)


def test_all_cards_of_a_job_are_static_after_the_session(reel, screen, live):
    live.faults.add({**STUCK, "count": 10_000})
    job = api.submit("A boat")
    screen.show(job)
    screen.show(job)
    cards = list(screen._cards[job.id])
    reel.run_cell("%unload_ext ipyreel")
    assert len(cards) == 2
    assert all(card.ended for card in cards)
    for card in cards:
        card.close()


@pytest.mark.usefixtures("screen")
def test_saved_text_names_no_path_of_this_machine(tmp_path):
    jobs = [api.submit(f"A {word}") for word in ("boat", "train")]
    for job in jobs:
        job.wait()
    gallery = api.gallery()
    shown = [gallery, api.compare(*jobs), api.history()[0].video]
    texts = [one._repr_mimebundle_()["text/plain"] for one in shown]
    texts += [repr(jobs), repr(api.history())]
    assert all("A boat" in text or jobs[0].id in text or "videos/" in text for text in texts)
    assert str(tmp_path) not in "".join(texts)
    gallery.close()


def test_jobs_and_videos_are_plain_text_html_for_other_front_ends(screen, live):
    screen.host = FrontEnd(kind="marimo", embeds=True, threads_deliver=False)
    live.faults.add({**STUCK, "count": 2})
    job = api.submit("A boat")
    assert f"Run ipyreel.job(&quot;{job.id}&quot;) to see it." in job._repr_html_()
    video = job.wait()
    pages = [one._repr_html_() for one in (job, video, api.history())]
    assert all(type(page) is str and "data:video/mp4;base64," in page for page in pages)
    assert type(api.form().html) is str


def test_show_puts_a_job_into_a_terminal_whose_line_moves(screen, capsys):
    screen.host = TERMINAL
    job = api.submit("A boat")
    job.show()
    job.wait()
    assert f"Video {job.id}: Done" in capsys.readouterr().out
