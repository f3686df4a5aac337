"""Finished videos as the tiles of a grid need them: what is played, and the line on the file.

May import `sheet`, `still`, `video` and `job_text`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ipyreel.notebook.handles.video import EMBED_LIMIT, Video
from ipyreel.notebook.live.plain import Wiring, told_of
from ipyreel.notebook.markup import job_text
from ipyreel.notebook.markup.job_html import Look
from ipyreel.notebook.markup.sweep_html import Film
from ipyreel.values import JobSnapshot


class Films:
    """The finished videos of a grid, each made ready once.

    What one video may add to the notebook by itself, all those of a grid may add together.
    """

    def __init__(self, wiring: Wiring, embed_limit: int = EMBED_LIMIT) -> None:
        self._wiring = wiring
        self._left = embed_limit
        self._made: dict[str, Film] = {}

    def of(self, jobs: Iterable[JobSnapshot]) -> dict[str, Film]:
        """Return the films of those jobs that are completed, by their ids."""
        return {job.id: self._film(job) for job in jobs if job.status == "completed"}

    def _film(self, job: JobSnapshot) -> Film:
        if job.id not in self._made:
            try:
                self._made[job.id] = self._make(self._wiring.video(job))
            except Exception as error:  # noqa: BLE001 - shown in the tile, and the others go on
                self._made[job.id] = self._broken(job, error)
        return self._made[job.id]

    def _broken(self, job: JobSnapshot, error: Exception) -> Film:
        return Film(src=None, where=f"{self._wiring.place(job.target)}: {told_of(error)}")

    def _make(self, video: Video) -> Film:
        if video.chosen == "embedded" and video.how == "auto":
            if (video.size or 0) > self._left:
                return Film(src=None, where=f"{video.place}: too much to be embedded here as well")
            self._left -= video.size or 0
        return film_of(video)


def film_of(video: Video) -> Film:
    """Return a video as a tile needs it; raises `OSError` when it cannot be read."""
    source = video.src
    if source is None:
        return Film(src=None, where=video.why)
    name = video.snapshot.id if video.snapshot else video.path.name
    where = f"{name} · {job_text.amount(video.size or 0)}"
    linked = video.chosen == "linked"
    return Film(
        src=source,
        where=where if linked else f"{where}, embedded",
        path=job_text.one_line(video.where),
        link=source if linked else None,
        look=Look(loop=video.loop, muted=video.muted, autoplay=video.autoplay),
    )


def embedded(video: Video) -> Film:
    """Return a video with all of its bytes, for a page that stands alone."""
    try:
        return film_of(replace(video, how="embed"))
    except OSError as error:
        return Film(src=None, where=f"{video.place} cannot be read: {error.strerror}")
