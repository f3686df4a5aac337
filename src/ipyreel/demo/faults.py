"""Scripted faults: rules that say when the demo server fails, and how.

A rule is a JSON object. When: `step` (one of `STEPS`), `skip` the first k requests that match,
then at most `count` times or with a `probability` (from `seed`), only `after_seconds` or
`before_seconds` of the job's age (the server's age if a request is not about a job). What: `do`,
an object with the keys of `ACTIONS`. The first rule that matches is played.
"""

from __future__ import annotations

import json
import random
import struct
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from ipyreel.demo.exchange import Call, Reply, file_reply
from ipyreel.demo.jobs import JobRecord
from ipyreel.demo.provider import Provider
from ipyreel.values import Json

STEPS = (
    "create",
    "retrieve",
    "content",
    "file",
    "list",
    "delete",
    "remix",
    "edits",
    "extensions",
    "models",
    "create_character",
    "get_character",
    "any",
)

ACTIONS: Mapping[str, tuple[type, ...]] = {
    "status": (int,),  # this HTTP status, with `headers` and `body` (text, or JSON)
    "headers": (dict,),
    "body": (object,),
    "when": (str,),  # "before" (default) or "after" the request did its work
    "reset": (bool,),  # the connection is reset instead of a reply
    "drop_reply": (bool,),  # the work is done, the connection closed without a reply
    "hang": (int, float),  # no reply for this many seconds, then the connection is closed
    "job": (dict,),  # fields that replace those of the job object; `status` may be added
    "without": (list,),  # names of fields removed from the job object
    "wrap": (str,),  # the job object is put under this name, next to "code": "success"
    "id": (str,),  # the id a new job gets; "{n}" becomes a number
    "not_ready": (int,),  # /content says "not ready" with this status
    "json": (bool,),  # /content: 200 video/mp4 with a JSON error inside
    "html": (bool,),  # 200 with a page of HTML
    "redirect": (str,),  # "file", "other" (the same under another origin), or an address
    "cut": (int,),  # full length in the header, connection closed after this many bytes
    "wrong_length": (int,),  # the header has the true length plus this
    "not_a_video": (bool,),  # text sent as video/mp4
    "envelope": (bool, str),  # JSON with the video's address (true) or another one
    "slow": (int, float),  # bytes per second
    "no_range": (bool,),  # Range is ignored
    "avi": (bool,),  # an AVI and its type
}


class FaultError(ValueError):
    """A rule is not valid; the text names the rule, the key and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One rule, as described in the module's docstring."""

    step: str
    do: Mapping[str, Json]
    count: int | None = None
    probability: float | None = None
    seed: int = 0
    after_seconds: float = 0.0
    before_seconds: float | None = None
    skip: int = 0

    @classmethod
    def read(cls, data: Json, *, where: str = "rule 1") -> Fault:
        """Check the JSON object of a rule; `where` names it in errors."""
        if not isinstance(data, dict):
            raise FaultError(f"{where}: expected an object, got {data!r}")
        _check_names(where, data, cls.__slots__)
        if data.get("step") not in STEPS:
            allowed = ", ".join(STEPS)
            raise FaultError(f"{where}: step {data.get('step')!r} is not one of: {allowed}")
        do = data.get("do")
        if not isinstance(do, dict) or not do:
            raise FaultError(f"{where}: do must be an object with one of: {', '.join(ACTIONS)}")
        _check_names(f"{where}: do", do, tuple(ACTIONS))
        for name, value in do.items():
            if not isinstance(value, ACTIONS[name]):
                wanted = " or ".join(kind.__name__ for kind in ACTIONS[name])
                raise FaultError(f"{where}: do.{name} must be {wanted}, not {value!r}")
        if do.get("when", "before") not in {"before", "after"}:
            raise FaultError(f"{where}: do.when must be before or after, not {do['when']!r}")
        return cls(**data)


def _check_names(where: str, data: Mapping[str, Json], allowed: Iterable[str]) -> None:
    for name in data:
        if name not in allowed:
            raise FaultError(f"{where}: unknown {name!r}; allowed are: {', '.join(allowed)}")


@dataclass(slots=True)
class _Armed:
    """A rule with its counters: requests matched, times played, random numbers."""

    rule: Fault
    matched: int = 0
    played: int = 0
    rng: random.Random = field(default_factory=random.Random)

    def plays(self, age: float) -> bool:
        rule = self.rule
        late = rule.before_seconds is not None and age >= rule.before_seconds
        if late or age < rule.after_seconds:
            return False
        self.matched += 1
        if self.matched <= rule.skip or (rule.count is not None and self.played >= rule.count):
            return False
        if rule.probability is not None and self.rng.random() >= rule.probability:
            return False
        self.played += 1
        return True


class Faults:
    """The table of rules. Thread-safe, so that a test can change it under a running server."""

    def __init__(self, rules: Iterable[Fault | Mapping[str, Json]] = ()) -> None:
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []
        for rule in rules:
            self.add(rule)

    @classmethod
    def load(cls, path: Path) -> Faults:
        """Read a file with one rule or a list of rules.

        Raises
        ------
        FaultError
            The file cannot be read, is not JSON, or a rule is not valid.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise FaultError(f"{path}: {error}") from error
        faults = cls()
        faults.extend(data, where=f"{path}: ")
        return faults

    def __len__(self) -> int:
        return len(self._armed)

    def extend(self, data: Json, *, where: str = "") -> None:
        """Add one rule, or a list of rules, to the end of the table: all of them or none."""
        rules = data if isinstance(data, list) else [data]
        for rule in [Fault.read(rule, where=f"{where}rule {n}") for n, rule in enumerate(rules, 1)]:
            self.add(rule)

    def add(self, rule: Fault | Mapping[str, Json]) -> None:
        """Add a rule to the end of the table."""
        if not isinstance(rule, Fault):
            rule = Fault.read(dict(rule), where=f"rule {len(self._armed) + 1}")
        dice = random.Random(rule.seed)  # noqa: S311 - a fault, not a secret
        with self._lock:
            self._armed.append(_Armed(rule=rule, rng=dice))

    def clear(self) -> None:
        """Remove all rules."""
        with self._lock:
            self._armed.clear()

    def draw(self, step: str, age: float) -> Mapping[str, Json]:
        """Return what to do to this request, {} for nothing, and count it as played."""
        with self._lock:
            for armed in self._armed:
                if armed.rule.step in (step, "any") and armed.plays(age):
                    return armed.rule.do
        return {}


# ------------------------------------------------------------------------ playing rules

HTML = b"<!DOCTYPE html>\n<html><head><title>demo | 502: Bad gateway</title></head></html>\n"

AVI = b"RIFF" + struct.pack("<I", 4 + 8 + 1016) + b"AVI " + b"JUNK" + struct.pack("<I", 1016)


def early_reply(do: Mapping[str, Json]) -> Reply | None:
    """Return the reply of a fault that comes before any work is done; None: do the work."""
    if do.get("when") == "after" or "job" in do or "drop_reply" in do or "redirect" in do:
        return None
    if not do.keys() & {"status", "reset", "hang"}:
        return None
    return _blunt(do, Reply())


def spoil(do: Mapping[str, Json], reply: Reply, call: Call, provider: Provider) -> Reply:
    """Return what is sent instead of a correct reply."""
    if "job" in do or "without" in do or "wrap" in do:
        reply = _patch_job(do, reply)
    elif do.keys() & {"status", "reset", "hang", "drop_reply"} and "redirect" not in do:
        return _blunt(do, reply)
    if call.step in {"content", "file"}:
        reply = _spoil_content(do, reply, call, provider)
    elif "cut" in do:
        reply = replace(reply, cut=do["cut"])
    if "html" in do:
        page = {"content-type": "text/html"}
        reply = replace(reply, status=200, json=None, body=HTML, file=None, headers=page)
    if "slow" in do:
        reply = replace(reply, pace=float(do["slow"]))
    return replace(reply, headers={**reply.headers, **do.get("headers", {})})


def _blunt(do: Mapping[str, Json], reply: Reply) -> Reply:
    """Return a reply that ignores the request, but keeps whether a job was created."""
    kept = Reply(record=reply.record, created=reply.created)
    if "hang" in do:
        return replace(kept, hang=float(do["hang"]))
    if "reset" in do or "drop_reply" in do:
        return replace(kept, hangup="reset" if "reset" in do else "close")
    headers = dict(do.get("headers", {}))
    body = do.get("body")
    if body is None:
        message = f"The demo was configured to send {do['status']}."
        body = {"error": {"message": message, "type": "demo_fault", "param": None, "code": None}}
    if isinstance(body, str):
        kind = "text/html" if body.lstrip().startswith("<") else "text/plain"
        headers = {"content-type": kind, **headers}
        return replace(kept, status=do["status"], headers=headers, body=body.encode())
    return replace(kept, status=do["status"], headers=headers, json=body)


# ------------------------------------------------------------------------- the job object


def _patch_job(do: Mapping[str, Json], reply: Reply) -> Reply:
    """Replace fields of the job object in a reply, or of each in a list."""
    if not isinstance(reply.json, dict) or reply.status >= 400:  # noqa: PLR2004
        return reply
    body = dict(reply.json)
    if isinstance(body.get("data"), list):
        body["data"] = [_patched(do, job, None) for job in body["data"]]
    else:
        body = _patched(do, body, reply.record)
    if "wrap" in do:
        body = {"code": "success", "message": "", do["wrap"]: body}
    return replace(reply, json=body, status=do.get("status", reply.status))


def _patched(
    do: Mapping[str, Json], job: Mapping[str, Json], record: JobRecord | None
) -> dict[str, Json]:
    patch = {name: _word(value, record) for name, value in do.get("job", {}).items()}
    gone = do.get("without", ())
    return {name: value for name, value in {**job, **patch}.items() if name not in gone}


def _word(value: Json, record: JobRecord | None) -> Json:
    """Replace "$ms", "$iso" and "$text" by the creation time; return other values unchanged."""
    if record is None or not isinstance(value, str):
        return value
    moment = record.created_at
    if value == "$iso":
        return datetime.fromtimestamp(moment, tz=timezone.utc).isoformat()
    return {"$ms": round(moment * 1000), "$text": str(int(moment))}.get(value, value)


# ---------------------------------------------------------------------------- the content


def _spoil_content(do: Mapping[str, Json], reply: Reply, call: Call, provider: Provider) -> Reply:
    """Return faulty content of a job; requests that come too early get the usual reply."""
    if reply.status >= 400 or reply.record is None:  # noqa: PLR2004
        return reply
    record = reply.record
    if "not_ready" in do:
        refused = provider.dialect.not_ready(record.id)
        return replace(provider.refuse(refused), status=do["not_ready"], record=record)
    url = provider.download_url(call, record)
    if "redirect" in do:
        word = str(do["redirect"])
        moved = {"location": {"file": url, "other": _other_origin(url)}.get(word, word)}
        return Reply(status=do.get("status", 302), headers=moved, record=record)
    if "envelope" in do:
        address = do["envelope"] if isinstance(do["envelope"], str) else url
        return Reply(json={"url": address}, record=record)
    return _shorten(do, _wrong_file(do, reply))


def _wrong_file(do: Mapping[str, Json], reply: Reply) -> Reply:
    """Return something else labelled as a video."""
    kind = {"content-type": "video/mp4"}
    wrong = Reply(headers=kind, record=reply.record)
    if "json" in do:
        body = {"error": {"message": "upstream error", "type": "server_error", "code": "500"}}
        return replace(wrong, json=body)
    if "not_a_video" in do:
        return replace(wrong, body=b"This is not a video.\n" * 64)
    if "avi" in do:
        kind = {"content-type": "video/x-msvideo"}
        return replace(wrong, headers=kind, body=AVI + bytes(1016))
    return reply


def _other_origin(url: str) -> str:
    """Return the same address with loopback's other name, which is another origin."""
    if "//127.0.0.1" in url:
        return url.replace("//127.0.0.1", "//localhost", 1)
    return url.replace("//localhost", "//127.0.0.1", 1)


def _shorten(do: Mapping[str, Json], reply: Reply) -> Reply:
    """Return less than announced, announce more or less than there is, or ignore Range."""
    if reply.file is None:
        return reply
    if "no_range" in do:
        whole = file_reply(reply.file, None, tag=reply.headers["etag"], ranges=False)
        reply = replace(whole, record=reply.record)
    if "cut" in do:
        reply = replace(reply, cut=do["cut"])
    if "wrong_length" in do:
        length = max(0, reply.length + do["wrong_length"])
        headers = {**reply.headers, "content-length": str(length)}
        sent = min(length, reply.length)
        reply = replace(reply, headers=headers, length=sent, cut=None if sent == length else sent)
    return reply
