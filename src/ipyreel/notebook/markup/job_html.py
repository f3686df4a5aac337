"""All HTML of the project is made here, and every value in it goes through one `escape`.

Pure functions from snapshots and strings to strings; may import `job_text` and `values`. ActiveJob
cards may use `style()` and `--jp-*` variables. What is saved in a notebook may not: JupyterLab
shows somebody else's notebook without `<style>`, `var()`, ids, `aria-*` and the `src` of
`<source>` (jupyterlab: packages/apputils/src/sanitizer.ts), so it has plain inline styles,
colours that are inherited or fit light and dark themes, and the source on the `<video>`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from ipyreel.notebook.markup import job_text
from ipyreel.notebook.markup.job_text import amount, dollars, elapsed, money, phase, text
from ipyreel.values import JobSnapshot

__all__ = [
    "How",
    "Look",
    "Markup",
    "amount",
    "card_html",
    "dollars",
    "elapsed",
    "element",
    "escape",
    "finished_html",
    "money",
    "phase",
    "table_html",
    "text",
]

How = Literal["auto", "link", "embed"]
"""How a file gets into the notebook: by its relative path, or as data in the notebook itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a finished video is shown: link or embed, width in CSS pixels, and how it plays."""

    how: How = "auto"
    width: int | None = None
    loop: bool = False
    muted: bool = False
    autoplay: bool = False


_MATH = re.compile(r"[$\\]")


class Markup(str):
    """HTML that was made here, so that `element` does not escape it a second time."""

    __slots__ = ()


def escape(value: object) -> str:
    """Make any value safe inside an element or a quoted attribute."""
    return html.escape(job_text.clean(value), quote=True)


def element(tag: str, *content: object, **attributes: object) -> Markup:
    """Return `<tag ...>content</tag>` with everything but `Markup` escaped.

    An attribute that is None or False is left out, one that is True stands bare; underscores
    in its name become hyphens, a last one is dropped (`class_`, `aria_label`).
    """
    parts = [f"<{tag}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        name = key.rstrip("_").replace("_", "-")
        parts.append(f" {name}" if value is True else f' {name}="{_safe(value)}"')
    parts.append(">")
    parts.extend(_content(item) for item in content if item is not None)
    parts.append(f"</{tag}>")
    return Markup("".join(parts))


def _content(value: object) -> str:
    r"""Escape text, and keep Jupyter from typesetting what stands between two dollars.

    MathJax looks for `$...$`, `\(...\)` and the like in every HTML output, but not across
    tags. Classes that it ignores do not help within widgets, which hand it the inner element.
    """
    if isinstance(value, Markup):
        return value
    return _MATH.sub(r"<span>\g<0></span>", escape(value))


def _safe(value: object) -> str:
    return value if isinstance(value, Markup) else escape(value)


# The live card. Its parts are apart because each is a widget of its own: the word of the
# phase is announced by screen readers, and is replaced only when it changes.

_NAMES = {"failed": "bad", "completed": "ok", "in_progress": "go", "downloading": "go"}


@cache
def style() -> Markup:
    """Return the one style sheet of the live card; `widgets.HTML` is not sanitised."""
    sheet = (files("ipyreel.notebook") / "static" / "card.css").read_text("utf-8")
    return Markup(f"<style>{sheet}</style>")


def phase_html(snapshot: JobSnapshot) -> Markup:
    """Return the coloured dot and the phase's word, the only part that is read out by itself."""
    name = _NAMES.get(snapshot.status, "idle")
    dot = element("i", class_=f"ipyreel-dot {name}", aria_hidden="true")
    word = element("span", job_text.PHASES[snapshot.status], class_=name, role="status",
                   aria_live="polite")  # fmt: skip
    return element("div", dot, word, class_="ipyreel-phase")


def clock_html(snapshot: JobSnapshot, *, now: float, remaining: float | None = None) -> Markup:
    """Return what changes most: the percentage or bytes, the time, and what is left."""
    told = job_text.clock(snapshot, now, remaining)
    return element(
        "div",
        element("b", job_text.detail(snapshot)),
        element("span", told, title="time since it was asked for"),
        class_="ipyreel-clock",
    )


def body_html(snapshot: JobSnapshot, *, trouble: str | None = None) -> Markup:
    """Return the bar, the sentence that belongs to the state, the prompt and the settings.

    `trouble` is a sentence on something that went wrong in the card itself, a button's.
    """
    prompt = job_text.one_line(snapshot.request.prompt)
    return element(
        "div",
        _bar(snapshot),
        _why(job_text.sentence(snapshot), bad=snapshot.status == "failed"),
        _why(trouble or "", bad=True),
        element("p", prompt, class_="ipyreel-prompt", dir="auto", title=prompt) if prompt else None,
        _meta(snapshot),
        class_="ipyreel-body",
    )


def _bar(snapshot: JobSnapshot) -> Markup | None:
    full = job_text.bar(snapshot)
    if full is None:
        return None
    known = job_text.detail(snapshot) != "" or bool(snapshot.progress)
    return element(
        "div",
        element("i", style=f"width:{full:.4g}%"),
        class_="ipyreel-bar",
        role="progressbar",
        aria_label=f"Progress of video {snapshot.id}",
        aria_valuemin=0,
        aria_valuemax=100,
        aria_valuenow=int(full) if known else None,
        aria_valuetext=job_text.phase(snapshot),
    )


def _why(sentence: str, *, bad: bool) -> Markup | None:
    if not sentence:
        return None
    return element("div", sentence, class_="ipyreel-why bad" if bad else "ipyreel-why", dir="auto")


def _facts(snapshot: JobSnapshot) -> list[str]:
    """Return the small print behind provider and model."""
    facts = list(job_text.settings(snapshot))
    if snapshot.failure and snapshot.failure.request_id:
        facts.append(f"request {snapshot.failure.request_id}")
    return [*facts, *filter(None, (job_text.price(snapshot),)), snapshot.id]


def _maker(snapshot: JobSnapshot) -> Markup:
    name = element("b", snapshot.provider, style="font-weight:500")
    model = snapshot.request.model
    return element("span", name, f" {model}" if model else None)


def _meta(snapshot: JobSnapshot) -> Markup:
    # The blanks are for whoever reads the text without the style.
    facts = (Markup(f" {element('span', fact)}") for fact in _facts(snapshot))
    return element("div", _maker(snapshot), *facts, class_="ipyreel-meta")


def card_html(
    snapshot: JobSnapshot,
    *,
    now: float,
    remaining: float | None = None,
    trouble: str | None = None,
) -> str:
    """Return a whole card as it looks at `now` (seconds since the epoch), buttons apart.

    Needs `style()` on the page. `remaining` is the guess in seconds of what is left.
    """
    return element(
        "div",
        phase_html(snapshot),
        clock_html(snapshot, now=now, remaining=remaining),
        body_html(snapshot, trouble=trouble),
        class_="ipyreel",
    )


# What is saved. No class is needed, no variable, no id, no aria.

_PAPER = (
    "box-sizing:border-box;max-width:{}px;margin:0;padding:12px 14px;font-size:13px;"
    "line-height:1.45;border:1px solid rgba(128,128,128,0.4);border-radius:8px"
)
_SMALL = "margin-top:4px;font-size:12px;opacity:0.75;overflow-wrap:anywhere"
_PLAYER = "display:block;max-width:100%;height:auto;border-radius:6px"
_RED, _GREY = "#d32f2f", "#808080"
_WIDE, _TALL = 530, 480
_NARROW = 330
"""The least that the text below a small video is given."""
_HOLE = Markup("\x00")  # `escape` lets none through, so the one that is found is ours


def finished_html(snapshot: JobSnapshot, src: str, *, look: Look, where: str) -> str:
    """Return the finished video of a job as it is saved in the notebook.

    `src` is a relative URL or a data URI; `where` is the line on the file ("videos/a.mp4 ·
    3.1 MB, linked").
    """
    size = frame(snapshot, look.width)
    video = _player(size, look, job_text.one_line(snapshot.request.prompt, 300), _PLAYER)
    page = _paper(video, *_caption(snapshot, where), width=max(size[0] or _WIDE, _NARROW) + 30)
    return _filled(page, src)


def player_html(src: str, *, look: Look, name: str, told: str) -> str:
    """Return a video without a job as it is saved: the player and a line, not a byte more.

    `name` is the file's, for screen readers; `told` is how it is shown ("3.1 MB, linked").
    """
    player = _player((look.width, None), look, name, "max-width:100%")
    return _filled(Markup(player + element("p", told)), src)


def _filled(page: Markup, src: str) -> str:
    # Put in last: a data URI is long, and is copied once.
    before, _, after = page.partition(_HOLE)
    return "".join((before, escape(src), after))


def _player(size: tuple[int | None, int | None], look: Look, title: str, style: str) -> Markup:
    return element(
        "video",
        src=_HOLE,
        controls=True,
        preload="metadata",
        loop=look.loop,
        muted=look.muted or look.autoplay,  # browsers play by themselves only what is silent
        autoplay=look.autoplay,
        width=size[0],
        height=size[1],
        title=title,  # what a screen reader says; aria-label does not outlive the sanitizer
        style=style,
    )


def frame(snapshot: JobSnapshot | None, width: int | None) -> tuple[int | None, int | None]:
    """Return width and height of the player in CSS pixels, None where they are not known.

    What was asked for counts; else the picture is fitted into what a card has room for.
    """
    file = snapshot.file if snapshot else None
    if not file or not file.width or not file.height:
        return width, None
    fitted = min(file.width, _WIDE, round(_TALL * file.width / file.height))
    wide = width or max(1, fitted)
    return wide, max(1, round(wide * file.height / file.width))


def _caption(snapshot: JobSnapshot | None, where: str) -> Iterable[Markup]:
    if snapshot is not None:
        yield _prompt(snapshot.request.prompt)
        facts = [*job_text.settings(snapshot), job_text.lasted(snapshot), job_text.price(snapshot)]
        yield _small(snapshot, facts, where)


def _prompt(prompt: str) -> Markup:
    """Return the prompt; a long one is folded, so that the notebook stays readable."""
    style = "margin:8px 0 0 0;white-space:pre-wrap;overflow-wrap:break-word"
    if len(prompt) <= 400:  # noqa: PLR2004 - about five lines of a card
        return element("p", prompt.strip(), style=style, dir="auto")
    head = element("summary", job_text.one_line(prompt, 160), dir="auto")
    return element("details", head, element("p", prompt.strip(), style=style, dir="auto"),
                   style="margin:8px 0 0 0")  # fmt: skip


def _small(snapshot: JobSnapshot, facts: Iterable[str], where: str = "") -> Markup:
    """Return who made it and with what, and the line on the file below."""
    model = snapshot.request.model
    told = " · ".join((f" {model}" if model else "", *filter(None, facts)))
    line = element("div", where) if where else None
    return element("div", element("b", snapshot.provider), told, line, style=_SMALL)


def _paper(*content: Markup | None, width: int = 560) -> Markup:
    return element("figure", *content, style=_PAPER.format(width))


def _head(snapshot: JobSnapshot, colour: str) -> Markup:
    dot = element("span", "●", style=f"color:{colour}")
    word = element("strong", job_text.PHASES[snapshot.status])
    time = element("span", job_text.lasted(snapshot), style="margin-left:10px;opacity:0.75")
    return element("div", dot, Markup(" "), word, Markup(" "), time)


def _note(sentence: str, colour: str) -> Markup:
    style = (
        f"margin:8px 0 0 0;padding:6px 10px;border-left:3px solid {colour};"
        "background-color:rgba(128,128,128,0.12);overflow-wrap:break-word"
    )
    return element("div", sentence, style=style, dir="auto")


def failed_html(snapshot: JobSnapshot) -> str:
    """Return a job that came to no video, as it is saved: what happened and what to do.

    Of cancelled and unknown jobs too: the sentence is the state's own.
    """
    colour = _RED if snapshot.status == "failed" else _GREY
    return _told_html(snapshot, job_text.sentence(snapshot), colour)


def waiting_html(snapshot: JobSnapshot) -> str:
    """Return what stands in a notebook that was saved while the job was under way."""
    sentence = (
        "The notebook was saved before this video was ready. "
        f"In a running notebook, %video show {snapshot.id} shows how it stands now."
    )
    return _told_html(snapshot, sentence, _GREY)


def _told_html(snapshot: JobSnapshot, sentence: str, colour: str) -> str:
    return _paper(
        _head(snapshot, colour),
        _note(sentence, colour),
        _prompt(snapshot.request.prompt),
        _small(snapshot, _facts(snapshot)),
    )


def static_html(snapshot: JobSnapshot) -> str:
    """Return the saved form of any state that has no video to show."""
    stays = snapshot.status in {"failed", "cancelled", "unknown"}
    return failed_html(snapshot) if stays else waiting_html(snapshot)


def missing_html(snapshot: JobSnapshot | None, sentence: str) -> str:
    """Return a finished video that cannot be shown here: the sentence says why and where it is."""
    return _paper(_note(sentence, _GREY), *_caption(snapshot, ""))


def notice_html(sentence: str) -> str:
    """Return a few plain lines as HTML."""
    return element("div", sentence, style="white-space:pre-wrap;overflow-wrap:break-word")


def table_html(
    columns: Sequence[str], rows: Sequence[Sequence[object]], right: frozenset[int], title: str = ""
) -> str:
    """Return a table; the columns whose numbers are in `right` are aligned to the right.

    Without `columns` it has no head.
    """
    names = element("tr", *(_cell("th", name, i in right) for i, name in enumerate(columns)))
    head = element("thead", names) if columns else None
    body = [
        element("tr", *(_cell("td", value, i in right) for i, value in enumerate(row)))
        for row in rows
    ]
    style = "border-collapse:collapse;font-size:13px;line-height:1.45;text-align:left"
    caption = element("caption", title, style="text-align:left;padding:2px 10px 6px 0")
    return element("table", caption if title else None, head,
                   element("tbody", *body), style=style)  # fmt: skip


def _cell(tag: str, value: object, right: bool) -> Markup:  # noqa: FBT001 - two cells, one rule
    style = (
        f"text-align:{'right' if right else 'left'};padding:3px 14px 3px 0;vertical-align:top;"
        "border-bottom:1px solid rgba(128,128,128,0.25);white-space:pre-wrap"
    )
    scope = "col" if tag == "th" else None
    return element(tag, "" if value is None else value, style=style, scope=scope)
