"""The gallery: one page at a time, posters made once, and what can be done with a video."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import MappingProxyType

import pytest

from ipyreel.catalog.rows import CHAINS
from ipyreel.errors import SubmissionUnknown
from ipyreel.notebook import api
from ipyreel.notebook.frontends import FrontEnd
from ipyreel.notebook.panels import gallery as gallery_module
from ipyreel.notebook.panels.gallery import QUESTIONS, Gallery
from ipyreel.notebook.panels.tiles import Posters

PAGE = 3
"""Tiles of a page here; the gallery's own 12 would take four times as long."""


@pytest.fixture
def library(screen, monkeypatch):  # noqa: ARG001 - the front end they are shown in
    """A page of finished videos of the same bytes, and two more."""
    monkeypatch.setattr(gallery_module, "PAGE", PAGE)
    jobs = [api.submit(f"A balloon number {number}") for number in range(PAGE + 2)]
    for job in jobs:
        job.wait()
    return jobs


def seen(gallery):
    return [tile.button.description for tile in gallery._tiles if tile.layout.display != "none"]


def said(gallery):
    return gallery.status.value.partition(">")[2].removesuffix("</div>")


def press(box, name):
    """Click the button of that name among what was opened."""
    found = [one for one in _all(box) if getattr(one, "description", None) == name]
    assert len(found) == 1, name
    found[0].click()


def _all(box):
    yield box
    for child in getattr(box, "children", ()):
        yield from _all(child)


def test_a_job_of_unknown_state_is_saved_as_that(screen, live):
    live.faults.add({"step": "create", "do": {"drop_reply": True}})
    live.faults.add({"step": "list", "do": {"status": 500}})
    with pytest.raises(SubmissionUnknown):
        api.submit("A balloon").wait()
    assert "Unknown" in Gallery(screen).static_copy()["text/html"]


def test_a_job_that_ends_while_it_is_seen_gets_its_picture(screen, live):
    hold = {"step": "retrieve", "count": 5, "do": {"job": {"status": "queued"}}}
    live.faults.add(hold)
    assert said(Gallery(screen)) == "The library is empty."
    job = api.submit("A balloon")
    gallery = Gallery(screen)
    saved = gallery.static_copy()["text/html"]
    assert "not finished when this was saved" in saved
    assert "Queued" not in saved
    picture, there = gallery._tiles[0]._picture, threading.Event()
    assert "ipyreel-plain" in picture.value
    picture.observe(lambda change: there.set() if "<img" in change["new"] else None, "value")
    job.wait()
    assert there.wait(60)


@pytest.mark.usefixtures("library")
def test_a_page_holds_the_newest_and_the_filters_narrow_all(screen):
    gallery = Gallery(screen)
    assert seen(gallery)[0] == "A balloon number 4"
    assert len(seen(gallery)) == PAGE
    assert said(gallery) == "1 to 3 of 5."
    gallery._next.click()
    assert seen(gallery) == ["A balloon number 1", "A balloon number 0"]
    assert gallery._next.disabled
    gallery._back.click()
    assert gallery._back.disabled
    gallery._next.click()
    gallery.filters.text.value = "number 2"
    assert seen(gallery) == ["A balloon number 2"]
    gallery.filters.text.value = "submarine"
    assert said(gallery) == "Nothing found."
    gallery.filters.text.value = ""
    gallery.filters.state.value = ("failed",)
    assert seen(gallery) == []
    gallery.filters.state.value = ()
    gallery.filters.sort.value = "oldest"
    assert seen(gallery)[0] == "A balloon number 0"
    assert [value for _, value in gallery.filters.provider.options] == ["", "lab"]


def test_stars_notes_and_tags_are_kept_found_and_taken_back(library, screen):
    gallery = Gallery(screen)
    stars = gallery._tiles[0].stars
    stars.value = 4
    assert said(gallery) == f"{library[-1].id}: stars saved."
    gallery._tiles[0].button.click()
    press(gallery.opened, "Note and tags")
    (fields,) = gallery.opened._asked.children
    fields.note.value, fields.tags.value = " sharp at last", "keep,, sea "
    assert "★★★★ · sharp at last · keep, sea" in gallery.static_copy()["text/html"]
    for least, opinion, found in ((4, "", PAGE), (5, "", 0), (0, "SHARP sea", PAGE), (0, "x", 0)):
        gallery.filters.stars.value, gallery.filters.opinion.value = least, opinion
        assert len(seen(gallery)) == found  # all are of the same bytes
    gallery.filters.opinion.value = ""
    assert stars.value == 4
    stars.value = 0
    press(gallery.opened, "Note and tags")
    (fields,) = gallery.opened._asked.children
    assert (fields.note.value, fields.tags.value) == ("sharp at last", "keep, sea")
    fields.note.value = fields.tags.value = ""
    assert "★" not in gallery.static_copy()["text/html"]


@pytest.mark.usefixtures("library")
def test_posters_are_made_once_and_only_for_what_is_seen(screen, monkeypatch):
    made = []
    real = Posters.make
    monkeypatch.setattr(Posters, "make", lambda self, job: made.append(job.id) or real(self, job))
    screen.host = FrontEnd(
        kind="jupyter", widgets=True, threads_deliver=False
    )  # at once, not later
    gallery = Gallery(screen)
    assert len(made) == PAGE  # though all are one picture, as their bytes are
    assert len(list((screen.session.settings.home / "posters").iterdir())) == 1
    assert all("<img" in tile._picture.value for tile in gallery._tiles)
    Gallery(screen)
    assert len(made) == PAGE


def test_a_video_that_is_gone_has_a_plain_tile(library, screen):
    screen.host = FrontEnd(kind="jupyter", widgets=True, threads_deliver=False)
    for job in library:
        job.path.unlink()
    gallery = Gallery(screen)
    assert all("ipyreel-plain" in tile._picture.value for tile in gallery._tiles)


def test_a_click_opens_the_video_and_a_form_for_it(library, screen):
    gallery = Gallery(screen)
    gallery._tiles[0].button.click()
    data = gallery.opened.shown.outputs[0]["data"]
    assert "A balloon number 4" in data["text/html"]
    assert "<video" in data["text/html"]
    press(gallery.opened, "Show path")
    assert str(library[-1].path) in gallery.opened._asked.children[0].value
    press(gallery.opened, "Close")
    assert gallery.opened.children == ()
    gallery._tiles[0].button.click()
    press(gallery.opened, "Re-run with changes")
    (form,) = gallery.opened._asked.children
    assert form.fields.prompt.value == "A balloon number 4"
    assert form.fields.provider.value == "lab"


@pytest.mark.parametrize("how", CHAINS)
def test_what_is_made_of_a_video_is_a_new_job(screen, live, how):
    source = api.submit("A balloon")
    source.wait()
    gallery = Gallery(screen)
    gallery._tiles[0].button.click()
    press(gallery.opened, how.title())
    field, known = gallery.opened._asked.children[0].children
    press(gallery.opened, f"Send {how}")
    assert f"{QUESTIONS[how]}? Describe it first." in said(gallery)
    field.value = 'Make it "blue"'
    assert known.value == '<span data-text="Make it &quot;blue&quot;"></span>'  # for keys.js
    press(gallery.opened, f"Send {how}")
    (card,) = gallery.opened.below.children
    assert card.snapshots[0].request.chain == (how, source.remote_id)
    screen.job(card.snapshots[0].id).wait()
    assert live.log(CHAINS[how])


def test_what_the_provider_cannot_do_is_greyed(screen):
    api.submit("A balloon").wait()
    session = screen.session
    row = replace(session.catalog.provider("lab"), routes=frozenset({"edits"}))
    rows = {**session.catalog.providers, "lab": row}
    session.catalog = replace(session.catalog, providers=MappingProxyType(rows))
    gallery = Gallery(screen)
    gallery._tiles[0].button.click()
    buttons = {one.description: one for one in gallery.opened._actions.children}
    assert [buttons[how.title()].disabled for how in CHAINS] == [True, False, True]
    assert "cannot extend" in buttons["Extend"].tooltip


def test_delete_asks_first_and_keeps_the_file(library, screen, live):
    gallery = Gallery(screen)
    gallery._tiles[0].button.click()
    press(gallery.opened, "Delete")
    press(gallery.opened, "Keep")
    assert live.log("delete") == []
    press(gallery.opened, "Delete")
    path, job_id = library[-1].path, library[-1].id
    there = threading.Event()
    gallery.status.observe(
        lambda change: there.set() if "Deleted here" in change["new"] else None, "value"
    )
    press(gallery.opened, f"Delete {job_id}")
    assert there.wait(60)
    assert path.exists()
    assert "A balloon number 4" not in seen(gallery)


def test_a_page_without_widgets(library, reel):
    api.screen().host = FrontEnd(kind="headless", embeds=True)
    shown = reel.run_cell("%video gallery number").result
    assert shown._repr_mimebundle_()["text/html"].count("<figure") == PAGE
    assert "data:image/webp" in shown.html
    assert library[3].id in shown.text
    assert library[1].id not in shown.text
