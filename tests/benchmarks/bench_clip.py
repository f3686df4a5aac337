"""One demo clip against x264 alone on the same frames."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from ipyreel.demo import render as rendering
from ipyreel.demo.art.picture import Picture, Planes
from tests.benchmarks.table import Figure, say

PROMPT = "A golden retriever runs along a beach at sunset, waves, cinematic"
FPS = 24


def run(*, quick: bool) -> list[Figure]:
    """Render and encode by turns; the frames of the encoder alone are drawn before."""
    seconds, size = (2, (1280, 720)) if quick else (8, (1280, 720))
    picture = Picture(PROMPT, seed=1, size=size, seconds=seconds, image=None)
    frames = [picture.at(index / FPS) for index in range(seconds * FPS)]
    whole, alone = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        for number in range(3 if quick else 5):
            say(f"round {number + 1}")
            whole.append(_timed(lambda: _render(path, size, seconds)))
            alone.append(_timed(lambda: _encode(path, size, frames)))
    return [
        Figure(
            what=f"one {seconds} s 1280x720 demo clip",
            against="x264 alone, same frames and preset",
            values=[a / b for a, b in zip(whole, alone, strict=True)],
            reach=1.6,
            note=f"{min(whole):.2f} s against {min(alone):.2f} s",
        )
    ]


def _timed(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _render(path: Path, size: tuple[int, int], seconds: float) -> None:
    rendering.render(PROMPT, seed=1, width=size[0], height=size[1], seconds=seconds, path=path)


def _encode(path: Path, size: tuple[int, int], frames: list[Planes]) -> None:
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options=dict(rendering._OPTIONS))
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.thread_type = "FRAME"
        for index, planes in enumerate(frames):
            frame = av.VideoFrame(*size, "yuv420p")
            for plane, image in zip(frame.planes, planes, strict=True):
                rows = np.frombuffer(plane, dtype=np.uint8).reshape(-1, plane.line_size)
                rows[: image.height, : image.width] = np.asarray(image)
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
