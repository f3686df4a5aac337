"""Makes small pictures of finished videos, once, and keeps them in the user data folder."""

from __future__ import annotations

import re
from pathlib import Path

from ipyreel.errors import VideoError
from ipyreel.media import save_poster, thumbnail
from ipyreel.values import JobSnapshot

SMALL = 100
"""Height in pixels of a poster in a saved notebook: some 2 kB each."""


class Posters:
    """The posters of a library; `folder` is made when the first one is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._without: set[str] = set()

    def cached(self, job: JobSnapshot) -> bytes | None:
        """Return a poster that was made before, as WebP; None: there is none yet."""
        path = self._path(job)
        try:
            return path.read_bytes() if path is not None else None
        except OSError:
            return None

    def wanting(self, job: JobSnapshot) -> bool:
        """Tell whether a poster could be made, and was not."""
        path = self._path(job)
        return path is not None and path.name not in self._without and not path.exists()

    def make(self, job: JobSnapshot) -> bytes | None:
        """Make a poster, once; None where it cannot be: no PyAV, no file, no video in it."""
        path = self._path(job)
        if path is None or job.file is None:
            return None
        try:
            if self.wanting(job):
                save_poster(Path(job.file.path), path)
        except (VideoError, OSError):
            self._without.add(path.name)
        return self.cached(job)

    def small(self, job: JobSnapshot) -> bytes | None:
        """Return a poster that was made before, in the size for a notebook that is saved."""
        poster = self.cached(job)
        return thumbnail(poster, SMALL) if poster is not None else None

    def _path(self, job: JobSnapshot) -> Path | None:
        """Return where a job's poster lies: named by its video, which many jobs may share."""
        if job.file is None or not re.fullmatch(r"[0-9a-f]{16,}", job.file.sha256):
            return None
        return self._folder / f"{job.file.sha256[:32]}.webp"
