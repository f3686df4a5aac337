"""Every stored answer in `fixtures/read` is read as its file says."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from ipyreel import errors
from ipyreel.values import HttpReply
from ipyreel.wire.job_fields import read_envelope
from ipyreel.wire.reader import read_deleted, read_job, read_page
from ipyreel.wire.refusals import read_error, wants_form

FOLDER = Path(__file__).parent / "fixtures" / "read"
NOW = 1_764_347_100.0


def _cases():
    for path in sorted(FOLDER.glob("*.json")):
        stored = json.loads(path.read_text("utf-8"))
        for case in stored["cases"]:
            yield pytest.param(case, id=f"{path.stem}: {case['name']}")


def _reply(stored):
    body = stored["text"].encode() if "text" in stored else json.dumps(stored["json"]).encode()
    headers = {"content-type": "application/json", **stored.get("headers", {})}
    return HttpReply(status_code=stored["status_code"], headers=headers, body=body)


def _raised_error(reply, args):
    raise read_error(reply, now=NOW, **args)


READERS = {
    "job": lambda reply, args: read_job(reply, now=NOW, **args),
    "error": _raised_error,
    "page": lambda reply, args: read_page(reply, now=NOW, **args),
    "deleted": lambda reply, args: read_deleted(reply, now=NOW, **args),
    "form": lambda reply, _args: wants_form(reply),
    "envelope": lambda reply, _args: read_envelope(reply.body),
}


def _look(value, name):
    for part in name.split("."):
        value = getattr(value, part)
    if isinstance(value, Decimal):
        return float(value)
    return list(value) if isinstance(value, tuple) else value


def _check_value(found, expect):
    if "is" in expect:
        assert found == expect["is"]
    elif "ids" in expect:
        assert [job.remote_id for job in found.jobs] == expect["ids"]
        assert found.after == expect["after"]
    else:
        assert {name: _look(found, name) for name in expect} == expect


@pytest.mark.parametrize("case", list(_cases()))
def test_an_answer_is_read_as_its_file_says(case):
    expect = dict(case["expect"])
    read, args = READERS[case["kind"]], case.get("args", {})
    raised = expect.pop("raises", None)
    if raised is None:
        _check_value(read(_reply(case["reply"]), args), expect)
        return
    with pytest.raises(errors.VideoError) as caught:
        read(_reply(case["reply"]), args)
    assert type(caught.value).__name__ == raised
    assert {name: getattr(caught.value, name) for name in expect} == expect


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_every_file_names_its_server_and_its_source(path):
    stored = json.loads(path.read_text("utf-8"))
    assert stored["server"] == path.stem
    assert stored["origin"] in {"recorded", "derived"}
    assert stored["source"]
