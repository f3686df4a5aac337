"""Strange places: underwater, space, studio, silk; numpy and Pillow only."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from ipyreel.demo.art.actors import ROLES, cycle, flock, in_sky, on_floor, rising
from ipyreel.demo.art.air import motes
from ipyreel.demo.art.canvas import (
    Canvas,
    Frames,
    Rgb,
    Sprite,
    doubled,
    mix,
    sprite,
    sprite_of,
)
from ipyreel.demo.art.heavens import mirror, shafts
from ipyreel.demo.art.shapes import Pen
from ipyreel.demo.art.stage import (
    Part,
    Stage,
    column,
    fixed,
    glow,
    noise,
    radial,
    smooth,
)
from ipyreel.demo.art.terrain import hills, shaded

_WHITE: Rgb = (255, 255, 255)


def _weed(stage: Stage, k: int) -> Part:
    """Return one tuft of seaweed bending in the current."""
    dice = stage.dice(f"weed{k}")
    x0, size = dice.uniform(0, 1), dice.uniform(0.2, 0.42)
    colour = mix((20, 110, 90), (10, 50, 70), dice.random())

    def drawn(p: int) -> Sprite:
        pen = Pen(stage.unit * size, 0.7, 1.05)
        for blade in range(4):
            lean = 0.1 * math.sin(2 * math.pi * p / 16 + blade)
            foot = 0.27 + 0.055 * blade
            tall = 1.0 - 0.16 * ((blade * 7) % 4)
            points = [
                (foot, 1.05),
                (foot - lean * 0.5, 1.05 - tall * 0.4),
                (foot + lean, 1.05 - tall * 0.7),
                (foot + (blade - 1.5) * 0.09 + lean * 1.8, 1.05 - tall),
            ]
            pen.limb(points, [0.02, 0.028, 0.022, 0.003], mix(colour, (80, 200, 120), 0.12 * blade))
        return sprite_of(pen.done())

    frames = Frames(16, drawn)

    def draw(canvas: Canvas, t: float) -> None:
        index = int(t * 16 * 0.22 * (0.5 + 0.5 * stage.scene.tempo) + 5 * k) % 16
        canvas.blit(
            frames[index],
            x0 * canvas.width - frames[0].size[0] / 2,
            canvas.height * 0.99 - frames[0].size[1],
        )

    return draw


def underwater(stage: Stage) -> list[Part]:
    """Return the deep: light from above, weed, a school of fish."""
    scene = stage.scene
    base = np.repeat(column(scene.sky, stage.height, (0.0, 0.5, 1.0)), stage.width, axis=1)
    away = radial(
        stage.width, stage.height, (stage.width * 0.62, -0.1 * stage.height)
    ) / np.float32(stage.unit)
    base = base + (np.asarray(scene.light) - base) * (np.exp(-away / 0.35) * 0.75)[..., None]
    parts: list[Part] = [fixed(sprite(base.astype(np.float32), dither=True), 0, 0)]
    parts.append(shafts(stage, colour=(190, 240, 250), strength=0.42))
    for k in range(2):
        colour = mix((8, 60, 96), (4, 26, 46), k)
        parts.append(
            hills(
                stage,
                f"bed{k}",
                0.86 + 0.06 * k,
                0.05,
                shaded(mix(colour, (90, 180, 190), 0.22), colour, stage.height * 0.12),
                speed=0.01 + 0.01 * k,
            )
        )
        parts += [_weed(stage, 4 * k + i) for i in range(4)]
        parts.append(flock(stage, "fish", 7 - 2 * k, rows=(0.22, 0.72), depth=1.0 - 0.5 * k))
    extra = [flock(stage, "koi", 3, rows=(0.4, 0.7))] if "koi" in scene.subjects else []
    return [*parts, *extra, *on_floor(stage, stage.row(0.86)), motes(stage)]


def _planet(stage: Stage) -> Sprite:
    """Return a banded planet, lit from the left, with a ring."""
    side = max(8, round(stage.unit * 0.62 / 2) * 2)
    dice = stage.dice("planet")
    x = np.linspace(-1.7, 1.7, side, dtype=np.float32)[None, :]
    y = np.linspace(-1.7, 1.7, side, dtype=np.float32)[:, None]
    tilt_x, tilt_y = x * 0.94 + y * 0.34, y * 0.94 - x * 0.34
    r = np.sqrt(x * x + y * y)
    hue = stage.scene.accent or (226, 160, 104)
    bands = np.interp(
        tilt_y + 0.05 * np.sin(6 * tilt_x), np.linspace(-1, 1, 24), dice.uniform(0.55, 1.1, 24)
    )
    light = (
        np.clip(0.62 - 0.62 * x - 0.4 * y, 0.03, 1.2) * np.sqrt(np.clip(1.02 - r * r, 0, 1)) ** 0.35
    )
    rgb = np.asarray(hue, np.float32) * (bands * light)[..., None]
    alpha = smooth(r, 1.01, 0.985)
    ring = np.sqrt(tilt_x**2 + (tilt_y / 0.2) ** 2)
    grooves = 0.55 + 0.45 * np.sin(ring * 46) * np.sin(ring * 17)
    band = smooth(ring, 1.18, 1.22) * smooth(ring, 1.66, 1.62) * (0.35 + 0.5 * grooves)
    band = np.where((r < 1) & (tilt_y < 0), 0, band)
    rgb = rgb * (1 - band[..., None]) + np.asarray(mix(hue, _WHITE, 0.55)) * band[..., None]
    return sprite(
        np.clip(rgb, 0, 255).astype(np.float32),
        np.maximum(alpha, band * 0.9).astype(np.float32) * 255,
    )


def _star_layer(stage: Stage, k: int) -> Part:
    dice = stage.dice(f"stars{k}")
    kinds = [
        glow(
            max(2.0, stage.unit * (0.0024 + 0.0022 * k) * s),
            mix((180, 200, 255), (255, 240, 210), s - 0.6),
            1.0,
            1.6,
        )
        for s in (0.7, 1.0, 1.5)
    ]
    count = (150, 70, 26)[k]
    where = [
        (dice.uniform(0, stage.wide), dice.uniform(0, stage.height), int(dice.integers(0, 3)))
        for _ in range(count)
    ]
    pace = stage.unit * stage.scene.tempo * (0.006, 0.02, 0.06)[k]

    def draw(canvas: Canvas, t: float) -> None:
        for x, y, kind in where:
            canvas.blit(kinds[kind], (x - pace * t) % stage.wide - 4, y)

    return draw


def space(stage: Stage) -> list[Part]:
    """Return stars in depth, a nebula, a planet."""
    scene, dice = stage.scene, stage.dice("nebula")
    size = (stage.height, stage.width)
    base = np.repeat(column(scene.sky, stage.height), stage.width, axis=1)
    for i, hue in enumerate((scene.accent or (150, 50, 190), (40, 90, 200), (240, 110, 150))):
        cloud = smooth(noise(dice, size, (3, 4), 6), 0.46, 0.86) * (0.75 - 0.15 * i)
        base = base + (np.asarray(hue, np.float32) - base) * cloud[..., None]
    parts: list[Part] = [fixed(sprite(base.astype(np.float32), dither=True), 0, 0)]
    parts += [_star_layer(stage, k) for k in range(2)]
    planet = _planet(stage)
    parts.append(_drifting(stage, planet, (0.66, 0.1)))
    parts.append(_star_layer(stage, 2))
    flying = (
        [rising(stage, "person", at=0.36, start=0.5, end=0.4)] if "person" in scene.subjects else []
    )
    return [*parts, *flying, *in_sky(stage, rows=(0.3, 0.6))]


def _drifting(stage: Stage, piece: Sprite, at: tuple[float, float]) -> Part:
    def draw(canvas: Canvas, t: float) -> None:
        shift = 0.012 * stage.unit * stage.scene.tempo * t
        canvas.blit(piece, canvas.width * at[0] - shift, canvas.height * at[1] + shift * 0.2)

    return draw


def studio(stage: Stage) -> list[Part]:
    """Return a lit stage with a telephone turning on it, or whoever else is asked for."""
    scene = stage.scene
    base = np.repeat(column(scene.sky, stage.height, (0.0, 0.55, 1.0)), stage.width, axis=1)
    floor = stage.row(0.72)
    spot = radial(stage.width, stage.height, (stage.width * 0.5, stage.height * 0.42)) / np.float32(
        stage.unit
    )
    base = (
        base
        + (np.asarray(mix(scene.sky[2], _WHITE, 0.3)) - base)
        * (np.exp(-((spot / 0.42) ** 2)) * 0.8)[..., None]
    )
    base = base * (1 - 0.35 * smooth(spot, 0.5, 1.2))[..., None]
    parts: list[Part] = [fixed(sprite(base.astype(np.float32), dither=True), 0, 0), _rings(stage)]
    people = on_floor(stage, stage.row(0.8))
    hero = [] if people or scene.subjects else [_turning(stage, floor)]
    mark = mirror(
        stage, floor, stage.height, colour=mix(scene.sky[0], scene.sky[1], 0.4), share=0.42
    )
    beams = shafts(stage, colour=mix(scene.light, _WHITE, 0.4), strength=0.16)
    return [*parts, beams, *hero, mark, *people, *in_sky(stage), motes(stage)]


def _turning(stage: Stage, floor: int) -> Part:
    hue = stage.scene.accent or mix(stage.scene.sky[2], (60, 110, 240), 0.35)
    frames = cycle(stage, "device", coat=hue)
    role = ROLES["device"]
    wide, high = frames[0].size

    def draw(canvas: Canvas, t: float) -> None:
        y = floor - high - stage.unit * (0.03 + 0.012 * math.sin(1.6 * t))
        turn = math.sin(0.9 * t * (0.5 + 0.5 * stage.scene.tempo) - 0.6)
        index = round((role.phases - 1) / 2 * (1 + turn))
        canvas.blit(frames[index], canvas.width * 0.5 - wide / 2, y)

    return draw


def _rings(stage: Stage) -> Part:
    """Return dots going round the middle in three tilted circles, behind and above the hero."""
    colour = mix(stage.scene.sky[2], _WHITE, 0.55)
    dots = [
        glow(max(2.0, stage.unit * s), colour, k, 1.3)
        for s, k in ((0.004, 0.5), (0.007, 0.7), (0.011, 0.95))
    ]
    turns = np.arange(36) * (2 * np.pi / 36)

    def draw(canvas: Canvas, t: float) -> None:
        for ring in range(3):
            angle = turns + (0.5 - 0.16 * ring) * t * stage.scene.tempo * (-1 if ring == 1 else 1)
            reach = stage.unit * (0.36 + 0.1 * ring)
            x = canvas.width * 0.5 + reach * np.cos(angle)
            y = (
                canvas.height * 0.42
                + reach * (0.22 + 0.1 * ring) * np.sin(angle)
                + 0.2 * reach * np.cos(angle)
            )
            near = np.sin(angle)
            for i in range(36):
                canvas.blit(dots[int(1.5 + 1.49 * near[i])], x[i], y[i])

    return draw


def silk(stage: Stage) -> list[Part]:
    """Return folds of light flowing: the picture of a prompt that names nothing known."""
    scene, dice = stage.scene, stage.dice("silk")
    low = (stage.height // 5 + 2, stage.width // 5 + 2)
    x = np.linspace(0, 1, low[1], dtype=np.float32)[None, :] * stage.width / stage.unit
    y = np.linspace(0, 1, low[0], dtype=np.float32)[:, None] * stage.height / stage.unit
    a = dice.uniform(0, 6.28, 6)
    bend = 0.3 * np.sin(2.1 * x + 1.3 * y + a[0]) + 0.16 * np.sin(4.3 * x - 2.2 * y + a[1])
    lift = 0.3 * np.sin(1.4 * x - 2.6 * y + a[2])
    one = (1.6 * y + 0.7 * x + bend) * 430
    two = (2.3 * y - 0.9 * x + lift + 0.5 * bend) * 430
    one, two = one.astype(np.int32), two.astype(np.int32)
    turn = np.arange(1024, dtype=np.float32) * (2 * np.pi / 1024)
    fold = ((np.sin(turn) * 0.7 + 0.3 * np.sin(2 * turn + 1)) * 128).astype(np.int16)
    ramp = column((*scene.sky, scene.light), 513, (0.0, 0.42, 0.78, 1.0))
    table = sprite(np.concatenate([ramp, ramp], axis=1))
    tables = [np.asarray(plane)[:, 0] for plane in (table.y, table.u, table.v)]
    pace = 60 * scene.tempo
    half = (stage.width // 2, stage.height // 2)

    def draw(canvas: Canvas, t: float) -> None:
        level = fold[(one + int(pace * t)) & 1023] + fold[(two - int(0.7 * pace * t)) & 1023] + 256
        sheen = np.clip(
            level + (fold[(two + 3 * one // 2 + int(1.3 * pace * t)) & 1023] >> 1), 0, 512
        )
        y, u, v = (
            Image.fromarray(values[sheen >> shrink]).resize(half, Image.Resampling.BICUBIC)
            for values, shrink in zip(tables, (0, 1, 1), strict=True)
        )
        canvas.y, canvas.u, canvas.v = doubled(y), u, v

    return [draw, *in_sky(stage), *on_floor(stage, stage.row(0.84)), motes(stage)]
