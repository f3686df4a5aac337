"""Runs one `%%video` cell: from its options and prompt to the jobs shown below it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from IPython.display import display

from ipyreel.errors import InvalidRequest, VideoError
from ipyreel.experiments.rows import read_rows
from ipyreel.notebook.commands import options, sweeps
from ipyreel.notebook.commands.options import CellOptions, Names
from ipyreel.notebook.commands.prompts import (
    fields_in,
    interpolate,
    split_prompts,
    visible_names,
)
from ipyreel.notebook.handles.job import Job
from ipyreel.notebook.handles.job_list import JobList
from ipyreel.notebook.markup import job_text
from ipyreel.notebook.markup.html import PlayerOptions
from ipyreel.notebook.markup.tables import Listing, Notice, Report
from ipyreel.notebook.screen import Screen
from ipyreel.plan import Plan, cost_with_reuse, equal_jobs, reuse_note
from ipyreel.sweeps import Sweep
from ipyreel.values import FormPart, HttpCall, VideoRequest

_SECOND = re.compile(r"(?m)^[ \t]*%%video\b")


def run(screen: Screen, line: str, cell: str) -> Job | JobList | Report:
    """Send what a cell asks for and return its Job, or the JobList of a sweep.

    A dry run returns what would be sent.
    """
    names = visible_names(screen.shell)
    said = options.parse(line, names)
    if (second := _SECOND.search(cell)) is not None:
        at = cell.count("\n", 0, second.start()) + 2
        raise InvalidRequest(
            f"Line {at} is a second %%video: put it in a cell of its own.",
            hint="A line --- separates several prompts of one cell.",
        )
    sweep, plans, notes = _settle(screen, said, cell, names)
    parallel = said.parallel or screen.session.settings.parallel
    if said.dry_run:
        equal = equal_jobs(plans, screen.session.store) if said.reuse else [None] * len(plans)
        costs = [cost_with_reuse(plan, old) for plan, old in zip(plans, equal, strict=True)]
        head = sweeps.summary(screen.session, sweep, plans, costs, parallel) if sweep else []
        found = [old or plan.job for plan, old in zip(plans, equal, strict=True)]
        reused = reuse_note(plans, found, elsewhere=screen.session.manager.is_elsewhere)
        what = dry_run(screen, *plans, max_cost=said.max_cost, reuse=said.reuse, cost=costs[0])
        return Listing(*notes, *filter(None, [reused]), *head, *what)
    found = screen.session.submit(
        *plans, max_cost=said.max_cost, reuse=said.reuse, parallel=parallel
    )
    shown: Job | JobList = screen.job(found[0].id)
    if sweep is not None:
        shown = sweeps.job_list(screen, sweep, plans, found)
    if said.name is not None:
        getattr(screen.shell, "user_ns", {})[said.name] = shown
    reused = reuse_note(plans, found, elsewhere=screen.session.manager.is_elsewhere)
    if notices := [*notes, *filter(None, [reused]), *_warnings(plans)]:
        display(Notice(*notices))
    show(screen, shown, player=_player(screen, said), wait=said.wait)
    return shown


def show(
    screen: Screen, shown: Job | JobList, *, player: PlayerOptions | None = None, wait: bool = False
) -> None:
    """Show what was just sent in this cell, and wait for its end where that is wanted.

    Raises `VideoError` where that is interrupted, from the first output on.
    """
    jobs = shown if isinstance(shown, JobList) else [shown]
    try:
        if isinstance(shown, JobList):
            screen.show_all(shown, player)
        else:
            screen.show(shown, player)
        if wait or _always_waits(screen):
            _wait(screen, shown)
    except KeyboardInterrupt:
        # An error, so that "Run All" stops as the person wants.
        raise _stopped(jobs) from None


def _always_waits(screen: Screen) -> bool:
    """Tell whether every cell waits: a setting, or nobody who would look at a later output."""
    setting = screen.session.settings.wait
    return setting is True or (setting == "auto" and not screen.host.front_end)


def _settle(
    screen: Screen, said: CellOptions, cell: str, names: Names
) -> tuple[Sweep | None, tuple[Plan, ...], list[str]]:
    """Return the plans of a cell with notes; the sweep is None where it asks for one video."""
    if said.plan is not None:
        sweep, then = sweeps.read_plan(said, cell)
        plans = sweeps.plan_all(screen.session, sweep)
        now = job_text.total_cost([plan.estimate.usd for plan in plans])
        note = f"Estimate when the file was written: {then}; now: {now}."
        return sweep if len(plans) > 1 else None, plans, [note]
    found, plans = _asked(screen, said, cell, names)
    return found, plans, _filled_in(said, cell, found)


def _asked(
    screen: Screen, said: CellOptions, cell: str, names: Names
) -> tuple[Sweep | None, tuple[Plan, ...]]:
    """Return the plans of the options and prompts in a cell."""
    session, prompts = screen.session, split_prompts(cell)
    base = VideoRequest(
        prompt=prompts[0],
        model=said.model,
        seconds=said.seconds,
        size=said.size,
        seed=said.seed,
        images=tuple(sweeps.read_named(options.expand(word, names), word) for word in said.images),
        extra=dict(said.extra),
    )
    if said.rows or said.vary or said.count not in {None, 1} or len(prompts) > 1:
        if said.rows:
            rows = read_rows(options.expand(said.rows, names))
            sweep = sweeps.read_table(base, said, prompts, rows, names)
        else:
            sweep = sweeps.read_cell(base, said, prompts, names)
        if len(sweep.variants) > 1:
            if said.output is not None:
                raise InvalidRequest(
                    f"--output {said.output}: it names one file, and this makes "
                    f"{len(sweep.variants)}.",
                    hint="Remove it; %video use videos=FOLDER sets the folder.",
                )
            return sweep, sweeps.plan_all(session, sweep)
        request, provider = sweep.variants[0].request, sweep.variants[0].provider
    else:
        prompt = base.prompt if said.raw else interpolate(base.prompt, names)
        request, provider = replace(base, prompt=prompt), said.provider
    output = None if said.output is None else Path(said.output).expanduser()
    return None, (session.plan(request, provider=provider, output=output),)


def _filled_in(said: CellOptions, cell: str, sweep: Sweep | None) -> list[str]:
    """Say which names of the notebook are part of the prompt: it may be somebody else's."""
    varied = {name for name, _ in said.vary}
    if said.rows and sweep is not None:
        varied |= sweep.variants[0].differs.keys()
    found = [] if said.raw else fields_in(cell)
    names = [f"{{{field}}}" for field in found if re.split(r"\W", field)[0] not in varied]
    return [f"Filled in from the notebook: {', '.join(names)}."] if names else []


def _warnings(plans: Sequence[Plan]) -> list[str]:
    return list(dict.fromkeys(warning for plan in plans for warning in plan.warnings))


def _player(screen: Screen, said: CellOptions) -> PlayerOptions:
    return screen.player(
        how=said.show,
        width=said.width,
        loop=said.loop or None,
        muted=said.muted or None,
        autoplay=said.autoplay or None,
    )


def _wait(screen: Screen, shown: Job | JobList) -> None:
    try:
        shown.wait()
    finally:
        screen.settle(*(shown if isinstance(shown, JobList) else [shown]))
    if isinstance(shown, JobList):
        shown.check()


def _stopped(jobs: Sequence[Job]) -> VideoError:
    if len(jobs) == 1:
        name = jobs[0].id
        hint = f"%video wait {name} waits again, %video cancel {name} stops it."
        return VideoError(f"Stopped waiting; {name} goes on.", hint=hint)
    going = sum(not job.done() for job in jobs)
    hint = "%video wait waits again, Cancel all (or the list's cancel()) stops them."
    return VideoError(f"Stopped waiting; {going} of {len(jobs)} jobs go on.", hint=hint)


def dry_run(
    screen: Screen,
    *plans: Plan,
    cost: Decimal | None,
    max_cost: Decimal | float | None = None,
    reuse: bool = False,
) -> list[str]:
    """Return the lines that say what sending these plans would do; of several, the first.

    `cost` is what the first one would cost, `max_cost` the limit, both in USD. Where a limit or a
    missing key would refuse them, that is said.
    """
    plan = plans[0]
    call = screen.session.call(plan)
    video, sidecar = plan.files
    refusal = screen.session.refusal(*plans, max_cost=max_cost, reuse=reuse)
    end = "Nothing was sent."
    field = f" with {plan.estimate.unpriced}" if plan.estimate.unpriced else ""
    refused = f"It would be refused: {refusal}".removesuffix(end).rstrip() if refusal else ""
    return [
        f"{call.method} {call.path}",
        *(f"{name}: {value}" for name, value in call.headers.items()),
        "",
        *_body(call),
        "",
        f"provider  {plan.provider.name} ({plan.why})",
        f"estimate  {job_text.money(cost)}{field}",
        f"files     {screen.place(video)}",
        f"          {screen.place(sidecar)}",
        *_warnings(plans),
        *filter(None, [refused]),
        end,
    ]


def _body(call: HttpCall) -> list[str]:
    if call.form is None:
        return json.dumps(call.json, indent=2, ensure_ascii=False).splitlines()
    return [f"{part.name} = {_part(part)}" for part in call.form]


def _part(part: FormPart) -> str:
    if isinstance(part.value, str):
        return part.value
    return f"file {part.filename} ({part.media_type}, {job_text.amount(len(part.value))})"
