"""The thread with the event loop, and the ways to wait for its work."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import subprocess
import sys
import threading

import pytest

from ipyreel.jobs.loop import LoopThread, choose_patch, nested_wait, wait_async, wait_blocking
from tests.jobs.fakes import BOUND


async def where():
    return threading.current_thread()


def names():
    return [thread.name for thread in threading.enumerate()]


def test_it_starts_when_it_is_used_and_is_a_daemon():
    loop = LoopThread("lazy-loop")
    assert not loop.started
    assert "lazy-loop" not in names()
    thread = loop.submit(where()).result(BOUND)
    assert loop.started
    assert (thread.name, thread.daemon) == ("lazy-loop", True)
    assert loop.submit(where()).result(BOUND) is thread
    loop.stop()
    assert not loop.started
    assert "lazy-loop" not in names()


def test_many_threads_start_one_loop(loop):
    begin = threading.Barrier(8)
    found = []

    def work():
        begin.wait()
        found.append(loop.submit(where()).result(BOUND))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1


def test_what_is_done_last_comes_when_all_work_has_ended(loop):
    began, told = threading.Event(), []

    async def work():
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            told.append("work")

    async def last():
        await asyncio.sleep(0)
        told.append("last")

    loop.stop(last)  # nothing was started, so nothing is to be done
    future = loop.submit(work())
    assert began.wait(BOUND)
    loop.stop(last)
    assert told == ["work", "last"]
    with pytest.raises(concurrent.futures.CancelledError):
        future.result(BOUND)


def test_it_can_be_stopped_from_within(loop):
    async def work():
        loop.stop()
        return threading.current_thread()

    thread = loop.submit(work())
    thread = thread.result(BOUND)
    thread.join(BOUND)
    assert not thread.is_alive()
    assert loop.submit(where()).result(BOUND) is not thread


# ---- waiting in slices --------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [0.0, -1.0, 0.01])
def test_a_blocking_wait_gives_up_and_the_work_goes_on(timeout):
    future = concurrent.futures.Future()
    with pytest.raises(TimeoutError):
        wait_blocking(future, timeout)
    assert not future.cancelled()
    future.set_result("later")
    assert wait_blocking(future, timeout) == "later"


def test_a_blocking_wait_ticks_between_slices():
    future = concurrent.futures.Future()
    ticks = []

    def tick():
        ticks.append(1)
        if len(ticks) == 3:
            future.set_result("done")

    assert wait_blocking(future, tick=tick) == "done"
    assert len(ticks) == 3


def test_an_interrupt_ends_the_wait_and_not_the_work(loop):
    release = threading.Event()

    async def work():
        await asyncio.to_thread(release.wait)
        return "done"

    def interrupt():
        raise KeyboardInterrupt

    future = loop.submit(work())
    try:
        with pytest.raises(KeyboardInterrupt):
            wait_blocking(future, tick=interrupt)
        assert not future.done()
    finally:
        release.set()
    assert wait_blocking(future) == "done"


# ---- waiting on a loop --------------------------------------------------------------------


def test_an_awaiting_loop_goes_on_turning_and_wakes_by_itself(monkeypatch):
    monkeypatch.setattr("ipyreel.jobs.loop.TICK", 0.001)
    wakes = []
    waited = asyncio.wait

    async def counted(*args, **kwargs):
        wakes.append(kwargs["timeout"])
        return await waited(*args, **kwargs)

    monkeypatch.setattr(asyncio, "wait", counted)

    async def main():
        future = concurrent.futures.Future()
        waiter = asyncio.ensure_future(wait_async(future))
        while len(wakes) < 5:  # noqa: ASYNC110 - what is waited for is the waiting itself
            await asyncio.sleep(0)
        future.set_result("done")
        return await waiter

    assert asyncio.run(main()) == "done"
    assert set(wakes) == {0.001}


def test_cancelling_the_wait_leaves_the_work_alone():
    future = concurrent.futures.Future()

    async def main():
        waiter = asyncio.ensure_future(wait_async(future))
        await asyncio.sleep(0)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(wait_async(future), 0.001)

    asyncio.run(main())
    assert not future.cancelled()
    # The loop that waited is closed by now.
    future.set_result("done")
    assert future.result() == "done"


# ---- nested waiting -----------------------------------------------------------------------

TABLE = [
    # python, ipykernel, nest-asyncio2 -> the module
    ((3, 13), (6, 31, 0), None, "nest_asyncio"),
    ((3, 13), None, (1, 7, 2), "nest_asyncio"),
    ((3, 12), (7,), None, None),
    ((3, 12), (7, 0, 1), (1, 7, 2), None),
    ((3, 14), None, (1, 6), None),
    ((3, 14), (7, 3, 0), (1, 7, 3), "nest_asyncio2"),
]


@pytest.mark.parametrize(("python", "ipykernel", "nest2", "expected"), TABLE)
def test_what_may_patch_asyncio(python, ipykernel, nest2, expected):
    patch, why_not = choose_patch(python, ipykernel, nest2)
    assert patch == expected
    assert (why_not is None) is (expected is not None)
    assert why_not is None or ("nest-asyncio2>=1.7.3" in why_not and why_not.endswith("."))


def test_a_wait_is_not_nested_where_that_cannot_be_done(monkeypatch):
    class Patch:
        @staticmethod
        def apply(loop):
            raise ValueError(f"Can't patch loop of type {type(loop)}")

    async def main():
        return nested_wait(concurrent.futures.Future())

    result, why_not = nested_wait(concurrent.futures.Future())
    assert (result, "No loop" in why_not) == (None, True)
    monkeypatch.setattr("ipyreel.jobs.loop.choose_patch", lambda *_: (None, "It does harm."))
    assert asyncio.run(main()) == (None, "It does harm.")
    monkeypatch.setattr("ipyreel.jobs.loop.choose_patch", lambda *_: ("patch", None))
    monkeypatch.setattr("ipyreel.jobs.loop._module", lambda _: Patch)
    result, why_not = asyncio.run(main())
    assert (result, "cannot be nested" in why_not) == (None, True)


NESTED = """
import asyncio, concurrent.futures, json, threading
from ipyreel.jobs.loop import nested_wait

turns = []

async def background():
    while True:
        turns.append(1)
        await asyncio.sleep(0)

async def main():
    task = asyncio.ensure_future(background())
    future = concurrent.futures.Future()
    threading.Timer(0.05, future.set_result, ("done",)).start()
    before = len(turns)
    result = nested_wait(future, 30)
    turned = len(turns) > before
    try:
        nested_wait(concurrent.futures.Future(), 0.01)
    except TimeoutError:
        late = True
    task.cancel()
    return [*result, turned, late]

print(json.dumps(asyncio.run(main())))
"""


def test_a_nested_wait_lets_the_callers_loop_turn():
    # In a process of its own, since the patch is for the whole process.
    ran = subprocess.run(
        [sys.executable, "-c", NESTED], capture_output=True, text=True, timeout=BOUND, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == ["done", None, True, True]
