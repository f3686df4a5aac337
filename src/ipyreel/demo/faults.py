"""Scripted faults: rules that say when the demo provider misbehaves, and how.

A rule is a JSON object. When: `step` (create, retrieve, content, file, list, delete, remix,
edits, extensions, models, or any), `skip` the first k requests that match, then at most
`count` times or with a `probability` (drawn from `seed`), only `after_seconds` or
`before_seconds` of the job's age (of the server's age where a request is about no job). What:
`do`, an object with the keys of `ACTIONS`. The first rule that matches is played. May import
nothing of ipyreel but `values`.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

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
    "any",
)

ACTIONS: Mapping[str, tuple[type, ...]] = {
    "status": (int,),  # this HTTP status, with `headers` and `body` (text, or JSON)
    "headers": (dict,),
    "body": (object,),
    "when": (str,),  # "before" (default) or "after" the request did its work
    "reset": (bool,),  # the connection is reset instead of an answer
    "drop_reply": (bool,),  # the work is done, the connection closed without an answer
    "hang": (int, float),  # no answer for so many seconds, then the connection is closed
    "job": (dict,),  # fields laid over the job object; with `status` also an HTTP status
    "without": (list,),  # names of fields taken out of the job object
    "wrap": (str,),  # the job object goes under this name, beside "code": "success"
    "id": (str,),  # the id a new job gets; "{n}" becomes a number
    "not_ready": (int,),  # /content says "not ready" with this status
    "json": (bool,),  # /content: 200 video/mp4 with a JSON error inside
    "html": (bool,),  # 200 with a page of HTML
    "redirect": (str,),  # "file", "other" (the same under another origin), or an address
    "cut": (int,),  # the whole length is told, the connection closed after so many bytes
    "wrong_length": (int,),  # told is the true length plus this; what is there is sent
    "not_a_video": (bool,),  # text that says video/mp4
    "envelope": (bool, str),  # JSON with the video's address (true) or another one
    "slow": (int, float),  # bytes per second
    "no_range": (bool,),  # Range is ignored
    "avi": (bool,),  # an AVI and its type
}


class FaultError(ValueError):
    """A rule cannot be read; the text names the rule, the key and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One rule, as the module's text says."""

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
        """Check one rule's JSON object; `where` names it in errors."""
        if not isinstance(data, dict):
            raise FaultError(f"{where}: expected an object, got {data!r}")
        _check_names(where, data, cls.__slots__)
        if data.get("step") not in STEPS:
            allowed = ", ".join(STEPS)
            raise FaultError(f"{where}: step {data.get('step')!r} is none of: {allowed}")
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
    """A rule with its memory: requests matched, times played, and its dice."""

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
            The file cannot be read, is no JSON, or holds a rule that is none.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise FaultError(f"{path}: {error}") from error
        rules = data if isinstance(data, list) else [data]
        return cls(Fault.read(rule, where=f"{path}: rule {n}") for n, rule in enumerate(rules, 1))

    def add(self, rule: Fault | Mapping[str, Json]) -> None:
        """Put a rule at the end of the table."""
        if not isinstance(rule, Fault):
            rule = Fault.read(dict(rule), where=f"rule {len(self._armed) + 1}")
        dice = random.Random(rule.seed)  # noqa: S311 - a fault, not a secret
        with self._lock:
            self._armed.append(_Armed(rule=rule, rng=dice))

    def clear(self) -> None:
        """Behave from now on."""
        with self._lock:
            self._armed.clear()

    def draw(self, step: str, age: float) -> Mapping[str, Json]:
        """Return what to do to this request; {} for nothing. Counts as played."""
        with self._lock:
            for armed in self._armed:
                if armed.rule.step in (step, "any") and armed.plays(age):
                    return armed.rule.do
        return {}
