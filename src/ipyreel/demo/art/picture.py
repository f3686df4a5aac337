"""The picture of a prompt at any moment: scene, then layers, then planes."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageOps

from ipyreel.demo.art import built, nature
from ipyreel.demo.art.canvas import Canvas, Sprite, doubled, painted, sprite_of
from ipyreel.demo.art.caption import ABSTRACT, MARK, caption
from ipyreel.demo.art.effects import in_front, motes, shafts
from ipyreel.demo.art.stage import Part, Stage, column, fixed, span
from ipyreel.demo.art.words import read_scene

Planes: TypeAlias = tuple[Image.Image, Image.Image, Image.Image]
# An input image is first shown alone; the effects of the prompt fade in over these seconds.
_REVEAL = 1.2
_ZOOM = 0.14
# Pillow knows others, and starts programs for some: an EPS would run Ghostscript.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


def _opened(image: bytes, size: tuple[int, int]) -> Sprite:
    """Return the input image rotated upright and cropped to cover ``size``."""
    try:
        with Image.open(io.BytesIO(image), formats=_FORMATS) as opened:
            upright = ImageOps.exif_transpose(opened).convert("RGBA")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"the input image cannot be read: {error}") from error
    paper = Image.new("RGBA", upright.size, (255, 255, 255, 255))
    paper.alpha_composite(upright)
    fitted = ImageOps.fit(paper.convert("RGB"), size, Image.Resampling.LANCZOS)
    return sprite_of(fitted)


def _travel(picture: Sprite, seconds: float) -> Part:
    """Return a slow zoom into ``picture`` that starts at rest."""

    def moved(plane: Image.Image, cut: float) -> Image.Image:
        drift = 0.4 * cut
        left, top, room = plane.width * (cut + drift), plane.height * (cut - drift), 1 - 2 * cut
        box = (left, top, left + plane.width * room, top + plane.height * room)
        return plane.resize(plane.size, Image.Resampling.BILINEAR, box=box)

    def draw(canvas: Canvas, t: float) -> None:
        share = min(1.0, max(0.0, t / seconds))
        cut = _ZOOM * share * share * (3 - 2 * share) / 2
        canvas.y, canvas.u = moved(picture.y, cut), moved(picture.u, cut)
        canvas.v = moved(picture.v, cut)

    return draw


def abstract(stage: Stage) -> list[Part]:
    """Return folds of light flowing, in the colours and at the pace of the prompt's mood."""
    scene, dice = stage.scene, stage.dice("folds")
    size = (stage.height // 5 + 2, stage.width // 5 + 2)
    x = span(0, stage.width / stage.unit, size[1])[None, :]
    y = span(0, stage.height / stage.unit, size[0])[:, None]
    a = dice.uniform(0, 6.28, 3)
    bend = 0.3 * np.sin(2.1 * x + 1.3 * y + a[0]) + 0.16 * np.sin(4.3 * x - 2.2 * y + a[1])
    lift = 0.3 * np.sin(1.4 * x - 2.6 * y + a[2])
    one = ((1.6 * y + 0.7 * x + bend) * 430).astype(np.int32)
    two = ((2.3 * y - 0.9 * x + lift + 0.5 * bend) * 430).astype(np.int32)
    turn = np.arange(1024) * (2 * np.pi / 1024)
    fold = ((np.sin(turn) * 0.7 + 0.3 * np.sin(2 * turn + 1)) * 128).astype(np.int16)
    ramp = column((*scene.sky, scene.light), 257, (0.0, 0.42, 0.78, 1.0))
    table = painted(ramp, (2, 514))
    tables = [np.asarray(plane)[:, 0] for plane in (table.y, table.u, table.v)]
    pace = 60 * scene.tempo
    half = (stage.width // 2, stage.height // 2)

    def draw(canvas: Canvas, t: float) -> None:
        level = fold[(one + int(pace * t)) & 1023] + fold[(two - int(0.7 * pace * t)) & 1023] + 256
        sheen = fold[(two + 3 * one // 2 + int(1.3 * pace * t)) & 1023] >> 1
        level = np.clip(level + sheen, 0, 512)
        y, u, v = (
            Image.fromarray(values[level >> shrink]).resize(half, Image.Resampling.BICUBIC)
            for values, shrink in zip(tables, (0, 1, 1), strict=True)
        )
        canvas.y, canvas.u, canvas.v = doubled(y), u, v

    return [draw, motes(stage)]


PLACES: Mapping[str, Callable[[Stage], list[Part]]] = {
    "beach": nature.beach,
    "sea": nature.sea,
    "mountain": nature.mountain,
    "meadow": nature.meadow,
    "forest": nature.forest,
    "space": nature.space,
    "city": built.city,
    "garden": built.garden,
    "abstract": abstract,
}


class Picture:
    """The parts of a video that are computed once; `at` composes one frame.

    ``seconds`` is its length: figures cross the frame in that time. The other arguments
    are those of `ipyreel.demo.render.render`.
    """

    def __init__(
        self,
        prompt: str,
        *,
        seed: int,
        size: tuple[int, int],
        seconds: float,
        image: bytes | None = None,
        captioned: bool = True,
    ) -> None:
        self.scene = read_scene(prompt, seed=seed)
        self.size = size
        stage = Stage(self.scene, *size, max(seconds, 0.1))
        self._image = None if image is None else _opened(image, size)
        if self._image is None:
            self._parts = [*PLACES[self.scene.place](stage), *in_front(stage)]
        else:
            air = in_front(stage) or [shafts(stage, colour=(255, 250, 236), strength=0.16)]
            self._parts = [_travel(self._image, seconds), *air, motes(stage)]
        abstract = self.scene.place == "abstract" and image is None and captioned
        mark = ABSTRACT if abstract else MARK
        words = sprite_of(caption(prompt if captioned else "", *size, mark=mark))
        self._parts.append(fixed(words, 0, size[1] - words.size[1]))

    def at(self, t: float) -> Planes:
        """Return the planes y, u and v of the frame ``t`` seconds after the beginning."""
        if self._image is not None and t <= 0:
            return self._image.y, self._image.u, self._image.v
        canvas = Canvas(*self.size)
        for part in self._parts:
            part(canvas, t)
        shown = canvas.planes(self.scene.style)
        if self._image is None or t >= _REVEAL:
            return shown
        share = t / _REVEAL
        bare = Canvas(*self.size)
        self._parts[0](bare, t)
        pairs = zip((bare.y, bare.u, bare.v), shown, strict=True)
        y, u, v = (Image.blend(one, other, share * share * (3 - 2 * share)) for one, other in pairs)
        return y, u, v
