"""Cards and grids without widgets: lines in a terminal, a static page elsewhere."""

from __future__ import annotations

import sys
import threading
from typing import Any

from ipyreel.notebook.live.live_output import JobsView, OutputHandle
from ipyreel.notebook.markup import job_text
from ipyreel.values import JobSnapshot


class PlainOutput:
    """Jobs shown without widgets; subclasses draw them."""

    def __init__(self, view: JobsView) -> None:
        self.view = view
        self.ended = False

    @property
    def snapshots(self) -> tuple[JobSnapshot, ...]:
        """What is known of the jobs."""
        return tuple(self.view.jobs)

    def show(self) -> None:
        """Show the jobs in the cell that is running."""
        raise NotImplementedError

    def update(self, snapshot: JobSnapshot) -> None:
        """Take the next snapshot of one job; drawn at once where this thread can."""
        if not self.ended and (self.view.take(snapshot) or self.view.ended):
            self.tick()

    def replace(self, job_id: str, new: JobSnapshot) -> None:
        """Go on with the retry of a job in its place."""
        self.view.swap(job_id, new)

    def tick(self) -> None:
        """Bring what is shown up to date, where this thread can."""
        raise NotImplementedError

    def settle(self) -> None:
        """Make what is shown final."""


class TextOutput(PlainOutput):
    """A line in a terminal, redrawn while the main thread waits, and the result at the end.

    Never prints from another thread.
    """

    def __init__(self, view: JobsView, out: Any = None) -> None:
        super().__init__(view)
        self._out = out
        self._drawn = ""

    def show(self) -> None:
        """Print the first line, or the result."""
        if self.view.ended:
            self._finish()
        else:
            self._write(self.view.line() + "\n")

    def tick(self) -> None:
        """Redraw the line in place, or print the result, if this is the main thread."""
        if self.ended or threading.current_thread() is not threading.main_thread():
            return
        if self.view.ended:
            self._finish()
        elif self._stream.isatty():
            line = job_text.one_line(self.view.line().splitlines()[0], 100)
            self._write("\r" + line.ljust(len(self._drawn)))
            self._drawn = line

    def _finish(self) -> None:
        clear = "\r" + " " * len(self._drawn) + "\r" if self._drawn else ""
        self.ended, self._drawn = True, ""
        self._write(clear + self.view.text() + "\n")

    @property
    def _stream(self) -> Any:
        return sys.stdout if self._out is None else self._out

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class PageOutput(PlainOutput):
    """Static HTML, replaced once when all jobs have ended."""

    _handle: Any = None

    def show(self) -> None:
        """Show the jobs as they are."""
        self._handle = OutputHandle()
        self._handle.display(self.view.bundle(), raw=True)
        self.ended = self.view.ended

    def tick(self) -> None:
        """Replace what is shown when all jobs have ended."""
        if self.view.ended and self.view.context.may_send():
            self.settle()

    def settle(self) -> None:
        """Replace what is shown with the current state."""
        if self._handle is not None and not self.ended:
            self.ended = self.view.ended
            self._handle.update(self.view.bundle(), raw=True)
