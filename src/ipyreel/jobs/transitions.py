"""Says how one snapshot of a job becomes the next: pure functions, no clock, no I/O.

A job never goes back: not its progress, not its phase.
"""

from __future__ import annotations

from dataclasses import replace

from ipyreel.values import Failure, JobSnapshot, JobStatus, VideoFile, VideoJob

GONE = 410
"""The HTTP status that says a file was there and will not come back."""

MISSING = 404
"""The HTTP status that says a server has no such job."""

KEPT = 48 * 3600.0
"""Seconds after which a job that a server does not know is not looked for unless it is named."""

_ORDER: tuple[JobStatus, ...] = ("submitting", "unknown", "queued", "in_progress", "downloading")

LONGEST = 10_000
"""Characters of the longest address: what is longer is a file."""


def without_files(video: VideoJob) -> VideoJob:
    """Return what a server said without the files in it (base64), as far as they are not needed.

    Some servers put 8 MB of them into each answer; they are kept in the last one only, and there
    as the address of the file.
    """
    urls = video.urls
    if video.status != "completed":
        urls = tuple(url for url in urls if len(url) <= LONGEST)
    return replace(video, raw=None, urls=urls)


def sending(job: JobSnapshot, now: float) -> JobSnapshot:
    """Note that the POST is about to leave: from here on it may have arrived."""
    return replace(job, status="submitting", sent_at=now, updated_at=now)


def not_sent(job: JobSnapshot, now: float) -> JobSnapshot:
    """Note that it is sure that the attempt was not accepted."""
    return replace(job, sent_at=None, updated_at=now)


def accepted(job: JobSnapshot, video: VideoJob, now: float) -> JobSnapshot:
    """Note that the server answered the POST with a job: its id is kept."""
    known = replace(job, remote_id=video.remote_id, failure=None, note=None)
    return observed(known, video, now)


def observed(job: JobSnapshot, video: VideoJob, now: float) -> JobSnapshot:
    """Note what the server said of the job."""
    if job.ended:
        return job
    status = _later(job.status, "in_progress" if video.status == "completed" else video.status)
    ready = job.ready or video.status == "completed"
    return replace(
        job,
        status=status,
        raw_status=video.raw_status,
        progress=_further(job.progress, 100.0 if ready else video.progress),
        ready=ready,
        note=None,
        cost=video.cost if video.cost is not None else job.cost,
        expires_at=video.expires_at or job.expires_at,
        updated_at=now,
    )


def troubled(job: JobSnapshot, note: str, now: float) -> JobSnapshot:
    """Note that something passing went wrong; the job goes on."""
    return job if job.ended else replace(job, note=note, updated_at=now)


def downloading(job: JobSnapshot, received: int, total: int | None, now: float) -> JobSnapshot:
    """Note that `received` of `total` bytes of the file are here."""
    if job.ended:
        return job
    return replace(
        job, status="downloading", note=None, received=received, total=total, updated_at=now
    )


def completed(job: JobSnapshot, file: VideoFile, now: float) -> JobSnapshot:
    """Note that the file is in its place and checked."""
    return replace(
        job,
        status="completed",
        progress=100.0,
        file=file,
        target=file.path,
        received=file.size,
        total=file.size,
        note=None,
        failure=None,
        completed_at=now,
        updated_at=now,
    )


def failed(job: JobSnapshot, failure: Failure, now: float) -> JobSnapshot:
    """Note that the server said that the job ended badly."""
    return replace(
        job, status="failed", failure=failure, note=None, completed_at=now, updated_at=now
    )


def given_up(job: JobSnapshot, failure: Failure, now: float) -> JobSnapshot:
    """Note that we ended the job; `note` is kept while it may be billed at its server."""
    ended = failed(job, failure, now)
    if job.ready or is_unsent(job):
        return ended
    note = f"It counts as spent: {job.provider} did not say how the job ended."
    return replace(ended, note=note)


def cancelled(job: JobSnapshot, note: str, now: float) -> JobSnapshot:
    """Note that the person does not want it any more; `note` says what was done about it."""
    return replace(job, status="cancelled", note=note, completed_at=now, updated_at=now)


def unknown(job: JobSnapshot, failure: Failure, now: float) -> JobSnapshot:
    """Note that the POST may have arrived: nobody knows, and it is not sent again."""
    return replace(job, status="unknown", failure=failure, note=None, updated_at=now)


def reopened(job: JobSnapshot, now: float) -> JobSnapshot:
    """Note that the person asked to go on with a job that had been given up."""
    status: JobStatus = "in_progress" if job.remote_id else "submitting"
    return replace(job, status=status, note=None, failure=None, completed_at=None, updated_at=now)


def identified(job: JobSnapshot, remote_id: str, now: float) -> JobSnapshot:
    """Note that the person said which job of the server's this is."""
    known = replace(job, remote_id=remote_id, status="queued", failure=None, note=None)
    return replace(known, sent_at=job.sent_at or now, completed_at=None, updated_at=now)


def is_unsent(job: JobSnapshot) -> bool:
    """Whether nothing of a job has been sent, so that going on with it would cost its price."""
    return job.sent_at is None and job.remote_id is None


def undelivered(job: JobSnapshot) -> bool:
    """Whether a job failed though the server has its file ready."""
    # 404 is not 410: some servers list a file later than they say that it is there.
    return job.status == "failed" and job.ready and _refused_with(job) != GONE


def resumable(job: JobSnapshot, now: float) -> bool:
    """Whether asking to resume without naming the job should go on with it."""
    return not job.ended or undelivered(job) or (missing(job) and now - job.created_at < KEPT)


def missing(job: JobSnapshot) -> bool:
    """Whether a job failed since the server that had accepted it said that it has no such job.

    A replica or a database may have been away for longer than the poller's grace.
    """
    return job.status == "failed" and job.remote_id is not None and _refused_with(job) == MISSING


def _refused_with(job: JobSnapshot) -> int | None:
    return None if job.failure is None else job.failure.status_code


def _later(old: JobStatus, new: str) -> JobStatus:
    status: JobStatus = "queued" if new == "queued" else "in_progress"
    return max(old, status, key=_ORDER.index)


def _further(old: float | None, new: float | None) -> float | None:
    return max((value for value in (old, new) if value is not None), default=None)
