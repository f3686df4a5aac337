"""The form of the fault table: what each fault must lead to, at every step, vendor by vendor.

A `Case` is one job at one vendor with the faults of `rules`. `end` is its expected result;
`after` the expected result when the fault is over and a new kernel resumes the job.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

VENDORS = ("openai", "apigo", "apiyi", "aiid")
"""The four that differ in shape; every other provider has the shape of one of them.

`openai` lists its jobs and serves the file by its content route. `apigo` has no list, leaves
fields out where others say null, and redirects its content route. `apiyi` has no list, and its
failed jobs give no reason. `aiid` names the address of the file in the job, counts
milliseconds, has two ids for a job and its own form of errors.
"""

FILES = ("openai", "apigo", "aiid")
"""The three ways to a file: the route, a redirect, an address. For downloads that need the way."""

EDGES = ("openai", "aiid")
"""The two whose jobs differ most. For one fault of each kind that replaces a field."""

ANY = ("openai",)
"""For faults that leave nothing of the vendor's answer: its shape does not matter."""

LISTING = ("openai",)
"""Those that list their jobs."""

SAID = 'No, said the <b>server</b> in "its own" words.'


@dataclass(frozen=True, kw_only=True)
class End:
    """The result of a case: `says` are words that must be shown to the user."""

    status: str
    error: str | None = None
    says: tuple[str, ...] = ()
    posts: int = 1
    accepted: int = 1
    ending: str = ".mp4"


DONE = End(status="completed")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One job with faults.

    `row` names the row of the table, `door` the reason why the vendor cannot be reached. `waits`
    are bounds in seconds between which one wait must lie, `waited` the bounds of all waits
    together; `notes` are words of temporary notes; `never` are steps that must not be requested;
    `impatient` is the timeout that is short. `adopt`: in the end, a job that could not be found
    is resumed by the server's id.
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
    """Yield the case once for each of these vendors."""
    for kind in kinds:
        yield replace(case, kind=kind)


def rule(step: str, count: int | None = None, skip: int = 0, **do) -> dict:
    """Return one fault rule for the demo server."""
    found = {"step": step, "do": do}
    if count is not None:
        found["count"] = count
    if skip:
        found["skip"] = skip
    return found


def said(status: int, **do) -> dict:
    """Return a refusal in OpenAI's form, with the text `SAID`."""
    body = {"error": {"message": SAID, "type": "invalid_request_error", "code": None}}
    return {"status": status, "body": body, **do}


GIVEN_UP = End(
    status="queued",
    error="WaitTimeout",
    says=("did not end within 300 s", "The job continues", "%video resume"),
)
"""The deadline passed while the provider did not answer; the job may still finish there."""
