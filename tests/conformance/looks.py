"""Checks of how a job is shown, parsed as a browser does, and of where its files are."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from ipyreel.notebook.markup import job_html, job_text
from ipyreel.notebook.markup.html import PlayerOptions
from tests.conformance.shop import finals, sidecar

NAME = re.compile(r"[\w.-]+")
ELEMENTS = {"i", "figure", "video", "p", "div", "span", "strong", "details", "summary", "b"}
ATTRIBUTES = {
    *("src", "controls", "preload", "loop", "muted", "autoplay", "width", "height"),
    *("title", "style", "dir", "class", "role"),
}


class Reader(HTMLParser):
    """The elements, attributes and text that a browser finds in a page."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.attributes, self.text = set(), set(), ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    unknown_decl = handle_decl = handle_pi = handle_comment


def check_shown(job, *texts):
    """The HTML of a job has only our elements, and shows these texts as text."""
    live = job_html.body_html(job) + job_html.phase_html(job) + job_html.clock_html(job, now=0)
    saved = job_html.static_html(job)
    played = job_html.finished_html(job, "videos/a.mp4", player=PlayerOptions(), where=job.target)
    for page in (saved, played, live):
        page.encode()
        reader = Reader(page)
        assert reader.elements <= ELEMENTS
        others = reader.attributes - ATTRIBUTES
        assert all(name.startswith("aria-") for name in others)
    for text in texts:
        assert _flat(job_text.clean(text)) in _flat(Reader(saved).text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", job_text.text(job))
    repr(job).encode("utf-8", "backslashreplace")


def _flat(text):
    return " ".join(text.split())


def check_inside(home, job):
    """The video and its sidecar are in the videos folder, under harmless names."""
    (film,) = finals(home)
    assert film.parent.resolve() == (home / "videos").resolve()
    assert NAME.fullmatch(film.name)
    assert len(film.name.encode()) < 100
    assert Path(job.target) == film
    assert {path.name for path in film.parent.iterdir()} == {film.name, film.stem + ".json"}
    assert sidecar(film)["remote_id"] == job.remote_id
    return film
