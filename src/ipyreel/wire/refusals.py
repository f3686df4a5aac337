"""A reply that says no, as the right error."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ipyreel.errors import (
    AuthenticationFailed,
    JobNotFound,
    PaymentRequired,
    ProviderError,
    RateLimited,
    RequestRejected,
    ServerBroken,
)
from ipyreel.values import HttpReply, Json
from ipyreel.wire import headers as hints_in
from ipyreel.wire.body import load
from ipyreel.wire.reasons import MODERATION_HINT, Reason, of_unreadable, reason_in

_BY_STATUS: Mapping[int, type[ProviderError]] = MappingProxyType(
    {
        401: AuthenticationFailed,
        403: AuthenticationFailed,
        402: PaymentRequired,
        404: JobNotFound,
        410: JobNotFound,
        408: ServerBroken,  # a timeout of theirs: like a 504, it says nothing of the request
        429: RateLimited,
    }
)

_BY_CODE: Mapping[str, type[ProviderError]] = MappingProxyType(
    {
        "task_not_exist": JobNotFound,  # new-api says this with a 400
        "model_not_found": RequestRejected,  # apiyi: a 503, when the key's group lacks it
        "invalid_api_key": AuthenticationFailed,
        "insufficient_quota": PaymentRequired,  # OpenAI says this with a 429: waiting is vain
        "insufficient_user_quota": PaymentRequired,
        "insufficient_balance": PaymentRequired,
        "billing_hard_limit_reached": PaymentRequired,
    }
)

_HINTS: Mapping[type[ProviderError], str] = MappingProxyType(
    {
        AuthenticationFailed: "The key was not accepted. %video doctor says where it came from, "
        "%video key PROVIDER takes another.",
        PaymentRequired: "The account has no money for this. Top it up at the provider.",
        RateLimited: "Too many requests at once. Wait a little, then try again.",
        JobNotFound: "The provider does not know this job, or no longer keeps its file "
        "(some keep files for an hour, some for a day).",
        ServerBroken: "The provider is in trouble. Try again later.",
    }
)

_HINTS_BY_STATUS: Mapping[int, str] = MappingProxyType(
    {
        403: "The key may not do this. Check its rights and groups at the provider.",
        405: "This provider does not offer that.",
        413: "The request is too large. Use a smaller image.",
        501: "This provider does not offer that.",
    }
)

_CREATE_404 = "Check the base URL and the name of the model."
_NO_MODEL = "The provider does not offer this model to this key. See %video models PROVIDER."
_MOVED = "Check the base URL: the server sends elsewhere."
_FIRST_ERROR, _FIRST_BROKEN, _LAST = 400, 500, 600
_MULTIPLE, _OK = 300, 200


def is_success(status_code: int) -> bool:
    """Whether a status is 2xx."""
    return _OK <= status_code < _MULTIPLE


def read_error(reply: HttpReply, *, now: float, creating: bool = False) -> ProviderError:
    """Return (not raise) the error that a reply is, with the server's sentence in it.

    Parameters
    ----------
    reply
        Any reply that is not what was hoped for; with a 2xx status, one whose body says no.
    now
        Seconds since the epoch, against which a `Retry-After` date is read.
    creating
        Whether it answers a submission, where a 404 speaks of the model or the base URL.
    """
    answer = _answer(reply)
    if answer is None:
        reason = Reason(message=of_unreadable(reply.status_code, reply.headers, reply.body))
    else:
        reason = reason_in(answer)
    kind = _kind(reply.status_code, reason, creating=creating)
    error = kind(
        reason.message or f"The server answered {reply.status_code} and gave no reason.",
        status_code=reply.status_code,
        code=reason.code,
        param=reason.param,
        request_id=hints_in.request_id(reply.headers) or reason.request_id,
        hint=_hint(kind, reply.status_code, reason, creating=creating),
    )
    if isinstance(error, RateLimited):
        error.retry_after = hints_in.retry_after(reply.headers, now=now)
    return error


def _answer(reply: HttpReply) -> dict[str, Json] | None:
    try:
        body = load(reply.body)
    except ValueError:
        return None
    if isinstance(body, dict):
        inner = body.get("data")
        return {**inner, **body} if isinstance(inner, dict) else body
    return {"detail": body} if isinstance(body, (str, list)) else None


def _kind(status_code: int, reason: Reason, *, creating: bool) -> type[ProviderError]:
    code = (reason.code or "").lower()
    if is_success(status_code):
        told = int(code) if code.isascii() and code.isdigit() and len(code) == len("404") else 0
        if _FIRST_ERROR <= told < _LAST:
            status_code = told
    if reason.moderated:
        return RequestRejected
    known = _BY_CODE.get(code) or _BY_STATUS.get(status_code)
    if known is JobNotFound and creating:
        return RequestRejected
    if known is not None:
        return known
    if is_success(status_code):
        # A "no" in a 200: to a submission it is final, to a question it is a hiccup of
        # something behind a gateway (new-api passes an upstream's error on like this).
        return RequestRejected if creating else ServerBroken
    return RequestRejected if _MULTIPLE <= status_code < _FIRST_BROKEN else ServerBroken


def _hint(
    kind: type[ProviderError], status_code: int, reason: Reason, *, creating: bool
) -> str | None:
    if reason.moderated:
        return MODERATION_HINT
    if (reason.code or "").lower() == "model_not_found":
        return _NO_MODEL
    if status_code in {404, 410} and creating:
        return _CREATE_404
    if _MULTIPLE <= status_code < _FIRST_ERROR:
        return _MOVED
    own = _HINTS_BY_STATUS.get(status_code) if kind not in {PaymentRequired, JobNotFound} else None
    return own or _HINTS.get(kind)


_FORM_STATUS, _MAYBE_FORM = 415, frozenset({400, 422})
_FORM_WORDS = ("multipart", "form-data", "form data", "urlencoded")


def wants_form(reply: HttpReply) -> bool:
    """Whether a server that was sent JSON says that it wanted a form.

    415 says so; a 400 or 422 does when it speaks of forms, or misses the prompt that was
    sent (vLLM-Omni: 422 "Field required").
    """
    if reply.status_code == _FORM_STATUS:
        return True
    answer = _answer(reply) if reply.status_code in _MAYBE_FORM else None
    if answer is None:
        return False
    text = (reason_in(answer).message or "").lower()
    if any(words in text for words in _FORM_WORDS):
        return True
    detail = answer.get("detail")
    return any(_misses_prompt(item) for item in detail) if isinstance(detail, list) else False


def _misses_prompt(item: Json) -> bool:
    if not isinstance(item, dict):
        return False
    loc = item.get("loc")
    about = loc[-1] if isinstance(loc, list) and loc else "prompt"
    missing = item.get("type") == "missing" or "field required" in str(item.get("msg")).lower()
    return missing and about in {"prompt", "body"}
