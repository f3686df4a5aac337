"""Browser, servers and pages for the tests in this folder."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.support.demo import running_demo
from tests.support.lab import LAB, App, Lab, LabServer, find_chromium, launch_chromium
from tests.support.lab import open_page as open_lab_page


@pytest.fixture(scope="module")
def browser():
    """One Chromium per test module.

    Not per session: while Playwright's synchronous form is open, its loop counts as running
    in this thread, and every `asyncio.run` of other tests would be refused.
    """
    executable = find_chromium()
    if executable is None:
        message = "no Chromium on this machine (apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        opened = launch_chromium(playwright, executable)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def app() -> App:
    """The front end that a module tests."""
    return LAB


@pytest.fixture(scope="module")
def start_server(tmp_path_factory, app):
    """Return a function that starts one more of the module's `app`; all end with the module.

    `start_server(root)` has folders of its own, so that it trusts no notebook of another.
    """
    servers: list[LabServer] = []
    homes: list[Path] = []

    def start(root: Path | None = None, **how: Any) -> LabServer:
        homes.append(tmp_path_factory.mktemp("lab-home"))
        where = root or tmp_path_factory.mktemp("lab-root")
        servers.append(LabServer(where, homes[-1], app=app, **how))
        return servers[-1].wait_ready()

    yield start
    for server in servers:
        server.stop()
    for home in homes:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def server(start_server):
    return start_server()


REFUSED = {
    "status": "failed",
    "error": {"code": "moderation_blocked", "message": "The content filter refused the prompt."},
}
REFUSES = {"step": "retrieve", "do": {"job": REFUSED}}
SHOPS: dict[str, dict[str, Any]] = {
    "quick": {"speed": 200},
    "slow": {"speed": 0.002},  # as good as never: what it makes stays under way
    "bad": {"speed": 200, "faults": [REFUSES]},
    "once": {"speed": 200, "faults": [{**REFUSES, "count": 1}]},  # and then it is well
}


@pytest.fixture
def shops(server, tmp_path):
    """Providers that every notebook of the server may ask, `quick` by itself: see `SHOPS`."""
    with contextlib.ExitStack() as stack:
        rows = ['provider = "quick"']
        for name, how in SHOPS.items():
            demo = stack.enter_context(running_demo(tmp_path / name, stub=True, **how))
            rows += [f"[providers.{name}]", f'base_url = "{demo.url}"', 'dialect = "openai"']
            rows += ['routes = ["list", "delete", "remix"]']
        toml = server.root / "ipyreel.toml"
        toml.write_text("\n".join(rows), encoding="utf-8")
        yield
        toml.unlink()


@pytest.fixture
def open_page(browser):
    """Return a function that opens one more page on a server; all close with the test."""
    pages: list[Lab] = []

    def open_lab(server: LabServer) -> Lab:
        pages.append(open_lab_page(server, browser))
        return pages[-1]

    yield open_lab
    for page in pages:
        page.close()


@pytest.fixture
def lab(open_page, server):
    return open_page(server)
