"""Resumes jobs that an earlier kernel left, and reports the result for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ipyreel.errors import InvalidRequest
from ipyreel.jobs.files import make_folder
from ipyreel.jobs.manager import JobManager, ParallelLimit, job_price
from ipyreel.jobs.owners import SILENCE
from ipyreel.jobs.store import JobStore
from ipyreel.jobs.transitions import is_unsent
from ipyreel.plan import refuse_existing, refuse_taken_names
from ipyreel.values import JobSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """The result of resuming one job; `sentence` says it in words."""

    job: JobSnapshot
    taken: bool
    sentence: str


Check = Callable[[list[JobSnapshot]], object]
"""Raises where sending the unsent ones of these jobs exceeds a limit."""


def resume_all(
    manager: JobManager,
    jobs: Iterable[JobSnapshot],
    *,
    parallel: int,
    send: bool,
    take: bool,
    check: Check,
) -> list[Resumed]:
    """Resume jobs; `send`: also those that were never sent, `parallel` at a time.

    Without `send` they are only named with their price: the user may have forgotten them.
    """
    # Jobs that a server already has need no limit.
    limit = ParallelLimit(parallel)
    return [
        _named(job)
        if not send and is_unsent(job) and not manager.has_owner(job.id)
        else resume_one(manager, job, None if job.sent_at else limit, take=take, check=check)
        for job in jobs
    ]


def _named(job: JobSnapshot) -> Resumed:
    sentence = f"{job.id}: never sent ({job_price(job)}); %video resume {job.id} sends it."
    return Resumed(job=job, taken=False, sentence=sentence)


def resumed_before(manager: JobManager, begun: Iterable[Resumed]) -> list[Resumed]:
    """Return the jobs of earlier kernels that were resumed here before."""
    new = {one.job.id for one in begun}
    return [
        Resumed(job=job, taken=False, sentence=f"{job.id}: already resumed.")
        for job in manager.resumed()
        if job.id not in new
    ]


def resume_one(
    manager: JobManager,
    job: JobSnapshot,
    limit: ParallelLimit | None = None,
    *,
    remote_id: str | None = None,
    take: bool = False,
    check: Check = bool,
) -> Resumed:
    """Resume one job when `limit` allows it; the rest is as for `Session.resume`."""
    if job.status == "completed" and Path(job.target).exists():
        sentence = f"{job.id}: the video already exists; %video show {job.id} shows it."
        return Resumed(job=job, taken=False, sentence=sentence)
    if job.ended and remote_id is None and is_unsent(job):
        sentence = f"{job.id} was never accepted by the server, so it cannot be resumed."
        return Resumed(job=job, taken=False, sentence=sentence)
    if remote_id is not None and job.remote_id is not None:
        raise InvalidRequest(f"{job.id} is {job.remote_id} at {job.provider} already.")
    begun = f"sent now ({job_price(job)})." if is_unsent(job) else "resumed."
    # Within the claim: another thread or kernel may resume one more at this moment.
    within = partial(check, [job])
    outcome = manager.resume(job, limit, take=take, remote_id=remote_id, check=within)
    words = {
        "taken": begun,
        "watching": "a kernel elsewhere has it; it is taken over if that kernel is silent for"
        f" {SILENCE:.0f} s.",
        "refused": "another kernel is working on it. If that kernel hangs:"
        f" %video resume {job.id} --take.",
    }[outcome]
    taken = outcome != "refused"
    now = manager.snapshot(job.id) or job
    return Resumed(job=now, taken=taken, sentence=f"{job.id}: {words}")


def renamed(store: JobStore, job: JobSnapshot, output: Path) -> JobSnapshot:
    """Change the file name of a job that this kernel is not working on."""
    moved = replace(job, target=str(output.absolute()))
    if job.file is not None and Path(job.file.path).exists():
        raise InvalidRequest(f"{job.id}: its video already exists: {job.file.path}.")
    refuse_existing(output)
    refuse_taken_names([moved], store)
    make_folder(output)
    if not store.rename(job.id, moved.target):
        raise InvalidRequest(f"{job.id} is {job.status}; only an ended job can get another name.")
    return moved
