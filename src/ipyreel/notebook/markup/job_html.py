"""A job as HTML: the live card, and what is saved of each state."""

from __future__ import annotations

from collections.abc import Iterable

from ipyreel.notebook.markup import job_text
from ipyreel.notebook.markup.html import Markup, PlayerOptions, element, video_element
from ipyreel.values import JobSnapshot

# The live card. Each part is a separate widget: screen readers announce the word of the phase,
# so it is replaced only when it changes.

_NAMES = {"failed": "bad", "completed": "ok", "in_progress": "go", "downloading": "go"}


def phase_html(snapshot: JobSnapshot) -> Markup:
    """Return the dot and the phase, the only part that screen readers announce."""
    name = _NAMES.get(snapshot.status, "idle")
    dot = element("i", class_=f"ipyreel-dot {name}", aria_hidden="true")
    word = element("span", job_text.PHASES[snapshot.status], class_=name, role="status",
                   aria_live="polite")  # fmt: skip
    return element("div", dot, word, class_="ipyreel-phase")


def clock_html(snapshot: JobSnapshot, *, now: float, remaining: float | None = None) -> Markup:
    """Return the percentage or bytes, the time, and the estimated time left."""
    text = job_text.clock(snapshot, now, remaining)
    return element(
        "div",
        element("b", job_text.detail(snapshot)),
        element("span", text, title="time since submission"),
        class_="ipyreel-clock",
    )


def body_html(snapshot: JobSnapshot, *, trouble: str | None = None) -> Markup:
    """Return the progress bar, the sentence for the state, the prompt and the settings.

    `trouble` is an error of the card itself, such as a button's.
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
    return progress_bar(
        full,
        label=f"video {snapshot.id}",
        now=int(full) if known else None,
        text=job_text.phase(snapshot),
    )


def progress_bar(full: float, *, label: str, now: int | None, text: str) -> Markup:
    """Return a bar that is `full` per cent wide; `now` is the number known, `text` the phase."""
    return element(
        "div",
        element("i", style=f"width:{full:.4g}%"),
        class_="ipyreel-bar",
        role="progressbar",
        aria_label=f"Progress of {label}",
        aria_valuemin=0,
        aria_valuemax=100,
        aria_valuenow=now,
        aria_valuetext=text,
    )


def _why(sentence: str, *, bad: bool) -> Markup | None:
    if not sentence:
        return None
    return element("div", sentence, class_="ipyreel-why bad" if bad else "ipyreel-why", dir="auto")


def _facts(snapshot: JobSnapshot) -> list[str]:
    """Return what follows provider and model."""
    facts = list(job_text.settings(snapshot))
    if snapshot.failure and snapshot.failure.request_id:
        facts.append(f"request {snapshot.failure.request_id}")
    return [*facts, *filter(None, (job_text.price(snapshot),)), snapshot.id]


def _maker(snapshot: JobSnapshot) -> Markup:
    name = element("b", snapshot.provider, style="font-weight:500")
    model = snapshot.request.model
    return element("span", name, f" {model}" if model else None)


def _meta(snapshot: JobSnapshot) -> Markup:
    # The blanks are for readers who see the text without the style.
    facts = (Markup(f" {element('span', fact)}") for fact in _facts(snapshot))
    return element("div", _maker(snapshot), *facts, class_="ipyreel-meta")


# What is saved: it needs no class, no variable, no id and no aria attribute.

_PAPER = (
    "box-sizing:border-box;max-width:{}px;margin:0;padding:12px 14px;font-size:13px;"
    "line-height:1.45;border:1px solid rgba(128,128,128,0.4);border-radius:8px"
)
_SMALL = "margin-top:4px;font-size:12px;opacity:0.75;overflow-wrap:anywhere"
_RED, _GREY = "#d32f2f", "#808080"
_WIDE, _TALL = 530, 480
_NARROW = 330
"""The least width of the text below a small video."""


def finished_html(snapshot: JobSnapshot, src: str, *, player: PlayerOptions, where: str) -> str:
    """Return the finished video of a job as it is saved in the notebook.

    `src` is a relative URL or a data URI; `where` is the line on the file ("videos/a.mp4 ·
    3.1 MB, linked").
    """
    size = frame(snapshot, player.width)
    title = job_text.one_line(snapshot.request.prompt, 300)
    video = video_element(src, player=player, title=title, size=size)
    return _paper(video, *_caption(snapshot, where), width=max(size[0] or _WIDE, _NARROW) + 30)


def player_html(src: str, *, player: PlayerOptions, name: str, line: str) -> str:
    """Return a video without a job as it is saved: the player and a line.

    `name` is the file's, for screen readers; `line` describes it ("3.1 MB, linked").
    """
    size = (player.width, None)
    video = video_element(src, player=player, title=name, size=size, style="max-width:100%")
    return Markup(video + element("p", line))


def frame(snapshot: JobSnapshot | None, width: int | None) -> tuple[int | None, int | None]:
    """Return width and height of the player in CSS pixels, None if they are not known.

    The requested width is used if given; else the picture is fitted into a card.
    """
    across, down = picture_size(snapshot) if snapshot else (0, 0)
    if not across or not down:
        return width, None
    wide = width or max(1, min(across, _WIDE, round(_TALL * across / down)))
    return wide, max(1, round(wide * down / across))


def picture_size(snapshot: JobSnapshot) -> tuple[int, int]:
    """Return width and height in pixels, of the file or else the request; (0, 0): not known."""
    file = snapshot.file
    if file is not None and file.width and file.height:
        return file.width, file.height
    parts = [int(part) for part in (snapshot.request.size or "").split("x") if part.isdecimal()]
    return (parts[0], parts[1]) if len(parts) == 2 and all(parts) else (0, 0)  # noqa: PLR2004


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
    """Return provider, model and settings, and below them the line on the file."""
    model = snapshot.request.model
    facts_text = " · ".join((f" {model}" if model else "", *filter(None, facts)))
    line = element("div", where) if where else None
    return element("div", element("b", snapshot.provider), facts_text, line, style=_SMALL)


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


def static_html(snapshot: JobSnapshot, link: str | None = None, command: str = "") -> str:
    """Return the saved form of any state but "completed".

    For a failed, cancelled or unknown job: what happened, and what to do. For any other job: a
    text that is true while it runs and after it has ended; `link` is the URL that the file will
    have, None if it will be embedded, and `command` shows the job. The player loads nothing by
    itself, so that an open page does not request a file that does not exist yet.
    """
    caption = (_prompt(snapshot.request.prompt), _small(snapshot, _facts(snapshot)))
    if snapshot.status in {"failed", "cancelled", "unknown"}:
        colour = _RED if snapshot.status == "failed" else _GREY
        note = _note(job_text.sentence(snapshot), colour)
        return _paper(_head(snapshot, colour), note, *caption)
    note = _note(
        job_text.unfinished(command or f"%video show {snapshot.id}", player=link is not None), _GREY
    )
    if link is None:
        return _paper(note, *caption)
    size = frame(snapshot, None)
    title = job_text.one_line(snapshot.request.prompt, 300)
    video = video_element(link, player=PlayerOptions(), title=title, size=size, preload="none")
    return _paper(video, note, *caption, width=max(size[0] or _WIDE, _NARROW) + 30)


def missing_html(snapshot: JobSnapshot | None, sentence: str) -> str:
    """Return a finished video that is not shown here; the sentence says why and where it is."""
    return _paper(_note(sentence, _GREY), *_caption(snapshot, ""))
