"""The sample code on the pages of three vendors runs against the demo in their dialect.

`samples/` holds the code as printed there. Replaced here are the host, the key, the pause
between two requests (so that the tests are fast) and placeholders such as "<string>" and
"video_abc123".
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.support.demo import running_demo

SAMPLES = Path(__file__).with_name("samples")
KEY = "sk-sample-key-0123456789"

HOSTS = ("https://mass.apigo.ai", "https://api.apiyi.com", "https://api.aiid.edu.kg")
KEYS = ("<TIDEMIND_API_KEY>", "sk-your-api-key", "<token>")
PAUSES = {
    "time.sleep(10)": "time.sleep(0.1)",
    "time.sleep(15)": "time.sleep(0.1)",
    "  sleep 10": "  sleep 0.1",
    "setTimeout(resolve, 10000)": "setTimeout(resolve, 100)",
    "setTimeout(r, 15000)": "setTimeout(r, 100)",
}
PLACEHOLDERS = {
    "prompt=<string>": "prompt=a paper boat",
    "mode=<string>": "mode=i2v",
    "size=<string>": "size=512x512",
    "seconds=<string>": "seconds=4",
    "duration=123": "duration=4",
    "images=<string>": "images=",
    "input_reference=<string>": "input_reference=",
}
RUNNERS = {".py": [sys.executable], ".sh": ["bash"], ".mjs": ["node"]}
NEEDS = {".py": (), ".sh": ("bash", "curl", "jq"), ".mjs": ("node",)}


def sample(name, demo):
    """Return the text of a sample with host, key and pauses replaced."""
    text = (SAMPLES / name).read_text(encoding="utf-8")
    changes = dict.fromkeys(HOSTS, demo.origin) | dict.fromkeys(KEYS, KEY) | PAUSES
    for old, new in changes.items():
        text = text.replace(old, new)
    assert "https://" not in text
    assert not re.search(r"sleep[ (]1|1[05]000", text)
    return text


def need(suffix):
    missing = [tool for tool in NEEDS[suffix] if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not on this machine")


def run(suffix, text):
    """Run a sample in the folder of the test; return what it printed."""
    path = Path("sample").with_suffix(suffix)
    path.write_text(text, encoding="utf-8")
    # curl must not use a proxy of this machine.
    environ = {**os.environ, "TIDEMIND_API_KEY": KEY, "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        [*RUNNERS[suffix], path], capture_output=True, env=environ, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("apigo_curl.sh", "tidemind-demo.mp4"),
        ("apigo_requests.py", "tidemind-demo.mp4"),
        ("apigo_node.mjs", "tidemind-demo.mp4"),
        ("apiyi_requests.py", "output.mp4"),
        ("apiyi_node.mjs", "output.mp4"),
    ],
)
def test_a_printed_sample_makes_a_video(tmp_path, name, output):
    dialect, suffix = name.partition("_")[0], Path(name).suffix
    need(suffix)
    with running_demo(tmp_path, dialect=dialect, key=KEY, stub=True) as demo:
        run(suffix, sample(name, demo))
        film = Path(output).read_bytes()
        assert film[4:8] == b"ftyp"
        assert demo.posts() == 1
        assert film == demo.video_bytes(demo.job_ids()[0])


def test_the_three_commands_of_apiyi(tmp_path):
    need(".sh")
    with running_demo(tmp_path, dialect="apiyi", key=KEY, stub=True) as demo:
        # The page separates the commands by comments in its own markup.
        _, create, retrieve, content = re.split(
            r"^\{/\*.*\*/\}$", sample("apiyi_curl.sh", demo), flags=re.MULTILINE
        )
        job_id = json.loads(run(".sh", create))["id"]
        while json.loads(run(".sh", retrieve.replace("video_abc123", job_id)))["status"] != (
            "completed"
        ):
            pass
        run(".sh", content.replace("video_abc123", job_id))
        assert Path("output.mp4").read_bytes() == demo.video_bytes(job_id)


def test_the_form_of_aiid(tmp_path):
    need(".sh")
    Image.new("RGB", (512, 512), "teal").save("example-file", "PNG")
    with running_demo(tmp_path, dialect="aiid", key=KEY, stub=True) as demo:
        text = sample("aiid_curl.sh", demo)
        for old, new in PLACEHOLDERS.items():
            assert old in text
            text = text.replace(old, new)
        job = json.loads(run(".sh", text))
        assert (job["status"], job["seconds"], job["size"]) == ("queued", "4", "512x512")
        record = demo.jobs.read(job["id"])
        assert (record.seed, record.has_image) == (20231234, True)
        assert demo.video_bytes(job["id"])[4:8] == b"ftyp"
