"""Stars, a note and tags under each video, stored in the library when they change."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import ipywidgets as widgets

from ipyreel.errors import InvalidRequest
from ipyreel.notebook.handles.job import Job
from ipyreel.notebook.handles.jobs import Jobs
from ipyreel.notebook.handles.opinions import own_ratings, video_of
from ipyreel.notebook.live.grid import SweepView
from ipyreel.notebook.live.live_output import MimeBundle, output
from ipyreel.notebook.markup.job_text import one_line
from ipyreel.notebook.markup.sweep_html import static_tile
from ipyreel.notebook.markup.sweep_text import SweepInfo
from ipyreel.notebook.markup.tables import Notice, Table
from ipyreel.notebook.panels.panel import Panel
from ipyreel.notebook.panels.tiles import OpinionFields, Stars, stars_text
from ipyreel.notebook.screen import Screen
from ipyreel.values import JobSnapshot

MOST = 60
"""Most videos in one panel: each has a player."""

WIDE = 280
"""Width of a video in CSS pixels."""


class Rate(Panel):
    """The finished videos of a list, each with the user's rating."""

    def __init__(self, screen: Screen, jobs: Jobs, name: str) -> None:
        self._info = replace(jobs.info, width=WIDE)
        self._jobs = {at: one for at, one in enumerate(jobs.snapshots) if one.file is not None}
        super().__init__(screen, name=f"rate {name}", wide=True)
        finished, limit = list(self._jobs.values()), screen.session.settings.embed_limit
        self._videos = SweepView(self._info, finished, screen.context(), limit).videos(finished)
        rated = own_ratings(screen.session, finished)
        self.tiles = [
            self._tile(at, job, rated.get(video_of(job))) for at, job in self._jobs.items()
        ]
        shelf = widgets.VBox(self.tiles, _dom_classes=("ipyreel-shelf", "ipyreel-rated"))
        self.place(shelf, self.status)

    def _tile(self, at: int, job: JobSnapshot, known: Any) -> Any:
        tile = static_tile(self._info, at, job, self._videos[job.id])
        shown = widgets.Output(outputs=(output({"text/html": tile, "text/plain": job.id}),))
        stars = Stars(lambda number: self.keep_opinion(job, stars=number))
        stars.show(known)
        return widgets.VBox((shown, stars, OpinionFields(known, partial(self.keep_opinion, job))))

    def static_copy(self) -> MimeBundle:
        """Return the ratings as a table; the videos are saved in the cells that made them."""
        rated = own_ratings(self._screen.session, list(self._jobs.values()))
        rows = [
            (self._info.label(at), stars_text(one.stars), one.note, ", ".join(one.tags), job.id)
            for at, job in self._jobs.items()
            if (one := rated.get(video_of(job))) is not None
        ]
        note, columns = repr(self), ("video", "stars", "note", "tags", "job")
        report = Table(columns, rows, note=note) if rows else Notice(note)
        return {"text/html": report.html, "text/plain": report.text}

    def __repr__(self) -> str:
        """Return a line on how to continue."""
        return f"%video {self._name} shows the videos with fields for stars, notes and tags."


def open_rate(screen: Screen, shown: Job | Jobs) -> Rate | Notice:
    """Return the panel; without widgets, a notice that says what to use instead."""
    if isinstance(shown, Job):
        label = one_line(shown.snapshot.request.prompt, 90)
        jobs, name = Jobs(screen, [shown.id], SweepInfo(labels=(label,))), shown.id
    else:
        jobs, name = shown, shown.id or "JOBS"
    finished = sum(one.file is not None for one in jobs.snapshots)
    if not finished:
        raise InvalidRequest(
            "There is no finished video to rate.", hint="%video wait waits for active jobs."
        )
    if finished > MOST:
        raise InvalidRequest(f"{finished} videos are too many for one panel; name at most {MOST}.")
    if not screen.host.widgets:
        return Notice(
            "The fields for ratings need a front end with widgets (JupyterLab, Notebook 7, Voila).",
            f"Use %video rate {name} 1-5 NOTE instead.",
        )
    return Rate(screen, jobs, name)
