"""Runs the demo server as a child process that ends with its owner.

The child ends when its standard input, a pipe from the owner, closes, also if the owner is
killed. It accepts only requests with a random key, which it gets through its environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from ipyreel.errors import ConfigError

INSTALL = 'Install what it needs: pip install "ipyreel[demo]"'
KEY_VARIABLE = "IPYREEL_DEMO_KEY"
"""Not on the command line, which every user of the machine can read."""


class DemoServer:
    """One demo server in a separate process.

    `url` is its base URL, with /v1, and `key` the key it accepts, while it runs. Ctrl-C in the
    owner's terminal or kernel does not reach the child: it has its own session (on Windows, its
    own process group).
    """

    def __init__(self) -> None:
        self.url: str | None = None
        self.key: str | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    @property
    def running(self) -> bool:
        """Whether the child was started and has not ended."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return self._child.pid if self._child is not None else None

    def start(
        self,
        home: str | os.PathLike[str],
        *,
        python: str = sys.executable,
        options: Sequence[str] = (),
        timeout: float = 60.0,
    ) -> str:
        """Start the server unless it runs, and return its base URL.

        Parameters
        ----------
        home
            Where the jobs are kept: in `<home>/demo`.
        python
            The interpreter; it must have ipyreel installed.
        options
            Further options of `python -m ipyreel.demo`, such as ("--speed", "4").
        timeout
            Seconds until the child must have reported that it is ready.

        Raises
        ------
        ConfigError
            The child could not be started; the text says why, and what to install.
        """
        with self._lock:
            if self.url is not None and self.running:
                return self.url
            self._end()
            folder = Path(home).absolute() / "demo"
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            log = folder / "server.log"
            written = log.stat().st_size if log.exists() else 0
            key = secrets.token_urlsafe(24)
            self._child = _spawn(python, folder, options, key)
            try:
                self.url = _ready_url(self._child, timeout, log, written)
            except BaseException:
                self._end(patience=0.1)
                raise
            self.key = key
            return self.url

    def stop(self) -> None:
        """End the child and wait for its end; its jobs stay on disk."""
        with self._lock:
            self._end()

    def _end(self, patience: float = 5.0) -> None:
        child, self._child, self.url, self.key = self._child, None, None, None
        if child is None:
            return
        _close(child.stdin)
        _wait_for(child, patience, child.terminate)
        _wait_for(child, patience, child.kill)
        child.wait()
        _close(child.stdout)  # last: a thread may still be reading from it

    def __enter__(self) -> DemoServer:  # noqa: PYI034 - typing.Self needs Python 3.11
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with contextlib.suppress(OSError):
            pipe.close()


def _wait_for(child: subprocess.Popen[bytes], patience: float, give_up: Callable[[], None]) -> None:
    """Wait some seconds for a child to end, then call `give_up`."""
    try:
        child.wait(patience)
    except subprocess.TimeoutExpired:
        give_up()


def _spawn(python: str, folder: Path, options: Sequence[str], key: str) -> subprocess.Popen[bytes]:
    """Start the child in the folder of its jobs, so that no module of a notebook hides ours."""
    command = [python, "-m", "ipyreel.demo", "--port", "0", "--home", str(folder.parent)]
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        apart = {"creationflags": flags}
    try:
        # Append: another owner's server may use the same file.
        with open(folder / "server.log", "ab", opener=_private) as log:
            return subprocess.Popen(  # noqa: S603 - our own module in the user's interpreter
                [*command, "--exit-with-stdin", *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=folder,
                env={**os.environ, KEY_VARIABLE: key},
                **apart,
            )
    except OSError as error:
        raise ConfigError(f"The demo server could not be started: {error}") from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _ready_url(child: subprocess.Popen[bytes], timeout: float, log: Path, skip: int) -> str:
    """Read the child's one line of JSON and return the URL in it."""
    line = _first_line(child.stdout, timeout)
    if line is None:
        raise ConfigError(f"The demo server did not get ready within {timeout:g} seconds.")
    try:
        said = json.loads(line)
    except ValueError:
        said = {}
    if isinstance(said, dict) and isinstance(said.get("url"), str):
        _close(child.stdout)  # it prints no more
        url: str = said["url"]
        return url
    reason = said.get("error") if isinstance(said, dict) else None
    hint = said.get("hint") if isinstance(said, dict) else None
    if reason is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(5)
        reason = _last_line(log, skip) or f"it ended with code {child.returncode}"
        hint = INSTALL if "No module named" in reason else None
    raise ConfigError(f"The demo server could not be started: {reason}", hint=hint)


def _first_line(pipe: IO[bytes] | None, timeout: float) -> bytes | None:
    """Read a line in a thread, since a pipe has no timeout on Windows; None: no line."""
    if pipe is None:
        return b""
    lines: queue.Queue[bytes] = queue.Queue()

    def read() -> None:
        with contextlib.suppress(OSError, ValueError):
            lines.put(pipe.readline())

    threading.Thread(target=read, name="ipyreel-demo-ready", daemon=True).start()
    try:
        return lines.get(timeout=timeout)
    except queue.Empty:
        return None


def _last_line(log: Path, skip: int) -> str | None:
    """Return the last line that the child logged after byte `skip`."""
    try:
        lines = log.read_bytes()[skip:].decode(errors="replace").splitlines()
    except OSError:
        return None
    return next((line.strip() for line in reversed(lines) if line.strip()), None)
