"""Reads the replies of servers, in all known shapes, into our values.

Whatever the bytes are, only `ProviderError` (or a subclass) and `WireError` are raised.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from decimal import Decimal

from ipyreel.errors import ProviderError, WireError
from ipyreel.values import (
    ENDED,
    Failure,
    HttpReply,
    Json,
    ServerStatus,
    VideoJob,
    VideoPage,
    to_usd,
)
from ipyreel.wire.job_fields import (
    JobFields,
    find_job,
    meaning,
    status_word,
    usable_address,
)
from ipyreel.wire.parse import (
    dig,
    length,
    load,
    moment,
    number,
    percent,
    poll_after,
    request_id,
    retry_after,
    size,
    word,
)
from ipyreel.wire.refusals import (
    MODERATION_HINT,
    Reason,
    asked_at,
    describe_unreadable,
    is_success,
    leftover,
    names_error,
    read_error,
    reason_in,
)
from ipyreel.wire.text import LONGEST_PROMPT, clean, excerpt

_REFUSALS = frozenset({401, 402, 403, 407, 429})
_CREATED = ("created_at", "created", "createdAt")
_COMPLETED = ("completed_at", "completedAt", "finish_time", "finished_at")
_LENGTHS = ("seconds", "duration", "duration_s", "duration_seconds")
_NO_CONTENT, _CONFLICT = 204, 409
_SUCCESS = re.compile(r"succe|complet|finish|done|generated|ready", re.IGNORECASE)


def read_job(
    reply: HttpReply,
    *,
    now: float,
    remote_id: str | None = None,
    creating: bool = False,
    others: Collection[str] = (),
) -> VideoJob:
    """Read the reply to a submission or to a poll.

    Parameters
    ----------
    reply
        Any reply. A job in a 4xx or 5xx is also read (vLLM-Omni sends failed jobs like that).
    now
        Seconds since the epoch.
    remote_id
        The id of the poll: the job keeps it, whatever id the reply has (some servers send
        another one, xAI none).
    creating
        Whether this is the reply to a submission.
    others
        Ids of other jobs: a reply that names one of them was meant for another question.

    Raises
    ------
    ProviderError
        The server refused; the subclass says how. `ServerBroken` with a 2xx status is an
        upstream error that was passed on: ask again, but not endlessly.
    WireError
        The reply could not be read.
    """
    body = _load(reply, now=now, creating=creating)
    answer = find_job(body, creating=creating)
    if answer is None:
        if not is_success(reply.status_code):
            raise read_error(reply, now=now, creating=creating)
        raise _unreadable(reply, "The server's reply is not a JSON object.")
    if answer.remote_id != remote_id and answer.remote_id in others:
        raise _unreadable(reply, "The server's reply is about another job.")
    logged = creating and not answer.has_own_id and names_error(reply)
    if logged or _refuses(answer, reply.status_code, asked=remote_id is not None):
        raise read_error(reply, now=now, creating=creating)
    job = _job(answer, reply, remote_id=remote_id, now=now)
    if job is None:
        raise _unreadable(reply, "The server's reply contains no job.")
    return job


def _load(reply: HttpReply, *, now: float, creating: bool = False) -> Json:
    try:
        return load(reply.body)
    except ValueError:
        pass
    if not is_success(reply.status_code):
        raise read_error(reply, now=now, creating=creating)
    raise _unreadable(reply, describe_unreadable(reply.status_code, reply.headers, reply.body))


def read_body(reply: HttpReply, *, now: float) -> Json:
    """Return the JSON of a reply that is a success.

    Raises
    ------
    ProviderError
        The server said no.
    WireError
        The reply could not be read.
    """
    body = _load(reply, now=now)
    if not is_success(reply.status_code):
        raise read_error(reply, now=now)
    return body


def read_rows(reply: HttpReply, what: str, *, now: float) -> list[Json]:
    """Return the rows of a reply that is a list of `what`; raises as `read_body` does."""
    body = read_body(reply, now=now)
    rows = rows_of(body)
    if rows is None:
        if isinstance(body, dict) and reason_in(body).message:
            raise read_error(reply, now=now)
        raise _unreadable(reply, f"The server's reply is not a list of {what}.")
    return rows


def _unreadable(reply: HttpReply, message: str) -> WireError:
    error = WireError(
        message,
        excerpt=excerpt(reply.body),
        hint=f"Check the base URL{asked_at(reply.url)}."
        if reply.url
        else "Check the base URL: it should end in /v1 and offer /videos.",
    )
    error.reply = reply.beginning()
    return error


def _refuses(answer: JobFields, status_code: int, *, asked: bool) -> bool:
    """Return whether a reply refuses the request, and is not a (possibly failed) job."""
    named = answer.remote_id is not None
    if not is_success(status_code):
        is_video = answer.fields.get("object") == "video"
        vague = answer.status is None or (answer.raw_status or "").lower() in {"error", "fail"}
        return not named or not (is_video or not (vague or status_code in _REFUSALS))
    if answer.status is not None:
        return not named and not asked and answer.status == "failed"
    if answer.raw_status is not None or answer.addresses:
        return False
    reason = reason_in(answer.fields, only_error=named)
    return reason.message is not None or reason.code is not None


def _job(
    answer: JobFields, reply: HttpReply, *, remote_id: str | None = None, now: float = 0.0
) -> VideoJob | None:
    found = remote_id or answer.remote_id
    nothing = answer.remote_id is None and answer.raw_status is None and not answer.addresses
    if found is None or nothing:
        return None
    fields = answer.fields
    status, failure = _outcome(answer, reply)
    headers = reply.headers
    return VideoJob(
        remote_id=found,
        status=status,
        raw_status=clean(answer.raw_status or "", 100),
        progress=percent(fields.get("progress")),
        model=word(fields.get("model")),
        prompt=word(fields.get("prompt"), LONGEST_PROMPT),
        seconds=_seconds(fields),
        size=size(fields.get("size")),
        failure=failure,
        created_at=_moment(fields, _CREATED),
        completed_at=_moment(fields, _COMPLETED) if status in ENDED else None,
        expires_at=moment(fields.get("expires_at")),
        urls=answer.addresses,
        polling_url=_polling_url(fields),
        poll_after=poll_after(headers) or retry_after(headers, now=now),
        request_id=request_id(headers),
        cost=_cost(fields, reply),
        raw=answer.raw,
    )


def _outcome(answer: JobFields, reply: HttpReply) -> tuple[ServerStatus, Failure | None]:
    """Return the status, and the reason if the job failed or was cancelled."""
    status = answer.status
    if status is None:
        return _by_evidence(answer, reply)
    if status == "completed":
        # apiyi's Grok: completed and billed, but removed by moderation.
        reason = reason_in(answer.fields, only_error=True)
        if reason.message is None and reason.code is None:
            return status, None
        return "failed", _failure(reason, reply)
    if status == "failed":
        return status, _failure(reason_in(answer.fields), reply, rest=leftover(answer.fields))
    if status == "cancelled":
        ended = Reason(message=f'The provider says "{clean(answer.raw_status or "", 100)}".')
        reason = reason_in(answer.fields, only_error=True)
        return status, _failure(reason if reason.message else ended, reply)
    return status, None


def _by_evidence(answer: JobFields, reply: HttpReply) -> tuple[ServerStatus, Failure | None]:
    """Return the state of a job whose status word is unknown or missing.

    An error means that it failed; an address with an unknown word must be checked first
    (`VideoClient.retrieve`). 100 % and `completed_at` prove nothing: new-api sets them early.
    """
    if answer.raw_status is None:
        return ("completed" if answer.addresses else "in_progress"), None
    reason = reason_in(answer.fields, only_error=True)
    if reason.message is None and reason.code is None:
        return "in_progress", None
    if answer.addresses and _SUCCESS.search(answer.raw_status):
        return "completed", None
    return "failed", _failure(reason, reply)


def _failure(reason: Reason, reply: HttpReply, *, rest: str | None = None) -> Failure:
    message = reason.message
    if message is None and reason.moderated:
        message = "The provider's moderation refused it."
    elif message is None and reason.code is not None:
        message = f"The provider says: {reason.code}."
    if message is None and rest is not None:
        message = f"The provider gave no reason in a known field. It sent: {rest}"
    return Failure(
        message=message or "The provider gave no reason.",
        code=reason.code,
        status_code=None if is_success(reply.status_code) else reply.status_code,
        request_id=request_id(reply.headers) or reason.request_id,
        hint=MODERATION_HINT if reason.moderated else None,
    )


def _moment(fields: dict[str, Json], names: tuple[str, ...]) -> float | None:
    return next((when for name in names if (when := moment(fields.get(name)))), None)


def _seconds(fields: dict[str, Json]) -> float | None:
    found = next((value for name in _LENGTHS if (value := length(fields.get(name)))), None)
    return found or length(dig(fields, "usage", "duration_seconds"))


def _polling_url(fields: dict[str, Json]) -> str | None:
    url = fields.get("polling_url")
    return (
        url
        if isinstance(url, str) and usable_address(url) and not url.startswith("data:")
        else None
    )


def _cost(fields: dict[str, Json], reply: HttpReply) -> Decimal | None:
    values = (
        dig(fields, "usage", "cost"),
        dig(fields, "outputs", "cost"),
        fields.get("cost"),
        reply.headers.get("x-litellm-response-cost"),
    )
    return next((cost for cost in map(_usd, values) if cost is not None), None)


def _usd(value: Json) -> Decimal | None:
    found = number(value)
    try:
        return None if found is None else to_usd(found)
    except ValueError:
        return None


def read_page(reply: HttpReply, *, now: float = 0.0) -> VideoPage:
    """Read one page of a server's list; rows that are not jobs are left out.

    `after` is None if the server says that this is the last page, or the page is empty. If the
    server does not say, one more page is requested: stop when a page repeats.

    Raises
    ------
    ProviderError
        The server refused; `JobNotFound` and `RequestRejected` mean that it has no list.
    WireError
        The reply could not be read.
    """
    rows = read_rows(reply, "jobs", now=now)
    jobs = tuple(job for row in rows if (job := _row(row)) is not None)
    return VideoPage(jobs=jobs, after=_after(load(reply.body), jobs))


def rows_of(body: Json, depth: int = 0) -> list[Json] | None:
    """Return the list in a body, whatever its name; None: there is none."""
    if isinstance(body, list):
        return body
    if not isinstance(body, dict) or depth > 1:
        return None
    found = (rows_of(body.get(name), depth + 1) for name in ("data", "items", "videos", "list"))
    return next((rows for rows in found if rows is not None), None)


def _row(row: Json) -> VideoJob | None:
    try:
        answer = find_job(row)
        return _job(answer, HttpReply(status_code=200)) if answer is not None else None
    except (ProviderError, WireError):
        return None  # one bad row must not hide the others


def _after(body: Json, jobs: tuple[VideoJob, ...]) -> str | None:
    more = body.get("has_more") if isinstance(body, dict) else False
    if not jobs or more is False:
        return None
    last = body.get("last_id")
    return last if isinstance(last, str) and last else jobs[-1].remote_id


def read_models(reply: HttpReply, *, now: float = 0.0) -> tuple[str, ...]:
    """Read the names in a server's list of models; raises as `read_page` does."""
    rows = read_rows(reply, "models", now=now)
    found = (word(row.get("id") or row.get("name")) for row in rows if isinstance(row, dict))
    return tuple(name for name in found if name)


def read_character(reply: HttpReply, *, now: float = 0.0) -> str:
    """Read the id of a character that was made; raises as `read_job` does."""
    body = _load(reply, now=now, creating=True)
    found = word(body.get("id")) if isinstance(body, dict) else None
    if not is_success(reply.status_code) or (found is None and reason_in(body).message):
        raise read_error(reply, now=now, creating=True)
    if found is None:
        raise _unreadable(reply, "The server's reply contains no character.")
    return found


def read_deleted(reply: HttpReply, *, now: float = 0.0) -> bool:
    """Return whether the reply to a deletion says that the job is (being) deleted.

    Raises
    ------
    ProviderError
        The server refused: `JobNotFound` if the job no longer exists, or (like
        `RequestRejected`) if the server cannot delete.
    """
    if reply.status_code == _CONFLICT and b"ancel" in reply.body:
        return True  # vLLM-Omni: "Cancellation in progress"
    if not is_success(reply.status_code):
        raise read_error(reply, now=now)
    if reply.status_code == _NO_CONTENT or not reply.body.strip():
        return True
    body = _load(reply, now=now)
    answer: dict[str, Json] = body if isinstance(body, dict) else {}
    if isinstance(answer.get("deleted"), bool):
        return bool(answer["deleted"])
    if reason_in(answer, only_error=True).message:
        raise read_error(reply, now=now)
    left = status_word(answer)
    return left is None or meaning(left) == "cancelled"
