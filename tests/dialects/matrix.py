"""Makes the table of servers in `src/ipyreel/client/README.md`: what the strict fakes answer.

python -m tests.dialects.matrix      # writes it; test_matrix.py compares it
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from ipyreel.errors import AuthenticationFailed, InvalidRequest, SubmissionUnknown
from tests.dialects.ask import FAKES, at
from tests.dialects.fakes.base import FILM, KEY, START, Stage
from tests.dialects.fakes.dynamo import Dynamo

PAGE = Path(__file__).parents[2] / "src" / "ipyreel" / "client" / "README.md"
PLACE = re.compile(r"(<!-- servers -->\n).*?(<!-- /servers -->)", re.DOTALL)

HIDDEN = {"aiid-grok", "aiid-veo", "aiid-wrapped", "generic-form", "generic-415"}
"""Fakes that are a server again, in another mood."""

SOURCES = {
    "openai": "document of 2026-08-21 (openai/openai-openapi f85dbe2); openai-python 3.54, "
    "openai-node and Schemathesis, run",
    "azure": "documentation of Microsoft, 2026-11",
    "apigo": "documentation of the vendor, 2026-11",
    "apiyi": "documentation of the vendor, 2026-11",
    "aiid": "documentation of the vendor and a client of it, 2026-11",
    "new-api": "source (823e263), partly run",
    "litellm": "LiteLLM 1.108.7 and 1.109.1, run (`.ci/long litellm`)",
    "sglang": "SGLang 0.5.23, run",
    "vllm-omni": "vLLM-Omni 0.30.0, run",
    "trtllm": "source (0076e93)",
    "openrouter": "source of its SDK 1.3.84",
    "generic": "what the others have in common",
    "dynamo": "Dynamo 1.6.1, its frontend run",
}
"""Where the rules of a strict fake are from: software that was run, source, or a document."""


RUN = {
    "portkey": (
        ("no: made once, 500", "as a file", "not asked", "no: 500", "no: 500", "no: 500", "unknown",
         "yes"),
        "Portkey's gateway 1.15.2, run (`.ci/long gateways`): in Node it fails at good answers",
    ),
    "aimock": (
        ("yes", "accepted, ignored", "not asked", "no", "here only", "no", "unknown", "yes"),
        "aimock 1.43.0 in place of a server, run (`.ci/long gateways`)",
    ),
}  # fmt: skip
"""Servers without a fake: what was seen of them, in the order of `COLUMNS`; and of what."""


async def text(table, client):
    """Tell whether a prompt becomes a video."""
    job = await client.wait(await client.create("a boat", **table.fake.ask))
    with tempfile.TemporaryDirectory() as folder:
        await client.download(job, Path(folder) / "a.mp4")
        return "yes" if (Path(folder) / "a.mp4").read_bytes() == FILM else "no"


async def image_file(table, client):
    """Tell how a picture from the disk goes out."""
    await client.create("it moves", **{**table.fake.ask, "images": [START]})
    sent = table.fake.seen[-1]
    return "as a file" if "multipart" in sent.headers["content-type"] else "as data in JSON"


async def image_url(table, client):
    """Tell how a picture goes out that is given by its address."""
    url = f"{table.fake.cdn.origin}/start.png"
    await client.create("it moves", **{**table.fake.ask, "images": [url]})
    return "fetched, as a file" if table.fake.cdn.seen else "its address"


async def failure(table, client):
    """Tell whether the reason of a failed job is shown."""
    job = await client.wait(await client.create("a boat", **table.fake.ask))
    return "yes" if (job.status, job.failure.message) == ("failed", table.fake.failure) else "no"


async def cancel(table, client):
    """Tell what becomes of a job that is not wanted any more."""
    job = await client.create("a boat", **table.fake.ask)
    try:
        return "yes" if await client.delete(job.remote_id) else "no"
    except InvalidRequest:
        return "here only"


async def listing(table, client):
    """Tell whether the server lists its jobs."""
    await client.create("a boat", **table.fake.ask)
    try:
        return "yes" if (await client.list()).jobs else "no"
    except InvalidRequest:
        return "no"


async def lost_answer(table, client):
    """Tell what becomes of a job whose answer was lost: it is never sent again."""
    try:
        await client.create("a boat", **table.fake.ask)
    except SubmissionUnknown:
        (made,) = (job.id for job in table.fake.jobs.values())
        if "list" not in client.provider.routes:
            return "unknown"
        listed = [job.remote_id for job in (await client.list()).jobs]
        return "found in the list" if made in listed else "no"
    return "no"


async def wrong_key(table, _client):
    """Tell whether a wrong key is named as such, and nothing is made."""
    if not table.fake.takes_key:
        return "no key"
    async with table.client(key=f"{KEY}-wrong") as other:
        try:
            await other.create("a boat", **table.fake.ask)
        except AuthenticationFailed:
            return "yes" if not table.fake.jobs else "no"
    return "no"


COLUMNS = {
    "text": (text, {}),
    "image file": (image_file, {}),
    "image address": (image_url, {}),
    "reason of a failure": (failure, {"fails": True}),
    "cancel": (cancel, {}),
    "list": (listing, {}),
    "lost answer": (lost_answer, {"drops": True}),
    "wrong key refused": (wrong_key, {}),
}


def table(stage):
    """Return the table as Markdown."""
    names = ["server", *COLUMNS, "the rules of the fake are from"]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    for make in (*FAKES, Dynamo):
        if make.name not in HIDDEN:
            found = [at(stage, make(**mood), ask) for ask, mood in COLUMNS.values()]
            lines.append("| " + " | ".join([f"`{make.name}`", *found, SOURCES[make.name]]) + " |")
    for name, (seen, source) in RUN.items():
        lines.append("| " + " | ".join([f"`{name}`", *seen, source]) + " |")
    return "\n".join(lines) + "\n"


def main():
    """Write the table."""
    stage = Stage()
    page = PAGE.read_text(encoding="utf-8")
    made = table(stage)
    stage.close()
    PAGE.write_text(PLACE.sub(lambda m: f"{m[1]}{made}{m[2]}", page), encoding="utf-8")


if __name__ == "__main__":
    main()
