"""Every fault, at every step where it can happen, at the vendors whose shape matters to it.

Real sockets, a real server and a real session; only time is simulated. The cases are data, in
`table.py` and `rows_*.py`.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from ipyreel.client import Timeouts
from ipyreel.demo.faults import AVI
from tests.conformance.rows_content import content_cases
from tests.conformance.rows_poll import poll_cases
from tests.conformance.rows_submit import NEVER, submit_cases
from tests.conformance.shop import (
    KEY,
    Kernel,
    Shop,
    finals,
    open_shop,
    parts,
    reopened,
    sha256,
    sidecar,
    told,
)
from tests.conformance.table import DONE, rule, said
from tests.support.demo import Clock
from tests.support.ports import free_port

CASES = [*submit_cases(), *poll_cases(), *content_cases()]
SHORT = 0.1
"""Seconds of real time that a client waits for a server that never answers."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
@pytest.mark.usefixtures("played")
def test_a_fault_comes_to_what_the_table_says(case, market, home):
    shop = market(case.kind)
    shop.open(*case.rules)
    base_url = _door(case, shop)
    with Kernel(shop, home, base_url=base_url, timeouts=_timeouts(case)) as kernel:
        job = kernel.order()
        _check(case.end, kernel, job, kernel.session.error(job.id))
        _check_way(case, kernel)
    if job.remote_id is not None and case.after is None:
        return
    shop.behave()
    with Kernel(shop, home, base_url=base_url) as kernel:
        _check_resumed(case, kernel, job)
        if case.adopt:
            taken = kernel.adopt(shop.demo.job_ids()[0])
            _check_film(shop, home, taken, ".mp4")
            assert len(shop.seen("create")) == case.end.posts


def _check_resumed(case, kernel, job):
    """A new kernel resumes the job, and the fault is over."""
    again, sentence = kernel.resume(job.id)
    if case.after is not None:
        posts = {"posts": case.end.posts, "accepted": case.end.accepted}
        _check(replace(case.after, error=None, **posts), kernel, again, None)
    else:
        # A job that no server has is neither sent nor changed.
        assert again == job
        assert NEVER in sentence
        assert len(kernel.shop.seen("create")) == case.end.posts


@pytest.mark.usefixtures("played")
def test_resume_without_an_id_asks_again_for_a_job_that_its_server_did_not_know(market, home):
    shop = market("openai")
    shop.open(rule("retrieve", **said(404)))
    with Kernel(shop, home) as kernel:
        job = kernel.order()
        assert job.status == "failed"
        assert f"%video resume {job.id} asks openai again." in told(job)
    shop.behave()
    with Kernel(shop, home) as kernel:
        assert [one.job.id for one in kernel.session.resume()] == [job.id]
        assert kernel.end(job.id).status == "completed"
    assert len(shop.seen("create")) == 1


@pytest.mark.usefixtures("played")
def test_a_server_that_starts_later_gets_one_request(tmp_path, home):
    shop = Shop(kind="openai", demo=None, clock=Clock())
    with ExitStack() as stack:
        port = free_port()

        def on_wait(_seconds):
            if shop.demo is None and len(kernel.waits) > 1:
                opened = open_shop(tmp_path / "shop", shop.kind, clock=shop.clock, port=port)
                shop.demo = stack.enter_context(opened).demo

        base_url = f"http://127.0.0.1:{port}/v1"
        with Kernel(shop, home, base_url=base_url, on_wait=on_wait) as kernel:
            job = kernel.order()
            _check(DONE, kernel, job, kernel.session.error(job.id))
            # With the chance of one half: half of 1 s, then half of 2 s.
            assert kernel.waits[:2] == [0.5, 1.0]


@pytest.mark.usefixtures("played")
def test_a_lost_job_is_not_taken_for_an_equal_one(market, home):
    shop = market("openai")
    shop.open(rule("create", count=1, skip=1, reset=True))
    with Kernel(shop, home) as kernel:
        first, second = kernel.order(), kernel.order()
    assert (first.status, second.status) == ("completed", "unknown")
    assert second.remote_id is None
    assert shop.accepted == 1
    assert len(shop.seen("create")) == 2


def test_the_table_has_every_case_once():
    names = [case.id for case in CASES]
    assert len(set(names)) == len(names)
    page = Path(__file__).parents[2] / "CONTRIBUTING.md"
    assert f"({len(CASES)} cases)" in page.read_text(encoding="utf-8")


# ------------------------------------------------------------------------------ what is checked


def _check(end, kernel, job, error):
    shop, home = kernel.shop, kernel.home
    assert job.status == end.status, told(job)
    # Some errors are subclasses that are private to a module.
    kinds = [kind.__name__ for kind in type(error).__mro__] if error else [None]
    assert end.error in kinds
    for words in end.says:
        assert words in told(job)
    assert job.ready or "is ready at" not in told(job)
    assert reopened(home, job.id) == job
    posts = shop.seen("create")
    assert len(posts) == end.posts
    assert shop.accepted == end.accepted <= 1
    # Only a POST that was certainly refused may be followed by another.
    assert all(one.status == 429 for one in posts[:-1])
    assert job.remote_id in {None, *shop.demo.job_ids()}
    if end.status == "completed":
        _check_film(shop, home, job, end.ending)
    else:
        assert finals(home) == []
        assert job.file is None
    _check_secrets(home, job)


def _check_film(shop, home, job, ending):
    assert job.status == "completed", told(job)
    (film,) = finals(home)
    assert film.suffix == ending
    assert str(film) == job.file.path == job.target
    expected = shop.film if ending == ".mp4" else _avi()
    assert sha256(film) == job.file.sha256 == sidecar(film)["sha256"] == expected
    assert parts(home) == []
    assert reopened(home, job.id).file == job.file


def _check_way(case, kernel):
    shop = kernel.shop
    assert not shop.seen(*case.never) or not case.never
    for low, high in case.waits:
        assert any(low <= wait <= high for wait in kernel.waits), kernel.waits
    if case.waited is not None:
        low, high = case.waited
        assert low <= sum(kernel.waits) <= high
    notes = " ".join(job.note for job in kernel.seen if job.note)
    for words in case.notes:
        assert words in notes
    progress = [job.progress for job in kernel.seen if job.progress is not None]
    assert progress == sorted(progress)


def _check_secrets(home, job):
    """The key is in no text and in no file."""
    assert KEY not in told(job) + repr(job)
    with sqlite3.connect(home / "library.sqlite") as library:
        rows = library.execute("SELECT * FROM jobs").fetchall()
    library.close()
    assert KEY not in repr(rows)
    assert all(KEY.encode() not in path.read_bytes() for path in home.rglob("*.json"))


def _avi():
    return hashlib.sha256(AVI + bytes(1016)).hexdigest()


# ---------------------------------------------------------------------------------- the vendor


def _timeouts(case):
    given = {"create": 30.0, "poll": 30.0, "read": 30.0, "first_byte": 30.0}
    if case.impatient:
        # A reply that arrives must not be late on a busy machine.
        ends = any("count" in one for one in case.rules)
        given[case.impatient] = 2.0 if ends or case.impatient == "create" else SHORT
    return Timeouts(**given)


def _door(case, shop):
    """Return the base URL for a case that cannot reach the vendor; None: the true one."""
    doors = {
        None: None,
        "refused": f"http://127.0.0.1:{free_port()}/v1",
        "dns": "https://nobody.invalid/v1",
        "tls": shop.demo.url.replace("http://", "https://"),
    }
    return doors[case.door]
