"""What is saved of the jobs that a form or a gallery sent, within a limit for embedded bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from ipyreel.notebook.live.live_output import SAVED_STYLE, CardContext, MimeBundle
from ipyreel.notebook.markup import job_html, job_text
from ipyreel.notebook.markup.html import Markup, element
from ipyreel.values import JobSnapshot


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
