"""One `%%video` cell: from its options and its prompt to a job under it.

May import `session` and its own room.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from IPython.display import display

from ipyreel.errors import VideoError
from ipyreel.images import read_image
from ipyreel.notebook import options, words
from ipyreel.notebook.face import Face
from ipyreel.notebook.job import Job
from ipyreel.notebook.options import CellOptions
from ipyreel.notebook.prompts import interpolate
from ipyreel.notebook.shown import Notice, Shown
from ipyreel.plan import Plan
from ipyreel.values import FormPart, HttpCall, Image, VideoRequest


def run(face: Face, line: str, cell: str) -> Job | Shown:
    """Do what a cell says and return its Job (or, for a dry run, what would be sent)."""
    names = getattr(face.shell, "user_ns", {})
    said = options.parse(line, names)
    if said.help:
        return Notice(options.document())
    plan = face.session.plan(
        _request(said, cell, names),
        provider=said.provider,
        output=None if said.output is None else Path(said.output).expanduser(),
    )
    if said.dry_run:
        return Notice(*_dry_run(face, plan))
    (snapshot,) = face.session.submit(plan, max_cost=said.max_cost, reuse=said.reuse)
    job = face.job(snapshot.id)
    if said.name is not None:
        names[said.name] = job
    if plan.warnings:
        display(Notice(*plan.warnings))
    face.show(job, _look(face, said))
    if _waits(face, said):
        _wait(face, job)
    return job


def _request(said: CellOptions, cell: str, names: dict[str, Any]) -> VideoRequest:
    prompt = cell.strip()
    return VideoRequest(
        prompt=prompt if said.raw else interpolate(prompt, names),
        model=said.model,
        seconds=said.seconds,
        size=said.size,
        seed=said.seed,
        images=tuple(_image(word, names) for word in said.images),
        extra=dict(said.extra),
    )


def _image(word: str, names: dict[str, Any]) -> Image:
    given = options.expand(word, names)
    if isinstance(given, str):
        return read_image(given)
    return replace(read_image(given), source=word)


def _look(face: Face, said: CellOptions) -> Any:
    return face.look(
        how=said.show,
        width=said.width,
        loop=said.loop or None,
        muted=said.muted or None,
        autoplay=said.autoplay or None,
    )


def _waits(face: Face, said: CellOptions) -> bool:
    wait = face.session.settings.wait
    if said.wait or wait is True:
        return True
    # Where nobody will ever look, an output is recorded once: it has to be the video.
    return wait == "auto" and not face.host.front_end


def _wait(face: Face, job: Job) -> None:
    try:
        job.wait()
    except KeyboardInterrupt:
        # An error and not a mere return, so that "Run All" stops as the person wants.
        raise VideoError(
            f"Stopped waiting; {job.id} goes on.",
            hint=f"%video wait {job.id} waits again, %video cancel {job.id} stops it.",
        ) from None
    finally:
        face.settle(job)


def _dry_run(face: Face, plan: Plan) -> list[str]:
    call = face.session.call(plan)
    video, sidecar = plan.files
    return [
        f"{call.method} {call.path}",
        *(f"{name}: {value}" for name, value in call.headers.items()),
        "",
        *_body(call),
        "",
        f"provider  {plan.provider.name} ({plan.why})",
        f"estimate  {words.money(plan.estimate.usd)}",
        f"files     {video}",
        f"          {sidecar}",
        *plan.warnings,
        "Nothing was sent.",
    ]


def _body(call: HttpCall) -> list[str]:
    if call.form is None:
        return [json.dumps(call.json, indent=2, ensure_ascii=False)]
    return [f"{part.name} = {_part(part)}" for part in call.form]


def _part(part: FormPart) -> str:
    if isinstance(part.value, str):
        return part.value
    return f"file {part.filename} ({part.media_type}, {words.amount(len(part.value))})"
