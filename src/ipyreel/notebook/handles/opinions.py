"""Ratings, votes and results of the videos in a list, and the list as a dataset folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ipyreel.errors import InvalidRequest
from ipyreel.experiments.datasets import VOTES, Entry, read_dataset, write_dataset
from ipyreel.experiments.ratings import Opinions, Rating, current_user
from ipyreel.experiments.results import results_of
from ipyreel.jobs.files import new_id
from ipyreel.notebook.handles.jobs import Jobs
from ipyreel.notebook.markup import job_text
from ipyreel.notebook.markup.results import ResultsReport
from ipyreel.session import Session
from ipyreel.sweeps import FIELDS, word_of, words_of
from ipyreel.values import JobSnapshot, Json, SavedSweep, SweepItem


def opinions_of(session: Session) -> Opinions:
    """Return the ratings and votes of the session's library."""
    return Opinions(session.store.database, clock=session.clock)


def video_of(job: JobSnapshot) -> str:
    """Return the SHA-256 of a job's video; raises `InvalidRequest` if it has none."""
    if job.file is None:
        raise InvalidRequest(f"{job.id} has no video to judge: it is {job.status}.")
    return job.file.sha256


def own_ratings(session: Session, jobs: Sequence[JobSnapshot]) -> dict[str, Rating]:
    """Return the user's ratings of the videos of jobs, by their SHA-256."""
    found, who = opinions_of(session).ratings(videos_of(jobs)), current_user()
    return {video: one for video, some in found.items() for one in some if one.who == who}


def change_rating(session: Session, job: JobSnapshot, **new: Any) -> None:
    """Change one or more of the user's `stars`, `note` and `tags` for a video.

    A rating without any of them is removed.
    """
    video, known = video_of(job), own_ratings(session, [job])
    said = {name: getattr(known.get(video), name, ()) for name in ("stars", "note", "tags")} | new
    if any(said.values()):
        stars, note = said["stars"] or None, said["note"] or ""
        opinions_of(session).rate(video, stars=stars, note=note, tags=said["tags"])
    else:
        opinions_of(session).forget(video)


def videos_of(jobs: Sequence[JobSnapshot]) -> list[str]:
    """Return the SHA-256 of the videos of jobs."""
    return [job.file.sha256 for job in jobs if job.file is not None]


def ratings_as_rows(session: Session, jobs: Sequence[JobSnapshot]) -> dict[str, dict[str, Json]]:
    """Return stars (their mean), notes and tags by job id; {} if nothing was rated."""
    found = opinions_of(session).summaries(videos_of(jobs))
    return {job.id: found[job.file.sha256] for job in jobs if found and job.file is not None}


def settings_of(
    films: Jobs, jobs: Sequence[JobSnapshot]
) -> tuple[dict[str, Mapping[str, Json]], dict[str, str]]:
    """Return the varied fields of each video of `jobs`, the list's, and the name of its setting.

    Jobs with equal fields are samples of one setting; notes and repeat numbers do not count as
    fields.
    """
    differs = films.differs
    words = words_of(films.info.prompt, differs)
    varied = {
        name for name in (name for some in differs for name in some)
        if len({str(some.get(name)) for some in differs}) > 1
    }  # fmt: skip
    settings, labels = dict[str, Mapping[str, Json]](), dict[str, str]()
    for job, differing in zip(jobs, differs, strict=True):
        if job.file is None:
            continue
        fields = varied & {*FIELDS, *words, "prompt", *job.request.extra}
        setting = {name: value for name, value in differing.items() if name in fields}
        label = " · ".join(
            word_of(name, value, bare=name in words) for name, value in setting.items()
        )
        settings[job.file.sha256] = setting
        labels[job.file.sha256] = label or job.id
    return settings, labels


def results_of_list(session: Session, films: Jobs) -> ResultsReport:
    """Return the results of the votes between these videos."""
    jobs = films.snapshots
    settings, labels = settings_of(films, jobs)
    costs = defaultdict[str, list[str]](list)
    for job in jobs:
        if job.file is not None:
            cost = job.cost if job.cost is not None else job.estimate
            costs[labels[job.file.sha256]].append(job_text.money(cost))
    votes = opinions_of(session).votes(labels)
    # Samples of one setting cost the same, unless the price has changed.
    each = {label: ", ".join(dict.fromkeys(some)) for label, some in costs.items()}
    return ResultsReport(results_of(votes, settings, labels), each)


def to_dataset(session: Session, films: Jobs, folder: str | Path) -> Path:
    """Write the jobs that have a video; raises `InvalidRequest` if none has."""
    finished = [
        Entry(job=job, label=label, differs=differing)
        for job, label, differing in zip(films.snapshots, films.labels, films.differs, strict=True)
        if job.file is not None
    ]
    if not finished:
        raise InvalidRequest("None of these jobs has a video to write.")
    return write_dataset(Path(folder), finished, films.info.prompt, opinions_of(session))


def load_dataset(session: Session, folder: str | Path) -> SavedSweep:
    """Add the videos, ratings and votes of a dataset to the library, as one sweep.

    The videos stay in the folder. Loading it twice changes nothing. Raises `InvalidRequest`
    if the folder is not as `to_dataset` writes it; then nothing is added.
    """
    place = Path(folder).expanduser().absolute()

    def known(job_id: str, sha256: str) -> str | None:
        found = session.store.get(job_id)
        if found is None or (found.file is not None and found.file.sha256 == sha256):
            return session.store.with_video(sha256) if found is None else job_id
        return session.store.with_video(sha256) or new_id()

    template, entries = read_dataset(place, now=session.clock(), known=known)
    if (place / VOTES).exists():
        opinions_of(session).merge(place / VOTES)
    new = [entry.job for entry in entries if session.store.get(entry.job.id) is None]
    session.store.insert(*new)
    for job in new:
        session.store.release(job.id)
    return _sweep_of(session, template, entries)


def _sweep_of(session: Session, template: str | None, entries: Sequence[Entry]) -> SavedSweep:
    """Return the sweep of exactly these jobs; records one if the library has none."""
    ids = [entry.job.id for entry in entries]
    for sweep_id in set(session.store.sweeps_of(ids).values()):
        sweep = session.store.sweep(sweep_id)
        if sweep is not None and [item.job for item in sweep.items] == ids:
            return sweep
    items = [SweepItem(job=one.job.id, label=one.label, differs=one.differs) for one in entries]
    sweep = SavedSweep(
        id=new_id(kind="s"), prompt=template, columns=1, created_at=session.clock(),
        items=tuple(items),
    )  # fmt: skip
    session.store.keep_sweep(sweep)
    return sweep
