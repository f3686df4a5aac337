"""Rows of the fault table at the POST: not connected, maybe arrived, refused, rate limited."""

from __future__ import annotations

from tests.conformance.table import (
    ANY,
    DONE,
    FILES,
    LISTING,
    SAID,
    Case,
    End,
    at,
    rule,
    said,
)

NEVER = "was never accepted"
"""What `resume` says of a job that no server has."""


def unreachable():
    for door, words in (
        ("refused", "Could not connect"),
        ("dns", "Could not connect"),
        ("tls", "Could not connect"),
    ):
        end = End(status="failed", error="TransportError", says=(words,), posts=0, accepted=0)
        case = Case(row="no connection", name=door, door=door, end=end)
        yield from at(ANY, case)


# ------------------------------------------------------------------------- may have arrived

LOST = {
    "reset": {"reset": True},
    "500": said(500),
    "502 html": {"status": 502, "body": "<html><title>Bad gateway</title></html>"},
    "503": said(503),
    "504": said(504),
    "524": {"status": 524, "body": "<html><title>A timeout occurred</title></html>"},
    "408": said(408),
    "499": said(499),
    "no in a 200": said(200),
    "silence": {"hang": 30},
}
"""Faults that happen before the server made a job, or after."""

GARBLED = {
    "closed": {"drop_reply": True},
    "html": {"html": True},
    "cut": {"cut": 20},
    "empty": {"status": 200, "body": "", "when": "after"},
    "no json": {"status": 200, "body": "OK, it is on its way!", "when": "after"},
    "no id": {"without": ["id", "task_id"], "job": {"status": None}},
}
"""Faults in the answer to a POST that made a job."""


def lost():
    """Yield (name, do, number of jobs the server has afterwards)."""
    for name, do in LOST.items():
        yield f"{name} before", {**do, "when": "before"}, 0
        yield f"{name} after", {**do, "when": "after"}, 1
    for name, do in GARBLED.items():
        yield name, do, 1


def may_have_arrived():
    for name, do, accepted in lost():
        impatient = "create" if "hang" in do else None
        # Without a list, a job that exists is adopted by its id, of which aiid has two.
        for kind in ("openai", "aiid" if accepted else "apiyi"):
            yield Case(
                row="may have arrived",
                name=name,
                kind=kind,
                rules=(rule("create", **do),),
                impatient=impatient,
                **_found(kind, accepted),
            )


def _found(kind, accepted):
    """Return the expected result of a lost answer: a list shows whether the job exists."""
    if kind in LISTING and accepted:
        return {"end": DONE, "waits": ((1, 1),)}
    if kind in LISTING:
        end = End(
            status="unknown",
            error="SubmissionUnknown",
            says=("does not list it", "running the cell again should be safe", "%video resume v"),
            accepted=0,
        )
        return {"end": end, "after": end}
    says = ("cannot list its jobs", "look at its console", "REMOTE_ID continues it")
    end = End(status="unknown", error="SubmissionUnknown", says=says, accepted=accepted)
    return {"end": end, "after": end, "adopt": bool(accepted), "never": ("list",)}


LIST_TROUBLE = {
    "404": said(404),
    "405": said(405),
    "400": said(400),
    "401": said(401),
    "429": said(429, headers={"retry-after": "3"}),
    "500": said(500),
    "502 html": {"status": 502, "body": "<html></html>"},
    "html": {"html": True},
    "reset": {"reset": True},
    "closed": {"drop_reply": True},
    "cut": {"cut": 30},
    "no list": {"status": 200, "body": {"ok": True}},
    "silence": {"hang": 30},
}

LASTING = {"404", "401", "429", "500", "html", "reset", "silence"}
"""One of each kind that lasts, too."""


def list_trouble():
    """The answer to the POST is lost, and the list fails for a while or forever."""
    lost_post = rule("create", drop_reply=True)
    says = ("could not list its jobs", "%video resume")
    unsure = End(status="unknown", error="SubmissionUnknown", says=says)
    unlisted = End(status="unknown", error="SubmissionUnknown", says=("does not list it",))
    row = "list after a lost answer"
    for name, do in LIST_TROUBLE.items():
        slow = "poll" if "hang" in do else None
        rules = (lost_post, rule("list", count=1 if slow else 2, **do))
        yield from at(LISTING, Case(row=row, name=f"{name} a while", rules=rules, impatient=slow))
        rules = (lost_post, rule("list", **do))
        yield from at(
            LISTING if name in LASTING else (),
            Case(row=row, name=name, rules=rules, end=unsure, after=DONE, impatient=slow),
        )
    empty = {"status": 200, "body": {"object": "list", "data": []}}
    rules = (lost_post, rule("list", count=2, **empty))
    yield from at(LISTING, Case(row=row, name="listed late", rules=rules, waits=((15, 15),)))
    rules = (lost_post, rule("list", **empty))
    yield from at(
        LISTING, Case(row=row, name="listed much later", rules=rules, end=unlisted, after=DONE)
    )
    odd = rule("list", job={"progress": "100%"})
    yield from at(LISTING, Case(row=row, name="odd rows", rules=(lost_post, odd)))
    # A job without a time may be someone else's: the user must decide.
    timeless = rule("list", job={"created_at": "soon"})
    asked = End(status="unknown", error="SubmissionUnknown", says=("lists possible jobs",))
    rules = (lost_post, timeless)
    yield from at(LISTING, Case(row=row, name="no times", rules=rules, end=asked, after=DONE))


# ----------------------------------------------------------------------------------- refused

REFUSED = {
    400: "RequestRejected",
    401: "AuthenticationFailed",
    402: "PaymentRequired",
    403: "AuthenticationFailed",
    404: "RequestRejected",
    405: "RequestRejected",
    409: "RequestRejected",
    413: "RequestRejected",
    415: "RequestRejected",
    422: "RequestRejected",
}
REMEDIES = {
    401: "%video key",
    402: "Top it up",
    403: "Check its permissions",
    404: "Check the base URL and the name of the model",
    413: "Use a smaller image",
}


def refused():
    row = "refused"
    for status, error in REFUSED.items():
        says = (SAID, *([REMEDIES[status]] if status in REMEDIES else []))
        end = End(status="failed", error=error, says=says, accepted=0)
        case = Case(row=row, name=str(status), rules=(rule("create", **said(status)),), end=end)
        yield from at(ANY, case)
    yield from _special_refusals(row)


def _special_refusals(row):
    for name, do, error, says in (
        ("moderation", _coded(400, "sentinel_block"), "RequestRejected", ("moderation",)),
        ("no quota", _coded(429, "insufficient_quota"), "PaymentRequired", (SAID, "Top it up")),
        ("no model", _coded(503, "model_not_found"), "RequestRejected", (SAID, "%video models")),
        (
            "redirect",
            {"status": 307, "headers": {"location": "https://elsewhere.invalid/v1/videos"}},
            "ProviderError",
            ("not followed", "base URL"),
        ),
        (
            "html",
            {"status": 403, "body": "<html><title>Denied</title></html>"},
            "AuthenticationFailed",
            ("Denied",),
        ),
    ):
        end = End(status="failed", error=error, says=says, accepted=0)
        case = Case(row=row, name=name, rules=(rule("create", **do),), end=end)
        yield from at(ANY, case)


def _coded(status, code):
    return {"status": status, "body": {"error": {"message": SAID, "code": code}}}


# -------------------------------------------------------------------------------------- 429

WISHES = {
    "seconds": ({"retry-after": "7"}, (7, 7)),
    "ms": ({"retry-after-ms": "1500"}, (1.5, 2.5)),
    "date": ({"retry-after": "$date+90"}, (60, 90)),
    "far too long": ({"retry-after": "86400"}, (120, 120)),
    "far date": ({"retry-after": "$date+86400"}, (120, 120)),
    "nothing told": ({}, None),
    "nonsense": ({"retry-after": "soon, <i>perhaps</i>"}, None),
}

EVERYWHERE = {"seconds", "date", "nothing told"}
"""Those that are played at every step."""


def busy():
    """429 at every step, for a while: ipyreel waits as long as asked, then continues."""
    row = "429"
    for name, (headers, bounds) in WISHES.items():
        waits = (bounds,) if bounds else ()
        no = said(429, headers=headers)
        end, rules = End(status="completed", posts=4), (rule("create", count=3, **no),)
        case = Case(row=row, name=f"create {name}", rules=rules, end=end, waits=waits)
        yield from at(ANY, case)
        for step in ("retrieve", "content") if name in EVERYWHERE else ():
            case = Case(row=row, name=f"{step} {name}", rules=_busy_rules(step, no), waits=waits)
            yield from at(FILES if (step, name) == ("content", "seconds") else ANY, case)
    no = said(429)
    end = End(
        status="failed", error="RateLimited", says=(SAID, "Wait a little"), posts=10, accepted=0
    )
    case = Case(row=row, name="create forever", rules=(rule("create", **no),), end=end)
    yield from at(ANY, case)


def _busy_rules(step, no):
    steps = ("content", "file") if step == "content" else (step,)
    return tuple(rule(one, count=2, **no) for one in steps)


def submit_cases():
    for group in (unreachable, may_have_arrived, list_trouble, refused, busy):
        yield from group()
