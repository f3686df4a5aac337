"""Reads frames from videos: single frames, contact sheets, GIFs, posters and thumbnails.

PyAV and Pillow are optional extras, imported when a picture is requested.
"""

from __future__ import annotations

import contextlib
import io
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ipyreel.errors import InvalidRequest
from ipyreel.whole_file import whole_file

POSTER_WIDTH = 320
"""Width in pixels; enough for a gallery tile on a high-density screen."""

POSTER_AT = 0.25
"""Relative position of the poster in a video: many start with a fade-in from black."""

MAX_PIXELS = 40_000_000
"""Pixels of one frame: more than 8K video (7680x4320), and 160 MB when decoded."""

MAX_SHEET = 100_000_000
"""Pixels of a contact sheet, or of all frames of a GIF together: they are held in memory."""

MAX_FRAMES = 3_000
"""Frames of a GIF, or of a contact sheet."""

PATIENCE = 120.0
"""Seconds of decoding for one call: a file of a few kilobytes can claim years of video."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Length in seconds and frames per second of a video."""

    seconds: float
    rate: float


def facts(path: Path) -> Facts:
    """Return length and frame rate of a video; raises like `frame`."""
    with _opened(path) as film:
        return film.facts


def frame(path: Path, second: float) -> Any:
    """Return the frame at `second` as a PIL image.

    Raises `InvalidRequest` when the video is shorter, PyAV or Pillow is missing, or the file
    is not a readable video.
    """
    with _opened(path) as film:
        film.check(second)
        return film.at(second).to_image()


def last_frame(path: Path) -> Any:
    """Return the last frame as a PIL image; raises like `frame`."""
    with _opened(path) as film:
        return film.at(math.inf).to_image()


def contact_sheet(
    path: Path, count: int = 9, *, columns: int = 0, width: int = POSTER_WIDTH
) -> Any:
    """Return `count` evenly spaced frames side by side in one PIL image.

    `columns` 0: close to a square; `width` is the width of each frame in pixels. Raises like
    `frame`.
    """
    if not 1 <= count <= MAX_FRAMES or columns < 0 or width < 1:
        raise InvalidRequest(
            f"A contact sheet of {count} frames of {width} pixels is not possible."
        )
    with _opened(path) as film:
        film.check_sum(count, width, "Ask for fewer frames, or for a smaller width.")
        moments = [film.facts.seconds * (number + 0.5) / count for number in range(count)]
        pictures = [_scaled(film.at(moment).to_image(), width) for moment in moments]
    across = min(count, columns or math.ceil(math.sqrt(count)))
    return _sheet(pictures, across)


def save_gif(path: Path, target: Path, *, rate: float = 10, width: int = 480) -> Path:
    """Write the video as an animated GIF to `target` and return that; it plays in a loop.

    `rate` is in frames per second, `width` in pixels (at most that of the video). An existing
    file is not overwritten. Raises `InvalidRequest`, also for a GIF that would not fit into
    memory, or `StoreError` when `target` cannot be written.
    """
    if target.exists():
        raise InvalidRequest(f"{target} exists and is not overwritten; choose another name.")
    if not (0 < rate <= 50 and width >= 1):  # noqa: PLR2004 - players show at most 50 frames per second
        raise InvalidRequest(
            "A GIF needs a rate above 0 and at most 50, and a width of at least 1."
        )
    with _opened(path) as film:
        count = film.count_at(rate)
        film.check_sum(count, width, "Ask for a lower rate, or for a smaller width.")
        moments = [number / rate for number in range(count)]
        shown = [_scaled(one.to_image(), width) for one in film.through(moments)]
    first, *rest = shown
    options = {"save_all": True, "append_images": rest, "duration": round(1000 / rate), "loop": 0}
    with whole_file(target, mode=0o666) as part:
        first.save(part, format="GIF", **options)
    return target


def save_poster(path: Path, target: Path, *, width: int = POSTER_WIDTH) -> Path:
    """Write a small WebP frame of the video to `target`, replacing an older one.

    Raises like `save_gif`.
    """
    with _opened(path) as film:
        picture = _scaled(film.at(film.facts.seconds * POSTER_AT).to_image(), width)
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(target, mode=0o666) as part:
        picture.save(part, format="WEBP", quality=80)
    return target


class _Film:
    """An open video. Times are in seconds from its first frame."""

    def __init__(self, path: Path, container: Any, clock: Callable[[], float]) -> None:
        self.path = path
        self._clock, self._deadline = clock, clock() + PATIENCE
        self._container = container
        self._stream = container.streams.video[0]
        self._base = float(self._stream.time_base)
        self._begin = self._stream.start_time or 0
        self._rate = float(self._stream.average_rate or 24)
        codec = self._stream.codec_context
        self.width, self.height = codec.width, codec.height
        if self.width * self.height > MAX_PIXELS:
            raise InvalidRequest(
                f"{path} has frames of {self.width}x{self.height} pixels; at most {MAX_PIXELS:,} "
                "pixels are decoded."
            )
        codec.options = dict(_BOUNDED)  # the stream may change its size later on

    @property
    def facts(self) -> Facts:
        """Length and rate; without a stated duration the frames are counted."""
        duration = self._stream.duration
        seconds = duration * self._base if duration else self._stream.frames / self._rate
        return Facts(seconds=seconds, rate=self._rate)

    def count_at(self, rate: float) -> int:
        """Return how many frames the video has at that rate; raise for more than `MAX_FRAMES`."""
        count = self.facts.seconds * rate
        if not count <= MAX_FRAMES:
            raise InvalidRequest(
                f"{self.path} is {self.facts.seconds:g} s long: a GIF of {count:.0f} frames; at "
                f"most {MAX_FRAMES} are possible. Ask for a lower rate."
            )
        return max(1, round(count))

    def check_sum(self, count: int, width: int, advice: str) -> None:
        """Raise InvalidRequest if `count` frames of that width have too many pixels."""
        width = min(width, self.width)
        pixels = count * width * max(1, round(width * self.height / max(1, self.width)))
        if pixels > MAX_SHEET:
            raise InvalidRequest(
                f"{count} frames of {self.path} have {pixels:,} pixels in all; at most "
                f"{MAX_SHEET:,} are possible. {advice}"
            )

    def check(self, second: float) -> None:
        """Raise InvalidRequest for a time outside of the video."""
        if not 0 <= second <= self.facts.seconds:
            whole = f"it has 0 to {self.facts.seconds:g} s"
            raise InvalidRequest(f"{self.path} has no frame at {second:g} s; {whole}.")

    def at(self, second: float) -> Any:
        """Return the frame at that time; after the end, the last one."""
        self._seek(min(second, self.facts.seconds))
        return next(self.through([second]))

    def through(self, moments: list[float]) -> Iterator[Any]:
        """Yield the frame at each of `moments`, which ascend, decoding once."""
        waiting, shown = iter(moments), None
        moment = next(waiting, None)
        for one in self._container.decode(self._stream):
            if self._clock() > self._deadline:
                raise InvalidRequest(f"{self.path} takes more than {PATIENCE:g} s to decode.")
            # Half a frame early: more than the rounding between seconds and ticks.
            begins = (one.pts - self._begin) * self._base - 0.5 / self._rate
            while moment is not None and shown is not None and moment < begins:
                yield shown
                moment = next(waiting, None)
            if moment is None:
                return
            shown = one
        if shown is None:
            raise InvalidRequest(f"{self.path} contains no frames.")
        while moment is not None:
            yield shown
            moment = next(waiting, None)

    def _seek(self, second: float) -> None:
        """Seek to the last key frame before that time."""
        self._container.seek(self._begin + int(second / self._base), stream=self._stream)


# For the decoder, also while the file is probed, which decodes its first frames.
_BOUNDED = {"max_pixels": str(MAX_PIXELS)}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[_Film]:
    av = _libraries()
    try:
        with av.open(str(path), stream_options=[dict(_BOUNDED) for _ in range(8)]) as container:
            yield _Film(path, container, time.monotonic)
    except (av.FFmpegError, IndexError, OverflowError) as error:
        raise InvalidRequest(f"{path} cannot be read as a video.") from error


def _libraries() -> Any:
    try:
        import av  # noqa: PLC0415 - an optional extra
        import PIL  # noqa: F401, PLC0415 - an optional extra, which PyAV makes the images with
    except ImportError as error:
        raise InvalidRequest(
            "Frames of a video need PyAV and Pillow.", hint='pip install "ipyreel[media]"'
        ) from error
    return av


def _scaled(picture: Any, width: int) -> Any:
    if picture.width <= width:
        return picture
    return picture.resize((width, max(1, round(picture.height * width / picture.width))))


def _sheet(pictures: list[Any], columns: int) -> Any:
    width, height = pictures[0].size
    rows = math.ceil(len(pictures) / columns)
    sheet = pictures[0].resize((width * columns, height * rows))
    sheet.paste((0, 0, 0), (0, 0, *sheet.size))
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        sheet.paste(picture, (width * column, height * row))
    return sheet


def thumbnail(data: bytes, height: int = 128) -> bytes | None:
    """Return an image as a small WebP; None when Pillow is missing or cannot read it."""
    try:
        from PIL import Image  # noqa: PLC0415 - an optional extra
    except ImportError:
        return None
    target = io.BytesIO()
    try:
        # Not every format that Pillow knows: an EPS would start Ghostscript.
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF")) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                return None
            picture.draft("RGB", (height * 4, height * 4))  # JPEGs are decoded at a reduced size
            picture.thumbnail((height * 4, height))
            picture.convert("RGB").save(target, format="WEBP", quality=75)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    return target.getvalue()
