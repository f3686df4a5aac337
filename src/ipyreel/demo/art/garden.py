"""A Japanese garden: pond, bridge, cherry trees, pagoda; numpy and Pillow only."""

from __future__ import annotations

import math

import numpy as np

from ipyreel.demo.art.actors import flock, in_sky, on_floor
from ipyreel.demo.art.canvas import (
    Canvas,
    Rgb,
    Sprite,
    mix,
    scale,
    sprite_of,
)
from ipyreel.demo.art.heavens import clouds, mirror, sky
from ipyreel.demo.art.shapes import Pen
from ipyreel.demo.art.stage import (
    Part,
    Stage,
    fixed,
)
from ipyreel.demo.art.terrain import hazy, hills, pines, shaded


def _bridge(stage: Stage) -> Sprite:
    """Return an arched red bridge."""
    pen = Pen(stage.unit * 0.62, 1.0, 0.42)
    red, dark = stage.lit((206, 52, 40)), stage.lit((110, 30, 28))
    x = np.linspace(0.03, 0.97, 25)
    deck = [(float(a), 0.33 - 0.2 * float(math.sin(math.pi * a)) ** 0.9) for a in x]
    rail = [(a, b - 0.085) for a, b in deck]
    for i in (4, 8, 12, 16, 20):
        pen.limb([deck[i], (deck[i][0], 0.43)], [0.012, 0.012], dark)
    pen.limb(deck, [0.022] * 25, dark)
    pen.limb([(a, b - 0.012) for a, b in deck], [0.014] * 25, red)
    for i in range(0, 25, 3):
        pen.limb([deck[i], (rail[i][0], rail[i][1] - 0.012)], [0.009, 0.009], red)
        pen.blob((rail[i][0], rail[i][1] - 0.02), (0.012, 0.012), stage.lit((240, 190, 90)))
    pen.limb(rail, [0.009] * 25, red)
    pen.limb([(a, b + 0.04) for a, b in rail], [0.005] * 25, red)
    return sprite_of(pen.done())


def _pagoda(stage: Stage) -> Sprite:
    """Return a far pagoda in the haze."""
    pen = Pen(stage.unit * 0.36, 0.7, 1.0)
    roof, wall = hazy(stage, (70, 60, 84), 0.42), hazy(stage, (170, 92, 80), 0.42)
    pen.limb([(0.35, 0.02), (0.35, 0.14)], [0.006, 0.009], roof)
    for i in range(5):
        y, half = 0.15 + 0.165 * i, 0.15 + 0.033 * i
        pen.poly(
            [
                (0.35 - half * 0.62, y),
                (0.35 + half * 0.62, y),
                (0.35 + half * 0.6, y + 0.16),
                (0.35 - half * 0.6, y + 0.16),
            ],
            wall,
        )
        pen.limb(
            [
                (0.35 - half - 0.02, y + 0.02),
                (0.35 - half * 0.5, y),
                (0.35, y - 0.035),
                (0.35 + half * 0.5, y),
                (0.35 + half + 0.02, y + 0.02),
            ],
            [0.006, 0.026, 0.036, 0.026, 0.006],
            roof,
        )
    return sprite_of(pen.done())


def _blossoms(stage: Stage, name: str, size: tuple[float, float, float], *, bough: bool) -> Sprite:
    """Return a cherry tree in flower (width, height in units, dots), or a bough from above."""
    dice = stage.dice(name)
    wide, high, many = size
    pen = Pen(stage.unit, wide, high)
    bark = stage.lit((74, 52, 50))
    spots: list[tuple[float, float, float]] = []
    if bough:
        points = [(wide * a, high * (0.04 + 0.42 * a * a)) for a in (0.0, 0.35, 0.7, 0.95)]
        pen.limb(points, [0.018, 0.012, 0.008, 0.003], bark)
        spots += [
            (wide * a * 0.96, high * (0.1 + 0.46 * a * a), 0.07 * high * (1.6 - 0.8 * a))
            for a in np.linspace(0.02, 0.98, 16)
        ]
        for a in (0.3, 0.5, 0.68):
            tip = (wide * (a + 0.06), high * (0.62 + 0.3 * a))
            pen.limb([(wide * a, high * (0.04 + 0.42 * a * a)), tip], [0.007, 0.002], bark)
            spots += [
                (wide * (a + 0.06 * s), high * (0.1 + 0.42 * a * a + 0.42 * s), 0.05 * high)
                for s in (0.4, 0.7, 1.0)
            ]
    else:
        pen.limb(
            [(wide * 0.46, high), (wide * 0.5, high * 0.7), (wide * 0.46, high * 0.4)],
            [0.022, 0.015, 0.008],
            bark,
        )
        for tip in ((0.2, 0.42), (0.8, 0.4), (0.62, 0.2), (0.34, 0.22)):
            pen.limb(
                [(wide * 0.49, high * 0.7), (wide * tip[0], high * tip[1])], [0.012, 0.004], bark
            )
        spots = [
            (
                wide * (0.5 + 0.36 * math.cos(a) * r),
                high * (0.36 + 0.24 * math.sin(a) * r),
                0.15 * high,
            )
            for a, r in zip(dice.uniform(0, 6.28, 22), dice.uniform(0.2, 1, 22), strict=True)
        ]
    _dab(stage, pen, spots, int(many), dice)
    return sprite_of(pen.done())


def _dab(
    stage: Stage,
    pen: Pen,
    spots: list[tuple[float, float, float]],
    many: int,
    dice: np.random.Generator,
) -> None:
    tones: tuple[Rgb, ...] = ((216, 128, 162), (242, 164, 192), (252, 200, 216), (255, 230, 238))
    for tone in range(4):
        for _ in range(many // 4):
            x, y, reach = spots[int(dice.integers(0, len(spots)))]
            a, r = dice.uniform(0, 6.28), reach * math.sqrt(dice.random())
            dot = dice.uniform(0.003, 0.009) * (1.3 - 0.2 * tone)
            px, py = x + r * math.cos(a) - 0.004 * tone, y + r * math.sin(a) * 0.85 - 0.006 * tone
            pen.blob((px, py), (dot * 1.3, dot), stage.lit(tones[tone]))


def _lily(stage: Stage, size: float, *, flower: bool) -> Sprite:
    pen = Pen(max(8.0, stage.unit * size), 1.0, 0.5)
    green = stage.lit((70, 132, 84))
    pen.blob((0.5, 0.28), (0.44, 0.17), scale(green, 0.7))
    pen.blob((0.5, 0.26), (0.44, 0.165), green)
    pen.poly([(0.5, 0.26), (0.98, 0.14), (0.99, 0.26)], scale(green, 0.45))
    if flower:
        for a in (-0.9, -0.45, 0.0, 0.45, 0.9):
            pen.blob(
                (0.45 + 0.1 * math.sin(a), 0.18 - 0.06 * math.cos(a)),
                (0.05, 0.11),
                stage.lit((255, 190, 214)),
                turn=a,
            )
    return sprite_of(pen.done())


def _swaying(
    stage: Stage, piece: Sprite, at: tuple[float, float], reach: float, pace: float
) -> Part:
    def draw(canvas: Canvas, t: float) -> None:
        shift = reach * stage.unit * math.sin(pace * t * stage.scene.tempo + at[0])
        canvas.blit(piece, at[0] + shift, at[1] + 0.5 * shift)

    return draw


def _ponds(stage: Stage) -> list[Part]:
    """Return what swims and floats in the pond."""
    parts: list[Part] = [flock(stage, "koi", 7, rows=(0.74, 0.9), depth=0.4)]
    dice = stage.dice("lilies")
    for i in range(7):
        y = dice.uniform(0.72, 0.93)
        piece = _lily(stage, 0.06 + 0.22 * (y - 0.68), flower=i % 2 == 0)
        x = stage.width * (dice.uniform(0.0, 0.3) if i % 2 else dice.uniform(0.64, 0.95))
        parts.append(_swaying(stage, piece, (x, stage.height * y), 0.004, 0.8))
    return parts


def garden(stage: Stage) -> list[Part]:
    """Return a Japanese garden: pond, bridge, cherry trees, pagoda."""
    scene, line = stage.scene, stage.row(0.66)
    parts = [sky(stage, 0.62), clouds(stage, 0.5, amount=0.35)]
    for k in range(2):
        green = hazy(stage, (110, 150, 130) if k == 0 else (92, 140, 96), 0.55 - 0.2 * k)
        parts.append(
            hills(
                stage,
                f"hill{k}",
                0.52 + 0.07 * k,
                0.06 - 0.02 * k,
                shaded(green, mix(green, scene.sky[2], 0.4), stage.height * 0.16),
                speed=0.003,
            )
        )
    pagoda = _pagoda(stage)
    parts.append(fixed(pagoda, stage.width * 0.14, stage.height * 0.6 - pagoda.size[1]))
    trees = pines(stage, "wood", 0.63, (0.04, 0.1), hazy(stage, (60, 104, 76), 0.3))
    parts += [fixed(trees, 0, 0), *in_sky(stage)]
    bank = hills(
        stage,
        "bank",
        0.645,
        0.008,
        shaded(stage.lit((126, 170, 96)), stage.lit((70, 110, 60)), stage.height * 0.03),
        speed=0.0,
    )
    parts.append(bank)
    for i, x in enumerate((-0.04, 0.29, 0.74)):
        tree = _blossoms(stage, f"tree{i}", (0.46, 0.4, 900), bough=False)
        parts.append(
            _swaying(
                stage, tree, (stage.width * x, stage.height * 0.67 - tree.size[1]), 0.0012, 0.9
            )
        )
    bridge = _bridge(stage)
    parts.append(
        fixed(
            bridge, stage.width * 0.53 - bridge.size[0] / 2, stage.height * 0.675 - bridge.size[1]
        )
    )
    parts.append(mirror(stage, line, stage.height, colour=stage.lit((40, 104, 104)), share=0.3))
    parts += _ponds(stage)
    bough = _blossoms(stage, "bough", (0.95, 0.36, 1500), bough=True)
    return [
        *parts,
        *on_floor(stage, stage.row(0.665)),
        _swaying(stage, bough, (-0.02 * stage.width, -0.01 * stage.height), 0.004, 0.8),
    ]
