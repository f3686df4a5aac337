"""`within`: a time limit for a coroutine, and what happens to its work."""

from __future__ import annotations

import asyncio

import pytest

from ipyreel.client.retry import within
from tests.client.support.time import run


class LateError(Exception):
    pass


async def after(turns, result="done"):
    for _ in range(turns):
        await asyncio.sleep(0)
    if isinstance(result, Exception):
        raise result
    return result


def test_what_comes_in_time_is_returned():
    assert run(within(after(3), 9, LateError)) == "done"
    assert run(within(after(3), None, LateError)) == "done"


def test_what_goes_wrong_in_time_is_raised():
    with pytest.raises(ValueError, match="no"):
        run(within(after(3, ValueError("no")), 9, LateError))


def test_what_is_late_is_given_up_before_it_is_said():
    ended = []

    async def slow():
        try:
            await asyncio.sleep(9)
        finally:
            await asyncio.sleep(0)
            ended.append("slow")

    with pytest.raises(LateError):
        run(within(slow(), 0, LateError))
    assert ended == ["slow"]


@pytest.mark.parametrize("result", ["done", ValueError("no")], ids=["returns", "raises"])
@pytest.mark.parametrize("turns", range(1, 7))
def test_a_cancellation_is_kept_whenever_it_comes(turns, result):
    async def main():
        task = asyncio.create_task(within(after(2, result), 9, LateError))
        for _ in range(turns):
            await asyncio.sleep(0)
        before = task.done()
        task.cancel()
        await asyncio.wait((task,))
        return before, task.cancelled(), task.cancelled() or task.exception()

    before, cancelled, _ = run(main())
    assert before or cancelled
