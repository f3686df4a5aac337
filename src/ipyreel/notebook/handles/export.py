"""Exports jobs as one HTML page with their videos in it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ipyreel.errors import InvalidRequest, StoreError
from ipyreel.jobs.files import new_id
from ipyreel.notebook.handles.job import Job
from ipyreel.notebook.handles.job_list import JobList
from ipyreel.notebook.handles.video import Video
from ipyreel.notebook.markup import sweep_html
from ipyreel.notebook.markup.sweep_html import TileVideo
from ipyreel.notebook.markup.sweep_text import SweepInfo
from ipyreel.sweeps import tell_apart
from ipyreel.values import JobSnapshot

WIDE = 320
"""Width of a video on the page in CSS pixels; a page has more room than a cell."""


def info_of(jobs: Sequence[JobSnapshot]) -> SweepInfo:
    """Return the labels of any jobs, and the prompt they share."""
    prompts = {job.request.prompt for job in jobs}
    return SweepInfo(
        labels=tuple(tell_apart([(job.provider, job.request) for job in jobs])),
        prompt=prompts.pop() if len(prompts) == 1 else None,
    )


def export_html(
    jobs: JobList | Iterable[Job], path: str | Path, *, title: str = "", overwrite: bool = False
) -> Path:
    """Write jobs as one HTML page that contains their videos, and return its path.

    The page loads nothing from elsewhere. Raises `InvalidRequest` when the file exists (unless
    `overwrite`) or there are no jobs, `StoreError` when it cannot be written.
    """
    found = list(jobs)
    target = Path(path).expanduser()
    if not found:
        raise InvalidRequest("There are no jobs to export.")
    if target.exists() and not overwrite:
        raise InvalidRequest(f"{target}: it exists; overwrite=True replaces it.")
    snapshots = [job.snapshot for job in found]
    info = jobs.info if isinstance(jobs, JobList) else info_of(snapshots)
    info = SweepInfo(labels=info.labels, prompt=info.prompt, inner=info.inner, width=WIDE)
    pieces = sweep_html.page_html(info, snapshots, _films(found), title or f"{len(found)} videos")
    # A random name, opened as new: a link that somebody left in the folder is not followed.
    part = target.with_name(f".{target.name}.{new_id()}.part")
    try:
        with part.open("x", encoding="utf-8") as file:
            file.writelines(pieces)
        os.replace(part, target)  # noqa: PTH105 - over what is there, on every system
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise StoreError(f"{target} could not be written: {error.strerror}.") from error
    return target.absolute()


def _films(jobs: Iterable[Job]) -> Iterator[TileVideo | None]:
    for job in jobs:
        video = job.video
        yield None if video is None else _embedded(video)


def _embedded(video: Video) -> TileVideo:
    try:
        return replace(video, how="embed").as_tile()
    except OSError as error:
        return TileVideo(src=None, where=f"{video.place} cannot be read: {error.strerror}")
