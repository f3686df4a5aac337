"""The library: what is written can be read, and one kernel at a time owns a job."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from ipyreel.errors import StoreError
from ipyreel.jobs import database
from ipyreel.jobs.owners import OwnershipLost
from ipyreel.jobs.query import ORDERS, Query
from ipyreel.jobs.rows import IN_FLIGHT
from ipyreel.jobs.store import LEASE, JobStore
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
from tests.jobs.fakes import ELSEWHERE, START, elsewhere, make_job

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
    return store.database.rows("SELECT owner FROM jobs WHERE id = ?", (job_id,))[0][0]


def test_nothing_is_opened_before_it_is_needed(tmp_path):
    JobStore(tmp_path / "deep" / "library.sqlite").close()
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_every_field_reads_back_as_it_was(store, tmp_path, text):
    job = full_job(tmp_path, text)
    store.insert(job)
    store.save(job)
    assert store.get("v1") == job
    assert store.newest() == [job]
    assert store.matching(text) == [job]
    assert store.knows_remote(text, text)
    assert store.equal(job.request.fingerprint(text)) == [job]  # it failed, and its video is ready
    assert store.page(Query(text=text))[1] <= 1


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
    store.insert(make_job(tmp_path, id="v1", received=5, total=10**30))
    assert store.get("v1").total == 2**63 - 1


def test_finding_by_the_beginning_of_an_id(store, tmp_path):
    for job_id in ("vab1", "vab2", "v%_1", "vxx"):
        store.insert(make_job(tmp_path, id=job_id, remote_id=f"r-{job_id}"))
    found = {word: {job.id for job in store.matching(word)} for word in ("vab", "v%", "v_", "\\")}
    assert found == {"vab": {"vab1", "vab2"}, "v%": {"v%_1"}, "v_": set(), "\\": set()}
    assert [job.id for job in store.matching("r-vxx")] == ["vxx"]
    assert store.matching("r-v") == []


def test_lists_by_state(store, tmp_path):
    states = (*IN_FLIGHT, "completed", "failed", "cancelled")
    for count, status in enumerate(states):
        job = make_job(tmp_path, id=status, status=status, created_at=float(count))
        store.insert(job)
    ready = make_job(tmp_path, id="ready", status="failed", remote_id="r", ready=True)
    store.insert(ready)
    assert [job.id for job in store.in_flight()] == list(IN_FLIGHT)
    assert [job.id for job in store.failed()] == ["ready"]


def test_an_equal_finished_job_is_found_again_also_after_it_was_read_back(store, tmp_path):
    request = VideoRequest(prompt="x", images=(Image(source="a.png", data=b"pixels"),))
    for count, status in enumerate(("completed", "submitting", "failed")):
        fields = {"status": status, "created_at": float(count), "sent_at": 1.0}
        store.insert(make_job(tmp_path, id=f"v{count}", request=request, **fields))
    # What a new kernel does with a job: it has no pixels any more.
    store.save(replace(store.get("v1"), status="completed"))
    assert [job.id for job in store.equal(request.fingerprint("fake"))] == ["v1", "v0"]
    assert store.equal(request.fingerprint("other")) == []
    assert store.equal(replace(request, seconds=9.0).fingerprint("fake")) == []


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
        store.insert(job)
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
        store.insert(make_job(tmp_path, **fields))
    # v3 waits and v1 and v2 run: they are reserved.
    nine = Decimal("9.25")
    assert store.spent(START) == Money(usd=nine + Decimal("0.5"), reserved=nine, unpriced=1)
    assert store.spent(START, besides=["v3"]).usd == Decimal("0.75")
    # v3 will be sent later, whenever that is.
    assert store.spent(START + 1) == Money(usd=Decimal(9), reserved=Decimal(9), unpriced=0)


# ---- who has a job ------------------------------------------------------------------------


def test_what_waits_in_a_running_kernel_counts_however_old_it_is(store, tmp_path):
    store.insert(make_job(tmp_path, id="v1", estimate=Decimal("0.4")))
    assert store.spent(START + 1).usd == Decimal("0.4")
    assert store.spent(START + 1, besides=["v1"]).usd == 0
    elsewhere(store, "v1")
    assert store.spent(START + 1).usd == 0  # nobody knows whether that kernel is there
    store.database.write("UPDATE jobs SET owner = NULL", ())
    assert store.spent(START + 1).usd == 0


def test_a_job_is_not_taken_where_the_check_raises(store, other, job):
    store.release()

    def refuse():
        assert other.get(job.id) == job
        raise ValueError("too dear")

    with pytest.raises(ValueError, match="too dear"):
        other.claim(job.id, check=refuse)
    assert held_by(other) is None


@pytest.fixture
def other(tmp_path):
    """The same library as another kernel has it."""
    opened = JobStore(tmp_path / "library.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def job(store, tmp_path):
    one = make_job(tmp_path, id="v1")
    store.insert(one)
    return one


@pytest.mark.usefixtures("job")
def test_a_job_belongs_to_who_wrote_it_until_it_is_given_back(store, other, tmp_path):
    assert held_by(store) == store.owner
    assert store.claim("v1")
    assert not other.claim("v1")
    other.release("v1")
    assert held_by(other) == store.owner
    store.release("v1")
    assert held_by(store) is None
    assert other.claim("v1")
    store.insert(make_job(tmp_path, id="v2"), make_job(tmp_path, id="v3"))
    store.release()
    assert [held_by(store, one) for one in ("v1", "v2", "v3")] == [other.owner, None, None]
    assert not store.claim("nothing", take=True)


def test_whatever_is_written_meets_the_row_of_its_owner_only(store, other, job):
    assert other.claim("v1", take=True)
    for write in (store.save, store.mark_sent):
        with pytest.raises(OwnershipLost, match="v1"):
            write(replace(job, note="from the first owner", sent_at=1.0))
    store.release("v1")
    store.delete("v1")
    assert other.get("v1") == job
    assert held_by(store) == other.owner
    other.save(replace(job, note="from the second"))
    assert store.get("v1").note == "from the second"


def test_a_job_is_marked_as_sent_once(store, job):
    sent = replace(job, sent_at=5.0)
    store.mark_sent(sent)
    with pytest.raises(OwnershipLost):
        store.mark_sent(replace(sent, sent_at=6.0))
    store.save(replace(job, sent_at=None))  # it was refused, so it may be sent again
    store.mark_sent(sent)
    store.save(replace(job, sent_at=None, remote_id="r-1"))
    with pytest.raises(OwnershipLost):
        store.mark_sent(sent)


@pytest.mark.usefixtures("job")
def test_a_silent_owner_elsewhere_is_taken_over_only_as_it_was_seen(store, other):
    elsewhere(store, "v1")
    seen = other.sighting("v1")
    assert not other.claim("v1")
    store.database.write("INSERT INTO kernels VALUES (?, 7)", (ELSEWHERE,))
    assert not other.claim("v1", silent=seen)
    seen = other.sighting("v1")
    assert seen.beat == 7
    store.database.write("UPDATE kernels SET beat = 8", ())
    assert not other.claim("v1", silent=seen)
    assert other.claim("v1", silent=other.sighting("v1"))


@pytest.mark.usefixtures("job")
def test_a_kernel_that_was_older_shows_life_by_its_own_column(store, other):
    elsewhere(store, "v1", owner="host:1:x")
    seen = other.sighting("v1")
    store.database.write("UPDATE jobs SET heartbeat = 9.0", ())
    assert not other.claim("v1", silent=seen)


@pytest.mark.usefixtures("job")
def test_beats_count_up_and_say_what_is_ours(store, other, tmp_path):
    other.insert(make_job(tmp_path, id="v2"))
    assert [store.beat() for _ in range(3)] == [{"v1"}] * 3
    assert other.sighting("v1").beat == 3
    # In a file that took its place it counts on: an equal count would look like silence.
    store.path.rename(tmp_path / "aside")
    store.save(store.get("v1"))
    store.beat()
    assert JobStore(store.path).sighting("v1").beat == 4
    store.release()
    assert store.database.rows("SELECT * FROM kernels") == []


def test_a_closed_store_sends_and_begins_nothing(store, job):
    store.sealed = True
    for write in (store.mark_sent, store.insert):
        with pytest.raises(StoreError, match="closed"):
            write(replace(job, sent_at=1.0))
    with pytest.raises(StoreError, match="closed"):
        store.claim("v1")
    store.save(replace(job, remote_id="r-1"))  # an answer that was on its way is kept
    assert store.get("v1").remote_id == "r-1"


@pytest.mark.usefixtures("job")
def test_what_an_ended_session_could_not_give_back_is_free(store, other):
    store.database._open(fresh=True).execute("PRAGMA query_only = 1")
    with pytest.raises(StoreError):
        store.end()
    assert held_by(other) == store.owner
    assert other.claim("v1")


def test_in_a_new_library_an_earlier_owner_does_not_write_over_the_later_one(store, other, job):
    assert other.claim("v1", take=True)
    database.move_aside(store.path, database.identity_of(store.path))
    other.save(replace(job, note="from the later owner"))
    for write in (store.save, store.mark_sent):
        with pytest.raises(OwnershipLost):
            write(replace(job, note="from the earlier owner", sent_at=1.0))
    assert other.get("v1").note == "from the later owner"
    assert held_by(other) == other.owner


def test_what_another_kernel_had_taken_is_not_restored_in_a_new_library(store, other, job):
    assert other.claim("v1", take=True)
    other.mark_sent(replace(job, sent_at=1.0))
    database.move_aside(store.path, database.identity_of(store.path))
    with pytest.raises(OwnershipLost):
        store.mark_sent(replace(job, sent_at=2.0))
    other.save(replace(job, sent_at=1.0, remote_id="r-1"))
    assert other.get("v1").remote_id == "r-1"


def test_after_a_long_silence_a_lost_library_takes_the_jobs_with_it(tmp_path):
    now = [0.0]
    store = JobStore(tmp_path / "library.sqlite", monotonic=lambda: now[0])
    one, two = make_job(tmp_path, id="v1"), make_job(tmp_path, id="v2")
    store.insert(one, two)
    database.move_aside(store.path, database.identity_of(store.path))
    store.save(replace(one, note="at once"))
    assert store.get("v1").note == "at once"
    database.move_aside(store.path, database.identity_of(store.path))
    now[0] += LEASE
    # Somebody may have taken it over in the file that was moved aside.
    with pytest.raises(OwnershipLost):
        store.mark_sent(replace(two, sent_at=1.0))
    store.close()


def test_a_job_with_nothing_new_to_write_outlives_its_library(tmp_path):
    now = [0.0]
    store = JobStore(tmp_path / "library.sqlite", monotonic=lambda: now[0])
    job = make_job(tmp_path, id="v1", sent_at=1.0, remote_id="r-1")
    store.insert(job)
    for _ in range(20):
        now[0] += LEASE / 6
        assert store.beat() == {"v1"}
    database.move_aside(store.path, database.identity_of(store.path))
    assert store.beat() == set()
    store.save(job)
    assert store.get("v1").remote_id == "r-1"
    store.close()


def test_a_sweep_round_trips_whatever_its_texts(tmp_path, store):
    jobs = [make_job(tmp_path, id=f"v{number}") for number in range(1200)]
    store.insert(*jobs)
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
        ({"text": "dog", "states": ("completed",)}, ["v1"]),
        ({"order": "oldest"}, ["v1", "v2", "v3", "v4"]),
        ({"order": "prompt"}, ["v2", "v3", "v1", "v4"]),
        ({"order": "most_expensive"}, ["v2", "v1", "v4", "v3"]),
        ({"text": "'; DROP TABLE jobs; --"}, []),
    ],
)
def test_what_is_found_and_in_what_order(library, wishes, found):
    assert ids(library, **wishes) == found


def test_pages_hold_everything_once(library):
    for order in ORDERS:
        pages = [ids(library, order=order, limit=3, offset=offset) for offset in (0, 3)]
        assert [len(page) for page in pages] == [3, 1]
        assert sorted(pages[0] + pages[1]) == ["v1", "v2", "v3", "v4"]
    assert library.page(Query(limit=1))[1] == 4
    assert library.makers() == [("apiyi", "m2"), ("demo", None), ("demo", "m1")]
