"""Each strict fake in each scenario: the client succeeds, or says what happened."""

from __future__ import annotations

import pytest

from ipyreel.errors import JobNotFound, ServerBroken
from tests.dialects.ask import FAKES, STORED, at
from tests.dialects.fakes.base import FILM, KEY, START, conversation
from tests.dialects.matrix import HIDDEN

BY_NAME = {make.name: make for make in FAKES}
each_fake = pytest.mark.parametrize("make", FAKES, ids=lambda make: make.name)

GONE = {"openai", "new-api", "aiid", "sglang", "openrouter"}
"""Those that differ in what they say of a file that has expired."""


@pytest.fixture
def target(tmp_path):
    return tmp_path / "clip.mp4"


def stored(fake, scenario):
    """Compare what came over the wire with the file that was checked by hand."""
    path = STORED / f"{fake.name}-{scenario}.http"
    assert conversation(fake) == path.read_bytes(), f"{path.name} differs from what was sent"


@each_fake
def test_text_to_video(stage, make, target):
    fake = make()

    async def ask(table, client):
        job = await table.finished(client)
        assert (job.status, job.progress in {None, 100}) == ("completed", True)
        return await client.download(job, target)

    file = at(stage, fake, ask)
    assert target.read_bytes() == FILM
    assert (file.width, file.height, file.seconds) == (1280, 720, 8.0)
    keys = [request.headers for request in fake.cdn.seen]
    assert not [headers for headers in keys if KEY in str(headers)]
    stored(fake, "text")


@each_fake
def test_image_to_video(stage, make):
    fake = make()
    size = fake.ask["size"]

    async def ask(_table, client):
        return await client.create("it moves", **{**fake.ask, "images": [START], "size": size})

    assert at(stage, fake, ask).status == "queued"
    stored(fake, "image")


@pytest.mark.parametrize("name", sorted(HIDDEN))
def test_a_job_that_fails_says_why(stage, name):
    # Of the others, the table in the client's README says so.
    fake = BY_NAME[name](fails=True)

    async def ask(table, client):
        return await table.finished(client)

    job = at(stage, fake, ask)
    assert job.status == "failed"
    assert job.failure.message == fake.failure


@each_fake
def test_a_file_that_is_not_ready_is_waited_for(stage, make, target):
    fake = make(late=2)

    async def ask(table, client):
        job = await table.finished(client)
        before = len(table.time.slept)
        file = await client.download(job, target)
        return file, table.time.slept[before:]

    file, slept = at(stage, fake, ask)
    assert target.read_bytes() == FILM
    assert file.path == str(target)
    assert 0 < sum(slept) <= 60


@pytest.mark.parametrize(
    "make", [make for make in FAKES if make.name in GONE], ids=lambda make: make.name
)
def test_a_file_that_is_gone_is_said_to_be_gone(stage, make, target):
    fake = make(gone=True)

    async def ask(table, client):
        job = await table.finished(client)
        with pytest.raises((JobNotFound, ServerBroken)) as caught:
            await client.download(job, target)
        return caught.value

    error = at(stage, fake, ask)
    # new-api answers 502 when the file behind it is gone, as it does in any other trouble.
    assert isinstance(error, ServerBroken) == (make.name == "new-api")
    assert error.hint
    assert not target.exists()
    assert KEY not in f"{error} {error.__cause__}"


def test_every_stored_request_belongs_to_a_test():
    names = {f"{make.name}-{scenario}.http" for make in FAKES for scenario in ("text", "image")}
    assert {path.name for path in STORED.glob("*.http")} == names
