"""The server for all strict fakes, and a shell whose `ipyreel.toml` points to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ipyreel.jobs.poller import PollPolicy
from ipyreel.jobs.run import JobConfig
from ipyreel.notebook import api
from tests.dialects.fakes.base import Stage


@pytest.fixture(scope="session")
def stage():
    opened = Stage()
    yield opened
    opened.close()


@pytest.fixture
def load(shell):
    """Load the extension beside an `ipyreel.toml` of the given text; returns the shell."""

    def loaded(toml=""):
        if toml:
            Path("ipyreel.toml").write_text(toml, encoding="utf-8")
        shell.run_cell("%load_ext ipyreel")
        # Against a server on this machine: as quick as it allows.
        pace = PollPolicy(first=0.01, floor=0.01, cap=0.05)
        api.screen().session.manager.rules = JobConfig(pace=pace)
        return shell

    yield loaded
    api.close()
