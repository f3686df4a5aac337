"""Outer space, and the abstract picture of a prompt that names nothing known."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ipyreel.demo.art.air import motes, swarm
from ipyreel.demo.art.canvas import Canvas, Sprite, doubled, mix, painted
from ipyreel.demo.art.stage import Part, Stage, column, fixed, glow, noise, smooth, span


def _planet(stage: Stage) -> Sprite:
    """Return a banded planet, lit from the left, with a ring."""
    side = max(4, round(stage.unit * 0.31))
    dice = stage.dice("planet")

    def shape(count: int) -> tuple[np.ndarray, ...]:
        """Return x, distance from the middle, height in the tilted planet, ring and its band."""
        x, y = span(-1.7, 1.7, count)[None, :], span(-1.7, 1.7, count)[:, None]
        r, across, up = np.hypot(x, y), x * 0.94 + y * 0.34, y * 0.94 - x * 0.34
        ring = np.hypot(across, up / 0.2)
        grooves = 0.55 + 0.45 * np.sin(ring * 46) * np.sin(ring * 17)
        band = smooth(ring, 1.18, 1.22) * smooth(ring, 1.66, 1.62) * (0.35 + 0.5 * grooves)
        return (
            x - 0.65 * y,
            r,
            up + 0.05 * np.sin(6 * across),
            np.where((r < 1) & (up < 0), 0, band),
        )

    lean, r, up, band = shape(side)
    hue = stage.scene.accent or (226, 160, 104)
    stripes = np.interp(up, np.linspace(-1, 1, 24), dice.uniform(0.55, 1.1, 24))
    light = np.clip(0.62 - 0.62 * lean, 0.03, 1.2) * np.sqrt(np.clip(1.02 - r * r, 0, 1)) ** 0.35
    rgb = np.asarray(hue, np.float32) * (stripes * light)[..., None]
    rgb += (np.asarray(mix(hue, (255, 255, 255), 0.55)) - rgb) * band[..., None]
    _, r, _, band = shape(2 * side)
    cover = np.maximum(smooth(r, 1.01, 0.985), band * 0.9) * 255
    return painted(np.clip(rgb, 0, 255), (2 * side, 2 * side), cover)


def space(stage: Stage) -> list[Part]:
    """Return stars in depth, a nebula, a planet."""
    scene, dice = stage.scene, stage.dice("nebula")
    size = (stage.height // 2, stage.width // 2)
    base = np.repeat(column(scene.sky, size[0]), size[1], axis=1)
    for i, hue in enumerate((scene.accent or (150, 50, 190), (40, 90, 200), (240, 110, 150))):
        cloud = smooth(noise(dice, size, (3, 4), 6), 0.46, 0.86) * np.float32(0.75 - 0.15 * i)
        base += (np.asarray(hue, np.float32) - base) * cloud[..., None]
    planet, pace = _planet(stage), 0.012 * stage.unit * scene.tempo

    def drift(canvas: Canvas, t: float) -> None:
        canvas.blit(planet, canvas.width * 0.66 - pace * t, canvas.height * 0.1 + 0.2 * pace * t)

    parts: list[Part] = [fixed(painted(base, (stage.width, stage.height), dither=True), 0, 0)]
    sizes = ((0.0018, (180, 200, 255)), (0.0026, (226, 226, 240)), (0.004, (255, 240, 210)))
    stars = [glow(max(2.0, stage.unit * size), tone, 1.0, 1.6) for size, tone in sizes]
    return [*parts, swarm(stage, stars, 220, across=-0.02, down=0.0, sway=0.0), drift]


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
