"""Reads rows of data (a DataFrame, dicts, CSV, JSONL), and makes a request from each."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import replace
from pathlib import Path
from typing import Any

from ipyreel.errors import InvalidRequest
from ipyreel.sweeps import (
    FIELDS,
    MOST,
    TAKE,
    Fill,
    Sweep,
    Variant,
    names_in,
    plain_value,
    read_field,
    refuse_too_many,
    word_of,
)
from ipyreel.values import Image, VideoRequest

Row = Mapping[str, Any]

MOST_BYTES = 20_000_000
"""Most bytes of a data file, such as rows or votes."""


def read_rows(given: Any) -> list[dict[str, Any]]:
    """Return rows by their columns; `given` is a DataFrame, dicts, or the path of a file.

    Empty cells are None. Raises `InvalidRequest` for anything else, for a file that cannot be
    read, and for more rows than a sweep has jobs.
    """
    if isinstance(given, Sized) and not isinstance(given, str | bytes) and len(given) > MOST:
        raise _too_many(len(given))
    if isinstance(given, str | Path):
        rows: Any = _read_file(Path(given).expanduser())
    elif hasattr(given, "to_dicts"):  # polars
        rows = given.to_dicts()
    elif hasattr(given, "to_dict") and hasattr(given, "columns"):  # pandas
        rows = given.to_dict("records")
    elif isinstance(given, Iterable) and not isinstance(given, Mapping | bytes):
        rows = list(itertools.islice(given, MOST + 1))
    else:
        raise InvalidRequest(
            "--rows takes a DataFrame, a list of dicts, or the path of a CSV or JSONL file."
        )
    if not rows:
        raise InvalidRequest("--rows: there are no rows.")
    if len(rows) > MOST:
        raise _too_many(len(rows))
    return [_plain_row(at, row) for at, row in enumerate(rows, start=1)]


def _too_many(number: int) -> InvalidRequest:
    return InvalidRequest(f"--rows: {number} rows; a sweep has at most {MOST} jobs.")


def read_bytes(path: Path, where: str = "") -> bytes:
    """Read a file of data; raises `InvalidRequest`, which begins with `where`."""
    try:
        if path.exists() and not path.is_file():
            # Opening a pipe would wait for ever.
            raise InvalidRequest(f"{where}{path} is not a file.")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InvalidRequest(f"{where}{path}: {error.strerror or error}.") from error
    if len(data) > MOST_BYTES:
        raise InvalidRequest(f"{where}{path} is larger than {MOST_BYTES // 10**6} MB.")
    return data


def _read_file(path: Path) -> list[Any]:
    suffix = path.suffix.lower()
    if suffix not in {".csv", ".jsonl", ".ndjson"}:
        raise InvalidRequest(f"--rows {path}: takes a .csv or .jsonl file.")
    try:
        # utf-8-sig: spreadsheets put a byte order mark first.
        text = read_bytes(path, "--rows ").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"--rows {path} is not UTF-8 text.") from error
    return _read_csv(text, path) if suffix == ".csv" else _read_jsonl(text, path)


def _read_csv(text: str, path: Path) -> list[Any]:
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise InvalidRequest(f"--rows {path}: not CSV: {error}.") from error
    for at, row in enumerate(rows, start=1):
        if None in row:
            raise InvalidRequest(f"--rows {path}: row {at} has more cells than there are columns.")
    return rows


def _read_jsonl(text: str, path: Path) -> list[Any]:
    rows = []
    for at, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except (ValueError, RecursionError):
                raise InvalidRequest(f"--rows {path}: line {at} is not JSON.") from None
    return rows


def _plain_row(at: int, row: Any) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise InvalidRequest(f"--rows: row {at} is not a dict of columns and values.")
    bad = next((name for name in row if not isinstance(name, str) or not name.strip()), "")
    if bad != "":
        raise InvalidRequest(f"--rows: the column {bad!r} needs a name that is text.")
    return {name.strip(): _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    """Return a cell's value: numpy's numbers as Python's, and None for an empty cell."""
    if callable(getattr(value, "item", None)) and getattr(value, "shape", None) == ():
        value = value.item()
    missing = value is None or (isinstance(value, float) and value != value)  # noqa: PLR0124
    missing = missing or (isinstance(value, str) and not value.strip())
    # pandas' own missing value: it equals nothing, and we do not import pandas for it.
    missing = missing or type(value).__name__ in {"NAType", "NaTType"}
    return None if missing else value


def expand_rows(
    base: VideoRequest,
    rows: Sequence[Row],
    *,
    count: int = 1,
    provider: str | None = None,
    fill: Fill | None = None,
    read_image: Callable[[Any, str], Image],
) -> Sweep:
    """Return a request for each row, `count` times; `base` has the prompt and common fields.

    A column with the name of a field (`seconds`, `size`, `seed`, `model`, `provider`, `image`)
    sets it, one with a name in the prompt's braces is filled in by `fill`, and any other is
    kept as a note. Raises `InvalidRequest` naming the row.
    """
    words = set(names_in(base.prompt)) if fill else set()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    _refuse_clash(base, provider, columns)
    refuse_too_many(len(rows) * count)
    asked = [
        _request(base, row, at, words, fill, read_image) for at, row in enumerate(rows, start=1)
    ]
    labels = _labels(rows, [name for name in columns if name in words or name in FIELDS], words)
    variants = []
    for at, (row, (request, named)) in enumerate(zip(rows, asked, strict=True)):
        differs = {name: plain_value(_read(name, value)) for name, value in row.items()}
        for take in range(1, count + 1):
            seed = None if request.seed is None else request.seed + take - 1
            again = {TAKE: take} if count > 1 else {}
            parts = [labels[at], word_of(TAKE, take) if count > 1 else ""]
            variants.append(
                Variant(
                    request=replace(request, seed=seed),
                    provider=named or provider,
                    label=" · ".join(filter(None, parts)),
                    differs={**again, **differs},
                )
            )
    return Sweep(variants=tuple(variants), prompt=base.prompt, inner=count)


def _refuse_clash(base: VideoRequest, provider: str | None, columns: Iterable[str]) -> None:
    given = {"provider": provider, "image": base.images or None}
    for name in columns:
        fixed = given[name] if name in given else getattr(base, name, None)
        if name in FIELDS and fixed is not None:
            raise InvalidRequest(
                f"--rows: the column {name} also has a fixed value; remove one of them."
            )


def _request(
    base: VideoRequest,
    row: Row,
    number: int,
    words: set[str],
    fill: Fill | None,
    read_image: Callable[[Any, str], Image],
) -> tuple[VideoRequest, str | None]:
    where = f"--rows: row {number}: "
    for name in words & row.keys():
        if row[name] is None:
            raise InvalidRequest(f"{where}{name} is empty, and the prompt needs it.")
    fields = {name: row[name] for name in FIELDS if row.get(name) is not None}
    image, provider = fields.pop("image", None), fields.pop("provider", None)
    given = {name: read_field(name, value, where) for name, value in fields.items()}
    if image is not None:
        given["images"] = (read_image(image, f"image of row {number}"),)
    try:
        prompt = fill(base.prompt, row) if fill else base.prompt
    except InvalidRequest as error:
        raise InvalidRequest(f"{where}{error.message}", hint=error.hint) from None
    named = None if provider is None else read_field("provider", provider, where)
    return replace(base, prompt=prompt, **given), named


def _labels(rows: Sequence[Row], columns: Sequence[str], words: set[str]) -> list[str]:
    """Return labels that distinguish the rows, with their numbers if needed."""
    varied = [
        name for name in columns if len({str(plain_value(row.get(name))) for row in rows}) > 1
    ]
    found = [
        " · ".join(word_of(name, _read(name, row.get(name)), bare=name in words)
                   for name in varied)
        for row in rows
    ]  # fmt: skip
    if len(set(found)) < len(found):
        found = [" · ".join(filter(None, (f"row {at}", label)))
                 for at, label in enumerate(found, start=1)]  # fmt: skip
    return found


def _read(name: str, value: Any) -> Any:
    """Return a field as it is sent: a CSV file has text, a column with gaps has floats."""
    return read_field(name, value, "") if name in FIELDS and value is not None else value
