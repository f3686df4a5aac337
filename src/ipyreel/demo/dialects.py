"""The vendors the demo provider can play: one row each, made of readers and writers.

A reader turns the body of a POST into an order, or refuses it as that vendor does; writers
make its job and error objects. A further vendor is a further row. Pure; may import nothing
of ipyreel but `values` and the pure modules of this room.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ipyreel.demo import readers, requests, writers
from ipyreel.demo.requests import Ask, Order, Refused
from ipyreel.demo.state import JobRecord, View
from ipyreel.values import Json

Sentence = Callable[[str], Refused]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one vendor speaks.

    `read_more` reads how many seconds an extension adds; `routes` are those beyond create,
    retrieve and content; `job` gets the address of the video's download as its last argument;
    `content_moves`: /content answers 302 to it;
    `poll_hint`: answers on unfinished jobs carry `openai-poll-after-ms`; `bare_key`: the
    key is also taken without "Bearer"; the sentences say no to a job's id.
    """

    name: str
    title: str
    read: Callable[[Ask], Order]
    job: Callable[[JobRecord, View, str], dict[str, Json]]
    error: Callable[[Refused], Json]
    unknown_job: Sentence
    not_ready: Sentence
    gone: Sentence
    wrong_key: Refused
    read_more: Callable[[Ask], float] = requests.read_seconds
    routes: frozenset[str] = frozenset()
    content_moves: bool = False
    poll_hint: bool = False
    bare_key: bool = False


FULL = frozenset({"list", "delete", "remix", "edits", "extensions"})

GATEWAY_KEY = Refused(401, "Invalid token", code="", kind="new_api_error")
OPENAI_KEY = Refused(401, "Incorrect API key provided.", code="invalid_api_key")

_ROWS = (
    Dialect(
        name="demo",
        title="OpenAI's shapes, any model, 1 to 60 seconds, any even size up to 1920x1920",
        read=readers.read_demo,
        job=writers.openai_job,
        error=writers.openai_error,
        unknown_job=writers.openai_unknown,
        not_ready=writers.openai_not_ready,
        gone=writers.openai_gone,
        wrong_key=OPENAI_KEY,
        routes=FULL,
        poll_hint=True,
    ),
    Dialect(
        name="openai",
        title="api.openai.com as it was: strict about every field",
        read=readers.read_openai,
        read_more=readers.read_openai_more,
        job=writers.openai_job,
        error=writers.openai_error,
        unknown_job=writers.openai_unknown,
        not_ready=writers.openai_not_ready,
        gone=writers.openai_gone,
        wrong_key=OPENAI_KEY,
        routes=FULL,
        poll_hint=True,
    ),
    Dialect(
        name="apigo",
        title="mass.apigo.ai: seconds as a number, /content redirects",
        read=readers.read_apigo,
        job=writers.apigo_job,
        error=writers.apigo_error,
        unknown_job=writers.openai_unknown,
        not_ready=writers.openai_not_ready,
        gone=writers.openai_gone,
        wrong_key=OPENAI_KEY,
        content_moves=True,
    ),
    Dialect(
        name="apiyi",
        title="api.apiyi.com: seconds as text, sizes by model, no list or delete",
        read=readers.read_apiyi,
        job=writers.apiyi_job,
        error=writers.openai_error,
        unknown_job=writers.openai_unknown,
        not_ready=writers.openai_not_ready,
        gone=writers.openai_gone,
        wrong_key=GATEWAY_KEY,
        bare_key=True,
    ),
    Dialect(
        name="aiid",
        title="api.aiid.edu.kg: JSON or form, times in ms, task_id, video_url",
        read=readers.read_aiid,
        job=writers.aiid_job,
        error=writers.aiid_error,
        unknown_job=writers.aiid_unknown,
        not_ready=writers.aiid_not_ready,
        gone=writers.openai_gone,
        wrong_key=GATEWAY_KEY,
        bare_key=True,
    ),
)

DIALECTS: Mapping[str, Dialect] = {row.name: row for row in _ROWS}
