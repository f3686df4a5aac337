"""Arranges the jobs of a sweep as matrices: the first varied field down, the second across."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ipyreel.sweeps import FIELDS, TAKE, short_texts, word_of, words_of
from ipyreel.values import Json

Values = Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """One table of jobs; `cells[row][column]` has the indexes of the jobs (several: samples).

    `title` has the values of all further fields, `corner` the names of the two fields.
    """

    title: str
    corner: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[tuple[int, ...], ...], ...]

    @property
    def samples(self) -> int:
        """How many jobs a cell has."""
        return len(self.cells[0][0])

    @property
    def block(self) -> int:
        """How many samples are side by side in a cell."""
        return math.ceil(math.sqrt(self.samples))

    @property
    def share(self) -> int:
        """The percentage of a cell's width that a sample may take."""
        return 100 if self.block == 1 else 100 // self.block - 4


def matrices(differs: Sequence[Values], prompt: str | None) -> tuple[Matrix, ...]:
    """Return the matrices of jobs by how they differ; () unless the fields are a full product.

    Every combination of at least two fields must have the same number of jobs. Notes count as
    fields only if they are part of the product. `prompt` is the shared prompt, as typed.
    """
    words = words_of(prompt, differs)
    names = [
        name
        for name in dict.fromkeys(name for some in differs for name in some)
        if name != TAKE and len({repr(some.get(name)) for some in differs}) > 1
    ]
    own = [name for name in names if name in {*FIELDS, *words, "prompt"}]
    return _product(differs, names, words) or _product(differs, own, words)


def _product(
    differs: Sequence[Values], names: Sequence[str], words: set[str]
) -> tuple[Matrix, ...]:
    if len(names) < 2:  # noqa: PLR2004 - one field is a row
        return ()
    axes = {name: _labels(name, [some.get(name) for some in differs], words) for name in names}
    places: dict[tuple[str, ...], list[int]] = {}
    for index, some in enumerate(differs):
        places.setdefault(tuple(repr(some.get(name)) for name in names), []).append(index)
    full = math.prod(map(len, axes.values())) == len(places)
    if not full or len({*map(len, places.values())}) > 1:
        return ()
    (down, rows), (across, columns), *_ = axes.items()
    return tuple(
        Matrix(
            title=" · ".join(axes[name][key] for name, key in zip(names[2:], rest, strict=True)),
            corner=f"{down} ↓ · {across} →",
            rows=tuple(rows.values()),
            columns=tuple(columns.values()),
            cells=tuple(
                tuple(tuple(places.get((row, column, *rest), ())) for column in columns)
                for row in rows
            ),
        )
        for rest in dict.fromkeys(place[2:] for place in places)
    )


def _labels(name: str, values: Sequence[Json], words: set[str]) -> dict[str, str]:
    """Return the label of each value by its key, in the order of the jobs."""
    found = {repr(value): value for value in values}
    if name == "prompt":
        return dict(zip(found, short_texts([str(one) for one in found.values()]), strict=True))
    return {key: word_of(name, one, bare=name in words) for key, one in found.items()}


def groups(found: Iterable[Matrix]) -> tuple[tuple[str, ...], dict[int, list[int]]]:
    """Return the names of all rows and columns, and the numbers of those that contain each job."""
    names: list[str] = []
    within: dict[int, list[int]] = {}
    for one in found:
        for labels, lines in ((one.rows, one.cells), (one.columns, zip(*one.cells, strict=True))):
            for label, line in zip(labels, lines, strict=True):
                for index in (index for cell in line for index in cell):
                    within.setdefault(index, []).append(len(names))
                names.append(" · ".join(filter(None, (one.title, label))))
    return tuple(names), within
