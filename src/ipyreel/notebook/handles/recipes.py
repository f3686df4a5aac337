"""Makes the jobs of a list again: as a cell, as a file, or by sending what is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from IPython.display import display

from ipyreel.errors import InvalidRequest, StoreError
from ipyreel.experiments.recipe import Recipe, as_it_was, cell_of_jobs, to_toml
from ipyreel.images import read_image
from ipyreel.jobs.transitions import is_unsent, undelivered
from ipyreel.notebook.handles.jobs import Jobs
from ipyreel.notebook.markup import job_text
from ipyreel.notebook.markup.tables import Notice
from ipyreel.plan import Plan, equal_jobs
from ipyreel.session import Session
from ipyreel.sweeps import Sweep, Variant
from ipyreel.values import Image, JobSnapshot, SweepItem


def cell_of_list(films: Jobs) -> str:
    """Return the `%%video` cell that makes the same jobs again."""
    asked = [(job.provider, job.request) for job in films.snapshots]
    return cell_of_jobs(asked, films.differs, films.info.prompt)


def toml_of_list(films: Jobs, path: str | Path | None, *, overwrite: bool) -> str:
    """Return the jobs as a file for `--from`, and write it if a path is given."""
    jobs = films.snapshots
    variants = tuple(
        Variant(request=job.request, provider=job.provider, label=label, differs=differing)
        for job, label, differing in zip(jobs, films.labels, films.differs, strict=True)
    )
    sweep = Sweep(variants=variants, prompt=films.info.prompt, inner=films.info.inner)
    text = to_toml(Recipe(sweep=sweep, prices=tuple(job.estimate for job in jobs)))
    if path is not None:
        target = Path(path).expanduser()
        try:
            with target.open("w" if overwrite else "x", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except FileExistsError:
            raise InvalidRequest(f"{target} exists; overwrite=True replaces it.") from None
        except OSError as error:
            raise StoreError(f"{target} could not be written: {error.strerror}.") from error
    return text


def rerun(
    session: Session, films: Jobs, *, missing: bool, max_cost: float | None
) -> list[SweepItem] | None:
    """Send jobs again; return all jobs of the new sweep, None if nothing had to be sent.

    With `missing`, jobs with a video are kept. Active jobs continue, and an equal job that is
    finished or active is used instead of a new one, so that nothing is paid twice.
    """
    jobs = films.snapshots
    again = [not missing or _lacks_video(session, job) for job in jobs]
    kept = [job for job, new in zip(jobs, again, strict=True) if not new]
    plans = [_plan(session, job) for job, new in zip(jobs, again, strict=True) if new]
    ids = {job.id for job in kept}
    display(Notice(_announced(session, plans, len(jobs), ids if missing else None)))
    if unknown := [job.id for job in kept if job.status == "unknown"]:
        display(Notice(f"May have been sent, so left alone: {', '.join(unknown)}."))
    sent = session.submit(
        *plans,
        max_cost=max_cost,
        reuse=missing,
        besides=ids,
        parallel=session.settings.parallel,
    )
    for job in kept:
        gone = job.status == "completed" and not Path(job.target).exists()
        if job.status != "unknown" and (not job.ended or _is_ready(job) or gone):
            session.resume(job.id)  # costs nothing: it was sent
    if not plans:
        return None
    new_ids, fresh = iter(sent), {plan.job.id for plan in plans}
    places = [next(new_ids).id if new else job.id for job, new in zip(jobs, again, strict=True)]
    return [
        SweepItem(job=place, label=label, differs=differing, reused=place not in fresh)
        for place, label, differing in zip(places, films.labels, films.differs, strict=True)
    ]


def _lacks_video(session: Session, job: JobSnapshot) -> bool:
    """Return whether a job must be paid (again) to get its video."""
    if job.ended:
        return job.status != "completed" and not _is_ready(job)
    return is_unsent(job) and not session.manager.has_owner(job.id)


def _is_ready(job: JobSnapshot) -> bool:
    """Whether a job ended without its video, which its server has: it can be had at no cost."""
    return undelivered(job) or (job.status == "cancelled" and job.ready)


def _plan(session: Session, job: JobSnapshot) -> Plan:
    images = tuple(map(_with_pixels, job.request.images))
    return session.plan_again(replace(job, request=replace(job.request, images=images)))


def _with_pixels(image: Image) -> Image:
    if image.data is not None or image.url is not None:
        return image
    return as_it_was(read_image(image.source), image.sha256 or "")


def _announced(session: Session, plans: list[Plan], total: int, besides: set[str] | None) -> str:
    """Return a line about what is sent now, and its price."""
    equal: list[JobSnapshot | None] = [None] * len(plans)
    if besides is not None:
        equal = equal_jobs(plans, session.store, besides=besides)
    paid = [
        plan.estimate.usd
        for plan, old in zip(plans, equal, strict=True)
        if old is None or (is_unsent(old) and not old.ended)
    ]
    if not paid:
        return "Nothing has to be sent again."
    return f"Sending {len(paid)} of {total} again: {job_text.total_cost(paid)}."
