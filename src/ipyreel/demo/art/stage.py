"""What every layer of a picture is built with: the stage, noise, ridges; numpy and Pillow only."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ipyreel.demo.art.canvas import Canvas, Floats, Rgb, Sprite, sprite, tiles
from ipyreel.demo.art.scene import Scene

# A layer: draws itself on the canvas as it is t seconds after the beginning.
Part: TypeAlias = Callable[[Canvas, float], None]


@dataclass(frozen=True, slots=True)
class Stage:
    """The scene and the size it is shown at."""

    scene: Scene
    width: int
    height: int
    seconds: float

    @property
    def unit(self) -> float:
        """The length sizes are fractions of: pixels of the shorter side."""
        return float(min(self.width, self.height))

    @property
    def wide(self) -> int:
        """Width of a layer that scrolls: it repeats after that many pixels."""
        return round(max(self.width, self.height) * 0.75) * 2

    def dice(self, name: str) -> np.random.Generator:
        """Return a generator of the part called ``name``: no part moves another's numbers."""
        return np.random.default_rng([self.scene.digest, zlib.crc32(name.encode())])

    def row(self, share: float) -> int:
        """Return an even row at ``share`` of the height from the top."""
        return round(self.height * share / 2) * 2

    def lit(self, colour: Rgb) -> Rgb:
        """Return ``colour`` as it looks in the light of the hour."""
        tint = self.scene.tint
        return (colour[0] * tint[0], colour[1] * tint[1], colour[2] * tint[2])


def smooth(values: Floats, low: float, high: float) -> Floats:
    """Return the smooth step of ``values`` from 0 at ``low`` to 1 at ``high``."""
    share = np.clip((values - low) / (high - low), 0, 1).astype(np.float32)
    stepped: Floats = share * share * (3 - 2 * share)
    return stepped


def resized(values: Floats, width: int, height: int) -> Floats:
    """Return a 2-D array brought to another size, bicubic."""
    image = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32))
    scaled = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(scaled, dtype=np.float32)


def noise(
    dice: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int], octaves: int = 4
) -> Floats:
    """Return clouds of values about 0..1, shape (h, w); they repeat from the right to the left.

    ``cells`` is how many lumps there are down and across at the coarsest octave.
    """
    height, width = shape
    total = np.zeros(shape, dtype=np.float32)
    weight = 0.0
    for octave in range(octaves):
        down, across = cells[0] << octave, cells[1] << octave
        if octave and (down > height or across > width):
            break
        grid = dice.random((down + 1, across), dtype=np.float32)
        pad = min(2, across)
        grid = np.concatenate([grid[:, -pad:], grid, grid[:, :pad]], axis=1)
        image = Image.fromarray(grid)
        box = (pad, 0, pad + across, down + 1)
        image = image.resize((width, height), Image.Resampling.BICUBIC, box=box)
        total += np.asarray(image, dtype=np.float32) * 0.5**octave
        weight += 0.5**octave
    total /= np.float32(weight)
    return total


def rolling(dice: np.random.Generator, width: int, waves: tuple[int, int] = (1, 7)) -> Floats:
    """Return a soft periodic line of hills, -1..1, one value for each column."""
    x = np.arange(width, dtype=np.float32) * (2 * np.pi / width)
    line = np.zeros(width, dtype=np.float32)
    for k in range(*waves):
        line += np.sin(k * x + dice.uniform(0, 2 * np.pi)).astype(np.float32) / k**1.2
    line /= np.abs(line).max()
    return line


def jagged(dice: np.random.Generator, width: int, peaks: int, octaves: int = 6) -> Floats:
    """Return a periodic line of peaks, -1..1: straight slopes, rougher from octave to octave."""
    line = np.zeros(width, dtype=np.float32)
    for octave in range(octaves):
        knots = peaks * 2**octave
        at = (np.arange(knots) + dice.uniform(-0.3, 0.3, knots)) * width / knots
        heights = dice.uniform(-1, 1, knots)
        if octave == 0:
            heights = np.abs(heights) * np.where(np.arange(knots) % 2, 1, -1)
        line += np.interp(np.arange(width), at, heights, period=width).astype(np.float32) * (
            0.44**octave
        )
    line /= np.abs(line).max()
    return line


def column(stops: tuple[Rgb, ...], height: int, at: tuple[float, ...] | None = None) -> Floats:
    """Return (height, 1, 3): a gradient from the first colour at the top to the last."""
    where = at or tuple(np.linspace(0, 1, len(stops)))
    y = np.linspace(0, 1, height)
    channels = [np.interp(y, where, [stop[i] for stop in stops]) for i in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)[:, None, :]


def cover(line: Floats, top: int, bottom: int) -> Floats:
    """Return the coverage 0..255, rows ``top`` to ``bottom``, of what lies below ``line``."""
    rows = np.arange(top, bottom, dtype=np.float32)[:, None]
    share: Floats = np.clip(rows - line[None, :] + 0.5, 0, 1).astype(np.float32) * 255
    return share


def ground(line: Floats, bottom: int, paint: Callable[[Floats, Floats], Floats]) -> Sprite:
    """Make a sprite of what lies below ``line`` down to row ``bottom``; it belongs at `crest`.

    ``paint`` gets the depth below the line in pixels, and the row, both (h, w), and returns RGB.
    """
    top = crest(line)
    rows = np.arange(top, max(bottom, top + 2), dtype=np.float32)[:, None]
    depth = rows - line[None, :]
    return sprite(paint(depth, rows), cover(line, top, max(bottom, top + 2)))


def crest(line: Floats) -> int:
    """Return the even row at or above the highest point of ``line``."""
    return int(np.floor(line.min() / 2)) * 2


def scrolling(piece: Sprite, y: float, speed: float) -> Part:
    """Show a periodic layer at row ``y`` passing to the left at ``speed`` pixels per second."""
    wide, parts = piece.size[0], tiles(piece)

    def draw(canvas: Canvas, t: float) -> None:
        x = -((speed * t) % wide)
        while x < canvas.width:
            canvas.lay(parts, x, y)
            x += wide

    return draw


def fixed(piece: Sprite, x: float, y: float) -> Part:
    """Show a sprite that does not move."""
    parts = tiles(piece)

    def draw(canvas: Canvas, t: float) -> None:  # noqa: ARG001 - the same at every moment
        canvas.lay(parts, x, y)

    return draw


def radial(width: int, height: int, centre: tuple[float, float]) -> Floats:
    """Return the distance of each pixel from ``centre`` (x, y), in pixels."""
    x = np.arange(width, dtype=np.float32)[None, :] - centre[0]
    y = np.arange(height, dtype=np.float32)[:, None] - centre[1]
    away: Floats = np.sqrt(x * x + y * y)
    return away


def glow(radius: float, colour: Rgb, strength: float = 1.0, power: float = 2.2) -> Sprite:
    """Make a round soft light of that radius in pixels."""
    side = max(4, round(radius) * 2)
    away = radial(side, side, (side / 2 - 0.5, side / 2 - 0.5)) / np.float32(side / 2)
    alpha = np.clip(1 - away, 0, 1) ** power * 255 * strength
    rgb = np.broadcast_to(np.asarray(colour, dtype=np.float32), (side, side, 3))
    return sprite(np.ascontiguousarray(rgb), alpha.astype(np.float32))


def grey(values: Floats) -> NDArray[np.uint8]:
    """Return ``values`` cut to 0..255 as bytes."""
    return np.clip(values, 0, 255).astype(np.uint8)
