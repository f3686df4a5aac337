"""The other routes: used where the provider has them, one sentence where it does not."""

from __future__ import annotations

import pytest

from ipyreel.errors import DownloadError, InvalidRequest, JobNotFound, ProviderError
from tests.dialects.ask import FAKES, at
from tests.dialects.fakes.base import FILM
from tests.dialects.fakes.openai_like import JPEG, WEBP

BY_NAME = {make.name: make for make in FAKES}


def on(stage, name, ask, **options):
    """Run `ask(client, job)` with a finished job; gives the fake and what was returned."""
    fake = BY_NAME[name](**options)

    async def asked(table, client):
        return await ask(client, await table.finished(client))

    return fake, at(stage, fake, asked)


def last(fake):
    """Return the last request but for polls: its line and its body."""
    seen = fake.seen[-1]
    return f"{seen.method} {seen.path}", seen.raw.partition(b"\r\n\r\n")[2]


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(FILM)
    return path


@pytest.mark.parametrize("name", ["openai", "litellm"])
def test_edit_and_extend_by_id(stage, name):
    fake = BY_NAME[name]()

    async def ask(table, client):
        job = await table.finished(client)
        edited = await client.edit("make it rain", video=job.remote_id)
        edit = last(fake)
        extended = await client.extend("and on", video=job.remote_id, seconds=8)
        return job, edited, edit, extended, last(fake)

    job, edited, edit, extended, extension = at(stage, fake, ask)
    assert len({job.remote_id, edited.remote_id, extended.remote_id}) == 3
    body = '{{"prompt":"{}",{}"video":{{"id":"{}"}}}}'
    text = body.format("make it rain", "", job.remote_id)
    assert edit == ("POST /v1/videos/edits", text.encode())
    text = body.format("and on", '"seconds":"8",', job.remote_id)
    assert extension == ("POST /v1/videos/extensions", text.encode())


def test_edit_and_character_by_file(stage, film):
    async def ask(client, _job):
        await client.edit("make it rain", video=film)
        return await client.create_character("Ann", film)

    fake, character = on(stage, "openai", ask)
    assert character == "char_1"
    line, body = last(fake)
    assert line == "POST /v1/videos/characters"
    assert b'name="video"; filename="film.mp4"\r\nContent-Type: video/mp4\r\n\r\n' + FILM in body


def test_remix_list_and_delete(stage):
    async def ask(client, job):
        remixed = await client.remix(job.remote_id, "at night")
        page = await client.list(limit=1)
        more = await client.list(limit=1, after=page.after)
        deleted = await client.delete(remixed.remote_id)
        with pytest.raises(JobNotFound):
            await client.delete(remixed.remote_id)
        return remixed, [*page.jobs, *more.jobs], deleted

    _, (remixed, rows, deleted) = on(stage, "openai", ask)
    assert remixed.status == "queued"
    assert len(rows) == 2
    assert rows[0].remote_id == remixed.remote_id
    assert deleted


@pytest.mark.parametrize("name", ["sglang", "trtllm", "vllm-omni"])
def test_engines_list_and_delete_in_their_own_words(stage, name):
    async def ask(client, job):
        page = await client.list()
        return [row.remote_id for row in page.jobs] == [job.remote_id], await client.delete(
            job.remote_id
        )

    assert on(stage, name, ask)[1] == (True, True)


def test_a_job_in_flight_that_is_being_cancelled_counts_as_deleted(stage):
    async def ask(_table, client):
        return await client.delete((await client.create("a boat")).remote_id)

    assert at(stage, BY_NAME["vllm-omni"](), ask)


@pytest.mark.parametrize(
    ("name", "data", "media_type"),
    [("thumbnail", WEBP, "image/webp"), ("spritesheet", JPEG, "image/jpeg")],
)
def test_pictures_of_a_finished_job(stage, name, data, media_type):
    async def ask(client, job):
        return await client.variant(job.remote_id, name)

    fake, image = on(stage, "openai", ask)
    assert (image.data, image.media_type) == (data, media_type)
    assert fake.seen[-1].query == f"variant={name}"


def test_a_film_in_the_place_of_a_picture_is_no_picture(stage):
    async def ask(client, job):
        with pytest.raises(DownloadError, match=r"sent video/mp4 instead of a poster\."):
            await client.variant(job.remote_id, "poster")

    on(stage, "openai", ask)


def test_a_picture_of_a_job_that_is_not_ready_is_refused(stage):
    async def ask(table, client):
        job = await client.create("a boat", **table.fake.ask)
        with pytest.raises(ProviderError, match="not ready"):
            await client.variant(job.remote_id)

    at(stage, BY_NAME["openai"](), ask)


LACKS = [
    ("apiyi", lambda c: c.edit("a", video="v"), "API易 (apiyi) cannot edit videos."),
    ("apiyi", lambda c: c.list(), "API易 (apiyi) cannot list its jobs."),
    ("apiyi", lambda c: c.delete("v"), "API易 (apiyi) cannot delete jobs."),
    ("apiyi", lambda c: c.remix("v", "a"), "API易 (apiyi) cannot remix videos."),
    ("sglang", lambda c: c.extend("a", video="v"), "SGLang cannot extend videos."),
    ("azure", lambda c: c.create_character("A", None), "Azure OpenAI cannot make characters."),
    ("litellm", lambda c: c.variant("v"), "LiteLLM proxy has no thumbnails."),
    ("litellm", lambda c: c.delete("v"), "LiteLLM proxy cannot delete jobs."),
]


@pytest.mark.parametrize(("name", "call", "sentence"), LACKS)
def test_what_a_provider_lacks_is_one_sentence_and_nothing_is_sent(stage, name, call, sentence):
    async def ask(_table, client):
        with pytest.raises(InvalidRequest) as caught:
            await call(client)
        return caught.value.message

    fake = BY_NAME[name]()
    assert at(stage, fake, ask).startswith(sentence)
    assert fake.seen == []


def test_what_is_no_film_is_not_sent(stage, tmp_path):
    text = tmp_path / "a.mp4"
    text.write_text("no film")
    film = tmp_path / "film.mp4"
    film.write_bytes(FILM)

    async def ask(_table, client):
        with pytest.raises(InvalidRequest, match="not a video"):
            await client.edit("a", video=text)
        with pytest.raises(InvalidRequest, match="could not be read"):
            await client.create_character("A", tmp_path / "none.mp4")
        with pytest.raises(InvalidRequest, match="1 to 80"):
            await client.create_character("A" * 81, film)

    fake = BY_NAME["openai"]()
    at(stage, fake, ask)
    assert fake.seen == []


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("openai", ("gpt-5", "sora-2", "sora-2-pro")),
        ("vllm-omni", ("Wan-stub",)),
        ("openrouter", ("google/veo-3.1-fast",)),
    ],
)
def test_a_server_lists_its_models(stage, name, names):
    async def ask(_table, client):
        return await client.models()

    assert at(stage, BY_NAME[name](), ask) == names
