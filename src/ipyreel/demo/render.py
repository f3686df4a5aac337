"""Films of the demo provider: a prompt becomes a real H.264 MP4; the one demo module with av."""

from __future__ import annotations

import io
import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import Flags
from av.video.frame import VideoFrame

from ipyreel.demo.art.picture import Picture, Planes

_FORMATS = {"webp": "WEBP", "jpeg": "JPEG", "png": "PNG"}
# Without macroblock-tree: with it, equal frames of small sizes come out as unequal bytes.
_OPTIONS = {"preset": "veryfast", "crf": "23", "threads": "2", "mbtree": "0"}
# Frames that are drawn and not yet encoded: what one of them takes longer, the others make up for.
_AHEAD = 4
_BT709 = 1
_LIMITED = 1


def _check(width: int, height: int, seconds: float) -> None:
    if width < 16 or height < 16:  # noqa: PLR2004 - one macroblock
        raise ValueError(f"size {width}x{height} is too small for H.264: at least 16x16.")
    if width % 2 or height % 2:
        raise ValueError(
            f"size {width}x{height} is odd: H.264 with 4:2:0 colour wants an even width and height."
        )
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"seconds must be a positive number, not {seconds!r}.")


def _frame(planes: Planes) -> VideoFrame:
    """Copy the planes into a frame of ours; its rows may be longer than the picture's."""
    frame = VideoFrame(*planes[0].size, "yuv420p")
    for plane, image in zip(frame.planes, planes, strict=True):
        rows = np.frombuffer(plane, dtype=np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload]
        rows[: image.height, : image.width] = np.asarray(image)
    frame.colorspace = _BT709
    frame.color_range = _LIMITED
    return frame


def _frames(picture: Picture, count: int, fps: int, after: int = 0) -> Iterator[VideoFrame]:
    """Draw so many frames in order, a few ahead of the one that is being encoded.

    Those that come `after` others do not show the last of these twice.
    """

    def drawn(index: int) -> VideoFrame:
        frame = _frame(picture.at((index + bool(after)) / fps))
        frame.pts = after + index
        return frame

    # Pillow and the encoder both work outside Python's lock.
    with ThreadPoolExecutor(1, thread_name_prefix="ipyreel-demo-draw") as pool:
        waiting = deque(pool.submit(drawn, index) for index in range(min(_AHEAD, count)))
        for index in range(count):
            yield waiting.popleft().result()
            if index + _AHEAD < count:
                waiting.append(pool.submit(drawn, index + _AHEAD))


def look_at(film: bytes) -> tuple[int, int, float, bytes]:
    """Return width, height, seconds and the first picture (PNG) of a film, given as its bytes.

    Raises `ValueError` for what is no film.
    """
    try:
        with av.open(io.BytesIO(film)) as container:
            stream = container.streams.video[0]
            first = next(container.decode(stream))
            seconds = float(container.duration or 0) / av.time_base
    except (av.FFmpegError, IndexError, StopIteration) as error:
        raise ValueError(f"the film cannot be read: {error}") from error
    if seconds <= 0:
        raise ValueError("the film does not say how long it is.")
    return first.width, first.height, seconds, _file_of(first, "png")


def picture_of(path: Path, at: float, format: str) -> bytes:  # noqa: A002 - as in `still`
    """Return the picture of a film at ``at`` seconds, as an image file's bytes."""
    with av.open(str(path)) as container:
        shown = None
        for frame in container.decode(container.streams.video[0]):
            if shown is not None and frame.time is not None and frame.time > at:
                break
            shown = frame
    if shown is None:
        raise ValueError(f"{path.name} has no picture.")
    return _file_of(shown, format)


def _file_of(frame: VideoFrame, format: str) -> bytes:  # noqa: A002 - as in `still`
    target = io.BytesIO()
    frame.to_image(src_colorspace="ITU709").save(target, _FORMATS[format], quality=88)
    return target.getvalue()


class _Clip:
    """A film that comes first, picture by picture at our rate; `last` is the one it ends with."""

    def __init__(self, path: Path, size: tuple[int, int], fps: int) -> None:
        self._path, self._size, self._fps = path, size, fps
        self.count = 0
        self.last: bytes | None = None

    def frames(self) -> Iterator[VideoFrame]:
        """Decode and bring to our size, each picture as often as its time wants."""
        with av.open(str(self._path)) as container:
            seconds = float(container.duration or 0) / av.time_base
            whole = max(1, round(seconds * self._fps))
            shown = None
            for decoded in container.decode(container.streams.video[0]):
                due = round((decoded.time or 0) * self._fps)
                while shown is not None and self.count < min(due, whole):
                    yield self._next(shown)
                shown = decoded
            while shown is not None and self.count < whole:
                yield self._next(shown)
        if shown is not None:
            self.last = _file_of(shown, "png")

    def _next(self, decoded: VideoFrame) -> VideoFrame:
        width, height = self._size
        frame = decoded.reformat(width, height, "yuv420p")
        frame.pts, frame.time_base = self.count, Fraction(1, self._fps)
        self.count += 1
        return frame


def render(  # noqa: PLR0913 - all that a film is made of, by name
    prompt: str,
    *,
    seed: int,
    width: int,
    height: int,
    seconds: float,
    path: Path,
    image: bytes | None = None,
    clip: Path | None = None,
    fps: int = 24,
) -> None:
    """Write the film of ``prompt`` to ``path``: H.264 in MP4, index first, no sound.

    Parameters
    ----------
    prompt
        Its colour, scene, mood and subject words choose the picture; it is also the caption.
    seed
        Chooses among the pictures of one prompt. The same arguments give the same bytes.
    width, height
        Pixels; even.
    seconds, fps
        Length, and frames per second; the film has ``round(seconds * fps)``, at least one.
    path
        Where the file goes; one that is there is overwritten.
    image, clip
        PNG, JPEG or WEBP bytes that become the first frame, cut to cover it; or a film that
        comes first: the picture goes on from its end, and ``seconds`` is the length of both.

    Raises
    ------
    ValueError
        If a size is odd or below 16, ``seconds`` is not positive, or ``image`` is no image.
    OSError
        If ``path`` cannot be written.
    """
    _check(width, height, seconds)
    size = (width, height)
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        # Without bitexact the muxer writes its own version into the file.
        container.flags |= Flags.bitexact.value
        stream = container.add_stream("libx264", rate=fps, options=dict(_OPTIONS))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        context.thread_type = "FRAME"
        start = 0
        if clip is not None:
            before = _Clip(clip, size, fps)
            for frame in before.frames():
                container.mux(stream.encode(frame))
            start, image = before.count, before.last
        left = seconds - start / fps
        picture = Picture(prompt, seed=seed, size=size, seconds=left, image=image)
        for frame in _frames(picture, max(1, round(left * fps)), fps, after=start):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def still(
    prompt: str,
    *,
    seed: int,
    width: int,
    height: int,
    at: float = 0.0,
    seconds: float = 8.0,
    image: bytes | None = None,
    format: str = "webp",  # noqa: A002 - the word Pillow and the wire use
) -> bytes:
    """Return one frame of the film that `render` would make, as an image file's bytes.

    Parameters
    ----------
    prompt, seed, width, height, seconds, image
        As for `render`.
    at
        Seconds from the beginning.
    format
        "webp", "jpeg" or "png".

    Raises
    ------
    ValueError
        As `render` does, and for another ``format``.
    """
    _check(width, height, seconds)
    if format not in _FORMATS:
        raise ValueError(f"format must be one of {', '.join(_FORMATS)}, not {format!r}.")
    picture = Picture(prompt, seed=seed, size=(width, height), seconds=seconds, image=image)
    shown = _frame(picture.at(at)).to_image(src_colorspace="ITU709")
    target = io.BytesIO()
    shown.save(target, _FORMATS[format], quality=88)
    return target.getvalue()
