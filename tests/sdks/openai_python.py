"""Run openai-python's own test file for videos against the demo server: `.ci/long sdks`.

    python -m tests.sdks.openai_python

The file comes with the source distribution of the installed version, fetched by pip. What stands
there for data (`b"Example data"`) becomes a real picture or video, and the ids it asks for exist
before each test. Exit code: that of pytest; 0 with a sentence where the file cannot be had.
"""

from __future__ import annotations

import importlib.metadata
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import httpx
import pytest
from PIL import Image

from ipyreel.demo.render import render
from ipyreel.demo.testing import video_server

KEY = "My API Key"
"""As their conftest has it."""

NEEDS = ("pytest-asyncio", "inline-snapshot", "rich", "aiohttp", "httpx-aiohttp")


def main() -> int:
    """Fetch, patch and run; return the exit code."""
    version = importlib.metadata.version("openai")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        get = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
        fetched = subprocess.run([*get, "-d", name, f"openai=={version}"], check=False)
        archives = list(folder.glob("openai-*.tar.gz"))
        if fetched.returncode or not archives:
            print(f"The source of openai {version} could not be fetched: skipped.")  # noqa: T201 - a command says what it does
            return 0
        with tarfile.open(archives[0]) as archive:
            archive.extractall(folder, filter="data")
        root = folder / f"openai-{version}"
        patch(root / "tests" / "api_resources" / "test_videos.py")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.sdks.openai_python"]
        command += [
            "-o",
            "addopts=",
            "-W",
            "ignore",
            "tests/api_resources/test_videos.py",
            *sys.argv[1:],
        ]
        here = str(Path(__file__).parents[2])
        paths = os.pathsep.join([str(root), here])
        # Their `tests` is found first; ours is the plugin, by its file.
        plugin = root / "tests" / "sdks"
        plugin.mkdir()
        (plugin / "__init__.py").touch()
        (plugin / "openai_python.py").write_bytes(Path(__file__).read_bytes())
        with video_server(dialect="openai", key=KEY, speed=1000) as server:
            character = {"id": "char_123", "name": "Mo", "created_at": 1}
            server._app.provider.jobs.add_character(character)
            env = {**os.environ, "PYTHONPATH": paths, "TEST_API_BASE_URL": server.url}
            return subprocess.run(command, cwd=root, env=env, check=False).returncode


def patch(path: Path) -> None:
    """Put real data in place of the placeholders of the file."""
    target = io.BytesIO()
    Image.new("RGB", (720, 1280), "teal").save(target, "PNG")
    video = path.parent / "video.mp4"
    render("x", seed=1, width=720, height=1280, seconds=1, path=video)
    (path.parent / "image.png").write_bytes(target.getvalue())
    text = path.read_text(encoding="utf-8")
    here = 'open(__file__.replace("test_videos.py", "{}"), "rb").read()'
    text = text.replace(
        'input_reference=b"Example data"', f"input_reference={here.format('image.png')}"
    )
    text = text.replace('video=b"Example data"', f"video={here.format('video.mp4')}")
    text = text.replace('model="string"', 'model="sora-2"').replace('after="after"', 'after=""')
    path.write_text(text, encoding="utf-8")


# ------------------------------------------------------------------ as a plugin of that run


@pytest.fixture(autouse=True)
def _known_job() -> None:
    """Let the job exist, finished, that the file asks for."""
    url = os.environ["TEST_API_BASE_URL"]
    control = url.replace("/v1", "/__demo__")
    key = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(headers=key, trust_env=False) as http:
        rule = {"step": "create", "count": 1, "do": {"id": "video_123"}}
        http.post(f"{control}/faults", json=rule).raise_for_status()
        http.post(f"{url}/videos", json={"prompt": "x"}).raise_for_status()
        http.post(f"{control}/clock", json={"advance": 10}).raise_for_status()


if __name__ == "__main__":
    sys.exit(main())
