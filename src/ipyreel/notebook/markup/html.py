"""Building blocks for HTML: every value goes through one `escape`.

What is saved in a notebook uses plain inline styles only: JupyterLab shows an untrusted
notebook without `<style>`, `var()`, ids, `aria-*` and the `src` of `<source>`
(jupyterlab: packages/apputils/src/sanitizer.ts), so colours are inherited or fit light and
dark themes, and `src` is an attribute of the `<video>` itself. Live widgets may use style sheets
and `--jp-*` variables.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from ipyreel.notebook.markup import job_text

ShowMode = Literal["auto", "link", "embed"]
"""How the notebook gets a file: by its relative path, or as data in the notebook itself."""

_BLOCKS = {"body", "details", "div", "figcaption", "figure", "table", "tbody", "thead", "tr"}
_MATH = re.compile(r"[$\\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerOptions:
    """How a finished video is shown: link or embed, width in CSS pixels, and how it plays."""

    how: ShowMode = "auto"
    width: int | None = None
    loop: bool = False
    muted: bool = False
    autoplay: bool = False


EMPTY = "background-color:rgba(128,128,128,0.12)"
"""What is seen of a picture while it loads, in light and dark themes."""

FILLING = f"display:block;width:100%;height:auto;border-radius:6px;{EMPTY}"
"""The style of a player that is as wide as what it stands in."""


class Markup(str):
    """HTML that was made here, so that `element` does not escape it a second time."""

    __slots__ = ()


def escape(value: object) -> str:
    """Make any value safe inside an element or a quoted attribute."""
    return html.escape(job_text.clean(value), quote=True)


def element(tag: str, *content: object, **attributes: object) -> Markup:
    """Return `<tag ...>content</tag>` with everything but `Markup` escaped.

    An attribute that is None or False is left out, one that is True has no value; underscores
    in its name become hyphens, a trailing one is dropped (`class_`, `aria_label`).
    """
    parts = [f"<{tag}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        name = key.rstrip("_").replace("_", "-")
        parts.append(f" {name}" if value is True else f' {name}="{_attribute(value)}"')
    given = [item for item in content if item is not None]
    # Elements of a block get separate lines, so that a diff of two notebooks is readable.
    apart = tag in _BLOCKS and all(isinstance(item, Markup) for item in given)
    line = "\n" if apart and given else ""
    return Markup(f"{''.join(parts)}>{line}{line.join(map(_content, given))}{line}</{tag}>")


def _content(value: object) -> str:
    r"""Escape text, and keep Jupyter from typesetting text between two dollar signs.

    MathJax looks for `$...$`, `\(...\)` and the like in every HTML output, but not across
    tags. Classes that it ignores do not help in widgets, which pass it the inner element.
    """
    if isinstance(value, Markup):
        return value
    return _MATH.sub(r"<span>\g<0></span>", escape(value))


def _attribute(value: object) -> str:
    return value if isinstance(value, Markup) else escape(value)


@cache
def static(name: str) -> str:
    """Return the text of a file in `static/`."""
    return (files("ipyreel.notebook") / "static" / name).read_text("utf-8")


@cache
def packed(*names: str) -> Markup:
    """Return files of `static/` as they are saved with outputs: without indents and comments."""
    text = re.sub(r"/\*.*?\*/|(^|\s)// .*", "", "".join(map(static, names)))
    lines = (line.strip() for line in text.splitlines())
    inside = "\n".join(line for line in lines if line)
    # A scope of its own: one page may contain several.
    return Markup(f"(() => {{\n{inside}\n}})();" if names[0].endswith(".js") else inside)


def style_sheet(name: str) -> Markup:
    """Return a style sheet of `static/` as an element; `widgets.HTML` does not sanitise it."""
    return element("style", Markup(static(name)))


def video_element(
    src: str | None,
    *,
    player: PlayerOptions,
    title: str,
    size: tuple[int | None, int | None],
    style: str = f"display:block;max-width:100%;height:auto;border-radius:6px;{EMPTY}",
    preload: str = "metadata",
) -> Markup:
    """Return the `<video>` element, which only this function writes; `size` is in CSS pixels.

    `src` None: a script fills it in.
    `title` is what a screen reader says: `aria-label` does not pass the sanitizer.
    """
    return element(
        "video",
        src=src,
        controls=True,
        preload=preload,
        loop=player.loop,
        muted=player.muted or player.autoplay,  # browsers start only silent videos by themselves
        autoplay=player.autoplay,
        width=size[0],
        height=size[1],
        title=title,
        style=style,
    )


def page_head(title: str) -> Markup:
    """Return the beginning of a separate HTML page, up to its title."""
    # Browsers do not parse tags in a title, and `element` would put them around dollar signs.
    return Markup(f"{_PAGE_HEAD}{element('title', Markup(escape(title)))}")


PAGE_STYLE = "margin:0 auto;padding:24px;max-width:1100px;font-family:system-ui,sans-serif"
_PAGE_HEAD = (
    '<!doctype html><html lang="en"><meta charset="utf-8">'
    '<meta name="color-scheme" content="light dark">'
    '<meta name="viewport" content="width=device-width">'
)


def notice_html(text: str) -> Markup:
    """Return a few plain lines as HTML."""
    return element("div", text, style="white-space:pre-wrap;overflow-wrap:break-word")
