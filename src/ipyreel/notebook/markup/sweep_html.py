"""The HTML of a sweep: the live grid, the static one that is saved, and the exported page.

Pure functions; may import `display`, by whose `element` and `escape` every value goes, `board`
and `job_text`. What is saved keeps to what an untrusted notebook shows (see `display`): flex
boxes are kept, a grid of `aspect-ratio` boxes would not be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from ipyreel.notebook.markup import job_text, sweep_text
from ipyreel.notebook.markup.job_html import Look, Markup, element, escape
from ipyreel.notebook.markup.sweep_text import Board
from ipyreel.values import JobSnapshot

GAP = 10
"""CSS pixels between two tiles."""

SHAPE = (16, 9)
"""The shape of a tile whose size nobody knows yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """A finished video as a tile needs it.

    `src` is what the player plays (a relative URL or a data URI; None: it cannot be shown),
    `where` the line on the file, or why there is nothing to play; `path` says in full where it
    lies, `link` leads there where there is a way.
    """

    src: str | None
    where: str
    path: str | None = None
    link: str | None = None
    look: Look = field(default_factory=Look)


# The live grid. What does not move yet is a widget of its own: all tiles that are not
# finished are one, so that forty of them are one message.


@cache
def style() -> Markup:
    """Return the style sheet of the live grid; `widgets.HTML` is not sanitised."""
    sheet = (files("ipyreel.notebook") / "static" / "grid.css").read_text("utf-8")
    return element("style", Markup(sheet))


def places(number: int) -> Markup:
    """Return the rules that put the button of each tile behind it."""
    rules = "".join(f".ipyreel-at-{place}{{order:{place}}}" for place in range(number))
    return element("style", Markup(rules))


def head_html(given: Board, jobs: Sequence[JobSnapshot]) -> Markup:
    """Return the line that sums up; screen readers read it out when a count changes."""
    first, *rest = sweep_text.counts(given, jobs)
    told = "".join(f" · {part}" for part in rest)
    return element(
        "div", element("b", first), told, class_="ipyreel-sums", role="status", aria_live="polite"
    )


def clock_html(jobs: Sequence[JobSnapshot], now: float) -> Markup:
    """Return the time that the sweep has taken so far."""
    return element("div", sweep_text.lasted(jobs, now), class_="ipyreel-time",
                   title="time since it was asked for")  # fmt: skip


def prompt_html(given: Board, trouble: str | None = None) -> Markup:
    """Return the prompt that all share, and a sentence on what went wrong in the grid itself."""
    prompt = job_text.one_line(given.prompt or "")
    return element(
        "div",
        element("p", prompt, class_="ipyreel-prompt", dir="auto", title=prompt) if prompt else None,
        element("div", trouble, class_="ipyreel-why bad", dir="auto") if trouble else None,
    )


def tiles_html(tiles: Iterable[Markup]) -> Markup:
    """Return the tiles as one; each says its place in the grid."""
    return element("div", *tiles, class_="ipyreel-tiles")


def live_tile(given: Board, index: int, job: JobSnapshot) -> Markup:
    """Return the tile of a job at place `index` that has not ended in a video."""
    wide, high = shape(job, given.tile)
    full = job_text.bar(job)
    bad = job.status == "failed"
    told = sweep_text.state(job)
    name = "bad" if bad else "still" if full is None or sweep_text.waits(job) else ""
    return element(
        "figure",
        element("div", class_=f"ipyreel-screen {name}", style=f"height:{high}px"),
        None if full is None else _bar(given.label(index), job, full),
        element(
            "figcaption",
            element("b", given.label(index)),
            Markup(" "),
            element("span", told, class_=name, dir="auto", title=job_text.sentence(job) or None),
        ),
        class_="ipyreel-tile",
        style=f"order:{index};width:{wide}px",
    )


def _bar(label: str, job: JobSnapshot, full: float) -> Markup:
    return element(
        "div",
        element("i", style=f"width:{0 if sweep_text.waits(job) else full:.4g}%"),
        class_="ipyreel-bar",
        role="progressbar",
        aria_label=f"Progress of {label}",
        aria_valuemin=0,
        aria_valuemax=100,
        aria_valuenow=int(job.progress) if job.progress is not None else None,
        aria_valuetext=sweep_text.state(job),
    )


def shape(job: JobSnapshot, wide: int) -> tuple[int, int]:
    """Return width and height of a job's picture in CSS pixels, in a tile `wide` pixels wide."""
    file = job.file
    if file is not None and file.width and file.height:
        across, down = file.width, file.height
    else:
        size = job.request.size or ""
        parts = [int(part) for part in size.split("x") if part.isdigit()]
        across, down = parts if len(parts) == 2 and all(parts) else SHAPE  # noqa: PLR2004
    return wide, max(1, round(wide * down / across))


# What is saved: plain inline styles only.

_BOX = "box-sizing:border-box;margin:0;font-size:13px;line-height:1.45"
_TILES = f"display:flex;flex-wrap:wrap;align-items:flex-start;gap:12px {GAP}px;margin:8px 0 0 0"
_CAPTION = "margin:3px 0 0 0;font-size:12px;line-height:1.4;overflow-wrap:anywhere"
_LINE = "display:block;font-size:11px;"
_DIM = "opacity:0.75;"
_RED = "#d32f2f"


def grid_html(
    given: Board,
    jobs: Sequence[JobSnapshot],
    films: Mapping[str, Film],
    *,
    preload: str = "metadata",
) -> str:
    """Return the grid as it is saved: every video, or why there is none, under its label.

    `films` has the finished videos by the ids of their jobs. Linked videos take about 1 kB.
    `preload` is what the players load before they play.
    """
    return element(
        "div",
        *_heading(given, jobs),
        element(
            "div",
            *(
                static_tile(given, at, job, films.get(job.id), preload=preload)
                for at, job in enumerate(jobs)
            ),
            style=f"{_TILES};max-width:{width_of(given)}px",
        ),
        style=_BOX,
    )


def width_of(given: Board) -> int:
    """Return how wide the grid is where there is room, in CSS pixels."""
    return given.columns * (given.tile + GAP) - GAP


def _heading(given: Board, jobs: Sequence[JobSnapshot]) -> Iterator[Markup]:
    first, *rest = sweep_text.counts(given, jobs)
    told = element("span", "".join(f" · {part}" for part in rest), style=_DIM)
    yield element("div", element("b", first, style="font-weight:500"), told)
    if given.prompt:
        prompt = job_text.one_line(given.prompt, 1000)
        yield element("div", prompt, style="margin:2px 0 0 0;overflow-wrap:anywhere", dir="auto")


def static_tile(
    given: Board, index: int, job: JobSnapshot, film: Film | None, *, preload: str = "metadata"
) -> Markup:
    """Return one tile as it is saved; with no film, a box that says how the job stands."""
    wide, high = shape(job, given.tile)
    label = given.label(index)
    name = element("b", label, style="font-weight:500")
    if film is None or film.src is None:
        bad = job.status == "failed"
        told = film.where if film else sweep_text.state(job)
        picture = element("div", style=_hole(high))
        # The dot and not the letters: no red can be read on white and on black.
        dot = element("span", "● ", style=f"color:{_RED}") if bad else None
        line = element("span", dot, told, style=_LINE + ("" if bad else _DIM), dir="auto")
    else:
        picture = _player(label, film.src, (wide, high), film.look, preload)
        line = _file(film)
    caption = element("figcaption", name, Markup(" "), line, style=_CAPTION)
    return element("figure", picture, caption, style=f"margin:0;width:{wide}px;max-width:100%")


def _hole(high: int) -> str:
    return f"height:{high}px;border-radius:6px;background-color:rgba(128,128,128,0.12)"


def _player(label: str, src: str, size: tuple[int, int], look: Look, preload: str) -> Markup:
    return element(
        "video",
        src=Markup(escape(src)),
        controls=True,
        preload=preload,
        loop=look.loop,
        muted=look.muted or look.autoplay,
        autoplay=look.autoplay,
        width=size[0],
        height=size[1],
        title=label,
        style="display:block;max-width:100%;height:auto;border-radius:6px",
    )


def _file(film: Film) -> Markup:
    if film.link is None:
        return element("span", film.where, style=_LINE + _DIM, title=film.path)
    link = element("a", film.where, href=film.link, title=film.path)
    return element("span", link, style=_LINE)


# One page that holds everything, videos too.

_HEAD = Markup(
    '<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
)
_PAGE = "margin:0 auto;padding:24px;max-width:1100px;font-family:system-ui,sans-serif"


def page_html(
    given: Board, jobs: Sequence[JobSnapshot], films: Iterable[Film | None], title: str
) -> Iterator[str]:
    """Give the pieces of a page of its own; `films` is read one at a time, for they are large."""
    yield f"{_HEAD}{element('title', title)}"
    body = element("body", Markup("\0"), style=_PAGE)
    before, _, after = body.partition("\0")
    tiles = element("div", Markup("\0"), style=f"{_TILES};max-width:{width_of(given)}px")
    opened, _, closed = tiles.partition("\0")
    yield f"{before}{element('h1', title, style='font-size:18px')}"
    yield from map(str, _heading(given, jobs))
    yield opened
    for at, (job, film) in enumerate(zip(jobs, films, strict=True)):
        yield str(static_tile(given, at, job, film))
    yield f"{closed}{after}"
