"""Fixtures of the conformance tests: each vendor is served once per session."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.conformance.shop import open_shop

PLAYED = pytest.StashKey[int]()


@pytest.fixture(scope="session")
def market(tmp_path_factory):
    """Return a function that gives the shop of a vendor; its server starts on first use."""
    with ExitStack() as stack:
        shops = {}

        def visit(name):
            if name not in shops:
                folder = tmp_path_factory.mktemp(name)
                shops[name] = stack.enter_context(open_shop(folder, name))
            return shops[name]

        yield visit


@pytest.fixture
def home(tmp_path):
    """Return a fresh IPYREEL_HOME, which is also the notebook's folder."""
    folder = tmp_path / "kernel"
    folder.mkdir()
    return folder


@pytest.fixture
def played(request):
    """Count a case of the fault table."""
    request.config.stash[PLAYED] = request.config.stash.get(PLAYED, 0) + 1


def pytest_terminal_summary(terminalreporter, config):
    """Print the size of the fault table."""
    count = config.stash.get(PLAYED, 0)
    if count:
        terminalreporter.write_line(f"fault table: {count} cases")
