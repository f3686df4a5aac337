"""The cards that are not alive: lines in a terminal, a static page where widgets are not shown.

May import `display`, `job_text` and `values`. `Wiring` is what every card is made with.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from IPython.display import DisplayHandle

from ipyreel.notebook.markup import job_html, job_text
from ipyreel.values import JobSnapshot

Bundle = Mapping[str, Any]

Slot: Any = DisplayHandle
"""One output that can be replaced later; IPython's class has no types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What a card asks of the rest.

    `video` makes the object that shows a completed job, `place` says how a file is named in
    what is saved, `clock` is in seconds since the epoch, `typical` is how long such jobs take
    in seconds. `on_cancel` and `on_retry` are called on whatever thread the front end's click
    arrives on; `on_retry` may return the snapshot of the new job, and the card goes on with it.
    `cancel_one` and `retry_one` are the same for one job of a grid, by its id.
    """

    video: Callable[[JobSnapshot], Any]
    place: Callable[[str], str] = str
    clock: Callable[[], float] = time.time
    typical: float | None = None
    on_cancel: Callable[[], object] | None = None
    on_retry: Callable[[], object] | None = None
    cancel_one: Callable[[str], object] | None = None
    retry_one: Callable[[str], object] | None = None
    threads_deliver: bool = True

    def remaining(self, snapshot: JobSnapshot) -> float | None:
        """Return the guess in seconds of what is left; None: no guess, or it was wrong."""
        if self.typical is None or snapshot.ended:
            return None
        left = self.typical - (self.clock() - snapshot.created_at)
        return left if left > 0 else None

    def ending(self, snapshot: JobSnapshot) -> Bundle:
        """Return what is saved of a job that has ended; a video that breaks is told of."""
        if snapshot.status != "completed":
            return {
                "text/html": job_html.static_html(snapshot),
                "text/plain": job_text.text(snapshot),
            }
        try:
            bundle: Bundle = self.video(snapshot)._repr_mimebundle_()
        except Exception as error:  # noqa: BLE001 - it is shown, and the poller goes on
            where = self.place(snapshot.target)
            told = f"The video is at {where}, but showing it failed: {told_of(error)}"
            return {
                "text/html": job_html.missing_html(snapshot, told),
                "text/plain": "\n  ".join(
                    (job_text.text(snapshot, place=where), job_text.one_line(told))
                ),
            }
        return bundle


class TextCard:
    """The card of a terminal: a line when it begins, a line when it ends, never from a thread.

    `tick`, called from the main thread while it waits, redraws the line in place.
    """

    def __init__(self, snapshot: JobSnapshot, wiring: Wiring, out: Any = None) -> None:
        self._snapshot = snapshot
        self._wiring = wiring
        self._out = out
        self._drawn = ""
        self._ended = False

    @property
    def snapshot(self) -> JobSnapshot:
        """What the card knows of its job."""
        return self._snapshot

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to draw."""
        return self._ended

    def show(self) -> None:
        """Print the first line."""
        self._begin()
        if self._snapshot.ended:
            self._finish()

    def update(self, snapshot: JobSnapshot, remaining: float | None = None) -> None:  # noqa: ARG002
        """Take the next snapshot; drawn at once from the main thread, else by the next tick."""
        if self._ended or older(snapshot, self._snapshot):
            return
        self._snapshot = snapshot
        self._draw()

    def tick(self, now: float | None = None) -> None:  # noqa: ARG002 - as `Card.tick`
        """Redraw the line, if this is the main thread."""
        if not self._ended:
            self._draw()

    def settle(self) -> None:
        """Nothing: what was printed stays."""

    def _draw(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        if self._snapshot.ended:
            self._finish()
        else:
            self._redraw()

    @property
    def _stream(self) -> Any:
        return sys.stdout if self._out is None else self._out

    def _line(self) -> str:
        now, left = self._wiring.clock(), self._wiring.remaining(self._snapshot)
        return job_text.text(self._snapshot, now=now, remaining=left)

    def _begin(self) -> None:
        if not self._snapshot.ended:
            self._write(self._line() + "\n")

    def _redraw(self) -> None:
        if not self._stream.isatty():
            return
        line = job_text.one_line(self._line().splitlines()[0], 100)
        self._write("\r" + line.ljust(len(self._drawn)))
        self._drawn = line

    def _finish(self) -> None:
        clear = "\r" + " " * len(self._drawn) + "\r" if self._drawn else ""
        self._ended, self._drawn = True, ""
        self._write(clear + job_text.text(self._snapshot) + "\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class PageCard(TextCard):
    """The card where HTML is shown and widgets are not: static, and replaced once at the end."""

    _handle: Any = None

    def _begin(self) -> None:
        self._handle = Slot()
        self._handle.display(self._wiring.ending(self._snapshot), raw=True)

    def _draw(self) -> None:
        main = threading.current_thread() is threading.main_thread()
        if self._snapshot.ended and (main or self._wiring.threads_deliver):
            self._finish()

    def _finish(self) -> None:
        if self._handle is not None and not self._ended:
            self._handle.update(self._wiring.ending(self._snapshot), raw=True)
        self._ended = True


def older(new: JobSnapshot, known: JobSnapshot) -> bool:
    """Whether a snapshot was overtaken on its way by another of the same job."""
    if new.id != known.id or new.updated_at is None or known.updated_at is None:
        return False
    return new.updated_at < known.updated_at


def told_of(error: BaseException) -> str:
    """Return an error as one short line: its class and its message, without an OSError's path."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return job_text.one_line(f"{type(error).__name__}: {reason}", 300)
