"""Shows the results of votes, as text and as HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby

from ipyreel.experiments.results import Rate, Results, Standing
from ipyreel.notebook.markup.html import element
from ipyreel.notebook.markup.tables import Notice, Report, Table

_WIDE = 21
"""Characters of a bar from 0 to 1; its middle means even odds."""

_PIXELS = 160
"""Width of the same bar in HTML."""

_COLUMNS = ("setting", "won", "lost", "tied", "wins", "95 % interval", "", "score", "cost")


class ResultsReport(Report):
    """The results of votes; `data` has the numbers."""

    def __init__(self, results: Results, costs: Mapping[str, str]) -> None:
        parts = [_head(results), *([_table(results, costs)] if results.standings else [])]
        lines = [*map(str, results.contrasts), *filter(None, [results.why_no_scores])]
        parts += [Notice(*lines)] if lines and results.votes else []
        super().__init__("\n".join(one.text for one in parts), "".join(one.html for one in parts))
        self.data = results


def _head(results: Results) -> Report:
    if not results.votes:
        return Notice("No votes yet: %video judge JOBS asks for them, %video vote records one.")
    people = "1 person" if results.voters == 1 else f"{results.voters} people"
    votes = "1 vote" if results.votes == 1 else f"{results.votes} votes"
    lines = [f"{votes} by {people}."]
    if results.adaptive:
        lines.append(
            f"{results.adaptive} on pairs that were chosen because they were close: they count "
            "for the scores, not for wins and intervals."
        )
    return Notice(*lines)


def _table(results: Results, costs: Mapping[str, str]) -> Report:
    def table(bar: Callable[[Rate], str]) -> Table:
        rows = [_row(one, bar(one.rate), costs) for one in results.standings]
        return Table(_COLUMNS, rows, right=("wins", "score", "cost"))

    return Report(table(_bar).text, table(_bar_html).html)


def _row(one: Standing, bar: str, costs: Mapping[str, str]) -> tuple[object, ...]:
    rate = one.rate
    return (
        one.setting,
        rate.wins,
        rate.losses,
        rate.ties,
        f"{rate.rate:.0%}",
        f"{rate.low:.0%} to {rate.high:.0%}" if rate.balanced else "unknown",
        bar,
        _score(one),
        costs.get(one.setting, ""),
    )


def _score(one: Standing) -> str:
    if one.score is None:
        return ""
    return f"{one.score:+.2f}" + (f" ± {one.margin:.2f}" if one.margin is not None else "")


def _bar(rate: Rate) -> str:
    low, at, high = (round(value * (_WIDE - 1)) for value in (rate.low, rate.rate, rate.high))
    marks = ["─" if low <= place <= high else "·" for place in range(_WIDE)]
    marks[_WIDE // 2] = "┼" if low <= _WIDE // 2 <= high else "│"
    marks[at] = "●"
    return "".join(marks)


def _bar_html(rate: Rate) -> str:
    """Return the bar as boxes side by side: a sanitizer removes other kinds of pictures."""
    low, at, high = (round(value * (_PIXELS - 1)) for value in (rate.low, rate.rate, rate.high))

    def colour(place: int) -> str:
        if abs(place - at) <= 1:
            return "#1976d2"
        if place == _PIXELS // 2:
            return "#888888"
        return f"rgba(25,118,210,{0.4 if low <= place <= high else 0.1})"

    boxes = [
        element("div", style=f"width:{len(list(run))}px;height:12px;background-color:{name}")
        for name, run in groupby(range(_PIXELS), colour)
    ]
    return element("div", *boxes, style="display:flex", title=f"{rate.rate:.0%}")
