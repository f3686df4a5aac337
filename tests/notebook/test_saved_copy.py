"""What is saved of a form and a gallery: an output of its own."""

from __future__ import annotations

import itertools
import re
import threading
from dataclasses import replace

import pytest

from ipyreel.notebook.frontends import FrontEnd
from ipyreel.notebook.live import live_output
from ipyreel.notebook.live.live_output import CardContext, SavedCopy
from ipyreel.notebook.live.plain import SavedJobs
from ipyreel.notebook.markup.html import static
from ipyreel.notebook.panels.form import open_form
from ipyreel.notebook.panels.gallery import open_gallery
from ipyreel.values import JobSnapshot, VideoRequest

REFUSES = {"step": "retrieve", "do": {"job": {"status": "failed", "error": {"message": "too wet"}}}}


def snapshot(name, status="queued"):
    return JobSnapshot(
        id=name,
        provider="demo",
        request=VideoRequest(prompt=f"A {name}"),
        status=status,
        created_at=1_800_000_000.0,
        target=f"/videos/{name}.mp4",
    )


class Screen:
    """A display handle that remembers."""

    shown: tuple[Screen, ...] = ()

    def __init__(self):
        self.said = []
        Screen.shown = (*Screen.shown, self)

    def display(self, bundle, *, raw):
        assert raw
        self.said.append(bundle)

    update = display


@pytest.fixture
def screens(monkeypatch):
    monkeypatch.setattr(Screen, "shown", ())
    monkeypatch.setattr(live_output, "OutputHandle", Screen)
    monkeypatch.setattr("ipyreel.notebook.panels.panel.OutputHandle", Screen)
    return lambda: Screen.shown


def html(screen):
    return screen.said[-1]["text/html"]


def saved_jobs(video=None, limit=10_000, renew=lambda: None):
    context = CardContext(video=video or (lambda _job: None), place=lambda path: path.strip("/"))
    return SavedJobs(context, limit, renew)


def test_what_was_made_stands_newest_first_and_ends_once():
    told = []
    jobs = saved_jobs(renew=lambda: told.append(1))
    jobs.take(snapshot("boat"))
    jobs.take(replace(snapshot("boat"), status="in_progress"))  # no news for what is saved
    jobs.take(snapshot("train"))
    assert len(told) == 2
    page, text = jobs.bundle().values()
    assert page.index("A train") < page.index("A boat")
    assert "This was being made when the notebook was saved" in page
    assert text.index("train") < text.index("boat")
    jobs.take(snapshot("boat", "cancelled"))
    jobs.take(snapshot("boat", "failed"))
    assert len(told) == 3
    assert "Cancelled" in jobs.bundle()["text/html"]


def test_a_retry_takes_the_place_of_what_failed():
    jobs = saved_jobs()
    jobs.take(snapshot("boat", "failed"))
    jobs.take(snapshot("ship"), instead_of="boat")
    page, _ = jobs.bundle().values()
    assert "A ship" in page
    assert "A boat" not in page


def test_what_all_of_them_add_is_limited():
    class Large:
        def _repr_mimebundle_(self):
            return {"text/html": f"<video {'x' * 600}></video>", "text/plain": "large"}

    jobs = saved_jobs(lambda _job: Large(), limit=1000)
    for name in ("boat", "train", "river"):
        jobs.take(snapshot(name, "completed"))
    page, text = jobs.bundle().values()
    assert page.count("<video") == 2
    assert page.count("videos together are over the limit") == 1
    assert "videos/boat.mp4" in text
    assert "/videos/" not in page + text  # no path of the machine on which it was saved
    assert tuple(jobs.bundle().values()) == (page, text)  # and what was given is not taken back


def test_it_is_replaced_when_it_is_news_and_can_be_delivered(screens):
    said = ["<p>one</p>"]
    context = CardContext(video=str, threads_deliver=False)
    below = SavedCopy(lambda: {"text/html": said[-1], "text/plain": ""}, context)
    below.renew()
    assert screens() == ()  # it is not shown anywhere
    below.show()
    (screen,) = screens()
    below.renew()
    assert len(screen.said) == 1
    said.append("<p>two</p>")
    thread = threading.Thread(target=below.renew)
    thread.start()
    thread.join()
    assert len(screen.said) == 1
    below.renew()
    assert "<p>two</p>" in html(screen)


def test_a_form_is_saved_with_what_it_made(screen, live, screens):
    live.faults.add({**REFUSES, "count": 1})
    form = open_form(screen)
    form._ipython_display_()
    widget, below = screens()
    assert "application/vnd.jupyter.widget-view+json" in widget.said[0]
    assert widget.said[0]["text/html"] == ""
    assert "%video form opens it" in html(below)
    form.fields.prompt.value = "A red balloon"
    form._submit.click()
    (card,) = form.cards.children
    (job,) = screen.session.history()
    screen.session.future(job.id).result(60)
    card._buttons["Retry"].click()
    new = screen.session.history()[0]
    assert new.id != job.id
    screen.session.future(new.id).result(60)
    form.renew()  # as the poller does, which may not have come to it yet
    assert re.findall(r'<video src="(videos/[^"]+)"', html(below)) == [
        f"videos/{new.target.rpartition('/')[2]}"
    ]
    assert job.id not in html(below)
    assert len(widget.said) == 1
    form.close()


def test_a_gallery_is_saved_as_the_page_that_is_seen(screen, screens, monkeypatch):
    monkeypatch.setattr("ipyreel.notebook.panels.gallery.PAGE", 3)
    planned = [
        screen.session.plan(VideoRequest(prompt=f"A <b>boat</b> {n}", seed=n)) for n in range(5)
    ]
    for job in screen.session.submit(*planned):
        screen.session.future(job.id).result(60)
    gallery = open_gallery(screen)
    gallery._ipython_display_()
    _, below = screens()
    assert html(below).count("<figure") == 3
    assert "A &lt;b&gt;boat" in html(below)
    gallery._next.click()
    assert html(below).count("<figure") == 2
    gallery._tiles[0].button.click()
    assert html(below).count("<video") == 1
    gallery.close()


def test_where_it_could_not_hide_all_stands_in_one_output(screen, screens):
    screen.host = FrontEnd(kind="vscode", widgets=True, embeds=True)
    form = open_form(screen)
    form._ipython_display_()
    (screen,) = screens()
    assert "%video form opens it" in html(screen)
    form.close()


def test_the_sheets_of_a_page_style_no_class_of_each_other():
    sheets = ("card.css", "grid.css", "panel.css", "compare.css")
    found = [set(re.findall(r"\.(ipyreel-[a-z-]+)", static(name))) for name in sheets]
    shared = {name for one, other in itertools.combinations(found, 2) for name in one & other}
    # All of them are on the page at once; these belong to both kinds of cards.
    assert shared <= {"ipyreel-wide", "ipyreel-bar", "ipyreel-prompt", "ipyreel-why"}
