"""What verbs print: tables, notices and listings, as text and as HTML.

Each is an object with a mimebundle, so that it can be the value of a cell.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from ipyreel.notebook.markup import job_text
from ipyreel.notebook.markup.html import Markup, element, notice_html

_WIDEST = 60
_WORDS = 16
"""Characters of a cell that stay on one line."""


class Report:
    """A piece of output as plain text and as HTML."""

    def __init__(self, text: str, html: str) -> None:
        self.text = text
        self.html = str(html)  # marimo refuses a subclass of str

    def _repr_mimebundle_(
        self,
        include: object = None,  # noqa: ARG002 - IPython passes both by name
        exclude: object = None,  # noqa: ARG002
    ) -> Mapping[str, str]:
        return {"text/plain": self.text, "text/html": self.html}

    def __repr__(self) -> str:
        """Return the text, so that a terminal shows it as it is."""
        return self.text


class Notice(Report):
    """One or more plain lines."""

    def __init__(self, *lines: str) -> None:
        text = "\n".join(job_text.clean(line) for line in lines)
        super().__init__(text, notice_html(text))


class Listing(Report):
    """Lines in a fixed-width font, such as a request as it would be sent."""

    def __init__(self, *lines: str) -> None:
        text = "\n".join(job_text.clean(line) for line in lines)
        style = "white-space:pre-wrap;overflow-wrap:anywhere;margin:0"
        super().__init__(text, element("pre", text, style=style))


class Table(Report):
    """Rows under column names, or under none; columns of numbers are aligned to the right.

    `right` names further columns to align to the right, such as sums that are already text.
    None is an empty cell. `title` is above, `note` below; as text, a cell has at most `widest`
    characters (None: no limit).
    """

    def __init__(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[object]],
        *,
        right: Iterable[str] = (),
        title: str = "",
        note: str = "",
        widest: int | None = _WIDEST,
    ) -> None:
        cells = [tuple(row) for row in rows]
        aligned = _right(columns, cells, frozenset(right))
        # Lists, which have no head, are not cut.
        text = table_text(columns, cells, aligned, widest if columns else None)
        html = table_html(columns, cells, aligned, title)
        if note:
            html += notice_html(note)
        super().__init__("\n".join(filter(None, (title, text, note))), html)


def _right(
    columns: Sequence[str], rows: Sequence[Sequence[object]], named: frozenset[str]
) -> frozenset[int]:
    return frozenset(
        index
        for index, name in enumerate(columns)
        if name in named or _numbers([row[index] for row in rows])
    )


def _numbers(cells: Sequence[object]) -> bool:
    known = [cell for cell in cells if cell is not None]
    return bool(known) and all(
        isinstance(cell, int | float) and not isinstance(cell, bool) for cell in known
    )


def table_text(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    right: frozenset[int],
    widest: int | None,
) -> str:
    """Return the table with its columns aligned by blanks; `widest` cuts its cells."""
    lines = [[job_text.one_line(name) for name in columns]] if columns else []
    lines += [
        ["" if cell is None else job_text.one_line(cell, widest) for cell in row] for row in rows
    ]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            _blanks(cell, width) + cell if index in right else cell + _blanks(cell, width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _width(text: str) -> int:
    """Return a text's width in a terminal: two columns for CJK, none for combining marks."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.category(letter) in {"Mn", "Me", "Cf"}
        else 1 + (unicodedata.east_asian_width(letter) in "FW")
        for letter in text
    )


def _blanks(cell: str, width: int) -> str:
    return " " * (width - _width(cell))


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
    caption = element(
        "caption", title, style="text-align:left;padding:2px 10px 6px 0;white-space:pre-line"
    )
    return element("table", caption if title else None, head,
                   element("tbody", *body), style=style)  # fmt: skip


def _cell(tag: str, value: object, right: bool) -> Markup:  # noqa: FBT001 - two cells, one rule
    # Else browsers break "demo-1" and "2:04 ago" to make room for long prompts.
    wrap = "pre-wrap" if len(str(value)) > _WORDS else "pre"
    style = (
        f"text-align:{'right' if right else 'left'};padding:3px 14px 3px 0;vertical-align:top;"
        f"border-bottom:1px solid rgba(128,128,128,0.25);white-space:{wrap}"
    )
    scope = "col" if tag == "th" else None
    return element(tag, "" if value is None else value, style=style, scope=scope)
