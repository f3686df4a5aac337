"""Shows what votes have decided, as text and as HTML."""

from __future__ import annotations

from collections.abc import Mapping

from ipyreel.experiments.results import Rate, Results, Standing
from ipyreel.notebook.markup.tables import Notice, Report, Table

_WIDE = 21
"""Characters of a bar from 0 to 1: its middle is even odds."""


class ResultsReport(Report):
    """What votes have decided; `data` has the numbers."""

    def __init__(self, results: Results, costs: Mapping[str, str]) -> None:
        parts = [_head(results), *([_table(results, costs)] if results.standings else [])]
        lines = [*map(str, results.contrasts), *filter(None, [results.why_no_scores])]
        parts += [Notice(*lines)] if lines else []
        super().__init__("\n".join(one.text for one in parts), "".join(one.html for one in parts))
        self.data = results


def _head(results: Results) -> Report:
    if not results.votes:
        return Notice("No votes yet: %video vote BETTER WORSE records one.")
    people = "1 person" if results.voters == 1 else f"{results.voters} people"
    votes = "1 vote" if results.votes == 1 else f"{results.votes} votes"
    return Notice(f"{votes} by {people}.")


def _table(results: Results, costs: Mapping[str, str]) -> Report:
    columns = ("setting", "won", "lost", "tied", "wins", "95 % interval", "", "score", "cost")
    rows = [
        (
            one.setting,
            one.rate.wins,
            one.rate.losses,
            one.rate.ties,
            f"{one.rate.rate:.0%}",
            f"{one.rate.low:.0%} to {one.rate.high:.0%}",
            _bar(one.rate),
            _score(one),
            costs.get(one.setting, ""),
        )
        for one in results.standings
    ]
    return Table(columns, rows, right=("wins", "score", "cost"))


def _score(one: Standing) -> str:
    return "" if one.score is None else f"{one.score:+.2f} ± {one.margin or 0:.2f}"


def _bar(rate: Rate) -> str:
    low, at, high = (round(value * (_WIDE - 1)) for value in (rate.low, rate.rate, rate.high))
    marks = ["─" if low <= place <= high else "·" for place in range(_WIDE)]
    marks[_WIDE // 2] = "┼" if low <= _WIDE // 2 <= high else "│"
    marks[at] = "●"
    return "".join(marks)
