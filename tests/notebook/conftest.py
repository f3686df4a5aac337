"""A shell with the extension loaded, and a live demo provider behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

from ipyreel.notebook import api
from ipyreel.notebook.frontends import FrontEnd
from tests.support.demo import running_demo
from tests.support.shells import PLAIN

JUPYTER = FrontEnd(kind="jupyter", widgets=True, links=True, embeds=True)
COLAB = FrontEnd(kind="colab", widgets=True, embeds=True)
HEADLESS = FrontEnd(kind="headless", links=True, embeds=True, front_end=False)
TERMINAL = FrontEnd(kind="terminal", html=False)


@pytest.fixture
def publisher(monkeypatch):
    """What an IPython shell without the extension displays: `outputs`, the oldest first."""
    shell = InteractiveShell.instance(config=PLAIN)
    found = CapturingDisplayPublisher(parent=shell)
    monkeypatch.setattr(shell, "display_pub", found)
    yield found
    InteractiveShell.clear_instance()


@pytest.fixture
def live(tmp_path):
    """A demo server that the tests' `ipyreel.toml` calls `lab`: an openai-like provider."""
    with running_demo(tmp_path / "server", stub=True, speed=50) as demo:
        Path("ipyreel.toml").write_text(
            f'provider = "lab"\n[providers.lab]\nbase_url = "{demo.url}"\ndialect = "openai"\n'
            'routes = ["list", "delete", "remix", "edits", "extensions"]\n',
            encoding="utf-8",
        )
        yield demo


def said(shell, line=""):
    """Return what a line of `%video` shows as text."""
    return repr(shell.run_cell(f"%video {line}").result)


def hurry():
    """Have the session ask a server on this machine as quickly as it allows."""
    session = api.screen().session
    quick = session.rules.pace.__class__(first=0.02, floor=0.02, cap=0.1, grace=0.1)
    session.manager.rules = session.rules.__class__(pace=quick)


@pytest.fixture
def reel(shell, live):  # noqa: ARG001 - it is there for the toml it wrote
    """The shell with `%load_ext ipyreel` done; what it started is stopped afterwards."""
    shell.run_cell("%load_ext ipyreel")
    hurry()
    yield shell
    api.close()


@pytest.fixture
def screen(reel, monkeypatch):  # noqa: ARG001 - what is asked for here belongs to the shell
    """The screen of the shell's session, in a front end like JupyterLab."""
    notebook = Path.cwd() / "here.ipynb"
    notebook.write_text("{}", encoding="utf-8")
    monkeypatch.setenv("JPY_SESSION_NAME", str(notebook))
    found = api.screen()
    found.host = JUPYTER
    return found
