"""Turns a refusal into the right error, and finds its reason in the reply."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
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
from ipyreel.wire.job_fields import usable_address
from ipyreel.wire.parse import dig, is_empty, load, number, request_id, retry_after, word
from ipyreel.wire.text import clean, excerpt

MODERATION = frozenset(
    {
        *("moderation_blocked", "input_moderation", "output_moderation", "moderated"),
        *("content_filter", "content_policy_violation", "sensitive_words_detected"),
        "sentinel_block",
    }
)
"""Codes of servers for a prompt or an image that moderation refused."""

MODERATION_HINT = "The provider's moderation refused the prompt. Change it and run the cell again."

_SENTENCES = (
    *("message", "msg", "error", "detail", "reason", "description"),
    *("err_msg", "ErrMsg", "error_msg", "errmsg", "errorMessage", "error_message", "status_msg"),
    *("Message", "Error", "faultstring", "title"),
)
"""The fields with the text of an error, inside an error object."""

_REASONS = (
    *("fail_reason", "failReason", "failure_reason", "task_status_msg"),
    *("error_message", "error_msg", "errorMessage", "errmsg", "err_msg", "ErrMsg"),
    *("failure", "failMsg", "fail_msg", "err", "errors", "fault"),
    *("base_resp", "Response", "ResponseMetadata"),
    *("reason", "message", "Message", "msg"),
    *("status_msg", "status_message", "status_details", "incomplete_details"),
    *("detail", "title"),
)
"""Fields with that text in a reply without `error`, as from MiniMax, Tencent and Volcengine."""

_CODES = ("code", "error_code", "err_code", "ErrCode", "Code", "CodeN")
_ERROR_OBJECTS = (
    ("base_resp",),
    ("Response", "Error"),
    ("ResponseMetadata", "Error"),
    ("failure",),
    ("fault",),
)
_ORDINARY = frozenset(
    {
        *("id", "object", "model", "prompt", "seconds", "duration", "size", "ratio", "resolution"),
        *("status", "state", "progress", "type", "code", "error", "usage", "quality", "platform"),
        *("task_id", "video_id", "user_id", "action", "created", "created_at", "createdAt"),
        *("completed_at", "completedAt", "finish_time", "finished_at", "updated_at"),
        *("started_at", "expires_at"),
    }
)
"""Fields of a job that are never the reason of its failure."""

_NO_REASON = frozenset({"success", "ok", "none", "null", "succeed", "succeeded"})
_NO_CODE = frozenset({"", "0", "200", "201", "202", "success", "ok", "none", "null"})
_DEEPEST = 4
_FEW = 3
_LOGGED = re.compile(r"request id:\s*([\w-]{6,80})", re.IGNORECASE)
_TITLE = re.compile(rb"<title[^>]{0,200}>([^<]{1,300})", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """What a server gave as its reason; every part may be missing."""

    message: str | None = None
    code: str | None = None
    param: str | None = None
    request_id: str | None = None

    @property
    def moderated(self) -> bool:
        """Whether the code means that moderation refused."""
        return (self.code or "").lower() in MODERATION


def sentence(value: Json, depth: int = 0) -> str | None:
    """Return the readable text in a field: a text, an object that contains one, or a list."""
    if isinstance(value, str):
        line = clean(value)
        return line if line and line.lower() not in _NO_REASON else None
    if depth >= _DEEPEST:
        return None
    if isinstance(value, dict):
        found = (sentence(value.get(name), depth + 1) for name in _SENTENCES)
        inner = next((line for line in found if line), None)
        where = field_of(value)
        return f"{where}: {inner}" if inner and where else inner
    if isinstance(value, list):
        lines = [text for item in value[:_FEW] if (text := sentence(item, depth + 1))]
        return clean("; ".join(lines)) or None
    return None


def field_of(value: Json) -> str | None:
    """Return the field that one entry of a FastAPI `detail` list names."""
    loc = value.get("loc") if isinstance(value, dict) else None
    if not isinstance(loc, list):
        return None
    names = [text for item in loc[:8] if (text := word(item, 60)) and text != "body"]
    return ".".join(names) or None


def code_of(value: Json) -> str | None:
    """Return an error code; None if it means success, or nothing."""
    text = word(value)
    return text if text is not None and text.lower() not in _NO_CODE else None


def _first(names: tuple[str, ...], *levels: Mapping[str, Json]) -> str | None:
    found = (code_of(level.get(name)) for level in levels for name in names)
    return next((code for code in found if code), None)


def _param(error: Mapping[str, Json], answer: Mapping[str, Json]) -> str | None:
    detail = answer.get("detail")
    first = detail[0] if isinstance(detail, list) and detail else None
    return word(error.get("param")) or field_of(first)


def reason_in(answer: Mapping[str, Json], *, only_error: bool = False) -> Reason:
    """Return the reason in a reply: from `error` in all its shapes, then from other fields.

    Parameters
    ----------
    answer
        The body, unwrapped.
    only_error
        Read only `error`: in a completed job, a `message` means nothing.
    """
    error = answer.get("error")
    inner: Mapping[str, Json] = error if isinstance(error, dict) else {}
    message = sentence(error)
    code = _first(("code", "type"), inner)
    if code is not None and code.isdigit() and code_of(inner.get("type")) in _BY_CODE:
        code = code_of(inner.get("type"))  # LiteLLM repeats the status as the code
    if not only_error:
        message = message or _elsewhere(answer)
        code = code or _first(_CODES, answer) or _first((*_CODES, "status_code"), *_objects(answer))
        code = code or _filtered(answer)
    logged = _LOGGED.search(message or "")
    return Reason(
        message=message,
        code=code,
        param=_param(inner, answer),
        request_id=logged[1] if logged else word(answer.get("request_id")),
    )


def _objects(answer: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    """Return the objects that describe the problem if there is no `error`."""
    errors = answer.get("errors")
    found = [dig(answer, *names) for names in _ERROR_OBJECTS]
    found += errors[:1] if isinstance(errors, list) else []
    return [item for item in found if isinstance(item, dict)]


def leftover(fields: Mapping[str, Json]) -> str | None:
    """Return the content of a failed job's unknown fields; None if there are none."""
    rest = {
        name: value
        for name, value in fields.items()
        if name not in _ORDINARY and not is_empty(value) and not isinstance(value, bool)
    }
    return clean(json.dumps(rest, ensure_ascii=False), 300) if rest else None


def names_error(reply: HttpReply) -> bool:
    """Return whether a 2xx reply to a submission is a refusal: a code other than 0, and a text."""
    answer = _answer(reply) if is_success(reply.status_code) else None
    if answer is None or not is_empty(answer.get("error")):
        return False
    levels = (answer, *_objects(answer))
    codes = (number(level.get(name)) for level in levels for name in (*_CODES, "status_code"))
    return any(code not in {None, 0.0, 200.0} for code in codes) and bool(_elsewhere(answer))


def _elsewhere(answer: Mapping[str, Json]) -> str | None:
    """Return the reason from the fields that are used if there is no `error`."""
    found = (sentence(answer.get(name)) for name in _REASONS)
    message = next((text for text in found if text), None)
    metadata = answer.get("metadata")
    place = metadata.get("url") if isinstance(metadata, dict) else None
    if message or not isinstance(place, str) or usable_address(place):
        return message
    return sentence(place)  # new-api: GetResultURL falls back to FailReason (model/task.go)


def _filtered(answer: Mapping[str, Json]) -> str | None:
    """Return the code for Bifrost's `content_filter`, or for a `failure_reason` that is one."""
    reason = word(answer.get("failure_reason"))
    if reason in MODERATION:
        return reason
    filtered = answer.get("content_filter")
    return None if is_empty(filtered) or filtered is False else "content_filter"


def describe_unreadable(status_code: int, headers: Mapping[str, str], body: bytes) -> str:
    """Return a sentence on a body that is not JSON: status, type, and title or beginning."""
    kind = clean(headers.get("content-type", "").split(";")[0], 60) or "no type"
    title = _TITLE.search(body[:8192])
    if title:
        shown = clean(html.unescape(title[1].decode("utf-8", "replace")), 200)
    else:
        shown = excerpt(body, 200)
    tail = f": {shown}" if shown else " and an empty body."
    return f"The server answered {status_code} with {kind}{tail}"


_BY_STATUS: Mapping[int, type[ProviderError]] = MappingProxyType(
    {
        401: AuthenticationFailed,
        403: AuthenticationFailed,
        402: PaymentRequired,
        404: JobNotFound,
        410: JobNotFound,
        408: ServerBroken,  # the server's timeout: like a 504, it says nothing about the request
        499: ServerBroken,  # of a proxy whose client, another proxy, stopped waiting
        429: RateLimited,
    }
)

_BY_CODE: Mapping[str, type[ProviderError]] = MappingProxyType(
    {
        "task_not_exist": JobNotFound,  # new-api sends this with a 400
        "model_not_found": RequestRejected,  # apiyi: a 503, when the key's group lacks it
        "invalid_api_key": AuthenticationFailed,
        # LiteLLM without a database answers this to every key but its own, with a 400
        # (proxy/auth/user_api_key_auth.py, 1.108.7).
        "no_db_connection": AuthenticationFailed,
        "insufficient_quota": PaymentRequired,  # OpenAI: a permanent 429
        "insufficient_user_quota": PaymentRequired,
        "insufficient_balance": PaymentRequired,
        "billing_hard_limit_reached": PaymentRequired,
    }
)

_HINTS: Mapping[type[ProviderError], str] = MappingProxyType(
    {
        AuthenticationFailed: "The key was not accepted. %video doctor shows where it came from, "
        "%video key PROVIDER sets another.",
        PaymentRequired: "The account has no credit for this. Top it up at the provider.",
        RateLimited: "Too many requests. Wait a little, or run fewer at a time: --parallel.",
        JobNotFound: "The provider does not know this job, or no longer keeps its file "
        "(some keep files for an hour, some for a day).",
        ServerBroken: "The provider has a fault. Try again later.",
    }
)

_HINTS_BY_STATUS: Mapping[int, str] = MappingProxyType(
    {
        403: "The key may not do this. Check its permissions and groups at the provider.",
        405: "This provider does not offer that.",
        413: "The request is too large. Use a smaller image.",
        501: "This provider does not offer that.",
    }
)

_CREATE_404 = "Check the base URL and the name of the model"
_NO_MODEL = "The provider does not offer this model to this key. See %video models PROVIDER."
_MOVED = "Check the base URL: the server redirects."
_FIRST_ERROR, _FIRST_BROKEN, _LAST = 400, 500, 600
_MULTIPLE, _OK = 300, 200


def is_success(status_code: int) -> bool:
    """Whether a status is 2xx."""
    return _OK <= status_code < _MULTIPLE


def read_error(reply: HttpReply, *, now: float, creating: bool = False) -> ProviderError:
    """Return (not raise) the error for a reply, with the server's message.

    Parameters
    ----------
    reply
        Any reply that is not a success; with a 2xx status, one whose body is a refusal.
    now
        Seconds since the epoch, to which a `Retry-After` date is compared.
    creating
        Whether it is the reply to a submission, where a 404 is about the model or the base URL.
    """
    answer = _answer(reply)
    if answer is None:
        reason = Reason(message=describe_unreadable(reply.status_code, reply.headers, reply.body))
    else:
        reason = reason_in(answer)
    kind = _kind(reply.status_code, reason, creating=creating)
    error = kind(
        reason.message or _without_reason(reply),
        status_code=reply.status_code,
        code=reason.code,
        param=reason.param,
        request_id=request_id(reply.headers) or reason.request_id,
        hint=_hint(kind, reply, reason, creating=creating),
    )
    if isinstance(error, RateLimited):
        error.retry_after = retry_after(reply.headers, now=now)
    error.reply = reply.beginning()
    return error


def _without_reason(reply: HttpReply) -> str:
    shown = excerpt(reply.body, 300).strip("{}[] ")
    if not shown:
        return f"The server answered {reply.status_code} and gave no reason."
    return f"The server answered {reply.status_code}: {excerpt(reply.body, 300)}"


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
        inner = int(code) if code.isascii() and code.isdigit() and len(code) == len("404") else 0
        if _FIRST_ERROR <= inner < _LAST:
            status_code = inner
    if reason.moderated:
        return RequestRejected
    known = _BY_CODE.get(code) or _BY_STATUS.get(status_code)
    if known is JobNotFound and creating:
        return RequestRejected
    if known is not None:
        return known
    if is_success(status_code):
        # A refusal in a 200: for a submission it is final, for a poll it is a temporary fault of
        # something behind a gateway (new-api passes on upstream errors like this).
        return RequestRejected if creating else ServerBroken
    return RequestRejected if _MULTIPLE <= status_code < _FIRST_BROKEN else ServerBroken


def _hint(
    kind: type[ProviderError], reply: HttpReply, reason: Reason, *, creating: bool
) -> str | None:
    status_code = reply.status_code
    if reason.moderated:
        return MODERATION_HINT
    if (reason.code or "").lower() == "model_not_found":
        return _NO_MODEL
    if status_code in {404, 410} and creating:
        return f"{_CREATE_404}{asked_at(reply.url)}."
    if _MULTIPLE <= status_code < _FIRST_ERROR:
        return _MOVED
    own = _HINTS_BY_STATUS.get(status_code) if kind not in {PaymentRequired, JobNotFound} else None
    return own or _HINTS.get(kind)


def asked_at(url: str) -> str:
    """Return the requested URL, and how to change it, as the end of a hint."""
    if not url:
        return ""
    cure = "" if "/v1/" in url else "; most servers want a base URL that ends in /v1"
    return f": {url} was requested{cure}"


_FORM_STATUS, _MAYBE_FORM = 415, frozenset({400, 422})
_FORM_WORDS = ("multipart", "form-data", "form data", "urlencoded")


def wants_form(reply: HttpReply) -> bool:
    """Return whether a server that got JSON wants a form.

    415 means that; a 400 or 422 does if it mentions forms, or says that the prompt is missing
    (vLLM-Omni: 422 "Field required").
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
