"""One output that is live while its jobs run, and static HTML when they have ended.

Snapshots arrive on the poller's thread. There, only widget traits are set and
`DisplayHandle.update` is called: what a thread prints or displays goes to the cell that ran
last. `DisplayHandle.update` reaches only the page that the cell ran in; a widget also reaches a
page that was reloaded. So the final state goes to both, and the widgets are closed once no page
shows them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
from IPython.display import DisplayHandle

from ipyreel.notebook.markup import job_html, job_text
from ipyreel.notebook.markup.html import Markup, element, style_sheet
from ipyreel.values import JobSnapshot

PACE = 0.25
"""Seconds between two updates of one output, so that the front end gets at most four a second."""

LINGER = 300.0
"""Seconds for which Retry is offered, and for which an unknown job may still be found, before the
output becomes static."""

SAVED_PACE = 5.0
"""Seconds between two updates of the copy that is saved with a live output."""

MimeBundle = Mapping[str, Any]

SAVED_STYLE = "display:flex;flex-direction:column;gap:10px;font-size:13px"

OutputHandle: Any = DisplayHandle
"""One output that can be replaced later; IPython's class has no types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardContext:
    """What a card or grid needs from the session and the front end.

    `video` makes the object that shows a completed job, `link` returns the URL that the video of
    an unfinished one will have (None: it will be embedded), `place` returns a path for saved text,
    `show` returns the command that shows a job or a sweep by its id, `printed` gets the ids of
    jobs whose end was printed, `clock` is in seconds since the epoch, `typical` is how long such
    jobs take in seconds. `cell` returns the id of the running cell. `cancel` and `retry` take a
    job's id and are called on the thread on which the click arrives; `retry` returns the snapshot
    of the new job, which replaces the old one.
    """

    video: Callable[[JobSnapshot], Any]
    link: Callable[[JobSnapshot], str | None] = lambda _job: None
    place: Callable[[str], str] = str
    show: Callable[[str], str] = "%video show {}".format
    printed: Callable[[tuple[str, ...]], object] = list
    clock: Callable[[], float] = time.time
    cell: Callable[[], object] = str
    typical: float | None = None
    cancel: Callable[[str], object] | None = None
    retry: Callable[[str], object] | None = None
    threads_deliver: bool = True

    def may_send(self) -> bool:
        """Return whether a message from the current thread reaches the front end."""
        return self.threads_deliver or threading.current_thread() is threading.main_thread()

    def remaining(self, job: JobSnapshot) -> float | None:
        """Return the estimated seconds left; None: no estimate, or it has passed."""
        if self.typical is None or job.ended:
            return None
        left = self.typical - (self.clock() - job.created_at)
        return left if left > 0 else None

    def bundle(self, job: JobSnapshot) -> MimeBundle:
        """Return the saved form of a job: its video, or its state in words."""
        if job.status != "completed":
            html = job_html.static_html(job, self.link(job), self.show(job.id))
            return {"text/html": html, "text/plain": self.saved_text(job)}
        try:
            bundle: MimeBundle = self.video(job)._repr_mimebundle_()
        except Exception as error:  # noqa: BLE001 - shown; the poller continues
            place = self.place(job_text.path(job))
            problem = f"The video is at {place}, but it could not be shown: {short_error(error)}"
            text = f"{job_text.text(job, place=place)}\n  {job_text.one_line(problem)}"
            return {"text/html": job_html.missing_html(job, problem), "text/plain": text}
        return bundle

    def saved_text(self, job: JobSnapshot) -> str:
        """Return a job as plain text for saving, without any state that will change."""
        if job.ended or job.status == "unknown":
            return job_text.text(job, place=self.place(job_text.path(job)))
        facts = " · ".join((job_text.maker(job), *job_text.settings(job)))
        return f"Video {job.id}: {facts}\n  {job_text.unfinished(self.show(job.id), player=False)}"


class JobsView:
    """The current snapshots of some jobs in their order, and how they are saved.

    Subclasses render them without widgets: `line`, `text` and `bundle`.
    """

    def __init__(self, jobs: Iterable[JobSnapshot], context: CardContext) -> None:
        self.jobs = list(jobs)
        self.context = context
        self._index = {job.id: index for index, job in enumerate(self.jobs)}
        self._early: dict[str, JobSnapshot] = {}

    def line(self) -> str:
        """Return the state in one line, for a terminal while jobs run."""
        raise NotImplementedError

    def text(self) -> str:
        """Return the state as plain text."""
        raise NotImplementedError

    def bundle(self, *, hidden: bool = False) -> MimeBundle:
        """Return the state as it is saved; `hidden`: players do not load anything by themselves."""
        raise NotImplementedError

    @property
    def name(self) -> str | None:
        """The name that `%video show` takes to show the same jobs, if there is one."""
        raise NotImplementedError

    def take(self, job: JobSnapshot) -> bool:
        """Take the next snapshot of one job; return whether it changes anything."""
        index = self._index.get(job.id)
        if index is None:
            self._early[job.id] = job  # of a retry that `swap` has not put in yet
            return False
        known = self.jobs[index]
        if job == known or _older(job, known):
            return False
        self.jobs[index] = job
        return True

    def swap(self, job_id: str, new: JobSnapshot) -> None:
        """Replace a job by its retry."""
        index = self._index.pop(job_id, None)
        if index is not None:
            self._index[new.id] = index
            self.jobs[index] = self._early.pop(new.id, new)

    @property
    def ended(self) -> bool:
        """Whether all jobs have ended."""
        return all(job.ended for job in self.jobs)

    @property
    def moving(self) -> bool:
        """Whether a job has not ended and its state is known."""
        return any(map(job_text.is_moving, self.jobs))

    def offered(self, job: JobSnapshot) -> str:
        """Return the name of the button that a job needs now, in `BUTTONS`; "": none."""
        if self.can_retry(job):
            return "Retry"
        return "Cancel" if self.context.cancel is not None and job_text.is_moving(job) else ""

    def can_retry(self, job: JobSnapshot) -> bool:
        """Return whether Retry is offered: not if the video exists and only the download failed."""
        return self.context.retry is not None and job.status == "failed" and not job.ready


def _older(new: JobSnapshot, known: JobSnapshot) -> bool:
    """Return whether a snapshot is older than the known one of the same job."""
    if new.updated_at is None or known.updated_at is None:
        return False
    return new.updated_at < known.updated_at


class SavedCopy:
    """The copy that is saved below a widget, for readers without a kernel.

    In a trusted notebook, JupyterLab shows an error for a widget whose kernel has ended, and
    nothing else of that output. So the copy is the next output, with a style sheet
    (`static/saved_copy.css`) that matches both: a live widget has a child element and hides the
    copy; a dead one has only the error, and is hidden itself. `render` returns what is saved;
    None removes the copy.
    """

    def __init__(self, render: Callable[[], MimeBundle | None], context: CardContext) -> None:
        self._render = render
        self._context = context
        self._lock = threading.Lock()
        self._handles: list[Any] = []
        self._bundle: MimeBundle = {}

    def show(self) -> None:
        """Show it in the running cell, right below its widget."""
        with self._lock:
            self._bundle = self._rendered()
            handle = OutputHandle()
            handle.display(self._bundle, raw=True)
            self._handles.append(handle)

    def renew(self) -> None:
        """Bring it up to date; may be called from any thread, and if nothing has changed."""
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
        page = element("div", sheet, html, class_="ipyreel-saved", style=SAVED_STYLE)
        return {"text/html": page, "text/plain": bundle["text/plain"]}


BUTTONS = ("Retry", "Cancel")
"""A button keeps its name: a click tells which one it was, and not what that said."""


class LiveOutput(widgets.VBox):  # type: ignore[misc] # ipywidgets has no types
    """The part of a live output that card and grid share.

    Everything that changes it holds `_lock`, since snapshots and clicks arrive on different
    threads. `saved` is the saved copy, if there is one.
    """

    def __init__(self, view: JobsView, children: Iterable[Any], *, name: str) -> None:
        self.view = view
        self.saved: Any = None
        self._context = view.context
        self._lock = threading.RLock()
        self._handle: Any = None
        self._final: MimeBundle | None = None
        self._name = name
        self._live = tuple(children)  # held, so that `close` finds them at the end
        self._final_view = widgets.Output()
        self._busy: dict[str, str] = {}
        self._trouble = ""
        self._next_at = 0.0
        self._lingers_until: float | None = None
        self._saved_state = (0, 0.0)  # how many jobs had ended when it was renewed, and when
        super().__init__(self._live, _dom_classes=(name,), _view_count=0)
        self.observe(self._view_count_changed, "_view_count")
        self._draw()
        self._next_at = 0.0  # nothing was sent to a page yet

    @property
    def snapshots(self) -> tuple[JobSnapshot, ...]:
        """The current snapshots of the jobs."""
        return tuple(self.view.jobs)

    @property
    def ended(self) -> bool:
        """Whether it is static: nothing will change it."""
        return self._final is not None

    def keep_copy(self) -> None:
        """Keep a saved copy next to this one until it is static itself."""
        if not self.ended:
            self.saved = SavedCopy(self._saved_bundle, self._context)

    def show(self) -> None:
        """Show it in the running cell; call it once, from the cell's thread."""
        with self._lock:
            self._handle = OutputHandle()
            if self._final is not None:
                self._handle.display(self._final, raw=True)
                self._close_if_unseen()
                return
            self._handle.display(self)
            if self.saved is not None:
                self.saved.show()

    def update(self, snapshot: JobSnapshot) -> None:
        """Take the next snapshot of one job; may be called from any thread, at any rate.

        Sends at most four updates a second; a delayed one is sent with the next call or tick.
        The end is never delayed.
        """
        with self._lock:
            # If the end arrived on a thread that may not send, the next call draws it.
            if not self.ended and (self.view.take(snapshot) or self.view.ended):
                self._busy.pop(snapshot.id, None)
                self._draw()

    def replace(self, job_id: str, new: JobSnapshot) -> None:
        """Show the retry of a job in its place."""
        with self._lock:
            self._busy.pop(job_id, None)
            self.view.swap(job_id, new)
            if not self.ended:
                self._draw()
                if self.saved is not None:
                    self.saved.renew()

    def tick(self, now: float | None = None) -> None:
        """Advance the clock; call it about once a second while this has not ended."""
        with self._lock:
            if not self.ended:
                self._draw(now)

    def settle(self) -> None:
        """Make this static in its current state, so that what is saved needs no kernel."""
        with self._lock:
            if not self.ended and self._context.may_send():
                self._end(self.view.bundle())
                self._save(self._context.clock())

    def close(self) -> None:
        """Close all widgets; they disappear from the page."""
        close_tree(self)

    # ---- inside; everything below runs under the lock ------------------------------------

    def _saved_bundle(self) -> MimeBundle | None:
        return None if self.ended else self.view.bundle(hidden=True)

    def _paint_parts(self, now: float) -> int:
        """Bring the parts up to date; return how many periods of `PACE` to wait after it."""
        raise NotImplementedError

    def _draw(self, now: float | None = None) -> None:
        now = self._context.clock() if now is None else now
        if self._is_over(now):
            self.settle()
        else:
            self._paint(now, at_once=not self.view.moving)
            self._save(now)

    def _is_over(self, now: float) -> bool:
        """Return whether nothing can change any more, by a job, by Retry or by a late find."""
        if self.view.moving:
            self._lingers_until = None
            return False
        if self.view.ended and not any(map(self.view.can_retry, self.view.jobs)):
            return True
        if self._lingers_until is None:
            self._lingers_until = now + LINGER
        return now >= self._lingers_until

    def _paint(self, now: float, *, at_once: bool = False) -> None:
        # The second bound: if the wall clock is set back, updates must not stop.
        held_back = now < self._next_at <= now + 10 * PACE
        if self._context.may_send() and (at_once or not held_back):
            self._next_at = now + PACE * self._paint_parts(now)

    def _save(self, now: float) -> None:
        """Renew the saved copy when jobs have ended; rarely, since each time all of it is sent."""
        known, at = self._saved_state
        count = sum(job.ended for job in self.view.jobs)
        too_soon = at <= now < at + SAVED_PACE and self.view.moving
        if self.saved is not None and (self.ended or (count != known and not too_soon)):
            self._saved_state = (count, now)
            self.saved.renew()

    def _end(self, bundle: MimeBundle) -> None:
        self._final = bundle
        if self._handle is not None:
            self._handle.update(bundle, raw=True)
        # Only now, and only for reloaded pages: on others the view is already gone.
        # Within a panel there is no handle: the panel saves what it shows.
        notes = () if self._handle is None else (output(self._how_to_save()),)
        self._final_view.outputs = (output(bundle), *notes)
        self.remove_class(self._name)
        self.layout.max_width = None
        self.children = (self._final_view,)
        if self._handle is not None:
            self._close_if_unseen()

    def _how_to_save(self) -> MimeBundle:
        """Return a note for a page that was opened later: its notebook lacks this output."""
        text = "This page was opened after the cell ran."
        if self.view.name:
            text += f" To save this output as it is now, run %video show {self.view.name}."
        style = "margin:4px 0 0 0;font-size:12px;opacity:0.75"
        return {"text/html": element("div", text, style=style), "text/plain": text}

    def _close_if_unseen(self) -> None:
        if not self._view_count:
            self.close()
            self._final_view.outputs = ()

    def _view_count_changed(self, _change: object) -> None:
        with self._lock:
            if self.ended and self._handle is not None and self.comm is not None:
                self._close_if_unseen()

    def _click(self, name: str, job_id: str) -> None:
        """Retry or cancel one job, if it still needs what the button said when it was clicked.

        The kernel may have been busy: a late click must not pay for a job, nor stop its retry.
        """
        with self._lock:
            job = next((one for one in self.view.jobs if one.id == job_id), None)
        if job is not None and self.view.offered(job) == name:
            hook, word = {
                "Retry": (self._context.retry, "Sending…"),
                "Cancel": (self._context.cancel, "Cancelling…"),
            }[name]
            self._run(job_id, word, lambda: hook(job_id) if hook is not None else None)

    def _run(self, key: str, word: str, hook: Callable[[], object]) -> None:
        """Run a button's action and show its error here, since it would be lost elsewhere."""
        with self._lock:
            if key in self._busy:
                return
            self._busy[key], self._trouble = word, ""
            self._paint(self._context.clock(), at_once=True)
        try:
            result = hook()
        except Exception as error:  # noqa: BLE001 - shown in the card
            self._show_trouble(error)
            return
        for one in result if isinstance(result, list | tuple) else (result,):
            if isinstance(one, Future):
                one.add_done_callback(self._answered)
            elif isinstance(one, JobSnapshot):
                self.replace(key, one)

    def _answered(self, future: Future[Any]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self._show_trouble(error)

    def _show_trouble(self, error: BaseException) -> None:
        with self._lock:
            self._busy.clear()
            self._trouble = short_error(error)
            if not self.ended:
                self._paint(self._context.clock(), at_once=True)

    def _repr_mimebundle_(self, **options: Any) -> MimeBundle:
        if self._final is not None:
            return self._final
        bundle: dict[str, Any] = super()._repr_mimebundle_(**options) or {}
        if self.saved is not None:
            # The copy below has all of it, also in a notebook that is not trusted.
            return {**bundle, "text/plain": "", "text/html": ""}
        return {**bundle, **self.view.bundle()}

    def __repr__(self) -> str:
        """Return the state as text."""
        return self.view.text()


def output(bundle: MimeBundle) -> dict[str, Any]:
    """Return a bundle in the form that an `Output` widget holds."""
    return {"output_type": "display_data", "data": dict(bundle), "metadata": {}}


def set_traits(widget: Any, **values: Any) -> bool:
    """Set the traits of a widget that differ, in one message; return whether any did."""
    changed = {name: value for name, value in values.items() if getattr(widget, name) != value}
    if changed:
        with widget.hold_sync():
            for name, value in changed.items():
                setattr(widget, name, value)
    return bool(changed)


def set_button(button: Any, name: str, tooltip: str, busy: str = "") -> bool:
    """Set a button's name, "" hides it; `busy` is its text while it works."""
    hidden = set_traits(button.layout, display=None if name else "none")
    if not name:
        return hidden
    named = set_traits(button, description=busy or name, tooltip=tooltip, disabled=bool(busy))
    return named or hidden


def close_tree(root: Any) -> None:
    """Close a widget and every widget in its traits or attributes."""
    found: dict[int, Any] = {}
    waiting: list[Any] = [root]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list | tuple):
            waiting += one
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, widgets.Widget) and id(one) not in found:
            found[id(one)] = one
            waiting += [getattr(one, name) for name in one.keys]
            waiting += vars(one).values()
    for one in found.values():
        widgets.Widget.close(one)


def short_error(error: BaseException) -> str:
    """Return an error as one short line: its class and its message, without an OSError's path."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return job_text.one_line(f"{type(error).__name__}: {reason}", 300)
