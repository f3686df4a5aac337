"""Runs all jobs on one daemon thread with one asyncio loop, and lets other threads wait.

A task on the kernel's own loop does not run while a cell blocks; a loop on its own thread keeps
running, so every job is polled here.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib.metadata
import importlib.util
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

Last = Callable[[], Coroutine[Any, Any, object]]
"""What to await on a loop when all of its work has ended."""

SLICE = 0.1
"""Seconds per slice of a blocking wait: short, so that Ctrl-C is prompt."""

TICK = 0.2
"""Seconds between two wake-ups of an awaiting loop.

An interrupt during `await` is noticed only when the loop next wakes, since tornado's signal
handler uses `call_soon`: https://github.com/ipython/ipykernel/issues/881
"""


def process_ends() -> bool:
    """Return whether the interpreter is shutting down: DNS look-ups and new threads fail."""
    return not threading.main_thread().is_alive()


class LoopThread:
    """A daemon thread that runs one asyncio loop; started on first use, and again after a fork.

    A daemon, since a normal thread would keep the kernel from exiting; active jobs are in the
    library.
    """

    def __init__(self, name: str = "ipyreel") -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0

    @property
    def started(self) -> bool:
        """Whether the thread was started (in this process)."""
        thread = self._thread
        return thread is not None and thread.is_alive() and self._pid == os.getpid()

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run a coroutine on the loop; callable from any thread, returns at once."""
        return asyncio.run_coroutine_threadsafe(work, self._running())

    def call(self, function: Callable[[], object]) -> None:
        """Call a function on the loop's thread, soon; callable from any thread."""
        self._running().call_soon_threadsafe(function)

    def inside(self) -> bool:
        """Return whether the caller is on the loop's own thread (where waiting would never end)."""
        return threading.current_thread() is self._thread

    def stop(self, last: Last | None = None) -> None:
        """Cancel what runs on the loop and end the thread; a later `submit` starts it again.

        `last` is awaited on the loop when everything else has ended: the place to close what
        the work used. It is not called if nothing was ever started.
        """
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None or not thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(_wind_up(last), loop)
        if threading.current_thread() is not thread:
            thread.join(timeout=5)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or not self.started:
                self._start()
            loop = self._loop
        if loop is None:  # pragma: no cover - _start sets it
            raise RuntimeError("the loop did not start")
        return loop

    def _start(self) -> None:
        # Created on this thread and not on the new one, so that there is nothing to wait for.
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=_run, args=(loop,), name=self._name, daemon=True)
        self._loop, self._thread, self._pid = loop, thread, os.getpid()
        thread.start()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


async def _wind_up(last: Last | None) -> None:
    """End all other tasks, then await `last`, and stop the loop."""
    loop = asyncio.get_running_loop()
    try:
        # Everything that was submitted before this is a task now.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            # Lets each task start: one that is cancelled before leaves a coroutine that was
            # never awaited. Tasks that start others here must end them themselves.
            await asyncio.sleep(0)
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
        if last is not None:
            await last()
        await loop.shutdown_asyncgens()
    finally:
        loop.stop()


def wait_blocking(
    future: concurrent.futures.Future[T],
    timeout: float | None = None,
    *,
    tick: Callable[[], object] | None = None,
) -> T:
    """Wait for a future in slices of 0.1 s; a KeyboardInterrupt ends the wait, not the work.

    `timeout` is in seconds; `tick` is called between two slices. Raises `TimeoutError`.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        left = SLICE if deadline is None else min(SLICE, deadline - time.monotonic())
        done, _ = concurrent.futures.wait((future,), timeout=max(left, 0))
        if done:
            return future.result()
        if deadline is not None and time.monotonic() >= deadline:
            raise TimeoutError
        if tick is not None:
            tick()


async def wait_async(future: concurrent.futures.Future[T]) -> T:
    """Wait for a future from any loop, waking every 0.2 s; cancelling the wait ends no work."""
    wrapped = asyncio.wrap_future(future)
    while not wrapped.done():
        # A cancelled `wait` does not cancel the future that it waits for.
        await asyncio.wait({wrapped}, timeout=TICK)
    return wrapped.result()


def nested_wait(
    future: concurrent.futures.Future[T], timeout: float | None = None
) -> tuple[T | None, str | None]:
    """Wait while the caller's own running loop keeps running, by nest-asyncio.

    Returns (result, None), or (None, sentence) if patching would do harm and the caller has to
    wait in slices instead. Raises `TimeoutError`.
    """
    loop = _running_loop()
    if loop is None:
        return None, "No loop is running here, so there is nothing to nest."
    patch, why_not = choose_patch(sys.version_info[:2], _version("ipykernel"), _nest2_version())
    if patch is None:
        return None, why_not
    try:
        _module(patch).apply(loop)
    except ValueError as error:  # uvloop and other loops written in C
        return None, f"This loop cannot be nested ({error}); waiting in slices instead."
    waiting = asyncio.wait_for(wait_async(future), timeout)
    try:
        return loop.run_until_complete(waiting), None
    except asyncio.TimeoutError as error:
        raise TimeoutError from error


def choose_patch(
    python: tuple[int, ...], ipykernel: tuple[int, ...] | None, nest2: tuple[int, ...] | None
) -> tuple[str | None, str | None]:
    """Return which module may patch asyncio here: (its name, None) or (None, why none may).

    nest-asyncio 1.6.0 loses queued cells with ipykernel 7 and later, and breaks
    `asyncio.current_task()` on Python 3.14; nest-asyncio2 from 1.7.3 on does neither:
    https://github.com/Chaoses-Ib/nest-asyncio2/issues/4
    """
    if nest2 is not None and nest2 >= (1, 7, 3):
        return "nest_asyncio2", None
    remedy = "install nest-asyncio2>=1.7.3 for a nested wait; waiting in slices instead."
    if ipykernel is not None and ipykernel >= (7,):
        return None, f"nest-asyncio loses queued cells with ipykernel 7: {remedy}"
    if python >= (3, 14):
        return None, f"nest-asyncio does not work on Python 3.14: {remedy}"
    return "nest_asyncio", None


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _nest2_version() -> tuple[int, ...] | None:
    return _version("nest-asyncio2") if importlib.util.find_spec("nest_asyncio2") else None


def _version(package: str) -> tuple[int, ...] | None:
    try:
        text = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
    return tuple(int(part) for part in text.split(".")[:3] if part.isdigit())


def _module(name: str) -> Any:
    return importlib.import_module(name)
