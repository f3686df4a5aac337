"""The picture of a prompt at any moment: scene, then layers, then planes; numpy and Pillow only."""

from __future__ import annotations

import io
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageOps

from ipyreel.demo.art.air import in_front, motes
from ipyreel.demo.art.canvas import Canvas, Sprite, sprite, sprite_of
from ipyreel.demo.art.caption import caption
from ipyreel.demo.art.heavens import shafts
from ipyreel.demo.art.places import build
from ipyreel.demo.art.scene import read_scene
from ipyreel.demo.art.stage import Part, Stage, fixed, noise, smooth

Planes: TypeAlias = tuple[Image.Image, Image.Image, Image.Image]
# An input image is seen alone at first; what the prompt adds comes in this many seconds.
_REVEAL = 1.2
_ZOOM = 0.14


def _opened(image: bytes, size: tuple[int, int]) -> Sprite:
    """Return the input image turned upright and cut to cover ``size``."""
    try:
        with Image.open(io.BytesIO(image)) as opened:
            upright = ImageOps.exif_transpose(opened).convert("RGBA")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"the input image cannot be read: {error}") from error
    paper = Image.new("RGBA", upright.size, (255, 255, 255, 255))
    paper.alpha_composite(upright)
    fitted = ImageOps.fit(paper.convert("RGB"), size, Image.Resampling.LANCZOS)
    return sprite_of(fitted)


def _travel(picture: Sprite, seconds: float) -> Part:
    """Return a slow move into ``picture`` that begins at rest."""

    def moved(plane: Image.Image, cut: float) -> Image.Image:
        drift = 0.4 * cut
        box = (
            plane.width * (cut + drift),
            plane.height * (cut - drift),
            plane.width * (1 - cut + drift),
            plane.height * (1 - cut - drift),
        )
        return plane.resize(plane.size, Image.Resampling.BILINEAR, box=box)

    def draw(canvas: Canvas, t: float) -> None:
        share = min(1.0, max(0.0, t / seconds))
        cut = _ZOOM * share * share * (3 - 2 * share) / 2
        canvas.y, canvas.u = moved(picture.y, cut), moved(picture.u, cut)
        canvas.v = moved(picture.v, cut)

    return draw


def _paper(stage: Stage) -> Part:
    """Return the paper of a watercolour: a ragged white edge, and blots where it drank more."""
    shape = (stage.height, stage.width)
    dice = stage.dice("paper")
    x = np.minimum(np.arange(stage.width), np.arange(stage.width)[::-1]).astype(np.float32)[None, :]
    y = np.minimum(np.arange(stage.height), np.arange(stage.height)[::-1]).astype(np.float32)
    inside = np.minimum(x, y[:, None]) / np.float32(stage.unit)
    ragged = inside + 0.085 * (noise(dice, shape, (5, 9), 6) - 0.5)
    white = smooth(ragged, 0.052, 0.022)
    blots = smooth(noise(dice, shape, (3, 5), 6), 0.4, 0.8) * 0.34
    grain = (noise(dice, shape, (stage.height // 3, stage.width // 3), 1) - 0.5) * 0.16
    alpha = (
        np.clip(np.maximum(white, np.clip(blots * (1 + grain) + 0.4 * grain, 0, 0.6)), 0, 1) * 255
    )
    tone = np.broadcast_to(np.asarray((250, 247, 240), np.float32), (*shape, 3))
    return fixed(sprite(np.ascontiguousarray(tone), alpha.astype(np.float32)), 0, 0)


class Picture:
    """Everything of a film that is computed once; `at` composes one frame.

    Parameters
    ----------
    prompt, seed, image
        What to show, as for `ipyreel.demo.render.render`.
    size
        Width and height in pixels, both even.
    seconds
        Length of the film: what crosses the frame does it in that time.
    """

    def __init__(
        self,
        prompt: str,
        *,
        seed: int,
        size: tuple[int, int],
        seconds: float,
        image: bytes | None = None,
    ) -> None:
        self.scene = read_scene(prompt, seed=seed)
        self.size = size
        stage = Stage(self.scene, *size, seconds)
        self._image = None if image is None else _opened(image, size)
        if self._image is None:
            self._parts = build(stage)
        else:
            air = in_front(stage) or [shafts(stage, colour=(255, 250, 236), strength=0.16)]
            self._parts = [_travel(self._image, seconds), *air, motes(stage)]
        if self.scene.style == "watercolor":
            self._parts.append(_paper(stage))
        words = sprite_of(caption(prompt, *size))
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
