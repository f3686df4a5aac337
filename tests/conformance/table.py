"""The fault table as data: what each fault must come to, at every step, vendor by vendor.

A `Case` is one order at one vendor with the faults of `rules`. `end` is what it must come to;
`after` what it must come to when the trouble is over and a new kernel is asked to resume it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

ALL = ("demo", "demo-no-list", "openai", "openai-no-list", "apigo", "apiyi", "aiid")
LISTING = ("demo", "openai")
VENDORS = ("openai", "apigo", "apiyi", "aiid")
"""Where it matters not whether there is a list; the shapes of the demo are those of openai."""

SAID = 'No, said the <b>server</b> in "its own" words.'


@dataclass(frozen=True, kw_only=True)
class End:
    """What a case comes to: `says` are words that a person must get to read."""

    status: str
    error: str | None = None
    says: tuple[str, ...] = ()
    posts: int = 1
    accepted: int = 1
    ending: str = ".mp4"


DONE = End(status="completed")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One order with faults.

    `row` is the row of the table in words, `door` how the vendor cannot be reached at all.
    `waits` are bounds between which some wait must lie, in seconds; `notes` words of passing
    notes; `never` steps that must not be asked; `impatient`: timeouts that are short. `adopt`:
    a job that nobody could find is taken over by its server's id at the end.
    """

    row: str
    name: str
    kind: str = ""
    rules: tuple[dict, ...] = ()
    end: End = DONE
    after: End | None = None
    door: str | None = None
    waits: tuple[tuple[float, float], ...] = ()
    waited: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    impatient: str | None = None
    adopt: bool = False

    @property
    def id(self) -> str:
        return f"{self.row}-{self.name}-{self.kind}".replace(" ", "_")


def at(kinds, case: Case):
    """Yield a case at each of these vendors."""
    for kind in kinds:
        yield replace(case, kind=kind)


def rule(step: str, count: int | None = None, skip: int = 0, **do) -> dict:
    """Return one rule of the demo server; names of `do` that are Python's end in `_`."""
    found = {"step": step, "do": do}
    if count is not None:
        found["count"] = count
    if skip:
        found["skip"] = skip
    return found


def said(status: int, **do) -> dict:
    """Return an answer that says no in OpenAI's form, in the server's own words."""
    body = {"error": {"message": SAID, "type": "invalid_request_error", "code": None}}
    return {"status": status, "body": body, **do}


GIVEN_UP = End(
    status="queued",
    error="WaitTimeout",
    says=("did not end within 600 s", "The job goes on", "%video resume"),
)
"""The deadline passed while the provider did not answer; the job is the server's to finish."""
