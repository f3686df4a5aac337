"""Writes a file atomically: completely or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from ipyreel.errors import StoreError


@contextlib.contextmanager
def whole_file(path: Path, *, mode: int = 0o600) -> Iterator[Path]:
    """Yield the path of a new, empty file to write to; it replaces `path` when the block ends.

    Its name is random and it must not exist yet, so that no link that someone left in the folder
    is followed. It is removed if the block fails; an `OSError` becomes `StoreError`.
    """
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        yield part
        os.replace(part, path)  # noqa: PTH105 - on Windows, too, it replaces the file
    except OSError as error:
        raise StoreError(f"Could not write {path}: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
