"""A real terminal: IPython redraws one line, and Jupyter's console prints lines as they come."""

from __future__ import annotations

import os
import re
import sys

import pytest

pexpect = pytest.importorskip("pexpect")

PROMPT = r"In \[{}\]: "


@pytest.fixture
def start(live, tmp_path):  # noqa: ARG001 - it is there for the toml it wrote
    """Return a function that starts `python -m` with a module and options."""
    opened = []

    def spawn(*command):
        places = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")
        env = {**os.environ, **{name: str(tmp_path / name) for name in places}, "TERM": "xterm"}
        opened.append(
            pexpect.spawn(
                sys.executable, ["-m", *command, "--simple-prompt"], env=env, encoding="utf-8",
                timeout=60, dimensions=(40, 120),
            )
        )  # fmt: skip
        opened[0].expect(PROMPT.format(1))
        return opened[0]

    yield spawn
    for one in opened:
        one.sendline("exit")
        one.expect(pexpect.EOF)


@pytest.fixture
def terminal(start):
    return start("IPython", "--no-banner", "--no-confirm-exit", "--colors=NoColor")


def run(terminal, number, line):
    """Run one line; return what was printed until the next prompt."""
    terminal.sendline(line)
    terminal.expect(PROMPT.format(number + 1))
    return terminal.before.replace("\r\n", "\n")


def cell(options):
    return f"get_ipython().run_cell_magic('video', '{options}', 'A boat')"


def test_a_cell_that_waits_redraws_its_line_and_ends_with_the_path(terminal):
    run(terminal, 1, "%load_ext ipyreel")
    text = run(terminal, 2, cell("-w"))
    lines = text.split("\x1b[1A\r\x1b[K")
    assert len(lines) >= 2  # redrawn in place, so that one line is seen at a time
    assert all(line.startswith("Video v") for line in lines[1:])
    assert all(line.count("\n") == 1 for line in lines[1:-1])
    last = re.search(
        r"Video (v\w+): Done .*\n  (/\S+\.mp4) \(.*\)\nOut\[2\]: Job (v\w+)", lines[-1]
    )
    assert last[1] == last[3]
    assert os.path.isfile(last[2])  # noqa: PTH113 - a path as it was printed
    text = run(terminal, 3, cell(""))  # which does not wait, and names its job
    assert re.search(r"Video (v\w+): \w+ .*\nOut\[3\]: Job \1\n", text)
    text = run(terminal, 4, "_.wait()")  # once, and the value by its name
    assert re.search(r"Video (v\w+): Done .*\n.*\nOut\[4\]: Video \1\n", text)
    assert text.count(".mp4") == 1


def test_the_console_of_jupyter_prints_a_line_and_then_the_path(start):
    pytest.importorskip("jupyter_console", reason="jupyter-console is not installed")
    console = start("jupyter_console")
    run(console, 1, "%load_ext ipyreel")
    assert re.search(r"Video v\w+: \w+ .*\n", run(console, 2, f"clip = {cell('')}"))
    text = run(console, 3, "video = clip.wait()")
    assert os.path.isfile(re.search(r"Done .*\n  (/\S+\.mp4) \(", text)[1])  # noqa: PTH113 - as printed
