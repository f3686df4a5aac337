"""The grid of a sweep: small cards while the jobs live, one static grid when all have ended.

May import `sheet`, `display`, `board`, `films`, `kept`, `plaingrid`, `stage`, `still`, `touches`
and `hosts`. As with the single card, snapshots come from the poller's thread, where only widget
traits are set and `DisplayHandle.update` is called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import ipywidgets as widgets

from ipyreel.notebook.frontends import FrontEnd
from ipyreel.notebook.handles.video import EMBED_LIMIT
from ipyreel.notebook.live.embeds import Films
from ipyreel.notebook.live.live_output import LiveOutput, output
from ipyreel.notebook.live.plain import Bundle, Wiring, told_of
from ipyreel.notebook.live.plain_grid import PageGrid, TextGrid, bundle_of
from ipyreel.notebook.live.saved_copy import SavedCopy
from ipyreel.notebook.live.tile_buttons import Jobs, TileButtons
from ipyreel.notebook.markup import job_text, sweep_html, sweep_text
from ipyreel.notebook.markup.job_html import Markup
from ipyreel.notebook.markup.sweep_text import Board
from ipyreel.values import JobSnapshot

PACE = 0.25
"""Seconds between two bundles of messages to the front end, for all jobs of a grid together."""

LINGER = 300.0
"""Seconds that a grid keeps its Retry buttons, and that unknown jobs may still be found, when
all others have ended."""

SAVED = 5.0
"""Seconds between two renewals of what is saved beside a live grid."""

Keeps = Callable[[Callable[[], tuple[str, str]]], SavedCopy | None]


def make_grid(
    given: Board,
    jobs: Sequence[JobSnapshot],
    *,
    host: FrontEnd,
    wiring: Wiring,
    embed_limit: int = EMBED_LIMIT,
    kept: Keeps = lambda _tell: None,
) -> Grid | TextGrid:
    """Return the grid that this front end can show; `embed_limit` is in bytes for all videos.

    `kept` makes what is saved beside a live grid, where that can be.
    """
    films = Films(wiring, embed_limit)
    if host.widgets:
        return Grid(given, jobs, wiring, films, kept)
    kind = PageGrid if host.html else TextGrid
    return kind(given, jobs, wiring, films)


class Grid(LiveOutput):
    """The live grid: one line that sums up, Cancel all, and a tile with a button for each job.

    All tiles that move are one widget, so that forty jobs are one message; a finished one
    has an output of its own, where a link to its file is resolved.
    """

    def __init__(
        self,
        given: Board,
        jobs: Sequence[JobSnapshot],
        wiring: Wiring,
        films: Films,
        kept: Keeps = lambda _tell: None,
    ) -> None:
        self._given = given
        self._jobs = Jobs(jobs)
        self._wiring = wiring
        self._films = films
        self._tiles: dict[int, tuple[JobSnapshot, Markup]] = {}
        self._kept = kept(self._still)
        self._saved = (0, 0.0)  # how many had ended when it was renewed, and when
        self._busy, self._trouble = "", ""
        self._touched: dict[str, str] = {}
        self._next_at = 0.0
        self._lingers_until: float | None = None
        self._sums, self._clock, self._button = widgets.HTML(), widgets.HTML(), widgets.Button()
        self._prompt = widgets.HTML(_dom_classes=("ipyreel-wide",))
        self._moving = widgets.HTML(_dom_classes=("ipyreel-moving",))
        number = len(self._jobs.all)
        self._touches = TileButtons([given.label(index) for index in range(number)], self._touch)
        self._style = widgets.HTML(sweep_html.style() + sweep_html.places(number))
        self._style.layout.display = "none"  # a style sheet works all the same
        # All of them now: a widget that is made on another thread may not reach the page.
        self._places = [_place(given, index) for index in range(number)]
        head = (self._sums, self._clock, self._button, self._prompt)
        self._head = widgets.Box(head, _dom_classes=("ipyreel-head",))
        self._button.on_click(self._clicked)
        children = (self._head, self._moving, self._touches, self._style)
        parts = (*head, *children, *self._touches.buttons, *self._places)
        super().__init__(
            children, parts, name="ipyreel-grid", threads_deliver=wiring.threads_deliver
        )
        self.layout.max_width = f"{sweep_html.width_of(given)}px"
        self._draw()
        self._next_at = 0.0  # nothing of this was sent to a page yet

    @property
    def snapshots(self) -> tuple[JobSnapshot, ...]:
        """What the grid knows of its jobs."""
        return tuple(self._jobs.all)

    def show(self) -> None:
        """Show it in the cell that is running, with what is saved beside it."""
        super().show()
        with self._lock:
            if self._kept is not None and not self.ended:
                self._kept.show()

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
                self._end(bundle_of(self._given, self._jobs.all, self._films))
                self._save(self._wiring.clock())

    # ---- inside; everything below runs under the lock ------------------------------------

    def _draw(self, now: float | None = None) -> None:
        now = self._wiring.clock() if now is None else now
        if self._rests(now):
            self.settle()
        else:
            self._paint(now)
            self._save(now)

    def _rests(self, now: float) -> bool:
        """Whether nothing will move any more: by itself, by Retry or by being found."""
        if self._jobs.moving:
            self._lingers_until = None
            return False
        if self._jobs.ended and not any(map(self._can_retry, self._jobs.all)):
            return True
        if self._lingers_until is None:
            self._lingers_until = now + LINGER
        return now >= self._lingers_until

    def _save(self, now: float) -> None:
        """Renew what is saved, when jobs have ended; seldom, since all of it is sent anew."""
        done, at = self._saved
        count = sum(job.ended for job in self._jobs.all)
        seldom = at <= now < at + SAVED and self._jobs.moving
        if self._kept is not None and (self.ended or (count != done and not seldom)):
            self._saved = (count, now)
            self._kept.renew()

    def _still(self) -> tuple[str, str]:
        if self.ended:
            return "", ""
        bundle = bundle_of(self._given, self._jobs.all, self._films, preload="none")
        return bundle["text/html"], bundle["text/plain"]

    def _paint(self, now: float, *, at_once: bool = False) -> None:
        # The second bound: a wall clock may be set back, and must not stop the grid.
        held_back = now < self._next_at <= now + 10 * PACE
        if not self._may_send() or (held_back and not at_once):
            return
        jobs = self._jobs.all
        sent = [
            _set(self._sums, sweep_html.head_html(self._given, jobs)),
            _set(self._clock, sweep_html.clock_html(jobs, now)),
            _set(self._prompt, sweep_html.prompt_html(self._given, self._trouble)),
            self._paint_button(),
            self._paint_touches(),
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
            tile = sweep_html.static_tile(self._given, index, job, films[job.id])
            bundle = {"text/html": str(tile), "text/plain": job_text.text(job)}
            self._places[index].outputs = (output(bundle),)
        moving = [index for index in range(len(jobs)) if index not in done]
        changed = _set(self._moving, sweep_html.tiles_html(map(self._tile, moving)))
        if new:
            # At the end: what stands before a new child stays as it is, and plays on.
            self.children = (*self.children, *(self._places[index] for index in new))
        return changed or bool(new)

    def _tile(self, index: int) -> Markup:
        """Return a tile; a thousand of them are not made again because one job moved on."""
        job = self._jobs.all[index]
        known = self._tiles.get(index)
        if known is None or known[0] is not job:
            known = self._tiles[index] = (job, sweep_html.live_tile(self._given, index, job))
        return known[1]

    def _paint_touches(self) -> bool:
        jobs = self._jobs.all
        busy = [self._touched.get(job.id, "") for job in jobs]
        return self._touches.paint([self._word(job) for job in jobs], busy)

    def _word(self, job: JobSnapshot) -> str:
        if self._can_retry(job):
            return "Retry"
        can = not job.ended and job.status != "unknown" and self._wiring.cancel_one is not None
        return "Cancel" if can else ""

    def _can_retry(self, job: JobSnapshot) -> bool:
        """Whether a second try makes sense: not where the video is made and only to be fetched."""
        return job.status == "failed" and not job.ready and self._wiring.retry_one is not None

    def _touch(self, index: int) -> None:
        """Do what the button of one tile says."""
        with self._lock:
            job = self._jobs.all[index]
            retry = self._can_retry(job)
            self._touched[job.id], self._trouble = "Sending…" if retry else "Cancelling…", ""
            self._paint(self._wiring.clock(), at_once=True)
        hook = self._wiring.retry_one if retry else self._wiring.cancel_one
        try:
            result = hook(job.id) if hook is not None else None
        except Exception as error:  # noqa: BLE001 - shown in the grid
            self._show_trouble(error)
            return
        if isinstance(result, Future):
            result.add_done_callback(self._heard)
        elif isinstance(result, JobSnapshot):
            with self._lock:
                self._touched.pop(job.id, None)
                self._jobs.swap(job.id, result)
                self._draw()

    def _paint_button(self) -> bool:
        going = self._jobs.moving
        screen = {
            "description": self._busy or "Cancel all",
            "tooltip": "Cancel every job of this sweep that has not ended",
            "disabled": bool(self._busy),
        }
        shown = None if going and self._wiring.on_cancel is not None else "none"
        changed = bool(self._button.layout.display != shown)
        if changed:
            self._button.layout.display = shown
        if any(getattr(self._button, name) != value for name, value in screen.items()):
            with self._button.hold_sync():
                for name, value in screen.items():
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
            self._touched.clear()
            self._busy, self._trouble = "", told_of(error)
            if not self.ended:
                self._paint(self._wiring.clock(), at_once=True)

    def _repr_mimebundle_(self, **wishes: Any) -> Bundle:
        if self._final is not None:
            return self._final
        bundle: dict[str, Any] = super()._repr_mimebundle_(**wishes) or {}
        # What others see of a notebook that was saved meanwhile.
        return {**bundle, **bundle_of(self._given, self._jobs.all, self._films)}

    def __repr__(self) -> str:
        """Return the sweep's lines: they are saved beside the widget."""
        return sweep_text.text(self._given, self._jobs.all)


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
