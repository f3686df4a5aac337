"""From one finished video to the next: the request of a remix, an edit, an extension.

May import the catalog, `values` and `errors`. Pure: nothing is read, nothing is sent.
"""

from __future__ import annotations

from ipyreel.catalog import Model, Provider
from ipyreel.catalog.checks import check_chain
from ipyreel.errors import InvalidRequest
from ipyreel.values import Chain, JobSnapshot, VideoRequest

DONE = {"remix": "remixed", "edit": "edited", "extend": "extended"}


def next_request(
    job: JobSnapshot,
    how: Chain,
    prompt: str,
    *,
    provider: Provider,
    model: Model | None,
    seconds: float | None = None,
) -> VideoRequest:
    """Return what is asked of the provider that has the video of `job`.

    Its seed, images and further fields are left behind: they are not sent. `seconds` is what
    an extension adds (None: as much as was asked for last). Raises `InvalidRequest` where the
    provider cannot do that, or there is no video of the job.
    """
    check_chain(how, provider)
    if job.status != "completed" or job.remote_id is None:
        raise InvalidRequest(f"{job.id} is {job.status}; only a finished video is {DONE[how]}.")
    if how == "extend":
        # OpenAI's route wants a length said; the price hangs on it as well.
        length = seconds or job.request.seconds or (model.default_seconds if model else None)
    else:
        length = _length(job)
    return VideoRequest(
        prompt=prompt,
        model=job.request.model,
        seconds=length,
        size=job.request.size,
        remix_of=job.remote_id if how == "remix" else None,
        edit_of=job.remote_id if how == "edit" else None,
        extend_of=job.remote_id if how == "extend" else None,
    )


def _length(job: JobSnapshot) -> float | None:
    """Return the length of a clip in seconds; what was asked for an extension is but its end."""
    if job.request.extend_of is None and job.request.seconds is not None:
        return job.request.seconds
    found = job.file.seconds if job.file is not None else None
    return None if found is None else round(found, 1)
