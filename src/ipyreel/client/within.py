"""Waiting no longer than so long. May import the standard library only."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(
    work: Coroutine[Any, Any, T], timeout: float | None, late: Exception | type[Exception]
) -> T:
    """Await `work` for `timeout` seconds (None: for ever), then give it up and raise `late`.

    When this returns or raises, the work has ended.

    Not `asyncio.wait_for`: before Python 3.12 it loses a cancellation that comes when the work
    has just ended (https://github.com/python/cpython/issues/86296).
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait((task,), timeout=timeout)
    except asyncio.CancelledError:
        await _let_go(task)
        raise
    if done:
        return task.result()
    await _let_go(task)
    raise late


async def _let_go(task: asyncio.Future[T]) -> None:
    task.cancel()
    await asyncio.wait((task,))  # one turn of the loop
    if not task.cancelled():
        task.exception()  # nobody waits for it: without a look at it, the loop would complain
