"""Writes the partial file of a download: later kernels resume it; it is hashed, then moved.

A part has a random name (`clip.mp4.1f2e3d4c5b6a7988.part`). Its record (what it is, where its
bytes come from) is kept outside its folder: no other file there is mistaken for a part.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ipyreel.client.part_record import PartMemory, PartRecord, Source, is_empty_claim
from ipyreel.errors import DownloadError
from ipyreel.wire.media_types import VIDEO_SUFFIXES

if sys.platform == "win32":
    import msvcrt

    LOCKED_BYTE = 2**40
    """The locked byte: behind the end of any video, since on Windows others cannot read it."""

    def _lock_now(file: int) -> None:
        os.lseek(file, LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

    def _unlock(file: int) -> None:
        # On Windows, closing a file may release its lock only later.
        os.lseek(file, LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock_now(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(file: int) -> None:
        # A forked process may have the file open, too: closing here would not release it.
        fcntl.flock(file, fcntl.LOCK_UN)


FLAGS = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


BLOCK = 2**20
"""Bytes that are hashed or read at once."""

HINTS = {
    errno.ENOSPC: "Free some space, then resume: the bytes received so far are kept.",
    errno.EDQUOT: "Free some space, then resume: the bytes received so far are kept.",
    errno.EFBIG: "Choose a folder that can hold files of this size, then resume.",
    errno.EACCES: "Choose a folder that you may write to.",
    errno.EPERM: "Choose a folder that you may write to.",
    errno.EROFS: "Choose a folder that you may write to.",
    errno.ENOENT: "Create the folder, or choose another one.",
    errno.ENOTDIR: "Create the folder, or choose another one.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
}


@contextlib.contextmanager
def disk_errors(path: Path, kept: Path | None = None) -> Iterator[None]:
    """Turn an OSError inside into a `DownloadError` that says what to do about it."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DownloadError(
            f"Could not write {path}: {reason}.",
            path=str(kept) if kept else None,
            hint=HINTS.get(error.errno or 0),
        ) from error


class Part:
    """The part file of one target; blocking, used from one thread at a time except for `close`.

    `path` has a random name in the target's folder; `size` is the number of bytes in it,
    `source` says where they come from.
    """

    def __init__(self, target: Path, memory: PartMemory) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.{secrets.token_hex(8)}.part")
        self.size = 0
        self.source: Source | None = None
        self._memory = memory
        self._record: PartRecord | None = None
        self._digest = hashlib.sha256()
        self._file: int | None = None
        self._closed = False
        self._lock = threading.Lock()

    def open(self) -> None:
        """Open the file that an earlier kernel left, or create one.

        Only a recorded file is opened again. Raises `DownloadError` if the folder cannot be
        written, or another program is downloading into the same part.
        """
        with disk_errors(self.target), self._lock:
            if self._closed:
                # The caller was cancelled while this waited for a thread.
                return
            if not self._reopen(self._memory.load()):
                self._create()

    def _reopen(self, record: PartRecord | None) -> bool:
        if record is None:
            return False
        usable = record.path.parent == self.target.parent and record.is_file(record.path)
        file = _open_recorded(record) if usable else None
        if file is None:
            record.discard()
            return False
        try:
            self._lock_file(file, record.path)
        except DownloadError:
            # Another program has it: do not change it, even if it is empty.
            os.close(file)
            raise
        self.path, self._record, self._file = record.path, record, file
        if record.source is not None and record.source.validator:
            self.source = record.source
            self._hash_again(file)
        return True

    def _create(self) -> None:
        self._memory.save(PartRecord(path=self.path))
        # O_EXCL does not follow links, so a file at a guessed name is an error.
        self._file = os.open(self.path, FLAGS | os.O_CREAT | os.O_EXCL, 0o666)
        found = os.fstat(self._file)
        if hasattr(os, "fchmod"):
            os.fchmod(self._file, 0o600)
        self._lock_file(self._file, self.path)
        self._record = PartRecord(
            path=self.path,
            device=found.st_dev,
            inode=found.st_ino,
            mode=stat.S_IMODE(found.st_mode),
        )
        self._memory.save(self._record)

    def close(self) -> None:
        """Close the file; nothing is lost, and no empty file is left."""
        with self._lock:
            self._closed = True
            file, self._file = self._file, None
            if file is None:
                return
            is_empty = os.fstat(file).st_size == 0
            with contextlib.suppress(OSError):  # if there are no locks
                _unlock(file)
            os.close(file)
            if is_empty and self._record is not None:
                self._record.discard()

    @property
    def sha256(self) -> str:
        """The hash of the bytes so far, in hex."""
        return self._digest.hexdigest()

    @property
    def is_complete(self) -> bool:
        """Whether the file has the length that the server announced."""
        return self.source is not None and self.source.length == self.size

    def restart(self, source: Source) -> None:
        """Drop the bytes so far and start again with those of `source`."""
        with disk_errors(self.path), self._lock:
            # First the bytes, then their record: a kill in between leaves an empty part,
            # never one that claims a source it does not have.
            os.ftruncate(self._open_file(), 0)
        self._note(source)

    def forget(self) -> None:
        """Mark the bytes as invalid: they are kept until the next reply replaces them."""
        self._note(None)

    def _note(self, source: Source | None) -> None:
        self.size, self.source, self._digest = 0, source, hashlib.sha256()
        if self._record is not None:
            self._record = replace(self._record, source=source)
            self._memory.save(self._record)

    def write(self, pieces: Sequence[bytes]) -> None:
        """Append and hash bytes; raises `DownloadError` if the disk refuses."""
        with disk_errors(self.path, self.path), self._lock:
            file = self._open_file()
            os.lseek(file, self.size, os.SEEK_SET)
            # One large block: each call releases the GIL and has to wait to get it back.
            rest = memoryview(pieces[0] if len(pieces) == 1 else b"".join(pieces))
            while rest:
                # A disk that becomes full accepts a part first, and refuses the rest.
                written = os.write(file, rest)
                self._digest.update(rest[:written])
                self.size += written
                rest = rest[written:]

    def sync(self) -> None:
        """Make sure that the bytes are on the disk, with no older bytes after them."""
        with disk_errors(self.path, self.path), self._lock:
            os.ftruncate(self._open_file(), self.size)
            os.fsync(self._open_file())

    def publish(self, media_type: str) -> Path:
        """Move the finished file to its name with the correct suffix, overwriting nothing.

        Closes the part. A file with the same bytes at that name counts as this one. Raises
        `DownloadError` if another file has the name, or the folder refuses.
        """
        final = final_path(self.target, media_type)
        self._open_to_others()
        self.close()
        with disk_errors(final, self.path):
            try:
                _move(self.path, final)
            except FileExistsError:
                if is_empty_claim(final):
                    self.path.replace(final)
                elif self._is_same(final):
                    self.path.unlink()
                else:
                    raise name_taken(final, kept=self.path) from None
            _sync_folder(final.parent)
        self._memory.save(None)
        return final

    def _open_to_others(self) -> None:
        """Give the file the permissions of a new one; a part is private."""
        with disk_errors(self.path), self._lock:
            if self._record is None or not self._record.is_file(self.path):
                raise OSError(errno.ESTALE, "another file now has the name of the part")
            if hasattr(os, "fchmod"):
                os.fchmod(self._open_file(), self._record.mode)

    def _is_same(self, final: Path) -> bool:
        if not final.is_file() or final.stat().st_size != self.size:
            return False
        return hash_file(final)[1] == self.sha256

    def _open_file(self) -> int:
        if self._file is None:
            raise OSError(errno.EBADF, "the part file is closed")
        return self._file

    def _lock_file(self, file: int, path: Path) -> None:
        """Lock the part, so that no other kernel writes into it."""
        try:
            _lock_now(file)
        except (BlockingIOError, PermissionError) as error:
            raise DownloadError(
                f"Another program is downloading {self.target} right now.",
                path=str(path),
                hint="Wait for it, or stop it.",
            ) from error
        except OSError:
            # Some network folders have no locks; the library gives each job to one kernel.
            return

    def _hash_again(self, file: int) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        while block := os.read(file, BLOCK):
            self._digest.update(block)
            self.size += len(block)


def _open_recorded(record: PartRecord) -> int | None:
    """Open the file of a record; None if its name now leads to another file."""
    file = os.open(record.path, FLAGS)
    if record.is_of(os.fstat(file)):
        return file
    os.close(file)
    return None


def hash_file(path: Path) -> tuple[int, str]:
    """Return the size of a file in bytes and its SHA-256 in hex; raises OSError."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def final_path(target: Path, media_type: str) -> Path:
    """Return the target's name with the suffix of this type."""
    endings = VIDEO_SUFFIXES.get(media_type, ())
    if not endings or target.suffix.lower() in endings:
        return target
    known = {ending for group in VIDEO_SUFFIXES.values() for ending in group}
    if target.suffix.lower() in known:
        return target.with_suffix(endings[0])
    return target.with_name(target.name + endings[0])


def name_taken(final: Path, kept: Path | None) -> DownloadError:
    """Return the error for a name that another file has."""
    return DownloadError(
        f"{final} already exists with other content; it was not overwritten.",
        path=str(kept) if kept else None,
        hint="Move it away or choose another name, then resume.",
    )


def _move(part: Path, final: Path) -> None:
    """Rename the file in one step; raises FileExistsError if the name is taken."""
    try:
        os.link(part, final)
    except FileExistsError:
        raise
    except OSError:
        # No hard links here (FAT, some network folders): create an empty file at the name, then
        # replace it.
        os.close(os.open(final, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        try:
            part.replace(final)
        except OSError:
            final.unlink()
            raise
    else:
        part.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power failure, if the system supports it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
