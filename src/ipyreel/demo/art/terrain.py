"""What lands are made of: paint, haze, hills, firs; numpy and Pillow only."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from ipyreel.demo.art.canvas import Floats, Rgb, Sprite, mix, sprite
from ipyreel.demo.art.stage import (
    Part,
    Stage,
    cover,
    crest,
    ground,
    rolling,
    scrolling,
)

# Gets the depth below a line in pixels, and the row, both (h, w); returns RGB.
Paint: TypeAlias = Callable[[Floats, Floats], Floats]


def shaded(top: Rgb, low: Rgb, deep: float, rim: Rgb | None = None) -> Paint:
    """Return paint going from ``top`` at the ridge to ``low`` at ``deep`` pixels, ``rim`` lit."""

    def paint(depth: Floats, rows: Floats) -> Floats:  # noqa: ARG001 - some paints need the row
        share = np.clip(depth / deep, 0, 1)[..., None]
        rgb = np.asarray(top, np.float32) * (1 - share) + np.asarray(low, np.float32) * share
        if rim is not None:
            edge = np.exp(-np.clip(depth, 0, None) / (deep * 0.05))[..., None] * 0.55
            rgb = rgb + (np.asarray(rim, np.float32) - rgb) * edge
        return np.asarray(rgb, dtype=np.float32)

    return paint


def hazy(stage: Stage, base: Rgb, haze: float) -> Rgb:
    """Return ``base`` in the light of the hour, as seen through ``haze`` (0..1) of air."""
    return mix(stage.lit(base), stage.scene.sky[2], haze)


def hills(stage: Stage, name: str, base: float, tall: float, paint: Paint, *, speed: float) -> Part:
    """Return a layer of rolling hills about ``base`` (share of height) that passes by."""
    line = stage.height * (base - tall * rolling(stage.dice(name), stage.wide))
    piece = ground(line.astype(np.float32), stage.height, paint)
    return scrolling(piece, crest(line), speed * stage.unit * stage.scene.tempo)


def resampled(line: Floats, span: int) -> Floats:
    """Return a periodic line with what is shorter than ``span`` columns smoothed away."""
    kernel = np.ones(span) / span
    wrapped = np.concatenate([line[-span:], line, line[:span]])
    return np.convolve(wrapped, kernel, "same")[span:-span].astype(np.float32)


def pines(stage: Stage, name: str, base: float, size: tuple[float, float], colour: Rgb) -> Sprite:
    """Return a periodic row of firs standing on ``base`` (share of height); it belongs at row 0."""
    dice = stage.dice(name)
    high = stage.row(base + 0.06)
    line = np.full(stage.wide, stage.height * base, dtype=np.float32) - 3 * rolling(
        dice, stage.wide
    )
    x = dice.uniform(-8, 8)
    columns = np.arange(stage.wide, dtype=np.float32)
    rows = np.arange(high, dtype=np.float32)[:, None]
    alpha = np.zeros((high, stage.wide), dtype=np.float32)
    while x < stage.wide - 4:
        tall = stage.unit * dice.uniform(*size)
        half = max(2, round(tall * 0.24))
        left, right = max(0, round(x) - half), min(stage.wide, round(x) + half)
        down = rows - (line[0] + tall * 0.05 - tall)
        tier = (down / tall * 9) % 1.0
        spread = np.clip(down, 0, None) * 0.17 * (0.55 + 0.75 * tier)
        part = np.clip(spread - np.abs(columns[None, left:right] - x) + 0.5, 0, 1) * (down > 0)
        alpha[:, left:right] = np.maximum(alpha[:, left:right], part)
        x += tall * dice.uniform(0.12, 0.38)
    alpha = np.maximum(alpha * 255, cover(line, 0, high))
    rgb = np.broadcast_to(np.asarray(colour, np.float32), (high, stage.wide, 3))
    return sprite(np.ascontiguousarray(rgb), alpha.astype(np.float32))
