"""A real kernel, controlled by messages; all iopub messages are kept."""

from __future__ import annotations

import os
import queue
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from jupyter_core.utils import ensure_event_loop
from typing_extensions import Self

from tests.support.jupyter import KERNEL_NAME, environment

PATIENCE = 120.0
"""Seconds after which a missing message is a failure."""

Message = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell that ran: its reply, and every message that has it as its parent."""

    msg_id: str
    status: str
    messages: tuple[Message, ...]

    def of_type(self, *names: str) -> list[Message]:
        """Return the contents of the messages of these types, in order."""
        return [message["content"] for message in self.messages if message["msg_type"] in names]

    def _stream(self, name: str) -> str:
        return "".join(part["text"] for part in self.of_type("stream") if part["name"] == name)

    @property
    def stdout(self) -> str:
        """Everything printed."""
        return self._stream("stdout")

    @property
    def stderr(self) -> str:
        """Everything printed to stderr."""
        return self._stream("stderr")

    @property
    def result(self) -> str | None:
        """The text of the cell's value."""
        found = self.of_type("execute_result")
        return found[-1]["data"]["text/plain"] if found else None

    @property
    def displays(self) -> list[Message]:
        """The contents of what was displayed or updated under this cell."""
        return self.of_type("display_data", "update_display_data", "execute_result")

    @property
    def error(self) -> tuple[str, str] | None:
        """Name and text of what the cell raised."""
        found = self.of_type("error")
        return (found[-1]["ename"], found[-1]["evalue"]) if found else None


class Kernel:
    """A kernel process of the interpreter under test; a context manager.

    `home` is its own home (library, settings, IPython); start a second one with the same
    `home` to see what survived. `allow_stdin=False` is what nbclient and papermill use.
    """

    def __init__(
        self, home: Path, *, cwd: Path, allow_stdin: bool = True, env: Mapping[str, str] = {}
    ) -> None:
        self._env = environment(home, **{"IPYREEL_TRUST": str(cwd), **env})
        folder = str(Path(self._env["JUPYTER_PATH"]) / "kernels")
        specs = KernelSpecManager(kernel_dirs=[folder], ensure_native_kernel=False)
        # In the kernel's own home, not in that of the user who runs the tests.
        connection = Path(self._env["JUPYTER_RUNTIME_DIR"]) / f"kernel-{os.urandom(6).hex()}.json"
        # Sockets in a separate folder: between choosing a free TCP port and using it, another
        # process may take it. Socket paths have at most 107 bytes, and homes of tests are longer.
        self._sockets = tempfile.TemporaryDirectory(prefix="kernel-")
        self._manager = KernelManager(
            kernel_name=KERNEL_NAME, kernel_spec_manager=specs, connection_file=str(connection)
        )
        if os.name != "nt":
            self._manager.transport, self._manager.ip = "ipc", f"{self._sockets.name}/socket"
        self._cwd = cwd
        self._allow_stdin = allow_stdin
        self._heard: list[Message] = []
        self._news = threading.Condition()
        self._stopping = threading.Event()

    def __enter__(self) -> Self:
        self._manager.start_kernel(env=self._env, cwd=str(self._cwd))
        self._client = self._manager.blocking_client()
        self._client.allow_stdin = self._allow_stdin
        self._client.start_channels()
        self._client.wait_for_ready(timeout=PATIENCE)
        self._ear = threading.Thread(target=self._listen, name="iopub", daemon=True)
        self._ear.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        self._ear.join()
        self._client.stop_channels()
        if self._manager.has_kernel:
            self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()
        self._sockets.cleanup()

    def _listen(self) -> None:
        """Keep every iopub message; only this thread reads that socket."""
        while not self._stopping.is_set():
            try:
                message = self._client.get_iopub_msg(timeout=0.1)
            except queue.Empty:
                continue
            with self._news:
                self._heard.append(message)
                self._news.notify_all()
        ensure_event_loop().close()  # the one that jupyter_client made for this thread

    # --- messages -----------------------------------------------------------------

    def messages(self, parent: str | None = None) -> list[Message]:
        """Return the iopub messages so far, or those with this parent."""
        with self._news:
            return [m for m in self._heard if parent in {None, m["parent_header"].get("msg_id")}]

    def wait_for(
        self,
        condition: Callable[[Message], Any],
        *,
        parent: str | None = None,
        timeout: float = PATIENCE,
    ) -> Message:
        """Return the first message, past or future, that meets the condition."""
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                for message in self.messages(parent):
                    if condition(message):
                        return message
                if not self._news.wait(max(0.0, deadline - time.monotonic())):
                    kinds = [(m["msg_type"], m["content"]) for m in self.messages(parent)]
                    raise AssertionError(f"no such message within {timeout} s: {kinds[-20:]}")

    # --- cells -------------------------------------------------------------------------

    def send(self, code: str) -> str:
        """Send a cell and return its message id at once."""
        return self._client.execute(code, allow_stdin=self._allow_stdin)

    def wait(self, msg_id: str, timeout: float = PATIENCE) -> Cell:
        """Wait for the reply of a cell that was sent, and for the last of its outputs."""
        reply = self._client._recv_reply(msg_id, timeout=timeout)
        self.wait_for(is_idle, parent=msg_id, timeout=timeout)
        heard = tuple(self.messages(msg_id))
        return Cell(msg_id=msg_id, status=reply["content"]["status"], messages=heard)

    def run(self, code: str, timeout: float = PATIENCE) -> Cell:
        """Run a cell to its end."""
        return self.wait(self.send(code), timeout)

    def evaluate(self, expression: str, timeout: float = PATIENCE) -> str:
        """Return the repr of an expression in the kernel, or fail with the error it raised."""
        cell = self.run(f"print(repr({expression}))", timeout)
        assert cell.status == "ok", cell.error
        return cell.stdout.rstrip("\n")

    def complete(self, code: str, timeout: float = PATIENCE) -> list[str]:
        """Return what Tab offers at the end of `code`."""
        reply = self._client._recv_reply(self._client.complete(code), timeout=timeout)
        return list(reply["content"]["matches"])

    # --- the process ----------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The kernel's process."""
        return int(self._manager.provisioner.process.pid)

    def is_alive(self) -> bool:
        """Return whether the process is alive."""
        return bool(self._manager.is_alive())

    def interrupt(self) -> None:
        """Interrupt the running cell, as the stop button does."""
        self._manager.interrupt_kernel()

    def kill(self) -> None:
        """Kill the process as in a crash: no handler and no clean-up run."""
        os.kill(self.pid, signal.SIGKILL)
        self._manager.provisioner.process.wait()


def is_idle(message: Message) -> bool:
    """Return whether this is the last message of a cell."""
    return message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"
