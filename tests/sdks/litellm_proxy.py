"""Run a real LiteLLM proxy in front of the demo server, and ask it as ipyreel does.

    python -m tests.sdks.litellm_proxy .venv-of-litellm/bin/litellm      # `.ci/long litellm`

Each line says what became of one kind of request, as in the table on the client's page, whose row
`litellm` is made by a fake. Exit code: 1 when one of them differs from that row.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from PIL import Image

from ipyreel.client import VideoClient
from ipyreel.demo.testing import video_server
from ipyreel.errors import AuthenticationFailed, InvalidRequest, SubmissionUnknown
from tests.dialects.matrix import COLUMNS, PAGE

KEY = "sk-litellm-0123456789abcdef"
ASK = {"model": "sora-2", "seconds": 4, "size": "1280x720"}
STARTS_WITHIN = 120.0


@contextlib.contextmanager
def proxy(program, server, folder):
    """Start the proxy with the demo server behind it; gives its base URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    model = {"model": "openai/sora-2", "api_key": server.key, "api_base": server.url}
    config = {
        "model_list": [{"model_name": "sora-2", "litellm_params": model}],
        "general_settings": {"master_key": KEY},
        # By default it sends a POST again whose answer was lost: two jobs are paid for.
        "router_settings": {"num_retries": 0},
    }
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "127.0.0.1"}
    command = [program, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + STARTS_WITHIN
    try:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{url}/health/liveliness", trust_env=False).is_success:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit((folder / "log").read_text()[-2000:])
            time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait(30)


async def answers(url, server, folder):
    """Return what became of each kind of request, by the column of the table."""
    found = {}
    target = io.BytesIO()
    Image.new("RGB", (1280, 720), "teal").save(target, "PNG")
    async with VideoClient("litellm", key=KEY, base_url=url) as client:
        job = await client.create_and_wait("a red balloon", interval=0.3, **ASK)
        file = await client.download(job, folder / "a.mp4")
        found["text"] = "yes" if file.sha256 and job.status == "completed" else "no"
        await client.create("it moves", images=[target.getvalue()], **ASK)
        (name,) = server.requests("create")[-1].files
        found["image file"] = "as a file" if name == "input_reference" else "no"
        async with await asyncio.start_server(served(target.getvalue()), "127.0.0.1", 0) as files:
            port = files.sockets[0].getsockname()[1]
            await client.create("it moves", images=[f"http://127.0.0.1:{port}/a.png"], **ASK)
        sent = server.requests("create")[-1].files == ("input_reference",)
        found["image address"] = "fetched, as a file" if sent else "no"
        reason = {"code": "burst", "message": "the balloon burst"}
        server.add_fault("retrieve", {"job": {"status": "failed", "error": reason}})
        job = await client.create_and_wait("x", interval=0.3, **ASK)
        told = job.failure.message if job.failure else ""
        found["reason of a failure"] = "yes" if "the balloon burst" in told else f"no: {told}"
        server.clear_faults()
        found["cancel"], found["list"] = "here only", "no"
        with contextlib.suppress(InvalidRequest):
            found["cancel"] = "yes" if await client.delete(job.remote_id) else "no"
        with contextlib.suppress(InvalidRequest):
            found["list"] = "yes" if (await client.list()).jobs else "no"
        before = server.created()
        server.add_fault("create", {"drop_reply": True}, count=1)
        try:
            await client.create("x", **ASK)
            kind = "no"
        except SubmissionUnknown:
            kind = "unknown"
        made = server.created() - before
        found["lost answer"] = kind if made == 1 else f"{kind}; the proxy sent it {made} times"
    async with VideoClient("litellm", key=f"{KEY}-wrong", base_url=url) as stranger:
        try:
            await stranger.create("x", **ASK)
            found["wrong key refused"] = "no"
        except AuthenticationFailed:
            found["wrong key refused"] = "yes"
    return found


def served(picture):
    """Return what answers every request with a picture."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(picture)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + picture)
        await writer.drain()
        writer.close()

    return answer


def main(program):
    """Print both rows; return the exit code."""
    with tempfile.TemporaryDirectory() as name, video_server(dialect="openai") as server:
        folder = Path(name)
        with proxy(program, server, folder) as url:
            found = asyncio.run(answers(url, server, folder))
    row = re.search(r"^\| `litellm` \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    fake = dict(zip(COLUMNS, (cell.strip() for cell in row[1].split("|")), strict=False))
    for column, real in found.items():
        print(f"{column}: {real}" + ("" if fake[column] == real else f" (table: {fake[column]})"))  # noqa: T201 - a command says what it does
    return int(any(fake[column] != real for column, real in found.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
