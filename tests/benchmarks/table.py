"""Figures and the table they are printed in."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line: a ratio (or an amount) in several repetitions, and what is to be reached.

    `reach` is a bound from above, or from below where `at_least`; None: only told.
    """

    what: str
    against: str
    values: Sequence[float]
    reach: float | None = None
    at_least: bool = False
    unit: str = "x"
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def reached(self) -> bool:
        if self.reach is None:
            return True
        return self.median >= self.reach if self.at_least else self.median <= self.reach

    def cells(self) -> list[str]:
        values = self.values
        spread = f"{number(min(values))}-{number(max(values))}" if len(values) > 1 else ""
        bound = "" if self.reach is None else f"{'>=' if self.at_least else '<='} {self.reach:g}"
        verdict = "" if self.reach is None else ("yes" if self.reached else "NO")
        amount = f"{number(self.median)} {self.unit}"
        return [self.what, self.against, amount, spread, bound, verdict, self.note]


HEAD = ["what", "against", "median", "spread", "reach", "met", "note"]


def number(value: float) -> str:
    """Write a number with three digits or so."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Return rows, the head first, as a Markdown table that is aligned for reading as it is."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def show(figures: Sequence[Figure]) -> str:
    """Return the table of all figures."""
    return markdown([HEAD, *(figure.cells() for figure in figures)])


def say(*words: object) -> None:
    """Tell how far it is, on stderr, so that the table stays alone on stdout."""
    sys.stderr.write(" ".join(map(str, words)) + "\n")
    sys.stderr.flush()
