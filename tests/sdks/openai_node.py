"""Run every call of openai-node's `videos` against the demo server: `.ci/long sdks`.

    python -m tests.sdks.openai_node

Exit code: 1 when a call fails; 0 with a sentence where npm or the package cannot be had.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from ipyreel.demo.render import render
from ipyreel.demo.testing import video_server

SCRIPT = """
import assert from "node:assert/strict";
import fs from "node:fs";
import OpenAI, { NotFoundError, BadRequestError, AuthenticationError } from "openai";

const client = new OpenAI({ maxRetries: 0 });
const done = [];
const videos = client.videos;
const advance = seconds => fetch(process.env.OPENAI_BASE_URL.replace("/v1", "/__demo__/clock"), {
  method: "POST", body: JSON.stringify({ advance: seconds }),
  headers: { "content-type": "application/json",
             authorization: "Bearer " + process.env.OPENAI_API_KEY } });
const call = async (name, work) => { const found = await work(); done.push(name); return found; };

const job = await call("create", () => videos.create({ prompt: "a red balloon", seconds: "4" }));
assert.equal(job.status, "queued");
await call("create with a picture", () => videos.create({ prompt: "x", size: "720x1280",
  input_reference: fs.createReadStream("image.png") }));
const url = "data:image/png;base64," + fs.readFileSync("image.png").toString("base64");
await call("create with an address", () => videos.create({ prompt: "x", size: "720x1280",
  input_reference: { image_url: url } }));
await advance(60);
assert.equal((await call("retrieve", () => videos.retrieve(job.id))).status, "completed");
const content = await call("downloadContent", () => videos.downloadContent(job.id));
const film = Buffer.from(await content.arrayBuffer());
assert.equal(film.subarray(4, 8).toString(), "ftyp");
for (const variant of ["thumbnail", "spritesheet"]) {
  const picture = await call(variant, () => videos.downloadContent(job.id, { variant }));
  assert.equal(Buffer.from(await picture.arrayBuffer()).subarray(8, 12).toString(), "WEBP");
}
const listed = [];
for await (const one of await call("list", () => videos.list({ limit: 1 }))) listed.push(one.id);
assert.equal(listed.length, 3);
const remix = await call("remix", () => videos.remix(job.id, { prompt: "at night" }));
assert.equal(remix.remixed_from_video_id, job.id);
if (videos.edit) {
  await call("edit", () => videos.edit({ prompt: "x", video: { id: job.id } }));
  await call("edit of a file", () => videos.edit({ prompt: "x",
    video: fs.createReadStream("video.mp4") }));
  await call("extend", () => videos.extend({ prompt: "x", seconds: "4", video: { id: job.id } }));
}
if (videos.createCharacter) {
  const made = await call("createCharacter", () => videos.createCharacter({ name: "Mo",
    video: fs.createReadStream("video.mp4") }));
  assert.deepEqual(await call("getCharacter", () => videos.getCharacter(made.id)), made);
}
assert.ok((await call("delete", () => videos.delete(job.id))).deleted);
await assert.rejects(videos.retrieve(job.id), NotFoundError);
await assert.rejects(videos.create({ prompt: "x", seconds: "99" }), BadRequestError);
const stranger = new OpenAI({ apiKey: "sk-wrong", maxRetries: 0 });
await assert.rejects(stranger.videos.list(), AuthenticationError);
console.log(`${done.length} calls: ${done.join(", ")}`);
"""


def main() -> int:
    """Install, run; return the exit code."""
    npm = shutil.which("npm")
    if npm is None:
        print("npm is not on this machine: skipped.")  # noqa: T201 - a command says what it does
        return 0
    with tempfile.TemporaryDirectory() as name, video_server(dialect="openai") as server:
        folder = Path(name)
        (folder / "package.json").write_text('{"type": "module", "private": true}')
        command = [npm, "install", "--no-audit", "--no-fund", "--silent", "openai"]
        if subprocess.run(command, cwd=folder, check=False).returncode:
            print("The npm package openai could not be installed: skipped.")  # noqa: T201 - a command says what it does
            return 0
        target = io.BytesIO()
        Image.new("RGB", (720, 1280), "teal").save(target, "PNG")
        (folder / "image.png").write_bytes(target.getvalue())
        render("x", seed=1, width=720, height=1280, seconds=1, path=folder / "video.mp4")
        (folder / "calls.js").write_text(SCRIPT)
        env = {**os.environ, **server.environ, "NO_PROXY": "127.0.0.1"}
        return subprocess.run(["node", "calls.js"], cwd=folder, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
