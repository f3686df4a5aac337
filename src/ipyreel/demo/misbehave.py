"""The faults carried out: what a rule's `do` makes of an answer. Pure."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone

from ipyreel.demo.answers import Answer, Visit, file_answer
from ipyreel.demo.provider import Provider
from ipyreel.demo.state import JobRecord
from ipyreel.values import Json

HTML = b"<!DOCTYPE html>\n<html><head><title>demo | 502: Bad gateway</title></head></html>\n"

AVI = b"RIFF" + struct.pack("<I", 4 + 8 + 1016) + b"AVI " + b"JUNK" + struct.pack("<I", 1016)


def instead(do: Mapping[str, Json]) -> Answer | None:
    """Return the answer of a fault that comes before any work is done; None: do the work."""
    if do.get("when") == "after" or "job" in do or "drop_reply" in do or "redirect" in do:
        return None
    if not do.keys() & {"status", "reset", "hang"}:
        return None
    return _blunt(do, Answer())


def bend(do: Mapping[str, Json], answer: Answer, visit: Visit, provider: Provider) -> Answer:
    """Return what is sent in place of a proper answer."""
    if "job" in do or "without" in do or "wrap" in do:
        answer = _patch_job(do, answer)
    elif do.keys() & {"status", "reset", "hang", "drop_reply"} and "redirect" not in do:
        return _blunt(do, answer)
    if visit.step in {"content", "file"}:
        answer = _spoil(do, answer, visit, provider)
    elif "cut" in do:
        answer = replace(answer, cut=do["cut"])
    if "html" in do:
        page = {"content-type": "text/html"}
        answer = replace(answer, status=200, json=None, body=HTML, file=None, headers=page)
    if "slow" in do:
        answer = replace(answer, pace=float(do["slow"]))
    return replace(answer, headers={**answer.headers, **do.get("headers", {})})


def _blunt(do: Mapping[str, Json], answer: Answer) -> Answer:
    """Answer without regard to what was asked; only whether a job was made is kept."""
    kept = Answer(record=answer.record, created=answer.created)
    if "hang" in do:
        return replace(kept, hang=float(do["hang"]))
    if "reset" in do or "drop_reply" in do:
        return replace(kept, hangup="reset" if "reset" in do else "close")
    headers = dict(do.get("headers", {}))
    body = do.get("body")
    if body is None:
        message = f"The demo was told to answer {do['status']}."
        body = {"error": {"message": message, "type": "demo_fault", "param": None, "code": None}}
    if isinstance(body, str):
        kind = "text/html" if body.lstrip().startswith("<") else "text/plain"
        headers = {"content-type": kind, **headers}
        return replace(kept, status=do["status"], headers=headers, body=body.encode())
    return replace(kept, status=do["status"], headers=headers, json=body)


# ------------------------------------------------------------------------- the job object


def _patch_job(do: Mapping[str, Json], answer: Answer) -> Answer:
    """Lay fields over the job object of an answer, or over each of a list."""
    if not isinstance(answer.json, dict) or answer.status >= 400:  # noqa: PLR2004
        return answer
    body = dict(answer.json)
    if isinstance(body.get("data"), list):
        body["data"] = [_patched(do, job, None) for job in body["data"]]
    else:
        body = _patched(do, body, answer.record)
    if "wrap" in do:
        body = {"code": "success", "message": "", do["wrap"]: body}
    return replace(answer, json=body, status=do.get("status", answer.status))


def _patched(
    do: Mapping[str, Json], job: Mapping[str, Json], record: JobRecord | None
) -> dict[str, Json]:
    patch = {name: _word(value, record) for name, value in do.get("job", {}).items()}
    gone = do.get("without", ())
    return {name: value for name, value in {**job, **patch}.items() if name not in gone}


def _word(value: Json, record: JobRecord | None) -> Json:
    """Put the creation time in place of "$ms", "$iso" and "$text"; leave the rest."""
    if record is None or not isinstance(value, str):
        return value
    moment = record.created_at
    if value == "$iso":
        return datetime.fromtimestamp(moment, tz=timezone.utc).isoformat()
    return {"$ms": round(moment * 1000), "$text": str(int(moment))}.get(value, value)


# ---------------------------------------------------------------------------- the content


def _spoil(do: Mapping[str, Json], answer: Answer, visit: Visit, provider: Provider) -> Answer:
    """Spoil the content of a job; what is asked too early is answered as ever."""
    if answer.status >= 400 or answer.record is None:  # noqa: PLR2004
        return answer
    record = answer.record
    if "not_ready" in do:
        refused = provider.dialect.not_ready(record.id)
        return replace(provider.refuse(refused), status=do["not_ready"], record=record)
    url = provider.download_url(visit, record)
    if "redirect" in do:
        word = str(do["redirect"])
        moved = {"location": {"file": url, "other": _other_origin(url)}.get(word, word)}
        return Answer(status=do.get("status", 302), headers=moved, record=record)
    if "envelope" in do:
        address = do["envelope"] if isinstance(do["envelope"], str) else url
        return Answer(json={"url": address}, record=record)
    return _shorten(do, _wrong_file(do, answer))


def _wrong_file(do: Mapping[str, Json], answer: Answer) -> Answer:
    """Send something else under the name of a video."""
    kind = {"content-type": "video/mp4"}
    wrong = Answer(headers=kind, record=answer.record)
    if "json" in do:
        body = {"error": {"message": "upstream error", "type": "server_error", "code": "500"}}
        return replace(wrong, json=body)
    if "not_a_video" in do:
        return replace(wrong, body=b"This is not a video.\n" * 64)
    if "avi" in do:
        kind = {"content-type": "video/x-msvideo"}
        return replace(wrong, headers=kind, body=AVI + bytes(1016))
    return answer


def _other_origin(url: str) -> str:
    """Return the same address under loopback's other name, which is another origin."""
    if "//127.0.0.1" in url:
        return url.replace("//127.0.0.1", "//localhost", 1)
    return url.replace("//localhost", "//127.0.0.1", 1)


def _shorten(do: Mapping[str, Json], answer: Answer) -> Answer:
    """Send less than is told, tell more or less than there is, or ignore Range."""
    if answer.file is None:
        return answer
    if "no_range" in do:
        whole = file_answer(answer.file, None, tag=answer.headers["etag"], ranges=False)
        answer = replace(whole, record=answer.record)
    if "cut" in do:
        answer = replace(answer, cut=do["cut"])
    if "wrong_length" in do:
        told = max(0, answer.length + do["wrong_length"])
        headers = {**answer.headers, "content-length": str(told)}
        sent = min(told, answer.length)
        answer = replace(answer, headers=headers, length=sent, cut=None if sent == told else sent)
    return answer
