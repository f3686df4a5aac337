"""Shows a session's jobs in the notebook as cards, grids and videos, and keeps them current."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakSet

from IPython.display import display

from ipyreel.errors import ConfigError, StoreError
from ipyreel.jobs.run import log
from ipyreel.notebook import frontends
from ipyreel.notebook.frontends import Document, FrontEnd
from ipyreel.notebook.handles.job import Job
from ipyreel.notebook.handles.jobs import Jobs
from ipyreel.notebook.handles.video import Video
from ipyreel.notebook.live.card import Card, JobView
from ipyreel.notebook.live.grid import Grid, SweepView
from ipyreel.notebook.live.live_output import (
    CardContext,
    JobsView,
    LiveOutput,
    MimeBundle,
    SavedCopy,
)
from ipyreel.notebook.live.plain import PageOutput, PlainOutput, SavedJobs, TextOutput
from ipyreel.notebook.markup.html import PlayerOptions
from ipyreel.notebook.markup.sweep_text import SweepInfo, number
from ipyreel.notebook.markup.tables import Notice
from ipyreel.session import Session
from ipyreel.values import JobSnapshot

TICK = 1.0
"""Seconds between two updates of the clocks on the cards."""

CALM = 20
"""Cards that may tick each second; more of them tick more slowly, to spare the front end."""

FRESH = 2.0
"""Seconds for which the notebook's location is cached in one cell: a grid has many videos."""

V = TypeVar("V", bound=JobsView)
Shown = LiveOutput | PlainOutput
"""What shows one job, or several: a grid is the card of each of its jobs."""


@dataclass(slots=True, eq=False)
class Screen:
    """Shows the jobs of a session in the detected front end."""

    session: Session
    host: FrontEnd
    folder: Path
    shell: Any = None
    _cards: dict[str, list[Shown]] = field(default_factory=dict)
    _players: dict[str, PlayerOptions] = field(default_factory=dict)
    _saved_jobs: dict[str, SavedJobs] = field(default_factory=dict)
    open_panels: WeakSet[Any] = field(default_factory=WeakSet)
    """Forms and galleries, which stop working when the session is closed."""
    _panels: dict[str, tuple[int, list[Any]]] = field(default_factory=dict)
    _document: tuple[int, float, Document] | None = None
    _just_shown: tuple[tuple[str, ...], int] | None = None
    _retries: dict[str, str] = field(default_factory=dict)
    _ticking: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        return current, ()  # a pickled handle finds the screen of its process

    @classmethod
    def open(cls) -> Screen:
        """Open a session for the front end of this process; raises `ConfigError`."""
        shell = frontends.running_shell()
        folder = frontends.notebook_folder()
        session, host = Session.open(cwd=folder), frontends.detect(shell)
        for one in getattr(shell, "configurables", ()):
            if hasattr(one, "settings_made"):  # the magics, which are not imported here
                session.configure(one.settings_made)
        # At a prompt the process stays; a script may end with its next line.
        prompt = host.front_end and (host.kind != "python" or hasattr(sys, "ps1"))
        session.waits_for_answer = not prompt
        return cls(session=session, host=host, folder=folder, shell=shell)

    def latest(self) -> Screen:
        """Return this screen, or the current one if this one's session has ended."""
        return current() if self.session.ended else self

    def job(self, job_id: str) -> Job:
        """Return the handle of a job."""
        return Job(self, job_id)

    def video(self, snapshot: JobSnapshot) -> Video:
        """Return the video of a completed job, with its own player options or the session's."""
        limit = self.session.settings.embed_limit
        player = self.player_of(snapshot)
        video = Video.of(snapshot, player, self.host, self.document, embed_limit=limit)
        return replace(video, printed=partial(self._has_shown, (snapshot.id,)))

    @property
    def document(self) -> Document:
        """Where the notebook is now; detected again after a moment, since it may be moved."""
        cell, now = self._count(), self.session.clock()
        known = self._document
        if known is None or known[0] != cell or not known[1] <= now < known[1] + FRESH:
            found = frontends.find_document(self.shell, cwd=self.folder)
            known = self._document = (cell, now, found)
        return known[2]

    def player_of(self, job: JobSnapshot) -> PlayerOptions:
        """Return the player options of a job: its own, or the session's."""
        return self._players.get(job.id) or self.player()

    def check_links(self) -> tuple[bool | None, str]:
        """Return whether linked files are shown here (None: not checked), and an explanation."""
        if not self.host.links:
            return False, "no"
        if not self.document.known:
            return False, "no: the notebook's folder is not known, or it was moved"
        if self.document.server is None:
            return None, "not checked: no Jupyter server was found"
        videos = self.session.settings.videos_dir
        return self.document.server.check(videos if videos.is_dir() else self.document.folder)

    def player(self, **options: Any) -> PlayerOptions:
        """Return the session's player options with others on top (None: not given)."""
        settings = self.session.settings
        known = PlayerOptions(
            how=settings.show,
            width=settings.width,
            loop=settings.loop,
            muted=settings.muted,
            autoplay=settings.autoplay,
        )
        given = {name: value for name, value in options.items() if value is not None}
        return replace(known, **given)

    def show(self, job: Job, player: PlayerOptions | None = None) -> None:
        """Show a job in the current cell: its card until it ends, then its video."""
        if player is not None:
            self._players[job.id] = player
        snapshot = job.snapshot
        self._note_shown((job.id,))
        if snapshot.status == "completed":
            display(replace(self.video(snapshot), printed=bool))
            return
        card = self._make_card(snapshot, saved=self._can_hide)
        card.show()
        self._follow(card, job)

    def show_all(self, jobs: Jobs, player: PlayerOptions | None = None) -> None:
        """Show jobs in the current cell as one grid, which ends as a grid of videos."""
        if player is not None:
            self._players.update(dict.fromkeys(jobs.ids, player))
        self._note_shown(jobs.ids)
        info = replace(jobs.info, width=player.width if player else jobs.info.width)
        view = self._sweep_view(jobs, info)
        grid = make_output(view, Grid, self.host, saved=self._can_hide)
        for job_id in jobs.ids:
            self._cards.setdefault(job_id, []).append(grid)
        grid.show()
        for job in jobs:
            self._follow(grid, job)

    def _sweep_view(self, jobs: Jobs, info: SweepInfo) -> SweepView:
        view = SweepView(
            info,
            jobs.snapshots,
            self.context(cancel=self.session.cancel, retry=self._again),
            self.session.settings.embed_limit,
            # The current jobs: retries take the places of those that failed.
            cancel_all=lambda: self.session.cancel_all(job.id for job in view.jobs),
            name=jobs.id,
        )
        return view

    def static_html(self, shown: Job | Jobs) -> str:
        """Return jobs as static HTML, as a plain `str`."""
        if isinstance(shown, Jobs):
            return str(self._sweep_view(shown, shown.info).bundle()["text/html"])
        return str(self.context().bundle(shown.snapshot)["text/html"])

    def card(self, job: Job, saved_jobs: SavedJobs | None = None) -> Any:
        """Return a card to be put into a widget, where `show` would write to another cell.

        `saved_jobs` gets the job's snapshots, and those of its retries.
        """
        card = self._make_card(job.snapshot)
        if saved_jobs is not None:
            self._saved_jobs[job.id] = saved_jobs
            self.session.listen(job.id, saved_jobs.take)
            saved_jobs.take(job.snapshot)
        self._follow(card, job)
        return card

    def saved_jobs(self, renew: Callable[[], None]) -> SavedJobs:
        """Return a list of jobs to be saved; `renew` is called when one of them changes."""
        settings = self.session.settings
        limit = math.inf if settings.show == "embed" else settings.embed_limit
        return SavedJobs(self.context(), limit, renew)

    def saved_copy(self, render: Callable[[], MimeBundle | None]) -> SavedCopy | None:
        """Return the copy that is saved with a widget; None if nothing would hide it."""
        return SavedCopy(render, self.context()) if self._can_hide else None

    def keep_panel(self, panel: Any) -> None:
        """Remember which cell shows a form or gallery; one from an earlier run is closed."""
        cell, count = frontends.cell_id(self.shell), self._count()
        known = self._panels.get(cell)
        if known is None or known[0] != count:
            for old in known[1] if known is not None and cell else ():
                old.close()
            known = self._panels[cell] = (count, [])
        known[1].append(panel)

    @property
    def _can_hide(self) -> bool:
        return self.host.kind == "jupyter"

    def context(self, **hooks: Any) -> CardContext:
        """Return what cards need; `hooks` are the other fields of `CardContext`."""
        return CardContext(
            video=self.video,
            link=self._link,
            place=self.place,
            show=self._how_to_show,
            printed=self._note_shown,
            clock=self.session.clock,
            cell=self._count,
            threads_deliver=self.host.pushes,
            **hooks,
        )

    def _how_to_show(self, name: str) -> str:
        """Return what to run for a job or a sweep; marimo has no magics."""
        if self.host.kind != "marimo":
            return f"%video show {name}"
        return f'ipyreel.job("{name}")' if name.startswith("v") else "ipyreel.history()"

    def _link(self, job: JobSnapshot) -> str | None:
        """Return the URL that the file of an unfinished job will have; None if it is embedded."""
        how = self.player_of(job).how
        if how == "link":
            return self.document.any_link(job.target)
        linked = how == "auto" and self.host.links and not self.host.embeds_first
        return self.document.link(job.target) if linked else None

    def _make_card(self, snapshot: JobSnapshot, *, saved: bool = False) -> Shown:
        context = self.context(
            typical=self.session.typical_seconds(snapshot),
            cancel=self.session.cancel,
            retry=self._again,
        )
        card = make_output(JobView([snapshot], context), Card, self.host, saved=saved)
        self._cards.setdefault(snapshot.id, []).append(card)
        return card

    def _follow(self, card: Shown, job: Job) -> None:
        self.session.listen(job.id, card.update)
        # For changes between the snapshot and the start of listening.
        card.update(job.snapshot)
        self._start_ticking()

    def show_again(self, shown: Job | Jobs) -> None:
        """Show jobs as the value of a cell, unless that cell has just shown them."""
        if self._has_shown(shown.ids if isinstance(shown, Jobs) else (shown.id,)):
            if self.host.kind == "terminal":  # IPython has written "Out[2]: " already
                name = number(len(shown)) if isinstance(shown, Jobs) else f"Job {shown.id}"
                sys.stdout.write(f"{name}\n")
            return
        if isinstance(shown, Jobs):
            self.show_all(shown)
        else:
            self.show(shown)

    def settle(self, *jobs: Job) -> None:
        """Bring the cards of jobs up to date; from the thread of the cell."""
        for job in jobs:
            for card in self._cards.get(job.id, ()):
                card.update(job.snapshot)
                card.tick()

    def catch_up(self) -> None:
        """Bring all cards up to date before each command, if no thread can."""
        if self.host.pushes:
            return
        if not self.host.threads_deliver and self.session.unsaid([frontends.NO_THREADS]):
            display(Notice(frontends.NO_THREADS))
        self.tick(*self._cards)

    def place(self, path: str | Path) -> str:
        """Return a path as it is shown here: in full if nothing is saved."""
        return frontends.place(path, self.folder) if self.host.html else str(path)

    def close(self) -> None:
        """Stop everything this screen and its session started; cards become static."""
        for panel in list(self.open_panels):
            panel.retire()
        self.session.close()
        for card in self._all_cards():
            card.settle()
        self._cards.clear()

    def _note_shown(self, job_ids: tuple[str, ...]) -> None:
        self._just_shown = (job_ids, self._count())

    def _has_shown(self, job_ids: tuple[str, ...]) -> bool:
        """Return whether the running cell has shown these jobs last."""
        return self._just_shown == (job_ids, self._count())

    def _count(self) -> int:
        return getattr(self.shell, "execution_count", 0)

    def current_ids(self, job_ids: tuple[str, ...]) -> tuple[str, ...]:
        """Return the ids of jobs, with each failed job replaced by its retry."""
        found = list(job_ids)
        for at in range(len(found)) if self._retries else ():
            while found[at] in self._retries:
                found[at] = self._retries[found[at]]
        return tuple(found)

    def _again(self, job_id: str) -> JobSnapshot:
        """Send a failed job's request again; its sweep and its cards continue with the new job."""
        new = self.session.again(self.session.snapshot(job_id))
        self._retries[job_id] = new.id
        try:
            self.session.store.put_in_place(new.id, job_id)
        except StoreError as error:
            # The job is being sent by now, and does not need the record.
            log.warning("a retry was not recorded in its sweep: %s", error)
        for card in self._cards.pop(job_id, []):
            self._cards.setdefault(new.id, []).append(card)
            self.session.listen(new.id, card.update)
            card.replace(job_id, new)
        saved_jobs = self._saved_jobs.get(job_id)
        if saved_jobs is not None:
            self._saved_jobs[new.id] = saved_jobs
            self.session.listen(new.id, saved_jobs.take)
            saved_jobs.take(new, instead_of=job_id)
        return new

    def tick(self, *job_ids: str) -> None:
        """Bring the cards of these jobs up to date, from the main thread."""
        for job_id in job_ids:
            for card in self._cards.get(job_id, ()):
                if card.ended:
                    continue
                if not self.host.pushes:
                    card.update(self.session.snapshot(job_id))
                card.tick()

    def _start_ticking(self) -> None:
        if not self._ticking and self.host.pushes:
            self._ticking = True
            self.session.loop.submit(self._tick())

    async def _tick(self) -> None:
        try:
            while cards := self._open_cards():
                await asyncio.sleep(TICK * max(1, len(cards) / CALM))
                for card in cards:
                    self._tick_safely(card)
        finally:
            self._ticking = False

    def _tick_safely(self, card: Shown) -> None:
        """Tick one card; one that cannot be drawn must not stop the clocks of the others."""
        try:
            self._look_elsewhere(card)
            card.tick()
        except Exception:  # noqa: BLE001 - logged with its traceback
            log.exception("a card could not be drawn, and is not updated any more")
            for cards in self._cards.values():
                if card in cards:
                    cards.remove(card)

    def _look_elsewhere(self, card: Shown) -> None:
        """Show the state of other kernels' jobs, which notify no listener here."""
        for job in card.snapshots:
            found = None
            with contextlib.suppress(StoreError):  # the library is busy
                found = None if job.ended else self.session.manager.elsewhere(job.id)
            if found is not None:
                card.update(found)

    def _all_cards(self) -> list[Shown]:
        return list(dict.fromkeys(card for cards in list(self._cards.values()) for card in cards))

    def _open_cards(self) -> list[Shown]:
        """Forget the cards that are static now and return the others."""
        for job_id, cards in list(self._cards.items()):
            cards[:] = [card for card in cards if not card.ended]
            if not cards:
                self._cards.pop(job_id, None)
        return self._all_cards()


def make_output(
    view: V, live: Callable[[V], LiveOutput], host: FrontEnd, *, saved: bool = False
) -> Shown:
    """Return jobs as this front end can show them; `saved`: with a copy beside a live output."""
    if not host.widgets:
        return PageOutput(view) if host.html else TextOutput(view)
    shown = live(view)
    if saved:
        shown.keep_copy()
    return shown


class _Current:
    """The one screen of this process, for all of its threads; a forked child gets its own."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._screen: Screen | None = None
        self._inherited: list[Screen | None] = []

    def get(self) -> Screen:
        self._leave_parent()
        with self._lock:
            if self._screen is None:
                try:
                    self._screen = Screen.open()
                except FileNotFoundError as error:
                    gone = "The working directory was deleted."
                    raise ConfigError(gone, hint="Change to one that exists.") from error
            return self._screen

    def opened(self) -> Screen | None:
        """Return the screen of this process if there is one; opens nothing."""
        self._leave_parent()
        return self._screen

    def close(self) -> None:
        """Stop polling and close the library; jobs stay in it, and `get` opens it again."""
        self._leave_parent()
        with self._lock:
            screen, self._screen = self._screen, None
        if screen is not None:
            screen.close()

    def _leave_parent(self) -> None:
        if self._pid != os.getpid():
            # Kept, so that nothing of the parent's is closed; its lock may never be released.
            self._inherited.append(self._screen)
            self._lock, self._pid, self._screen = threading.RLock(), os.getpid(), None


_CURRENT = _Current()
opened, close_current = _CURRENT.opened, _CURRENT.close


def current() -> Screen:
    """Return the screen of this process; the first call opens it. Raises `ConfigError`."""
    return _CURRENT.get()  # a function, since handles are pickled with it
