"""The card under a cell: alive while the job is, static HTML when it has ended.

May import `display`, `hosts`, `stage`, `still`, `job_text` and `values`. Snapshots come from the
poller's thread: there, only widget traits are set and `DisplayHandle.update` is called, since
anything printed or displayed from a thread lands in whatever cell ran last.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import ipywidgets as widgets

from ipyreel.notebook.frontends import FrontEnd
from ipyreel.notebook.live.live_output import LiveOutput
from ipyreel.notebook.live.plain import Bundle, PageCard, TextCard, Wiring, older, told_of
from ipyreel.notebook.markup import job_html, job_text
from ipyreel.values import JobSnapshot

PACE = 0.25
"""Seconds that each message to the front end is given: at most four a second for one card."""

LINGER = 300.0
"""Seconds that a failed card keeps its Retry button, and that an unknown job may still be found.

After that the card becomes static like the others."""

__all__ = ["Card", "PageCard", "TextCard", "Wiring", "make_card"]


def make_card(
    snapshot: JobSnapshot,
    *,
    host: FrontEnd,
    video: Callable[[JobSnapshot], Any],
    place: Callable[[str], str] = str,
    typical: float | None = None,
    clock: Callable[[], float] = time.time,
    on_cancel: Callable[[], object] | None = None,
    on_retry: Callable[[], object] | None = None,
) -> Card | TextCard:
    """Return the card that this front end can show; the names are those of `Wiring`."""
    wiring = Wiring(
        video=video,
        place=place,
        clock=clock,
        typical=typical,
        on_cancel=on_cancel,
        on_retry=on_retry,
        threads_deliver=host.pushes,
    )
    if host.widgets:
        return Card(snapshot, wiring)
    return PageCard(snapshot, wiring) if host.html else TextCard(snapshot, wiring)


class Card(LiveOutput):
    """The live card of one job: one output that becomes static HTML when the job has ended."""

    def __init__(self, snapshot: JobSnapshot, wiring: Wiring) -> None:
        self._snapshot = snapshot
        self._wiring = wiring
        self._trouble: str | None = None
        self._busy = ""
        self._next_at = 0.0
        self._lingers_until: float | None = None
        self._phase = widgets.HTML()
        self._clock = widgets.HTML()
        self._button = widgets.Button()
        self._body = widgets.HTML(_dom_classes=("ipyreel-wide",))
        self._sheet = widgets.HTML(job_html.style())
        self._sheet.layout.display = "none"  # a style sheet works all the same
        self._button.on_click(self._clicked)
        parts = (self._phase, self._clock, self._button, self._body, self._sheet)
        super().__init__(parts, parts, name="ipyreel", threads_deliver=wiring.threads_deliver)
        self._take(snapshot)
        self._next_at = 0.0  # nothing of this was sent to a page yet

    @property
    def snapshot(self) -> JobSnapshot:
        """What the card knows of its job."""
        return self._snapshot

    def update(self, snapshot: JobSnapshot, remaining: float | None = None) -> None:
        """Take the next snapshot; may be called from any thread, and as often as one likes.

        Sends at most four messages a second; what was held back goes with the next call or
        tick, and the end is never held back. `remaining` is in seconds (None: by `typical`).
        """
        with self._lock:
            if self.ended or older(snapshot, self._snapshot):
                return
            self._busy = ""
            self._take(snapshot, remaining)

    def tick(self, now: float | None = None) -> None:
        """Move the clock; call it about once a second while the card has not ended."""
        with self._lock:
            now = self._wiring.clock() if now is None else now
            if self._lingers_until is not None and now >= self._lingers_until:
                self.settle()
            if not self.ended:
                self._paint(now=now)

    def settle(self) -> None:
        """Make the card static as it stands, so that what is saved needs no kernel."""
        with self._lock:
            if not self.ended and self._may_send():
                self._lingers_until = None
                self._end(self._wiring.ending(self._snapshot))

    # ---- inside; everything below runs under the lock ------------------------------------

    def _take(self, snapshot: JobSnapshot, remaining: float | None = None) -> None:
        self._snapshot = snapshot
        if self._lingers():
            if self._lingers_until is None:
                self._lingers_until = self._wiring.clock() + LINGER
            self._paint(at_once=True)
        elif snapshot.ended:
            self.settle()
        else:
            self._lingers_until = None
            self._paint(remaining=remaining)

    def _lingers(self) -> bool:
        """Whether the job may yet move from here: by Retry, or by being found at its server."""
        return self._can_retry() or self._snapshot.status == "unknown"

    def _paint(
        self,
        *,
        now: float | None = None,
        remaining: float | None = None,
        at_once: bool = False,
    ) -> None:
        now = self._wiring.clock() if now is None else now
        # The second bound: a wall clock may be set back, and must not stop the card.
        held_back = now < self._next_at <= now + 10 * PACE
        if not self._may_send() or (held_back and not at_once):
            return
        if remaining is None:
            remaining = self._wiring.remaining(self._snapshot)
        sent = [
            self._set(self._phase, job_html.phase_html(self._snapshot)),
            self._set(
                self._clock, job_html.clock_html(self._snapshot, now=now, remaining=remaining)
            ),
            self._set(self._body, job_html.body_html(self._snapshot, trouble=self._trouble)),
            self._paint_button(),
        ]
        self._next_at = now + PACE * sum(sent)

    @staticmethod
    def _set(part: Any, html: str) -> bool:
        if part.value == html:
            return False
        part.value = html
        return True

    def _can_retry(self) -> bool:
        """Whether a second try makes sense: not where the video is made and only to be fetched."""
        job = self._snapshot
        return job.status == "failed" and not job.ready and self._wiring.on_retry is not None

    def _paint_button(self) -> bool:
        job = self._snapshot
        can_cancel = (
            not job.ended and job.status != "unknown" and self._wiring.on_cancel is not None
        )
        word = "Retry" if self._can_retry() else "Cancel"
        hint = {
            "Retry": f"Ask {job.provider} again, as a new job that is paid anew",
            "Cancel": f"Cancel video {job.id}",
        }[word]
        screen = {
            "description": self._busy or word,
            "tooltip": hint,
            "disabled": bool(self._busy),
        }
        shown = None if can_cancel or self._can_retry() else "none"
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
        """Do what the button says; whatever goes wrong is shown, since here it would vanish."""
        with self._lock:
            retry = self._can_retry()
            self._busy, self._trouble = ("Sending…" if retry else "Cancelling…"), None
            self._paint(at_once=True)
        hook = self._wiring.on_retry if retry else self._wiring.on_cancel
        try:
            result = hook() if hook is not None else None
        except Exception as error:  # noqa: BLE001 - shown in the card
            self._show_trouble(error)
            return
        if isinstance(result, Future):
            result.add_done_callback(self._heard)
        elif isinstance(result, JobSnapshot) and result.id != self._snapshot.id:
            self.update(result)  # unless the new job's first news was here before

    def _heard(self, future: Future[Any]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self._show_trouble(error)

    def _show_trouble(self, error: BaseException) -> None:
        with self._lock:
            self._busy, self._trouble = "", told_of(error)
            if not self.ended:
                self._paint(at_once=True)

    def _repr_mimebundle_(self, **wishes: Any) -> Bundle:
        if self._final is not None:
            return self._final
        bundle: dict[str, Any] = super()._repr_mimebundle_(**wishes) or {}
        # What others see of a notebook that was saved meanwhile.
        return {
            **bundle,
            "text/plain": repr(self),
            "text/html": job_html.static_html(self._snapshot),
        }

    def __repr__(self) -> str:
        """Return the job's lines: they are saved beside the widget."""
        return job_text.text(self._snapshot)
