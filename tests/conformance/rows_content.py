"""Rows of the fault table at the download: not ready, not a video, cut short, redirected."""

from __future__ import annotations

from dataclasses import replace

from tests.conformance.table import ANY, DONE, EDGES, FILES, Case, End, at, rule, said

PLACES = ("content", "file")
"""The two steps of a download: the route, and the address that two of the vendors name."""


def everywhere(count=None, **do):
    return tuple(rule(step, count=count, **do) for step in PLACES)


def not_there_yet():
    row = "content not ready"
    for status in (400, 404, 409, 423, 425):
        kinds = FILES if status == 404 else ANY
        rules = everywhere(3, not_ready=status)
        yield from at(kinds, Case(row=row, name=str(status), rules=rules))
        # Retried for 60 s in all, then an error; `resume` tries once more.
        end = End(
            status="failed",
            error="JobNotFound",
            says=("The job is completed, but after 60 s", "resume looks again", "%video resume v"),
        )
        case = Case(row=row, name=f"{status} forever", rules=everywhere(not_ready=status), end=end)
        yield from at(kinds, replace(case, after=DONE, waited=(60, 75)))
    told = everywhere(2, status=409, headers={"retry-after": "9"})
    yield from at(ANY, Case(row=row, name="409 with a wish", rules=told, waits=((9, 9),)))
    end = End(
        status="failed",
        error="JobNotFound",
        says=("no longer keeps the file", "only a new job can make the video again"),
    )
    case = Case(row=row, name="410", rules=everywhere(**said(410)), end=end, waited=(0, 15))
    yield from at(FILES, case)


SPOILT = {
    "json": ({"json": True}, "DownloadError", "a text instead of a video: upstream error"),
    "html": ({"html": True}, "DownloadError", "a text instead of a video"),
    "not a video": ({"not_a_video": True}, "DownloadError", "not a video"),
    "empty": ({"status": 200, "body": ""}, "DownloadError", "empty file"),
    "too short a length": ({"wrong_length": -10}, "DownloadError", "not a whole video"),
    "cut at 100": ({"cut": 100, "no_range": True}, "DownloadError", "broke off after 100"),
    "cut at 0": ({"cut": 0}, "TransportError", "broke"),
    "500": (said(500), "ServerBroken", "own"),
    "502 html": ({"status": 502, "body": "<html></html>"}, "ServerBroken", "502"),
    "503": (said(503), "ServerBroken", "own"),
    "504": (said(504), "ServerBroken", "own"),
    "429": (said(429), "RateLimited", "own"),
    "reset": ({"reset": True}, "TransportError", "broke"),
    "closed": ({"drop_reply": True}, "TransportError", "broke"),
    "silence": ({"hang": 30}, "TransportError", "sent no file within"),
    "nested envelope": ({"envelope": True}, "DownloadError", "only names another one"),
    "to a closed port": ({"redirect": "http://127.0.0.1:9/film"}, "TransportError", "connect"),
    "round and round": ({"redirect": "?again"}, "ProviderError", "more than 5 times"),
    "to plain http": ({"redirect": "http://cdn.invalid/film"}, "Refused", "plain http"),
    "to nowhere": ({"redirect": "https://cdn.invalid/film"}, "TransportError", "cdn.invalid"),
    "to a file": ({"redirect": "file:///etc/passwd"}, "Refused", "not an http URL"),
    "to ftp": ({"redirect": "ftp://127.0.0.1/film"}, "Refused", "not an http URL"),
    "envelope to a file": ({"envelope": "file:///etc/passwd"}, "DownloadError", "text instead"),
    "envelope to plain http": ({"envelope": "http://cdn.invalid/a.mp4"}, "Refused", "plain http"),
}

AT_AN_ADDRESS = {"json", "not a video", "cut at 100", "500", "reset", "to a file"}
"""One of each kind that is played where the job names an address, too."""

PASSING = {"json", "not a video", "empty", "cut at 100", "500", "429", "silence", "to nowhere"}
"""One of each kind that is played once, too: what is refused once is not requested again."""


def spoilt():
    """An incomplete video is never saved as one; a complete one that comes later is saved."""
    row = "content spoilt"
    for name, (do, error, words) in SPOILT.items():
        slow = "first_byte" if "hang" in do else None
        end = End(status="failed", error=error, says=(words, "%video resume v", "downloads it"))
        rules = everywhere(**do)
        case = Case(row=row, name=f"{name} forever", rules=rules, end=end, after=DONE)
        kinds = EDGES if name in AT_AN_ADDRESS else ANY
        yield from at(kinds, replace(case, impatient=slow))
        if name in PASSING:
            rules = everywhere(1, **do)
            yield from at(("apigo",), Case(row=row, name=name, rules=rules, impatient=slow))


WAYS = {
    "cut, and cut again": {"cut": 700},
    "cut without ranges": {"cut": 700, "no_range": True},
    "no ranges": {"no_range": True},
    "too long a length": {"wrong_length": 10},
}


def ways():
    """Detours after which the whole file arrives."""
    row = "content by another way"
    for name, do in WAYS.items():
        count = 3 if name == "cut without ranges" else None
        kinds = FILES if name == "cut, and cut again" else ANY
        yield from at(kinds, Case(row=row, name=name, rules=everywhere(count, **do)))
    for place, status in [*(("file", one) for one in (301, 302, 303, 307, 308)), ("other", 302)]:
        rules = (rule("content", redirect=place, status=status),)
        yield from at(ANY, Case(row=row, name=f"redirect {place} {status}", rules=rules))
    yield from at(ANY, Case(row=row, name="envelope", rules=(rule("content", envelope=True),)))
    end = replace(DONE, ending=".avi")
    yield from at(ANY, Case(row=row, name="avi", rules=everywhere(avi=True), end=end))


def content_cases():
    for group in (not_there_yet, spoilt, ways):
        yield from group()
