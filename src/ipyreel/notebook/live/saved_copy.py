"""What is left of a widget in a saved notebook: an output of its own, below it.

May import `bench`'s files, `display`, `still`, `job_text` and `values`. JupyterLab shows an error
for a widget whose kernel is gone, where it trusts the notebook, and looks at nothing else in
that output; so what others are to see stands in the next one. `static/kept.css` is saved with
it and goes by where the two stand: a widget that lives has a child, and hides what is kept
below it; one without its kernel has nothing but the error, and is hidden itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from ipyreel.notebook.live.plain import Bundle, Slot, Wiring
from ipyreel.notebook.markup import job_html, job_text
from ipyreel.notebook.markup.job_html import Markup, element
from ipyreel.values import JobSnapshot

_GAP = "display:flex;flex-direction:column;gap:10px;font-size:13px"


@cache
def _sheet() -> Markup:
    return element(
        "style", Markup((files("ipyreel.notebook") / "static" / "kept.css").read_text("utf-8"))
    )


class SavedCopy:
    """The output below a widget; `tell` gives its HTML and its text, "" for nothing any more."""

    def __init__(self, tell: Callable[[], tuple[str, str]], *, threads_deliver: bool) -> None:
        self._tell = tell
        self._threads_deliver = threads_deliver
        self._lock = threading.Lock()
        self._handles: list[Any] = []
        self._said: Bundle = {}

    def show(self) -> None:
        """Show it in the cell that is running, right below its widget."""
        with self._lock:
            handle = Slot()
            handle.display(self._bundle(), raw=True)
            self._handles.append(handle)

    def renew(self) -> None:
        """Bring it up to date; may be called from any thread, and when nothing is new."""
        main = threading.current_thread() is threading.main_thread()
        if not (main or self._threads_deliver):
            return
        with self._lock:
            said = self._said
            bundle = self._bundle() if self._handles else said
            if bundle != said:
                for handle in self._handles:
                    handle.update(bundle, raw=True)

    def _bundle(self) -> Bundle:
        html, text = self._tell()
        if not html:
            self._said = {"text/html": "", "text/plain": ""}
            return self._said
        self._said = {
            "text/html": element("div", _sheet(), Markup(html), class_="ipyreel-kept", style=_GAP),
            "text/plain": text,
        }
        return self._said


class Made:
    """The jobs that were made by a widget, as they are saved; the newest stands first.

    What one video may add to the notebook by itself, all of them may add together: `limit`, in
    bytes before they are encoded.
    """

    def __init__(self, wiring: Wiring, limit: float, renew: Callable[[], None]) -> None:
        self._wiring = wiring
        self._left = limit
        self._renew = renew
        self._jobs: dict[str, JobSnapshot] = {}
        self._ends: dict[str, Bundle] = {}
        self._lock = threading.RLock()

    def take(self, job: JobSnapshot, instead_of: str | None = None) -> None:
        """Take a job as it stands; `instead_of`: the id of the one that it is the retry of."""
        with self._lock:
            known = self._jobs.get(job.id)
            if instead_of is not None:
                self._jobs.pop(instead_of, None)
            elif known is not None and (known.ended or not job.ended):
                return
            self._jobs[job.id] = job
        self._renew()

    def tell(self) -> tuple[str, str]:
        """Return all of them as HTML and as text."""
        with self._lock:
            bundles = list(self._bundles())
        html = [Markup(bundle["text/html"]) for bundle in bundles]
        text = "\n".join(bundle["text/plain"] for bundle in bundles)
        return (element("div", *html, style=_GAP) if html else "", text)

    def _bundles(self) -> Iterator[Bundle]:
        for job in reversed(self._jobs.values()):
            if not job.ended:
                yield self._wiring.ending(job)
                continue
            if job.id not in self._ends:
                self._ends[job.id] = self._end(job)
            yield self._ends[job.id]

    def _end(self, job: JobSnapshot) -> Bundle:
        bundle = self._wiring.ending(job)
        size = len(bundle["text/html"]) * 3 / 4  # base64
        if size <= self._left:
            self._left -= size
            return bundle
        place = self._wiring.place(job.target)
        told = f"{place}: too much to be embedded here as well."
        text = job_text.text(job, place=place)
        return {"text/html": job_html.missing_html(job, told), "text/plain": text}
