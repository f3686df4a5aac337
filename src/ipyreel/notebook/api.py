"""The verbs as Python functions, for notebooks without magics and for plain Python.

All of them use one session for the process, opened by the first call.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ipyreel import account
from ipyreel.images import read_image
from ipyreel.jobs.transitions import is_unsent
from ipyreel.notebook import reports
from ipyreel.notebook.commands import sweeps
from ipyreel.notebook.handles.compare import Row, side_by_side
from ipyreel.notebook.handles.job import Job
from ipyreel.notebook.handles.opinions import load_dataset, opinions_of, video_of
from ipyreel.notebook.handles.video import Video
from ipyreel.notebook.job_list import JobList, listed, saved_sweep
from ipyreel.notebook.markup.tables import Notice, Report
from ipyreel.notebook.panels.form import Form, open_form
from ipyreel.notebook.panels.gallery import Gallery, open_gallery
from ipyreel.notebook.screen import close_current, current
from ipyreel.values import NOTHING, Balance, Json, Offer, VideoRequest

screen, close = current, close_current


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
    """Submit a video and return its Job at once.

    `size` is "WIDTHxHEIGHT" in pixels; `images` are paths, URLs, bytes, PIL images or numpy
    arrays; `max_cost` is in USD. Raises `VideoError`; then nothing was sent.
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
    rows: Any = None,
    **fields: Any,
) -> JobList:
    """Submit every combination of the values given, and return the JobList at once.

    A list varies a field, any other value is used for all jobs: `sweep("A {mood} sea",
    mood=["calm", "wild"], model=[...], seconds=[4, 8], seed=7)`. Fields are `provider`,
    `model`, `seconds`, `size`, `seed`, `image`, the names in the prompt's braces, and extras.
    `count` makes that many of each; `max_cost` is in USD for the whole sweep; at most
    `parallel` jobs run at a time (None: as the settings say). Raises `VideoError`; then nothing
    was sent.

    `rows` (a DataFrame, a list of dicts, the path of a CSV or JSONL file) makes one job per row
    instead: columns set fields and fill the names in the braces; other columns become notes.
    """
    session = screen().session
    asked = sweeps.read_fields(prompt, fields, extra=extra, count=count, rows=rows)
    plans = sweeps.plan_all(session, asked)
    at_once = parallel or session.settings.parallel
    found = session.submit(*plans, max_cost=max_cost, reuse=reuse, parallel=at_once)
    return sweeps.job_list(screen(), asked, plans, found)


def job(word: str | None = None) -> Job:
    """Return a job by its id, the beginning of it, or the server's id; None: the newest."""
    return screen().job(screen().session.find(word).id)


def in_flight() -> list[Job]:
    """Return the active jobs."""
    return [screen().job(snapshot.id) for snapshot in screen().session.in_flight()]


def history(
    text: str = "", *, limit: int = 50, rating: int = 0, tags: Iterable[str] = ()
) -> JobList:
    """Return the newest jobs; with `text`, those whose prompt contains all of its words.

    `rating`: only videos with at least this mean rating; `tags`: only videos with all these tags.
    The result is a sequence of Jobs; `to_pandas()` and `to_dict()` return it as rows.
    """
    found = screen().session.history(text, limit=limit, stars=rating, tags=tags)
    of = screen().session.store.sweeps_of([one.id for one in found])
    return listed(screen(), found, ({"sweep": of.get(one.id)} for one in found))


def cost(*by: str) -> list[dict[str, Json]]:
    """Return what was spent as rows: by `day`, `provider`, `model`, or some of them.

    `usd` sums the known prices, `unpriced` counts the jobs without one.
    """
    return reports.cost_rows(screen().session, by)


def balance(provider: str | None = None) -> Balance | None:
    """Return the balance of a provider's key in USD (None: the provider that would be used).

    The result is None if the provider has no route for it. Raises `VideoError`.
    """
    session = screen().session
    return account.balance(session, provider or session.planner().choice().name)


def refresh_models(provider: str | None = None) -> tuple[Offer, ...]:
    """Ask a provider for its models and prices, and store the answer next to the library.

    Returns the answer. Raises `VideoError`; then the last answer is kept.
    """
    session = screen().session
    return account.refresh(session, provider or session.planner().choice().name).offers


def resume(
    word: str | None = None,
    *,
    provider: str | None = None,
    remote_id: str | None = None,
    take: bool = False,
) -> list[Job]:
    """Continue one job, or all jobs that an ended kernel left, and return the continued jobs.

    With `provider`, `word` is the server's id of a job made elsewhere. `remote_id` is the
    server's id for the job `word`; `take` takes it from a kernel that hangs. A job that was never
    sent is sent only if you pass its id: without `word`, a warning names it with its price.
    """
    session = screen().session
    if word is not None and provider is not None:
        resumed = [session.adopt(word, provider=provider)]
    else:
        resumed = session.resume(word, remote_id=remote_id, take=take)
    unsent = [one for one in resumed if not one.taken and is_unsent(one.job)]
    for one in unsent:
        warnings.warn(one.sentence, stacklevel=2)
    return [screen().job(one.job.id) for one in resumed if one not in unsent]


def compare(*videos: Job | Video | str) -> Row:
    """Return two to six videos side by side, with one control bar that plays them in sync.

    Takes Jobs, Videos and ids. Raises `InvalidRequest` for a job without a video.
    """
    jobs = (job(one) if isinstance(one, str) else one for one in videos)
    return side_by_side([(one.video or one.snapshot) if isinstance(one, Job) else one
                         for one in jobs])  # fmt: skip


def rate(
    job: Job, stars: int, note: str = "", *, tags: Iterable[str] = (), who: str | None = None
) -> None:
    """Rate a video with 1 to 5 stars; replaces an earlier rating by `who` (None: the user)."""
    video = video_of(job.snapshot)
    opinions_of(screen().session).rate(video, stars=stars, note=note, tags=tags, who=who)


def vote(better: Job, worse: Job, *, tie: bool = False, who: str | None = None) -> None:
    """Record which of two videos is better, or that they are equally good."""
    left, right = video_of(better.snapshot), video_of(worse.snapshot)
    opinions_of(screen().session).vote(left, right, "tie" if tie else "left", who=who)


def merge_votes(path: str | Path) -> int:
    """Add ratings and votes from a colleague's file; returns how many are new."""
    return opinions_of(screen().session).merge(path)


def load(folder: str | Path) -> JobList:
    """Bring a folder that `to_dataset` wrote into the library: videos, ratings and votes.

    The videos stay in the folder. Loading it twice changes nothing. Raises `InvalidRequest` if
    the folder is not as it was written; then nothing is added.
    """
    return saved_sweep(screen(), load_dataset(screen().session, folder))


def form() -> Form | Notice:
    """Return the form: fields, an estimate as you type, Submit and Copy as cell."""
    return open_form(screen())


def gallery(text: str = "") -> Gallery | Report:
    """Return a gallery of the library; with `text`, of the jobs whose prompt contains it."""
    return open_gallery(screen(), text)


def trust_folder(folder: str | Path | None = None) -> list[str]:
    """Approve the `ipyreel.toml` of a folder (None: the notebook's); return what it changes.

    Raises `ConfigError` when there is no such file or it cannot be read.
    """
    return screen().session.trust(None if folder is None else Path(folder).expanduser())


def use(provider: str | None = None, **values: Any) -> None:
    """Set defaults for this session: provider, model, seconds, size, base_url, budget ..."""
    screen().session.use(provider, **values)
