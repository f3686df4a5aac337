"""A job never goes back, whatever the server says and in any order."""

from __future__ import annotations

import itertools
from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipyreel.jobs import transitions
from ipyreel.jobs.store import JobStore
from ipyreel.jobs.transitions import without_files
from ipyreel.values import (
    ENDED,
    Failure,
    JobSnapshot,
    VideoFile,
    VideoJob,
    VideoRequest,
    to_usd,
)
from tests.jobs.fakes import video

ORDER = ("submitting", "unknown", "queued", "in_progress", "downloading", *sorted(ENDED))
SERVER_WORDS = ("queued", "in_progress", "completed", "failed", "cancelled")
UNKNOWN_JOB = Failure(message="no such job", status_code=404)
FILE = VideoFile(path="/x/clip.mp4", size=7, sha256="ab", media_type="video/mp4", seconds=4.0)

# Everything that Python calls text: lone surrogates, NUL, bidi marks.
texts = st.text(st.characters(exclude_categories=()), max_size=30)
numbers = st.one_of(st.none(), st.floats(0, 100))
money = st.one_of(st.none(), st.floats(0, 1e6).map(to_usd))
sizes = st.integers(0, 2**62)

answers = st.builds(
    VideoJob,
    remote_id=texts.filter(bool),
    status=st.sampled_from(SERVER_WORDS),
    raw_status=texts,
    progress=numbers,
    cost=money,
    expires_at=st.one_of(st.none(), st.floats(1, 1e11)),
)
failures = st.builds(
    Failure,
    message=texts,
    code=st.one_of(st.none(), texts),
    status_code=st.one_of(st.none(), st.integers(100, 599)),
    hint=st.one_of(st.none(), texts),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("observed"), answers),
        st.tuples(st.just("troubled"), texts),
        st.tuples(st.just("downloading"), sizes, st.one_of(st.none(), sizes)),
    ),
    max_size=12,
)
endings = st.one_of(
    st.tuples(st.just("completed"), st.just(FILE)),
    st.tuples(st.just("failed"), failures),
    st.tuples(st.just("cancelled"), texts),
)


def new_job(**fields):
    given = {
        "id": "v1",
        "provider": "fake",
        "request": VideoRequest(prompt="x"),
        "status": "submitting",
        "created_at": 1.0,
        "target": "/x/clip.mp4",
    }
    return JobSnapshot(**{**given, **fields})


def take(job, step, now):
    name, *arguments = step
    return getattr(transitions, name)(job, *arguments, now)


def history(plan, first, ending=None):
    """Return every snapshot of a job that is sent, accepted and then lives through `plan`."""
    seen = [new_job()]
    seen.append(transitions.sending(seen[-1], 2.0))
    seen.append(transitions.accepted(seen[-1], first, 3.0))
    for count, step in enumerate((*plan, *((ending,) if ending else ()))):
        seen.append(take(seen[-1], step, 4.0 + count))
    return seen


@given(steps, answers, st.one_of(st.none(), endings))
def test_progress_and_phase_never_go_back_and_only_we_end_a_job(plan, first, ending):
    seen = history(plan, first, ending)
    assert not any(job.ended for job in seen[: -1 if ending else None])
    for before, after in itertools.pairwise(seen):
        assert (after.progress or 0) >= (before.progress or 0)
        assert ORDER.index(after.status) >= ORDER.index(before.status)
        assert after.ready >= before.ready
        assert after.updated_at is not None
        assert after.remote_id == (first.remote_id if before.remote_id else after.remote_id)


@given(steps, answers, endings, steps)
def test_what_ended_stays_ended(plan, first, ending, later):
    ended = history(plan, first, ending)[-1]
    job = ended
    for step in later:
        job = take(job, step, 99.0)
    assert job == ended
    assert job.ended


@settings(max_examples=10, deadline=None)
@given(steps, answers, st.one_of(st.none(), endings), texts)
def test_every_prefix_reads_back_from_the_library_as_it_was(
    tmp_path_factory, plan, first, ending, prompt
):
    request = VideoRequest(prompt=prompt, seconds=4.0, extra={"a": [1, None, "\ud800"]})
    store = JobStore(tmp_path_factory.mktemp("library") / "library.sqlite")
    with closing(store):
        seen = [replace(job, request=request) for job in history(plan, first, ending)]
        store.insert(seen[0])
        for job in seen:
            store.save(job)
            assert store.get("v1") == job


@given(st.lists(st.one_of(steps, st.just([])), min_size=2, max_size=3), answers)
def test_one_answer_twice_changes_only_the_time(plans, first):
    job = history([step for plan in plans for step in plan], first)[-1]
    once = transitions.observed(job, first, 50.0)
    assert transitions.observed(once, first, 50.0) == once


def test_what_is_known_is_kept_and_the_note_on_a_trouble_is_not():
    told = VideoJob(remote_id="r", status="queued", cost=0.0, expires_at=9.0)
    job = transitions.observed(new_job(remote_id="r"), told, 2.0)
    job = transitions.troubled(job, "Provider not answering.", 2.5)
    assert job.note == "Provider not answering."
    job = transitions.observed(job, VideoJob(remote_id="r", status="in_progress"), 3.0)
    assert (job.cost, job.expires_at, job.note, job.progress) == (0.0, 9.0, None, None)


def test_the_file_that_came_names_the_target():
    job = transitions.completed(new_job(remote_id="r"), replace(FILE, path="/x/clip.webm"), 5.0)
    assert (job.target, job.received, job.total) == ("/x/clip.webm", 7, 7)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"status": "failed", "remote_id": "r", "completed_at": 3.0}, "in_progress"),
        ({"status": "cancelled", "completed_at": 3.0}, "submitting"),
    ],
)
def test_reopening_goes_on_from_what_is_known(fields, status):
    job = transitions.reopened(new_job(**fields, failure=Failure(message="x")), 9.0)
    assert (job.status, job.failure, job.completed_at, job.ended) == (status, None, None, False)


def test_a_job_that_a_person_found_at_the_server_counts_as_sent():
    assert transitions.identified(new_job(), "r", 9.0).sent_at == 9.0
    assert transitions.identified(new_job(sent_at=2.0), "r", 9.0).sent_at == 2.0


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"status": "submitting"}, True),
        ({"status": "unknown"}, True),
        ({"status": "downloading"}, True),
        ({"status": "completed"}, False),
        ({"status": "cancelled"}, False),
        ({"status": "failed"}, False),
        ({"status": "failed", "ready": True}, True),
        ({"status": "failed", "ready": True, "failure": Failure(message="cut")}, True),
        (
            {"status": "failed", "ready": True, "failure": Failure(message="x", status_code=410)},
            False,
        ),
        ({"status": "failed", "remote_id": "r", "failure": UNKNOWN_JOB}, True),
        ({"status": "failed", "remote_id": "r", "failure": UNKNOWN_JOB, "created_at": 0.0}, False),
        ({"status": "failed", "remote_id": "r", "failure": Failure(message="no")}, False),
        ({"status": "cancelled", "remote_id": "r", "failure": UNKNOWN_JOB}, False),
    ],
)
def test_what_resume_without_an_id_takes_up(fields, expected):
    job = new_job(**{"created_at": 100.0, **fields})
    assert transitions.resumable(job, 99.0 + transitions.KEPT) is expected


# ---- answers with files in them -------------------------------------------------------------


def test_files_in_answers_are_neither_stored_nor_kept():
    data = f"data:video/mp4;base64,{'A' * 8_000_000}"
    fields = {"raw": {"id": "r-1", "video": data}, "urls": (data, "https://x/v")}
    going = without_files(video("in_progress", **fields))
    assert (going.raw, going.urls) == (None, ("https://x/v",))
    done = without_files(video("completed", **fields))
    assert (done.raw, done.urls) == (None, (data, "https://x/v"))
