"""An HTML page that asks for votes: two videos in sync, blind, and the votes as a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ipyreel.notebook.markup.html import (
    FILLING,
    PAGE_STYLE,
    Markup,
    PlayerOptions,
    element,
    page_head,
    video_element,
)

HOW = (
    "Which video is better? Use the buttons, or the keys ← and → for the better one, ↓ for a tie, "
    "Space to play and pause, and U to remove a vote. At the end, save your votes as a file. "
    "This page sends nothing."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """A video of the page: its SHA-256, the name of its setting, and its data URI."""

    sha256: str
    label: str
    src: str


def question(
    pairs: Sequence[tuple[str, str]], *, goal: int, page_id: str, form: str
) -> dict[str, str]:
    """Return the script's data: the pairs in their order, and how many votes to ask for."""
    return {"data_sets": json.dumps(pairs), "data_goal": str(goal), "data_id": page_id,
            "data_title": form}  # fmt: skip


def players() -> list[Markup]:
    """Return the two players, which the script fills."""
    muted = PlayerOptions(muted=True)
    return [
        element(
            "figure",
            video_element(None, player=muted, title=name, size=(None, None), style=FILLING),
            element("figcaption", name),
            class_="ipyreel-shown",
            style="flex:1 1 240px;min-width:0;max-width:530px;margin:0",
        )
        for name in ("Left", "Right")
    ]


def page_html(title: str, stand: Markup, films: Iterable[Film], results: str) -> Iterator[str]:
    """Yield the pieces of the page; `films` is read one at a time, since they are large.

    `results` is HTML on the votes so far. It is folded together with the settings.
    """
    yield f'{page_head(title)}<body style="{PAGE_STYLE}">'
    yield str(element("h1", title, style="font-size:18px"))
    yield str(element("p", HOW))
    yield str(element("noscript", "This page needs JavaScript."))
    yield str(stand)
    yield "<details><summary>The settings (look at them after you have voted)</summary>"
    for film in films:
        yield str(_film(film))
    yield f"{results}</details></body></html>"


def _film(film: Film) -> Markup:
    player = element(
        "video", src=film.src, controls=True, preload="none", width=240, title=film.label,
        data_video=film.sha256,
    )  # fmt: skip
    caption = element("figcaption", film.label, dir="auto")
    style = "display:inline-block;margin:8px;vertical-align:top;max-width:240px"
    return element("figure", player, caption, style=style)
