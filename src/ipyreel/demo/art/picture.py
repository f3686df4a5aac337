"""The picture of a prompt at any moment: scene, then layers, then planes."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from PIL import Image, ImageOps

from ipyreel.demo.art import beyond, outdoors
from ipyreel.demo.art.air import in_front, motes
from ipyreel.demo.art.canvas import Canvas, Sprite, sprite_of
from ipyreel.demo.art.caption import ABSTRACT, MARK, caption
from ipyreel.demo.art.city import city
from ipyreel.demo.art.garden import garden
from ipyreel.demo.art.sky import shafts
from ipyreel.demo.art.stage import Part, Stage, fixed
from ipyreel.demo.art.words import read_scene

Planes: TypeAlias = tuple[Image.Image, Image.Image, Image.Image]
# An input image is seen alone at first; what the prompt adds comes in this many seconds.
_REVEAL = 1.2
_ZOOM = 0.14
PLACES: Mapping[str, Callable[[Stage], list[Part]]] = MappingProxyType(
    {
        "beach": outdoors.beach,
        "sea": outdoors.sea,
        "mountain": outdoors.mountain,
        "meadow": outdoors.meadow,
        "forest": outdoors.forest,
        "city": city,
        "garden": garden,
        "space": beyond.space,
        "abstract": beyond.abstract,
    }
)


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


class Picture:
    """Everything of a video that is computed once; `at` composes one frame.

    ``seconds`` is its length: what crosses the frame does it in that time. The other arguments
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
        abstract = self.scene.place == "abstract" and image is None
        words = sprite_of(caption(prompt, *size, mark=ABSTRACT if abstract else MARK))
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
