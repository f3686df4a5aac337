"""The grid of a sweep: small cards while the jobs live, one static grid when all have ended.

May import `sheet`, `display`, `board`, `films`, `stage`, `still` and `hosts`. As with the single
card, snapshots come from the poller's thread, where only widget traits are set and
`DisplayHandle.update` is called.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Any

import ipywidgets as widgets

from ipyreel.notebook import board, sheet, words
from ipyreel.notebook.board import Board
from ipyreel.notebook.display import Markup
from ipyreel.notebook.films import Films
from ipyreel.notebook.hosts import Host
from ipyreel.notebook.stage import Stage, output
from ipyreel.notebook.still import Bundle, Slot, Wiring, older, told_of
from ipyreel.notebook.video import EMBED_LIMIT
from ipyreel.values import JobSnapshot

PACE = 0.25
"""Seconds between two bundles of messages to the front end, for all jobs of a grid together."""

LINGER = 300.0
"""Seconds that a grid waits for jobs that may still be found, when all others have ended."""


def make_grid(
    given: Board,
    jobs: Sequence[JobSnapshot],
    *,
    host: Host,
    wiring: Wiring,
    embed_limit: int = EMBED_LIMIT,
) -> Grid | TextGrid:
    """Return the grid that this front end can show; `embed_limit` is in bytes for all videos."""
    films = Films(wiring, embed_limit)
    if host.widgets:
        return Grid(given, jobs, wiring, films)
    kind = PageGrid if host.html else TextGrid
    return kind(given, jobs, wiring, films)


class _Jobs:
    """The jobs of a grid as they stand, in their order."""

    def __init__(self, jobs: Iterable[JobSnapshot]) -> None:
        self.all = list(jobs)
        self._at = {job.id: index for index, job in enumerate(self.all)}

    def take(self, job: JobSnapshot) -> bool:
        """Take the next snapshot of one job; tell whether it is news."""
        index = self._at.get(job.id)
        if index is None or older(job, self.all[index]) or job == self.all[index]:
            return False
        self.all[index] = job
        return True

    @property
    def ended(self) -> bool:
        return all(job.ended for job in self.all)

    @property
    def may_be_found(self) -> bool:
        """Whether all have ended but those of which nobody knows."""
        return all(job.ended or job.status == "unknown" for job in self.all)


class Grid(Stage):
    """The live grid: one line that sums up, Cancel all, and a tile for each job.

    All tiles that move are one widget, so that forty jobs are one message; a finished one
    has an output of its own, where a link to its file is resolved.
    """

    def __init__(
        self, given: Board, jobs: Sequence[JobSnapshot], wiring: Wiring, films: Films
    ) -> None:
        self._given = given
        self._jobs = _Jobs(jobs)
        self._wiring = wiring
        self._films = films
        self._tiles: dict[int, tuple[JobSnapshot, Markup]] = {}
        self._busy, self._trouble = "", ""
        self._next_at = 0.0
        self._lingers_until: float | None = None
        self._sums, self._clock, self._button = widgets.HTML(), widgets.HTML(), widgets.Button()
        self._prompt = widgets.HTML(_dom_classes=("ipyreel-wide",))
        self._moving = widgets.HTML(_dom_classes=("ipyreel-moving",))
        self._style = widgets.HTML(sheet.style())
        self._style.layout.display = "none"  # a style sheet works all the same
        # All of them now: a widget that is made on another thread may not reach the page.
        self._places = [_place(given, index) for index in range(len(self._jobs.all))]
        head = (self._sums, self._clock, self._button, self._prompt)
        self._head = widgets.Box(head, _dom_classes=("ipyreel-head",))
        self._button.on_click(self._clicked)
        children = (self._head, self._moving, self._style)
        parts = (*head, self._head, self._moving, self._style, *self._places)
        super().__init__(
            children, parts, name="ipyreel-grid", threads_deliver=wiring.threads_deliver
        )
        self.layout.max_width = f"{sheet.width_of(given)}px"
        self._draw()
        self._next_at = 0.0  # nothing of this was sent to a page yet

    @property
    def snapshots(self) -> tuple[JobSnapshot, ...]:
        """What the grid knows of its jobs."""
        return tuple(self._jobs.all)

    def update(self, snapshot: JobSnapshot, remaining: float | None = None) -> None:  # noqa: ARG002
        """Take the next snapshot of one job; from any thread, as often as one likes.

        Sends at most four bundles of messages a second for all jobs together; what was held
        back goes with the next call or tick.
        """
        with self._lock:
            if not self.ended and self._jobs.take(snapshot):
                self._draw()

    def tick(self, now: float | None = None) -> None:
        """Move the clock; call it about once a second while the grid has not ended."""
        with self._lock:
            if not self.ended:
                self._draw(now)

    def settle(self) -> None:
        """Make the grid static as it stands, so that what is saved needs no kernel."""
        with self._lock:
            if not self.ended and self._may_send():
                self.layout.max_width = None  # the static grid has its own, and no margins
                self._end(_bundle(self._given, self._jobs.all, self._films))

    # ---- inside; everything below runs under the lock ------------------------------------

    def _draw(self, now: float | None = None) -> None:
        now = self._wiring.clock() if now is None else now
        if self._jobs.ended or self._is_lost(now):
            self.settle()
        else:
            self._paint(now)

    def _is_lost(self, now: float) -> bool:
        """Whether what is unknown was waited for long enough."""
        if not self._jobs.may_be_found:
            self._lingers_until = None
            return False
        if self._lingers_until is None:
            self._lingers_until = now + LINGER
        return now >= self._lingers_until

    def _paint(self, now: float, *, at_once: bool = False) -> None:
        # The second bound: a wall clock may be set back, and must not stop the grid.
        held_back = now < self._next_at <= now + 10 * PACE
        if not self._may_send() or (held_back and not at_once):
            return
        jobs = self._jobs.all
        sent = [
            _set(self._sums, sheet.head_html(self._given, jobs)),
            _set(self._clock, sheet.clock_html(jobs, now)),
            _set(self._prompt, sheet.prompt_html(self._given, self._trouble)),
            self._paint_button(),
            self._paint_tiles(),
        ]
        if any(sent):
            self._next_at = now + PACE

    def _paint_tiles(self) -> bool:
        jobs = self._jobs.all
        done = [index for index, job in enumerate(jobs) if job.status == "completed"]
        films = self._films.of(jobs[index] for index in done)
        new = [index for index in done if not self._places[index].outputs]
        for index in new:
            job = jobs[index]
            tile = sheet.static_tile(self._given, index, job, films[job.id])
            bundle = {"text/html": str(tile), "text/plain": words.text(job)}
            self._places[index].outputs = (output(bundle),)
        moving = [index for index in range(len(jobs)) if index not in done]
        changed = _set(self._moving, sheet.tiles_html(map(self._tile, moving)))
        if new:
            # At the end: what stands before a new child stays as it is, and plays on.
            self.children = (*self.children, *(self._places[index] for index in new))
        return changed or bool(new)

    def _tile(self, index: int) -> Markup:
        """Return a tile; a thousand of them are not made again because one job moved on."""
        job = self._jobs.all[index]
        known = self._tiles.get(index)
        if known is None or known[0] is not job:
            known = self._tiles[index] = (job, sheet.live_tile(self._given, index, job))
        return known[1]

    def _paint_button(self) -> bool:
        going = any(not job.ended and job.status != "unknown" for job in self._jobs.all)
        face = {
            "description": self._busy or "Cancel all",
            "tooltip": "Cancel every job of this sweep that has not ended",
            "disabled": bool(self._busy),
        }
        shown = None if going and self._wiring.on_cancel is not None else "none"
        changed = bool(self._button.layout.display != shown)
        if changed:
            self._button.layout.display = shown
        if any(getattr(self._button, name) != value for name, value in face.items()):
            with self._button.hold_sync():
                for name, value in face.items():
                    setattr(self._button, name, value)
            changed = True
        return changed

    def _clicked(self, _button: object) -> None:
        """Cancel everything; whatever goes wrong is shown, since here it would vanish."""
        with self._lock:
            self._busy, self._trouble = "Cancelling…", ""
            self._paint(self._wiring.clock(), at_once=True)
        try:
            results = self._wiring.on_cancel() if self._wiring.on_cancel is not None else ()
        except Exception as error:  # noqa: BLE001 - shown in the grid
            self._show_trouble(error)
            return
        for result in results if isinstance(results, list | tuple) else ():
            result.add_done_callback(self._heard)

    def _heard(self, future: Future[Any]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self._show_trouble(error)

    def _show_trouble(self, error: BaseException) -> None:
        with self._lock:
            self._busy, self._trouble = "", told_of(error)
            if not self.ended:
                self._paint(self._wiring.clock(), at_once=True)

    def _repr_mimebundle_(self, **wishes: Any) -> Bundle:
        if self._final is not None:
            return self._final
        bundle: dict[str, Any] = super()._repr_mimebundle_(**wishes) or {}
        # What others see of a notebook that was saved meanwhile.
        return {**bundle, **_bundle(self._given, self._jobs.all, self._films)}

    def __repr__(self) -> str:
        """Return the sweep's lines: they are saved beside the widget."""
        return board.text(self._given, self._jobs.all)


def _place(given: Board, index: int) -> Any:
    place = widgets.Output()
    place.layout.order = str(index)
    place.layout.width = f"{given.tile}px"
    return place


def _set(part: Any, html: str) -> bool:
    if part.value == html:
        return False
    part.value = html
    return True


def _bundle(given: Board, jobs: Sequence[JobSnapshot], films: Films) -> Bundle:
    made = films.of(jobs)
    lines = {job_id: film.path or film.where for job_id, film in made.items()}
    return {
        "text/html": sheet.grid_html(given, jobs, made),
        "text/plain": board.text(given, jobs, lines),
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
        self._jobs = _Jobs(jobs)
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
            line = words.one_line(self._line(), 100)
            self._write("\r" + line.ljust(len(self._drawn)))
            self._drawn = line

    def settle(self) -> None:
        """Nothing: what was printed stays."""

    def _line(self) -> str:
        return " · ".join(
            [
                *board.counts(self._given, self._jobs.all),
                board.lasted(self._jobs.all, self._wiring.clock()),
            ]
        )

    def _finish(self) -> None:
        clear = "\r" + " " * len(self._drawn) + "\r" if self._drawn else ""
        self._ended, self._drawn = True, ""
        self._write(clear + board.text(self._given, self._jobs.all) + "\n")

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


class PageGrid(TextGrid):
    """The grid where HTML is shown and widgets are not: static, and replaced once at the end."""

    _handle: Any = None

    def show(self) -> None:
        """Show the grid as it stands."""
        self._handle = Slot()
        self._handle.display(_bundle(self._given, self._jobs.all, self._films), raw=True)
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
            bundle = _bundle(self._given, self._jobs.all, self._films)
            self._handle.update(bundle, raw=True)
