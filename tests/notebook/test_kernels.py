"""A real kernel, message by message; `python -m tests.kernels 6.31 7.1` tests other versions."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from tests.support.demo import running_demo
from tests.support.kernel import Kernel, is_idle

pytestmark = pytest.mark.notebook

LOAD = "%load_ext ipyreel"
VIDEO = "%%video clip\nwaves at night"
TOML = 'provider = "lab"\n[providers.lab]\nbase_url = "{}"\ndialect = "openai"\n'
IN_FLIGHT = {"'submitting'", "'queued'", "'in_progress'"}
DELIVERS = not importlib.metadata.version("ipykernel").startswith("7.0.")
"""ipykernel 7.0.0 and 7.0.1 send nothing from threads: ipykernel#1450."""

TURNS = """import asyncio
turns = []
async def turn():
    while True:
        turns.append(1)
        await asyncio.sleep(0.01)
turning = asyncio.get_running_loop().create_task(turn())"""


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a kernel, beside a provider that is as quick as is told."""
    opened = []

    def start_kernel(speed):
        demo = running_demo(tmp_path / "server", stub=True, speed=speed)
        opened.append(demo)
        Path("ipyreel.toml").write_text(TOML.format(demo.__enter__().url), encoding="utf-8")
        here = Path.cwd()
        env = {"JPY_SESSION_NAME": str(here / "heft.ipynb")}
        opened.append(Kernel(tmp_path / "jupyter", cwd=here, env=env))
        kernel = opened[-1].__enter__()
        assert kernel.run(LOAD).status == "ok"
        return kernel

    yield start_kernel
    for one in reversed(opened):
        one.__exit__(None, None, None)


def slot(cell):
    """Return the display_id of a cell's card; what is saved of it is another output."""
    (card,) = [d for d in cell.displays if "application/vnd.jupyter.widget-view+json" in d["data"]]
    return card["transient"]["display_id"]


def plays(display_id):
    """Return the condition for the message that puts the video in the place of the card."""

    def is_it(message):
        content = message["content"]
        return (
            message["msg_type"] == "update_display_data"
            and content["transient"]["display_id"] == display_id
            and "<video" in content["data"]["text/html"]
        )

    return is_it


def moves(message):
    """Tell whether this message moves a progress bar."""
    if message["msg_type"] != "comm_msg":
        return False
    return "progressbar" in str(message["content"]["data"].get("state", {}).get("value", ""))


@pytest.mark.skipif(not DELIVERS, reason="this ipykernel sends nothing from threads")
def test_a_card_moves_and_ends_while_another_cell_blocks(start):
    kernel = start(speed=1)
    display_id = slot(kernel.run(VIDEO))
    blocked = kernel.send("print('in'); import time; time.sleep(3600)")
    kernel.wait_for(lambda message: message["content"].get("text") == "in\n", parent=blocked)
    seen = len(kernel.messages())
    kernel.wait_for(plays(display_id))
    assert any(moves(message) for message in kernel.messages()[seen:])
    assert not any(is_idle(message) for message in kernel.messages(blocked))
    kernel.interrupt()
    assert kernel.wait(blocked).error[0] == "KeyboardInterrupt"


@pytest.mark.skipif(DELIVERS, reason="this ipykernel sends from threads")
def test_a_deaf_kernel_says_so_once_and_catches_up(start):
    kernel = start(speed=50)
    first, second = kernel.run(VIDEO), kernel.run(VIDEO)
    told = [
        str(cell.displays).count("7.0 delivers nothing from threads") for cell in (first, second)
    ]
    assert told == [2, 0]  # as text and as HTML
    assert kernel.run("clip.wait();").status == "ok"
    assert kernel.wait_for(plays(slot(second)))
    assert kernel.run("%video jobs").status == "ok"
    assert kernel.wait_for(plays(slot(first)))


def test_an_interrupt_ends_the_wait_and_not_the_job(start):
    kernel = start(speed=0.02)
    kernel.run(VIDEO)
    sweep = "get_ipython().run_cell_magic('video', 'seas --vary mood=calm,wild -w', 'A {mood} sea')"
    for waiting in ("clip.wait()", "await clip", "%video wait", sweep):
        sent = kernel.send(f"print('in')\n{waiting}")
        kernel.wait_for(lambda message: message["content"].get("text") == "in\n", parent=sent)
        if waiting == sweep:  # that both jobs exist
            kernel.wait_for(lambda message: "2 jobs" in str(message["content"]), parent=sent)
        kernel.interrupt()
        name, text = kernel.wait(sent).error
        assert name in {"KeyboardInterrupt", "CancelledError", "VideoError"}
        assert kernel.evaluate("clip.status") in IN_FLIGHT
    assert "Stopped waiting; 2 of 2 jobs continue." in text
    assert kernel.evaluate("any(job.done() for job in seas)") == "False"
    assert "'" in kernel.evaluate("clip.cancel()")
    assert kernel.evaluate("clip.status") == "'cancelled'"


def test_run_all_loses_no_cell_to_a_nested_wait(start):
    kernel = start(speed=4)
    cells = [
        TURNS,
        "%config VideoMagics.nest_asyncio = True",
        VIDEO,
        "before = len(turns); clip.wait(); after = len(turns)",
        "print('one')",
        "print('two')",
    ]
    sent = [kernel.send(cell) for cell in cells]
    done = [kernel.wait(msg_id) for msg_id in sent]
    assert [cell.status for cell in done] == ["ok"] * len(cells)
    assert [cell.stdout for cell in done[-2:]] == ["one\n", "two\n"]
    nested = "slices" not in done[3].stderr
    assert (kernel.evaluate("after > before + 2") == "True") is nested
