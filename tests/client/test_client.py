"""The client as used in a script."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging

import httpx
import pytest

from ipyreel import SyncVideoClient
from ipyreel.catalog.rows import ROUTES
from ipyreel.client import VideoClient
from ipyreel.client.retry import Refusals
from ipyreel.errors import (
    AuthenticationFailed,
    InvalidRequest,
    JobNotFound,
    SubmissionUnknown,
    VideoError,
    WaitTimeout,
    WireError,
)
from ipyreel.values import Image, VideoJob, VideoRequest
from tests.client.support.films import PNG, mp4
from tests.client.support.rows import DONE, KEY, QUEUED, client, row
from tests.client.support.server import File, Server, hang, reply, reset
from tests.client.support.time import Time, run

FAILED = {**DONE, "status": "failed", "error": {"code": "c-1", "message": "no luck"}}


def asking(ask, *script, time=None, **options):
    """Ask one thing of a scripted server; returns the answer (or error) and what was seen."""

    async def main():
        async with Server(*script) as server, client(server, time, **options) as ours:
            try:
                return await ask(ours), server.seen
            except Exception as error:  # noqa: BLE001 - handed to the test
                return error, server.seen

    return run(main())


def test_one_question_is_one_question():
    job, seen = asking(lambda ours: ours.retrieve("a/b=="), reply(200, {**QUEUED, "id": "other"}))
    assert (job.remote_id, job.status) == ("a/b==", "queued")
    assert [one.target for one in seen] == ["/v1/videos/a%2Fb%3D%3D"]


def test_an_answer_about_another_job_is_not_believed():
    async def ask(ours):
        assert (await ours.retrieve("video_1")).status == "failed"
        # The server answered that twice: what comes next on the connection is about the first job.
        with pytest.raises(WireError, match="about another job"):
            await ours.retrieve("video_2")
        return await ours.retrieve("video_1")

    job, _ = asking(ask, reply(200, {**FAILED, "id": "video_1"}))
    assert job.status == "failed"


def test_a_polling_url_is_asked_at_home_only():
    async def ask(ours):
        base = ours.preview("x").path.removesuffix("/v1/videos")
        await ours.retrieve("video_1", polling_url=f"{base}/polls/7?x=1")
        await ours.retrieve("video_1", polling_url="/polls/8")
        await ours.retrieve("video_1", polling_url="https://elsewhere.invalid/polls/9")

    _, seen = asking(ask, reply(200, QUEUED))
    assert [one.target for one in seen] == ["/polls/7?x=1", "/polls/8", "/v1/videos/video_1"]


def test_waiting_goes_on_through_troubles():
    time = Time()
    script = [
        reply(503),
        reset,
        reply(429, retry_after="20"),
        reply(200, b"<html>"),
        reply(200, FAILED),
    ]
    job, seen = asking(lambda ours: ours.wait("video_1", interval=10), *script, time=time)
    assert job.status == "failed"
    assert time.slept == [11, 12, 30, 18]
    assert len(seen) == 5


def test_a_server_may_wish_for_slower_questions():
    time = Time()
    script = [reply(200, QUEUED, openai_poll_after_ms="25000"), reply(200, DONE)]
    asking(lambda ours: ours.wait("video_1"), *script, time=time)
    assert time.slept == [25]


def test_waiting_ends_at_its_deadline_and_the_job_does_not():
    time = Time()
    error, seen = asking(
        lambda ours: ours.wait("video_1", interval=10, deadline=35), reply(200, QUEUED), time=time
    )
    assert isinstance(error, WaitTimeout)
    assert isinstance(error, TimeoutError)
    assert "continues" in error.hint
    assert len(seen) == 4


def test_a_job_that_is_not_known_yet_is_asked_for_again():
    time = Time()
    script = [reply(404), reply(404), reply(200, DONE)]
    job, _ = asking(lambda ours: ours.wait("video_1", interval=5), *script, time=time)
    assert job.status == "completed"
    error, seen = asking(lambda ours: ours.wait("video_1", interval=10), reply(404), time=Time())
    assert isinstance(error, JobNotFound)
    assert len(seen) == Refusals().most + 1


# -- the preview ---------------------------------------------------------------------------


def test_a_preview_shows_the_call_and_no_key():
    ours = VideoClient(row(), key=KEY, base_url="https://me:secret@shop.example/v1?sig=secret")
    call = ours.preview(VideoRequest(prompt="a cat", seconds=4))
    assert call.path == "https://shop.example/v1/videos"
    assert call.json == {"prompt": "a cat", "seconds": "4"}
    assert call.headers["Authorization"] == "Bearer sk-…6789"
    assert call.headers["Content-Type"] == "application/json"
    assert KEY not in repr(call)
    assert "secret" not in repr(call) + repr(ours)


def test_a_preview_needs_no_key_and_fetches_nothing():
    ours = VideoClient(row(dialect="apiyi"), base_url="https://shop.example/v1")
    image = Image(source="cat", url="https://nowhere.invalid/cat.png", filename="cat.png")
    call = ours.preview(VideoRequest(prompt="a cat", images=(image,)))
    assert call.form[-1].filename == "cat.png"
    assert "Authorization" not in call.headers
    with_bytes = Image(source="cat", data=PNG)
    assert ours.preview(VideoRequest(prompt="a", images=(with_bytes,))).form[-1].value == PNG


# -- which provider ------------------------------------------------------------------------


def test_a_row_by_name_is_checked_before_sending(monkeypatch):
    monkeypatch.setenv("APIYI_API_KEY", KEY)

    async def main():
        async with Server(reply(200, QUEUED)) as server:
            ours = VideoClient("apiyi", base_url=server.url)
            with pytest.raises(InvalidRequest, match="seconds"):
                await ours.create("a cat", seconds=5)
            await ours.create("a cat", seconds=8)
            await ours.aclose()
            return server.posts

    (seen,) = run(main())
    assert seen.json["seconds"] == "8"
    assert seen.headers["authorization"] == f"Bearer {KEY}"


def test_a_persons_own_row_is_taken_at_its_word():
    name = VideoClient("apiyi", key=KEY).provider.default_model
    job, seen = asking(lambda ours: ours.create("a cat", model=name, seconds=5), reply(200, QUEUED))
    assert job.remote_id == "video_1"
    assert seen[0].json["seconds"] == "5"


def test_a_word_nobody_knows_means_done_when_a_video_is_at_the_address():
    async def main(body):
        async with Server(reply(200, body)) as cdn:
            odd = {"id": "video_1", "status": "fertig", "url": f"{cdn.origin}/film"}
            async with Server(reply(200, odd)) as server, client(server) as ours:
                return await ours.retrieve("video_1")

    assert run(main(mp4())).status == "completed"
    assert run(main(b"<html>soon</html>")).status == "in_progress"


def test_no_server_makes_us_ask_hundreds_of_addresses():
    async def main():
        async with Server(reply(404)) as far, Server() as server, client(server) as ours:
            urls = [f"{far.origin}/{number}" for number in range(500)]
            server.script = [reply(200, {"id": "video_1", "status": "odd", "urls": urls})]
            job = await ours.retrieve("video_1")
            return job.status, len(far.seen)

    assert run(main()) == ("in_progress", 8)


def test_a_job_is_created_and_waited_for_with_each_answer_told():
    told = []

    async def main():
        script = [reply(200, QUEUED), reply(200, QUEUED), reset, reply(200, DONE)]
        async with Server(*script) as server, client(server) as ours:
            return await ours.create_and_wait("a cat", seconds=4, on_update=told.append)

    assert run(main()).status == "completed"
    assert [job.status for job in told] == ["queued", "completed"]


def test_a_key_that_was_accepted_may_be_refused_for_a_while():
    no = reply(401, {"error": "our database is away"})

    async def main(*script):
        async with Server(*script) as server, client(server) as ours:
            return [job.status async for job in ours.watch("video_1")]

    assert run(main(reply(200, QUEUED), no, reply(402), reply(200, DONE))) == [
        "queued",
        "completed",
    ]
    with pytest.raises(AuthenticationFailed):
        run(main(no))
    with pytest.raises(AuthenticationFailed):
        run(main(reply(200, QUEUED), no))


def test_all_pages_are_read_once():
    def page(*names, more):
        rows = [{"id": name, "status": "completed"} for name in names]
        return reply(200, {"object": "list", "data": rows, "has_more": more})

    async def main(*script):
        async with Server(*script) as server, client(server) as ours:
            jobs = [job.remote_id async for job in ours.jobs(page_size=2)]
            return jobs, [seen.target for seen in server.seen]

    jobs, asked = run(main(page("a", "b", more=True), page("c", more=False)))
    assert jobs == ["a", "b", "c"]
    assert asked[1].endswith("after=b")
    # A server that ignores what was asked for.
    jobs, asked = run(main(page("a", "b", more=True)))
    assert (jobs, len(asked)) == (["a", "b"], 2)


@pytest.mark.parametrize("per_call", [False, True])
def test_headers_and_a_client_of_ones_own_are_for_the_provider_only(tmp_path, per_call):
    header = {"OpenAI-Project": "p"}
    once, always = (header, {}) if per_call else ({}, header)

    async def main():
        async with Server(File(mp4())) as cdn:
            there = reply(302, location=f"{cdn.origin}/film")
            own = httpx.AsyncClient(headers={"x-mine": "mine"}, follow_redirects=True)
            async with Server(there) as server, own:
                options = {"http_client": own, "default_headers": always}
                async with client(server, **options) as ours:
                    assert ("OpenAI-Project" in ours.preview("a cat").headers) == bool(always)
                    job = VideoJob(remote_id="video_1", status="completed")
                    await ours.download(job, tmp_path / "cat.mp4", headers=once)
                assert not own.is_closed
                return server.seen[0].headers, cdn.seen[0].headers

    home, abroad = run(main())
    assert (home["x-mine"], home["openai-project"]) == ("mine", "p")
    assert not {"x-mine", "openai-project", "authorization"} & set(abroad)


EVERY_CALL = {
    "create": lambda ours, **more: ours.create("a cat", **more),
    "create_and_wait": lambda ours, **more: ours.create_and_wait("a cat", **more),
    "retrieve": lambda ours, **more: ours.retrieve("video_1", **more),
    "wait": lambda ours, **more: ours.wait("video_1", deadline=1, **more),
    "list": lambda ours, **more: ours.list(**more),
    "delete": lambda ours, **more: ours.delete("video_1", **more),
    "remix": lambda ours, **more: ours.remix("video_1", "b", **more),
    "edit": lambda ours, **more: ours.edit("b", video="video_1", **more),
    "extend": lambda ours, **more: ours.extend("b", video="video_1", **more),
    "variant": lambda ours, **more: ours.variant("video_1", **more),
    "models": lambda ours, **more: ours.models(**more),
}


@pytest.mark.parametrize("ask", EVERY_CALL.values(), ids=EVERY_CALL)
def test_each_call_may_have_headers_and_a_timeout_of_its_own(ask):
    async def main():
        row = {"routes": ROUTES}
        async with Server(reply(200, DONE)) as server, client(server, fields=row) as ours:
            for more in ({"headers": {"X-Trace": "7"}}, {}):
                with contextlib.suppress(VideoError):
                    await ask(ours, timeout=60.0, **more)
                seen, server.seen[:] = list(server.seen), []
                assert {one.headers.get("x-trace") for one in seen} == {(more and "7") or None}
        async with Server(hang) as server, client(server, fields=row) as ours:
            with pytest.raises(VideoError):
                await asyncio.wait_for(ask(ours, timeout=0.05), 60)

    run(main())


@pytest.mark.parametrize("header", [{"authorization": "x"}, {"Content-Type": "x"}, {"X-A": "ä"}])
def test_a_header_that_is_ours_or_cannot_be_sent_is_refused(header):
    error, seen = asking(lambda ours: ours.retrieve("video_1", headers=header), reply(200, DONE))
    assert (type(error), seen) == (InvalidRequest, [])


def test_an_error_keeps_the_reply_without_the_key():
    body, secret = {"error": {"message": "no"}, "echo": f"{KEY} s-e-c-r-e-t"}, "s-e-c-r-e-t"
    answer = reply(403, body, x_request_id="r-1", set_cookie="a=b")
    error, _ = asking(lambda ours: ours.retrieve("v", headers={"X-Token": secret}), answer)
    assert error.reply.status_code == 403
    assert error.reply.headers["x-request-id"] == "r-1"
    assert "set-cookie" not in error.reply.headers
    assert json.loads(error.reply.body) == {**body, "echo": "*** ***"}
    error, _ = asking(lambda ours: ours.create("a cat"), reply(500, {"error": "x" * 5000}))
    assert isinstance(error, SubmissionUnknown)
    assert len(error.reply.body) == 2000


@pytest.mark.parametrize(
    ("end", "asked", "cured"), [("/", "/videos", True), ("/v1/", "/v1/videos", False)]
)
@pytest.mark.parametrize("page", [reply(404, {"detail": "Not Found"}), reply(200, b"<html>")])
def test_a_base_url_that_may_be_wrong_is_named_with_the_url_asked(page, end, asked, cured):
    async def main():
        async with Server(page) as server, client(server, base_url=f"{server.origin}{end}") as ours:
            with pytest.raises(VideoError) as caught:
                await ours.create("a cat")
            return str(caught.value), f"{server.origin}{asked} was requested"

    text, words = run(main())
    assert words in text
    assert ("ends in /v1" in text) == cured


def test_each_request_is_one_line_of_the_log(caplog):
    caplog.set_level(logging.DEBUG, "ipyreel.client")

    async def main():
        answer = reply(200, DONE, x_request_id="r-1")
        async with Server(answer) as server, client(server) as ours:
            await ours.retrieve("video_1", polling_url="/v1/videos/video_1?sig=secret")

    run(main())
    (line,) = [record.getMessage() for record in caplog.records if record.name == "ipyreel.client"]
    assert line.startswith("GET http://127.0.0.1:")
    assert "/v1/videos/video_1: 200 in " in line
    assert line.endswith("request id r-1")
    assert "secret" not in caplog.text


def test_the_client_for_scripts_does_the_same_on_a_thread(tmp_path):
    async def main():
        script = [reply(200, QUEUED), reply(200, QUEUED), reply(200, DONE), File(mp4())]
        async with Server(*script) as server:
            return await asyncio.to_thread(script_of_a_person, server.url, tmp_path / "cat.mp4")

    assert run(main()) == (["queued", "completed"], mp4())


def script_of_a_person(url, target):
    with SyncVideoClient(row(), key=KEY, base_url=url, sleep=no_pause) as ours:
        jobs = list(ours.watch(ours.create("a cat", timeout=5), headers={"X-Trace": "7"}))
        ours.download(jobs[-1], target)
        with pytest.raises(InvalidRequest):
            ours.edit("b", video="video_1", timeout=5)
        assert KEY not in repr(ours)
    return [job.status for job in jobs], target.read_bytes()


async def no_pause(_seconds):
    await asyncio.sleep(0)
