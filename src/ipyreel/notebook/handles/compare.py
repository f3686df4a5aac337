"""Compare: two to six videos side by side, and one control bar that plays them in sync.

All of it is plain HTML, so that it is saved completely. The bar is a script next to the videos:
it needs no kernel, and a notebook that is not trusted shows the videos without it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ipyreel import media
from ipyreel.errors import InvalidRequest
from ipyreel.notebook.handles.video import Video
from ipyreel.notebook.markup import job_text
from ipyreel.notebook.markup.html import FILLING, Markup, PlayerOptions, element, video_element
from ipyreel.notebook.markup.job_html import frame
from ipyreel.notebook.markup.sweep_html import play_bar
from ipyreel.sweeps import tell_apart
from ipyreel.values import JobSnapshot

LEAST, MOST = 2, 6
RATE = 24.0
"""Frames per second if PyAV is not installed to measure it: what most models make."""

_GRID = "display:flex;flex-wrap:wrap;gap:12px;margin:0"
_CELL = "flex:1 1 240px;min-width:0;max-width:530px;margin:0"
_MUTED = PlayerOptions(muted=True)
_LABEL = "margin-top:6px;font-size:13px;overflow-wrap:anywhere"
_SMALL = "margin-top:2px;font-size:12px;opacity:0.75;overflow-wrap:anywhere"


@dataclass(frozen=True, repr=False)
class Row:
    """Videos side by side, each labelled by how it differs; shows itself as plain HTML.

    `rate` is in frames per second: a step of the bar is one frame at that rate.
    """

    videos: tuple[Video, ...]
    labels: tuple[str, ...]
    rate: float = RATE

    def _repr_mimebundle_(
        self,
        include: object = None,  # noqa: ARG002 - IPython passes both by name
        exclude: object = None,  # noqa: ARG002
    ) -> Mapping[str, str]:
        return {"text/plain": repr(self), "text/html": self.html()}

    def html(self) -> str:
        """Return the row and its bar; JupyterLab's sanitizer removes only parts of the bar."""
        cells = [_cell(*pair) for pair in zip(self.videos, self.labels, strict=True)]
        shared = {video.snapshot.request.prompt for video in self.videos if video.snapshot}
        return in_sync(shared.pop() if len(shared) == 1 else None, cells, self.rate)

    def __repr__(self) -> str:
        """Return a line for each video: its label and where it is."""
        pairs = zip(self.labels, self.videos, strict=True)
        return "\n".join(job_text.one_line(f"{label}: {video.place}") for label, video in pairs)


def blind_html(left: Video, right: Video, prompt: str | None, turn: int) -> str:
    """Return two videos that play in sync, and nothing that shows which is which.

    `prompt` is the prompt of both as it was typed; `turn` identifies this pair.
    """
    cells = [
        element("figure", _player(video, name, "This video cannot be shown here."),
                element("figcaption", name, style=_LABEL), style=_CELL)
        for video, name in ((left, "Left"), (right, "Right"))
    ]  # fmt: skip
    return in_sync(prompt, cells, frame_rate((left, right)), "blind.js", data_turn=str(turn))


def in_sync(
    prompt: str | None, cells: Sequence[Markup], rate: float, *scripts: str, **data: str
) -> Markup:
    """Return videos above a bar that plays them in sync; `scripts` are added to the bar's script.

    `rate` is in frames per second. `data` are further attributes, which the scripts read.
    """
    line = job_text.one_line(prompt or "", 400)
    return element(
        "div",
        element("p", line, style="margin:0 0 8px 0", dir="auto") if line else None,
        element("div", *cells, style=_GRID),
        *play_bar(*scripts),
        data_rate=f"{rate:g}",
        **data,
    )


def _player(video: Video, title: str, why: str) -> Markup:
    src, size = video.src, frame(video.snapshot, None)
    if src is None:
        return element("div", why, style=_SMALL)
    return video_element(src, player=_MUTED, title=title, size=size, style=FILLING, preload="auto")


def _cell(video: Video, label: str) -> Markup:
    job = video.snapshot
    player = _player(video, label, video.why)
    facts = (job_text.maker(job), job.id if label != job.id else "") if job else ()
    small = " · ".join(filter(None, facts))
    caption = element(
        "figcaption",
        element("div", label, style=_LABEL, dir="auto"),
        element("div", small or video.where, style=_SMALL),
    )
    return element("figure", player, caption, style=_CELL)


def side_by_side(videos: Sequence[Video | JobSnapshot]) -> Row:
    """Return videos in a row, with a bar below it.

    Raises `InvalidRequest` unless there are two to six, and for a job, which has no video yet.
    """
    if not LEAST <= len(videos) <= MOST:
        raise InvalidRequest(f"compare takes {LEAST} to {MOST} videos, not {len(videos)}.")
    found = tuple(map(_finished, videos))
    return Row(found, _labels(found), frame_rate(found))


def _finished(video: Video | JobSnapshot) -> Video:
    if isinstance(video, JobSnapshot):
        raise InvalidRequest(f"{video.id} has no video to compare: it is {video.status}.")
    return video


def _labels(videos: Sequence[Video]) -> tuple[str, ...]:
    jobs = [video.snapshot for video in videos]
    known = [job for job in jobs if job is not None]
    if len(known) < len(jobs):
        return tuple(video.path.name for video in videos)
    told = tell_apart([(job.provider, job.request) for job in known])
    return tuple(label or job.id for label, job in zip(told, known, strict=True))


def frame_rate(videos: Sequence[Video]) -> float:
    """Return the highest frame rate of some videos: a step of the bar is one frame at it."""
    found = []
    for video in videos:
        with contextlib.suppress(InvalidRequest):
            found.append(media.facts(video.path).rate)
    return max(found, default=RATE)
