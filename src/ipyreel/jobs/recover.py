"""Looking for a job whose POST may have arrived, in its provider's list.

May import `client`, `wire` and `values`. Nothing is ever sent again from here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ipyreel.client import VideoClient
from ipyreel.errors import VideoError
from ipyreel.values import JobSnapshot, VideoJob
from ipyreel.wire.reader import LONGEST_PROMPT
from ipyreel.wire.text import clean

PAGES = 5
"""Pages read at the most: the job is new, and lists begin with the newest."""

WAITS = (1.0, 5.0, 15.0)
"""Seconds before each look: a server may need a moment to list what it has just taken."""

BEFORE, AFTER = 120.0, 900.0
"""Seconds around our POST in which the server's own time of the job may lie.

Clocks differ by some seconds; a server may block for minutes inside the POST.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of the search: the job, or a sentence on what the person can do."""

    video: VideoJob | None = None
    hint: str | None = None


async def find_accepted(
    client: VideoClient,
    job: JobSnapshot,
    *,
    known: Callable[[str, str], bool],
    sleep: Callable[[float], Awaitable[None]],
) -> Finding:
    """Look for `job` where its provider can list; match by prompt, model and time.

    `known(provider, remote_id)` tells whether a job of the list is already somebody's.
    """
    name = job.provider
    adopt = f"%video resume REMOTE_ID --provider {name} goes on with it"
    if "list" not in client.provider.routes:
        return Finding(
            hint=f"{name} cannot list its jobs: look at its console before you run the cell"
            f" again. If the job is there, {adopt}."
        )
    trouble: VideoError | None = None
    for wait in WAITS:
        await sleep(wait)
        try:
            found, trouble = await _search(client, job, known), None
        except VideoError as error:
            # What kept the answer of the POST away may keep this one away too, for a while.
            found, trouble = None, error
        if found is not None:
            return Finding(video=found)
    if trouble is not None:
        return Finding(
            hint=f"{name} could not list its jobs ({trouble.message}): %video resume {job.id}"
            f" looks once more; {adopt}."
        )
    return Finding(
        hint=f"{name} does not list it, so it was probably not accepted: running the cell again"
        f" should be safe. %video resume {job.id} looks once more."
    )


async def _search(
    client: VideoClient, job: JobSnapshot, known: Callable[[str, str], bool]
) -> VideoJob | None:
    after: str | None = None
    matches: list[VideoJob] = []
    for _ in range(PAGES):
        page = await client.list(limit=100, after=after)
        matches += [video for video in page.jobs if _alike(job, video)]
        after = page.after
        if after is None:
            break
    # Asked last, with no turn of the loop before it is taken: another job of ours may be
    # looking for its own in the same list.
    matches = [video for video in matches if not known(job.provider, video.remote_id)]
    # Two equal requests within minutes: the one nearest to our POST is ours.
    sent = job.sent_at or job.created_at
    return min(matches, key=lambda video: abs((video.created_at or sent) - sent), default=None)


def _alike(job: JobSnapshot, video: VideoJob) -> bool:
    # Some servers trim the prompt, and what they say is cleaned when it is read.
    prompt = clean(job.request.prompt, LONGEST_PROMPT)
    if video.prompt is not None and video.prompt.split() != prompt.split():
        return False
    if video.model and job.request.model and video.model != job.request.model:
        return False
    if video.created_at is None:
        return video.prompt is not None
    sent = job.sent_at or job.created_at
    return -BEFORE <= video.created_at - sent <= AFTER
