"""A server whose answers are written byte by byte, as an attacker would write them."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import ClassVar

from ipyreel.demo.render import render


def answer(body=b"", *, status="200 OK", length=None, **headers):
    """Return one HTTP answer as bytes; underscores in header names become hyphens."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [f"content-length: {len(body) if length is None else length}", "connection: close"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def job(status="completed", **fields):
    """Return a job as JSON data."""
    return {"id": "video_1", "object": "video", "status": status, "progress": 100, **fields}


def small_film(folder):
    """Return the bytes of a real MP4 with one second of 64x64 pixels."""
    path = folder / "small.mp4"
    render("a film", seed=1, width=64, height=64, seconds=1, path=path)
    return path.read_bytes()


@dataclass
class RawServer:
    """Answers by step; `requests` has every request in full.

    A step is "create", "retrieve" or "content"; an answer is the bytes to send, or a list of
    bytes of which each is sent once and the last one again and again.
    """

    film: bytes
    answers: dict = field(default_factory=dict)
    requests: list = field(default_factory=list)
    url: str = ""

    STEPS: ClassVar = {"POST": "create", "content": "content", "GET": "retrieve"}

    def serve(self, connection):
        """Answer one connection."""
        with connection, suppress(OSError):
            connection.settimeout(30)
            request = self._read(connection)
            if request:
                self.requests.append(request)
                connection.sendall(self._answer(request))

    def _read(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return data
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-len")]
        wanted = int(lengths[0].partition(b":")[2]) if lengths else 0
        while len(body) < wanted and (piece := connection.recv(65536)):
            body += piece
        return head + b"\r\n\r\n" + body

    def _answer(self, request):
        method, path = request.split(b" ", 2)[:2]
        step = "content" if path.endswith(b"/content") else self.STEPS[method.decode()]
        given = self.answers.get(step)
        if isinstance(given, list):
            given = given.pop(0) if len(given) > 1 else given[0]
        if given is not None:
            return given
        if step == "content":
            return answer(self.film, content_type="video/mp4")
        return answer(job("queued" if step == "create" else "completed"))


@contextmanager
def raw_server(film=b"", **answers):
    """Serve on loopback while the block runs."""
    server = RawServer(film, answers)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"

        def accept():
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=server.serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
