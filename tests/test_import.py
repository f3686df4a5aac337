"""Importing and loading do nothing: no file, socket, thread, or heavy module."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import ipyreel
from tests.support import quiet
from tests.support.jupyter import environment

HEAVY = {"httpx", "ipywidgets", "av", "sqlite3", "numpy", "PIL", "starlette", "uvicorn"}
HEAVY |= {"nest_asyncio", "nest_asyncio2"}
OURS = {"IPYREEL_PROVIDER": "apiyi", "IPYREEL_HOME": "/nowhere", "APIYI_API_KEY": "sk-not-read"}
OURS |= {"OPENAI_API_KEY": "sk-not-read", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}


def watch(what, tmp_path):
    """Return what was seen, and all that was printed before it."""
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", quiet.__file__, what],
        cwd=tmp_path,
        env={**environment(tmp_path / "home"), **OURS},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    printed, _, report = done.stdout.rstrip("\n").rpartition("\n")
    return json.loads(report), printed + done.stderr


@pytest.mark.parametrize("what", ["import", "load_ext"])
def test_nothing_happens_behind_the_words(what, tmp_path):
    seen, printed = watch(what, tmp_path)
    assert "ipyreel" in seen["modules"]
    unwanted = HEAVY | ({"IPython", "traitlets"} if what == "import" else set())
    assert {name.partition(".")[0] for name in seen["modules"]} & unwanted == set()
    assert seen["files"] == []
    assert seen["effects"] == []
    assert seen["threads"] == 0
    assert set(seen["environ"]) & OURS.keys() == set()
    assert "ipyreel" not in printed


def test_a_cell_does_not_wait_for_http_to_be_loaded():
    names = "ipyreel.notebook.screen, ipyreel.notebook.commands.cells"
    code = f"import sys, {names}; print(sys.modules.keys() & {{'httpx', 'httpcore'}})"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_no_module_takes_the_place_of_a_function():
    # Python sets an imported module as an attribute of its package.
    modules = {path.stem for path in Path(ipyreel.__file__).parent.iterdir()}
    assert modules & set(ipyreel.__all__) == set()


def test_the_watch_sees_what_it_watches_for(tmp_path):
    loud = tmp_path / "loud"
    loud.mkdir()
    text = (
        "import os, threading, httpx; os.environ.get('APIYI_API_KEY'); open('x.txt', 'w').close()"
    )
    (loud / "ipyreel.py").write_text(f"{text}\n", encoding="utf-8")
    env = {**environment(tmp_path / "home"), **OURS, "PYTHONPATH": str(loud)}
    command = [sys.executable, quiet.__file__, "import"]
    output = subprocess.check_output(command, cwd=tmp_path, env=env, text=True)
    seen = json.loads(output)
    assert "httpx" in seen["modules"]
    assert "x.txt" in seen["files"]
    assert "APIYI_API_KEY" in seen["environ"]


def state_of(shell):
    """Everything of a shell that an extension could leave something in."""
    manager = shell.magics_manager
    return {
        "line": dict(manager.magics["line"]),
        "cell": dict(manager.magics["cell"]),
        "registry": dict(manager.registry),
        "configurables": list(shell.configurables),
        "matchers": list(shell.Completer.custom_matchers),
        "events": {name: list(found) for name, found in shell.events.callbacks.items()},
        "transformers": [*shell.input_transformers_cleanup, *shell.input_transformers_post],
        "exceptions": (shell.custom_exceptions, shell.showtraceback, shell.CustomTB),
        "names": set(shell.user_ns),
        "formatters": {
            name: dict(found.type_printers)
            for name, found in shell.display_formatter.formatters.items()
        },
    }


def test_unload_puts_the_shell_back(shell, capsys):
    # Not by the magics, which IPython itself loads, and keeps, when they are first used.
    extensions = shell.extension_manager
    before = state_of(shell)
    for _ in range(2):
        extensions.load_extension("ipyreel")
        assert "video" in shell.magics_manager.magics["line"]
        assert "video" in shell.magics_manager.magics["cell"]
        assert len(shell.configurables) == len(before["configurables"]) + 1
        extensions.reload_extension("ipyreel")
        assert len(shell.configurables) == len(before["configurables"]) + 1
        extensions.unload_extension("ipyreel")
        assert state_of(shell) == before
    assert capsys.readouterr().out == ""
    assert list(Path.cwd().iterdir()) == []


def test_a_magic_of_ones_own_comes_back(shell):
    def video(line):
        return f"mine: {line}"

    shell.register_magic_function(video, "line")
    extensions = shell.extension_manager
    extensions.load_extension("ipyreel")
    assert "video" in shell.magics_manager.magics["cell"]
    extensions.reload_extension("ipyreel")
    extensions.unload_extension("ipyreel")
    assert shell.run_line_magic("video", "x") == "mine: x"
    assert "video" not in shell.magics_manager.magics["cell"]
