"""Runs one `%%video` cell: reads its options and prompt, and shows its jobs below it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from IPython.display import display

from ipyreel.errors import VideoError
from ipyreel.images import read_image
from ipyreel.notebook.commands import options
from ipyreel.notebook.commands.options import CellOptions, Names
from ipyreel.notebook.commands.prompts import fields_in, interpolate, split_prompts
from ipyreel.notebook.handles.job import Job
from ipyreel.notebook.handles.jobs import Jobs
from ipyreel.notebook.markup import job_text
from ipyreel.notebook.markup.html import PlayerOptions
from ipyreel.notebook.markup.tables import Listing, Notice, Report
from ipyreel.notebook.screen import Screen
from ipyreel.plan import Plan, cost_with_reuse, equal_jobs, reuse_note
from ipyreel.values import FormPart, HttpCall, Image, JobSnapshot, VideoRequest


def run(screen: Screen, said: CellOptions, cell: str, names: Names) -> Job | Report:
    """Send the one video that a cell asks for and return its Job.

    A dry run returns what would be sent.
    """
    base = base_request(said, cell, names)
    prompt = base.prompt if said.raw else interpolate(base.prompt, names)
    output = None if said.output is None else Path(said.output).expanduser()
    plan = screen.session.plan(replace(base, prompt=prompt), provider=said.provider, output=output)
    return send(screen, said, (plan,), filled_in(said, cell), lambda found: screen.job(found[0].id))


T = TypeVar("T", bound=Job | Jobs)


def send(
    screen: Screen,
    said: CellOptions,
    plans: Sequence[Plan],
    notes: Sequence[str],
    handle: Callable[[list[JobSnapshot]], T],
    summary: Callable[[Sequence[Decimal | None]], list[str]] = lambda _costs: [],
) -> T | Report:
    """Send plans as a cell's options say, and show what `handle` returns for their jobs.

    `notes` are sentences above it. A dry run returns them with what would be sent, below the
    `summary` of what each plan costs.
    """
    parallel = said.parallel or screen.session.settings.parallel
    if said.dry_run:
        equal = equal_jobs(plans, screen.session.store) if said.reuse else [None] * len(plans)
        costs = [cost_with_reuse(plan, old) for plan, old in zip(plans, equal, strict=True)]
        found = [old or plan.job for plan, old in zip(plans, equal, strict=True)]
        reused = reuse_note(plans, found, elsewhere=screen.session.manager.is_elsewhere)
        what = dry_run(screen, *plans, max_cost=said.max_cost, reuse=said.reuse, cost=costs[0])
        return Listing(*notes, *filter(None, [reused]), *summary(costs), *what)
    found = screen.session.submit(
        *plans, max_cost=said.max_cost, reuse=said.reuse, parallel=parallel
    )
    with said_when_stopped([screen.job(job.id) for job in found]):
        shown = handle(found)
        if said.name is not None:
            getattr(screen.shell, "user_ns", {})[said.name] = shown
        reused = reuse_note(plans, found, elsewhere=screen.session.manager.is_elsewhere)
        if notices := [*notes, *filter(None, [reused]), *_warnings(plans)]:
            display(Notice(*notices))
        show(screen, shown, player=_player(screen, said), wait=said.wait)
    return shown


def filled_in(said: CellOptions, cell: str, varied: Iterable[str] = ()) -> list[str]:
    """Return a note that names the variables in the prompt, which may come from someone else."""
    found = [] if said.raw else fields_in(cell)
    names = [f"{{{field}}}" for field in found if re.split(r"\W", field)[0] not in {*varied}]
    return [f"Filled in from the notebook: {', '.join(names)}."] if names else []


def base_request(said: CellOptions, cell: str, names: Names) -> VideoRequest:
    """Return what the options ask for, with the first prompt as it was typed."""
    return VideoRequest(
        prompt=split_prompts(cell)[0],
        model=said.model,
        seconds=said.seconds,
        size=said.size,
        seed=said.seed,
        images=tuple(read_named(options.expand(word, names), word) for word in said.images),
        extra=dict(said.extra),
    )


def read_named(given: Any, word: str) -> Image:
    """Return an image; one without a path or URL is named `word`, as it was typed."""
    image = read_image(given)
    return image if isinstance(given, str) else replace(image, source=word)


def show(
    screen: Screen, shown: Job | Jobs, *, player: PlayerOptions | None = None, wait: bool = False
) -> None:
    """Show in this cell what was just sent, and wait for it to end if the options say so."""
    if isinstance(shown, Jobs):
        screen.show_all(shown, player)
    else:
        screen.show(shown, player)
    if wait or _always_waits(screen):
        _wait(screen, shown)


def _always_waits(screen: Screen) -> bool:
    """Return whether every cell waits: by a setting, or since later output would be lost."""
    setting = screen.session.settings.wait
    return setting is True or (setting == "auto" and not screen.host.front_end)


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


def _wait(screen: Screen, shown: Job | Jobs) -> None:
    try:
        shown.wait()
    finally:
        screen.settle(*(shown if isinstance(shown, Jobs) else [shown]))
    if isinstance(shown, Jobs):
        shown.check()


@contextlib.contextmanager
def said_when_stopped(jobs: Sequence[Job]) -> Iterator[None]:
    """Turn Ctrl-C inside the block into a `VideoError` which says that these jobs continue."""
    try:
        yield
    except KeyboardInterrupt:
        # An error, so that "Run All" stops, too.
        raise _stopped(jobs) from None


def _stopped(jobs: Sequence[Job]) -> VideoError:
    if len(jobs) == 1:
        name = jobs[0].id
        hint = f"%video wait {name} waits again, %video cancel {name} stops it."
        return VideoError(f"Stopped waiting; {name} continues.", hint=hint)
    going = sum(not job.done() for job in jobs)
    hint = "%video wait waits again, Cancel all (or the list's cancel()) stops them."
    return VideoError(f"Stopped waiting; {going} of {len(jobs)} jobs continue.", hint=hint)


def dry_run(
    screen: Screen,
    *plans: Plan,
    cost: Decimal | None,
    max_cost: Decimal | float | None = None,
    reuse: bool = False,
) -> list[str]:
    """Return lines that describe what sending these plans would do; of several, the first.

    `cost` is the estimate of the first one, `max_cost` the limit, both in USD. If a limit or a
    missing key would refuse them, a line says so.
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
