"""The card of one job under its cell."""

from __future__ import annotations

from functools import partial
from typing import Any

import ipywidgets as widgets

from ipyreel.notebook.live.live_output import (
    BUTTONS,
    JobsView,
    LiveOutput,
    MimeBundle,
    set_button,
    set_traits,
)
from ipyreel.notebook.markup import job_html, job_text
from ipyreel.notebook.markup.html import style_sheet
from ipyreel.values import JobSnapshot


class JobView(JobsView):
    """One job as it is shown without widgets."""

    @property
    def job(self) -> JobSnapshot:
        """The current snapshot."""
        return self.jobs[0]

    @property
    def name(self) -> str:
        """The job's id."""
        return self.job.id

    def line(self) -> str:
        """Return the state and the time in one line, or two if the state needs a sentence."""
        now, left = self.context.clock(), self.context.remaining(self.job)
        return job_text.text(self.job, now=now, remaining=left)

    def text(self) -> str:
        """Return the state as plain text."""
        return job_text.text(self.job, place=self.context.place(job_text.path(self.job)))

    def bundle(self, *, hidden: bool = False) -> MimeBundle:  # noqa: ARG002 - as JobsView
        """Return the video, or the state in words."""
        return self.context.bundle(self.job)


class Card(LiveOutput):
    """The live card of one job: phase, clock, Cancel or Retry, progress bar and settings."""

    view: JobView

    def __init__(self, view: JobView) -> None:
        self._phase = widgets.HTML()
        self._clock = widgets.HTML()
        self._buttons = {name: widgets.Button() for name in BUTTONS}
        self._body = widgets.HTML(_dom_classes=("ipyreel-wide",))
        sheet = widgets.HTML(style_sheet("card.css"))
        sheet.layout.display = "none"  # the style sheet still applies
        for name, button in self._buttons.items():
            button.on_click(partial(self._clicked, name))
        parts = (self._phase, self._clock, *self._buttons.values(), self._body, sheet)
        super().__init__(view, parts, name="ipyreel")

    def _paint_parts(self, now: float) -> int:
        job = self.view.job
        left = self._context.remaining(job)
        sent: tuple[Any, ...] = (
            set_traits(self._phase, value=job_html.phase_html(job)),
            set_traits(self._clock, value=job_html.clock_html(job, now=now, remaining=left)),
            set_traits(self._body, value=job_html.body_html(job, trouble=self._trouble)),
            self._paint_button(job),
        )
        return sum(sent)

    def _paint_button(self, job: JobSnapshot) -> bool:
        offered, busy = self.view.offered(job), self._busy.get(job.id, "")
        tooltips = {
            "Retry": f"Send the request to {job.provider} again, as a new job that is paid again",
            "Cancel": f"Cancel video {job.id}",
        }
        sent = [
            set_button(button, name if name == offered else "", tooltips[name], busy)
            for name, button in self._buttons.items()
        ]
        return any(sent)

    def _clicked(self, name: str, _button: object) -> None:
        self._click(name, self.view.job.id)
