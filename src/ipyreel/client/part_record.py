"""The record of a partial download for a later kernel: its file, and where its bytes are from."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from ipyreel.values import Json
from ipyreel.wire.urls import strip_query

STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]{0,400}"')
"""Weak ETags (`W/"x"`) do not guarantee the same bytes; others could not be sent back."""

HTTP_DATE = re.compile(r"[A-Za-z0-9,: +-]{10,60}")

PLANNED = -1
"""The inode in the record of a part that will be created."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the bytes of a part come from, without secrets.

    `address` is the URL without its query (signed URLs are secrets); `length` is that of the
    whole file in bytes.
    """

    address: str
    etag: str | None = None
    last_modified: str | None = None
    length: int | None = None

    @classmethod
    def of(cls, url: str, headers: Mapping[str, str], length: int | None) -> Source:
        """Return the source that the headers of a full reply describe."""
        return cls(
            address=strip_query(url),
            etag=_sendable(headers.get("etag"), STRONG_ETAG),
            last_modified=_sendable(headers.get("last-modified"), HTTP_DATE),
            length=length,
        )

    @property
    def validator(self) -> str | None:
        """The server's identifier of exactly these bytes; None: resuming is not safe."""
        return self.etag or self.last_modified

    def is_confirmed_by(self, headers: Mapping[str, str]) -> bool:
        """Return whether a partial reply says that it belongs to exactly these bytes."""
        name = "etag" if self.etag else "last-modified"
        return self.validator is not None and headers.get(name) == self.validator


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRecord:
    """What a later kernel must know about a part: which file it is, and where its bytes are from.

    `device` and `inode` identify the file, `mode` has the permissions for the finished video.
    `source` None: the bytes must not be continued. Without `device` and `inode` the file is about
    to be created: a kernel that is killed then may leave it empty.
    """

    path: Path
    device: int = 0
    inode: int = PLANNED
    mode: int = 0
    source: Source | None = None

    def to_dict(self) -> dict[str, Json]:
        """Return plain JSON data."""
        return {**asdict(self), "path": str(self.path)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Json]) -> PartRecord:
        """Read back what `to_dict` wrote."""
        source = data["source"]
        found = {"path": Path(data["path"]), "source": Source(**source) if source else None}
        return cls(**{**data, **found})

    def is_file(self, path: Path) -> bool:
        """Return whether a path is exactly this file, not a link to it."""
        try:
            found = path.lstat()
        except OSError:
            return False
        return self.is_of(found)

    def is_of(self, found: os.stat_result) -> bool:
        """Return whether a `stat` result is exactly this file."""
        same = (found.st_dev, found.st_ino) == (self.device, self.inode)
        return same and stat.S_ISREG(found.st_mode)

    def discard(self) -> None:
        """Remove the part, if its name still belongs to it."""
        with contextlib.suppress(OSError):
            if self.is_file(self.path) or (self.inode == PLANNED and is_empty_claim(self.path)):
                self.path.unlink()


class PartMemory(Protocol):
    """Stores the record of one download's part outside its folder, which others may write to."""

    def load(self) -> PartRecord | None:
        """Return the record, or None."""

    def save(self, record: PartRecord | None) -> None:
        """Keep the record; None: forget it."""


@dataclass(slots=True)
class ProcessMemory:
    """Stores the records of one process in memory, by the target of the download."""

    target: Path
    records: dict[Path, PartRecord] = field(default_factory=dict)

    def load(self) -> PartRecord | None:
        """Return the record, or None."""
        return self.records.get(self.target)

    def save(self, record: PartRecord | None) -> None:
        """Keep the record; None: forget it."""
        if record is None:
            self.records.pop(self.target, None)
        else:
            self.records[self.target] = record


def is_empty_claim(final: Path) -> bool:
    """Return whether a name has only the empty file of a kernel that was killed in `_move`."""
    found = final.lstat()
    return stat.S_ISREG(found.st_mode) and found.st_size == 0


def _sendable(text: str | None, shape: re.Pattern[str]) -> str | None:
    return text if text is not None and shape.fullmatch(text) else None


def content_range(headers: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Return the start of a partial reply and the length of the whole file, in bytes."""
    match = re.fullmatch(
        r"bytes\s+(?:([0-9]{1,18})-[0-9]{1,18}|\*)/([0-9]{1,18}|\*)",
        headers.get("content-range", "").strip(),
    )
    if match is None:
        return None, None
    start, total = match[1], match[2]
    return (int(start) if start else None), (int(total) if total != "*" else None)
