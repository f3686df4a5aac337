"""Let Schemathesis ask the demo server by OpenAI's own document: `.ci/long schema`.

    python -m tests.sdks.openai_schema [openapi.yaml]

No answer may be a 5xx or have another shape than the document says. The document is the argument,
the file that OPENAI_OPENAPI names, or fetched from github.com/openai/openai-openapi. Exit code:
that of Schemathesis; 0 with a sentence where the document or Schemathesis cannot be had.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx

from ipyreel.demo.testing import video_server

SOURCE = "https://raw.githubusercontent.com/openai/openai-openapi/HEAD/openapi.yaml"
CHECKS = "not_a_server_error,response_schema_conformance,content_type_conformance"
SEED = "20261201"
KNOWN = {"video_id": "video_123", "character_id": "char_123", "model": "sora-2"}
"""Ids that exist, so that answers other than 404 are seen."""


def main(arguments):
    """Find the document, serve, run; return the exit code."""
    if importlib.util.find_spec("schemathesis") is None:
        print("Schemathesis is not installed: skipped.")  # noqa: T201 - a command says what it does
        return 0
    text = document(arguments)
    if text is None:
        print(f"OpenAI's document could not be had from {SOURCE}: skipped.")  # noqa: T201
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "openapi.json").write_text(json.dumps(videos_only(text), default=str))
        given = "".join(f'"path.{name}" = "{value}"\n' for name, value in KNOWN.items())
        (folder / "schemathesis.toml").write_text(f"[parameters]\n{given}")
        codes = [run(folder, "--include-method", "DELETE")]
        codes += [run(folder, "--exclude-method", "DELETE")]
        (folder / "schemathesis.toml").unlink()  # unknown ids, too
        codes += [run(folder)]
    return max(codes)


def document(arguments):
    """Return the text of OpenAI's document; None: it cannot be had."""
    path = arguments[0] if arguments else os.environ.get("OPENAI_OPENAPI")
    if path:
        return Path(path).read_text(encoding="utf-8")
    try:
        reply = httpx.get(SOURCE, timeout=60, follow_redirects=True)
        return reply.raise_for_status().text
    except httpx.HTTPError:
        return None


def videos_only(text):
    """Return the document with the routes that the demo server has."""
    import yaml  # noqa: PLC0415 - comes with Schemathesis

    data = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    paths = data["paths"].items()
    wanted = {path: item for path, item in paths if path.startswith(("/videos", "/models"))}
    wanted["/models/{model}"].pop("delete")  # of one's own fine-tuned models
    return {**data, "paths": wanted}


def run(folder, *more):
    """Run Schemathesis against a fresh server."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", "openapi.json", *more]
    with video_server(dialect="openai", speed=1000) as server:
        server._app.provider.jobs.add_character({"id": "char_123", "name": "Mo", "created_at": 1})
        headers = {"Authorization": f"Bearer {server.key}"}
        server.add_fault("create", {"id": "video_123"}, count=1)
        with httpx.Client(headers=headers, trust_env=False) as http:
            http.post(f"{server.url}/videos", json={"prompt": "x"}).raise_for_status()
        server.advance(60)
        command += ["--url", server.url, "-H", f"Authorization: Bearer {server.key}"]
        command += ["--checks", CHECKS, "--seed", SEED, "--max-examples", "50"]
        command += ["--warnings", "off", "--continue-on-failure"]
        return subprocess.run(command, cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
