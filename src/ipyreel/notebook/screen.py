"""What stands between a session and the screen: which cards are up, and what is shown how.

May import `session` and its own room. One `Screen` belongs to one session.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from IPython.display import display

from ipyreel.notebook import frontends
from ipyreel.notebook.frontends import FrontEnd
from ipyreel.notebook.handles.job import Job
from ipyreel.notebook.handles.job_list import JobList
from ipyreel.notebook.handles.video import Video
from ipyreel.notebook.live.card import Card, TextCard, make_card
from ipyreel.notebook.live.grid import Grid, make_grid
from ipyreel.notebook.live.plain import Wiring
from ipyreel.notebook.live.plain_grid import TextGrid
from ipyreel.notebook.live.saved_copy import Made, SavedCopy
from ipyreel.notebook.markup.job_html import Look
from ipyreel.notebook.markup.sweep_text import Board
from ipyreel.notebook.markup.tables import Notice
from ipyreel.session import Session
from ipyreel.values import JobSnapshot, Json, SavedSweep

TICK = 1.0
"""Seconds between two moves of the clock on the cards."""

CALM = 20
"""Cards that may tick each second; more of them tick more slowly, so that the front end rests."""


Shows = Card | TextCard | Grid | TextGrid
"""What stands for a job on the screen; a grid stands for each of its jobs."""


@dataclass(slots=True, eq=False)
class Screen:
    """Shows jobs of a session in the front end that is there."""

    session: Session
    host: FrontEnd
    folder: Path
    shell: Any = None
    _cards: dict[str, Shows] = field(default_factory=dict)
    _looks: dict[str, Look] = field(default_factory=dict)
    _made: dict[str, Made] = field(default_factory=dict)
    _just_shown: tuple[object, int] | None = None
    _ticking: bool = False
    reopen: Callable[[], Screen] | None = None
    """Where a pickled handle finds the screen of its process."""

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reopen or Screen.open, ()

    @classmethod
    def open(cls) -> Screen:
        """Open a session for the front end of this process; raises `ConfigError`."""
        shell = frontends.running_shell()
        folder = frontends.notebook_folder()
        session = Session.open(cwd=folder)
        return cls(session=session, host=frontends.detect(shell), folder=folder, shell=shell)

    def job(self, job_id: str) -> Job:
        """Return the handle of a job."""
        return Job(self, job_id)

    def jobs(
        self,
        job_ids: Iterable[str],
        board: Board,
        differs: Iterable[Mapping[str, Json]] = (),
        *,
        sweep: str | None = None,
    ) -> JobList:
        """Return the handle of several jobs; `board` and `differs` are in their order."""
        return JobList(self, job_ids, board, differs=differs, sweep=sweep)

    def saved_sweep(self, sweep: SavedSweep) -> JobList:
        """Return the handle of a sweep that the library remembers."""
        board = Board(
            labels=tuple(item.label for item in sweep.items),
            prompt=sweep.prompt,
            inner=sweep.columns,
            reused=frozenset(item.job for item in sweep.items if item.reused),
        )
        jobs = (item.job for item in sweep.items)
        return self.jobs(jobs, board, (item.differs for item in sweep.items), sweep=sweep.id)

    def video(self, snapshot: JobSnapshot) -> Video:
        """Return the video of a completed job, shown as was asked for it or is set."""
        look = self._looks.get(snapshot.id) or self.look()
        limit = self.session.settings.embed_limit
        return Video.of(snapshot, look, self.host, self.folder, embed_limit=limit)

    def look(self, **wishes: Any) -> Look:
        """Return how videos are shown: the settings, with wishes (None: none) laid over them."""
        settings = self.session.settings
        said = {name: value for name, value in wishes.items() if value is not None}
        return Look(
            how=said.get("how", settings.show),
            width=said.get("width", settings.width),
            loop=said.get("loop", settings.loop),
            muted=said.get("muted", settings.muted),
            autoplay=said.get("autoplay", settings.autoplay),
        )

    def show(self, job: Job, look: Look | None = None) -> None:
        """Show a job in the current cell: its card while it lives, then its video."""
        if look is not None:
            self._looks[job.id] = look
        snapshot = job.snapshot
        self._just_shown = (job.id, self._count())
        if snapshot.status == "completed":
            display(self.video(snapshot))
            return
        card = self._make_card(snapshot)
        card.show()
        self._follow(card, job)

    def show_all(self, jobs: JobList, look: Look | None = None) -> None:
        """Show jobs in the current cell as one grid, which their videos take over."""
        if look is not None:
            self._looks.update(dict.fromkeys(jobs.ids, look))
        self._just_shown = (jobs.ids, self._count())
        grid = make_grid(
            replace(jobs.board, width=look.width if look else jobs.board.width),
            jobs.snapshots,
            host=self.host,
            wiring=Wiring(
                video=self.video,
                place=self.place,
                clock=self.session.clock,
                # Retries take the places of what failed.
                on_cancel=lambda: self.session.cancel_all(job.id for job in grid.snapshots),
                cancel_one=self.session.cancel,
                retry_one=self._again,
                threads_deliver=self.host.pushes,
            ),
            embed_limit=self.session.settings.embed_limit,
            kept=self.kept,
        )
        self._cards.update(dict.fromkeys(jobs.ids, grid))
        grid.show()
        for job in jobs:
            self._follow(grid, job)

    def card(self, job: Job, made: Made | None = None) -> Card | TextCard:
        """Return a card to be put into a widget, where `show` would land in another cell.

        `made` hears of the job, and of its retries.
        """
        card = self._make_card(job.snapshot)
        if made is not None:
            self._made[job.id] = made
            self.session.listen(job.id, made.take)
            made.take(job.snapshot)
        self._follow(card, job)
        return card

    def made(self, renew: Callable[[], None]) -> Made:
        """Return a list of jobs to be saved; `renew` is called when one of them has news."""
        settings = self.session.settings
        limit = math.inf if settings.show == "embed" else settings.embed_limit
        wiring = Wiring(video=self.video, place=self.place, clock=self.session.clock)
        return Made(wiring, limit, renew)

    def kept(self, tell: Callable[[], tuple[str, str]]) -> SavedCopy | None:
        """Return what is saved beside a widget; None where it could not be told to hide."""
        if self.host.kind != "jupyter":
            return None
        return SavedCopy(tell, threads_deliver=self.host.pushes)

    def _make_card(self, snapshot: JobSnapshot) -> Card | TextCard:
        job_id = snapshot.id
        card = make_card(
            snapshot,
            host=self.host,
            video=self.video,
            place=self.place,
            typical=self.session.typical_seconds(snapshot),
            clock=self.session.clock,
            on_cancel=lambda: self.session.cancel(job_id),
            on_retry=lambda: self._again(job_id),
        )
        self._cards[job_id] = card
        return card

    def _follow(self, card: Shows, job: Job) -> None:
        self.session.listen(job.id, card.update)
        # What changed between the snapshot and the first moment of listening.
        card.update(job.snapshot)
        self._start_ticking()

    def show_again(self, shown: Job | JobList) -> None:
        """Show jobs as the value of a cell, unless that cell has just shown them."""
        key = shown.ids if isinstance(shown, JobList) else shown.id
        if self._just_shown == (key, self._count()):
            return
        if isinstance(shown, JobList):
            self.show_all(shown)
        else:
            self.show(shown)

    def settle(self, *jobs: Job) -> None:
        """Bring the cards to where their jobs stand; from the thread of the cell."""
        for job in jobs:
            card = self._cards.get(job.id)
            if card is not None:
                card.update(job.snapshot)
                card.tick()

    def catch_up(self) -> None:
        """Bring all cards to where their jobs stand, where no thread can: before each command."""
        if self.host.pushes:
            return
        if not self.host.threads_deliver and self.session.unsaid([frontends.DEAF]):
            display(Notice(frontends.DEAF))
        for job_id, card in list(self._cards.items()):
            if not card.ended:
                self.tick(job_id)

    def place(self, path: str | Path) -> str:
        """Return how a path is named here: whole where nothing is saved, else `hosts.place`."""
        return frontends.place(path, self.folder) if self.host.html else str(path)

    def close(self) -> None:
        """Stop everything this screen and its session started, and leave static cards behind."""
        self.session.close()
        for card in dict.fromkeys(self._cards.values()):
            card.settle()
        self._cards.clear()

    def _count(self) -> int:
        return getattr(self.shell, "execution_count", 0)

    def _again(self, job_id: str) -> JobSnapshot:
        """Send a failed job's request anew; its card goes on with the new job."""
        new = self.session.again(self.session.snapshot(job_id))
        card = self._cards.get(job_id)
        if card is not None:
            self._cards[new.id] = card
            self.session.listen(new.id, card.update)
        made = self._made.get(job_id)
        if made is not None:
            self._made[new.id] = made
            self.session.listen(new.id, made.take)
            made.take(new, instead_of=job_id)
        return new

    def tick(self, *job_ids: str) -> None:
        """Bring the cards of these jobs up to date, from the main thread."""
        for job_id in job_ids:
            card = self._cards.get(job_id)
            if card is None:
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
            while live := self._open_cards():
                await asyncio.sleep(TICK * max(1, len(live) / CALM))
                for card in live:
                    card.tick()
        finally:
            self._ticking = False

    def _open_cards(self) -> list[Shows]:
        """Drop the cards that are static by now and return the others."""
        for job_id, card in list(self._cards.items()):
            if card.ended:
                self._cards.pop(job_id, None)
        return list(dict.fromkeys(self._cards.values()))
