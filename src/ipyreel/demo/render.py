"""Renders the demo provider's videos: a prompt becomes a real H.264 MP4."""

from __future__ import annotations

import io
import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
from av.container import Flags, OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from ipyreel.demo.art.picture import Picture, Planes

_FORMATS = {"webp": "WEBP", "jpeg": "JPEG", "png": "PNG"}
# Without macroblock-tree: with it, equal frames of small sizes are encoded differently.
_OPTIONS = {"preset": "veryfast", "crf": "23", "threads": "2", "mbtree": "0"}
# Frames that are drawn ahead of the encoder: drawing and encoding then overlap.
_AHEAD = 4
_FPS = 24
_BT709 = 1
_LIMITED = 1


def _check(width: int, height: int, seconds: float) -> None:
    if width < 16 or height < 16:  # noqa: PLR2004 - one macroblock
        raise ValueError(f"size {width}x{height} is too small for H.264: at least 16x16.")
    if width % 2 or height % 2:
        raise ValueError(
            f"size {width}x{height} is odd: H.264 with 4:2:0 colour needs an even width and height."
        )
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"seconds must be a positive number, not {seconds!r}.")


def _frame(planes: Planes) -> VideoFrame:
    """Copy the planes into an encoder frame, whose rows may be longer than the picture's."""
    frame = VideoFrame(*planes[0].size, "yuv420p")
    for plane, image in zip(frame.planes, planes, strict=True):
        plane.update(image.tobytes("raw", "L", plane.line_size))
    frame.colorspace = _BT709
    frame.color_range = _LIMITED
    return frame


def _frames(picture: Picture, count: int, after: int = 0) -> Iterator[VideoFrame]:
    """Yield frames in order, drawn a few frames ahead of the encoder.

    Frames that come `after` others do not repeat the last of those.
    """

    def drawn(index: int) -> VideoFrame:
        frame = _frame(picture.at((index + bool(after)) / _FPS))
        frame.pts = after + index
        return frame

    # Pillow and the encoder both release the GIL.
    with ThreadPoolExecutor(1, thread_name_prefix="ipyreel-demo-draw") as pool:
        waiting = deque(pool.submit(drawn, index) for index in range(min(_AHEAD, count)))
        for index in range(count):
            yield waiting.popleft().result()
            if index + _AHEAD < count:
                waiting.append(pool.submit(drawn, index + _AHEAD))


def look_at(video: bytes) -> tuple[int, int, float, bytes]:
    """Return width, height, seconds and the first picture (PNG) of a video's bytes.

    Raises `ValueError` for what is not a video.
    """
    try:
        with av.open(io.BytesIO(video)) as container:
            stream = container.streams.video[0]
            first = next(container.decode(stream))
            seconds = float(container.duration or 0) / av.time_base
    except (av.FFmpegError, IndexError, StopIteration) as error:
        raise ValueError(f"the video cannot be read: {error}") from error
    if seconds <= 0:
        raise ValueError("the video does not say how long it is.")
    return first.width, first.height, seconds, _file_of(first, "png")


def picture_of(path: Path, at: float) -> bytes:
    """Return the picture of a video at ``at`` seconds, as WebP."""
    with av.open(str(path)) as container:
        shown = None
        for frame in container.decode(container.streams.video[0]):
            if shown is not None and frame.time is not None and frame.time > at:
                break
            shown = frame
    if shown is None:
        raise ValueError(f"{path.name} has no picture.")
    return _file_of(shown, "webp")


def side_by_side(pictures: list[bytes], *, width: int) -> bytes:
    """Return pictures in one row, each ``width`` pixels wide, as WebP."""
    images = [Image.open(io.BytesIO(picture)).convert("RGB") for picture in pictures]
    height = max(2, round(width * images[0].height / images[0].width))
    sheet = Image.new("RGB", (width * len(images), height))
    for number, image in enumerate(images):
        sheet.paste(image.resize((width, height)), (width * number, 0))
    target = io.BytesIO()
    sheet.save(target, "WEBP", quality=85)
    return target.getvalue()


def _file_of(frame: VideoFrame, format: str) -> bytes:  # noqa: A002 - as in `still`
    target = io.BytesIO()
    frame.to_image(src_colorspace="ITU709").save(target, _FORMATS[format], quality=88)
    return target.getvalue()


class _Clip:
    """A video that comes first, one frame at a time at our rate; `last` is its last picture."""

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        self._path, self._size = path, size
        self.count = 0
        self.last: bytes | None = None

    def frames(self) -> Iterator[VideoFrame]:
        """Yield the decoded, scaled frames; each is repeated to fill its time."""
        with av.open(str(self._path)) as container:
            seconds = float(container.duration or 0) / av.time_base
            whole = max(1, round(seconds * _FPS))
            shown = None
            for decoded in container.decode(container.streams.video[0]):
                due = round((decoded.time or 0) * _FPS)
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
        frame.pts, frame.time_base = self.count, Fraction(1, _FPS)
        self.count += 1
        return frame


def _h264(container: OutputContainer, size: tuple[int, int]) -> VideoStream:
    stream = container.add_stream("libx264", rate=_FPS, options=dict(_OPTIONS))
    stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = _LIMITED
    context.thread_type = "FRAME"
    return stream


def render(  # noqa: PLR0913 - all that a video is made of, by name
    prompt: str,
    *,
    seed: int,
    width: int,
    height: int,
    seconds: float,
    path: Path,
    image: bytes | None = None,
    clip: Path | None = None,
    captioned: bool = True,
) -> None:
    """Write the video of ``prompt`` to ``path``: H.264 in MP4, index first, no sound.

    Parameters
    ----------
    prompt
        Its words for colours, scene, mood and subject choose the picture. It is also the caption.
    seed
        Chooses the layout. The same arguments give the same bytes.
    width, height
        Pixels; even.
    seconds
        Length, at 24 frames per second; at least one frame.
    path
        The path of the file; an existing file is overwritten.
    image, clip
        PNG, JPEG, WebP or GIF bytes that become the first frame, cropped to cover it; or a video
        that comes first: the picture continues from its end, ``seconds`` is the total length.
    captioned
        Whether the prompt is written on the picture.

    Raises
    ------
    ValueError
        If a size is odd or below 16, ``seconds`` is not positive, or ``image`` is not an image.
    OSError
        If ``path`` cannot be written.
    """
    _check(width, height, seconds)
    size = (width, height)
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        # Without bitexact the muxer writes its own version into the file.
        container.flags |= Flags.bitexact.value
        stream, start = _h264(container, size), 0
        if clip is not None:
            before = _Clip(clip, size)
            for frame in before.frames():
                container.mux(stream.encode(frame))
            start, image = before.count, before.last
        left = seconds - start / _FPS
        picture = Picture(
            prompt, seed=seed, size=size, seconds=left, image=image, captioned=captioned
        )
        for frame in _frames(picture, max(1, round(left * _FPS)), after=start):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def still(  # noqa: PLR0913 - as `render`
    prompt: str,
    *,
    seed: int,
    width: int,
    height: int,
    at: float = 0.0,
    seconds: float = 8.0,
    image: bytes | None = None,
    captioned: bool = True,
    format: str = "webp",  # noqa: A002 - the word Pillow and the wire use
) -> bytes:
    """Return one frame of the video that `render` would make, as an image file's bytes.

    Parameters
    ----------
    prompt, seed, width, height, seconds, image, captioned
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
    size = (width, height)
    picture = Picture(
        prompt, seed=seed, size=size, seconds=seconds, image=image, captioned=captioned
    )
    shown = _frame(picture.at(at)).to_image(src_colorspace="ITU709")
    target = io.BytesIO()
    shown.save(target, _FORMATS[format], quality=88)
    return target.getvalue()
