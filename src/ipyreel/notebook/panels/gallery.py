"""The gallery: shows the library as pictures, to search, open and reuse.

Only the current page is read from the library, and only its posters are made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from types import MappingProxyType
from typing import Any

import ipywidgets as widgets

from ipyreel.errors import InvalidRequest
from ipyreel.jobs.query import Query
from ipyreel.notebook import reports
from ipyreel.notebook.handles.opinions import own_ratings, video_of
from ipyreel.notebook.live.live_output import MimeBundle, output
from ipyreel.notebook.markup.html import element
from ipyreel.notebook.markup.tables import Report
from ipyreel.notebook.panels.form import Form
from ipyreel.notebook.panels.panel import Panel, bar, button, guarded, hint_html, typed
from ipyreel.notebook.panels.tiles import (
    Filters,
    OpinionFields,
    Posters,
    Tile,
    page_html,
)
from ipyreel.notebook.screen import Screen
from ipyreel.values import Chain, JobSnapshot

PAGE = 12
"""Videos on a page: three rows of four if there is room."""

CHAINS: Mapping[Chain, str] = MappingProxyType(
    {
        "remix": "Make a new video based on this one",
        "edit": "Change this video",
        "extend": "Continue this video from its end",
    }
)
"""The tooltip of each chain's button."""

QUESTIONS: Mapping[Chain, str] = MappingProxyType(
    {"remix": "What should change", "edit": "What should change", "extend": "What happens next"}
)


class Gallery(Panel):
    """Filters, a page of tiles, and the opened video below them."""

    def __init__(self, screen: Screen) -> None:
        self._posters = posters_of(screen)
        self._page = 0
        self._total = 0
        self._turn = 0
        self._jobs: Sequence[JobSnapshot] = ()
        self._followed: set[str] = set()
        self.filters = Filters(self._narrowed)
        self._tiles = tuple(Tile(self._opener(place), self._rater(place)) for place in range(PAGE))
        self.grid = widgets.VBox(self._tiles, _dom_classes=("ipyreel-shelf",))
        self._back = button("‹ Previous", "The page before", self._turned(-1))
        self._next = button("Next ›", "The next page", self._turned(1))
        again = button("Refresh", "Read the library again", self._refresh)
        self.saved_jobs = screen.saved_jobs(self.renew)
        self.opened = Opened(screen, self)
        super().__init__(screen, name="gallery", wide=True)
        turning = bar(self.status, self._back, self._next, again)
        self.place(self.filters, turning, self.grid, self.opened)
        self._refresh(None)

    @guarded
    def _refresh(self, _button: object) -> None:
        self.filters.offer(self._screen.session.store.makers())
        self.load()

    @guarded
    def _narrowed(self, _change: object) -> None:
        self._page = 0
        self.load()

    def _turned(self, by: int) -> Callable[[Any], None]:
        def turn() -> None:
            self._page = max(0, self._page + by)
            self.load()

        return lambda _button: self.act(turn)

    def _opener(self, place: int) -> Callable[[Any], None]:
        return lambda _button: self.act(lambda: self.opened.look_at(self._jobs[place]))

    def _rater(self, place: int) -> Callable[[int], None]:
        return lambda stars: self.keep_opinion(self._jobs[place], stars=stars)

    @guarded
    def act(self, hook: Callable[[], object]) -> None:
        """Run a button's action under the lock, and show its errors."""
        hook()

    def load(self) -> None:
        """Read the page from the library and show it."""
        session = self._screen.session
        query = self.filters.query(session.clock(), limit=PAGE, offset=self._page * PAGE)
        self._jobs, self._total = session.store.page(query)
        if not self._jobs and self._page:
            self._page = (self._total - 1) // PAGE if self._total else 0
            self.load()
            return
        ratings = own_ratings(session, self._jobs)
        self._turn += 1
        for place, tile in enumerate(self._tiles):
            job = self._jobs[place] if place < len(self._jobs) else None
            tile.show(job, self._posters.cached(job) if job else None, session.clock())
            if job is not None:
                tile.show_stars(job, ratings.get(job.file.sha256) if job.file else None)
        self._back.disabled = self._page == 0
        self._next.disabled = (self._page + 1) * PAGE >= self._total
        self.say(self._counted())
        self.renew()
        self._make_posters()
        self._follow()

    def static_copy(self) -> MimeBundle:
        """Return what is saved: the current page, the opened video, and the jobs sent."""
        head, jobs = super().static_copy(), self.saved_jobs.bundle()
        posters = [(job, self._posters.small(job)) for job in self._jobs]
        page = page_html(posters, own_ratings(self._screen.session, self._jobs))
        html = (head["text/html"], page, *self.opened.static_html(), jobs["text/html"])
        texts = (
            head["text/plain"],
            *map(self._screen.context().saved_text, self._jobs),
            jobs["text/plain"],
        )
        return {
            "text/html": "\n".join(filter(None, html)),
            "text/plain": "\n".join(texts).strip(),
        }

    def _counted(self) -> str:
        if not self._total:
            return "Nothing found." if self.filters.narrow else "The library is empty."
        first = self._page * PAGE + 1
        return f"{first} to {first + len(self._jobs) - 1} of {self._total}."

    def _follow(self) -> None:
        """Load the page again when one of its jobs has ended."""
        session = self._screen.session
        for job in self._jobs if self._screen.host.pushes else ():
            if not job.ended and job.id not in self._followed:
                self._followed.add(job.id)
                session.listen(job.id, self._heard)
                self._heard(session.snapshot(job.id))  # for changes before we listened

    def _heard(self, job: JobSnapshot) -> None:
        # Not here: a callback that holds the lock may wait for the thread that calls us.
        if job.ended:
            self._screen.session.loop.submit(asyncio.to_thread(self.act, self.load))

    def _make_posters(self) -> None:
        pairs = list(zip(self._tiles, self._jobs, strict=False))
        wanting = [(tile, job) for tile, job in pairs if self._posters.wanting(job)]
        if not wanting:
            return
        if self._screen.host.threads_deliver:
            turn = self._turn
            self._screen.session.loop.submit(asyncio.to_thread(self._fill, wanting, turn))
        else:
            self._fill(wanting, self._turn)

    def _fill(self, wanting: Sequence[tuple[Tile, JobSnapshot]], turn: int) -> None:
        """Make posters and show them, until the page is turned."""
        for tile, job in wanting:
            poster = self._posters.make(job)
            with self.lock:
                if self._turn != turn:
                    return
                tile.show(job, poster, self._screen.session.clock())
        self.renew()


class Opened(widgets.VBox):  # type: ignore[misc] # ipywidgets has no types
    """The opened video, its actions, and the jobs sent from here."""

    children: Any

    def __init__(self, screen: Screen, gallery: Gallery) -> None:
        self._screen = screen
        self._gallery = gallery
        self._job: JobSnapshot | None = None
        self.shown = widgets.Output()
        self._again = self._does(
            "Re-run with changes", "Open the form with this request", self._fill_form
        )
        self._chains = {how: self._chain_button(how) for how in CHAINS}
        self._opinion = self._does("Note and tags", "Say why", self._ask_opinion)
        self._where = self._does("Show path", "Show where the file is", self._show_path)
        self._delete = self._does("Delete", "Delete the job, after confirmation", self._ask_delete)
        close = self._does("Close", "Close this video", lambda: self.look_at(None))
        chains = self._chains.values()
        self._actions = bar(self._again, *chains, self._opinion, self._where, self._delete, close)
        self._asked = widgets.VBox()
        self.below = widgets.VBox(_dom_classes=("ipyreel-cards",))
        super().__init__((), _dom_classes=("ipyreel-opened",))

    def _does(self, name: str, hint: str, hook: Callable[[], object]) -> Any:
        return button(name, hint, lambda _button: self._gallery.act(hook))

    def _chain_button(self, how: Chain) -> Any:
        return self._does(how.title(), CHAINS[how], lambda: self._ask_prompt(how))

    def look_at(self, job: JobSnapshot | None) -> None:
        """Show a job in its current state; None closes."""
        self._asked.children = self.below.children = ()
        self._job = job if job is None else self._screen.session.snapshot(job.id)
        if self._job is None:
            self.children = ()
            self._gallery.renew()
            return
        row = self._screen.session.catalog.providers.get(self._job.provider)
        for how, chain in self._chains.items():
            can = row is not None and row.can(how) and self._job.status == "completed"
            chain.disabled = not can
            chain.tooltip = CHAINS[how] if can else f"{self._job.provider} cannot {how} this"
        # Scroll to the opened video: it may be below the edge of the window.
        shows = "this.closest('.ipyreel-opened').scrollIntoView({block: 'nearest'})"
        hook = widgets.HTML(element("style", data_job=self._job.id, onload=shows))
        hook.add_class("ipyreel-sheet")
        self.children = (self._shown(self._job), self._actions, self._asked, self.below, hook)
        self._gallery.renew()

    def _shown(self, job: JobSnapshot) -> Any:
        if not job.ended:
            return self._screen.card(self._screen.job(job.id))
        self.shown.outputs = (output(self._screen.context().bundle(job)),)
        return self.shown

    def static_html(self) -> list[str]:
        """Return its saved form."""
        shown = self.shown.outputs if self.shown in self.children else ()
        return [one["data"]["text/html"] for one in shown]

    @property
    def _chosen(self) -> JobSnapshot:
        if self._job is None:
            raise InvalidRequest("Open a video first.")
        return self._job

    def _fill_form(self) -> None:
        form = Form(self._screen, self._gallery.saved_jobs)
        form.fill(self._chosen.request, self._chosen.provider)
        self._asked.children = (form,)

    def _ask_prompt(self, how: Chain) -> None:
        field = widgets.Textarea(description=QUESTIONS[how], rows=2)
        field.layout.width = "auto"
        field.add_class("ipyreel-sends")
        send = self._does(f"Send {how}", "Send it as a new job", lambda: self._ask_for(how, field))
        send.add_class("ipyreel-submit")
        self._asked.children = (typed(field), bar(send))

    def _ask_for(self, how: Chain, field: Any) -> None:
        if not field.value.strip():
            raise InvalidRequest(f"{QUESTIONS[how]}? Describe it first.")
        session = self._screen.session
        (new,) = session.submit(session.chain(self._chosen, how, field.value.strip()))
        card = self._screen.card(self._screen.job(new.id), self._gallery.saved_jobs)
        self._asked.children = ()
        self.below.children = (card, *self.below.children)
        self._gallery.load()
        self._gallery.say(f"Sent: {new.id}.")

    def _ask_opinion(self) -> None:
        job = self._chosen
        known = own_ratings(self._screen.session, [job]).get(video_of(job))
        keep = partial(self._gallery.keep_opinion, job)
        self._asked.children = (OpinionFields(known, keep),)

    def _show_path(self) -> None:
        job = self._chosen
        path = job.file.path if job.file else job.target
        self._asked.children = (widgets.HTML(hint_html(element("code", path))),)

    def _ask_delete(self) -> None:
        job = self._chosen
        kept = " The file is kept." if job.file else ""
        question = widgets.HTML(
            hint_html(f"Delete {job.id} at {job.provider} and from the library?{kept}")
        )
        yes = self._does(f"Delete {job.id}", "This cannot be undone", lambda: self._forget(job))
        yes.add_class("ipyreel-danger")
        no = self._does("Keep", "Delete nothing", lambda: setattr(self._asked, "children", ()))
        self._asked.children = (question, bar(yes, no))

    def _forget(self, job: JobSnapshot) -> None:
        self._asked.children = ()
        self._gallery.say(f"Deleting {job.id} …")
        future = self._screen.session.delete(job.id)
        future.add_done_callback(lambda done: self._gallery.act(lambda: self._forgotten(done)))

    def _forgotten(self, done: Future[str]) -> None:
        message = done.result()
        self.look_at(None)
        self._gallery.load()
        self._gallery.say(message)


def posters_of(screen: Screen) -> Posters:
    """Return the posters of the session's library."""
    return Posters(screen.session.settings.home / "posters")


def open_gallery(screen: Screen, text: str = "") -> Gallery | Report:
    """Return the gallery; without widgets, a static page of the newest videos."""
    if screen.host.widgets:
        gallery = Gallery(screen)
        if text:
            gallery.filters.text.value = text
        return gallery
    posters = posters_of(screen)
    jobs, total = screen.session.store.page(Query(text=text, limit=PAGE))
    plain = reports.jobs(screen.session, jobs, title=f"The newest of {total} jobs")
    if not screen.host.html or not jobs:
        return plain
    pictures = [(job, posters.make(job)) for job in jobs]
    html = page_html(pictures, own_ratings(screen.session, jobs))
    return Report(plain.text, html)
