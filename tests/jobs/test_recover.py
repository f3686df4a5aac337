"""Finding a job whose POST may have arrived, by prompt, model and time."""

from __future__ import annotations

import asyncio

import pytest

from ipyreel.errors import ServerBroken, StoreError
from ipyreel.jobs.recover import FAR, NEAR, PAGES, WAITS, WRONG_CLOCK, find_accepted
from ipyreel.values import VideoPage
from tests.jobs.fakes import PROMPT, START, FakeClient, FakeTime, make_job, video

SENT = START + 10


def listed(remote_id="r-1", **fields):
    given = {"remote_id": remote_id, "prompt": PROMPT, "model": "m-1", "created_at": SENT}
    return video(**{**given, **fields})


def page(*videos, after=None):
    return VideoPage(jobs=videos, after=after)


@pytest.fixture
def search(tmp_path):
    """Return a function that looks for a job in the pages a provider lists."""

    def look(*pages, known=(), routes=("list",)):
        client, time = FakeClient(routes=routes), FakeTime()
        client.list_steps = list(pages) or [page()]
        job = make_job(tmp_path, id="v1", sent_at=SENT, status="unknown")
        finding = asyncio.run(
            find_accepted(
                client,
                job,
                known=lambda provider, one: provider == "fake" and one in known,
                sleep=time.sleep,
            )
        )
        assert client.posts == []
        assert (finding.video is None) is (finding.hint is not None)
        return finding, client, time

    return look


def found(finding):
    return finding.video and finding.video.remote_id


def test_a_list_that_failed_before_does_not_spoil_the_last_look(search):
    finding, _, _ = search(ServerBroken("Boom", status_code=500), page())
    assert "does not list it" in finding.hint


def test_a_library_that_cannot_be_read_is_no_proof_of_absence(tmp_path):
    def known(_provider, _remote_id):
        raise StoreError("The library could not be used.")

    client = FakeClient()
    client.list_steps = [page(listed())]
    job = make_job(tmp_path, sent_at=SENT)
    finding = asyncio.run(find_accepted(client, job, known=known, sleep=FakeTime().sleep))
    assert finding.video is None
    assert "safe" not in finding.hint


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "ours"),
        ({"prompt": PROMPT + "\n"}, "ours"),
        ({"prompt": PROMPT.lower()}, "no"),
        ({"prompt": PROMPT[:-1]}, "no"),
        ({"prompt": ""}, "no"),
        ({"prompt": None}, "maybe"),
        ({"model": "m-2"}, "no"),
        ({"model": None}, "ours"),
        ({"prompt": None, "model": None, "created_at": SENT + 800}, "maybe"),
        ({"created_at": SENT + NEAR[0]}, "ours"),
        ({"created_at": SENT + NEAR[0] - 1}, "maybe"),
        ({"created_at": SENT + NEAR[1]}, "ours"),
        ({"created_at": SENT + NEAR[1] + 1}, "maybe"),
        ({"created_at": SENT - 3600}, "maybe"),  # by a clock that is wrong
        ({"created_at": SENT + WRONG_CLOCK}, "maybe"),
        ({"created_at": SENT + WRONG_CLOCK + 1}, "no"),
        ({"created_at": SENT + FAR[1] + 1, "prompt": None}, "no"),
        ({"created_at": None}, "maybe"),
        ({"created_at": None, "prompt": None}, "no"),
        ({"status": "failed"}, "ours"),
    ],
)
def test_what_counts_as_the_same(search, fields, expected):
    finding, _, _ = search(page(listed(**fields)))
    assert (finding.video is not None) is (expected == "ours")
    if expected == "maybe":
        assert "r-1 (" in finding.hint
        assert "%video resume v1 REMOTE_ID" in finding.hint
    if expected == "no":
        assert "does not list it" in finding.hint


def test_jobs_that_are_somebodys_are_left_alone(search):
    finding, _, _ = search(page(listed("r-1"), listed("r-2", created_at=SENT + 9)), known={"r-1"})
    assert found(finding) == "r-2"
    finding, _, _ = search(page(listed("r-1")), known={"r-1"})
    assert finding.video is None


def test_of_two_that_match_none_is_taken(search):
    # In a class with one key, another student may have asked for the same.
    jobs = [listed(f"r{off}", created_at=SENT + off) for off in (300, -20, 4, 60, 90)]
    for some in (jobs[2:4], jobs[:2], jobs):
        finding, client, _ = search(page(*some))
        assert finding.video is None
        assert client.log == ["list"] * len(WAITS)
    assert finding.hint.index("r4 (made +4 s") < finding.hint.index("r-20 (made -20 s")
    assert "and 2 more" in finding.hint
    for other in ({"prompt": "another"}, {"created_at": SENT - 3600}):
        assert found(search(page(jobs[2], listed("r9", **other)))[0]) == "r4"


def test_further_pages_are_read_but_not_for_ever(search):
    finding, client, _ = search(page(after="a"), page(after="b"), page(listed()))
    assert found(finding) == "r-1"
    assert len(client.log) == 3
    finding, client, _ = search(page(after="again"))
    assert finding.video is None
    assert len(client.log) == PAGES * len(WAITS)


def test_two_searches_never_take_one_job(tmp_path):
    # Both read the first page before either has written down what it found there.
    taken: set[str] = set()
    time = FakeTime()

    class Slow(FakeClient):
        async def list(self, *, limit, after):
            await super().list(limit=limit, after=after)
            first = after is None
            return page(listed("r-1"), after="more") if first else page()

    async def search(job):
        finding = await find_accepted(
            Slow(), job, known=lambda _, one: one in taken, sleep=time.sleep
        )
        if finding.video is not None:
            taken.add(finding.video.remote_id)
        return finding

    async def main():
        jobs = [make_job(tmp_path, sent_at=SENT) for _ in range(3)]
        return await asyncio.gather(*map(search, jobs))

    assert sum(one.video is not None for one in asyncio.run(main())) == 1
