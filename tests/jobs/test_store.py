"""The library: what is written is there, and one kernel at a time has a job."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from decimal import Decimal

import pytest

from ipyreel.errors import StoreError
from ipyreel.jobs.store import IN_FLIGHT, ORDERS, STALE, JobStore, Query, owner_name
from ipyreel.values import (
    Failure,
    Image,
    JobSnapshot,
    Money,
    SavedSweep,
    SweepItem,
    VideoFile,
    VideoRequest,
)
from tests.jobs.fakes import START, make_job

HERE, THERE = "host-a:1:one", "host-b:2:two"

HOSTILE = {
    "surrogates": "a\ud800b\udfff\ud83d\ude00",
    "escaped bytes": "caf\udce9",
    "nul": "a\0b\0",
    "long": "x" * 100_000,
    "quotes": "'; DROP TABLE jobs; --\"",
    "bidi": "\u202e\u2066",
    "emoji": "👨‍👩‍👧🏖️",
    "newlines": "\r\n\u2028",
    "html": "<img src=x onerror=alert(1)>",
}


def full_job(tmp_path, text="text"):
    """Return a job in which every field holds something."""
    request = VideoRequest(
        prompt=text,
        model=text,
        seconds=8.0,
        size="1280x720",
        seed=2**70,
        images=(Image(source=text, url="https://example.org/a.png"),),
        extra={text: [text, {"n": None}]},
        remix_of=text,
    )
    failure = Failure(message=text, code=text, status_code=500, request_id=text, hint=text)
    file = VideoFile(path=text, size=1, sha256="a", media_type="video/mp4", width=2, seconds=0.5)
    return make_job(
        tmp_path,
        id="v1",
        provider=text,
        base_url=text,
        request=request,
        status="failed",
        remote_id=text,
        raw_status=text,
        progress=57.5,
        ready=True,
        received=1,
        total=2**40,
        note=text,
        failure=failure,
        estimate=Decimal("0.1"),
        cost=Decimal(0),
        sent_at=2.0,
        updated_at=3.0,
        completed_at=4.0,
        expires_at=5.0,
        target=text,
        file=file,
    )


def held_by(store, job_id="v1"):
    return store.database.rows("SELECT owner, heartbeat FROM jobs WHERE id = ?", (job_id,))[0]


def test_nothing_is_opened_before_it_is_needed(tmp_path):
    JobStore(tmp_path / "deep" / "library.sqlite").close()
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_every_field_reads_back_as_it_was(store, tmp_path, text):
    job = full_job(tmp_path, text)
    store.insert(job, owner=HERE, now=1.0)
    store.save(job, answer={text: text})
    assert store.get("v1") == job
    assert store.answer("v1") == {text: text}
    assert store.newest() == [job]
    assert store.matching(text) == [job]
    assert store.knows_remote(text, text)
    assert store.finished_like(job.request.fingerprint(text)) is None
    assert len(store.newest(text=text)) <= 1


def test_no_field_of_a_job_is_forgotten(tmp_path):
    job = full_job(tmp_path)
    plain = JobSnapshot(
        id="",
        provider="",
        request=VideoRequest(prompt=""),
        status="queued",
        created_at=0,
        target="",
    )
    same = [name for name in JobSnapshot.__slots__ if getattr(job, name) == getattr(plain, name)]
    assert same == []


def test_a_length_no_disk_has_does_not_stop_a_job(store, tmp_path):
    store.insert(make_job(tmp_path, id="v1", received=5, total=10**30), owner=HERE, now=1.0)
    assert store.get("v1").total == 2**63 - 1


def test_the_last_answer_stays_when_none_comes(store, tmp_path):
    job = make_job(tmp_path, id="v1")
    store.insert(job, owner=HERE, now=1.0)
    assert store.answer("v1") is None
    store.save(job, answer={"n": 1})
    store.save(replace(job, note="x"))
    assert store.answer("v1") == {"n": 1}
    assert store.answer("v2") is None


def test_one_id_is_one_job(store, tmp_path):
    job = make_job(tmp_path)
    store.insert(job, owner=HERE, now=1.0)
    with pytest.raises(StoreError, match="UNIQUE"):
        store.insert(job, owner=HERE, now=1.0)
    store.save(replace(job, note="goes on"))
    assert store.get(job.id).note == "goes on"


def test_deleting_forgets_the_job(store, tmp_path):
    job = make_job(tmp_path)
    store.insert(job, owner=HERE, now=1.0)
    store.delete(job.id)
    assert store.get(job.id) is None
    assert store.newest() == []


def test_finding_by_the_beginning_of_an_id(store, tmp_path):
    for job_id in ("vab1", "vab2", "v%_1", "vxx"):
        store.insert(make_job(tmp_path, id=job_id, remote_id=f"r-{job_id}"), owner=HERE, now=1.0)
    found = {word: {job.id for job in store.matching(word)} for word in ("vab", "v%", "v_", "\\")}
    assert found == {"vab": {"vab1", "vab2"}, "v%": {"v%_1"}, "v_": set(), "\\": set()}
    assert [job.id for job in store.matching("r-vxx")] == ["vxx"]
    assert store.matching("r-v") == []


def test_searching_in_prompts(store, tmp_path):
    for count, prompt in enumerate(("A red DOG", "a 100% cat", "a_b")):
        request = VideoRequest(prompt=prompt)
        job = make_job(tmp_path, id=f"v{count}", request=request, created_at=float(count))
        store.insert(job, owner=HERE, now=1.0)
    assert [job.id for job in store.newest(text="dog")] == ["v0"]
    assert [job.id for job in store.newest(text="%")] == ["v1"]
    assert [job.id for job in store.newest(text="_")] == ["v2"]
    assert [job.id for job in store.newest(2)] == ["v2", "v1"]


def test_lists_by_state(store, tmp_path):
    states = (*IN_FLIGHT, "completed", "failed", "cancelled")
    for count, status in enumerate(states):
        job = make_job(tmp_path, id=status, status=status, created_at=float(count))
        store.insert(job, owner=HERE, now=1.0)
    ready = make_job(tmp_path, id="ready", status="failed", ready=True)
    store.insert(ready, owner=HERE, now=1.0)
    assert [job.id for job in store.in_flight()] == list(IN_FLIGHT)
    assert [job.id for job in store.undelivered()] == ["ready"]


def test_an_equal_finished_job_is_found_again(store, tmp_path):
    for count, status in enumerate(("completed", "completed", "failed")):
        job = make_job(tmp_path, id=f"v{count}", status=status, created_at=float(count))
        store.insert(job, owner=HERE, now=1.0)
    asked = job.request
    assert store.finished_like(asked.fingerprint("fake")).id == "v1"
    assert store.finished_like(asked.fingerprint("other")) is None
    assert store.finished_like(replace(asked, seconds=9.0).fingerprint("fake")) is None


def test_a_job_with_pixels_is_found_again_after_it_was_read_back(store, tmp_path):
    request = VideoRequest(prompt="x", images=(Image(source="a.png", data=b"pixels"),))
    store.insert(make_job(tmp_path, id="v1", request=request), owner=HERE, now=1.0)
    # What a new kernel does with it: it has no pixels any more.
    store.save(replace(store.get("v1"), status="completed"))
    assert store.finished_like(request.fingerprint("fake")).id == "v1"


def test_how_long_jobs_took(store, tmp_path):
    for count in range(3):
        job = make_job(
            tmp_path,
            id=f"v{count}",
            status="completed",
            created_at=float(count),
            sent_at=10.0,
            completed_at=20.0 + count,
        )
        store.insert(job, owner=HERE, now=1.0)
    assert store.durations("fake", "m-1") == [12.0, 11.0, 10.0]
    assert store.durations("fake", "m-1", limit=1) == [12.0]
    assert store.durations("fake", None) == []


def test_what_was_spent(store, tmp_path):
    rows = [
        {"id": "v0", "sent_at": 1.0, "estimate": 0.5, "status": "completed"},
        {"id": "v1", "sent_at": 1.0, "estimate": 0.5, "cost": 0.25, "status": "in_progress"},
        {"id": "v2", "sent_at": 1.0, "status": "unknown"},
        {"id": "v3", "estimate": 9.0},
        {"id": "v4", "sent_at": 1.0, "estimate": 9.0, "status": "failed"},
        {"id": "v5", "sent_at": 1.0, "estimate": 9.0, "created_at": START - 1},
    ]
    for fields in rows:
        store.insert(make_job(tmp_path, **fields), owner=HERE, now=1.0)
    # v3 waits and v1 and v2 run: they are reserved.
    nine = Decimal("9.25")
    assert store.spent(START) == Money(usd=nine + Decimal("0.5"), reserved=nine, unpriced=1)
    assert store.spent(START, besides=["v3"]).usd == Decimal("0.75")
    assert store.spent(START + 1) == Money(usd=Decimal(0), reserved=Decimal(0), unpriced=0)


# ---- who has a job ------------------------------------------------------------------------


@pytest.fixture
def claimed(store, tmp_path):
    store.insert(make_job(tmp_path, id="v1"), owner=HERE, now=100.0)
    return store


def test_a_new_job_belongs_to_who_wrote_it(claimed):
    assert held_by(claimed) == (HERE, 100.0)
    assert claimed.claim("v1", owner=HERE, now=101.0)
    assert not claimed.claim("v1", owner=THERE, now=101.0)
    assert held_by(claimed) == (HERE, 101.0)


@pytest.mark.parametrize(("silence", "free"), [(STALE, False), (STALE + 0.1, True)])
def test_a_silent_kernel_loses_its_jobs(claimed, silence, free):
    assert claimed.claim("v1", owner=THERE, now=100.0 + silence) is free


def test_a_sign_of_life_keeps_them(claimed):
    claimed.beat(owner=HERE, now=200.0)
    claimed.beat(owner=THERE, now=300.0)
    assert not claimed.claim("v1", owner=THERE, now=229.0)


def test_a_clock_that_went_back_keeps_them(claimed):
    assert not claimed.claim("v1", owner=THERE, now=1.0)


def test_only_who_has_a_job_gives_it_back(claimed):
    claimed.release(owner=THERE, job_id="v1")
    assert held_by(claimed) == (HERE, 100.0)
    claimed.release(owner=HERE, job_id="v1")
    assert held_by(claimed) == (None, None)
    assert claimed.claim("v1", owner=THERE, now=100.0)


def test_everything_given_back_at_once(claimed, tmp_path):
    claimed.insert(make_job(tmp_path, id="v2"), owner=HERE, now=1.0)
    claimed.insert(make_job(tmp_path, id="v3"), owner=THERE, now=1.0)
    claimed.release(owner=HERE)
    assert [held_by(claimed, one)[0] for one in ("v1", "v2", "v3")] == [None, None, THERE]


def test_a_job_that_is_not_there_cannot_be_taken(store):
    assert not store.claim("nothing", owner=HERE, now=1.0)


@pytest.mark.skipif(os.name == "nt", reason="processes are not looked up there")
def test_a_dead_kernel_on_this_machine_loses_its_jobs_at_once(store, tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    holders = {
        "dead": f"{socket.gethostname()}:{ended.pid}:x",
        "alive": f"{socket.gethostname()}:{os.getpid()}:another",
        "elsewhere": f"another-host:{ended.pid}:x",
        "odd": "no pid at all",
        "huge": f"{socket.gethostname()}:{10**30}:x",
    }
    for name, holder in holders.items():
        store.insert(make_job(tmp_path, id=name), owner=holder, now=100.0)
    free = {name for name in holders if store.claim(name, owner=THERE, now=101.0)}
    assert free == {"dead"}


def test_owners_are_told_apart():
    assert owner_name("a") != owner_name("b")
    host, pid, token = owner_name("a").rsplit(":", 2)
    assert (host, pid, token) == (socket.gethostname(), str(os.getpid()), "a")


def test_many_threads_write_at_once(store, tmp_path):
    job = make_job(tmp_path, id="v1")
    store.insert(job, owner=HERE, now=1.0)
    broken: list[BaseException] = []

    def work(name):
        try:
            for count in range(20):
                store.insert(make_job(tmp_path, id=f"{name}-{count}"), owner=HERE, now=1.0)
                store.save(replace(job, note=f"{name}-{count}"))
                assert store.claim(f"{name}-{count}", owner=HERE, now=2.0)
        except BaseException as error:  # noqa: BLE001 - shown by the assert below
            broken.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert broken == []
    assert len(store.newest(1000)) == 81


def test_a_sweep_round_trips_whatever_its_texts(tmp_path, store):
    jobs = [make_job(tmp_path, id=f"v{number}") for number in range(1200)]
    store.insert(*jobs, owner="me", now=1.0)
    texts = [*HOSTILE.values(), "half \ud83d"]
    items = tuple(
        SweepItem(job=job.id, label=text, differs={"mood": text, "seconds": 4}, reused=at == 1)
        for at, (job, text) in enumerate(zip(jobs, texts, strict=False))
    )
    sweep = SavedSweep(id="s1", prompt=texts[-1], columns=2, created_at=5.0, items=items)
    store.keep_sweep(sweep)
    assert store.sweep("s1") == sweep
    assert store.sweep("s2") is None
    own = {item.job: "s1" for item in items if not item.reused}
    assert store.sweeps_of([job.id for job in jobs]) == own
    store.delete(items[0].job)
    assert store.sweep("s1") == replace(sweep, items=items[1:])


# ---- pages: what is found, in what order, how many there are ------------------------------

NOW = 1_000_000.0


def listed(number, prompt="a dog", **changes):
    model = changes.pop("model", None)
    plain = JobSnapshot(
        id=f"v{number}",
        provider="demo",
        request=VideoRequest(prompt=prompt, model=model),
        status="completed",
        created_at=NOW + number,
        target=f"/videos/{number}.mp4",
    )
    return replace(plain, **changes)


@pytest.fixture
def library(tmp_path):
    opened = JobStore(tmp_path / "library.sqlite")
    opened.insert(
        listed(1, "A Dog on a beach", model="m1", cost=2.0),
        listed(2, "a cat", provider="apiyi", model="m2", estimate=5.0),
        listed(3, "a dog at night 100%", status="failed"),
        listed(4, "zebra", status="queued"),
        owner="me",
        now=NOW,
    )
    yield opened
    opened.close()


def ids(library, **wishes):
    found, total = library.page(Query(**wishes))
    assert total == len(found) or "limit" in wishes or "offset" in wishes
    return [one.id for one in found]


@pytest.mark.parametrize(
    ("wishes", "found"),
    [
        ({}, ["v4", "v3", "v2", "v1"]),
        ({"text": "dog"}, ["v3", "v1"]),
        ({"text": "beach DOG"}, ["v1"]),
        ({"text": "100%"}, ["v3"]),
        ({"text": "%"}, ["v3"]),
        ({"provider": "apiyi"}, ["v2"]),
        ({"model": "m1"}, ["v1"]),
        ({"states": ("failed", "queued")}, ["v4", "v3"]),
        ({"since": NOW + 3}, ["v4", "v3"]),
        ({"until": NOW + 3}, ["v2", "v1"]),
        ({"text": "dog", "states": ("completed",)}, ["v1"]),
        ({"order": "oldest"}, ["v1", "v2", "v3", "v4"]),
        ({"order": "prompt"}, ["v2", "v3", "v1", "v4"]),
        ({"order": "dearest"}, ["v2", "v1", "v4", "v3"]),
        ({"text": "'; DROP TABLE jobs; --"}, []),
    ],
)
def test_what_is_found_and_in_what_order(library, wishes, found):
    assert ids(library, **wishes) == found


@pytest.mark.parametrize("order", ORDERS)
def test_pages_hold_everything_once(library, order):
    pages = [ids(library, order=order, limit=3, offset=offset) for offset in (0, 3)]
    assert [len(page) for page in pages] == [3, 1]
    assert sorted(pages[0] + pages[1]) == ["v1", "v2", "v3", "v4"]
    assert library.page(Query(limit=1))[1] == 4


def test_who_made_something(library):
    assert library.makers() == [("apiyi", "m2"), ("demo", None), ("demo", "m1")]
