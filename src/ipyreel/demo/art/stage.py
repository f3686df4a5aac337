"""Tools for building the layers of a picture: the stage, noise, ridges, hills, trees.

Colours are painted at half the size of the frame (`canvas.painted`), edges at its full size.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from PIL import Image

from ipyreel.demo.art.canvas import Canvas, Floats, Rgb, Sprite, mix, painted, plain
from ipyreel.demo.art.words import Scene

# A layer: draws its state at t seconds after the beginning on the canvas.
Part: TypeAlias = Callable[[Canvas, float], None]
# Gets the depth below a line in pixels, and the row, both (h, w) at half size; returns RGB.
Paint: TypeAlias = Callable[[Floats, Floats], Floats]


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
        """Return a random generator for the part ``name``, independent of other parts."""
        return np.random.default_rng([self.scene.digest, zlib.crc32(name.encode())])

    def row(self, share: float) -> int:
        """Return an even row at ``share`` of the height from the top."""
        return round(self.height * share / 2) * 2

    def lit(self, colour: Rgb) -> Rgb:
        """Return ``colour`` in the light of the hour."""
        red, green, blue = (a * b for a, b in zip(colour, self.scene.tint, strict=True))
        return (red, green, blue)

    def hazy(self, colour: Rgb, haze: float) -> Rgb:
        """Return ``colour`` in the light of the hour, as seen through ``haze`` (0..1) of air."""
        return mix(self.lit(colour), self.scene.sky[2], haze)

    def away(self, at: tuple[float, float]) -> Floats:
        """Return the distance from ``at`` (pixels) in units, on a grid of a quarter of the size."""
        x = span(-at[0], self.width - at[0], self.width // 4 + 1)[None, :]
        y = span(-at[1], self.height - at[1], self.height // 4 + 1)[:, None]
        distance: Floats = np.hypot(x, y) / np.float32(self.unit)
        return distance


def smooth(values: Floats, low: float, high: float) -> Floats:
    """Return the smooth step of ``values`` from 0 at ``low`` to 1 at ``high``."""
    share = np.clip((values - low) / (high - low), 0, 1).astype(np.float32)
    stepped: Floats = share * share * (3 - 2 * share)
    return stepped


def span(start: float, end: float, count: int) -> Floats:
    """Return ``count`` numbers from ``start`` to ``end``."""
    return np.linspace(start, end, count, dtype=np.float32)


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
        box = (pad, 0, pad + across, down + 1)
        lumps = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC, box=box)
        total += np.asarray(lumps) * np.float32(0.5**octave)
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
        step = np.interp(np.arange(width), at, heights, period=width)
        line += step.astype(np.float32) * np.float32(0.44**octave)
    line /= np.abs(line).max()
    return line


def column(stops: tuple[Rgb, ...], height: int, at: tuple[float, ...] | None = None) -> Floats:
    """Return (height, 1, 3): a gradient from the first colour at the top to the last."""
    where = at or tuple(np.linspace(0, 1, len(stops)))
    y = np.linspace(0, 1, height)
    channels = [np.interp(y, where, [stop[i] for stop in stops]) for i in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)[:, None, :]


def shaded(top: Rgb, low: Rgb, deep: float, rim: Rgb | None = None) -> Paint:
    """Return paint going from ``top`` at the ridge to ``low`` at ``deep`` pixels, ``rim`` lit."""

    def paint(depth: Floats, _rows: Floats) -> Floats:
        share = np.clip(depth / np.float32(deep), 0, 1)[..., None]
        rgb: Floats = np.asarray(top) * (1 - share) + np.asarray(low) * share
        if rim is not None:
            edge = np.exp(np.clip(depth, 0, None) * np.float32(-20 / deep))[..., None]
            rgb += (np.asarray(rim, np.float32) - rgb) * edge * np.float32(0.55)
        return rgb

    return paint


def ground(line: Floats, bottom: int, paint: Paint) -> tuple[Sprite, int]:
    """Return the area from ``line`` (a row for each column) to ``bottom``, and its top row."""
    top = int(line.min() // 2) * 2
    end = max(bottom // 2 * 2, top + 2)
    rows = np.arange(top, end, 2, dtype=np.float32)[:, None] + np.float32(0.5)
    fine = np.arange(top, end, dtype=np.float32)[:, None] + np.float32(0.5)
    cover = np.clip(fine - line.astype(np.float32), 0, 1) * 255
    return painted(paint(rows - line[None, ::2], rows), (line.shape[0], end - top), cover), top


def scrolling(
    piece: Sprite, y: float, speed: float, *, bob: Callable[[float], float] | None = None
) -> Part:
    """Show a periodic layer at row ``y`` passing to the left at ``speed`` pixels per second.

    ``bob`` returns how far it is lowered at a moment.
    """

    def draw(canvas: Canvas, t: float) -> None:
        x = -((speed * t) % piece.size[0])
        while x < canvas.width:
            canvas.blit(piece, x, y + (bob(t) if bob else 0.0))
            x += piece.size[0]

    return draw


def fixed(piece: Sprite, x: float, y: float) -> Part:
    """Show a sprite that does not move."""
    return lambda canvas, _t: canvas.blit(piece, x, y)


def glow(radius: float, colour: Rgb, strength: float = 1.0, power: float = 2.2) -> Sprite:
    """Return a soft round light with that radius in pixels."""
    side = max(4, round(radius) * 2)
    across = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / np.float32(side / 2) - 1
    away = np.hypot(across[None, :], across[:, None])
    return plain(colour, np.clip(1 - away, 0, 1) ** np.float32(power) * np.float32(255 * strength))


def hills(
    stage: Stage, name: str, place: tuple[float, float, float], paint: Paint, *, speed: float
) -> Part:
    """Return a layer of rolling hills that passes by.

    ``place`` has their position, height, and lowest visible row, in shares of the height.
    """
    base, tall, down = place
    line = stage.height * (base - tall * rolling(stage.dice(name), stage.wide))
    piece, top = ground(line, stage.row(down), paint)
    return scrolling(piece, top, speed * stage.unit * stage.scene.tempo)


def pines(stage: Stage, name: str, base: float, size: tuple[float, float], colour: Rgb) -> Sprite:
    """Return a periodic row of firs on ``base`` (share of height); it belongs at row 0."""
    dice = stage.dice(name)
    high = stage.row(base + 0.06)
    foot = np.float32(stage.height * base)
    x = dice.uniform(-8, 8)
    columns = np.arange(stage.wide, dtype=np.float32)
    rows = np.arange(high, dtype=np.float32)[:, None]
    cover = np.broadcast_to(np.clip(rows - foot, 0, 1), (high, stage.wide)).copy()
    while x < stage.wide - 4:
        tall = stage.unit * dice.uniform(*size)
        half = max(2, round(tall * 0.24))
        left, right = max(0, round(x) - half), min(stage.wide, round(x) + half)
        first = max(0, int(foot - tall))
        down = rows[first:] - (foot - np.float32(tall * 0.95))
        tier = np.float32(0.55) + np.float32(0.75) * ((down / np.float32(tall) * 9) % 1)
        spread = np.clip(down, 0, None) * np.float32(0.17) * tier
        tree = np.clip(spread - np.abs(columns[left:right] - np.float32(x)) + np.float32(0.5), 0, 1)
        part = cover[first:, left:right]
        np.maximum(part, tree * (down > 0), out=part)
        x += tall * dice.uniform(0.12, 0.38)
    return plain(colour, cover * 255)
