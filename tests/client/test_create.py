"""A POST that may cost money: sent once, repeated only if it was certainly not accepted."""

from __future__ import annotations

import io

import pytest
from PIL import Image as Picture

from ipyreel.errors import (
    ConfigError,
    InvalidRequest,
    MissingKey,
    PaymentRequired,
    ProviderError,
    RateLimited,
    RequestRejected,
    SubmissionUnknown,
    TransportError,
    VideoError,
)
from ipyreel.images import read_image
from ipyreel.values import Image, VideoRequest
from tests.client.support.films import PNG
from tests.client.support.rows import KEY, QUEUED, client
from tests.client.support.server import Server, cut, reply, reset
from tests.client.support.time import Time, run
from tests.support.ports import free_port


def create(*script, request="a cat", time=None, fields=None, options=None, **asked):
    """Create at a scripted server; returns job or error, the server, and what on_send heard."""
    heard = []

    async def main():
        given = {"fields": fields or {}, **(options or {})}
        async with Server(*script) as server, client(server, time, **given) as ours:
            try:
                return await ours.create(request, on_send=heard.append, **asked), server
            except VideoError as error:
                return error, server

    outcome, server = run(main())
    return outcome, server, heard


def test_a_job_is_created_by_one_post():
    job, server, heard = create(reply(200, QUEUED), model="m-1", seconds=8, size="1280x720")
    assert (job.remote_id, job.status) == ("video_1", "queued")
    (seen,) = server.seen
    assert seen.json == {"prompt": "a cat", "model": "m-1", "seconds": "8", "size": "1280x720"}
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert heard == [True]


# The fault table in tests/conformance has what breaks before the answer is here, and refusals.
AMBIGUOUS = {
    "no id": reply(200, {"hm": "it broke here"}),
    "an error in a 200": reply(200, {"error": {"message": "upstream timed out"}}),
    "500 in a 200": reply(200, {"error": {"message": "it broke", "code": 500}}),
    "list": reply(200, [1, 2]),
    "endless": reply(200, b"[" * (17 * 2**20)),
    **{f"status {odd}": reply(odd) for odd in ("000", 101, 999)},
}


@pytest.mark.parametrize("handler", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_what_may_have_been_accepted_is_never_sent_again(handler):
    error, server, heard = create(handler, reply(200, QUEUED))
    assert isinstance(error, SubmissionUnknown)
    assert error.__cause__ is not None
    assert len(server.posts) == 1
    assert heard == [True]
    assert KEY not in str(error)
    assert "Look for it in the list of jobs" in error.hint
    if handler is AMBIGUOUS["no id"]:
        assert "it broke here" in error.message


def test_a_path_that_moved_is_posted_to_once_more_and_remembered():
    async def main():
        slash = reply(307, location="/v1/videos/")
        async with Server(slash, reply(200, QUEUED)) as server, client(server) as ours:
            heard = []
            for _ in range(2):
                await ours.create("a cat", on_send=heard.append)
            return server.posts, heard

    posts, heard = run(main())
    assert [seen.target for seen in posts] == ["/v1/videos", "/v1/videos/", "/v1/videos/"]
    assert posts[1].body == posts[0].body
    assert posts[1].headers["authorization"] == f"Bearer {KEY}"
    assert heard == [True, True]


@pytest.mark.parametrize("status", [307, 308])
def test_a_path_that_moves_for_ever_is_posted_to_twice(status):
    error, server, heard = create(reply(status, location="/v1/a"), reply(status, location="/v1/b"))
    assert isinstance(error, ProviderError)
    assert len(server.posts) == 2
    assert heard == [True, False]


@pytest.mark.parametrize("status", [302, 303, 307])
@pytest.mark.parametrize("location", ["http:x\xad[", "http:@h", "http:h-\xadt", "http://[", "//"])
def test_an_address_that_cannot_be_read_does_not_repeat_the_post(status, location):
    error, server, heard = create(reply(status, location=location))
    assert isinstance(error, (ProviderError, SubmissionUnknown))
    assert len(server.posts) == 1
    assert heard[0]


def test_a_refusal_in_a_200_of_any_shape_is_one():
    for body, kind in (
        ({"code": 40001, "message": "bad prompt", "data": None}, RequestRejected),
        ({"base_resp": {"status_code": 1026, "status_msg": "bad prompt"}}, RequestRejected),
        ({"error": {"message": "bad prompt", "code": "insufficient_quota"}}, PaymentRequired),
    ):
        error, _, heard = create(reply(200, body))
        assert isinstance(error, kind)
        assert error.message == "bad prompt"
        assert heard == [True, False]


def test_a_see_other_may_follow_a_job_that_was_accepted():
    error, server, heard = create(reply(303, location="/v1/videos/video_1"))
    assert isinstance(error, SubmissionUnknown)
    assert len(server.posts) == 1
    assert heard == [True]


def test_a_server_that_asks_for_no_wait_gets_no_burst():
    time = Time()
    error, server, _ = create(reply(429, {"error": "busy"}, retry_after="0"), time=time)
    assert isinstance(error, RateLimited)
    assert len(server.posts) == len(time.slept) + 1
    assert time.slept == sorted(time.slept)
    assert min(time.slept) == 5


BAD_ENVIRONMENT = {
    "a socks proxy without support": (
        {"all_proxy": "socks5://127.0.0.1:9"},
        "http://gpu-box.invalid/v1",
        "ipyreel[socks]",
    ),
    "a proxy of no known kind": (
        {"http_proxy": "gopher://127.0.0.1:9"},
        "http://gpu-box.invalid/v1",
        "HTTP_PROXY",
    ),
    "certificates that are gone": (
        {"SSL_CERT_FILE": "/nowhere/ca.pem"},
        "https://127.0.0.1:9/v1",
        "Unset the variable",
    ),
    "certificates that are none": (
        {"SSL_CERT_FILE": __file__},
        "https://127.0.0.1:9/v1",
        "Unset the variable",
    ),
}


@pytest.mark.parametrize(
    ("variables", "url", "cure"), BAD_ENVIRONMENT.values(), ids=BAD_ENVIRONMENT
)
def test_an_environment_that_cannot_be_used_is_said_before_anything_leaves(
    monkeypatch, variables, url, cure
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    options = {"base_url": url}
    error, _, heard = create(options=options, fields={"plain_http": True})
    assert isinstance(error, ConfigError)
    assert cure in error.hint
    assert heard == []
    asked, _, _ = create(options=options, fields={"plain_http": True}, request="again")
    assert isinstance(asked, ConfigError)


def test_a_post_may_be_ambiguous_after_a_429_too():
    error, server, heard = create(reply(429, retry_after="1"), reset, reply(200, QUEUED))
    assert isinstance(error, SubmissionUnknown)
    assert len(server.posts) == 2
    assert heard == [True, False, True]


def test_nobody_at_the_door_is_tried_again_with_growing_waits():
    time, heard = Time(), []

    async def main():
        async with Server(reply()) as server:
            options = {"base_url": f"http://127.0.0.1:{free_port()}/v1"}
            async with client(server, time, **options) as ours:
                await ours.create("a cat", on_send=heard.append)

    with pytest.raises(TransportError) as caught:
        run(main())
    assert caught.value.sent is False
    assert time.slept == [1, 2, 4, 8]
    assert heard == [True, False] * 5


FORM_WANTED = {"detail": [{"type": "missing", "loc": ["body", "prompt"], "msg": "Field required"}]}


@pytest.mark.parametrize("status", [415, 422])
def test_a_server_that_wants_a_form_gets_one_and_is_remembered(status):
    heard = []

    async def main():
        async with Server(reply(status, FORM_WANTED), reply(200, QUEUED)) as server:
            async with client(server, fields={"dialect": "generic"}) as ours:
                await ours.create("a cat", on_send=heard.append)
                await ours.create("a dog", on_send=heard.append)
                shown = ours.preview("a cow")
            return server.posts, shown

    posts, shown = run(main())
    kinds = [seen.headers["content-type"].partition(";")[0] for seen in posts]
    assert kinds == ["application/json", "multipart/form-data", "multipart/form-data"]
    assert b"a cat" in posts[1].body
    assert heard == [True, False, True, True]
    assert shown.form is not None


def test_other_dialects_know_what_they_send():
    error, server, _ = create(reply(415, FORM_WANTED), reply(200, QUEUED))
    assert isinstance(error, RequestRejected)
    assert len(server.posts) == 1


def test_a_form_is_not_asked_for_twice():
    error, server, _ = create(reply(422, FORM_WANTED), fields={"dialect": "generic"})
    assert isinstance(error, RequestRejected)
    assert len(server.posts) == 2


def test_an_image_by_its_address_is_fetched_where_files_are_wanted():
    async def main():
        async with Server(reply(200, PNG)) as web, Server(reply(200, QUEUED)) as server:
            async with client(server, fields={"dialect": "apiyi"}) as ours:
                await ours.create("a cat", images=[f"{web.origin}/pics/cat.bin?sig=1"])
            return web.seen, server.seen

    (fetched,), (seen,) = run(main())
    assert fetched.target == "/pics/cat.bin?sig=1"
    assert KEY not in str(fetched.headers)
    assert b'filename="cat.png"' in seen.body
    assert b"Content-Type: image/png" in seen.body
    assert PNG in seen.body


def test_where_an_address_will_do_it_is_not_fetched():
    image = Image(source="cat", url="https://nowhere.invalid/cat.png")
    job, server, _ = create(reply(200, QUEUED), images=[image], fields={"dialect": "new-api"})
    assert job.remote_id == "video_1"
    assert server.posts[0].json["image"] == image.url


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (reply(404), "404"),
        (reply(200, b"<html>"), "is not a picture"),
        (reply(200, b""), "is not a picture"),
        (cut(PNG, 9), "broke"),
        (reply(200, PNG + bytes(21 * 2**20)), "larger than 20 MB"),
        (reply(302, location="ftp://x/y"), "not opened"),
    ],
)
def test_an_image_that_does_not_come_keeps_the_post_here(handler, words):
    heard = []

    async def main():
        async with Server(handler) as web, Server(reply(200, QUEUED)) as server:
            async with client(server, fields={"dialect": "apiyi"}) as ours:
                with pytest.raises(InvalidRequest, match=words) as caught:
                    await ours.create(
                        "a cat", images=[f"{web.origin}/cat.png?sig=1"], on_send=heard.append
                    )
            return caught.value, server.seen

    error, seen = run(main())
    assert "sig" not in str(error)
    assert seen == []
    assert heard == []


@pytest.mark.parametrize("image", ["missing.png", b"GIF89a", b""])
def test_images_that_are_none_are_refused_here(image):
    error, server, heard = create(reply(200, QUEUED), images=[image])
    assert isinstance(error, InvalidRequest)
    assert (server.seen, heard) == ([], [])


def test_a_whole_request_is_taken_and_added_to():
    request = VideoRequest(prompt="a cat", model="m-1", seconds=4, extra={"a": 1})
    _, server, _ = create(reply(200, QUEUED), request=request, seconds=8, extra={"b": 2})
    assert server.posts[0].json == {
        "model": "m-1",
        "prompt": "a cat",
        "seconds": "8",
        "a": 1,
        "b": 2,
    }


def test_an_extra_wins_and_goes_out_as_it_is_typed():
    request = VideoRequest(prompt="a cat", seconds=8, extra={"seconds": 4})
    _, server, _ = create(reply(200, QUEUED), request=request)
    assert server.posts[0].json["seconds"] == 4  # the row would send text


def test_a_gif_is_sent_as_the_png_of_its_first_picture():
    data = io.BytesIO()
    pictures = [Picture.new("RGB", (4, 4), name) for name in ("red", "blue")]
    pictures[0].save(data, "GIF", save_all=True, append_images=pictures[1:])
    found = read_image(data.getvalue())
    assert found.media_type == "image/png"
    with Picture.open(io.BytesIO(found.data)) as opened:
        assert opened.convert("RGB").getpixel((0, 0)) == (255, 0, 0)


def test_a_key_is_asked_for_where_one_is_needed():
    error, server, heard = create(
        reply(200, QUEUED), options={"key": None}, fields={"key_vars": ("SHOP_API_KEY",)}
    )
    assert isinstance(error, MissingKey)
    assert "SHOP_API_KEY" in str(error)
    assert (server.seen, heard) == ([], [])


def test_if_saving_fails_nothing_leaves():
    async def main():
        async with Server(reply(200, QUEUED)) as server, client(server) as ours:

            def on_send(_leaving):
                raise OSError("disk full")

            with pytest.raises(OSError, match="disk full"):
                await ours.create("a cat", on_send=on_send)
            return server.seen

    assert run(main()) == []
