"""A key is found nowhere but in the header that it is for: every file of a long day is searched.

The day is lived by a real kernel: keys from a variable, from a variable that `ipyreel.toml`
names, and typed; jobs that go well and jobs that meet refusals, broken servers, redirects to
another origin, unreadable answers and half a download. All logging is on.
"""

from __future__ import annotations

import base64
import json
import random
import sqlite3
import struct
import time
from pathlib import Path

import nbformat
import pytest

from ipyreel.demo.render import render
from tests.support.demo import running_demo
from tests.support.kernel import PATIENCE, Kernel

KEYS = {
    "apiyi": "sk-5Yf0cQeBnR8tWzKxV3mJ-environment",
    "shop": "sk-Jw9LdHs2PqXvTg6NbC4r-of-the-toml",
    "private": "sk-Zt7AkMu1EyRfGo5IhD8p-typed-by-hand",
}
"""Provider -> its key: a built-in row, one of the person's, and one whose key is typed."""

TOML = """
[providers.apiyi]
base_url = "{url}"
dialect = "openai"
[providers.shop]
title = "Shop"
base_url = "{url}"
dialect = "openai"
default_model = "m-1"
key_vars = ["SHOP_API_KEY"]
[providers.private]
title = "Private"
base_url = "{url}"
dialect = "openai"
default_model = "m-1"
needs_key = true
"""


def fault(step, count=None, **do):
    return {"step": step, "do": do, **({} if count is None else {"count": count})}


WELL = {"it goes well": (None, "completed")}
BRIEF = {
    **WELL,
    "401 at create": (fault("create", status=401), "failed"),
    "500 at create": (fault("create", status=500), "unknown"),
    "a file at another origin": (fault("content", redirect="other"), "completed"),
}
"""What happens -> the provider's fault, and how the job ends."""

AWAY = {"location": "http://localhost:9/v1/videos?a=b"}
REPEATED = {"error": {"message": f"Invalid token: {KEYS['private']}"}}
LONG = {
    **BRIEF,
    "401 that repeats the key": (fault("create", status=401, body=REPEATED), "failed"),
    "create answers a page that repeats the request": (
        fault("create", status=200, body=f"<html>Authorization: Bearer {KEYS['private']}"),
        "unknown",
    ),
    "a page that repeats the key while polling": (
        fault("retrieve", 1, status=500, body=f"<html>{KEYS['private']}"),
        "completed",
    ),
    "create moves away": (fault("create", status=307, headers=AWAY), "failed"),
    "401 while polling": (fault("retrieve", status=401), "queued"),
    "a cut download": (fault("content", 1, cut=2_000_000), "completed"),
    "a private address": (fault("content", redirect="http://10.0.0.1/clip.mp4"), "failed"),
}

PREPARE = """
import dataclasses, logging, traceback, ipyreel
from ipyreel.jobs import poller
from ipyreel.jobs import recover
from ipyreel.notebook import api
%load_ext ipyreel
%xmode Verbose
logging.basicConfig(level=logging.DEBUG, filename="everything.log", force=True)
recover.WAITS = (0.0,)
manager = api.screen().session.manager
pace = poller.PollPolicy(first=0.05, factor=1.0, floor=0.05, cap=0.05, grace=0.2)
manager.rules = dataclasses.replace(manager.rules, pace=pace)
"""

LOOK = """
%video
%video jobs
%video history
%video providers
%video doctor
"""

TELL = """
def tell():
    session = api.screen().session
    for thing in (session, session.keys, session.settings, session.catalog, session.manager):
        yield from (repr(thing), str(thing), f"{thing}")
    for client in session._connections._clients.values():
        yield from (repr(client), repr(client.key), str(client.key), repr(client._http))
        yield repr({name: getattr(client._http, name) for name in vars(client._http)})
    for row in session.catalog.providers.values():
        yield f"{row} {session.keys.find(row)!r} {session.keys.where(row)}"
    for job in ipyreel.history(limit=100):
        yield from (repr(job), repr(job.snapshot))
        error = job.error
        while error is not None:
            yield from (repr(error), str(error), repr(vars(error)), repr(error.args))
            yield from traceback.format_exception(type(error), error, error.__traceback__)
            error = error.__cause__ or error.__context__
"""


@pytest.fixture
def demo(tmp_path):
    """A provider whose videos are large enough for parts of them to be written."""
    shelf = tmp_path / "server" / "demo"
    shelf.mkdir(parents=True)
    render("stub", seed=0, width=64, height=64, seconds=1, path=shelf / "stub.mp4")
    pad = random.Random(0).randbytes(3_000_000)  # noqa: S311 - filling
    with (shelf / "stub.mp4").open("ab") as file:
        file.write(struct.pack(">I4s", 8 + len(pad), b"free") + pad)
    with running_demo(tmp_path / "server", stub=True, speed=50.0) as live:
        yield live


class Day:
    """A kernel and what it showed, cell by cell."""

    def __init__(self, kernel: Kernel, demo) -> None:
        self.kernel = kernel
        self.demo = demo
        self.cells = []

    def run(self, code: str):
        """Run a cell; what it shows will be in the notebook."""
        cell = self.kernel.run(code)
        self.cells.append((code, cell))
        return cell

    def type_key(self, provider: str, key: str) -> None:
        """Answer the question of `%video key` as a person does."""
        code = f"%video key {provider}"
        sent = self.kernel.send(code)
        asked = self.kernel._client.get_stdin_msg(timeout=PATIENCE)["content"]
        assert asked["password"] is True
        self.kernel._client.input(key)
        cell = self.kernel.wait(sent)
        assert cell.status == "ok"
        self.cells.append((code, cell))

    def live_through(self, provider: str, happenings) -> None:
        """Send a job into each happening; it must end as expected, or nothing was tested."""
        for name, (rule, end) in happenings.items():
            self.demo.faults.clear()
            if rule is not None:
                self.demo.faults.add(rule)
            self.run(f"%%video --provider {provider} --wait\n{name}")
            status = self.kernel.evaluate("ipyreel.job().status")
            assert (name, status) == (name, repr(end))
            self.run("ipyreel.job()")
            self.run("ipyreel.job().error")
            self.run("ipyreel.job().wait(1)")
        self.demo.faults.clear()

    def leave_a_part(self, provider: str, folder: Path) -> None:
        """Stop a download in the middle, so that its part and its record stay."""
        self.demo.faults.add(fault("content", slow=2_000_000))
        self.run(f"%%video --provider {provider} part\na part")
        deadline = time.monotonic() + PATIENCE
        while not any(path.stat().st_size for path in folder.glob("*.mp4.*.part")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        self.run("part.cancel()")
        self.demo.faults.clear()

    def save(self, path: Path) -> None:
        """Save the notebook, and beside it all messages (widgets keep their state in them)."""
        cells = []
        for code, cell in self.cells:
            shown = ("stream", "display_data", "execute_result", "error")
            outputs = [
                nbformat.v4.output_from_msg(message)
                for message in cell.messages
                if message["msg_type"] in shown
            ]
            cells.append(nbformat.v4.new_code_cell(code, outputs=outputs))
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        everything = json.dumps(self.kernel.messages(), default=str)
        path.with_suffix(".messages").write_text(everything, encoding="utf-8")


@pytest.mark.notebook
def test_no_key_is_found_anywhere(demo, tmp_path):
    folder = tmp_path / "notebook"
    folder.mkdir()
    (folder / "ipyreel.toml").write_text(TOML.format(url=demo.url), encoding="utf-8")
    (folder / "day.ipynb").write_text("{}", encoding="utf-8")  # beside it, videos are linked
    env = {
        "APIYI_API_KEY": KEYS["apiyi"],
        "SHOP_API_KEY": KEYS["shop"],
        "JPY_SESSION_NAME": str(folder / "day.ipynb"),
    }
    with Kernel(tmp_path / "home", cwd=folder, env=env) as kernel:
        day = Day(kernel, demo)
        assert day.run(PREPARE).status == "ok"
        day.type_key("private", KEYS["private"])
        for provider, happenings in zip(KEYS, (WELL, BRIEF, LONG), strict=True):
            day.live_through(provider, happenings)
            day.run(f"%%video --provider {provider} --dry-run\nA lighthouse")
        day.leave_a_part("private", folder / "videos")
        for line in LOOK.split("\n"):
            day.run(line)
        day.run(TELL)
        told = day.run("print('\\n'.join(tell()))")
        assert told.status == "ok", told.error
        day.save(folder / "day.ipynb")
        # While the library is open, its -wal lies beside it.
        assert found(tmp_path) == []
    assert found(tmp_path) == []
    assert_lived(demo, folder, tmp_path / "home" / "ipyreel" / "library.sqlite")


def assert_lived(demo, folder, library):
    """The keys were in use, went to their own origin only, and the logs were on."""
    for seen in demo.log():
        assert seen.authorization == (seen.step != "file"), seen
    assert [seen for seen in demo.log() if seen.step == "file"]
    log = (folder / "everything.log").read_text(encoding="utf-8")
    assert "httpcore" in log
    assert "send_request_headers" in log
    assert library.read_bytes().startswith(b"SQLite")
    assert list(folder.glob("videos/*.json"))


def found(root: Path) -> list[tuple[str, str, str]]:
    """Search all files under `root`; returns (file, provider, form) of each hit."""
    hits = []
    for path in sorted(root.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        hits += [
            (str(path.relative_to(root)), provider, form)
            for provider, key in KEYS.items()
            for form, needle in forms(key).items()
            if needle in data
        ]
    return hits


def forms(key: str) -> dict[str, bytes]:
    """Return what a key looks like in files; its middle stands for a key cut at either end."""
    middle = key[6:20].encode()
    shifted = {
        # What stays the same whatever stands before and after it.
        f"base64 from {skip}": base64.b64encode(bytes(skip) + middle)[4 if skip else 0 : -4]
        for skip in range(3)
    }
    return {
        "plain": middle,
        "hex": middle.hex().encode(),
        "utf-16": middle.decode().encode("utf-16-le"),
        **shifted,
    }


@pytest.mark.parametrize("provider", KEYS)
def test_the_search_finds_what_is_there(provider, tmp_path):
    key = KEYS[provider]
    with sqlite3.connect(tmp_path / "some.sqlite") as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("INSERT INTO t VALUES (?)", (f"Bearer {key}",))
    connection.close()
    (tmp_path / "deep").mkdir()
    for number, text in enumerate(("", "B", "Be", "Bearer ")):
        coded = base64.b64encode(f"{text}{key}".encode())
        (tmp_path / "deep" / f"{number}.txt").write_bytes(coded)
    assert {(path, name) for path, name, _ in found(tmp_path)} == {
        ("some.sqlite", provider),
        *((f"deep/{number}.txt", provider) for number in range(4)),
    }
    (tmp_path / "deep" / "shown.txt").write_text(f"{key[:3]}…{key[-4:]}")
    assert "deep/shown.txt" not in {path for path, *_ in found(tmp_path)}
