"""The openai SDK drives the demo provider unchanged.

From 3.1 on the SDK warns on each video call that the API it was made for is switched off.
"""

from __future__ import annotations

import openai
import pytest
from openai import OpenAI

from tests.support.demo import running_demo

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")

ASK = {"prompt": "a red balloon", "seconds": "4", "size": "1280x720"}


@pytest.fixture
def client(tmp_path):
    with (
        running_demo(tmp_path, dialect="openai", speed=50, stub=True, key="sk-1") as demo,
        OpenAI(api_key="sk-1", base_url=demo.url, max_retries=0) as client,
    ):
        client.ask, client.demo = ASK, demo
        yield client


def test_create_poll_and_download(client, tmp_path):
    job = client.videos.create_and_poll(**client.ask)  # the server says how long to wait
    assert (job.status, job.progress, job.error) == ("completed", 100, None)
    assert (job.prompt, job.seconds, job.size) == ("a red balloon", "4", "1280x720")
    target = tmp_path / "out.mp4"
    client.videos.download_content(job.id).write_to_file(target)
    assert target.read_bytes() == client.demo.video_bytes(job.id)
    thumbnail = client.videos.download_content(job.id, variant="thumbnail").read()
    assert thumbnail[8:12] == b"WEBP"


def test_retrieve_list_delete_remix(client):
    first = client.videos.create_and_poll(**client.ask, poll_interval_ms=20)
    second = client.videos.remix(first.id, prompt="at night")
    assert second.remixed_from_video_id == first.id
    assert client.videos.retrieve(second.id).prompt == "at night"
    assert [job.id for job in client.videos.list(limit=1)] == [second.id, first.id]
    assert client.videos.delete(second.id).deleted
    assert [job.id for job in client.videos.list()] == [first.id]
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(second.id)


def test_edit_extend_and_characters(client):
    if not hasattr(client.videos, "create_character"):
        pytest.skip("an SDK from before these routes")
    first = client.videos.create_and_poll(**client.ask, poll_interval_ms=20)
    # By file: of `{"id": ...}`, which its types allow, openai 3.54 says that it is no file.
    film = ("a.mp4", client.videos.download_content(first.id).read())
    second = client.videos.edit(video=film, prompt="at night")
    third = client.videos.extend(video=film, prompt="and on", seconds="8")
    assert (second.prompt, second.seconds, third.seconds) == ("at night", "1", "9")
    made = client.videos.create_character(name="Mo", video=film)
    assert client.videos.get_character(made.id).model_dump() == made.model_dump()


def test_an_input_image(client, png, tmp_path):
    path = tmp_path / "start.png"
    path.write_bytes(png(1280, 720))
    job = client.videos.create(**client.ask, input_reference=path)
    jobs = client.demo.jobs
    assert jobs.image(jobs.read(job.id)) == path.read_bytes()


def test_refusals_are_the_sdks_errors(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.videos.create(**{**client.ask, "seconds": "99"})
    assert (caught.value.param, caught.value.code) == ("seconds", "invalid_value")
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="sk-2").videos.list()
