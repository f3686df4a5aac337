"""Landscapes away from the sea: mountain, desert, meadow, forest; numpy and Pillow only."""

from __future__ import annotations

import math

import numpy as np

from ipyreel.demo.art.actors import floating, in_sky, on_floor
from ipyreel.demo.art.air import fire, motes
from ipyreel.demo.art.canvas import Canvas, Floats, Rgb, Sprite, mix, scale, sprite, sprite_of
from ipyreel.demo.art.heavens import aurora, clouds, lamp, mirror, shafts, sky
from ipyreel.demo.art.shapes import Pen
from ipyreel.demo.art.stage import (
    Part,
    Stage,
    column,
    crest,
    fixed,
    ground,
    jagged,
    noise,
    rolling,
    scrolling,
    smooth,
)
from ipyreel.demo.art.terrain import hazy, hills, pines, resampled, shaded


def _rocks(
    stage: Stage, name: str, peaks: tuple[float, float, int], haze: float, *, snow: bool
) -> Sprite:
    """Return a range of mountains, lit from the side of the sun, with snow on its heights."""
    base, tall, count = peaks
    dice = stage.dice(name)
    line = stage.height * (base - tall * (0.45 + 0.55 * jagged(dice, stage.wide, count)))
    slope = np.gradient(resampled(line, 9))
    rock, snowy = hazy(stage, (84, 92, 118), haze), hazy(stage, (240, 244, 252), haze * 0.8)
    if stage.scene.hour == "night":  # the moon, or an aurora, is enough for snow to shine
        snowy = mix(snowy, (176, 206, 226), 0.5)
    bumps = noise(dice, (stage.height - crest(line), stage.wide), (14, 30), 4) - 0.5

    def paint(depth: Floats, rows: Floats) -> Floats:
        lumps = bumps[: depth.shape[0]]
        wander = (np.arange(stage.wide)[None, :] + depth * 0.45 * lumps * 2).astype(
            np.intp
        ) % stage.wide
        face = smooth((slope[wander] + lumps * 1.2).astype(np.float32), -0.7, 0.7)
        limit = (
            stage.height * (base - tall * 0.28)
            + lumps * stage.height * 0.22
            + face * stage.height * 0.03
        )
        white = (
            smooth(limit - rows, 0.0, stage.height * 0.012)[..., None] if snow else np.float32(0)
        )
        rgb = np.asarray(rock) + (np.asarray(snowy) - np.asarray(rock)) * white
        rgb = rgb * (0.66 + 0.46 * face)[..., None]
        mist = smooth(depth, tall * stage.height * 0.6, tall * stage.height * 2.2)[..., None] * 0.6
        return np.asarray(rgb + (np.asarray(stage.scene.sky[2]) - rgb) * mist)

    return ground(line.astype(np.float32), stage.row(base) + 2, paint)


def mountain(stage: Stage) -> list[Part]:
    """Return ranges one behind the other over a lake."""
    scene = stage.scene
    parts = [sky(stage, 0.68)]
    parts += [aurora(stage, 0.6)] if "aurora" in scene.air else [clouds(stage, 0.5, amount=0.4)]
    pace = stage.unit * scene.tempo
    for k, (tall, count) in enumerate(((0.34, 5), (0.24, 7), (0.13, 11))):
        piece = _rocks(stage, f"rock{k}", (0.7, tall, count), 0.6 - 0.24 * k, snow=k < 2)  # noqa: PLR2004
        top = stage.row(0.7) + 2 - piece.size[1]
        parts.append(scrolling(piece, top, pace * (0.008 + 0.008 * k)))
    parts += in_sky(stage)
    line = stage.row(0.7)
    tint = mix(scene.sky[0], stage.lit((40, 80, 110)), 0.4)
    trees = pines(stage, "wood", 0.7, (0.03, 0.07), mix(stage.lit((34, 58, 54)), scene.sky[2], 0.2))
    parts += [
        scrolling(trees, 0, pace * 0.03),
        mirror(stage, line, stage.height, colour=tint, share=0.2),
    ]
    if "boat" in scene.subjects:
        parts.append(floating(stage, "boat", stage.row(0.82)))
    near = pines(stage, "near", 0.97, (0.12, 0.34), scale(stage.lit((22, 34, 38)), 0.7))
    floor = on_floor(stage, stage.row(0.9))
    if floor:
        bank = hills(
            stage,
            "bank",
            0.86,
            0.01,
            shaded(
                hazy(stage, (236, 242, 250) if "snow" in scene.air else (90, 120, 80), 0.2),
                hazy(stage, (150, 170, 200) if "snow" in scene.air else (50, 80, 50), 0),
                90,
            ),
            speed=0.2,
        )
        return [*parts, bank, *floor]
    return [*parts, scrolling(near, stage.height - near.size[1] + stage.row(0.03), pace * 0.05)]


def desert(stage: Stage) -> list[Part]:
    """Return dunes with a lit and a shaded side."""
    parts = [sky(stage, 0.62), clouds(stage, 0.5, amount=0.15), *in_sky(stage)]
    moves = 3.0 if "car" in stage.scene.subjects else 1.0
    parts += [_dune(stage, k, moves) for k in range(4)]
    return [*parts, *on_floor(stage, stage.row(0.86)), motes(stage)]


def _dune(stage: Stage, k: int, moves: float) -> Part:
    base, haze = 0.6 + 0.1 * k, 0.55 - 0.17 * k
    dice = stage.dice(f"dune{k}")
    ridge = np.abs(rolling(dice, stage.wide, (1, 4)))
    line = stage.height * (base + 0.03 - (0.1 - 0.012 * k) * (1 - ridge))
    slope = np.gradient(resampled(line, 15)) * 4
    light, dark = hazy(stage, (242, 178, 104), haze), hazy(stage, (146, 88, 62), haze)
    ripples = noise(dice, (stage.height - crest(line), stage.wide), (60, 6), 2) - 0.5

    def paint(depth: Floats, rows: Floats) -> Floats:  # noqa: ARG001 - called as every paint is
        wander = (np.arange(stage.wide)[None, :] + depth * 0.8).astype(np.intp) % stage.wide
        face = smooth(-slope[wander] + 0.15 * ripples, -0.5, 0.5) * np.exp(
            -depth / (stage.height * 0.3)
        ).clip(0, 1)
        face = np.clip(0.2 + 0.8 * face + 0.12 * ripples, 0, 1)[..., None]
        return np.asarray(np.asarray(dark) + (np.asarray(light) - np.asarray(dark)) * face)

    piece = ground(line.astype(np.float32), stage.height, paint)
    speed = stage.unit * stage.scene.tempo * moves * 0.012 * 2.2**k
    return scrolling(piece, crest(line), speed)


def _flower(stage: Stage, size: float, colour: Rgb, phase: float) -> Sprite:
    pen = Pen(max(6.0, stage.unit * size), 0.7, 1.5)
    lean = 0.1 * math.sin(2 * math.pi * phase)
    green = stage.lit((60, 120, 54))
    head = (0.35 + lean, 0.3)
    pen.limb([(0.35, 1.5), (0.35 + 0.3 * lean, 0.9), head], [0.022, 0.02, 0.016], green)
    pen.limb([(0.35, 1.2), (0.5, 1.0), (0.58, 0.86)], [0.012, 0.04, 0.004], green)
    for k in range(8):
        a = k * math.pi / 4 + lean
        pen.blob(
            (head[0] + 0.14 * math.cos(a), head[1] + 0.14 * math.sin(a)),
            (0.12, 0.06),
            stage.lit(colour),
            turn=a,
        )
    pen.blob(head, (0.085, 0.085), stage.lit((250, 206, 70)))
    return sprite_of(pen.done())


def _flowers(stage: Stage, floor: float) -> Part:
    dice, scene = stage.dice("flowers"), stage.scene
    tones = (
        (scene.accent, mix(scene.accent, (255, 255, 255), 0.4))
        if scene.accent and not scene.subjects
        else ()
    )
    hues: tuple[Rgb, ...] = tones or ((240, 90, 110), (250, 236, 240), (170, 120, 230))
    kinds = [
        [_flower(stage, 0.055 + 0.035 * n, hue, p / 6) for p in range(6)]
        for n in range(3)
        for hue in hues
    ]
    count = 44
    who = sorted(
        (dice.uniform(0, 1), dice.uniform(0, 1.3), int(dice.integers(0, len(hues))))
        for _ in range(count)
    )
    pace = stage.unit * 0.06 * scene.tempo

    def draw(canvas: Canvas, t: float) -> None:
        for near, x0, hue in who:
            frames = kinds[min(2, int(near * 3)) * len(hues) + hue]
            wide, high = frames[0].size
            x = (x0 * canvas.width - pace * (0.6 + near) * t) % (canvas.width + 2 * wide) - wide
            index = round(2.9 + 2.5 * math.sin(1.4 * t * scene.tempo + 5 * x0 + 3 * near)) % 6
            canvas.blit(frames[index], x, canvas.height * (floor + 0.2 * near) - high * 0.6)

    return draw


def meadow(stage: Stage) -> list[Part]:
    """Return green hills, clouds and flowers."""
    parts = [sky(stage, 0.66), clouds(stage, 0.66, amount=0.6)]
    greens: tuple[Rgb, ...] = ((112, 160, 130), (96, 158, 84), (78, 146, 62), (60, 124, 48))
    moves = 4.0 if {"dog", "cat", "person", "car"} & set(stage.scene.subjects) else 1.0
    for k, green in enumerate(greens):
        top, low = (
            hazy(stage, green, 0.62 - 0.2 * k),
            hazy(stage, scale(green, 0.55), 0.5 - 0.17 * k),
        )
        paint = shaded(top, low, stage.height * 0.2, mix(top, stage.scene.light, 0.5))
        if k == 3:  # noqa: PLR2004 - trees stand before the nearest hill
            wood = pines(stage, "copse", 0.75, (0.03, 0.1), hazy(stage, (44, 92, 58), 0.15))
            parts += [scrolling(wood, 0, stage.unit * 0.012 * moves * stage.scene.tempo)]
        speed = 0.006 * 2.1**k * (moves if k > 1 else 1)
        parts.append(
            hills(stage, f"hill{k}", 0.62 + 0.055 * k, 0.05 - 0.008 * k, paint, speed=speed)
        )
    parts += in_sky(stage)
    if stage.scene.hour == "night":
        return [*parts, *on_floor(stage, stage.row(0.87))]
    return [*parts, *on_floor(stage, stage.row(0.87)), _flowers(stage, 0.86)]


def _trunks(stage: Stage, k: int) -> Sprite:
    """Return a periodic row of tree trunks with boughs, nearer and darker with ``k``."""
    dice = stage.dice(f"trunks{k}")
    near = k / 2
    pen = Pen(float(stage.height), stage.wide / stage.height, 1.0)
    colour = hazy(stage, mix((92, 112, 92), (26, 30, 26), near), 0.62 - 0.29 * k)
    for _ in range(13 - 4 * k):
        x = float(dice.uniform(0.04, stage.wide / stage.height - 0.04))
        girth, lean = (0.008 + 0.016 * near) * dice.uniform(0.7, 1.4), dice.uniform(-0.03, 0.03)
        pen.limb(
            [(x, 1.05), (x + lean * 0.4, 0.5), (x + lean, -0.05)],
            [girth * 1.7, girth, girth * 0.8],
            colour,
        )
        for _ in range(4):
            y, way = float(dice.uniform(0.05, 0.5)), float(dice.choice([-1, 1]))
            tip = (x + lean + way * dice.uniform(0.06, 0.16), y - dice.uniform(0.03, 0.12))
            pen.limb([(x + lean * 0.5, y), tip], [girth * 0.4, girth * 0.08], colour)
    return sprite_of(pen.done())


def _canopy(stage: Stage, name: str, colour: Rgb, *, below: bool) -> Sprite:
    """Return leaves hanging from the upper edge, or undergrowth along the lower one."""
    rows = stage.row(0.34 if not below else 0.24)
    lumps = noise(stage.dice(name), (rows, stage.wide), (5, 14), 5)
    y = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    y = 1 - y if below else y
    alpha = smooth(lumps - 0.95 * y + 0.28, 0.12, 0.2) * 255
    shade = (0.75 + 0.7 * lumps)[..., None] * np.asarray(colour, np.float32)
    return sprite(np.clip(shade, 0, 255).astype(np.float32), alpha.astype(np.float32))


def forest(stage: Stage) -> list[Part]:
    """Return trunks in the mist with light falling through."""
    scene = stage.scene
    mist = mix(scene.sky[2], stage.lit((190, 216, 150)), 0.45)
    stops = (
        mix(mist, stage.lit((40, 80, 50)), 0.55),
        mist,
        mix(stage.lit((46, 74, 44)), mist, 0.25),
    )
    base = sprite(
        np.repeat(column(stops, stage.height, (0.0, 0.55, 1.0)), stage.width, 1), dither=True
    )
    parts: list[Part] = [fixed(base, 0, 0)]
    pace = stage.unit * scene.tempo * (0.3 if {"dog", "person"} & set(scene.subjects) else 0.05)
    if scene.hour == "night":
        parts.append(
            aurora(stage, 0.5)
            if "aurora" in scene.air
            else lamp((stage.width * 0.62, stage.height * 0.2), stage.unit * 0.4, (170, 190, 230))
        )
    for k in range(3):
        parts.append(scrolling(_trunks(stage, k), 0, pace * (0.2 + 0.4 * k)))
        if k == 1 and scene.hour != "night":
            parts.append(
                shafts(stage, colour=mix(scene.light, (255, 255, 255), 0.2), strength=0.62)
            )
        green = hazy(stage, mix((84, 128, 66), (34, 62, 34), k / 2), 0.4 - 0.16 * k)
        parts.append(
            scrolling(
                _canopy(stage, f"leaf{k}", green, below=False),
                -stage.row(0.07 * (k == 0)),
                pace * (0.2 + 0.4 * k),
            )
        )
        under = _canopy(stage, f"fern{k}", scale(green, 0.8), below=True)
        parts.append(
            scrolling(
                under,
                stage.height - under.size[1] + stage.row(0.04 * k - 0.04),
                pace * (0.25 + 0.4 * k),
            )
        )
    parts += in_sky(stage)
    if "embers" in scene.air:
        at = (stage.width * 0.5, stage.height * 0.86)
        parts += [
            lamp((at[0], at[1] - stage.unit * 0.1), stage.unit * 0.5, (255, 140, 50)),
            fire(stage, at, stage.unit * 0.3),
        ]
    return [*parts, *on_floor(stage, stage.row(0.88)), motes(stage)]
