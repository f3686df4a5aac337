"""Sweeps: turns a cell's options or a call's lists into plans, and plans into a JobList."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from ipyreel.errors import InvalidRequest
from ipyreel.experiments.recipe import read_recipe
from ipyreel.experiments.rows import Row, expand_rows, read_rows
from ipyreel.images import read_image
from ipyreel.notebook.commands import cells, options
from ipyreel.notebook.commands.options import CellOptions, Names
from ipyreel.notebook.commands.prompts import interpolate, split_prompts
from ipyreel.notebook.handles.jobs import Jobs
from ipyreel.notebook.job_list import JobList, recorded
from ipyreel.notebook.markup import job_text, sweep_text
from ipyreel.notebook.markup.tables import Report, table_text
from ipyreel.notebook.screen import Screen
from ipyreel.plan import Plan
from ipyreel.session import Session
from ipyreel.sweeps import FIELDS, Axis, Sweep, expand, names_in, read_axis
from ipyreel.values import JobSnapshot, SweepItem, VideoRequest


def run(screen: Screen, said: CellOptions, cell: str, names: Names) -> Jobs | Report:
    """Send what a cell asks for and return its JobList, also if the data have only one row.

    A dry run returns what would be sent.
    """
    if said.plan is not None:
        sweep, then = read_plan(said, cell)
        plans = plan_all(screen.session, sweep)
        now = job_text.total_cost([plan.estimate.usd for plan in plans])
        notes = [f"Estimate when the file was written: {then}; now: {now}."]
    else:
        sweep = _asked(said, cell, names)
        plans = _plans(screen.session, sweep, said)
        notes = cells.filled_in(said, cell, _varied(said, sweep))
    return cells.send(
        screen,
        said,
        plans,
        notes,
        handle=lambda found: job_list(screen, sweep, plans, found),
        summary=lambda costs: summary(screen.session, sweep, plans, costs, said.parallel),
    )


def _asked(said: CellOptions, cell: str, names: Names) -> Sweep:
    base, prompts = cells.base_request(said, cell, names), split_prompts(cell)
    if said.rows:
        return read_table(base, said, prompts, read_rows(options.expand(said.rows, names)), names)
    return read_cell(base, said, prompts, names)


def _plans(session: Session, sweep: Sweep, said: CellOptions) -> tuple[Plan, ...]:
    number = len(sweep.variants)
    if said.output is None:
        return plan_all(session, sweep)
    if number > 1:
        raise InvalidRequest(
            f"--output {said.output} names one file, and this makes {number}.",
            hint="Remove it; %video use videos=FOLDER sets the folder.",
        )
    only = sweep.variants[0]
    return (
        session.plan(only.request, provider=only.provider, output=Path(said.output).expanduser()),
    )


def _varied(said: CellOptions, sweep: Sweep) -> set[str]:
    """Return the names that the sweep fills in, not the notebook."""
    columns = sweep.variants[0].differs if said.rows else ()
    return {*(name for name, _ in said.vary), *columns}


def read_cell(base: VideoRequest, said: CellOptions, prompts: Sequence[str], names: Names) -> Sweep:
    """Return the sweep of a cell; `base` holds what all of its jobs share.

    `names` are the notebook's variables; varied fields take precedence over them. Raises
    `InvalidRequest`.
    """
    in_braces = [] if said.raw else [name for one in prompts for name in names_in(one)]

    def fill(prompt: str, values: Names) -> str:
        return interpolate(prompt, {**names, **values})

    return expand(
        base,
        prompts=prompts,
        axes=[_axis(name, text, names, in_braces) for name, text in said.vary],
        count=said.count or 1,
        provider=said.provider,
        fill=None if said.raw else fill,
    )


def read_table(
    base: VideoRequest, said: CellOptions, prompts: Sequence[str], rows: Sequence[Row], names: Names
) -> Sweep:
    """Return the sweep of a `--rows` cell; columns take precedence over variables."""
    if said.vary or len(prompts) > 1:
        raise InvalidRequest("--rows takes one prompt and no --vary: put both into columns.")
    return expand_rows(
        base,
        rows,
        count=said.count or 1,
        provider=said.provider,
        fill=None if said.raw else lambda text, row: interpolate(text, {**names, **row}),
        read_image=cells.read_named,
    )


def read_plan(said: CellOptions, cell: str) -> tuple[Sweep, str]:
    """Return the sweep of a cell with `--from`, and its estimate when the file was written.

    Its prompts are used as they are, without the notebook's variables. Raises `ConfigError` for
    an error in the file, `InvalidRequest` for options that conflict with it.
    """
    bare = CellOptions()
    for name in _PLANNED:
        if getattr(said, name) != getattr(bare, name):
            word = {"images": "image"}.get(name, name)
            raise InvalidRequest(f"--from {said.plan}: the file sets all of it; remove --{word}.")
    if any(line.strip() and not line.lstrip().startswith("#") for line in cell.splitlines()):
        raise InvalidRequest(f"--from {said.plan}: the file has the prompts; remove those here.")
    found = read_recipe(Path(str(said.plan)).expanduser(), read_image)
    return found.sweep, job_text.total_cost(found.prices)


_PLANNED = (
    "provider", "model", "seconds", "size", "seed", "images", "extra", "count", "vary", "rows",
    "output", "raw",
)  # fmt: skip


def read_fields(
    prompt: str | Sequence[str], fields: Names, *, extra: Names, count: int, rows: Any = None
) -> Sweep:
    """Return the sweep of a call: lists are varied, single values are used for all jobs."""
    prompts = [prompt] if isinstance(prompt, str) else list(prompt)
    in_braces = [name for one in prompts for name in names_in(one) if name in fields]
    varied = {name: value for name, value in fields.items() if _is_many(name, value)}
    fixed = {name: value for name, value in fields.items() if name not in varied}
    axes = [
        read_axis(name, [_given(name, value) for value in values], in_braces)
        for name, values in {**varied, **{name: [fixed[name]] for name in fixed}}.items()
        if values != [None]
    ]
    base = VideoRequest(prompt="", extra=dict(extra))
    if rows is None:
        fill = interpolate if in_braces else None
        return expand(base, prompts=prompts or [""], axes=axes, count=count, fill=fill)
    sweep = expand(base, prompts=prompts, axes=[one for one in axes if one.name not in in_braces])
    if len(sweep.variants) != 1:
        raise InvalidRequest("rows= takes one prompt and no lists: put both into columns.")
    return expand_rows(
        sweep.variants[0].request,
        read_rows(rows),
        count=count,
        provider=sweep.variants[0].provider,
        fill=lambda text, row: interpolate(text, {**fields, **row}),
        read_image=cells.read_named,
    )


def _given(name: str, value: Any) -> Any:
    return cells.read_named(value, name) if name == "image" else _plain(value)


def _axis(name: str, text: str, names: Names, in_braces: Iterable[str]) -> Axis:
    pieces = _listed(name, text)
    values = [pair for piece in pieces for pair in _of_piece(name, piece, names)]
    if name == "image":
        return read_axis(name, [cells.read_named(value, word) for word, value in values])
    if name in {*FIELDS, *in_braces}:
        return read_axis(name, [value for _, value in values], in_braces)
    return read_axis(name, [_as_json(value) for _, value in values], in_braces)


def _listed(name: str, text: str) -> list[Any]:
    if text.lstrip().startswith("["):
        try:
            found = json.loads(text)
        except ValueError as error:
            raise InvalidRequest(f"--vary {name}: {text} is not JSON ({error}).") from None
        return list(found)
    # As in a CSV file: a value that contains a comma is put in double quotes.
    pieces = [piece.strip() for piece in next(csv.reader([text], skipinitialspace=True))]
    if "" in pieces:
        raise InvalidRequest(f"--vary {name}={text}: a value is empty.")
    return pieces


def _of_piece(name: str, piece: Any, names: Names) -> list[tuple[str, Any]]:
    """Return the values of a word, each with a name; a variable may hold several."""
    if not isinstance(piece, str) or not piece.startswith("$"):
        return [(str(piece), piece)]
    given = options.expand(piece, names)
    if not _is_many(name, given):
        return [(piece, given)]
    return [(f"{piece}[{at}]", _plain(value)) for at, value in enumerate(given)]


def _is_many(name: str, given: Any) -> bool:
    """Return whether a value is a list to vary; an array is a list, except as an image."""
    if name == "image":
        return isinstance(given, list | tuple)
    return isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping)


def _plain(value: Any) -> Any:
    """Return a numpy number as a Python number, which JSON and SQLite accept."""
    item: Callable[[], Any] | None = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "shape", None) == () else value


def _as_json(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def plan_all(session: Session, sweep: Sweep) -> tuple[Plan, ...]:
    """Plan every request; raises `InvalidRequest` naming the first that cannot be sent."""
    return tuple(_plan(session, sweep, index) for index in range(len(sweep.variants)))


def _plan(session: Session, sweep: Sweep, index: int) -> Plan:
    variant, total = sweep.variants[index], len(sweep.variants)
    try:
        return session.plan(variant.request, provider=variant.provider)
    except InvalidRequest as error:
        if total == 1:
            raise
        where = f"{variant.label} ({index + 1} of {total})"
        raise InvalidRequest(f"{where}: {error.message}", hint=error.hint) from None


def job_list(
    screen: Screen, sweep: Sweep, plans: Sequence[Plan], found: Sequence[JobSnapshot]
) -> JobList:
    """Return the handle of a submitted sweep; `found` are the jobs of the plans, in order."""
    items = [
        SweepItem(
            job=job.id,
            label=variant.label,
            differs=variant.differs,
            reused=job.id != plan.job.id,
        )
        for job, plan, variant in zip(found, plans, sweep.variants, strict=True)
    ]
    return recorded(screen, sweep.prompt, sweep.inner, items)


def summary(
    session: Session,
    sweep: Sweep,
    plans: Sequence[Plan],
    costs: Sequence[Decimal | None],
    parallel: int | None,
) -> list[str]:
    """Return the lines of a dry run of a sweep: how many jobs, their cost, how they differ."""
    left, at_once = session.budget_left(), parallel or session.settings.parallel
    number = sweep_text.number(len(plans))
    rows = [
        (
            variant.label,
            f"{plan.provider.name} {plan.job.request.model or ''}".strip(),
            job_text.money(cost),
        )
        for variant, plan, cost in zip(sweep.variants, plans, costs, strict=True)
    ]
    return [
        f"{number}, {job_text.total_cost(costs)} in total; at most {at_once} at a time.",
        *([f"{job_text.dollars(left)} of the budget is left."] if left is not None else []),
        "",
        *table_text((), rows, frozenset(), None).splitlines(),
        "",
        f"The first of them, {sweep.variants[0].label}:",
    ]
