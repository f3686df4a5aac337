"""Ratings, votes and results of jobs: what a person thinks of the videos they hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ipyreel.errors import InvalidRequest
from ipyreel.experiments.ratings import Opinions
from ipyreel.experiments.results import results_of
from ipyreel.notebook.markup import job_text
from ipyreel.notebook.markup.results import ResultsReport
from ipyreel.session import Session
from ipyreel.sweeps import FIELDS, names_in, word_of
from ipyreel.values import JobSnapshot, Json


def opinions_of(session: Session) -> Opinions:
    """Return the ratings and votes of the session's library."""
    return Opinions(session.store.database, clock=session.clock)


def video_of(job: JobSnapshot) -> str:
    """Return what a job's video is known by; raises `InvalidRequest` where there is none."""
    if job.file is None:
        raise InvalidRequest(f"{job.id} has no video to judge: it is {job.status}.")
    return job.file.sha256


def videos_of(jobs: Sequence[JobSnapshot]) -> list[str]:
    """Return what the videos of jobs are known by."""
    return [job.file.sha256 for job in jobs if job.file is not None]


def ratings_as_rows(session: Session, jobs: Sequence[JobSnapshot]) -> dict[str, dict[str, Json]]:
    """Return stars (their mean), notes and tags by job id; {} where nothing was rated."""
    found = opinions_of(session).ratings(videos_of(jobs))
    rows: dict[str, dict[str, Json]] = {}
    for job in jobs if found else ():
        some = found.get(job.file.sha256, []) if job.file is not None else []
        stars = [one.stars for one in some if one.stars is not None]
        rows[job.id] = {
            "stars": sum(stars) / len(stars) if stars else None,
            "notes": "; ".join(one.note for one in some if one.note) or None,
            "tags": ", ".join(dict.fromkeys(tag for one in some for tag in one.tags)) or None,
        }
    return rows


def results_of_jobs(
    session: Session,
    jobs: Sequence[JobSnapshot],
    differs: Sequence[Mapping[str, Json]],
    prompt: str | None,
) -> ResultsReport:
    """Return what votes between these videos have decided.

    Jobs with equal fields are samples of one setting; notes and the numbers of repeats are no
    fields. `prompt` is the one they share, as it was typed.
    """
    words = set(names_in(prompt or ""))
    varied = {
        name for name in (name for some in differs for name in some)
        if len({str(some.get(name)) for some in differs}) > 1
    }  # fmt: skip
    settings, labels = dict[str, Mapping[str, Json]](), dict[str, str]()
    costs = defaultdict[str, list[str]](list)
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
        cost = job.cost if job.cost is not None else job.estimate
        costs[label or job.id].append(job_text.money(cost))
    votes = opinions_of(session).votes(labels)
    # Samples of one setting cost the same, unless the price changed meanwhile.
    each = {label: ", ".join(dict.fromkeys(some)) for label, some in costs.items()}
    return ResultsReport(results_of(votes, settings, labels), each)
