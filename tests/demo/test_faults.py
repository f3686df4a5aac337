"""Fault rules: how they are read, when they apply, and what a client sees."""

from __future__ import annotations

import json

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


# ------------------------------------------------------------- what the fault table cannot see
#
# `tests/conformance` proves the faults that change how a job ends: these here end well.


def test_a_server_that_never_answers_can_be_stopped(start):
    with (
        start(faults=play({"hang": 3600}, step="create")) as (demo, http),
        pytest.raises(httpx.ReadTimeout),
    ):
        http.post("/videos", json=ASK, timeout=httpx.Timeout(60, read=0.2))
    assert all(seen.status is None for seen in demo.log())


def test_headers_and_bodies_are_sent_as_the_rule_has_them(start):
    rules = [
        {"status": 429, "headers": {"retry-after": "2"}},
        {"status": 524, "body": "<html>timeout</html>"},
        {"status": 502, "body": "bad gateway"},
        {"status": 402, "body": {"detail": "no money"}},
    ]
    with start(faults=[rule for do in rules for rule in play(do, count=1)]) as (_, http):
        replies = [http.get("/videos") for _ in rules]
        assert [reply.status_code for reply in replies] == [429, 524, 502, 402]
        assert replies[0].headers["retry-after"] == "2"
        kinds = [reply.headers["content-type"] for reply in replies[1:]]
        assert kinds == ["text/html", "text/plain", "application/json"]
        assert replies[3].json() == {"detail": "no money"}
        assert http.get("/videos").status_code == 200


PATCHES = [
    {"status": "weird_word"},
    {"status": "completed", "error": {"code": "moderation_blocked", "message": "Blocked."}},
    {"progress": None},
    {"progress": "57%"},
    {"created_at": 0},
]


def test_the_job_is_patched_wrapped_and_cut_short(start, finished, clock):
    rules = [
        *({"job": patch} for patch in PATCHES),
        *({"job": {"created_at": word}} for word in ("$ms", "$iso", "$text")),
        {"without": ["progress"], "wrap": "data"},
    ]
    rules = [rule for do in rules for rule in play(do, step="retrieve", count=1)]
    rules += play({"job": {"status": "SUCCESS"}}, step="list")
    with start(faults=rules) as (_, http):
        born = clock.now
        job_id = finished(http)
        told = [http.get(f"/videos/{job_id}").json() for _ in rules[:-1]]
        proper = http.get(f"/videos/{job_id}").json()
        assert told[: len(PATCHES)] == [{**proper, **patch} for patch in PATCHES]
        times = [job["created_at"] for job in told[len(PATCHES) : -1]]
        assert times == [born * 1000, "2027-01-15T08:00:00+00:00", str(int(born))]
        assert told[-1]["code"] == "success"
        assert told[-1]["data"] == {name: proper[name] for name in proper if name != "progress"}
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


@pytest.mark.parametrize("status", [404, 400, 409, 425])
def test_not_ready_a_few_times(start, finished, status):
    with start(faults=play({"not_ready": status}, step="content", count=2)) as (_, http):
        path = f"/videos/{finished(http)}/content"
        assert [http.get(path).status_code for _ in range(3)] == [status, status, 200]
        early = http.post("/videos", json=ASK).json()["id"]
        assert "not ready" in http.get(f"/videos/{early}/content").json()["error"]["message"]


def test_redirects(start, finished):
    rules = [{"redirect": "file"}, {"redirect": "other", "status": 307}]
    rules = [rule for do in rules for rule in play(do, step="content", count=1)]
    with start(faults=rules) as (demo, http):
        job_id = finished(http)
        replies = [http.get(f"/videos/{job_id}/content") for _ in rules]
        targets = [reply.headers["location"] for reply in replies]
        assert [reply.status_code for reply in replies] == [302, 307]
        assert targets[0].startswith("http://127.0.0.1:")
        assert targets[1] == targets[0].replace("127.0.0.1", "localhost")
        for target in targets:
            assert httpx.get(target, trust_env=False).content == demo.video_bytes(job_id)
        assert [seen.step for seen in demo.log()][-2:] == ["file", "file"]


@pytest.mark.parametrize("step", ["content", "file"])
def test_a_cut_answer_tells_the_whole_length(start, finished, step):
    dialect = "apigo" if step == "file" else "demo"
    with start(dialect=dialect, faults=play({"cut": 500}, step=step)) as (demo, http):
        job_id = finished(http, model="any")
        whole, got = demo.video_bytes(job_id), b""
        path = f"/videos/{job_id}/content"
        if step == "file":  # the address to which apigo redirects
            path = http.get(path).headers["location"]
        while len(got) < len(whole):
            headers = {"range": f"bytes={len(got)}-"} if got else {}
            with http.stream("GET", path, headers=headers) as reply:
                assert reply.headers["content-length"] == str(len(whole) - len(got))
                parts = reply.iter_raw()
                try:
                    for part in parts:
                        got += part
                except httpx.RemoteProtocolError:
                    assert len(got) % 500 == 0
        assert got == whole


def test_lengths_ranges_and_speed(start, finished):
    rules = [{"wrong_length": 100}, {"wrong_length": -100}, {"no_range": True}, {"slow": 20_000}]
    rules = [rule for do in rules for rule in play(do, step="content", count=1)]
    with start(faults=rules) as (demo, http):
        job_id = finished(http)
        whole, path = demo.video_bytes(job_id), f"/videos/{job_id}/content"
        with pytest.raises(httpx.RemoteProtocolError):
            http.get(path)
        assert http.get(path).content == whole[:-100]
        reply = http.get(path, headers={"range": "bytes=9-"})
        assert (reply.status_code, reply.content) == (200, whole)
        assert "accept-ranges" not in reply.headers
        with http.stream("GET", path) as reply:
            pieces = list(reply.iter_raw())
        assert b"".join(pieces) == whole
        assert len(pieces) > 1
