"""Finds the Jupyter server that runs this kernel, and asks it what it serves.

The server writes a runtime file, `jpserver-PID.json`, with its folder and its token; its PID is
in the kernel's environment on most systems. Nothing is guessed: if there is no file or no token,
the answers are None, which means "not checked".
"""

from __future__ import annotations

import json
import os
import re
import secrets
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import quote

PATIENCE = 1.0
"""Seconds to wait for an answer of the server, which is on this machine."""


class Server(NamedTuple):
    """A running server: the folder that it serves, its address and its token ("": none)."""

    root: Path
    url: str
    token: str

    def serves(self, path: str | Path) -> bool:
        """Return whether a file is served: its real path must be below the real root.

        tornado answers 403 for a link that leaves the root (6.5.9 and later), and 500 for any
        file when the root itself is a link (measured with tornado 6.6.1).
        """
        real = Path(os.path.realpath(self.root))
        return real == self.root and Path(os.path.realpath(path)).is_relative_to(real)

    def notebooks(self, kernel_id: str) -> list[Path] | None:
        """Return the notebooks that use a kernel; None when the server did not say."""
        found = self._get("api/sessions")
        if found is None or found[0] != 200:  # noqa: PLR2004 - HTTP's OK
            return None
        try:
            # Consoles have sessions too, with a path of their own but no file.
            rows = [row for row in json.loads(found[1]) if row["type"] == "notebook"]
            return [self.root / row["path"] for row in rows if row["kernel"]["id"] == kernel_id]
        except (ValueError, KeyError, TypeError):
            return None

    def check(self, folder: Path) -> tuple[bool | None, str]:
        """Request a small file in a folder, as a browser would; return (served, explanation)."""
        if not self.token:
            return None, "not checked: the server has no token"
        name = f"ipyreel-check-{secrets.token_hex(4)}.txt"
        path, content = folder / name, name.encode("ascii")
        try:
            url = "files/" + quote(path.relative_to(self.root).as_posix())
            path.write_bytes(content)
        except ValueError:
            return False, "the folder is not below the server's folder"
        except OSError as error:
            return None, f"not checked: {error.strerror}"
        try:
            found = self._get(url)
        finally:
            path.unlink(missing_ok=True)
        if found is None:
            return None, "not checked: the server did not answer"
        status, body = found
        if status == 200 and body == content:  # noqa: PLR2004 - HTTP's OK
            return True, "the server returned a test file"
        return False, f"the server answered {status} for a test file"

    def _get(self, path: str) -> tuple[int, bytes] | None:
        if not self.token:
            return None
        request = urllib.request.Request(  # noqa: S310 - the address is that of the runtime file
            f"{self.url}{path}", headers={"Authorization": f"token {self.token}"}
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(request, timeout=PATIENCE) as reply:
                return reply.status, reply.read(1_000_000)
        except HTTPError as error:
            return error.code, b""
        except (OSError, ValueError):
            return None


def find(shell: Any, environ: Mapping[str, str]) -> Server | None:
    """Return the server that started this kernel; None if it is not known."""
    pid = environ.get("JPY_PARENT_PID", "")  # on Windows this is a handle, so no file matches
    folder = Path(_connection_file(shell)).parent
    if not pid.isdigit() or not folder.is_absolute():
        return None
    try:
        data = json.loads((folder / f"jpserver-{pid}.json").read_text("utf-8"))
        server = Server(Path(data["root_dir"]), str(data["url"]), str(data["token"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    usable = server.root.is_absolute() and server.url.startswith(("http://", "https://"))
    return server if usable else None


def kernel_id(shell: Any) -> str:
    """Return the server's id of this kernel, "" if there is none."""
    found = re.fullmatch(r"kernel-(.+)\.json", Path(_connection_file(shell)).name)
    return found[1] if found else ""


def _connection_file(shell: Any) -> str:
    app = getattr(getattr(shell, "kernel", None), "parent", None)
    return str(getattr(app, "abs_connection_file", "") or "")
