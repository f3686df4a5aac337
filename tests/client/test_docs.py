"""The examples in src/ipyreel/client/README.md run as printed."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.client.support.films import mp4
from tests.client.support.rows import DONE, QUEUED
from tests.client.support.server import File, Server, reply
from tests.client.support.time import run

PAGE = Path(__file__).parents[2] / "src" / "ipyreel" / "client" / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_page_has_three_examples_of_about_ten_lines():
    lines = [len([line for line in block.splitlines() if line]) for block in BLOCKS]
    assert len(lines) == 3
    assert max(lines) <= 12
    for block in BLOCKS:
        compile(block, str(PAGE), "exec")


@pytest.mark.parametrize("block", BLOCKS[:2], ids=["script", "asyncio"])
def test_an_example_runs(block, tmp_path, monkeypatch, capsys):
    async def main():
        async with Server(reply(200, QUEUED), reply(200, DONE), File(mp4())) as server:
            monkeypatch.setenv("IPYREEL_BASE_URL", server.url)
            await asyncio.to_thread(exec, block, {})

    monkeypatch.chdir(tmp_path)
    run(main())
    (film,) = tmp_path.glob("*.mp4")
    assert film.read_bytes() == mp4()
    assert capsys.readouterr().out
