"""The client against the embedded demo provider, dialect by dialect and fault by fault."""

from __future__ import annotations

import asyncio
import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image as Picture

from ipyreel.catalog import Catalog, Provider
from ipyreel.client import DownloadPolicy, RetryPolicy, VideoClient
from ipyreel.demo.dialects import DIALECTS
from ipyreel.errors import DownloadError, JobNotFound, SubmissionUnknown, VideoError
from tests.client.support.rows import KEY
from tests.client.support.time import certain, run
from tests.support.demo import Clock, running_demo

ROWS = Catalog.load().providers


class Shop:
    """A demo server and a client of it; sleeping moves the clock of both."""

    def __init__(self, folder, *, dialect="openai", faults=(), **fields):
        self.folder, self.dialect, self.faults, self.fields = folder, dialect, faults, fields
        self.clock, self.slept = Clock(), []

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.clock.later(seconds)
        await asyncio.sleep(0)

    def run(self, ask):
        """Run `ask(client)`; returns what it returns, or the error it ends with."""
        with running_demo(
            self.folder, stub=True, dialect=self.dialect, faults=self.faults, clock=self.clock
        ) as self.demo:
            return run(self._ask(ask))

    async def _ask(self, ask):
        provider = Provider(
            name="shop",
            title="Shop",
            dialect=self.dialect,
            routes=frozenset({"list", "delete", "remix"}),
            **self.fields,
        )
        async with VideoClient(
            provider,
            key=KEY,
            base_url=self.demo.url,
            sleep=self.sleep,
            clock=self.clock,
            rng=certain,
        ) as ours:
            try:
                return await ask(ours)
            except VideoError as error:
                return error


def drawn():
    """Draw a picture and return it as PNG."""
    data = io.BytesIO()
    Picture.new("RGB", (1280, 720), "red").save(data, format="PNG")
    return data.getvalue()


def to_the_file(target, **asked):
    async def ask(ours):
        job = await ours.create("a cat", **asked)
        job = await ours.wait(job.remote_id)
        assert job.status == "completed", job.failure
        return await ours.download(job, target)

    return ask


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    return folder / "clip.mp4"


@pytest.mark.parametrize("dialect", sorted(ROWS.keys() & DIALECTS.keys() - {"demo"}))
def test_every_dialect_goes_from_the_prompt_to_the_file(tmp_path, target, dialect):
    shop = Shop(tmp_path, dialect=dialect)
    model = ROWS[dialect].default_model
    file = shop.run(to_the_file(target, model=model, seconds=4, size="1280x720"))
    assert not isinstance(file, VideoError), file
    assert file.sha256 == hashlib.sha256(target.read_bytes()).hexdigest()
    assert shop.demo.posts() == 1


def test_an_image_goes_along(tmp_path, target):
    shop = Shop(tmp_path)
    file = shop.run(to_the_file(target, size="1280x720", images=[drawn()]))
    assert file.path == str(target)


LOST = [{"drop_reply": True}, {"reset": True}, {"status": 500}, {"status": 502, "when": "after"}]


@pytest.mark.parametrize("do", LOST, ids=str)
def test_a_post_whose_answer_is_lost_is_not_sent_again(tmp_path, do):
    shop = Shop(tmp_path, faults=[{"step": "create", "do": do, "count": 1}])

    async def ask(ours):
        with pytest.raises(SubmissionUnknown):
            await ours.create("a cat")
        return await ours.list()

    page = shop.run(ask)
    assert len(shop.demo.log("create")) == 1
    assert len(page.jobs) == shop.demo.posts()


HELPED = [
    {"not_ready": 404},
    {"not_ready": 400},
    {"not_ready": 409},
    {"status": 503},
    {"reset": True},
    {"cut": 700},
    {"cut": 700, "no_range": True},
    {"json": True},
    {"html": True},
    {"not_a_video": True},
    {"redirect": "file"},
    {"redirect": "other"},
    {"envelope": True},
    {"wrong_length": 100},
]


@pytest.mark.parametrize("do", HELPED, ids=str)
@pytest.mark.parametrize("count", [1, 3])
def test_faults_that_pass_do_not_keep_the_file_away(tmp_path, target, do, count):
    shop = Shop(tmp_path, faults=[{"step": "content", "do": do, "count": count}])
    file = shop.run(to_the_file(target))
    assert not isinstance(file, VideoError), file
    assert [path.name for path in target.parent.iterdir()] == ["clip.mp4"]
    assert hashlib.sha256(target.read_bytes()).hexdigest() == shop.demo.rendered_sha256(
        shop.demo.job_ids()[0]
    )


REFUSED = [{"not_ready": 404}, {"json": True}, {"html": True}, {"not_a_video": True}]


@pytest.mark.parametrize("do", REFUSED, ids=str)
def test_faults_that_stay_are_said_after_a_minute(tmp_path, target, do):
    shop = Shop(tmp_path, faults=[{"step": "content", "do": do}])

    async def ask(ours):
        job = await ours.wait((await ours.create("a cat")).remote_id)
        self_slept = sum(shop.slept)
        try:
            return await ours.download(job, target)
        finally:
            assert sum(shop.slept) - self_slept == 60

    error = shop.run(ask)
    assert isinstance(error, (DownloadError, JobNotFound))
    assert list(target.parent.iterdir()) == []


def test_an_avi_is_called_one(tmp_path, target):
    shop = Shop(tmp_path, faults=[{"step": "content", "do": {"avi": True}}])
    file = shop.run(to_the_file(target))
    assert Path(file.path).name == "clip.avi"
    assert file.media_type == "video/x-msvideo"


def test_a_download_given_up_is_gone_on_with_by_the_next_client(tmp_path, target):
    shop = Shop(tmp_path, faults=[{"step": "content", "do": {"cut": 700}, "count": 1}])

    async def ask(ours):
        job = await ours.wait((await ours.create("a cat")).remote_id)
        impatient = DownloadPolicy(retry=RetryPolicy(attempts=1))
        with pytest.raises(DownloadError):
            await ours.download(job, target, policy=impatient)
        return await ours.download(job, target)

    file = shop.run(ask)
    assert file.size == target.stat().st_size
    statuses = [seen.status for seen in shop.demo.log("content")]
    assert statuses == [200, 206]
