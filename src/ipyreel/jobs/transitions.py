"""Computes the next snapshot of a job from the current one: pure functions, no clock, no I/O.

A job never goes back, neither its progress nor its phase.
"""

from __future__ import annotations

from dataclasses import replace

from ipyreel.values import Failure, JobSnapshot, JobStatus, VideoFile, VideoJob

GONE = 410
"""The HTTP status of a file that existed and will not come back."""

MISSING = 404
"""The HTTP status of a job that the server does not have."""

KEPT = 48 * 3600.0
"""Seconds after which a job that its server does not know is resumed only if it is named."""

_ORDER: tuple[JobStatus, ...] = ("submitting", "unknown", "queued", "in_progress", "downloading")

LONGEST = 10_000
"""Characters of the longest URL: a longer text is a file."""


def without_files(video: VideoJob) -> VideoJob:
    """Return a server's answer without the files in it (base64) that are not needed.

    Some servers put 8 MB of them into each answer; they are kept only in the last one, as the
    URL of the file.
    """
    urls = video.urls
    if video.status != "completed":
        urls = tuple(url for url in urls if len(url) <= LONGEST)
    return replace(video, raw=None, urls=urls)


def sending(job: JobSnapshot, now: float) -> JobSnapshot:
    """Note that the POST is about to be sent: from now on it may have arrived."""
    return replace(job, status="submitting", sent_at=now, updated_at=now)


def not_sent(job: JobSnapshot, now: float) -> JobSnapshot:
    """Note that the attempt was certainly not accepted."""
    return replace(job, sent_at=None, updated_at=now)


def accepted(job: JobSnapshot, video: VideoJob, now: float) -> JobSnapshot:
    """Note that the server answered the POST with a job: its id is kept."""
    known = replace(job, remote_id=video.remote_id, failure=None, note=None)
    return observed(known, video, now)


def observed(job: JobSnapshot, video: VideoJob, now: float) -> JobSnapshot:
    """Note what the server reported about the job."""
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
    """Note a temporary problem; the job continues."""
    return job if job.ended else replace(job, note=note, updated_at=now)


def downloading(job: JobSnapshot, received: int, total: int | None, now: float) -> JobSnapshot:
    """Note that `received` of `total` bytes of the file were downloaded."""
    if job.ended:
        return job
    return replace(
        job, status="downloading", note=None, received=received, total=total, updated_at=now
    )


def completed(job: JobSnapshot, file: VideoFile, now: float) -> JobSnapshot:
    """Note that the file is saved and checked."""
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
    """Note that the server reported that the job failed."""
    return replace(
        job, status="failed", failure=failure, note=None, completed_at=now, updated_at=now
    )


def given_up(job: JobSnapshot, failure: Failure, now: float) -> JobSnapshot:
    """Note that we gave the job up; `note` is kept if the server may bill it."""
    ended = failed(job, failure, now)
    if job.ready or is_unsent(job):
        return ended
    note = f"It counts as spent: {job.provider} did not say how the job ended."
    return replace(ended, note=note)


def cancelled(job: JobSnapshot, note: str, now: float) -> JobSnapshot:
    """Note that the user cancelled the job; `note` says what was done."""
    return replace(job, status="cancelled", note=note, completed_at=now, updated_at=now)


def unknown(job: JobSnapshot, failure: Failure, now: float) -> JobSnapshot:
    """Note that it is unknown whether the POST arrived; it is not sent again."""
    return replace(job, status="unknown", failure=failure, note=None, updated_at=now)


def reopened(job: JobSnapshot, now: float) -> JobSnapshot:
    """Note that the user asked to continue a job that had been given up."""
    status: JobStatus = "in_progress" if job.remote_id else "submitting"
    return replace(job, status=status, note=None, failure=None, completed_at=None, updated_at=now)


def identified(job: JobSnapshot, remote_id: str, now: float) -> JobSnapshot:
    """Note that the user named the server's job for this one."""
    known = replace(job, remote_id=remote_id, status="queued", failure=None, note=None)
    return replace(known, sent_at=job.sent_at or now, completed_at=None, updated_at=now)


def is_unsent(job: JobSnapshot) -> bool:
    """Return whether a job was never sent, so that continuing it would cost its price."""
    return job.sent_at is None and job.remote_id is None


def undelivered(job: JobSnapshot) -> bool:
    """Return whether a job failed although the server has its file ready."""
    # 404 is not 410: some servers report a file before it can be downloaded.
    return job.status == "failed" and job.ready and _refused_with(job) != GONE


def resumable(job: JobSnapshot, now: float) -> bool:
    """Return whether a resume that does not name the job should continue it."""
    return not job.ended or undelivered(job) or (missing(job) and now - job.created_at < KEPT)


def missing(job: JobSnapshot) -> bool:
    """Return whether a job failed because the server that accepted it no longer knows it.

    A replica or a database may have been down for longer than the poller's grace.
    """
    return job.status == "failed" and job.remote_id is not None and _refused_with(job) == MISSING


def _refused_with(job: JobSnapshot) -> int | None:
    return None if job.failure is None else job.failure.status_code


def _later(old: JobStatus, new: str) -> JobStatus:
    status: JobStatus = "queued" if new == "queued" else "in_progress"
    return max(old, status, key=_ORDER.index)


def _further(old: float | None, new: float | None) -> float | None:
    return max((value for value in (old, new) if value is not None), default=None)
