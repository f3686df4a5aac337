"""Downloading a finished job: cuts, wrong answers, limits and the disk."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from ipyreel.client import DownloadPolicy, RetryPolicy, Timeouts
from ipyreel.client.part import Part
from ipyreel.client.part_record import ProcessMemory, Source
from ipyreel.errors import (
    DownloadError,
    JobNotFound,
    ProviderError,
    TransportError,
    VideoError,
)
from ipyreel.values import VideoJob
from tests.client.support.films import AVI, JPEG, WEBM, mp4
from tests.client.support.rows import DONE, KEY, client
from tests.client.support.server import File, hang, reply, reset, unmeasured
from tests.client.support.server import Server as AnyServer
from tests.client.support.time import Time, run

FILM = mp4(bytes(range(256)) * 40, width=1280, height=720, seconds=8)
JOB = VideoJob(remote_id="video_1", status="completed")
NOT_READY = {"error": {"message": "Video is not ready yet"}}


class Server(AnyServer):
    """A server whose job says nothing new."""

    def __init__(self, *script, job=None):
        super().__init__(*script, job=job or reply(404))


async def fetch(server, target, *, job=JOB, time=None, policy=None, memory=None, **options):
    """Download from a running server; returns the file, or the error that it came to."""
    progress = options.pop("progress", None)
    async with client(server, time, **options) as ours:
        try:
            return await ours.download(
                job, target, on_progress=progress, policy=policy, memory=memory
            )
        except VideoError as error:
            return error


def download(target, *script, **options):
    """Download from a scripted server; returns what came of it, and the server."""

    async def main():
        async with Server(*script) as server:
            return await fetch(server, target, **options), server

    return run(main())


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    return folder / "clip.mp4"


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_whole(file, target, film=FILM):
    assert isinstance(file, object)
    assert Path(file.path) == target
    assert target.read_bytes() == film
    assert (file.size, file.sha256) == (len(film), hashlib.sha256(film).hexdigest())
    assert left_in(target.parent) == [target.name]


def test_a_file_is_fetched_checked_and_put_in_place(target):
    told = []
    file, server = download(target, File(FILM), progress=lambda *now: told.append(now))
    assert_whole(file, target)
    assert (file.media_type, file.width, file.height, file.seconds) == ("video/mp4", 1280, 720, 8)
    (seen,) = server.seen
    assert seen.target == "/v1/videos/video_1/content"
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.headers["accept-encoding"] == "identity"
    assert told[-1] == (len(FILM), len(FILM))
    assert told == sorted(told)


@pytest.mark.parametrize(
    ("film", "name", "ending"),
    [
        (FILM, "clip.MP4", "clip.MP4"),
        (FILM, "clip.mov", "clip.mov"),
        (WEBM, "clip.mp4", "clip.webm"),
        (AVI, "clip.mp4", "clip.avi"),
        (FILM, "clip.webm", "clip.mp4"),
        (FILM, "clip.v2", "clip.v2.mp4"),
        (FILM, "clip", "clip.mp4"),
    ],
)
def test_endings_that_are_not_true_are_corrected(target, film, name, ending):
    file, _ = download(target.with_name(name), File(film))
    assert Path(file.path).name == ending
    assert left_in(target.parent) == [ending]


# -- cuts and resuming ---------------------------------------------------------------------


def test_a_cut_is_resumed_where_it_was(target):
    time = Time()
    file, server = download(target, File(FILM, cuts=[100, 200, 1000]), time=time)
    assert_whole(file, target)
    wanted = [seen.headers.get("range") for seen in server.seen]
    assert wanted == [None, "bytes=100-", "bytes=300-", "bytes=1300-"]
    assert {seen.headers.get("if-range") for seen in server.seen[1:]} == {'"one"'}
    # Every cut came after new bytes, so the waits do not grow.
    assert time.slept == [1, 1, 1]


def test_a_date_will_do_where_there_is_no_strong_tag(target):
    date = "Mon, 16 Nov 2026 10:00:00 GMT"
    file, server = download(target, File(FILM, cuts=[500], etag='W/"weak"', last_modified=date))
    assert_whole(file, target)
    assert server.seen[1].headers["if-range"] == date


def test_another_file_in_between_is_not_glued_on(target):
    other = mp4(b"other" * 1000)
    file, _ = download(target, File(FILM, cuts=[4000]), File(other, etag='"two"'))
    assert_whole(file, target, other)


OTHER = mp4(bytes(len(FILM) - len(mp4(b""))))[4000 : len(FILM)]
REST = f"bytes 4000-{len(FILM) - 1}/{len(FILM)}"
ONE = '"one"'
NOT_OURS = {
    "begins elsewhere": reply(206, FILM[10:], content_range=REST.replace("4000", "10"), etag=ONE),
    "another length": reply(206, FILM[4000:], content_range="bytes 4000-9/9", etag=ONE),
    "no range": reply(206, FILM[4000:], content_range="what", etag=ONE),
    "another tag": reply(206, OTHER, content_range=REST, etag='"two"'),
    "a weak tag": reply(206, OTHER, content_range=REST, etag='W/"one"'),
    "no tag": reply(206, OTHER, content_range=REST),
    "416": reply(416, content_range="bytes */7"),
    "400": reply(400, {"error": "ranges are not supported"}),
    "412": reply(412),
    "304": reply(304),
    "too much": reply(206, FILM[4000:] + b"more", content_range=REST, etag='"one"'),
}


@pytest.mark.parametrize("answer", NOT_OURS.values(), ids=NOT_OURS)
def test_what_is_not_the_rest_of_our_bytes_is_not_glued_on(target, answer):
    file, server = download(target, File(FILM, cuts=[4000]), answer, File(FILM))
    assert_whole(file, target)
    assert "range" not in server.seen[2].headers


def test_a_416_at_the_end_means_that_all_is_here(target):
    async def chunks(_seen, writer):
        # All of it, and a cut instead of the last chunk.
        head = b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\netag: "one"\r\n\r\n'
        writer.write(head + b"%x\r\n" % len(FILM) + FILM + b"\r\n")
        await writer.drain()
        writer.close()

    file, server = download(target, chunks, File(FILM))
    assert_whole(file, target)
    assert server.seen[1].headers["range"] == f"bytes={len(FILM)}-"


def test_silence_in_the_middle_is_a_cut(target):
    stall = sending(begun(len(FILM), FILM[:300]))
    file, server = download(target, stall, File(FILM), timeouts=Timeouts(read=1))
    assert_whole(file, target)
    assert server.seen[1].headers["range"] == "bytes=300-"


def test_a_later_kernel_goes_on_with_the_part(target):
    memory = ProcessMemory(target)

    async def main():
        async with Server(
            File(FILM, cuts=[2000, 500]), File(FILM, cuts=[0, 0, 0]), File(FILM)
        ) as server:
            impatient = DownloadPolicy(retry=RetryPolicy(attempts=1))
            first = await fetch(server, target, policy=impatient, memory=memory)
            record = memory.load()
            second = await fetch(server, target, memory=memory)
            return first, record, second, server

    first, record, second, server = run(main())
    assert isinstance(first, DownloadError)
    assert record.source == Source(
        address=f"{server.url}/videos/video_1/content", etag='"one"', length=len(FILM)
    )
    assert_whole(second, target)
    assert server.seen[1].headers["range"] == "bytes=2000-"
    assert memory.load() is None


def left_by_a_kernel(target, data=FILM, *, linked=False):
    """A part that is whole, of a kernel that was killed right before, or in, the move."""
    memory = ProcessMemory(target)
    part = Part(target, memory)
    part.open()
    part.restart(Source(address="x", etag='"one"', length=len(FILM)))
    part.write([data])
    part.close()
    if linked:
        os.link(part.path, target)
    return memory


@pytest.mark.parametrize("linked", [False, True])
def test_a_kernel_killed_at_the_move_needs_no_server(target, linked):
    memory = left_by_a_kernel(target, linked=linked)
    file, server = download(target, reply(500), memory=memory)
    assert_whole(file, target)
    assert server.seen == []


def test_the_part_of_another_address_is_not_gone_on_with(target):
    memory = ProcessMemory(target)

    async def main():
        fields = {"content": "url"}
        async with (
            Server(File(FILM, cuts=[2000]), File(FILM)) as cdn,
            Server(reply(404)) as server,
        ):
            job = replace(JOB, urls=(f"{cdn.origin}/film?sig=secret",))
            impatient = DownloadPolicy(retry=RetryPolicy(attempts=1), not_ready=0)
            options = {"fields": fields, "memory": memory}
            first = await fetch(server, target, job=job, policy=impatient, **options)
            record = memory.load()
            job = replace(JOB, urls=(f"{cdn.origin}/other",))
            return first, record, await fetch(server, target, job=job, **options), cdn.seen

    first, record, second, seen = run(main())
    assert isinstance(first, DownloadError)
    assert "secret" not in str(record)
    assert_whole(second, target)
    assert "range" not in seen[1].headers


# -- what is no video ----------------------------------------------------------------------

# The fault table in tests/conformance has pages, texts and files that never come.


def test_something_else_does_not_wipe_out_the_part(target):
    image = reply(200, JPEG, content_type="video/mp4")
    file, server = download(target, File(FILM, cuts=[4000]), image, File(FILM))
    assert_whole(file, target)
    assert server.seen[2].headers["range"] == "bytes=4000-"


def test_a_file_that_is_whole_but_broken_is_fetched_twice_and_refused(target):
    broken, memory = FILM[:-100], ProcessMemory(target)
    error, server = download(target, File(broken), memory=memory)
    assert isinstance(error, DownloadError)
    assert "100 bytes are missing" in error.message
    assert len(server.seen) == 2
    assert Path(error.path).read_bytes() == broken
    assert left_in(target.parent) == [Path(error.path).name]
    file, server = download(target, File(FILM), memory=memory)
    assert_whole(file, target)
    assert "range" not in server.seen[0].headers


@pytest.mark.parametrize("trailer", [b"", b"content-length: 3\r\netag: x\r\n"])
def test_chunks_overrule_another_length(target, trailer):
    async def chunks(_seen, writer):
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n"
        writer.write(head + b"%x\r\n" % len(FILM) + FILM + b"\r\n0\r\n" + trailer + b"\r\n")
        await writer.drain()

    file, server = download(target, chunks)
    assert_whole(file, target)
    assert len(server.seen) == 1


def test_an_answer_without_a_length_is_checked_by_what_is_in_it(target):
    file, server = download(target, unmeasured(FILM[:-1]), unmeasured(FILM))
    assert_whole(file, target)
    assert len(server.seen) == 2


# -- where the file lies -------------------------------------------------------------------


def elsewhere(target, api, cdn, *, urls=("{cdn}/film?sig=secret",), fields=None):
    """Download a job whose film lies on a second origin; returns outcome, API, CDN, time."""

    async def main():
        time = Time()
        async with Server(*cdn) as far, Server(*api) as near:
            job = replace(JOB, urls=tuple(url.format(cdn=far.origin) for url in urls))
            outcome = await fetch(near, target, job=job, time=time, fields=fields or {})
            return outcome, near, far, time

    return run(main())


@pytest.mark.parametrize("status", [401, 404, 410, 502])
def test_where_the_route_has_nothing_the_url_is_tried(target, status):
    file, api, cdn, time = elsewhere(target, [reply(status)], [File(FILM)])
    assert_whole(file, target)
    assert (len(api.seen), len(cdn.seen), time.slept) == (1, 1, [])
    assert KEY not in str(cdn.seen)


def test_the_url_goes_first_where_the_row_says_so(target):
    file, api, _, _ = elsewhere(target, [File(FILM)], [File(FILM)], fields={"content": "url"})
    assert_whole(file, target)
    assert api.seen == []
    target.unlink()
    file, api, cdn, _ = elsewhere(target, [File(FILM)], [reply(403)], fields={"content": "url"})
    assert_whole(file, target)
    assert (len(cdn.seen), len(api.seen)) == (1, 1)


def test_a_cut_at_the_url_is_resumed_there(target):
    file, _, cdn, _ = elsewhere(
        target, [File(FILM)], [File(FILM, cuts=[700])], fields={"content": "url"}
    )
    assert_whole(file, target)
    assert [seen.headers.get("range") for seen in cdn.seen] == [None, "bytes=700-"]


def test_a_url_at_home_gets_the_key(target):
    async def main():
        async with Server(reply(404), File(FILM)) as server:
            job = replace(JOB, urls=("/files/1.mp4",))
            return await fetch(server, target, job=job), server.seen

    file, seen = run(main())
    assert_whole(file, target)
    assert seen[1].target == "/files/1.mp4"
    assert seen[1].headers["authorization"] == f"Bearer {KEY}"


def test_a_video_inside_the_answer_is_unpacked(target):
    data = base64.b64encode(FILM).decode()
    job = replace(JOB, urls=(f"data:video/mp4;base64,{data}",))
    file, _ = download(target, reply(404), job=job)
    assert_whole(file, target)


@pytest.mark.parametrize(
    "text", ["data:video/mp4;base64,AAAA", "data:video/mp4;base64,A", "data:,"]
)
def test_no_video_inside_the_answer_is_refused(target, text):
    error, _ = download(target, reply(405), job=replace(JOB, urls=(text,)))
    assert isinstance(error, DownloadError)
    assert left_in(target.parent) == []


def test_no_signed_address_is_in_any_error(target):
    for handler in (reply(403), reset, reply(200, b"<html>"), reply(404)):
        error, _, _, _ = elsewhere(target, [reply(405)], [handler])
        assert isinstance(error, VideoError)
        causes = [error, error.__cause__]
        assert "secret" not in " ".join(map(str, causes)) + repr(causes)
        assert KEY not in " ".join(map(str, causes)) + repr(causes)


def test_an_address_that_comes_late_is_asked_for_again(target):
    async def main():
        async with Server(File(FILM)) as cdn:
            late = reply(200, {**DONE, "url": f"{cdn.origin}/film"})
            async with Server(reply(404), job=late) as server:
                return await fetch(server, target), server.seen

    file, seen = run(main())
    assert_whole(file, target)
    assert len(seen) == 1


def test_an_address_that_expired_is_asked_for_again(target):
    async def main():
        async with Server(reply(403), File(FILM)) as cdn:
            fresh = reply(200, {**DONE, "url": f"{cdn.origin}/film?sig=two"})
            async with Server(reply(405), job=fresh) as server:
                job = replace(JOB, urls=(f"{cdn.origin}/film?sig=one",))
                return await fetch(server, target, job=job), cdn.seen

    file, seen = run(main())
    assert_whole(file, target)
    assert [one.target for one in seen] == ["/film?sig=one", "/film?sig=two"]


def test_addresses_that_are_new_and_refused_each_time_come_to_an_end(target):
    async def main():
        async with Server(reply(403)) as cdn:

            async def renewed(seen, writer):
                url = f"{cdn.origin}/film?sig={len(cdn.seen)}"
                await reply(200, {**DONE, "url": url})(seen, writer)

            async with Server(reply(405), job=renewed) as server:
                return await fetch(server, target), cdn.seen

    error, seen = run(main())
    assert isinstance(error, ProviderError)
    assert len(seen) == 3


def test_every_address_that_was_tried_is_told(target):
    error, _, cdn, _ = elsewhere(
        target, [reply(404, NOT_READY)], [reply(403, {"error": "expired"})]
    )
    assert isinstance(error, JobNotFound)
    assert "not ready yet Also tried" in error.message
    assert f"{cdn.origin}" in error.message
    assert "expired" in error.message
    assert "secret" not in error.message


def test_a_part_that_nobody_asked_for_is_not_shown_as_text(target):
    rest = reply(206, FILM[5:], content_range=f"bytes 5-{len(FILM) - 1}/{len(FILM)}")
    error, _ = download(target, rest)
    assert isinstance(error, DownloadError)
    assert "from byte 5 on" in error.message
    assert left_in(target.parent) == []


@pytest.mark.parametrize("size", [len(FILM), 5000])
def test_a_206_that_nobody_asked_for_is_taken(target, size):
    whole = f"bytes 0-{size - 1}/{len(FILM)}"
    unasked = reply(206, FILM[:size], content_range=whole, etag='"one"')
    file, server = download(target, unasked, File(FILM))
    assert_whole(file, target)
    assert len(server.seen) == (1 if size == len(FILM) else 2)


# -- servers without an end ----------------------------------------------------------------


def begun(length, sent=FILM[:3000]):
    head = f'HTTP/1.1 200 OK\r\ncontent-length: {length}\r\netag: "one"\r\n\r\n'
    return head.encode() + sent


def sending(first, piece=b"", pause=0.02):
    """Answer with `first`, and then with `piece` every `pause` seconds, for ever."""

    async def handle(_seen, writer):
        writer.write(first)
        while True:
            await writer.drain()
            await asyncio.sleep(pause)
            writer.write(piece)

    return handle


@pytest.mark.parametrize(
    ("length", "most", "words"),
    [(10**15, 10**12, "at most 1000000 MB"), (10**17, 10**18, "free space")],
)
def test_a_file_that_claims_to_be_too_large_is_not_begun(target, length, most, words):
    error, server = download(target, sending(begun(length)), policy=DownloadPolicy(max_bytes=most))
    assert isinstance(error, DownloadError)
    assert words in error.message
    assert left_in(target.parent) == []
    assert len(server.seen) == 1


def test_a_body_without_an_end_is_cut_at_the_limit(target):
    head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + FILM
    endless = sending(head, bytes(2**18), pause=0)
    error, server = download(target, endless, policy=DownloadPolicy(max_bytes=10_000_000))
    assert isinstance(error, DownloadError)
    assert "at most 10 MB" in error.message
    assert 9_000_000 < Path(error.path).stat().st_size < 12_000_000
    assert len(server.seen) == 1


def test_a_body_that_drips_is_left_and_the_part_kept(target):
    drips = sending(begun(len(FILM)), b"x")
    error, server = download(target, drips, policy=DownloadPolicy(rate_window=0.3))
    assert isinstance(error, DownloadError)
    assert "less than 1 kB/s" in error.message
    assert "continues" in error.hint
    assert Path(error.path).read_bytes().startswith(FILM[:3000])
    assert len(server.seen) == 1


def test_a_reply_that_never_begins_is_left_whatever_comes_before(target):
    hints = sending(b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n")
    policy = DownloadPolicy(retry=RetryPolicy(attempts=2))
    for handler in (hints, hang, sending(begun(9, b""))):
        error, server = download(target, handler, policy=policy, timeouts=Timeouts(first_byte=0.2))
        assert isinstance(error, TransportError)
        assert "within 0.2 s" in error.message
        assert len(server.seen) == 2


def test_the_first_byte_may_come_later_than_any_other(target):
    async def slow(_seen, writer):
        writer.write(begun(len(FILM), b""))
        await asyncio.sleep(0.3)
        writer.write(FILM)
        await writer.drain()

    file, server = download(target, slow, timeouts=Timeouts(read=0.1))
    assert_whole(file, target)
    assert len(server.seen) == 1


def test_all_of_it_has_a_deadline(target):
    quick = sending(begun(10**9), bytes(2000), pause=0.001)
    error, _ = download(target, quick, policy=DownloadPolicy(deadline=1.0))
    assert isinstance(error, DownloadError)
    assert "longer than" in error.message


# -- not there yet, and gone ---------------------------------------------------------------


def test_a_job_that_failed_has_no_file(target):
    error, server = download(target, File(FILM), job=replace(JOB, status="failed"))
    assert isinstance(error, DownloadError)
    assert server.seen == []


# -- the disk ------------------------------------------------------------------------------


def test_the_same_file_is_taken_as_it_is(target):
    target.write_bytes(FILM)
    before = target.stat().st_ino
    file, _ = download(target, File(FILM))
    assert_whole(file, target)
    assert target.stat().st_ino == before


def test_a_folder_that_is_missing_is_said_before_anything_is_asked(target):
    error, server = download(target.parent / "none" / "clip.mp4", File(FILM))
    assert isinstance(error, DownloadError)
    assert "No such file or directory" in error.message
    assert "Create the folder" in error.hint
    assert server.seen == []


def test_a_name_that_is_too_long_is_said(target):
    error, _ = download(target.with_name("x" * 250 + ".mp4"), File(FILM))
    assert isinstance(error, DownloadError)
    assert "shorter name" in error.hint


def test_a_cancelled_download_keeps_what_came(target):
    async def main():
        came = asyncio.Event()
        async with Server(sending(begun(len(FILM))), File(FILM)) as server:
            memory = ProcessMemory(target)
            work = fetch(server, target, memory=memory, progress=lambda *_: came.set())
            task = asyncio.create_task(work)
            await came.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await fetch(server, target, memory=memory), server.seen

    file, seen = run(main())
    assert_whole(file, target)
    assert int(seen[1].headers["range"].removeprefix("bytes=").rstrip("-")) > 0
