"""Compare: two to six videos side by side, and one bar that plays them in step.

May import `session` through the face, and its own room. The row is plain HTML and is what is
saved; the bar is a widget beside it (anywidget, optional) that takes hold of the row's videos,
so that their links are resolved by the page as everywhere else.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import traitlets
from IPython.display import display

from ipyreel import media
from ipyreel.errors import InvalidRequest
from ipyreel.notebook import words
from ipyreel.notebook.bench import static
from ipyreel.notebook.display import Markup, element, frame
from ipyreel.notebook.face import Face
from ipyreel.notebook.video import Video
from ipyreel.values import JobSnapshot
from ipyreel.variants import tell_apart

LEAST, MOST = 2, 6
RATE = 24.0
"""Frames a second where PyAV is not there to say: what most models make."""

NO_BAR = 'One bar for all of them needs anywidget: pip install "ipyreel[compare]"'

_GRID = "display:flex;flex-wrap:wrap;gap:12px;margin:0"
_CELL = "flex:1 1 240px;min-width:0;max-width:530px;margin:0"
_PLAYER = "display:block;width:100%;height:auto;border-radius:6px"
_LABEL = "margin-top:6px;font-size:13px;overflow-wrap:anywhere"
_SMALL = "margin-top:2px;font-size:12px;opacity:0.75;overflow-wrap:anywhere"


@dataclass(frozen=True, repr=False)
class Row:
    """The videos side by side, each with what sets it apart; shows itself as plain HTML."""

    videos: tuple[Video, ...]
    labels: tuple[str, ...]
    name: str
    note: str = ""

    def _repr_mimebundle_(
        self,
        include: object = None,  # noqa: ARG002 - IPython passes both by name
        exclude: object = None,  # noqa: ARG002
    ) -> Mapping[str, str]:
        return {"text/plain": repr(self), "text/html": self.html()}

    def html(self) -> str:
        """Return the row; every part of it outlives JupyterLab's sanitizer."""
        cells = [_cell(*pair) for pair in zip(self.videos, self.labels, strict=True)]
        row = element("div", *cells, class_=self.name, style=_GRID)
        shared = {video.snapshot.request.prompt for video in self.videos if video.snapshot}
        prompt = words.one_line(shared.pop(), 400) if len(shared) == 1 else None
        head = element("p", prompt, style="margin:0 0 8px 0", dir="auto") if prompt else None
        note = element("div", self.note, style=_SMALL) if self.note else None
        return element("div", head, row, note)

    def __repr__(self) -> str:
        """Return a line for each video: its label and its path."""
        pairs = zip(self.labels, self.videos, strict=True)
        return "\n".join(words.one_line(f"{label}: {video.path}") for label, video in pairs)


def _cell(video: Video, label: str) -> Markup:
    job = video.snapshot
    wide, high = frame(job, None)
    src = video.src
    player: Markup = (
        element("div", video.why, style=_SMALL)
        if src is None
        else element(
            "video", src=src, controls=True, muted=True, preload="auto", width=wide, height=high,
            title=label, style=_PLAYER,
        )
    )  # fmt: skip
    small = " · ".join((words.maker(job), job.id)) if job else ""
    caption = element(
        "figcaption",
        element("div", label, style=_LABEL, dir="auto"),
        element("div", small or video.where, style=_SMALL),
    )
    return element("figure", player, caption, style=_CELL)


def side_by_side(face: Face, jobs: Sequence[JobSnapshot | Video]) -> Row:
    """Show the videos of finished jobs in a row, with a bar below it where one can be.

    Displays both and returns the row. Raises `InvalidRequest` for another number than two to
    six, and for a job without a video.
    """
    if not LEAST <= len(jobs) <= MOST:
        raise InvalidRequest(f"compare takes {LEAST} to {MOST} videos, not {len(jobs)}.")
    videos = tuple(one if isinstance(one, Video) else _video(face, one) for one in jobs)
    name = f"ipyreel-row-{secrets.token_hex(4)}"
    bar = _bar(videos, name) if face.host.widgets else None
    note = NO_BAR if face.host.widgets and bar is None else ""
    row = Row(videos, _labels(videos), name, note)
    display(row)
    if bar is not None:
        display(bar)
    return row


def _video(face: Face, job: JobSnapshot) -> Video:
    if job.file is None:
        raise InvalidRequest(f"{job.id} has no video to compare: it is {job.status}.")
    return face.video(job)


def _labels(videos: Sequence[Video]) -> tuple[str, ...]:
    jobs = [video.snapshot for video in videos]
    known = [job for job in jobs if job is not None]
    if len(known) < len(jobs):
        return tuple(Path(video.path).name for video in videos)
    told = tell_apart([(job.provider, job.request) for job in known])
    return tuple(label or job.id for label, job in zip(told, known, strict=True))


def _rate(videos: Sequence[Video]) -> float:
    """Return the highest frame rate among them: a step of the bar is a step of that one."""
    found = []
    for video in videos:
        with contextlib.suppress(InvalidRequest):
            found.append(media.facts(Path(video.path)).rate)
    return max(found, default=RATE)


def _bar(videos: Sequence[Video], name: str) -> Any:
    """Return the bar; None where anywidget is not installed."""
    try:
        import anywidget  # noqa: PLC0415 - an optional extra
    except ImportError:
        return None

    class Bar(anywidget.AnyWidget):
        """Play, step, scrub, mute and loop for all videos of one row."""

        _esm = static("compare.js")
        _css = static("compare.css")
        row = traitlets.Unicode().tag(sync=True)
        rate = traitlets.Float(RATE).tag(sync=True)

        def _repr_mimebundle_(self, **wishes: Any) -> Any:
            shown = super()._repr_mimebundle_(**wishes)
            bundle, *rest = shown if isinstance(shown, tuple) else (shown,)
            # Where no kernel runs, the row above has the controls of each video.
            still = {**(bundle or {}), "text/plain": "", "text/html": ""}
            return (still, *rest) if rest else still

    return Bar(row=name, rate=_rate(videos))
