"""Attacks by another user of this machine on the demo server that a kernel started.

The attacks on the server as such are in `test_demo_door.py`.
"""

from __future__ import annotations

import http.client
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from ipyreel.demo.process import DemoServer
from tests.support.demo import running_demo

WANTED = {"model": "demo-1", "prompt": "canary-prompt", "seconds": "4", "size": "64x64"}
KEY = "sk-key-of-the-kernel"
HEADERS = {"authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Return the server that a kernel starts for itself: (server, home, id of a job)."""
    home = tmp_path_factory.mktemp("home")
    with DemoServer() as server:
        server.start(home, options=("--stub", "--speed", "1000"))
        headers = {"authorization": f"Bearer {server.key}"}
        made = httpx.post(f"{server.url}/videos", json=WANTED, headers=headers).json()
        job = f"{server.url}/videos/{made['id']}"
        while httpx.get(job, headers=headers).json()["status"] != "completed":
            pass  # until then, the server writes files
        yield server, home, made["id"]


def test_a_kernels_own_server_needs_its_key(own):
    server, _, job_id = own
    assert httpx.get(f"{server.url}/videos").status_code == 401
    headers = {"authorization": f"Bearer {server.key}"}
    listed = httpx.get(f"{server.url}/videos", headers=headers).json()["data"]
    assert [one["id"] for one in listed] == [job_id]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc here")
def test_the_key_is_on_no_command_line_and_in_no_file(own):
    server, home, _ = own
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes()
        except OSError:
            continue
        assert server.key.encode() not in line
    for path in home.rglob("*"):
        if path.is_file():
            assert server.key.encode() not in path.read_bytes(), path.name


def test_keys_differ_from_server_to_server(own, tmp_path):
    with DemoServer() as other:
        other.start(tmp_path, options=("--stub",))
        assert other.key != own[0].key
        assert len(other.key) >= 24


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    with running_demo(tmp_path_factory.mktemp("demo"), stub=True, speed=1000, key=KEY) as demo:
        yield demo


@pytest.mark.parametrize(
    "request_line", ["GET /" + "a" * 200_000, "GET http://evil.example/v1/videos"]
)
def test_an_odd_request_line_is_refused_and_the_server_goes_on(demo, request_line):
    place = urlsplit(demo.origin)
    with socket.create_connection((place.hostname, place.port), timeout=30) as sock:
        try:
            sock.sendall(f"{request_line} HTTP/1.1\r\nhost: evil.example\r\n\r\n".encode())
            answer = sock.recv(65536)
        except ConnectionError:
            answer = b""
    assert not answer.startswith(b"HTTP/1.1 2")
    assert httpx.get(f"{demo.url}/videos", headers=HEADERS).status_code == 200


IDS = ["../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/x", "/etc/passwd", "a%00b"]


@pytest.mark.parametrize("job_id", IDS)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_id_leads_to_no_other_file(demo, tmp_path, method, job_id):
    outside = tmp_path / "outside.json"
    outside.write_text("{}")
    place = urlsplit(demo.origin)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
    connection.request(method, f"/v1/videos/{job_id}", headers=HEADERS)
    answer = connection.getresponse()
    assert answer.status in {400, 404, 405}
    assert b"root:" not in answer.read()
    connection.close()
    assert outside.exists()
