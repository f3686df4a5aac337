"""Looks in a provider's list for a job whose POST may have arrived; sends nothing again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipyreel.errors import VideoError
from ipyreel.values import JobSnapshot, VideoJob
from ipyreel.wire.text import LONGEST_PROMPT, clean

if TYPE_CHECKING:
    from ipyreel.client import VideoClient

PAGES = 5
"""Most pages that are read: the job is new, and lists begin with the newest."""

WAITS = (1.0, 5.0, 15.0)
"""Seconds before each search: a server may need a moment to list a new job."""

NEAR = -60.0, 120.0
"""A job with our prompt that was made within so many seconds of our POST is ours."""

FAR = -120.0, 900.0
"""Within so many seconds it may be ours: a server may block for minutes during the POST."""

WRONG_CLOCK = 15 * 3600.0
"""Seconds by which a clock may be wrong, ours or the server's: that of a time zone, say.

A job with our prompt that was made within them is shown, so that nobody pays for it again.
"""

_PENDING = {
    False: "",
    True: " The kernel that was sending it still runs and may still send it: end that kernel"
    " before you run the cell again.",
    None: " It was being sent by a kernel elsewhere: make sure that this kernel has ended before"
    " you run the cell again.",
}
"""What to do about the kernel that sent a job, by whether it is alive."""

SHOWN = 3
"""How many jobs are named if the user has to choose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of the search: the job, or a sentence on what the user can do."""

    video: VideoJob | None = None
    hint: str | None = None


async def find_accepted(
    client: VideoClient,
    job: JobSnapshot,
    *,
    known: Callable[[str, str], bool],
    sleep: Callable[[float], Awaitable[None]],
    sending: bool | None = False,
) -> Finding:
    """Look for `job` in its provider's list, if the provider has one.

    It is found if exactly one listed job has its prompt and was made near its POST, and no other
    job could be it.

    `known(provider, remote_id)` returns whether a listed job is already in the library. `sending`
    says whether the kernel that sent it is alive, so that its POST may still arrive; None: it
    cannot be seen from here.
    """
    name = job.provider
    adopt = f"%video resume {job.id} REMOTE_ID continues it"
    if "list" not in client.provider.routes:
        return Finding(
            hint=f"{name} cannot list its jobs: look at its console before you run the cell"
            f" again. If the job is there, {adopt}.{_PENDING[sending]}"
        )
    found: list[VideoJob] = []
    trouble: VideoError | None = None
    for wait in WAITS:
        await sleep(wait)
        try:
            found, trouble = await _search(client, job, known), None
        except VideoError as error:
            # The problem that lost the answer of the POST may affect this request, too.
            trouble = error
            continue
        # If another job could be it, this one may be someone else's: a class shares one key.
        near = [video for video in found if _is_within(FAR, job, video)]
        if len(near) == 1 and _is_ours(job, near[0]):
            return Finding(video=near[0])
    if found:
        return Finding(hint=_choice(job, found))
    if trouble is not None:
        return Finding(
            hint=f"{name} could not list its jobs ({trouble.message}): %video resume {job.id}"
            f" looks again; if the job is there, {adopt}."
        )
    safe = ", so it was probably not accepted: running the cell again should be safe."
    meant = safe if sending is False else f" yet.{_PENDING[sending]}"
    return Finding(hint=f"{name} does not list it{meant} %video resume {job.id} looks again.")


async def _search(
    client: VideoClient, job: JobSnapshot, known: Callable[[str, str], bool]
) -> list[VideoJob]:
    """Return the jobs that may be ours, those made closest to our POST first."""
    after: str | None = None
    matches: list[VideoJob] = []
    for _ in range(PAGES):
        page = await client.list(limit=100, after=after)
        matches += [video for video in page.jobs if _may_be_ours(job, video)]
        after = page.after
        if after is None:
            break
    # Checked last, with no `await` before the job is taken: another job of ours may be
    # searching the same list.
    free = [video for video in matches if not known(job.provider, video.remote_id)]
    return sorted(free, key=lambda video: abs(_after_sending(job, video) or 0.0))


def _may_be_ours(job: JobSnapshot, video: VideoJob) -> bool:
    if video.prompt is not None and not _same_prompt(job, video):
        return False
    if video.model and job.request.model and video.model != job.request.model:
        return False
    if video.prompt is None:
        return video.created_at is not None and _is_within(FAR, job, video)
    return _is_within((-WRONG_CLOCK, WRONG_CLOCK), job, video)


def _is_ours(job: JobSnapshot, video: VideoJob) -> bool:
    known = video.created_at is not None
    return known and _same_prompt(job, video) and _is_within(NEAR, job, video)


def _is_within(times: tuple[float, float], job: JobSnapshot, video: VideoJob) -> bool:
    """Whether a job was made in this time around our POST, as far as that is known."""
    return times[0] <= (_after_sending(job, video) or 0.0) <= times[1]


def _same_prompt(job: JobSnapshot, video: VideoJob) -> bool:
    # Some servers trim the prompt, and their text is cleaned when it is read.
    prompt = clean(job.request.prompt, LONGEST_PROMPT)
    return video.prompt is not None and video.prompt.split() == prompt.split()


def _after_sending(job: JobSnapshot, video: VideoJob) -> float | None:
    sent = job.sent_at or job.created_at
    return None if video.created_at is None else video.created_at - sent


def _choice(job: JobSnapshot, found: list[VideoJob]) -> str:
    """Name the jobs that may be ours; nothing is adopted or deleted on a guess."""
    named = []
    for video in found[:SHOWN]:
        seconds = _after_sending(job, video)
        when = "time unknown" if seconds is None else f"made {seconds:+.0f} s from ours"
        same = "same prompt" if video.prompt is not None else "prompt unknown"
        named.append(f"{video.remote_id} ({when}, {same})")
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return (
        f"{job.provider} lists possible jobs: {', '.join(named)}{more}. If one of them is yours,"
        f" %video resume {job.id} REMOTE_ID continues it."
    )
