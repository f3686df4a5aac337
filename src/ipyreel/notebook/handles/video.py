"""A finished video that shows itself: linked, embedded, or named by its path.

The bytes of the file are read only when an embedded video is shown, and are not kept.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ipyreel import media
from ipyreel.notebook import frontends
from ipyreel.notebook.frontends import Document, FrontEnd
from ipyreel.notebook.markup import job_html, job_text
from ipyreel.notebook.markup.html import PlayerOptions, ShowMode
from ipyreel.notebook.markup.sweep_html import TileVideo
from ipyreel.values import JobSnapshot

EMBED_LIMIT = 20_000_000
"""Bytes of a file up to which `auto` embeds; matplotlib's `animation.embed_limit` is 20 MB too."""

_MEDIA_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm"}
_CHUNK = 3 * 2**18  # a multiple of 3: the pieces of base64 then join without padding

Chosen = Literal["linked", "embedded", "not shown"]


@dataclass(frozen=True, repr=False)
class Video:
    """A video file, shown as the last line of a cell or by `display`.

    `path` may be given as text. `how` "auto" links the file if it is under the notebook's
    `folder` and the front end can serve it, embeds it if it cannot be linked and has at most
    `embed_limit` bytes, and otherwise shows its path. `width` is in CSS pixels. `autoplay`
    implies `muted`: browsers do not start other videos by themselves. `host`, and `document`
    (or just its `folder`), are detected if not given.
    """

    path: Path
    snapshot: JobSnapshot | None = None
    _: KW_ONLY
    how: ShowMode = "auto"
    width: int | None = None
    loop: bool = False
    muted: bool = False
    autoplay: bool = False
    host: FrontEnd | None = None
    folder: Path | None = None
    document: Document | None = None
    embed_limit: int = EMBED_LIMIT
    printed: Callable[[], bool] = field(default=bool, compare=False)
    """Whether the cell has just printed the job's lines, so that its value does not."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    @classmethod
    def of(
        cls,
        snapshot: JobSnapshot,
        player: PlayerOptions,
        host: FrontEnd,
        document: Document,
        *,
        embed_limit: int = EMBED_LIMIT,
    ) -> Video:
        """Return the video of a completed job, shown as `player` says."""
        return cls(
            Path(snapshot.file.path if snapshot.file else snapshot.target),
            snapshot,
            how=player.how,
            width=player.width,
            loop=player.loop,
            muted=player.muted,
            autoplay=player.autoplay,
            host=host,
            document=document,
            embed_limit=embed_limit,
        )

    @cached_property
    def _host(self) -> FrontEnd:
        return self.host or frontends.detect()

    @cached_property
    def size(self) -> int | None:
        """Bytes of the file; None when it does not exist."""
        try:
            return self.path.stat().st_size
        except OSError:
            return None

    @cached_property
    def _document(self) -> Document:
        if self.document is None and self.folder is not None:
            return Document(folder=Path(os.path.abspath(self.folder)))  # noqa: PTH100 - as typed
        return self.document or frontends.find_document()

    def frame(self, second: float) -> Any:
        """Return the frame at `second` as a PIL image.

        This and the next three methods raise `InvalidRequest` if PyAV or Pillow is missing, or
        the file is not a video.
        """
        return media.frame(self.path, second)

    def last_frame(self) -> Any:
        """Return the last frame as a PIL image, for example as the next input image."""
        return media.last_frame(self.path)

    def contact_sheet(self, count: int = 9, *, columns: int = 0, width: int = 320) -> Any:
        """Return `count` evenly spaced frames in one PIL image; `width` of each in pixels."""
        return media.contact_sheet(self.path, count, columns=columns, width=width)

    def save_gif(self, path: str | Path, *, rate: float = 10, width: int = 480) -> Path:
        """Write an animated GIF of `rate` frames per second and return its path."""
        return media.save_gif(self.path, Path(path).expanduser(), rate=rate, width=width)

    @property
    def link(self) -> str | None:
        """The URL of the file relative to the notebook; None if it would not be served."""
        return self._document.link(self.path)

    @property
    def _any_link(self) -> str | None:
        return self._document.any_link(self.path)

    @property
    def place(self) -> str:
        """The path as it is shown: in full if nothing is saved."""
        return (
            frontends.place(self.path, self._document.folder) if self._host.html else str(self.path)
        )

    @cached_property
    def chosen(self) -> Chosen:
        """How the video is shown here: "linked", "embedded" or "not shown"."""
        return self._choice[0]

    @property
    def added(self) -> int:
        """Bytes that the video adds to the notebook."""
        return 4 * -(-(self.size or 0) // 3) if self.chosen == "embedded" else 0

    @property
    def why(self) -> str:
        """Why it is shown that way, as a sentence."""
        return self._choice[1]

    @cached_property
    def _choice(self) -> tuple[Chosen, str]:
        size = self.size
        if size is None:
            return "not shown", f"The file no longer exists: {self.place}"
        if self.how == "link":
            return self._linked()
        if self.how == "embed":
            return "embedded", "You asked for it."
        fits = self._host.embeds_first and size <= self.embed_limit
        if self._host.links and not fits and self.link:
            return "linked", "The file is under the notebook's folder."
        return self._embedded(size)

    def _linked(self) -> tuple[Chosen, str]:
        if self._any_link:
            return "linked", "You asked for it."
        return "not shown", f"No link leads from the notebook's folder to {self.place}"

    def _embedded(self, size: int) -> tuple[Chosen, str]:
        if not self._host.embeds:
            return "not shown", f"This front end shows no video; the file is {self.place}"
        if size > self.embed_limit:
            most = job_text.amount(self.embed_limit)
            big = f"{job_text.amount(size)} is above the limit for embedding ({most})"
            return "not shown", f"{big}; --embed embeds it anyway. The file is {self.place}"
        return "embedded", "The front end cannot follow a link to the file."

    @property
    def src(self) -> str | None:
        """The player's `src`: a relative URL or a data URI; None: not shown.

        Raises `OSError` if a file to be embedded cannot be read.
        """
        if self.chosen == "linked":
            return self._any_link or ""
        return "".join(_data_uri(self.path)) if self.chosen == "embedded" else None

    @property
    def where(self) -> str:
        """The line about the file: `videos/a.mp4 · 3.1 MB, linked`."""
        if self.size is None:
            return self.place
        return f"{self.place} · {self._told(self.size, ' in this notebook')}"

    def _told(self, size: int, there: str = "") -> str:
        """Return the size, how the video is shown, and what that adds to the notebook."""
        told = f"{job_text.amount(size)}, {self.chosen}"
        if self.chosen == "linked" and self._host.embeds_first and self.how == "auto":
            told += "; --embed embeds it"
        return f"{told} (+{job_text.amount(self.added)}{there})" if self.added else told

    def as_tile(self) -> TileVideo:
        """Return what a tile of a grid shows; raises `OSError` if the file cannot be read."""
        src = self.src
        if src is None:
            return TileVideo(src=None, where=self.why)
        name = self.snapshot.id if self.snapshot else Path(self.path).name
        where = f"{name} · {job_text.amount(self.size or 0)}"
        linked = self.chosen == "linked"
        return TileVideo(
            src=src,
            where=where if linked else f"{where}, embedded",
            path=job_text.one_line(self.where),
            link=src if linked else None,
            player=self._options,
        )

    @property
    def _options(self) -> PlayerOptions:
        return PlayerOptions(
            width=self.width, loop=self.loop, muted=self.muted, autoplay=self.autoplay
        )

    def _player(self, src: str) -> str:
        player = self._options
        if self.snapshot is not None:
            return job_html.finished_html(self.snapshot, src, player=player, where=self.where)
        told = self._told(self.size or 0)
        return job_html.player_html(src, player=player, name=self.path.name, line=told)

    def _repr_html_(self) -> str:
        """Return the player, or the sentence that says where the file is."""
        return str(self._html())  # marimo refuses a subclass of str

    def _html(self) -> str:
        try:
            if (src := self.src) is not None:
                return self._player(src)
        except OSError as error:
            told = f"{self.place} cannot be read: {error.strerror}"
            return job_html.missing_html(self.snapshot, told)
        return job_html.missing_html(self.snapshot, self.why)

    def _repr_mimebundle_(
        self,
        include: object = None,  # noqa: ARG002 - IPython passes both by name
        exclude: object = None,  # noqa: ARG002
    ) -> Mapping[str, str]:
        """Return HTML and text; only text if HTML is not shown, so that no file is read."""
        if not self._host.html:
            if self.snapshot is not None and self.printed():
                return {"text/plain": f"Video {self.snapshot.id}"}
            return {"text/plain": repr(self)}
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def __repr__(self) -> str:
        """Return the job's two lines, or the path and size of a file without a job."""
        if self.snapshot is not None:
            return job_text.text(self.snapshot, place=self.place if self._host.html else None)
        if self.size is None:
            return job_text.one_line(f"Video {self.place} (not there)")
        if self.chosen == "not shown":
            return job_text.one_line(f"Video {self.place} ({job_text.amount(self.size)})")
        return job_text.one_line(f"{self.place}, {self._told(self.size)}")


def _data_uri(path: Path) -> Iterator[str]:
    """Yield the pieces of a data URI; holds one chunk of the file at a time."""
    yield f"data:{media_type(path)};base64,"
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield base64.b64encode(chunk).decode("ascii")


def media_type(path: Path) -> str:
    """Return the media type by the file's suffix; MP4 for unknown ones."""
    return _MEDIA_TYPES.get(re.sub(r".*(\.\w+)$", r"\1", path.name).lower(), "video/mp4")
