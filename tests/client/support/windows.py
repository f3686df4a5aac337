"""What Windows does with locks on files, as Python and Microsoft document it; nothing more.

https://docs.python.org/3/library/msvcrt.html#msvcrt.locking
https://learn.microsoft.com/cpp/c-runtime-library/reference/locking
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field


@dataclass
class FakeMsvcrt:
    """`msvcrt` with its locks: of a region from the current position, which no other may overlap.

    Two descriptors of one process exclude each other, too. Closing releases nothing here, since
    Windows may do it late.
    """

    LK_UNLCK = 0
    LK_LOCK = 1
    LK_NBLCK = 2
    held: list[tuple[tuple[int, int], int, range]] = field(default_factory=list)

    def locking(self, fd: int, mode: int, nbytes: int) -> None:
        """Lock or unlock; raises OSError with EACCES, as `_locking` sets errno."""
        found, start = os.fstat(fd), os.lseek(fd, 0, os.SEEK_CUR)
        file, region = (found.st_dev, found.st_ino), range(start, start + nbytes)
        if mode == self.LK_UNLCK:
            if (file, fd, region) not in self.held:
                raise OSError(errno.EACCES, "Permission denied")
            self.held.remove((file, fd, region))
            return
        assert mode == self.LK_NBLCK, "LK_LOCK would block for ten seconds"
        for other, _, taken in self.held:
            if other == file and region.start < taken.stop and taken.start < region.stop:
                raise OSError(errno.EACCES, "Permission denied")
        self.held.append((file, fd, region))
