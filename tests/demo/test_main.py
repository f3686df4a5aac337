"""The command `python -m ipyreel.demo`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from ipyreel.demo.__main__ import main
from ipyreel.demo.server import bind

COMMAND = [sys.executable, "-m", "ipyreel.demo"]


@contextmanager
def by_hand(*options):
    """Start it as a person does; gives the process and the line it said."""
    with subprocess.Popen(
        [*COMMAND, "--port", "0", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
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


def test_it_says_one_line_of_json_when_it_is_ready():
    with by_hand("--speed", "4", "--stub") as (process, said):
        assert said["pid"] == process.pid
        assert ask(said).headers["openai-poll-after-ms"] == "100"
        assert ask(said, authorization="Bearer other").status_code == 401
        jobs = Path(os.environ["IPYREEL_HOME"], "demo")
        assert list(jobs.glob("video_*.json"))
        if os.name == "posix":  # Ctrl-C
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
            assert b"Traceback" not in process.stderr.read()


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


def test_it_asks_for_no_key_when_it_is_told_to():
    with by_hand("--stub", "--no-key") as (_, said):
        assert ask(said, authorization="Bearer other").status_code == 200
        control = said["url"].replace("/v1", "/__demo__/requests")
        assert httpx.get(control, trust_env=False).status_code == 401
        key = {"authorization": f"Bearer {said['key']}"}
        assert len(httpx.get(control, headers=key, trust_env=False).json()["requests"]) == 1


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
def test_bad_options_are_told_in_a_sentence(capsys, options, words):
    try:
        code = main(["--stub", *options])
    except SystemExit as end:
        code = end.code
    assert code != 0
    assert words in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(capsys):
    with bind(0) as sock:
        sock.listen()
        port = str(sock.getsockname()[1])
        assert main(["--stub", "--port", port]) == 1
    shown = capsys.readouterr()
    assert port in shown.err
    assert port in json.loads(shown.out)["error"]
