"""A sweep as HTML: the live grid, the static one that is saved, and the exported page.

What is saved uses flex boxes: an untrusted notebook shows them, but no CSS grid.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ipyreel.notebook.markup import job_text, sweep_text
from ipyreel.notebook.markup.html import (
    EMPTY,
    PAGE_STYLE,
    Markup,
    PlayerOptions,
    element,
    packed,
    page_head,
    video_element,
)
from ipyreel.notebook.markup.job_html import picture_size, progress_bar
from ipyreel.notebook.markup.matrix import Matrix, groups
from ipyreel.notebook.markup.sweep_text import SweepInfo
from ipyreel.values import JobSnapshot

GAP = 10
"""CSS pixels between two tiles."""

SHAPE = (16, 9)
"""The aspect ratio of a tile whose size is not known yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileVideo:
    """A finished video in a tile.

    `src` is what the player plays (a relative URL or a data URI; None: it cannot be shown),
    `where` the line on the file, or why it is not shown; `path` is the full path, `link` is a
    URL of the file if there is one.
    """

    src: str | None
    where: str
    path: str | None = None
    link: str | None = None
    player: PlayerOptions = field(default_factory=PlayerOptions)
    preload: str = "metadata"


# The live grid. All unfinished tiles are one widget, so that forty of them need one message.


def style_of_places(places: Sequence[str]) -> Markup:
    """Return the CSS rules that place the button of each tile on the tile."""
    rules = "".join(f".ipyreel-at-{at}{{{place}}}" for at, place in enumerate(places))
    return element("style", Markup(rules))


def places(info: SweepInfo) -> tuple[list[str], Markup, str]:
    """Return the CSS place of each tile, the headers, and the columns of the live grid.

    Without a matrix a place is an order, and there are neither headers nor columns.
    """
    found = [f"order:{index}" for index in range(len(info.labels))]
    heads: list[Markup] = []
    row = 1
    for one in info.matrices:
        across, down = one.block, math.ceil(one.samples / one.block)
        wide = len(one.columns) * across
        heads += [_head(one.title, row, 1, wide + 1)] if one.title else []
        row += bool(one.title)
        heads.append(_head(one.corner, row, 1, name="ipyreel-name ipyreel-corner"))
        for at, name in enumerate(one.columns):
            heads.append(_head(name, row, 2 + at * across, across))
        for name, cells in zip(one.rows, one.cells, strict=True):
            heads.append(_head(name, row := row + 1, 1))
            for at, cell in enumerate(cells):
                for sample, index in enumerate(cell):
                    column = 2 + at * across + sample % across
                    found[index] += f";grid-area:{row + sample // across}/{column}"
            row += down - 1
        row += 1
    template = ""
    if info.matrices:
        columns = len(info.matrices[0].columns) * info.matrices[0].block
        template = f"{_SIDE_WIDTH}px repeat({columns},minmax({_LEAST_TILE}px,{info.tile}px))"
    return found, Markup("".join(heads)), template


def _head(text: str, row: int, column: int, span: int = 1, *, name: str = "ipyreel-name") -> Markup:
    return element("div", text, class_=name,
                   style=f"grid-area:{row}/{column}/auto/span {span}")  # fmt: skip


def head_html(info: SweepInfo, jobs: Sequence[JobSnapshot]) -> Markup:
    """Return the summary line; screen readers announce it when a count changes."""
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
    """Return the shared prompt, and a sentence on an error of the grid itself."""
    prompt = job_text.one_line(info.prompt or "")
    return element(
        "div",
        element("p", prompt, class_="ipyreel-prompt", dir="auto", title=prompt) if prompt else None,
        element("div", trouble, class_="ipyreel-why bad", dir="auto") if trouble else None,
    )


def tiles_html(tiles: Iterable[Markup], heads: Markup) -> Markup:
    """Return tiles and headers as one element; each has its place in the grid."""
    return element("div", heads, *tiles, class_="ipyreel-tiles")


def live_tile(info: SweepInfo, index: int, job: JobSnapshot, place: str) -> Markup:
    """Return the tile of a job without a video; `place` is its place as CSS."""
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
        style=f"{place};width:{wide}px",
        aria_label=info.label(index),  # in a matrix, only the headers show it
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
_TILES = f"display:flex;flex-wrap:wrap;align-items:flex-start;gap:12px {GAP}px"
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
    """Return the grid as it is saved: each video, or the reason for none, under its label.

    `videos` are by the ids of their jobs. Linked videos take about 1 kB each, and the bar that
    plays them in sync 6 kB; scripts are not run where the notebook is not trusted. `note` is a
    sentence below the prompt.
    """
    shown = [video for video in videos.values() if video.src is not None]
    page = element(
        "div",
        *_heading(info, jobs),
        element("div", note, style=f"margin:2px 0 0 0;{_DIM}") if note else None,
        *_body(info, len(jobs), bar=len(shown) > 1),
        class_="ipyreel-sweep",
        style=_BOX,
    )
    return Markup("".join(_filled(info, page, jobs, lambda at: videos.get(jobs[at].id))))


def _body(info: SweepInfo, number: int, *, bar: bool) -> Iterator[Markup]:
    """Yield the matrices, or the tiles in a row, with a mark for each tile; then the bar."""
    found = info.matrices
    if found:
        yield element("style", packed("matrix.css"))
        yield from (_table(info, one) for one in found)
    else:
        tiles = map(_mark, range(number))
        yield element(
            "div", *tiles, style=f"{_TILES};margin:8px 0 0 0;max-width:{width_of(info)}px"
        )
    if bar:
        yield from play_bar(names=groups(found)[0])


def play_bar(*scripts: str, names: Sequence[str] = ()) -> tuple[Markup, Markup]:
    """Return the style sheet and the script of the bar, with further `scripts` appended.

    `names` are those of rows and columns.
    """
    listed = "\n".join(names) or None
    return (
        element("style", packed("compare.css")),
        element("script", packed("compare.js", *scripts), data_groups=listed),
    )


def _table(info: SweepInfo, one: Matrix) -> Markup:
    head = [element("th", name, scope="col", style=_HEAD_CELL) for name in one.columns]
    rows = (
        element(
            "tr",
            element("th", name, scope="row", style=_SIDE),
            *(element("td", _samples(cell), style=_CELL) for cell in cells),
            style=_ROW,
        )
        for name, cells in zip(one.rows, one.cells, strict=True)
    )
    corner = element("td", one.corner, style=f"{_SIDE};font-weight:400;{_DIM}")
    style = f"{_TABLE};max-width:{matrix_width(info, one)}px;min-width:{_least_width(one)}px"
    table = element(
        "table",
        element("caption", one.title, style=_TITLE) if one.title else None,
        element("thead", element("tr", corner, *head, style=_ROW)),
        element("tbody", *rows),
        class_="ipyreel-matrix",
        style=style,
    )
    return element("div", table, style="overflow-x:auto")


def _samples(cell: Sequence[int]) -> Markup:
    marks = map(_mark, cell)
    return element("div", *marks, style=_TILES) if len(cell) > 1 else Markup("".join(marks))


_SIDE_WIDTH = 110
_LEAST_TILE = 80
_TABLE = "table-layout:fixed;width:100%;margin:8px 0 0 0;border-collapse:collapse;text-align:left"
_ROW = "background:none"
_CELL = f"padding:5px {GAP}px 5px 0;vertical-align:top;text-align:left"
_HEAD_CELL = f"{_CELL};font-weight:600;overflow-wrap:anywhere"
_SIDE = f"{_HEAD_CELL};width:{_SIDE_WIDTH}px"
_TITLE = "text-align:left;font-weight:600;padding:0 0 4px 0"


def matrix_width(info: SweepInfo, one: Matrix) -> int:
    """Return how wide a matrix is if there is room, in CSS pixels."""
    return _SIDE_WIDTH + GAP + len(one.columns) * one.block * (info.tile + GAP)


def _least_width(one: Matrix) -> int:
    return _SIDE_WIDTH + GAP + len(one.columns) * (_LEAST_TILE + GAP)


_PLACE = re.compile("\0(\\d+)\0")


def _mark(index: int) -> Markup:
    return Markup(f"\0{index}\0")  # `escape` removes NUL, so those found are marks


def _filled(
    info: SweepInfo,
    page: str,
    jobs: Sequence[JobSnapshot],
    video_of: Callable[[int], TileVideo | None],
) -> Iterator[str]:
    """Yield a page in pieces, with each mark replaced by its tile."""
    found = info.matrices
    within, share = groups(found)[1], found[0].share if found else 100
    for at, piece in enumerate(_PLACE.split(page)):
        if at % 2 == 0:
            yield piece
        else:
            index = int(piece)
            tile = static_tile(info, index, jobs[index], video_of(index), within.get(index), share)
            yield str(tile)


def width_of(info: SweepInfo) -> int:
    """Return how wide the grid is if there is room, in CSS pixels."""
    widths = [matrix_width(info, one) for one in info.matrices]
    return max(widths, default=info.columns * (info.tile + GAP) - GAP)


def _heading(info: SweepInfo, jobs: Sequence[JobSnapshot]) -> Iterator[Markup]:
    first, *rest = sweep_text.counts(info, jobs, saved=True)
    text = element("span", "".join(f" · {part}" for part in rest), style=_DIM)
    yield element("div", element("b", first, style="font-weight:500"), text)
    if info.prompt:
        prompt = job_text.one_line(info.prompt, 1000)
        yield element("div", prompt, style="margin:2px 0 0 0;overflow-wrap:anywhere", dir="auto")


def static_tile(
    info: SweepInfo,
    index: int,
    job: JobSnapshot,
    video: TileVideo | None,
    within: Sequence[int] | None = None,
    share: int = 100,
) -> Markup:
    """Return one tile as it is saved; without a video, a box with the job's state.

    `within` are the rows and columns of its matrix, whose headers replace the label;
    `share` is the largest percentage of its cell that it may take.
    """
    wide, high = shape(job, info.tile)
    label = info.label(index)
    name = element("b", label, style="display:none" if within else "font-weight:500")
    if video is None or video.src is None:
        bad = job.status == "failed"
        text = video.where if video else sweep_text.state(job)
        picture = element("div", style=_hole(high))
        # The dot, not the letters: no red is readable on both white and black.
        dot = element("span", "● ", style=f"color:{_RED}") if bad else None
        line = element("span", dot, text, style=_LINE + ("" if bad else _DIM), dir="auto")
    else:
        picture = video_element(
            video.src, player=video.player, title=label, size=(wide, high), preload=video.preload
        )
        line = _file(video)
    caption = element("figcaption", name, Markup(" "), line, style=_CAPTION)
    return element(
        "figure",
        picture,
        caption,
        style=f"margin:0;width:{wide}px;max-width:{share}%",
        data_in=" ".join(map(str, within)) if within else None,
    )


def _hole(high: int) -> str:
    return f"height:{high}px;border-radius:6px;{EMPTY}"


def _file(video: TileVideo) -> Markup:
    if video.link is None:
        return element("span", video.where, style=_LINE + _DIM, title=video.path)
    link = element("a", video.where, href=video.link, title=video.path)
    return element("span", link, style=_LINE)


# One page that contains everything, including the videos.


def page_html(
    info: SweepInfo,
    jobs: Sequence[JobSnapshot],
    video_of: Callable[[int], TileVideo | None],
    title: str,
    results: str,
) -> Iterator[str]:
    """Yield the pieces of a separate page; videos are read one at a time, since they are large.

    `results` is HTML with the results of votes, or "".
    """
    yield page_head(title)
    heading = element("h1", title, style="font-size:18px")
    several = sum(job.file is not None for job in jobs) > 1
    sweep = element(
        "div", *_heading(info, jobs), *_body(info, len(jobs), bar=several), class_="ipyreel-sweep"
    )
    table = element("div", Markup(results), style="overflow-x:auto") if results else None
    body = element("body", heading, sweep, table, style=PAGE_STYLE)
    yield from _filled(info, body, jobs, video_of)
