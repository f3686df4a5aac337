"""What the conformance tests share: vendors that are served once, and the size of the table."""

from __future__ import annotations

from contextlib import ExitStack

import httpx
import pytest

from tests.conformance.shop import KINDS, open_shop

PLAYED = pytest.StashKey[int]()


@pytest.fixture(scope="session")
def market(tmp_path_factory):
    """Return the shop of a kind, its server started when it is first asked for."""
    with ExitStack() as stack:
        shops = {}

        def visit(name):
            if name not in shops:
                folder = tmp_path_factory.mktemp(name)
                shops[name] = stack.enter_context(open_shop(folder, KINDS[name]))
            return shops[name]

        yield visit


@pytest.fixture(scope="session")
def trust():
    """Return the certificates, read once: reading them is half of a case's time."""
    return httpx.create_ssl_context()


@pytest.fixture(autouse=True)
def quick_start(trust, monkeypatch):
    """Give every client the certificates that were read already."""
    monkeypatch.setattr(httpx, "create_ssl_context", lambda: trust)


@pytest.fixture
def home(tmp_path):
    """Return a fresh IPYREEL_HOME, which is the notebook's folder too."""
    folder = tmp_path / "kernel"
    folder.mkdir()
    return folder


@pytest.fixture
def played(request):
    """Count a case of the fault table."""
    request.config.stash[PLAYED] = request.config.stash.get(PLAYED, 0) + 1


def pytest_terminal_summary(terminalreporter, config):
    """Say how large the fault table was."""
    count = config.stash.get(PLAYED, 0)
    if count:
        terminalreporter.write_line(f"fault table: {count} cases")
