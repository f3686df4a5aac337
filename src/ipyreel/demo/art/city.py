"""Skylines, neon signs and a wet street; numpy and Pillow only."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from PIL import Image

from ipyreel.demo.art.actors import in_sky, on_floor, traffic
from ipyreel.demo.art.canvas import (
    Canvas,
    Floats,
    Rgb,
    Sprite,
    mix,
    scale,
    sprite,
    to_image,
)
from ipyreel.demo.art.heavens import clouds, mirror, sky
from ipyreel.demo.art.shapes import Pen
from ipyreel.demo.art.stage import (
    Part,
    Stage,
    column,
    fixed,
    glow,
    scrolling,
)
from ipyreel.demo.art.terrain import hazy

_WHITE: Rgb = (255, 255, 255)
_NEONS: tuple[Rgb, ...] = ((255, 60, 160), (60, 226, 255), (160, 90, 255), (255, 170, 60))


def _tower(
    stage: Stage, box: tuple[int, int, int, int], colour: Rgb, dice: np.random.Generator
) -> Floats:
    """Return the face of one building (h, w, 3): shaded, with some of its windows lit."""
    _, _, wide, high = box
    rgb = np.repeat(column((mix(colour, _WHITE, 0.07), scale(colour, 0.6)), high), wide, axis=1)
    cell = max(2, round(stage.unit * dice.uniform(0.007, 0.011)))
    warm: Rgb = (255, 214, 140) if dice.random() < 0.6 else (150, 220, 255)  # noqa: PLR2004
    lit_share = {"night": 0.42, "sunset": 0.3, "storm": 0.25}.get(stage.scene.hour, 0.08)
    rows, columns = high // cell // 2, wide // cell // 2
    on = (dice.random((rows, columns)) < lit_share) * dice.uniform(0.35, 1.0, (rows, columns))
    grid = np.zeros((rows * 2, columns * 2), dtype=np.float32)
    grid[::2, 1::2] = on
    grid = np.repeat(np.repeat(grid, cell, 0), cell, 1)[:high, :wide, None]
    rgb[: grid.shape[0], : grid.shape[1]] += (
        np.asarray(warm) - rgb[: grid.shape[0], : grid.shape[1]]
    ) * grid
    rgb[:, : max(1, cell // 3)] *= 1.25
    return rgb


def skyline(stage: Stage, k: int, base: float) -> Sprite:
    """Return a periodic row of buildings, nearer and taller with ``k``; it belongs at row 0."""
    dice = stage.dice(f"skyline{k}")
    bottom = stage.row(base)
    rgb = np.zeros((bottom, stage.wide, 3), dtype=np.float32)
    alpha = np.zeros((bottom, stage.wide), dtype=np.float32)
    colour = hazy(stage, mix((70, 74, 100), (52, 54, 82), k / 2), 0.62 - 0.27 * k)
    if stage.scene.hour == "night":
        colour = mix((16, 14, 34), stage.scene.sky[2], 0.34 - 0.15 * k)
    x = 0
    while x < stage.wide - 4:
        wide = min(
            stage.wide - x, max(4, round(stage.unit * dice.uniform(0.06, 0.12) * (1 + 0.4 * k)))
        )
        spire = 1.5 if dice.random() < 0.2 else 1.0  # noqa: PLR2004 - one in five is a tower
        high = round(stage.height * dice.uniform(0.14, 0.34) * (1 + 0.16 * (2 - k)) * spire)
        high = min(bottom, high)
        box = (x, bottom - high, wide, high)
        rgb[box[1] :, x : x + wide] = _tower(stage, box, colour, dice)
        alpha[box[1] :, x : x + wide] = 255
        mast, middle = round(stage.unit * dice.uniform(0, 0.07)), x + wide // 2
        alpha[max(0, box[1] - mast) : box[1], middle : middle + max(1, round(stage.unit / 360))] = (
            230
        )
        rgb[max(0, box[1] - mast) : box[1], middle : middle + 3] = colour
        x += wide + round(stage.unit * dice.uniform(-0.004, 0.03) * (k < 2))  # noqa: PLR2004
    return sprite(rgb, alpha)


def _sign(stage: Stage, dice: np.random.Generator, colour: Rgb) -> Sprite:
    """Return one neon sign: a frame and strokes like letters, in their own glow."""
    tall = dice.random() < 0.65  # noqa: PLR2004
    wide, high = (0.36, 1.0) if tall else (1.0, 0.34)
    length = stage.unit * dice.uniform(0.11, 0.2)
    pen = Pen(length, wide + 0.3, high + 0.3)
    inner = mix(colour, _WHITE, 0.6)
    frame = [
        (0.15, 0.15),
        (0.15 + wide, 0.15),
        (0.15 + wide, 0.15 + high),
        (0.15, 0.15 + high),
        (0.15, 0.15),
    ]
    for a, b in pairwise(frame):
        pen.limb([a, b], [0.014, 0.014], inner)
    for i in range(4):
        cx, cy = (
            (0.15 + wide / 2, 0.15 + high * (i + 0.5) / 4)
            if tall
            else (0.15 + wide * (i + 0.5) / 4, 0.15 + high / 2)
        )
        for _ in range(3):
            dx, dy = dice.uniform(-0.075, 0.075, 2)
            ex, ey = (dx, -dy) if dice.random() < 0.5 else (-dx, dy)  # noqa: PLR2004
            pen.limb([(cx + dx, cy + dy), (cx + ex, cy + ey)], [0.014, 0.014], inner)
    drawn = np.asarray(pen.done(), dtype=np.float32)
    return _aglow(drawn, colour)


def _aglow(drawn: Floats, colour: Rgb) -> Sprite:
    """Return strokes (h, w, 4) with a halo of ``colour`` about them."""
    alpha = drawn[..., 3]
    small = to_image(alpha).resize(
        (max(2, alpha.shape[1] // 6), max(2, alpha.shape[0] // 6)), Image.Resampling.BOX
    )
    halo = np.asarray(
        small.resize((alpha.shape[1], alpha.shape[0]), Image.Resampling.BICUBIC), np.float32
    )
    halo = np.clip(halo * 1.5, 0, 150)
    share = (alpha / 255)[..., None]
    rgb = np.asarray(colour) * (1 - share) + drawn[..., :3] * share
    return sprite(rgb.astype(np.float32), np.maximum(alpha, halo))


def _signs(stage: Stage, speed: float) -> Part:
    dice = stage.dice("signs")
    wide = stage.wide
    signs = []
    for i in range(9):
        colour = stage.scene.accent if stage.scene.accent and i % 2 else _NEONS[i % 4]
        place = ((i + dice.uniform(0, 0.7)) * wide / 9, stage.height * dice.uniform(0.42, 0.6))
        signs.append((_sign(stage, dice, colour), *place, dice.uniform(0, 6.28)))

    def draw(canvas: Canvas, t: float) -> None:
        for piece, x0, y, phase in signs:
            level = 1.0 if math.sin(2.1 * t + phase) > -0.92 else 0.4  # noqa: PLR2004 - a tube that flickers
            x = (x0 - speed * t) % wide
            canvas.blit(piece, x - (wide - canvas.width) / 2, y, opacity=level)

    return draw


def city(stage: Stage) -> list[Part]:
    """Return skylines with lit windows over a wet street."""
    scene = stage.scene
    pace = stage.unit * scene.tempo * 0.02
    parts = [sky(stage, 0.78), clouds(stage, 0.55, amount=0.45)]
    haze = glow(stage.unit * 0.75, mix(scene.sky[2], _WHITE, 0.1), 0.55)
    dark = scene.hour in ("night", "storm", "sunset")
    for k in range(3):
        parts.append(scrolling(skyline(stage, k, 0.78), 0, pace * (0.4 + 0.8 * k)))
        if k == 0:
            parts.append(
                fixed(
                    haze,
                    stage.width * 0.3 - stage.unit * 0.75,
                    stage.height * 0.72 - stage.unit * 0.75,
                )
            )
        if k == 1 and dark:
            parts += traffic(stage, 2, rows=(0.2, 0.34)) if scene.style == "neon" else []
    if dark:
        parts.append(_signs(stage, pace * 2.0))
    parts += in_sky(stage)
    if scene.style == "neon" or "hover" in scene.subjects:
        parts += traffic(stage, 4, rows=(0.16, 0.56))
    line = stage.row(0.78)
    parts.append(
        mirror(
            stage,
            line,
            stage.height,
            colour=scale(mix(scene.sky[0], (30, 30, 40), 0.5), 0.8),
            share=0.3,
        )
    )
    return [*parts, *on_floor(stage, stage.row(0.87), wet=True)]
