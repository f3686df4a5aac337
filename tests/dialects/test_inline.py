"""Servers that answer a submission with the video itself."""

from __future__ import annotations

import pytest

from ipyreel.errors import InvalidRequest, SubmissionUnknown
from tests.dialects.ask import at
from tests.dialects.fakes.base import FILM, START
from tests.dialects.fakes.dynamo import Dynamo


@pytest.mark.parametrize("images", [[], [START]], ids=["text", "image"])
@pytest.mark.parametrize("extra", [{}, {"response_format": "url"}], ids=["inside", "by its URL"])
def test_the_answer_to_the_post_is_the_video(stage, tmp_path, images, extra):
    fake = Dynamo()

    async def ask(_table, client):
        job = await client.create("a boat", images=images, extra=extra, **Dynamo.ask)
        assert job.status == "completed"
        return await client.download(job, tmp_path / "boat.mp4")

    at(stage, fake, ask)
    assert (tmp_path / "boat.mp4").read_bytes() == FILM
    assert fake.seen[0].method == "POST"
    assert b'"seconds":4' in fake.seen[0].raw
    assert (b'"input_reference":"data:image/png;base64,' in fake.seen[0].raw) is bool(images)


def test_a_failure_has_its_reason(stage):
    async def ask(_table, client):
        return await client.create("a boat", **Dynamo.ask)

    job = at(stage, Dynamo(fails=True), ask)
    assert (job.status, job.failure.message) == ("failed", "CUDA out of memory")


def test_an_answer_that_is_lost_is_unknown_and_cannot_be_looked_for(stage):
    class Broken(Dynamo):
        def created(self, _job):
            raise self.refuse(504, "upstream timed out")

    async def ask(_table, client):
        with pytest.raises(SubmissionUnknown):
            await client.create("a boat", **Dynamo.ask)
        with pytest.raises(InvalidRequest, match="cannot list"):
            await client.list()

    at(stage, Broken(), ask)


def test_it_may_take_an_hour(stage):
    async def ask(_table, client):
        return client._submission()

    submission = at(stage, Dynamo(), ask)
    assert submission.timeout == 3600
    assert submission.limit > 2**26
