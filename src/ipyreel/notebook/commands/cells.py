"""One `%%video` cell: from its options and its prompt to a job under it.

May import `session` and its own room.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from IPython.display import display

from ipyreel.errors import InvalidRequest, VideoError
from ipyreel.notebook.commands import options, sweeps
from ipyreel.notebook.commands.options import CellOptions
from ipyreel.notebook.handles.job import Job
from ipyreel.notebook.handles.job_list import JobList
from ipyreel.notebook.markup import job_text
from ipyreel.notebook.markup.html import PlayerOptions
from ipyreel.notebook.markup.tables import Notice, Report
from ipyreel.notebook.screen import Screen
from ipyreel.plan import Plan
from ipyreel.sweeps import Sweep
from ipyreel.values import FormPart, HttpCall


def run(screen: Screen, line: str, cell: str) -> Job | JobList | Report:
    """Do what a cell says and return its Job, or the JobList of a sweep.

    For a dry run, return what would be sent.
    """
    names = getattr(screen.shell, "user_ns", {})
    said = options.parse(line, names)
    if said.help:
        return Notice(options.document())
    sweep = sweeps.read_cell(said, cell, names)
    plans = _plans(screen, said, sweep)
    parallel = said.parallel or screen.session.settings.parallel
    if said.dry_run:
        head = _all_of(screen, sweep, plans, parallel)
        return Notice(*head, *dry_run(screen, *plans, max_cost=said.max_cost, reuse=said.reuse))
    found = screen.session.submit(
        *plans, max_cost=said.max_cost, reuse=said.reuse, parallel=parallel
    )
    jobs = sweeps.job_list(screen, sweep, plans, found)
    shown = jobs if len(jobs) > 1 else jobs[0]
    if said.name is not None:
        names[said.name] = shown
    if warnings := _warnings(plans):
        display(Notice(*warnings))
    show(screen, shown, player=_player_options(screen, said), wait=said.wait)
    return shown


def show(
    screen: Screen, shown: Job | JobList, *, player: PlayerOptions | None = None, wait: bool = False
) -> None:
    """Show what was just sent in this cell, and see it to its end where that is wanted."""
    if isinstance(shown, JobList):
        screen.show_all(shown, player)
    else:
        screen.show(shown, player)
    if wait or _waits(screen):
        _wait(screen, shown)


def _plans(screen: Screen, said: CellOptions, sweep: Sweep) -> tuple[Plan, ...]:
    if said.output is None:
        return sweeps.plan_all(screen.session, sweep)
    if len(sweep.variants) > 1:
        raise InvalidRequest(
            f"--output {said.output}: it names one file, and this makes {len(sweep.variants)}.",
            hint="Leave it away; %video use videos=FOLDER moves the folder.",
        )
    (variant,) = sweep.variants
    output = Path(said.output).expanduser()
    plan = screen.session.plan(variant.request, provider=variant.provider, output=output)
    return (plan,)


def _warnings(plans: Iterable[Plan]) -> list[str]:
    return list(dict.fromkeys(warning for plan in plans for warning in plan.warnings))


def _player_options(screen: Screen, said: CellOptions) -> PlayerOptions:
    return screen.player(
        how=said.show,
        width=said.width,
        loop=said.loop or None,
        muted=said.muted or None,
        autoplay=said.autoplay or None,
    )


def _waits(screen: Screen) -> bool:
    wait = screen.session.settings.wait
    if wait is True:
        return True
    # Where nobody will ever look, an output is recorded once: it has to be the video.
    return wait == "auto" and not screen.host.front_end


def _wait(screen: Screen, shown: Job | JobList) -> None:
    jobs = shown if isinstance(shown, JobList) else [shown]
    try:
        shown.wait()
    except KeyboardInterrupt:
        # An error and not a mere return, so that "Run All" stops as the person wants.
        raise VideoError(_stopped(jobs), hint=_go_on(jobs)) from None
    finally:
        screen.settle(*jobs)
    if isinstance(shown, JobList):
        shown.check()


def _stopped(jobs: Sequence[Job]) -> str:
    if len(jobs) == 1:
        return f"Stopped waiting; {jobs[0].id} goes on."
    going = sum(not job.done() for job in jobs)
    return f"Stopped waiting; {going} of {len(jobs)} jobs go on."


def _go_on(jobs: Sequence[Job]) -> str:
    if len(jobs) == 1:
        return f"%video wait {jobs[0].id} waits again, %video cancel {jobs[0].id} stops it."
    return "%video wait waits again, Cancel all (or the list's cancel()) stops them."


def _all_of(screen: Screen, sweep: Sweep, plans: Sequence[Plan], parallel: int) -> list[str]:
    if len(plans) == 1:
        return []
    first = f"The first of them, {sweep.variants[0].label}:"
    return [*sweeps.summary(screen.session, sweep, plans, parallel), "", first]


def dry_run(
    screen: Screen, *plans: Plan, max_cost: float | None = None, reuse: bool = False
) -> list[str]:
    """Return the lines that say what sending these plans would do; of several, the first.

    `max_cost` is in USD; where a limit or a missing key would keep them here, it is said.
    """
    plan = plans[0]
    call = screen.session.call(plan)
    video, sidecar = plan.files
    refusal = screen.session.refusal(*plans, max_cost=max_cost, reuse=reuse)
    return [
        f"{call.method} {call.path}",
        *(f"{name}: {value}" for name, value in call.headers.items()),
        "",
        *_body(call),
        "",
        f"provider  {plan.provider.name} ({plan.why})",
        f"estimate  {job_text.money(plan.estimate.usd)}",
        f"files     {screen.place(video)}",
        f"          {screen.place(sidecar)}",
        *_warnings(plans),
        *_ending(refusal),
    ]


def _ending(refusal: VideoError | None) -> list[str]:
    end = "Nothing was sent."
    if refusal is None:
        return [end]
    return [f"It would be refused: {refusal}".removesuffix(end).rstrip(), end]


def _body(call: HttpCall) -> list[str]:
    if call.form is None:
        return [json.dumps(call.json, indent=2, ensure_ascii=False)]
    return [f"{part.name} = {_part(part)}" for part in call.form]


def _part(part: FormPart) -> str:
    if isinstance(part.value, str):
        return part.value
    return f"file {part.filename} ({part.media_type}, {job_text.amount(len(part.value))})"
