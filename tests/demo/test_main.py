"""`python -m ipyreel.demo` by hand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest

from ipyreel.demo.dialects import DIALECTS
from ipyreel.demo.server import bind

COMMAND = [sys.executable, "-m", "ipyreel.demo"]


def call(*options):
    return subprocess.run(
        [*COMMAND, *options], capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def by_hand(*options):
    """Start it as a person does; gives the process and the line it said."""
    with subprocess.Popen(
        [*COMMAND, "--port", "0", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.terminate()


def ask(said, **headers):
    """Ask for a video with the key that was printed, or as `headers` say."""
    headers = headers or {"authorization": f"Bearer {said['key']}"}
    return httpx.post(
        f"{said['url']}/videos", json={"prompt": "x"}, headers=headers, trust_env=False
    )


def test_help_names_every_dialect_and_option():
    done = call("--help")
    assert done.returncode == 0
    for word in [
        *DIALECTS,
        "--port",
        "--home",
        "--speed",
        "--faults",
        "--expire",
        "--host",
        "--no-key",
    ]:
        assert word in done.stdout


def test_it_says_one_line_of_json_when_it_is_ready(tmp_path):
    with by_hand("--home", str(tmp_path), "--speed", "4", "--stub") as (process, said):
        assert said["pid"] == process.pid
        reply = ask(said)
        assert reply.headers["openai-poll-after-ms"] == "100"
        assert list((tmp_path / "demo").glob("video_*.json"))


def test_without_a_home_jobs_lie_under_ipyreel_home(tmp_path):
    with by_hand("--stub") as (_, said):
        assert ask(said).status_code == 200
        assert list((tmp_path / "home" / "demo").glob("video_*.json"))


def test_faults_dialect_and_key_are_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYREEL_DEMO_KEY", "sk-1")
    rules = tmp_path / "faults.json"
    rules.write_text(json.dumps([{"step": "models", "count": 1, "do": {"status": 503}}]))
    options = ["--stub", "--faults", str(rules), "--dialect", "aiid"]
    with by_hand(*options) as (_, said):
        key = {"authorization": "sk-1"}
        with httpx.Client(base_url=said["url"], trust_env=False) as http:
            seen = [http.get("/models", headers=key).status_code for _ in range(2)]
            seen.append(http.get("/models").status_code)
            assert seen == [503, 200, 401]
            control = said["url"].replace("/v1", "/__demo__/requests")
            log = http.get(control, headers={"authorization": "Bearer sk-1"}).json()
            assert [entry["status"] for entry in log["requests"]] == seen
            assert http.get(control).status_code == 401


def test_it_asks_for_the_key_it_printed_unless_told_not_to():
    with by_hand("--stub") as (_, said):
        assert ask(said).status_code == 200
        assert ask(said, authorization="Bearer other").status_code == 401
    with by_hand("--stub", "--no-key") as (_, said):
        assert ask(said, authorization="Bearer other").status_code == 200
        control = said["url"].replace("/v1", "/__demo__/requests")
        assert httpx.get(control, trust_env=False).status_code == 401
        key = {"authorization": f"Bearer {said['key']}"}
        assert len(httpx.get(control, headers=key, trust_env=False).json()["requests"]) == 1


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is a signal here")
def test_ctrl_c_ends_it_without_a_traceback(tmp_path):
    with subprocess.Popen(
        [*COMMAND, "--port", "0", "--home", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "Traceback" not in told


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--dialect", "nobody"], "--dialect nobody is not one of: demo, openai"),
        (["--faults", "nowhere.json"], "nowhere.json"),
        (["--speed", "0"], "0 is not more than 0"),
        (["--port", "70000"], "70000"),
        (["--no-key", "--host", "0.0.0.0"], "--no-key works on 127.0.0.1 only"),  # noqa: S104
    ],
)
def test_bad_options_are_told_in_a_sentence(options, words):
    done = call(*options)
    assert done.returncode != 0
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_told():
    with bind(0) as sock:
        sock.listen()
        port = sock.getsockname()[1]
        done = call("--port", str(port))
        assert done.returncode == 1
        assert str(port) in done.stderr
        assert str(port) in json.loads(done.stdout)["error"]
