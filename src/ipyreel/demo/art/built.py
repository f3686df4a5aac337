"""Scenes of built places: the city, and the Japanese garden."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageFilter

from ipyreel.demo.art.canvas import Canvas, Rgb, Sprite, mix, painted, scale, sprite_of
from ipyreel.demo.art.effects import mirror, sky
from ipyreel.demo.art.figures import WHITE, Pen, in_sky, on_ground, shoal
from ipyreel.demo.art.stage import Part, Stage, fixed, hills, pines, scrolling, shaded, span

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
    """Return one neon sign: a frame and strokes like letters, with their glow."""
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
        sign = _sign(stage, dice, colour)
        signs.append(((sign.faded(0.4), sign), *at, dice.uniform(0, 6.28)))

    def draw(canvas: Canvas, t: float) -> None:
        for looks, x0, y, phase in signs:
            steady = math.sin(2.1 * t + phase) > -0.92  # noqa: PLR2004 - a tube that flickers
            x = (x0 - speed * t) % wide - (wide - canvas.width) / 2
            canvas.blit(looks[steady], x, y)

    return draw


def city(stage: Stage) -> list[Part]:
    """Return skylines over a wet street that reflects them."""
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


_BLOSSOMS: tuple[Rgb, ...] = ((216, 128, 162), (242, 164, 192), (252, 200, 216), (255, 230, 238))


def _bridge(stage: Stage) -> Sprite:
    """Return an arched red bridge."""
    pen = Pen(stage.unit * 0.62, 1.0, 0.42)
    red, dark = stage.lit((206, 52, 40)), stage.lit((110, 30, 28))
    deck = [
        (float(a), 0.33 - 0.2 * math.sin(math.pi * a) ** 0.9) for a in np.linspace(0.03, 0.97, 25)
    ]
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


def _tree(stage: Stage, name: str) -> Sprite:
    """Return a cherry tree in flower."""
    dice, pen = stage.dice(name), Pen(stage.unit, 0.46, 0.4)
    bark = stage.lit((74, 52, 50))
    pen.limb([(0.21, 0.4), (0.23, 0.28), (0.21, 0.16)], [0.022, 0.015, 0.008], bark)
    for x, y in ((0.09, 0.17), (0.37, 0.16), (0.28, 0.08), (0.16, 0.09)):
        pen.limb([(0.225, 0.28), (x, y)], [0.012, 0.004], bark)
    crowns = zip(dice.uniform(0, 6.28, 22), dice.uniform(0.2, 1, 22), strict=True)
    spots = [(0.23 + 0.165 * math.cos(a) * r, 0.145 + 0.095 * math.sin(a) * r) for a, r in crowns]
    _flower(stage, pen, [(x, y, 0.06) for x, y in spots], 800)
    return sprite_of(pen.done())


def _bough(stage: Stage) -> Sprite:
    """Return a flowering branch that hangs into the picture from above."""
    pen = Pen(stage.unit, 0.95, 0.36)
    bark = stage.lit((74, 52, 50))
    points = [(0.95 * a, 0.014 + 0.15 * a * a) for a in (0.0, 0.35, 0.7, 0.95)]
    pen.limb(points, [0.018, 0.012, 0.008, 0.003], bark)
    along = np.linspace(0.02, 0.98, 16).tolist()
    spots = [(0.91 * a, 0.036 + 0.166 * a * a, 0.025 * (1.6 - 0.8 * a)) for a in along]
    for a in (0.3, 0.5, 0.68):
        root, tip = (0.95 * a, 0.014 + 0.15 * a * a), (0.95 * (a + 0.06), 0.22 + 0.11 * a)
        pen.limb([root, tip], [0.007, 0.002], bark)
        spots += [
            (*np.add(root, np.subtract(tip, root) * s).tolist(), 0.018) for s in (0.4, 0.7, 1)
        ]
    _flower(stage, pen, spots, 1400)
    return sprite_of(pen.done())


def _flower(stage: Stage, pen: Pen, spots: list[tuple[float, float, float]], count: int) -> None:
    """Draw blossoms around spots (x, y, radius), the dark ones first."""
    dice = stage.dice("blossoms")
    for i in range(count):
        tone = 4 * i // count
        x, y, reach = spots[int(dice.integers(0, len(spots)))]
        a, r = dice.uniform(0, 6.28), reach * math.sqrt(dice.random())
        dot = dice.uniform(0.003, 0.009) * (1.3 - 0.2 * tone)
        at = (x + r * math.cos(a) - 0.004 * tone, y + r * math.sin(a) * 0.85 - 0.006 * tone)
        box = (at[0] - 1.3 * dot, at[1] - dot, at[0] + 1.3 * dot, at[1] + dot)
        red, green, blue = (round(level) for level in stage.lit(_BLOSSOMS[tone]))
        pen.draw.ellipse([edge * pen.one for edge in box], (red, green, blue, 255))


def _lily(stage: Stage, size: float) -> Sprite:
    """Return a leaf of a water lily."""
    pen = Pen(max(8.0, stage.unit * size), 1.0, 0.5)
    green = stage.lit((70, 132, 84))
    pen.blob((0.5, 0.28), (0.44, 0.17), scale(green, 0.7))
    pen.blob((0.5, 0.26), (0.44, 0.165), green)
    pen.poly([(0.5, 0.26), (0.98, 0.14), (0.99, 0.26)], scale(green, 0.45))
    return sprite_of(pen.done())


def _swaying(stage: Stage, piece: Sprite, at: tuple[float, float], reach: float) -> Part:
    def draw(canvas: Canvas, t: float) -> None:
        shift = reach * stage.unit * math.sin(0.8 * t * stage.scene.tempo + at[0])
        canvas.blit(piece, at[0] + shift, at[1] + 0.5 * shift)

    return draw


def garden(stage: Stage) -> list[Part]:
    """Return the garden, its pond in front."""
    scene, line, dice = stage.scene, stage.row(0.66), stage.dice("lilies")
    parts = sky(stage, 0.62)
    for k in range(2):
        green = stage.hazy((110, 150, 130) if k == 0 else (92, 140, 96), 0.55 - 0.2 * k)
        paint = shaded(green, mix(green, scene.sky[2], 0.4), stage.height * 0.16)
        place = (0.52 + 0.07 * k, 0.06 - 0.02 * k, 0.66)
        parts.append(hills(stage, f"hill{k}", place, paint, speed=0.003))
    bridge, bough = _bridge(stage), _bough(stage)
    wood = pines(stage, "wood", 0.63, (0.04, 0.1), stage.hazy((60, 104, 76), 0.3))
    parts.append(fixed(wood, 0, 0))
    parts += in_sky(stage)
    bank = shaded(stage.lit((126, 170, 96)), stage.lit((70, 110, 60)), stage.height * 0.03)
    parts.append(hills(stage, "bank", (0.645, 0.008, 0.66), bank, speed=0.0))
    for i, x in enumerate((-0.04, 0.29, 0.74)):
        tree = _tree(stage, f"tree{i}")
        at = (stage.width * x, stage.height * 0.67 - tree.size[1])
        parts.append(_swaying(stage, tree, at, 0.0012))
    at = (stage.width * 0.53 - bridge.size[0] / 2, stage.height * 0.675 - bridge.size[1])
    parts.append(fixed(bridge, *at))
    parts.append(mirror(stage, line, stage.height, colour=stage.lit((40, 104, 104)), share=0.3))
    parts.append(shoal(stage))
    for i in range(7):
        y = dice.uniform(0.72, 0.93)
        x = dice.uniform(0.0, 0.3) if i % 2 else dice.uniform(0.64, 0.95)
        leaf = _lily(stage, 0.06 + 0.22 * (y - 0.68))
        parts.append(_swaying(stage, leaf, (stage.width * x, stage.height * y), 0.004))
    return [*parts, _swaying(stage, bough, (-0.02 * stage.width, -0.01 * stage.height), 0.004)]
