"""What becomes of a job whose POST was refused, never left, or may have arrived."""

from __future__ import annotations

import pytest

from ipyreel.errors import (
    AuthenticationFailed,
    InvalidRequest,
    MissingKey,
    PaymentRequired,
    ProviderError,
    RequestRejected,
    StoreError,
    SubmissionUnknown,
    TransportError,
)
from ipyreel.values import VideoPage
from tests.jobs.fakes import BOUND, PROMPT, START, video

UNHEARD = SubmissionUnknown("The POST may have arrived.", hint="Look at the console.")


def refused(kind=AuthenticationFailed, status=401, message="Wrong key."):
    return kind(message, status_code=status, code="bad", request_id="req-1", hint="Do this.")


# ---- refused or not sent ------------------------------------------------------------------

REFUSALS = {
    "401": refused(),
    "402": refused(PaymentRequired, 402),
    "400": refused(RequestRejected, 400),
    "connect": TransportError("No route to host."),
    "image": InvalidRequest("This image is too large.", hint="Do this."),
}


@pytest.mark.parametrize("error", REFUSALS.values(), ids=REFUSALS)
def test_what_is_refused_at_create_failed_at_once(bench, error):
    bench.client.create_steps = [error]
    end = bench.submit()
    assert (end.status, end.failure) == ("failed", error.failure())
    assert (end.remote_id, end.sent_at) == (None, None)
    assert bench.manager.error(end.id) is error
    assert bench.client.log == ["create"]
    assert len(bench.client.posts) == 1
    assert bench.holder(end) is None


def test_without_a_key_nothing_is_sent(bench):
    bench.connect_steps.append(MissingKey("There is no key.", hint="Set FAKE_API_KEY."))
    end = bench.submit()
    assert (end.status, end.failure.hint) == ("failed", "Set FAKE_API_KEY.")
    assert bench.client.posts == []


def test_a_library_that_cannot_be_written_keeps_the_post_here(bench, caplog):
    bench.connect_steps.append(bench.read_only)
    job = bench.job()
    bench.manager.submit(job)
    end = bench.manager.future(job.id).result(BOUND)
    assert bench.client.posts == []
    assert (end.status, end.sent_at) == ("failed", None)
    assert isinstance(bench.manager.error(job.id), StoreError)
    assert any("could not be used" in record.message for record in caplog.records)
    # The disk is well again: the job was never sent, so now it is.
    bench.read_only(on=False)
    assert bench.store.get(job.id) == job
    assert bench.resume(job).status == "completed"
    assert len(bench.client.posts) == 1


def test_a_library_that_cannot_be_written_refuses_the_cell(bench):
    bench.store.newest()
    bench.read_only()
    with pytest.raises(StoreError):
        bench.manager.submit(bench.job())
    assert bench.client.log == []
    assert bench.manager.active() == []


# ---- nobody knows -------------------------------------------------------------------------


def mine(**fields):
    return video(**{"prompt": PROMPT, "created_at": START, "remote_id": "r-found", **fields})


def test_an_unheard_post_is_found_in_the_list(bench):
    bench.client.create_steps = [UNHEARD]
    bench.client.list_steps = [VideoPage(jobs=()), VideoPage(jobs=(mine(),))]
    end = bench.submit()
    assert (end.status, end.remote_id, end.failure) == ("completed", "r-found", None)
    assert bench.client.log[:3] == ["create", "list", "list"]
    assert len(bench.client.posts) == 1
    assert bench.manager.error(end.id) is None


def test_an_unheard_post_that_is_not_listed_stays_unknown(bench):
    bench.client.create_steps = [UNHEARD]
    end = bench.submit()
    assert (end.status, end.ended, end.remote_id) == ("unknown", False, None)
    assert end.failure.message == UNHEARD.message
    assert "does not list it" in end.failure.hint
    assert end.sent_at == START
    assert bench.manager.error(end.id) is UNHEARD
    assert len(bench.client.posts) == 1
    # Nobody works on it any more, so that any kernel may look again.
    assert bench.holder(end) is None


def test_an_unheard_post_where_nobody_can_list(bench):
    bench.client.provider = bench.client.provider.__class__(name="fake", title="Fake")
    bench.client.create_steps = [UNHEARD]
    end = bench.submit()
    assert (end.status, bench.client.log) == ("unknown", ["create"])
    assert "cannot list" in end.failure.hint


def test_resuming_an_unknown_job_looks_again_and_never_sends(bench):
    bench.client.create_steps = [UNHEARD]
    job = bench.submit()
    assert bench.resume(job).status == "unknown"
    bench.client.list_steps = [VideoPage(jobs=(mine(),))]
    assert bench.resume(job).status == "completed"
    assert len(bench.client.posts) == 1
    assert bench.manager.error(job.id) is None


def test_two_unheard_posts_never_share_one_job(bench):
    bench.client.create_steps = [UNHEARD]
    bench.client.list_steps = [VideoPage(jobs=(mine(),))]
    jobs = [bench.job() for _ in range(3)]
    for job in jobs:
        bench.manager.submit(job)
    ends = [bench.end(job) for job in jobs]
    assert sorted(job.status for job in ends) == ["completed", "unknown", "unknown"]


def test_every_kind_of_refusal_at_create_fails_the_job(bench):
    for kind in ProviderError.__subclasses__():
        bench.client.create_steps = [kind("no", status_code=418)]
        assert bench.submit().status == "failed"
