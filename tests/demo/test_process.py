"""The demo server as a child process: it ends with its owner, and its jobs remain."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from ipyreel.demo.process import DemoServer
from ipyreel.errors import ConfigError

ASK = {"prompt": "a red balloon", "seconds": 1, "size": "64x64", "seed": 7}
POSIX = os.name == "posix"

OWNER = """
import json, os, sys, time
from ipyreel.demo.process import DemoServer
server = DemoServer()
url = server.start(sys.argv[1])
if sys.argv[2] == "forks" and os.fork() == 0:
    time.sleep(60)  # holds the owner's end of the pipe open
    os._exit(0)
print(json.dumps({"url": url, "pid": server.pid}), flush=True)
time.sleep(60)
"""


def answers(url):
    """Tell whether somebody listens there."""
    parts = urlsplit(url)
    with socket.socket() as sock:
        sock.settimeout(60)
        return sock.connect_ex((parts.hostname, parts.port)) == 0


def wait_until(true):
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def client(server):
    """Return a client that has the server's key."""
    headers = {"authorization": f"Bearer {server.key}"}
    return httpx.Client(base_url=server.url, headers=headers, trust_env=False)


def wait_for_video(server, job_id):
    """Ask until the job is completed; gives its bytes."""
    with client(server) as http:
        wait_until(lambda: http.get(f"/videos/{job_id}").json()["status"] == "completed")
        return http.get(f"/videos/{job_id}/content").content


def descriptors(pid="self"):
    """Return where the open files of a process lead, as far as /proc shows them."""
    folder = Path(f"/proc/{pid}/fd")
    paths = folder.iterdir() if folder.exists() else ()
    return sorted(str(path.readlink()) for path in paths if path.is_symlink())


def test_a_child_is_ours_alone_and_leaves_nothing_behind(tmp_path):
    Path("starlette.py").write_text("raise SystemExit('a module of the notebook')")
    with (tmp_path / "ours").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)  # noqa: FBT003 - it has no keyword
        before = descriptors()
        server = DemoServer()
        url = server.start(tmp_path, options=["--dialect", "apiyi"])
        assert server.running
        assert server.start(tmp_path) == url == server.url
        with client(server) as http:
            assert http.get("/models").status_code == 200
            assert http.get("/models", headers={"authorization": ""}).status_code == 401
            assert http.get("/videos").status_code == 404  # as apiyi, which has no list
        command = Path(f"/proc/{server.pid}/cmdline")
        assert not command.exists() or server.key not in command.read_text()
        assert str(tmp_path / "ours") not in descriptors(server.pid)
        if POSIX:  # Ctrl-C in the owner's terminal does not reach it
            assert os.getsid(server.pid) != os.getsid(0)
            assert os.getpgid(server.pid) != os.getpgid(0)
        server.stop()
        assert descriptors() == before
    assert not server.running
    assert (server.url, server.pid, server.key) == (None, None, None)
    assert not answers(url)
    server.stop()


def test_the_next_server_goes_on_with_the_jobs_of_the_last(tmp_path):
    with DemoServer() as server:
        server.start(tmp_path)
        with client(server) as http:
            first = http.post("/videos", json=ASK).json()
        os.kill(server.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        wait_until(lambda: not server.running)
        server.start(tmp_path, options=["--speed", "100"])
        with client(server) as http:
            again = http.get(f"/videos/{first['id']}").json()
            assert (again["prompt"], again["created_at"]) == (first["prompt"], first["created_at"])
            video = wait_for_video(server, first["id"])
            assert video[4:8] == b"ftyp"
            second = http.post("/videos", json=ASK).json()
            assert wait_for_video(server, second["id"]) == video


@pytest.mark.skipif(not POSIX, reason="SIGKILL and fork are POSIX")
@pytest.mark.parametrize("owner", ["plain", "forks"])
def test_it_ends_when_its_owner_is_killed(tmp_path, owner):
    command = [sys.executable, "-c", OWNER, str(tmp_path), owner]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        said = json.loads(process.stdout.readline())
        assert answers(said["url"])
        process.kill()
        process.wait()
        wait_until(lambda: not answers(said["url"]))
        if owner == "forks":
            os.killpg(process.pid, signal.SIGKILL)  # the fork that held the pipe


def test_missing_packages_are_told_with_what_to_install(tmp_path, monkeypatch):
    missing = tmp_path / "missing"
    missing.mkdir()
    (missing / "starlette.py").write_text("raise ModuleNotFoundError('No module named starlette')")
    monkeypatch.setenv("PYTHONPATH", str(missing))
    with pytest.raises(ConfigError, match="No module named starlette") as caught:
        DemoServer().start(tmp_path)
    assert 'pip install "ipyreel[demo]"' in caught.value.hint


def test_what_the_child_says_is_told(tmp_path):
    with pytest.raises(ConfigError, match="--dialect nobody is not one of: demo, openai"):
        DemoServer().start(tmp_path, options=["--dialect", "nobody"])
    with pytest.raises(ConfigError, match="unrecognized arguments: --nothing"):
        DemoServer().start(tmp_path, options=["--nothing"])
    with pytest.raises(ConfigError, match="could not be started"):
        DemoServer().start(tmp_path, python=str(tmp_path / "no-python"))


@pytest.mark.skipif(not POSIX, reason="the slow interpreter is a shell script")
def test_a_child_that_says_nothing_is_given_up(tmp_path):
    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    server = DemoServer()
    with pytest.raises(ConfigError, match=r"within 0\.2 seconds"):
        server.start(tmp_path, python=str(slow), timeout=0.2)
    assert not server.running
