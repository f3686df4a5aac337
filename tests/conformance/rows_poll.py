"""Rows of the fault table while a job is polled: no answer, odd answers, failed jobs."""

from __future__ import annotations

from dataclasses import replace

from tests.conformance.table import (
    ANY,
    DONE,
    EDGES,
    FILES,
    GIVEN_UP,
    LISTING,
    SAID,
    VENDORS,
    Case,
    End,
    at,
    rule,
    said,
)

SILENT = {
    "500": (said(500), "not answering (500)"),
    "502 html": ({"status": 502, "body": "<html><title>Bad</title></html>"}, "not answering (502)"),
    "503": (said(503, headers={"retry-after": "3"}), "not answering (503)"),
    "504": (said(504), "not answering (504)"),
    "520": ({"status": 520, "body": ""}, "not answering (520)"),
    "524": ({"status": 524, "body": "<html></html>"}, "not answering (524)"),
    "408": (said(408), "not answering (408)"),
    "reset": ({"reset": True}, "not answering;"),
    "closed": ({"drop_reply": True}, "not answering;"),
    "cut": ({"cut": 20}, "not answering;"),
    "html": ({"html": True}, "could not be read"),
    "no json": ({"status": 200, "body": "all is well"}, "could not be read"),
    "empty": ({"status": 200, "body": ""}, "could not be read"),
    "list": ({"status": 200, "body": [1, 2]}, "could not be read"),
    "silence": ({"hang": 30}, "not answering;"),
    "hiccup": ({"status": 200, "body": {"error": {"message": SAID}}}, "not answering (200)"),
    "400": (said(400), "not answering (400)"),
    "422": (said(422), "not answering (422)"),
    "429": (said(429), "asks us to wait"),
}

LASTING = {"500", "503", "reset", "html", "silence", "400", "429"}
"""One of each kind that lasts until the deadline, too."""


def silent():
    """The provider does not answer for a while, or until the deadline."""
    row = "no answer to a question"
    for name, (do, note) in SILENT.items():
        slow = "poll" if "hang" in do else None
        case = Case(row=row, name=f"{name} forever", rules=(rule("retrieve", **do),), notes=(note,))
        # Twice as long each time: 4, 8, 16, 32 s, then 60.
        waits = ((60, 60),) if not do.get("headers") else ()
        case = replace(case, end=GIVEN_UP, after=DONE, waits=waits, never=("content", "file"))
        yield from at(ANY if name in LASTING else (), replace(case, impatient=slow))
        case = Case(row=row, name=f"{name} a while", notes=(note,), impatient=slow)
        yield from at(ANY, replace(case, rules=(rule("retrieve", count=1 if slow else 3, **do),)))


def closed_doors():
    """The key is refused, or the server does not know the job."""
    row = "refused while polling"
    for status, error, remedy in (
        (401, "AuthenticationFailed", "%video resume"),
        (402, "PaymentRequired", "%video resume"),
        (403, "AuthenticationFailed", "%video resume"),
    ):
        end = End(status="queued", error=error, says=(SAID, "The job continues", remedy))
        for step in ("retrieve", "content"):
            steps = ("content", "file") if step == "content" else (step,)
            if step == "retrieve":
                rules = (rule(step, count=3, **said(status)),)
                yield from at(ANY, Case(row=row, name=f"{status} a while", rules=rules))
            status_then = "downloading" if step == "content" else "queued"
            yield from at(
                FILES if (step, status) == ("content", 401) else ANY,
                Case(
                    row=row,
                    name=f"{status} {step}",
                    rules=tuple(rule(one, **said(status)) for one in steps),
                    end=replace(end, status=status_then),
                    after=DONE,
                ),
            )
    yield from _missing(row)


def _missing(row):
    end = End(status="failed", error="JobNotFound", says=("does not know this job",))
    for name, do in (
        ("404", said(404)),
        ("410", said(410)),
        ("task_not_exist", {"status": 400, "body": {"code": "task_not_exist", "message": "gone"}}),
    ):
        case = Case(row=row, name=f"{name} forever", rules=(rule("retrieve", **do),), end=end)
        yield from at(ANY, replace(case, after=DONE))
        case = Case(row=row, name=f"{name} at first", rules=(rule("retrieve", count=2, **do),))
        yield from at(ANY, case)


# ---------------------------------------------------------------------------- how jobs fail

WORDS = {"message": SAID, "code": "server_error"}
BAD_ENDS = {
    "no reason": ({"job": {"status": "failed", "error": None}}, "no reason"),
    "no error field": ({"job": {"status": "failed"}, "without": ["error"]}, "no reason"),
    "reason": ({"job": {"status": "failed", "error": WORDS}}, SAID),
    "text": ({"job": {"status": "failed", "error": SAID}}, SAID),
    "code only": ({"job": {"status": "failed", "error": {"code": "E42"}}}, "E42"),
    "fail_reason": (
        {"job": {"status": "FAILURE", "fail_reason": SAID}, "without": ["error"]},
        SAID,
    ),
    "http 500": ({"status": 500, "job": {"status": "failed", "error": WORDS}}, SAID),
    "http 400": ({"status": 400, "job": {"status": "failed", "error": WORDS}}, SAID),
    "error inside completed": ({"job": {"status": "completed", "error": WORDS}}, SAID),
    "moderation": (
        {"job": {"status": "failed", "error": {"code": "moderation_blocked", "message": SAID}}},
        "Change it and run the cell again",
    ),
    "wrapped": ({"wrap": "data", "job": {"status": "failed", "error": WORDS}}, SAID),
}


def bad_ends():
    """A failed job is shown as failed, with the reason the server gives, at either step."""
    for name, (do, words) in BAD_ENDS.items():
        end = End(status="failed", error="JobFailed", says=(words,))
        case = Case(row="failed", name=name, end=end, never=("content", "file"))
        # apiyi's own failed jobs have no error field.
        kinds = VENDORS if do.get("without") else EDGES if name in {"reason", "http 500"} else ANY
        yield from at(kinds, replace(case, rules=(rule("retrieve", **do),)))
        if "status" not in do:
            # In the answer to a POST, a 5xx or 4xx has another meaning.
            case = replace(case, name=f"{name} at once", never=("content", "file", "retrieve"))
            yield from at(ANY, replace(case, rules=(rule("create", **do),)))
    for word in ("cancelled", "Expired", "deleted"):
        end = End(status="cancelled", says=("ended the job itself", word))
        rules = (rule("retrieve", job={"status": word}),)
        case = Case(row="failed", name=word, rules=rules, end=end, never=("content", "file"))
        yield from at(ANY, case)


# ------------------------------------------------------------------------------ odd answers

ODD_WORDS = ("NOT_START", "warming_up", "<b>?</b>", "", None, 7, ["queued"], "In-Progress")
ODD_PROGRESS = (None, "57%", "abc", -3, 400, 0.57, [])
ODD_TIMES = ("$ms", "$iso", "$text", -1, None, "yesterday", 1e30)


def odd_answers():
    """Unexpected words and numbers: the job continues."""
    row = "odd answers"
    for word in ODD_WORDS:
        rules = tuple(rule(step, count=2, job={"status": word}) for step in ("create", "retrieve"))
        yield from at(ANY, Case(row=row, name=f"status {word!r}", rules=rules))
    for value in ODD_PROGRESS:
        yield from at(ANY, Case(row=row, name=f"progress {value!r}", rules=_any(progress=value)))
    for value in ODD_TIMES:
        rules = _any(created_at=value, completed_at=value, expires_at=value)
        yield from at(ANY, Case(row=row, name=f"times {value!r}", rules=rules))
    back = tuple(
        rule("retrieve", count=1, job={"status": "in_progress", "progress": value})
        for value in (80, 20, 90, 10)
    )
    yield from at(ANY, Case(row=row, name="progress going back", rules=back))
    yield from at(ANY, Case(row=row, name="progress missing", rules=_any(without=["progress"])))
    for name, job in (
        ("stuck", {"status": "in_progress", "progress": 0}),
        ("unknown word", {"status": "warming_up"}),
        ("completed_at while queued", {"status": "queued", "completed_at": 1}),
    ):
        end = replace(GIVEN_UP, status="queued" if name.startswith("comp") else "in_progress")
        case = Case(row=row, name=f"{name} forever", rules=(rule("retrieve", job=job),), end=end)
        # This one names the address of the file: with an unknown status, that is checked.
        names_it = {"aiid"} if name == "unknown word" else set()
        yield from at(names_it, replace(case, end=DONE))
        yield from at(ANY, replace(case, after=DONE, never=("content", "file")))
    for name in ("data", "result"):
        rules = tuple(rule(step, wrap=name) for step in ("create", "retrieve"))
        yield from at(ANY, Case(row=row, name=f"wrapped in {name}", rules=rules))


def _any(without=(), **job):
    do = {"without": list(without)} if without else {"job": job}
    return tuple(rule(step, **do) for step in ("create", "retrieve", "list"))


IDS = {
    "long": "=/:+" * 75,
    "base64": "video_bGl0ZWxsbTpjdXN0b21=/+==",
    "colons": "openai:video:{n}:abc",
    "escapes": "a%2Fb%20c?d=e&f#g;h",
    "spaces": " a b ",
    "dots": "..",
    "unicode": "视频-é-\u202e",
}


def odd_ids():
    row = "odd ids"
    for name, word in IDS.items():
        # aiid has two ids for a job.
        kinds = EDGES if name == "base64" else ANY
        yield from at(kinds, Case(row=row, name=name, rules=(rule("create", id=word),)))
        # The list must return exactly the same id.
        rules = (rule("create", id=word, drop_reply=True),)
        yield from at(LISTING, Case(row=row, name=f"{name} found", rules=rules))
    rules = (rule("retrieve", job={"id": "another", "task_id": "a-third"}),)
    yield from at(EDGES, Case(row=row, name="another in each answer", rules=rules))


def poll_cases():
    for group in (silent, closed_doors, bad_ends, odd_answers, odd_ids):
        yield from group()
