"""The city: skylines with lit windows, neon signs, and a wet street."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageFilter

from ipyreel.demo.art.canvas import Canvas, Rgb, Sprite, mix, painted, scale, sprite_of
from ipyreel.demo.art.drawings import WHITE, Pen
from ipyreel.demo.art.figures import in_sky, on_ground
from ipyreel.demo.art.sky import mirror, sky
from ipyreel.demo.art.stage import Part, Stage, scrolling, span

_NEONS: tuple[Rgb, ...] = ((255, 60, 160), (60, 226, 255), (160, 90, 255), (255, 170, 60))


def _skyline(stage: Stage, k: int, base: float) -> Sprite:
    """Return a periodic row of buildings, nearer and taller with ``k``; it belongs at row 0."""
    scene, dice = stage.scene, stage.dice(f"skyline{k}")
    high, wide = stage.row(base) // 2, stage.wide // 2  # buildings and windows at half size
    rgb = np.zeros((high, wide, 3), dtype=np.float32)
    cover = np.zeros((high, wide), dtype=np.float32)
    wall = stage.hazy(mix((70, 74, 100), (52, 54, 82), k / 2), 0.62 - 0.27 * k)
    if scene.hour == "night":
        wall = mix((16, 14, 34), scene.sky[2], 0.34 - 0.15 * k)
    lit = {"night": 0.42, "sunset": 0.3, "storm": 0.25, "snow": 0.25}.get(scene.hour, 0.08)
    x = 0
    while x < wide - 2:
        broad = max(2, round(stage.unit * dice.uniform(0.03, 0.06) * (1 + 0.4 * k)))
        broad = min(broad, wide - x)
        tall = dice.uniform(0.14, 0.34) * (1.32 - 0.16 * k) * (1.5 if dice.random() < 0.2 else 1)  # noqa: PLR2004 - one in five is a tower
        top = max(0, high - round(stage.height * tall / 2))
        face = rgb[top:, x : x + broad]
        face[:] = np.asarray(wall) * span(1.12, 0.6, high - top)[:, None, None]
        _light_windows(stage, face, dice, lit)
        cover[top:, x : x + broad] = 255
        mast = max(0, top - round(stage.unit * dice.uniform(0, 0.035)))
        cover[mast:top, x + broad // 2] = 200
        rgb[mast:top, x + broad // 2] = wall
        x += broad + round(stage.unit * dice.uniform(0, 0.015) * (k < 2))  # noqa: PLR2004
    return painted(rgb, (stage.wide, stage.row(base)), cover)


def _light_windows(stage: Stage, face: np.ndarray, dice: np.random.Generator, lit: float) -> None:
    cell = max(1, round(stage.unit * dice.uniform(0.0035, 0.0055)))
    warm: Rgb = (255, 214, 140) if dice.random() < 0.6 else (150, 220, 255)  # noqa: PLR2004
    shape = (face.shape[0] // (2 * cell), face.shape[1] // (2 * cell))
    on = (dice.random(shape) < lit) * dice.uniform(0.35, 1.0, shape)
    for dy in range(cell):
        for dx in range(cell):
            panes = face[dy :: 2 * cell, cell + dx :: 2 * cell][: shape[0], : shape[1]]
            panes += (np.asarray(warm) - panes) * on[: panes.shape[0], : panes.shape[1], None]


def _sign(stage: Stage, dice: np.random.Generator, colour: Rgb) -> Sprite:
    """Return one neon sign: a frame and strokes like letters, in their own glow."""
    wide, high = (0.36, 1.0) if dice.random() < 0.65 else (1.0, 0.34)  # noqa: PLR2004
    pen = Pen(stage.unit * dice.uniform(0.1, 0.17), wide + 0.3, high + 0.3)
    inner = mix(colour, WHITE, 0.6)
    box = [edge * pen.one for edge in (0.15, 0.15, 0.15 + wide, 0.15 + high)]
    ink = (round(inner[0]), round(inner[1]), round(inner[2]), 255)
    pen.draw.rectangle(box, outline=ink, width=max(1, round(0.028 * pen.one)))
    for i in range(12):
        along = (i // 3 + 0.5) / 4
        x, y = (0.5, along) if high > wide else (along, 0.5)
        dx, dy = dice.uniform(-0.075, 0.075, 2)
        end = (dx, -dy) if dice.random() < 0.5 else (-dx, dy)  # noqa: PLR2004
        at = (0.15 + wide * x, 0.15 + high * y)
        stroke = [(at[0] + dx, at[1] + dy), (at[0] + end[0], at[1] + end[1])]
        pen.limb(stroke, [0.014, 0.014], inner)
    drawn = pen.done()
    halo = drawn.getchannel("A").filter(ImageFilter.GaussianBlur(drawn.width / 14))
    light = Image.new("RGBA", drawn.size, tuple(map(round, colour)))
    light.putalpha(halo.point(lambda level: min(150, 2 * level)))
    return sprite_of(Image.alpha_composite(light, drawn))


def _signs(stage: Stage, speed: float) -> Part:
    dice, scene, wide = stage.dice("signs"), stage.scene, stage.wide
    signs = []
    for i in range(8):
        colour = scene.accent if scene.accent and i % 2 else _NEONS[i % 4]
        at = ((i + dice.uniform(0, 0.7)) * wide / 8, stage.height * dice.uniform(0.42, 0.6))
        signs.append((_sign(stage, dice, colour), *at, dice.uniform(0, 6.28)))

    def draw(canvas: Canvas, t: float) -> None:
        for piece, x0, y, phase in signs:
            level = 1.0 if math.sin(2.1 * t + phase) > -0.92 else 0.4  # noqa: PLR2004 - a tube that flickers
            canvas.blit(
                piece, (x0 - speed * t) % wide - (wide - canvas.width) / 2, y, opacity=level
            )

    return draw


def city(stage: Stage) -> list[Part]:
    """Return skylines over a wet street that shows them again."""
    scene, line = stage.scene, stage.row(0.78)
    pace = stage.unit * scene.tempo * 0.02
    dark = scene.hour not in ("day", "golden", "sunrise")
    parts = sky(stage, 0.78)
    for k in range(3):
        parts.append(scrolling(_skyline(stage, k, 0.78), 0, pace * (0.4 + 0.8 * k)))
    parts += [_signs(stage, pace * 2)] if dark else []
    parts += in_sky(stage)
    street = scale(mix(scene.sky[0], (30, 30, 40), 0.5), 0.8)
    parts.append(mirror(stage, line, stage.height, colour=street, share=0.3))
    return [*parts, *on_ground(stage, stage.row(0.87), wet=True)]
