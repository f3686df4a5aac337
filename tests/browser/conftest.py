"""Browser, servers and pages for the tests in this folder.

Each takes seconds to start, so servers live as long as the session, and the browser and its pages
as long as there are tests of this folder. A test gets a page that is as good as new (`Lab.reset`).
"""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.support.demo import running_demo
from tests.support.lab import LAB, App, Lab, LabServer, find_chromium, launch_chromium
from tests.support.lab import open_page as open_lab_page


@pytest.fixture(scope="package")
def browser():
    """One Chromium for all tests of this folder.

    Not for the session: while Playwright's synchronous form is open, its loop counts as running
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


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """Return a function that gives one of the session's servers, with kernels or without.

    Those of one app serve the same folder, but each takes the other's notebooks for untrusted.
    """
    roots = {}
    servers = {}

    def server_of(app, *, kernels=True):
        if (app, kernels) not in servers:
            root = roots.setdefault(app, tmp_path_factory.mktemp("lab-root"))
            how = {"kernels": kernels, "base_url": "/" if kernels else "/user/zoe/"}
            home = tmp_path_factory.mktemp("lab-home")
            servers[app, kernels] = LabServer(root, home, app=app, **how).wait_ready()
        return servers[app, kernels]

    yield server_of
    for server in servers.values():
        server.begin_to_stop()
    for server in servers.values():
        server.stop()


@pytest.fixture(scope="module")
def server(serve, app, browser):  # noqa: ARG001 - without a browser, no server is needed
    return serve(app)


@pytest.fixture(scope="package")
def idle_pages(browser):  # noqa: ARG001 - it outlives its pages
    """Pages that no test uses at the moment, by the address of their server."""
    pages = defaultdict(list)
    yield pages
    for found in pages.values():
        for page in found:
            page.close()


@pytest.fixture
def open_page(browser, idle_pages):
    """Return a function that gives one more page on a server, for as long as the test lasts."""
    used: list[Lab] = []

    def page_on(server: LabServer) -> Lab:
        idle = idle_pages[server.url]
        used.append(idle.pop() if idle else open_lab_page(server, browser))
        used[-1].console_errors.clear()  # what came of the end of earlier kernels
        return used[-1]

    yield page_on
    for page in used:
        if not page.page.is_closed():
            page.reset()
            idle_pages[page.server.url].append(page)


@pytest.fixture
def lab(open_page, server):
    return open_page(server)


@pytest.fixture
def stranger(open_page, serve, app):
    """Return a function that opens a notebook as others do: untrusted, and without a kernel."""

    def open_notebook(path: str) -> Lab:
        page = open_page(serve(app, kernels=False))
        page.open(path, kernel=False)
        assert not page.is_trusted(1)
        return page

    return open_notebook


REFUSED = {
    "status": "failed",
    "error": {"code": "moderation_blocked", "message": "The content filter refused the prompt."},
}
REFUSES = {"step": "retrieve", "do": {"job": REFUSED}}
HOLDS = {"step": "retrieve", "do": {"job": {"status": "in_progress", "progress": 40}}}
MOVES = [{**HOLDS, "count": 1, "do": {"job": {"status": "in_progress", "progress": percent}}}
         for percent in (10, 25)] + [HOLDS]  # fmt: skip
"""A job's progress moves, and stands still until a test clears the faults."""
SHOPS: dict[str, dict[str, Any]] = {
    "quick": {},
    "held": {"faults": [HOLDS]},  # its jobs stay active until a test clears the faults
    "bad": {"faults": [REFUSES]},
    "once": {"faults": [{**REFUSES, "count": 1}]},  # the next job works
    "draws": {"stub": False},
}


@pytest.fixture
def shops(server, tmp_path):
    """Providers for every notebook of the server, `quick` by default: name -> its demo server.

    Only `draws` renders; each other video is the same second of 64x64 pixels.
    """
    with contextlib.ExitStack() as stack:
        rows, demos = ['provider = "quick"'], {}
        for name, how in SHOPS.items():
            demo = running_demo(tmp_path / name, **{"stub": True, "speed": 200, **how})
            demos[name] = stack.enter_context(demo)
            rows += [f"[providers.{name}]", f'base_url = "{demos[name].url}"']
            rows += ['dialect = "openai"', 'routes = ["list", "delete", "remix"]']
        toml = server.home / "ipyreel" / "ipyreel.toml"
        toml.write_text("\n".join(rows), encoding="utf-8")
        yield demos
        toml.unlink()
