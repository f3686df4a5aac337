"""Run real gateways before the demo server, or in its place, and ask them as ipyreel does.

    python -m tests.sdks.gateways litellm .venv-of-litellm/bin/litellm   # `.ci/long litellm`
    python -m tests.sdks.gateways portkey node_modules/.bin/gateway      # `.ci/long gateways`
    python -m tests.sdks.gateways aimock node_modules/.bin/llmock

Each line says what became of one kind of request, as in the table on the client's page. Exit code:
1 when one of them differs from its row there.
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
from importlib import resources
from pathlib import Path

import httpx
from PIL import Image

from ipyreel.client import VideoClient
from ipyreel.demo.testing import video_server
from ipyreel.errors import (
    AuthenticationFailed,
    InvalidRequest,
    RequestRejected,
    ServerBroken,
    SubmissionUnknown,
)
from tests.dialects.matrix import COLUMNS, PAGE

KEY = "sk-gateway-0123456789abcdef"
ASK = {"model": "sora-2", "seconds": 4, "size": "1280x720"}
STARTS_WITHIN = 600.0


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def running(command, folder, health, **env):
    """Run a server until the block ends; it is ready when it answers at `health`."""
    with (folder / "log").open("wb") as log:
        env = {**os.environ, "NO_PROXY": "127.0.0.1", **env}
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
    deadline = time.monotonic() + STARTS_WITHIN
    try:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(health, trust_env=False).is_success:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(
                    f"{command[0]} did not start: {(folder / 'log').read_text()[-2000:]}"
                )
            time.sleep(0.5)
        yield
    finally:
        process.terminate()
        process.wait(30)


def litellm(program, server, folder):
    """Ask LiteLLM's proxy before the demo server."""
    port = free_port()
    model = {"model": "openai/sora-2", "api_key": server.key, "api_base": server.url}
    config = {
        "model_list": [{"model_name": "sora-2", "litellm_params": model}],
        "general_settings": {"master_key": KEY},
        # By default it sends a POST again whose answer was lost: two jobs are paid for.
        "router_settings": {"num_retries": 0},
    }
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    command = [program, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with running(command, folder, f"{url}/health/liveliness", LITELLM_LOCAL_MODEL_COST_MAP="True"):
        options = {"provider": "litellm", "base_url": url}
        return asyncio.run(before_the_demo(options, KEY, server, folder))


def portkey(program, server, folder):
    """Ask Portkey's gateway before the demo server; the key goes through to it.

    1.15.2 passes a request on and then fails at a good answer, whose headers are immutable in Node
    ("tryTargetsRecursively error: immutable" in its log): it becomes a 500.
    """
    port = free_port()
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": server.url}
    url = f"http://127.0.0.1:{port}"
    with running([program, f"--port={port}", "--headless"], folder, url):
        options = {"provider": "openai", "base_url": url, "default_headers": headers}
        return asyncio.run(without_answers(options, server))


def aimock(program, _server, folder):
    """Ask aimock in place of a server; its video lies at an address that the fixture names."""
    film = resources.files("ipyreel.demo").joinpath("stub.mp4").read_bytes()
    return asyncio.run(in_place_of_a_server(program, film, folder))


async def in_place_of_a_server(program, film, folder):
    """Return what became of each kind of request to aimock."""
    async with await asyncio.start_server(served(film), "127.0.0.1", 0) as files:
        here = f"http://127.0.0.1:{files.sockets[0].getsockname()[1]}"
        video = {"id": "video_1", "status": "completed", "url": f"{here}/a.mp4"}
        fixtures = [
            {"match": {"userMessage": prompt, "endpoint": "video"}, "response": {"video": answer}}
            for prompt, answer in (
                ("balloon", video),
                ("burst", {"id": "video_2", "status": "failed", "error": "the balloon burst"}),
            )
        ]
        (folder / "fixtures.json").write_text(json.dumps({"fixtures": fixtures}))
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = [program, "--port", str(port), "--fixtures", "fixtures.json"]
        with running(command, folder, f"{url}/health", AIMOCK_API_KEYS=KEY):
            return await asyncio.wait_for(asked_of_aimock(url, folder), STARTS_WITHIN)


async def asked_of_aimock(url, folder):
    """Ask each kind of request; aimock drops an answer where a header says so."""
    found = {}
    async with VideoClient("generic", key=KEY, base_url=url) as client:
        job = await client.create_and_wait("a red balloon", interval=0.3, **ASK)
        file = await client.download(job, folder / "a.mp4")
        found["text"] = "yes" if file.sha256 and job.status == "completed" else "no"
        await client.create("a red balloon", images=[picture()], **ASK)
        found["image file"] = "accepted, ignored"  # its `handleVideoCreate` reads four fields
        job = await client.create_and_wait("burst", interval=0.3, **ASK)
        told = job.failure.message if job.failure else ""
        found["reason of a failure"] = "yes" if "the balloon burst" in told else "no"
        found["cancel"], found["list"] = await removed_and_listed(client, job)
    dropping = {"x-aimock-chaos-disconnect": "1"}
    async with VideoClient("generic", key=KEY, base_url=url, default_headers=dropping) as client:
        found["lost answer"] = await lost(client)
    found["wrong key refused"] = await refused({"provider": "generic", "base_url": url})
    return found


async def before_the_demo(options, key, server, folder):
    """Return what became of each kind of request, by the column of the table."""
    found = {}
    async with VideoClient(**options, key=key) as client:
        job = await client.create_and_wait("a red balloon", interval=0.3, **ASK)
        file = await client.download(job, folder / "a.mp4")
        found["text"] = "yes" if file.sha256 and job.status == "completed" else "no"
        await client.create("it moves", images=[picture()], **ASK)
        (name,) = server.requests("create")[-1].files
        found["image file"] = "as a file" if name == "input_reference" else "no"
        async with await asyncio.start_server(served(picture()), "127.0.0.1", 0) as files:
            found["image address"] = await by_address(client, server, files)
        reason = {"code": "burst", "message": "the balloon burst"}
        server.add_fault("retrieve", {"job": {"status": "failed", "error": reason}})
        job = await client.create_and_wait("x", interval=0.3, **ASK)
        told = job.failure.message if job.failure else ""
        found["reason of a failure"] = "yes" if "the balloon burst" in told else f"no: {told}"
        server.clear_faults()
        found["cancel"], found["list"] = await removed_and_listed(client, job)
        before = server.created()
        server.add_fault("create", {"drop_reply": True}, count=1)
        kind, made = await lost(client), server.created() - before
        found["lost answer"] = kind if made == 1 else f"{kind}; the gateway sent it {made} times"
    found["wrong key refused"] = await refused(options)
    return found


async def without_answers(options, server):
    """Return what reaches a server whose answers a gateway turns into 500, and what is said."""
    found = {}
    async with VideoClient(**options, key=server.key) as client:
        kind = await lost(client, listed=False)
        made = server.created()
        found["text"] = (
            "no: made once, 500" if (kind, made) == ("unknown", 1) else f"{kind}, {made}"
        )
        await lost(client, listed=False, images=[picture()])
        sent = server.requests("create")[-1].files == ("input_reference",)
        found["image file"] = "as a file" if sent else "no"
        async with VideoClient("openai", key=server.key, base_url=server.url) as direct:
            job_id = (await direct.list()).jobs[0].remote_id
        found["reason of a failure"] = await answered(client.retrieve(job_id))
        found["cancel"] = await answered(client.delete(job_id))
        found["list"] = await answered(client.list())
        server.add_fault("create", {"drop_reply": True}, count=1)
        found["lost answer"] = await lost(client, listed=False)
    found["wrong key refused"] = await refused(options)
    return found


async def answered(call):
    """Tell whether a good answer comes through."""
    try:
        await call
    except ServerBroken as error:
        return f"no: {error.status_code}"
    return "yes"


async def by_address(client, server, files):
    """Tell what becomes of a picture that is given by its address."""
    port = files.sockets[0].getsockname()[1]
    try:
        await client.create("it moves", images=[f"http://127.0.0.1:{port}/a.png"], **ASK)
    except RequestRejected:
        return "its address"  # which the demo server does not fetch
    sent = server.requests("create")[-1].files == ("input_reference",)
    return "fetched, as a file" if sent else "its address"


async def removed_and_listed(client, job):
    """Tell whether a job can be cancelled, and whether jobs are listed."""
    found = ["here only", "no"]
    with contextlib.suppress(InvalidRequest):
        found[1] = "yes" if (await client.list()).jobs else "no"
    with contextlib.suppress(InvalidRequest):
        found[0] = "yes" if await client.delete(job.remote_id) else "no"
    return found


async def lost(client, *, listed=True, **more):
    """Tell what becomes of a job whose answer was lost."""
    try:
        await client.create("a red balloon", **ASK, **more)
    except SubmissionUnknown:
        if not listed or "list" not in client.provider.routes:
            return "unknown"
        return "found in the list" if (await client.list()).jobs else "no"
    return "no"


async def refused(options):
    """Tell whether a wrong key is named as such."""
    async with VideoClient(**options, key=f"{KEY}-wrong") as stranger:
        try:
            await stranger.create("a red balloon", **ASK)
        except AuthenticationFailed:
            return "yes"
        except SubmissionUnknown:
            return "unknown"
    return "no"


def picture():
    """Return a PNG."""
    target = io.BytesIO()
    Image.new("RGB", (1280, 720), "teal").save(target, "PNG")
    return target.getvalue()


def served(picture):
    """Return what answers every request with a picture."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(picture)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + picture)
        await writer.drain()
        writer.close()

    return answer


def main(name, program):
    """Print what the gateway did; return the exit code."""
    ask = {"litellm": litellm, "portkey": portkey, "aimock": aimock}[name]
    with tempfile.TemporaryDirectory() as folder, video_server(dialect="openai") as server:
        found = ask(str(Path(program).absolute()), server, Path(folder))
    row = re.search(rf"^\| `{name}` \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    cells = row[1].split("|") if row else [""] * len(COLUMNS)
    told = dict(zip(COLUMNS, (cell.strip() for cell in cells), strict=False))
    for column, real in found.items():
        print(f"{column}: {real}" + ("" if told[column] == real else f" (table: {told[column]})"))  # noqa: T201 - a command says what it does
    return int(any(told[column] != real for column, real in found.items()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
