"""Remixes, edits and extensions are not paid twice either."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from ipyreel.catalog.rows import CHAINS
from ipyreel.client import Timeouts
from tests.conformance.shop import Kernel, reopened
from tests.conformance.table import SAID, rule, said

LOST = {
    "closed": {"drop_reply": True},
    "500 after": said(500, when="after"),
    "silence": {"hang": 30, "when": "after"},
}
"""The server made the job, and the answer was lost; a second POST would pay twice."""

IMPATIENT = Timeouts(create=0.1, poll=30, read=30)
AGAIN = "It rains on the boat"


def follow(kernel, source, how):
    """Make a video from `source`, wait for its end and return it."""
    session = kernel.session
    plan = session.chain(source, how, AGAIN, seconds=4 if how == "extend" else None)
    (new,) = session.submit(plan)
    return kernel.end(new.id)


def forgetful(kernel):
    """Remove the list from the kernel's provider, so that a lost job cannot be found."""
    session, name = kernel.session, kernel.shop.kind
    row = replace(session.catalog.provider(name), routes=frozenset(CHAINS.values()))
    rows = {**session.catalog.providers, name: row}
    session.catalog = replace(session.catalog, providers=MappingProxyType(rows))


PAIRS = [("edit", fault) for fault in LOST] + [("remix", "closed"), ("extend", "closed")]


@pytest.mark.parametrize(("how", "fault"), PAIRS)
@pytest.mark.usefixtures("played")
def test_a_lost_answer_is_not_asked_for_twice(how, fault, market, home):
    shop, route = market("openai"), CHAINS[how]
    shop.open(rule(route, **LOST[fault]))
    timeouts = IMPATIENT if "hang" in LOST[fault] else Timeouts(create=30, poll=30, read=30)
    with Kernel(shop, home) as kernel:
        source = kernel.order()
    with Kernel(shop, home, timeouts=timeouts) as kernel:
        forgetful(kernel)
        job = follow(kernel, source, how)
        assert (job.status, job.remote_id) == ("unknown", None)
        assert reopened(home, job.id).request.chain == (how, source.remote_id)
        kernel.resume(job.id)
    with Kernel(shop, home) as kernel:
        # With a list again, the job is found.
        found, _ = kernel.resume(job.id)
        assert found.status == "completed"
    assert [one.accepted for one in shop.seen(route)] == [True]
    assert len(shop.seen("create")) == 1


@pytest.mark.parametrize("how", CHAINS)
@pytest.mark.usefixtures("played")
def test_refusals_and_retry_after_work_there_too(how, market, home):
    shop, route = market("openai"), CHAINS[how]
    shop.open(rule(route, count=1, **said(429, headers={"retry-after": "7"})))
    with Kernel(shop, home) as kernel:
        source = kernel.order()
        job = follow(kernel, source, how)
        assert job.status == "completed"
        assert 7 in kernel.waits
        assert [one.accepted for one in shop.seen(route)] == [False, True]
        shop.demo.faults.add(rule(route, **said(400)))
        job = follow(kernel, source, how)
        assert (job.status, SAID in job.failure.message) == ("failed", True)
        assert len(shop.seen(route)) == 3
