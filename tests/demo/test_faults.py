"""Rules of misbehaviour: how they are read, when they are played, what a client then sees."""

from __future__ import annotations

import json
import time
from email.utils import format_datetime, parsedate_to_datetime

import httpx
import pytest

from ipyreel.demo.faults import Fault, FaultError, Faults

ASK = {"prompt": "x", "seconds": 1, "size": "64x48"}


def play(do, *, step="any", **when):
    return [{"step": step, "do": do, **when}]


# ------------------------------------------------------------------------------ the rules


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ([], ["object"]),
        ({"step": "creat", "do": {"status": 500}}, ["creat", "create, retrieve"]),
        ({"step": "create"}, ["do", "status"]),
        ({"step": "create", "do": {}}, ["do"]),
        ({"step": "create", "do": {"statsu": 500}}, ["statsu", "status"]),
        ({"step": "create", "do": {"status": "500"}}, ["do.status", "int"]),
        ({"step": "create", "do": {"reset": True, "when": "later"}}, ["later", "before"]),
        ({"step": "create", "cuont": 1, "do": {"reset": True}}, ["cuont", "count"]),
    ],
)
def test_a_bad_rule_is_refused_by_name(rule, words):
    with pytest.raises(FaultError) as caught:
        Fault.read(rule, where="faults.json: rule 2")
    for word in ["faults.json: rule 2", *words]:
        assert word in str(caught.value)


def test_a_file_holds_one_rule_or_a_list(tmp_path):
    path = tmp_path / "faults.json"
    rule = {"step": "list", "count": 1, "do": {"status": 500}}
    for text in (rule, [rule]):
        path.write_text(json.dumps(text))
        faults = Faults.load(path)
        assert [faults.draw("list", 0) for _ in range(2)] == [{"status": 500}, {}]


@pytest.mark.parametrize("text", ["{", '[{"step": "x"}]', None])
def test_a_bad_file_is_named(tmp_path, text):
    path = tmp_path / "faults.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(FaultError, match=r"faults\.json"):
        Faults.load(path)


def drawn(rule, ages):
    faults = Faults([{"step": "retrieve", "do": {"status": 500}, **rule}])
    return [bool(faults.draw("retrieve", age)) for age in ages]


def test_when_a_rule_is_played():
    assert drawn({}, [0] * 3) == [True] * 3
    assert drawn({"count": 2}, [0] * 4) == [True, True, False, False]
    assert drawn({"skip": 2, "count": 1}, [0] * 4) == [False, False, True, False]
    assert drawn({"after_seconds": 2}, [0, 1.9, 2, 3]) == [False, False, True, True]
    assert drawn({"before_seconds": 2}, [0, 1.9, 2, 3]) == [True, True, False, False]


def test_chance_follows_its_seed():
    some = drawn({"probability": 0.5, "seed": 1}, [0] * 100)
    assert some == drawn({"probability": 0.5, "seed": 1}, [0] * 100)
    assert some != drawn({"probability": 0.5, "seed": 2}, [0] * 100)
    assert 30 < sum(some) < 70
    assert sum(drawn({"probability": 0.5, "count": 5}, [0] * 100)) == 5


def test_the_first_rule_that_matches_is_played():
    faults = Faults()
    faults.add({"step": "create", "count": 1, "do": {"status": 500}})
    faults.add({"step": "any", "do": {"status": 503}})
    drawn = [faults.draw(step, 0).get("status") for step in ("create", "create", "list")]
    assert drawn == [500, 503, 503]
    faults.clear()
    assert faults.draw("list", 0) == {}


# ---------------------------------------------------------------------- instead of an answer


@pytest.mark.parametrize("status", [400, 401, 402, 403, 500, 503])
def test_a_status_and_no_job(start, status):
    with start(faults=play({"status": status}, step="create", count=1)) as (demo, http):
        reply = http.post("/videos", json=ASK)
        assert reply.status_code == status
        assert reply.json()["error"]["message"]
        assert demo.posts() == 0
        assert http.post("/videos", json=ASK).status_code == 200
        assert demo.posts() == 1


def test_429_with_a_wait_in_seconds_or_as_a_date(start):
    date = format_datetime(parsedate_to_datetime("Sat, 21 Nov 2026 10:00:00 GMT"), usegmt=True)
    waits = [{"retry-after": "2"}, {"retry-after": date}, {"openai-poll-after-ms": "50"}]
    rules = [
        {"step": "retrieve", "count": 1, "do": {"status": 429, "headers": headers}}
        for headers in waits
    ]
    with start(faults=rules) as (_, http):
        job_id = http.post("/videos", json=ASK).json()["id"]
        for headers in waits:
            reply = http.get(f"/videos/{job_id}")
            assert reply.status_code == 429
            assert headers.items() <= dict(reply.headers).items()
        assert http.get(f"/videos/{job_id}").status_code == 200


def test_a_body_of_text_html_or_json(start):
    rules = [
        {"step": "list", "count": 1, "do": {"status": 524, "body": "<html>timeout</html>"}},
        {"step": "list", "count": 1, "do": {"status": 502, "body": "bad gateway"}},
        {"step": "list", "count": 1, "do": {"status": 402, "body": {"detail": "no money"}}},
    ]
    with start(faults=rules) as (_, http):
        replies = [http.get("/videos") for _ in rules]
        kinds = [reply.headers["content-type"] for reply in replies]
        assert kinds == ["text/html", "text/plain", "application/json"]
        assert replies[0].text == "<html>timeout</html>"
        assert replies[2].json() == {"detail": "no money"}


def test_a_gateway_error_after_the_job_was_made(start):
    do = {"status": 524, "body": "<html></html>", "when": "after"}
    with start(faults=play(do, step="create")) as (demo, http):
        assert http.post("/videos", json=ASK).status_code == 524
        assert (demo.posts(), len(demo.job_ids())) == (1, 1)


@pytest.mark.parametrize(
    ("do", "made"),
    [
        ({"reset": True}, 0),
        ({"reset": True, "when": "after"}, 1),
        ({"drop_reply": True}, 1),
        ({"hang": 0.1}, 0),
        ({"hang": 0.1, "when": "after"}, 1),
    ],
)
def test_a_connection_that_ends_without_an_answer(start, do, made):
    with start(faults=play(do, step="create", count=1)) as (demo, http):
        with pytest.raises(httpx.TransportError):
            http.post("/videos", json=ASK)
        assert (demo.posts(), len(demo.job_ids())) == (made, made)
        assert demo.log()[0].status is None
        assert http.post("/videos", json=ASK).status_code == 200


def test_a_server_that_never_answers_can_be_stopped(start):
    with (
        start(faults=play({"hang": 3600}, step="create")) as (_, http),
        pytest.raises(httpx.ReadTimeout),
    ):
        http.post("/videos", json=ASK, timeout=0.2)


# -------------------------------------------------------------------------- the job object


def test_the_job_is_patched(start, finished):
    reason = {"code": "moderation_blocked", "message": "Blocked."}
    patches = [
        {"status": "failed", "error": None},
        {"status": "completed", "error": reason},
        {"status": "weird_word"},
        {"progress": None},
        {"progress": "57%"},
        {"progress": 12},
        {"created_at": 0},
    ]
    rules = [{"step": "retrieve", "count": 1, "do": {"job": patch}} for patch in patches]
    with start(faults=rules) as (_, http):
        job_id = finished(http)
        proper = {**http.get(f"/videos/{job_id}").json(), "status": "completed", "error": None}
        for patch in patches[1:]:
            reply = http.get(f"/videos/{job_id}")
            assert reply.status_code == 200
            assert reply.json() == {**proper, **patch}


def test_odd_times_are_those_of_the_job(start, clock):
    rules = [
        {"step": "retrieve", "count": 1, "do": {"job": {"created_at": word}}}
        for word in ("$ms", "$iso", "$text")
    ]
    with start(faults=rules) as (_, http):
        job_id = http.post("/videos", json=ASK).json()["id"]
        told = [http.get(f"/videos/{job_id}").json()["created_at"] for _ in rules]
        assert told == [clock.now * 1000, "2027-01-15T08:00:00+00:00", str(int(clock.now))]


def test_a_failed_job_as_http_500(start):
    do = {"status": 500, "job": {"status": "failed", "error": {"code": 500, "message": "oom"}}}
    with start(faults=play(do, step="retrieve")) as (_, http):
        job_id = http.post("/videos", json=ASK).json()["id"]
        reply = http.get(f"/videos/{job_id}")
        assert reply.status_code == 500
        assert (reply.json()["id"], reply.json()["status"]) == (job_id, "failed")


def test_fields_can_be_missing_and_the_job_wrapped(start):
    with start(faults=play({"without": ["progress"], "wrap": "data"})) as (_, http):
        body = http.post("/videos", json=ASK).json()
        assert body["code"] == "success"
        assert "progress" not in body["data"]
        assert body["data"]["object"] == "video"


def test_jobs_of_a_list_are_patched_too(start):
    with start(faults=play({"job": {"status": "SUCCESS"}}, step="list")) as (_, http):
        http.post("/videos", json=ASK)
        assert [job["status"] for job in http.get("/videos").json()["data"]] == ["SUCCESS"]


@pytest.mark.parametrize(
    "odd", ["sora-2:task_{n}/a b+c==", "video_" + "bGl0ZWxsbTo" * 27 + "==", "片/../{n}?x#y%2F"]
)
def test_odd_ids_work_on_every_route(start, clock, odd):
    with start(faults=play({"id": odd}, step="create")) as (demo, http):
        job_id = http.post("/videos", json=ASK).json()["id"]
        assert job_id == odd.replace("{n}", "1")
        clock.later(10)
        path = f"/videos/{httpx.QueryParams({'': job_id})}".replace("=", "", 1).replace("+", "%20")
        assert http.get(path).json()["status"] == "completed"
        assert http.get(f"{path}/content").content == demo.video_bytes(job_id)
        assert http.post(f"{path}/remix", json={"prompt": "y"}).status_code == 200
        assert http.get("/videos", params={"after": job_id, "order": "asc"}).status_code == 200
        assert http.delete(path).json()["id"] == job_id


# ----------------------------------------------------------------------------- the content


def content(start, finished, do, *, headers=None, **when):
    """Ask for a finished job's content while a fault is played."""
    with start(faults=play(do, step="content", **when)) as (demo, http):
        job_id = finished(http)
        return http.get(f"/videos/{job_id}/content", headers=headers), demo.video_bytes(job_id)


@pytest.mark.parametrize("status", [404, 400, 409, 425])
def test_not_ready_a_few_times(start, finished, status):
    with start(faults=play({"not_ready": status}, step="content", count=2)) as (_, http):
        path = f"/videos/{finished(http)}/content"
        assert [http.get(path).status_code for _ in range(3)] == [status, status, 200]


@pytest.mark.parametrize(
    ("do", "kind", "begin"),
    [
        ({"json": True}, "video/mp4", b'{"error"'),
        ({"html": True}, "text/html", b"<!DOCTYPE"),
        ({"not_a_video": True}, "video/mp4", b"This is not"),
        ({"avi": True}, "video/x-msvideo", b"RIFF"),
        ({"envelope": True}, "application/json", b'{"url"'),
        ({"envelope": "http://10.0.0.1/x.mp4"}, "application/json", b'{"url": "http://10.'),
    ],
)
def test_something_else_than_a_video(start, finished, do, kind, begin):
    reply, _ = content(start, finished, do)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == kind
    assert reply.content.startswith(begin)
    assert reply.headers["content-length"] == str(len(reply.content))


def test_redirects(start, finished):
    rules = [
        {"step": "content", "count": 1, "do": {"redirect": "file"}},
        {"step": "content", "count": 1, "do": {"redirect": "other", "status": 307}},
        {"step": "content", "count": 1, "do": {"redirect": "http://10.0.0.1/x.mp4"}},
    ]
    with start(faults=rules) as (demo, http):
        job_id = finished(http)
        replies = [http.get(f"/videos/{job_id}/content") for _ in rules]
        targets = [reply.headers["location"] for reply in replies]
        assert [reply.status_code for reply in replies] == [302, 307, 302]
        assert targets[0].startswith("http://127.0.0.1:")
        assert targets[1] == targets[0].replace("127.0.0.1", "localhost")
        assert targets[2] == "http://10.0.0.1/x.mp4"
        for target in targets[:2]:
            assert httpx.get(target, trust_env=False).content == demo.video_bytes(job_id)
        assert [seen.step for seen in demo.log()][-2:] == ["file", "file"]


def test_a_cut_answer_tells_the_whole_length(start, finished):
    with start(faults=play({"cut": 500}, step="content")) as (demo, http):
        job_id = finished(http)
        whole, got = demo.video_bytes(job_id), b""
        while len(got) < len(whole):
            headers = {"range": f"bytes={len(got)}-"} if got else {}
            with http.stream("GET", f"/videos/{job_id}/content", headers=headers) as reply:
                assert reply.headers["content-length"] == str(len(whole) - len(got))
                parts = reply.iter_raw()
                try:
                    for part in parts:
                        got += part
                except httpx.RemoteProtocolError:
                    assert len(got) % 500 == 0
        assert got == whole


@pytest.mark.parametrize("more", [100, -100])
def test_a_wrong_length(start, finished, more):
    with start(faults=play({"wrong_length": more}, step="content")) as (demo, http):
        job_id = finished(http)
        whole = demo.video_bytes(job_id)
        if more > 0:
            with pytest.raises(httpx.RemoteProtocolError):
                http.get(f"/videos/{job_id}/content")
        else:
            assert http.get(f"/videos/{job_id}/content").content == whole[:more]


def test_range_ignored(start, finished):
    reply, whole = content(start, finished, {"no_range": True}, headers={"range": "bytes=9-"})
    assert reply.status_code == 200
    assert reply.content == whole
    assert "accept-ranges" not in reply.headers


def test_slow_content_comes_whole(start, finished):
    began = time.monotonic()
    reply, whole = content(start, finished, {"slow": len(b"x") * 20_000})
    assert reply.content == whole
    assert time.monotonic() - began >= len(whole) / 20_000 / 2


def test_faults_of_content_also_spoil_the_address_it_moves_to(start, finished):
    with start(dialect="apigo", faults=play({"cut": 10}, step="file")) as (_, http):
        job_id = finished(http, model="any")
        target = http.get(f"/videos/{job_id}/content").headers["location"]
        with pytest.raises(httpx.RemoteProtocolError):
            http.get(target)


def test_what_is_asked_too_early_is_answered_as_ever(start):
    with start(faults=play({"cut": 10}, step="content")) as (_, http):
        job_id = http.post("/videos", json=ASK).json()["id"]
        assert "not ready" in http.get(f"/videos/{job_id}/content").json()["error"]["message"]
