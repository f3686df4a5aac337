"""The verbs as Python functions, for notebooks without magics and for plain Python.

May import `session` and its own room. All of them act on one session for the process,
opened when the first of them is called.
"""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ipyreel.errors import VideoError
from ipyreel.images import read_image
from ipyreel.jobs.loop import wait_blocking
from ipyreel.notebook import reports
from ipyreel.notebook.commands import sweeps
from ipyreel.notebook.handles.compare import Row, side_by_side
from ipyreel.notebook.handles.export import info_of
from ipyreel.notebook.handles.job import Job
from ipyreel.notebook.handles.job_list import JobList
from ipyreel.notebook.handles.video import Video
from ipyreel.notebook.markup.tables import Notice, Report
from ipyreel.notebook.panels.form import Form, open_form
from ipyreel.notebook.panels.gallery import Gallery, open_gallery
from ipyreel.notebook.screen import Screen
from ipyreel.values import NOTHING, Json, VideoRequest


@cache
def screen() -> Screen:
    """Return the screen of this process's session, opened at the first call."""
    found = Screen.open()
    found.reopen = screen
    return found


def close() -> None:
    """Stop polling and close the library; jobs stay in it, and the next call opens it anew."""
    if screen.cache_info().currsize:
        screen().close()
        screen.cache_clear()


def submit(  # noqa: PLR0913 - every option of the cell, by name
    prompt: str,
    *,
    provider: str | None = None,
    model: str | None = None,
    seconds: float | None = None,
    size: str | None = None,
    seed: int | None = None,
    images: Iterable[Any] = (),
    extra: Mapping[str, Json] = NOTHING,
    output: str | Path | None = None,
    max_cost: float | None = None,
    reuse: bool = False,
) -> Job:
    """Ask for a video and return its Job at once.

    `size` is "WIDTHxHEIGHT" in pixels; `images` are paths, URLs, bytes, PIL images or numpy
    arrays; `max_cost` is in USD. Raises `VideoError`, and then nothing was sent.
    """
    request = VideoRequest(
        prompt=prompt,
        model=model,
        seconds=seconds,
        size=size,
        seed=seed,
        images=tuple(read_image(image) for image in images),
        extra=extra,
    )
    target = None if output is None else Path(output).expanduser()
    session = screen().session
    plan = session.plan(request, provider=provider, output=target)
    (snapshot,) = session.submit(plan, max_cost=max_cost, reuse=reuse)
    return screen().job(snapshot.id)


def sweep(
    prompt: str | Sequence[str],
    *,
    count: int = 1,
    extra: Mapping[str, Json] = NOTHING,
    max_cost: float | None = None,
    parallel: int | None = None,
    reuse: bool = False,
    **fields: Any,
) -> JobList:
    """Ask for every combination of the values given, and return the JobList at once.

    A list varies a field, anything else is the same for all: `sweep("A {mood} sea",
    mood=["calm", "wild"], model=[...], seconds=[4, 8], seed=7)`. Fields are `provider`,
    `model`, `seconds`, `size`, `seed`, `image`, the names in the prompt's braces, and extras.
    `count` makes so many of each; `max_cost` is in USD for all together; `parallel` are under
    way at once (None: as the settings say). Raises `VideoError`, and then nothing was sent.
    """
    shown = screen()
    asked = sweeps.read_fields(prompt, fields, extra=extra, count=count)
    plans = sweeps.plan_all(shown.session, asked)
    at_once = parallel or shown.session.settings.parallel
    found = shown.session.submit(*plans, max_cost=max_cost, reuse=reuse, parallel=at_once)
    return sweeps.job_list(shown, asked, plans, found)


def job(word: str | None = None) -> Job:
    """Return a job by its id, the beginning of it, or the server's id; None: the newest."""
    return screen().job(screen().session.find(word).id)


def in_flight() -> list[Job]:
    """Return the jobs in flight."""
    return [screen().job(snapshot.id) for snapshot in screen().session.in_flight()]


def history(text: str = "", *, limit: int = 50) -> JobList:
    """Return the newest jobs, those with `text` in the prompt if it is given.

    They are a sequence of Jobs; `to_pandas()` and `to_dict()` give them as rows.
    """
    found = screen().session.history(text, limit=limit)
    of = screen().session.store.sweeps_of([one.id for one in found])
    differs = ({"sweep": of.get(one.id)} for one in found)
    return screen().jobs((one.id for one in found), info_of(found), differs)


def cost(*by: str) -> list[dict[str, Json]]:
    """Return what was spent as rows: by `day`, `provider`, `model`, or some of them.

    `usd` is as far as prices are known, `unpriced` counts the jobs that have none.
    """
    return reports.cost_rows(screen().session, by)


def resume(word: str | None = None, *, provider: str | None = None) -> list[Job]:
    """Go on with a job, with all that an ended kernel left, or with a server's own id."""
    session = screen().session
    if word is not None and provider is not None:
        resumed = [session.adopt(word, provider=provider)]
    else:
        resumed = session.resume(word)
    return [screen().job(one.job.id) for one in resumed]


def compare(*videos: Job | Video | str) -> Row:
    """Return two to six videos side by side, with one bar that plays them in step.

    Takes Jobs, Videos and ids. Raises `InvalidRequest` for a job without a video.
    """
    session = screen().session
    found = [session.find(one) if isinstance(one, str) else one for one in videos]
    shown = [one.snapshot if isinstance(one, Job) else one for one in found]
    return side_by_side(screen(), shown)


def form() -> Form | Notice:
    """Return the form: fields, an estimate as you type, Submit and Copy as cell."""
    return open_form(screen())


def gallery(text: str = "") -> Gallery | Report:
    """Return the library as pictures, those with `text` in the prompt if it is given."""
    return open_gallery(screen(), text)


def use(provider: str | None = None, **values: Any) -> None:
    """Set defaults for this session: provider, model, seconds, size, base_url, budget ..."""
    screen().session.use(provider, **values)


def wait_for(screen: Screen, job_ids: Iterable[str]) -> Report:
    """Block until all these jobs have ended here, bring their cards up to date, sum up.

    Raises the first error among them, after all have ended.
    """
    errors, done = list[VideoError](), 0
    for job_id in job_ids:
        one = screen.job(job_id)
        wait_blocking(screen.session.future(job_id))
        screen.settle(one)
        try:
            one.wait()
        except VideoError as error:
            errors.append(error)
        else:
            done += 1
    if errors:
        raise errors[0]
    return Notice(f"{done} done." if done else "Nothing to wait for.")


def ask_key(screen: Screen, name: str) -> Report:
    """Ask for a provider's key without showing it, and keep it in memory only."""
    row = screen.session.catalog.provider(name)
    with contextlib.suppress(EOFError):
        screen.session.keys.remember(row.name, getpass.getpass(f"Key for {row.title}: "))
    return Notice(f"The key for {name} is kept in memory until this kernel ends.")
