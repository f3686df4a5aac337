"""What is saved below a widget, for readers who have no kernel.

JupyterLab shows an error for a widget whose kernel is gone, where it trusts the notebook, and
nothing else of that output. So what is saved stands in the next output, with a style sheet
(`static/saved_copy.css`) that looks at both: a widget that is alive has a child element and
hides the copy; one that is not has nothing but the error, and is hidden itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from ipyreel.notebook.live.live_output import CardContext, MimeBundle, OutputHandle
from ipyreel.notebook.markup import job_html, job_text
from ipyreel.notebook.markup.html import Markup, element, style_sheet
from ipyreel.values import JobSnapshot

_GAP = "display:flex;flex-direction:column;gap:10px;font-size:13px"


class SavedCopy:
    """The output below a widget; `render` gives what is saved, None for nothing any more."""

    def __init__(self, render: Callable[[], MimeBundle | None], context: CardContext) -> None:
        self._render = render
        self._context = context
        self._lock = threading.Lock()
        self._handles: list[Any] = []
        self._bundle: MimeBundle = {}

    def show(self) -> None:
        """Show it in the cell that is running, right below its widget."""
        with self._lock:
            self._bundle = self._rendered()
            handle = OutputHandle()
            handle.display(self._bundle, raw=True)
            self._handles.append(handle)

    def renew(self) -> None:
        """Bring it up to date; may be called from any thread, and when nothing is new."""
        if not self._context.may_send():
            return
        with self._lock:
            bundle = self._rendered() if self._handles else self._bundle
            if bundle != self._bundle:
                self._bundle = bundle
                for handle in self._handles:
                    handle.update(bundle, raw=True)

    def _rendered(self) -> MimeBundle:
        bundle = self._render()
        if bundle is None:
            return {"text/html": "", "text/plain": ""}
        html = Markup(bundle["text/html"])
        sheet = style_sheet("saved_copy.css")
        page = element("div", sheet, html, class_="ipyreel-saved", style=_GAP)
        return {"text/html": page, "text/plain": bundle["text/plain"]}


class EmbedBudget:
    """Bytes of video that several outputs may together still add to the notebook."""

    def __init__(self, limit: float) -> None:
        self._left = limit

    def take(self, size: float) -> bool:
        """Take so many bytes off, if that much is left; return whether it was."""
        if size > self._left:
            return False
        self._left -= size
        return True

    @staticmethod
    def refusal(place: str) -> str:
        """Return the sentence that stands where a video is not shown."""
        return f"{place}: not embedded, because the videos together are over the limit."


class SavedJobs:
    """The jobs sent from a form or gallery as they are saved, the newest first.

    Their videos together may add `limit` bytes to the notebook. `renew` is called when there
    is news of one of them.
    """

    def __init__(self, context: CardContext, limit: float, renew: Callable[[], None]) -> None:
        self._context = context
        self._budget = EmbedBudget(limit)
        self._renew = renew
        self._jobs: dict[str, JobSnapshot] = {}
        self._ends: dict[str, MimeBundle] = {}
        self._lock = threading.RLock()

    def take(self, job: JobSnapshot, instead_of: str | None = None) -> None:
        """Take a snapshot; `instead_of` is the id of the job that it is the retry of."""
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
            "text/html": element("div", *html, style=_GAP) if html else "",
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
        place = self._context.place(job.target)
        html = job_html.missing_html(job, self._budget.refusal(place))
        return {"text/html": html, "text/plain": job_text.text(job, place=place)}
