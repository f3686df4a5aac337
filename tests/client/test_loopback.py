"""Plain HTTP on this machine: the sockets under it, and what they say when they fail."""

from __future__ import annotations

import asyncio
import socket

import httpcore
import httpx
import pytest

from ipyreel.client import loopback
from ipyreel.client.http import Http
from ipyreel.client.loopback import IN_HTTPX, Socket, Sockets
from ipyreel.client.retry import Timeouts
from ipyreel.errors import TransportError
from ipyreel.values import HttpCall
from tests.client.support.server import Server, cut, hang, reply
from tests.client.support.time import run

GET = HttpCall(method="GET", path="/videos/x")


def ask(*script, call=GET, host="127.0.0.1", times=1, **options):
    """Ask a scripted server and return its last answer, and the server."""

    async def main():
        async with Server(*script) as server:
            http = Http(f"http://{host}:{server.port}/v1", **options)
            try:
                for _ in range(times):
                    answer = await http.send(call, timeout=20)
            finally:
                await http.aclose()
            return answer, server

    return run(main())


def test_every_exception_of_httpcore_has_its_name_in_httpx():
    kinds = {kind for kind in vars(httpcore).values() if isinstance(kind, type)}
    errors = {kind for kind in kinds if issubclass(kind, Exception)}
    # Raised and caught inside of the pool only.
    assert errors - {httpcore.ConnectionNotAvailable} == set(IN_HTTPX)
    assert all(ours.__name__ == theirs.__name__ for ours, theirs in IN_HTTPX.items())


def test_no_certificates_are_read_for_this_machine(monkeypatch):
    def refuse():
        raise AssertionError("certificates were read")

    monkeypatch.setattr(httpx, "create_ssl_context", refuse)
    answer, _ = ask(reply(200, b"here"))
    assert answer.body == b"here"
    far = Http("https://api.example/v1")
    with pytest.raises(AssertionError, match="certificates"):
        far.open()


def test_the_address_that_answers_is_found():
    # Such a server listens at one of the two addresses that the name may have.
    answer, _ = ask(reply(200, b"here"), host="localhost")
    assert answer.body == b"here"


def test_each_address_is_tried_in_turn(monkeypatch):
    async def both(_host, _port):
        return ("127.0.0.2", "127.0.0.1")

    monkeypatch.setattr(loopback, "look_up", both)
    answer, _ = ask(reply(200, b"here"), host="localhost")
    assert answer.body == b"here"


@pytest.mark.parametrize(
    ("found", "words"), [(("127.0.0.2", "127.0.0.3"), "refused"), ((), "no address")]
)
def test_where_nobody_answers_the_reason_is_said(monkeypatch, found, words):
    async def look_up(_host, _port):
        return found

    monkeypatch.setattr(loopback, "look_up", look_up)
    with pytest.raises(TransportError, match=words) as caught:
        ask(reply(200), host="localhost")
    assert not caught.value.sent


def test_gets_share_a_connection():
    _, server = ask(reply(200, b"here"), times=3)
    assert (len(server.seen), server.connections) == (3, 1)


def test_a_connection_that_was_closed_over_there_is_not_used_again():
    closed = asyncio.Event()

    async def answer_and_close(seen, writer):
        await reply(200, b"here")(seen, writer)
        writer.close()
        await writer.wait_closed()
        closed.set()

    async def main():
        async with Server(answer_and_close) as server:
            http = Http(server.url)
            await http.send(GET, timeout=9)
            await closed.wait()
            await http.send(GET, timeout=9)
            await http.aclose()
            return server.connections

    assert run(main()) == 2


def test_silence_is_a_timeout():
    async def main():
        async with Server(hang) as server:
            http = Http(server.url, timeouts=Timeouts(read=0.05))
            try:
                async with http.stream(f"{server.url}/film"):
                    pass
            finally:
                await http.aclose()

    with pytest.raises(TransportError, match="did not answer in time") as caught:
        run(main())
    assert caught.value.sent


def test_a_cut_is_a_broken_connection():
    with pytest.raises(TransportError, match="broke") as caught:
        ask(cut(b"x" * 1000, 10))
    assert caught.value.sent


def test_a_sender_that_is_faster_than_we_are_does_not_take_every_turn():
    async def main():
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.settimeout(0)
            theirs.sendall(b"all of it is here already")
            turns = []
            other = asyncio.create_task(asyncio.sleep(0))
            other.add_done_callback(turns.append)
            asyncio.get_running_loop().call_soon(turns.append, "a turn")
            assert await Socket(ours).read(1) == b"all of it is here already"
            await other
            return turns

    assert run(main())[0] == "a turn"


def test_a_closed_line_says_so():
    async def main():
        ours, theirs = socket.socketpair()
        with theirs:
            ours.settimeout(0)
            line = Socket(ours)
            assert not line.get_extra_info("is_readable")
            assert line.get_extra_info("ssl_object") is None
            await line.aclose()
            assert line.get_extra_info("is_readable")
            with pytest.raises(httpcore.ReadError, match="Bad file descriptor"):
                await line.read(1)
            with pytest.raises(httpcore.WriteError):
                await line.write(b"x")

    run(main())


def test_an_address_to_connect_from_is_not_ignored():
    with pytest.raises(NotImplementedError):
        run(Sockets().connect_tcp("127.0.0.1", 1, local_address="127.0.0.1"))


@pytest.mark.parametrize("turns", range(5))
def test_a_cancellation_at_any_moment_of_a_send_is_kept(turns):
    async def main():
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        stream = Socket(ours)
        with theirs:

            async def send_and_stay():
                await stream.write(b"asked", timeout=9)
                await asyncio.sleep(9)

            task = asyncio.create_task(send_and_stay())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait((task,), timeout=0.5)
            await stream.aclose()
            return task.cancelled()

    assert run(main())
