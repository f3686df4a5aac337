"""Cards and grids without widgets: lines in a terminal, a static page elsewhere."""

from __future__ import annotations

import shutil
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

    Never prints from another thread. The first line ends with a line break, since most cells do
    not wait; it is redrawn in place as long as its own cell runs.
    """

    def __init__(self, view: JobsView, out: Any = None) -> None:
        super().__init__(view)
        self._out = out
        self._drawn = ""
        self._cell: object = None

    def show(self) -> None:
        """Print the first line, or the result."""
        self._cell = self.view.context.cell()
        if self.view.ended:
            self._finish()
        else:
            self._drawn = self._line()
            self._write(self._drawn + "\n")

    def tick(self) -> None:
        """Redraw the line in place, or print the result, if this is the main thread."""
        if self.ended or threading.current_thread() is not threading.main_thread():
            return
        if self.view.ended:
            self._finish()
        elif self._stream.isatty():
            line = self._line()
            if line != self._drawn or self._cell != self.view.context.cell():
                self._write(f"{self._back()}{line}\n")
                self._drawn = line

    def _line(self) -> str:
        """Return the first line; in a terminal it must not wrap, or it could not be redrawn."""
        line = self.view.line().splitlines()[0]
        width = shutil.get_terminal_size().columns - 1
        return job_text.one_line(line, width) if self._stream.isatty() else line

    def _back(self) -> str:
        """Return what moves the cursor to the line and clears it, "" where it is out of reach."""
        here, self._cell = self._cell, self.view.context.cell()
        return "\x1b[1A\r\x1b[K" if here == self._cell and self._stream.isatty() else ""

    def _finish(self) -> None:
        back = self._back() if self._drawn else ""
        self.ended = True
        self._write(f"{back}{self.view.text()}\n")

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
