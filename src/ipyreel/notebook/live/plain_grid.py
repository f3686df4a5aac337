"""The grids that are not alive: lines in a terminal, a static page where widgets are not shown.

May import `sheet`, `board`, `films`, `still`, `touches`, `job_text` and `values`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import Any

from ipyreel.notebook.live.embeds import Films
from ipyreel.notebook.live.plain import Bundle, Slot, Wiring
from ipyreel.notebook.live.tile_buttons import Jobs
from ipyreel.notebook.markup import job_text, sweep_html, sweep_text
from ipyreel.notebook.markup.sweep_text import Board
from ipyreel.values import JobSnapshot


def bundle_of(
    given: Board, jobs: Sequence[JobSnapshot], films: Films, preload: str = "metadata"
) -> Bundle:
    """Return a whole sweep as it is saved."""
    made = films.of(jobs)
    lines = {job_id: film.path or film.where for job_id, film in made.items()}
    return {
        "text/html": sweep_html.grid_html(given, jobs, made, preload=preload),
        "text/plain": sweep_text.text(given, jobs, lines),
    }


class TextGrid:
    """The grid of a terminal: one line that sums up, and at the end a line for each job.

    Never prints from a thread; `tick`, called from the main thread while it waits, redraws
    the line in place.
    """

    def __init__(
        self, given: Board, jobs: Sequence[JobSnapshot], wiring: Wiring, films: Films
    ) -> None:
        self._given = given
        self._jobs = Jobs(jobs)
        self._wiring = wiring
        self._films = films
        self._drawn = ""
        self._ended = False

    @property
    def snapshots(self) -> tuple[JobSnapshot, ...]:
        """What the grid knows of its jobs."""
        return tuple(self._jobs.all)

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to draw."""
        return self._ended

    def show(self) -> None:
        """Print the first line."""
        if self._jobs.ended:
            self._finish()
        else:
            self._write(self._line() + "\n")

    def update(self, snapshot: JobSnapshot, remaining: float | None = None) -> None:  # noqa: ARG002
        """Take the next snapshot of one job; drawn from the main thread only."""
        if not self._ended and self._jobs.take(snapshot):
            self.tick()

    def tick(self, now: float | None = None) -> None:  # noqa: ARG002 - as `Grid.tick`
        """Redraw the line, if this is the main thread."""
        if self._ended or threading.current_thread() is not threading.main_thread():
            return
        if self._jobs.ended:
            self._finish()
        elif sys.stdout.isatty():
            line = job_text.one_line(self._line(), 100)
            self._write("\r" + line.ljust(len(self._drawn)))
            self._drawn = line

    def settle(self) -> None:
        """Nothing: what was printed stays."""

    def _line(self) -> str:
        return " · ".join(
            [
                *sweep_text.counts(self._given, self._jobs.all),
                sweep_text.lasted(self._jobs.all, self._wiring.clock()),
            ]
        )

    def _finish(self) -> None:
        clear = "\r" + " " * len(self._drawn) + "\r" if self._drawn else ""
        self._ended, self._drawn = True, ""
        self._write(clear + sweep_text.text(self._given, self._jobs.all) + "\n")

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


class PageGrid(TextGrid):
    """The grid where HTML is shown and widgets are not: static, and replaced once at the end."""

    _handle: Any = None

    def show(self) -> None:
        """Show the grid as it stands."""
        self._handle = Slot()
        self._handle.display(bundle_of(self._given, self._jobs.all, self._films), raw=True)
        self._ended = self._jobs.ended

    def tick(self, now: float | None = None) -> None:  # noqa: ARG002 - as `Grid.tick`
        """Replace what is shown when all jobs have ended."""
        main = threading.current_thread() is threading.main_thread()
        if self._jobs.ended and (main or self._wiring.threads_deliver):
            self.settle()

    def settle(self) -> None:
        """Bring what is shown to how the jobs stand."""
        if self._handle is not None and not self._ended:
            self._ended = self._jobs.ended
            bundle = bundle_of(self._given, self._jobs.all, self._films)
            self._handle.update(bundle, raw=True)
