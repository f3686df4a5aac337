"""Output without widgets: lines in a terminal, a static page, and the saved jobs of panels."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from ipyreel.notebook.live.live_output import (
    SAVED_STYLE,
    CardContext,
    JobsView,
    MimeBundle,
    OutputHandle,
)
from ipyreel.notebook.markup import job_html, job_text
from ipyreel.notebook.markup.html import Markup, element
from ipyreel.values import JobSnapshot


class PlainOutput:
    """Jobs shown without widgets; subclasses draw them."""

    def __init__(self, view: JobsView) -> None:
        self.view = view
        self.ended = False

    @property
    def snapshots(self) -> tuple[JobSnapshot, ...]:
        """The current snapshots of the jobs."""
        return tuple(self.view.jobs)

    def show(self) -> None:
        """Show the jobs in the running cell."""
        raise NotImplementedError

    def update(self, snapshot: JobSnapshot) -> None:
        """Take the next snapshot of one job; draw it at once if this thread can."""
        if not self.ended and (self.view.take(snapshot) or self.view.ended):
            self.tick()

    def replace(self, job_id: str, new: JobSnapshot) -> None:
        """Show the retry of a job in its place."""
        self.view.swap(job_id, new)

    def tick(self) -> None:
        """Bring the output up to date, if this thread can."""
        raise NotImplementedError

    def settle(self) -> None:
        """Make the output final."""


class TextOutput(PlainOutput):
    """A line in a terminal, redrawn while the main thread waits, and the result at the end.

    Never prints from another thread. The first line ends with a line break, since most cells do
    not wait; it is redrawn in place as long as its cell runs.
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
        """Return the codes that move the cursor to the line and clear it, "" if out of reach."""
        here, self._cell = self._cell, self.view.context.cell()
        return "\x1b[1A\r\x1b[K" if here == self._cell and self._stream.isatty() else ""

    def _finish(self) -> None:
        back = self._back() if self._drawn else ""
        self.ended = True
        self._write(f"{back}{self.view.text()}\n")
        self.view.context.printed(tuple(job.id for job in self.view.jobs))

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
        """Replace the output when all jobs have ended."""
        if self.view.ended and self.view.context.may_send():
            self.settle()

    def settle(self) -> None:
        """Replace the output by the current state."""
        if self._handle is not None and not self.ended:
            self.ended = self.view.ended
            self._handle.update(self.view.bundle(), raw=True)


class EmbedBudget:
    """Bytes of video that several outputs together may still add to the notebook."""

    def __init__(self, limit: float) -> None:
        self._left = limit

    def take(self, size: float) -> bool:
        """Subtract `size` bytes, if that much is left; return whether it was."""
        if size > self._left:
            return False
        self._left -= size
        return True

    @staticmethod
    def refusal(place: str) -> str:
        """Return the sentence that is shown instead of a video."""
        return f"{place}: not embedded, because the videos together are over the limit."


class SavedJobs:
    """The jobs sent from a form or gallery as they are saved, the newest first.

    Their videos together may add `limit` bytes to the notebook. `renew` is called when one of
    them changes.
    """

    def __init__(self, context: CardContext, limit: float, renew: Callable[[], None]) -> None:
        self._context = context
        self._budget = EmbedBudget(limit)
        self._renew = renew
        self._jobs: dict[str, JobSnapshot] = {}
        self._ends: dict[str, MimeBundle] = {}
        self._lock = threading.RLock()

    def take(self, job: JobSnapshot, instead_of: str | None = None) -> None:
        """Take a snapshot; `instead_of` is the id of the job that it retries."""
        with self._lock:
            known = self._jobs.get(job.id)
            if instead_of is not None:
                self._jobs.pop(instead_of, None)
            elif known is not None and (known.ended or not job.ended):
                return
            self._jobs[job.id] = job
        self._renew()

    def bundle(self) -> MimeBundle:
        """Return all of them as HTML and as text; both are "" when there are none."""
        with self._lock:
            bundles = list(self._bundles())
        html = [Markup(bundle["text/html"]) for bundle in bundles]
        return {
            "text/html": element("div", *html, style=SAVED_STYLE) if html else "",
            "text/plain": "\n".join(bundle["text/plain"] for bundle in bundles),
        }

    def _bundles(self) -> Iterator[MimeBundle]:
        for job in reversed(self._jobs.values()):
            if not job.ended:
                yield self._context.bundle(job)
                continue
            if job.id not in self._ends:
                self._ends[job.id] = self._end(job)
            yield self._ends[job.id]

    def _end(self, job: JobSnapshot) -> MimeBundle:
        bundle = self._context.bundle(job)
        if self._budget.take(len(bundle["text/html"]) * 3 / 4):  # base64
            return bundle
        place = self._context.place(job_text.path(job))
        html = job_html.missing_html(job, self._budget.refusal(place))
        return {"text/html": html, "text/plain": job_text.text(job, place=place)}
