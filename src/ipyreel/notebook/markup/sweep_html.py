"""A sweep as HTML: the live grid, the static one that is saved, and the exported page.

What is saved uses flex boxes: an untrusted notebook shows them, and no grid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ipyreel.notebook.markup import job_text, sweep_text
from ipyreel.notebook.markup.html import Markup, PlayerOptions, element, escape, video_element
from ipyreel.notebook.markup.job_html import picture_size, progress_bar
from ipyreel.notebook.markup.sweep_text import SweepInfo
from ipyreel.values import JobSnapshot

GAP = 10
"""CSS pixels between two tiles."""

SHAPE = (16, 9)
"""The shape of a tile whose size nobody knows yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileVideo:
    """A finished video in a tile.

    `src` is what the player plays (a relative URL or a data URI; None: it cannot be shown),
    `where` the line on the file, or why it is not shown; `path` says in full where it is,
    `link` is a URL of the file where there is one.
    """

    src: str | None
    where: str
    path: str | None = None
    link: str | None = None
    player: PlayerOptions = field(default_factory=PlayerOptions)
    preload: str = "metadata"


# The live grid. What does not move yet is a widget of its own: all tiles that are not
# finished are one, so that forty of them are one message.


def places(number: int) -> Markup:
    """Return the rules that put the button of each tile behind it."""
    rules = "".join(f".ipyreel-at-{place}{{order:{place}}}" for place in range(number))
    return element("style", Markup(rules))


def head_html(info: SweepInfo, jobs: Sequence[JobSnapshot]) -> Markup:
    """Return the line that sums up; screen readers read it out when a count changes."""
    first, *rest = sweep_text.counts(info, jobs)
    text = "".join(f" · {part}" for part in rest)
    return element(
        "div", element("b", first), text, class_="ipyreel-sums", role="status", aria_live="polite"
    )


def clock_html(jobs: Sequence[JobSnapshot], now: float) -> Markup:
    """Return the time that the sweep has taken so far."""
    return element("div", sweep_text.lasted(jobs, now), class_="ipyreel-time",
                   title="time since submission")  # fmt: skip


def prompt_html(info: SweepInfo, trouble: str | None = None) -> Markup:
    """Return the prompt that all share, and a sentence on what went wrong in the grid itself."""
    prompt = job_text.one_line(info.prompt or "")
    return element(
        "div",
        element("p", prompt, class_="ipyreel-prompt", dir="auto", title=prompt) if prompt else None,
        element("div", trouble, class_="ipyreel-why bad", dir="auto") if trouble else None,
    )


def tiles_html(tiles: Iterable[Markup]) -> Markup:
    """Return the tiles as one; each says its place in the grid."""
    return element("div", *tiles, class_="ipyreel-tiles")


def live_tile(info: SweepInfo, index: int, job: JobSnapshot) -> Markup:
    """Return the tile of a job at place `index` that has not ended in a video."""
    wide, high = shape(job, info.tile)
    full = job_text.bar(job)
    bad = job.status == "failed"
    text = sweep_text.state(job)
    name = "bad" if bad else "still" if full is None or sweep_text.waits(job) else ""
    return element(
        "figure",
        element("div", class_=f"ipyreel-screen {name}", style=f"height:{high}px"),
        None if full is None else _bar(info.label(index), job, full),
        element(
            "figcaption",
            element("b", info.label(index)),
            Markup(" "),
            element("span", text, class_=name, dir="auto", title=job_text.sentence(job) or None),
        ),
        class_="ipyreel-tile",
        style=f"order:{index};width:{wide}px",
    )


def _bar(label: str, job: JobSnapshot, full: float) -> Markup:
    return progress_bar(
        0 if sweep_text.waits(job) else full,
        label=label,
        now=int(job.progress) if job.progress is not None else None,
        text=sweep_text.state(job),
    )


def shape(job: JobSnapshot, wide: int) -> tuple[int, int]:
    """Return width and height of a job's picture in CSS pixels, in a tile `wide` pixels wide."""
    across, down = picture_size(job)
    if not across:
        across, down = SHAPE
    return wide, max(1, round(wide * down / across))


# What is saved: plain inline styles only.

_BOX = "box-sizing:border-box;margin:0;font-size:13px;line-height:1.45"
_TILES = f"display:flex;flex-wrap:wrap;align-items:flex-start;gap:12px {GAP}px;margin:8px 0 0 0"
_CAPTION = "margin:3px 0 0 0;font-size:12px;line-height:1.4;overflow-wrap:anywhere"
_LINE = "display:block;font-size:11px;"
_DIM = "opacity:0.75;"
_RED = "#d32f2f"


def grid_html(
    info: SweepInfo,
    jobs: Sequence[JobSnapshot],
    videos: Mapping[str, TileVideo],
    note: str = "",
) -> str:
    """Return the grid as it is saved: every video, or why there is none, under its label.

    `videos` are by the ids of their jobs. Linked videos take about 1 kB. `note` is a sentence
    below the prompt.
    """
    tiles = (static_tile(info, index, job, videos.get(job.id)) for index, job in enumerate(jobs))
    return element(
        "div",
        *_heading(info, jobs),
        element("div", note, style=f"margin:2px 0 0 0;{_DIM}") if note else None,
        _tiles_box(info, *tiles),
        style=_BOX,
    )


def _tiles_box(info: SweepInfo, *tiles: Markup) -> Markup:
    return element("div", *tiles, style=f"{_TILES};max-width:{width_of(info)}px")


def width_of(info: SweepInfo) -> int:
    """Return how wide the grid is where there is room, in CSS pixels."""
    return info.columns * (info.tile + GAP) - GAP


def _heading(info: SweepInfo, jobs: Sequence[JobSnapshot]) -> Iterator[Markup]:
    first, *rest = sweep_text.counts(info, jobs)
    text = element("span", "".join(f" · {part}" for part in rest), style=_DIM)
    yield element("div", element("b", first, style="font-weight:500"), text)
    if info.prompt:
        prompt = job_text.one_line(info.prompt, 1000)
        yield element("div", prompt, style="margin:2px 0 0 0;overflow-wrap:anywhere", dir="auto")


def static_tile(info: SweepInfo, index: int, job: JobSnapshot, video: TileVideo | None) -> Markup:
    """Return one tile as it is saved; with no video, a box that says how the job stands."""
    wide, high = shape(job, info.tile)
    label = info.label(index)
    name = element("b", label, style="font-weight:500")
    if video is None or video.src is None:
        bad = job.status == "failed"
        text = video.where if video else sweep_text.state(job)
        picture = element("div", style=_hole(high))
        # The dot and not the letters: no red can be read on white and on black.
        dot = element("span", "● ", style=f"color:{_RED}") if bad else None
        line = element("span", dot, text, style=_LINE + ("" if bad else _DIM), dir="auto")
    else:
        picture = video_element(
            video.src, player=video.player, title=label, size=(wide, high), preload=video.preload
        )
        line = _file(video)
    caption = element("figcaption", name, Markup(" "), line, style=_CAPTION)
    return element("figure", picture, caption, style=f"margin:0;width:{wide}px;max-width:100%")


def _hole(high: int) -> str:
    return f"height:{high}px;border-radius:6px;background-color:rgba(128,128,128,0.12)"


def _file(video: TileVideo) -> Markup:
    if video.link is None:
        return element("span", video.where, style=_LINE + _DIM, title=video.path)
    link = element("a", video.where, href=video.link, title=video.path)
    return element("span", link, style=_LINE)


# One page that holds everything, videos too.

_HEAD = Markup(
    '<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
)
_PAGE = "margin:0 auto;padding:24px;max-width:1100px;font-family:system-ui,sans-serif"


def page_html(
    info: SweepInfo, jobs: Sequence[JobSnapshot], videos: Iterable[TileVideo | None], title: str
) -> Iterator[str]:
    """Give the pieces of a page of its own; `videos` is read one at a time, for they are large."""
    # Browsers read no tags in a title, and `element` puts them around dollars.
    yield f"{_HEAD}{element('title', Markup(escape(title)))}"
    body, closed = _split(element("body", _MIDDLE, style=_PAGE))
    tiles, closed_tiles = _split(_tiles_box(info, _MIDDLE))
    yield f"{body}{element('h1', title, style='font-size:18px')}"
    yield from map(str, _heading(info, jobs))
    yield tiles
    for index, (job, video) in enumerate(zip(jobs, videos, strict=True)):
        yield str(static_tile(info, index, job, video))
    yield f"{closed_tiles}{closed}"


_MIDDLE = Markup("\0")  # `escape` lets no NUL through, so the one that is found is ours


def _split(page: Markup) -> tuple[str, str]:
    before, _, after = page.partition(_MIDDLE)
    return before, after
