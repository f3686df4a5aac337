"""Landscapes: beach, sea, mountain, meadow, forest, and outer space."""

from __future__ import annotations

import math

import numpy as np

from ipyreel.demo.art import effects
from ipyreel.demo.art.canvas import (
    Canvas,
    Floats,
    Rgb,
    Sprite,
    mix,
    painted,
    plain,
    scale,
    sprite_of,
)
from ipyreel.demo.art.figures import Pen, afloat, in_sky, on_ground, on_rock
from ipyreel.demo.art.stage import (
    Part,
    Stage,
    column,
    fixed,
    glow,
    ground,
    hills,
    jagged,
    noise,
    pines,
    rolling,
    scrolling,
    shaded,
    smooth,
    span,
)  # fmt: skip


def _water(stage: Stage, line: int, bottom: int) -> list[Part]:
    """Return open water that mirrors the sky and the sun."""
    scene = stage.scene
    colour = mix(mix(scene.sky[0], stage.lit((20, 90, 120)), 0.55), scene.sky[1], 0.25)
    at = effects.sun_place(stage, line / stage.height)[0]
    water = effects.mirror(stage, line, bottom, colour=colour, share=0.22)
    return [water, effects.glitter(stage, line, bottom, at=at)]


def _sand(stage: Stage, top: int) -> Sprite:
    """Return the beach: wet and shining at its upper edge, dry in front."""
    scene, dice = stage.scene, stage.dice("sand")
    size = ((stage.height - top) // 2, stage.wide // 2)
    dry, wet = stage.lit((228, 196, 150)), mix(stage.lit((150, 120, 96)), scene.sky[2], 0.35)
    grain = noise(dice, size, (10, 30), 5) - np.float32(0.5)
    y = span(0, 1, size[0])[:, None]
    share = smooth(y + grain * np.float32(0.12), 0.16, 0.5)
    light = (1 + (np.float32(0.08) + np.float32(0.3) * y * share) * grain) * (1.06 - 0.34 * y)
    rgb = column((wet, dry), 256)[(255 * share).astype(np.intp), 0] * light[..., None]
    return painted(np.clip(rgb, 0, 255), (stage.wide, 2 * size[0]), smooth(y, 0.0, 0.06) * 255)


def _foam(stage: Stage, name: str, tall: int) -> Sprite:
    """Return a tongue of water running up the sand: glassy, with a white broken edge below."""
    dice, wide = stage.dice(name), stage.wide // 2
    line = 0.72 + 0.16 * rolling(dice, wide, (2, 11)) + 0.05 * rolling(dice, wide, (9, 40))
    y = span(0, 1, tall // 2)[:, None]
    inside = line.astype(np.float32) - y
    deep = np.clip(inside, 0, None)
    edge = np.exp(deep * np.float32(-18)) * np.clip(inside * np.float32(tall / 3) + 1, 0, 1)
    lace = smooth(noise(dice, inside.shape, (5, 40), 4), 0.4, 0.62)
    white = np.clip(edge * 0.95 + lace * np.exp(deep * np.float32(-4.5)) * (inside > 0) * 0.7, 0, 1)
    glass = np.clip(deep * tall, 0, 1) * 0.4 * smooth(y, 0.0, 0.25)
    water = np.asarray(mix(stage.scene.sky[1], stage.scene.sky[2], 0.5))
    bright = 0.55 + 0.45 * max(stage.scene.tint)
    foam = np.asarray(scale(mix(stage.scene.light, (255, 255, 255), 0.45), bright))
    rgb = water + (foam - water) * (white / np.maximum(white + glass, 1e-3))[..., None]
    cover = np.clip(white + glass, 0, 1) * 220
    return painted(rgb, (stage.wide, tall // 2 * 2), cover)


def beach(stage: Stage) -> list[Part]:
    """Return sea and sand, with a moving camera."""
    scene, line, shore = stage.scene, stage.row(0.5), stage.row(0.7)
    speed = stage.unit * scene.tempo * (0.42 if "dog" in scene.subjects else 0.05)
    cape = shaded(stage.hazy((70, 80, 90), 0.55), scene.sky[2], 40)
    parts = [*effects.sky(stage, 0.5), hills(stage, "cape", (0.5, 0.022, 0.5), cape, speed=0.004)]
    parts += in_sky(stage)
    parts += [*_water(stage, line, shore), *afloat(stage, stage.row(0.56))]
    top = shore - stage.row(0.03)
    parts.append(scrolling(_sand(stage, top), top, speed))
    tempo = 0.55 + 0.45 * scene.tempo
    for k in range(2):
        y = shore - stage.row(0.082 - 0.02 * k)

        def bob(t: float, k: int = k) -> float:
            return stage.height * 0.02 * math.sin(0.95 * t * tempo + 2.6 * k)

        parts.append(scrolling(_foam(stage, f"foam{k}", stage.row(0.11)), y, speed, bob=bob))
    return [*parts, *on_rock(stage, stage.row(0.52)), *on_ground(stage, stage.row(0.845), wet=True)]


def sea(stage: Stage) -> list[Part]:
    """Return the open sea, swell rolling in front."""
    scene, line = stage.scene, stage.row(0.5)
    parts = [*effects.sky(stage, 0.5), *in_sky(stage)]
    parts += [*_water(stage, line, stage.height), *afloat(stage, stage.row(0.66))]
    rough = 2.2 if scene.hour == "storm" else 1.0
    for k in range(3):
        if k == 1:
            parts += on_rock(stage, stage.row(0.8))
        parts.append(_swell(stage, k, rough))
    return parts


def _swell(stage: Stage, k: int, rough: float) -> Part:
    scene = stage.scene
    wave = rolling(stage.dice(f"swell{k}"), stage.wide, (3, 12))
    line = stage.height * (0.74 + 0.1 * k - 0.012 * rough * (1 + 0.5 * k) * wave)
    water = mix(scene.sky[0], stage.lit((20, 90, 120)), 0.4)
    deep = mix(water, scale(scene.sky[0], 0.5), 0.3 + 0.2 * k)
    crest, rim = mix(deep, scene.sky[2], 0.28), mix(deep, scene.light, 0.5)
    paint = shaded(crest, deep, stage.height * 0.1, rim)

    def bob(t: float) -> float:
        return stage.height * 0.008 * rough * math.sin(1.3 * t * scene.tempo + 1.9 * k)

    pace = stage.unit * (0.05 + 0.05 * k) * scene.tempo
    return scrolling(*ground(line, stage.height + stage.row(0.04), paint), pace, bob=bob)


def _range(stage: Stage, k: int) -> tuple[Sprite, int]:
    """Return a range of mountains, lit from the side of the sun, snow on all but the nearest."""
    base, haze = 0.7, 0.6 - 0.24 * k
    tall, peaks = ((0.34, 5), (0.24, 7), (0.13, 11))[k]
    dice, high, wide = stage.dice(f"range{k}"), stage.height, stage.wide
    line = high * (base - tall * (0.45 + 0.55 * jagged(dice, wide, peaks)))
    even = np.convolve(np.concatenate([line[-9:], line, line[:9]]), np.ones(9) / 9, "same")[9:-9]
    slope = np.gradient(even).astype(np.float32)[::2]
    rock, snow = stage.hazy((84, 92, 118), haze), stage.hazy((240, 244, 252), haze * 0.8)
    if stage.scene.hour == "night":  # the moon, or an aurora, is enough for snow to shine
        snow = mix(snow, (176, 206, 226), 0.5)

    def paint(depth: Floats, rows: Floats) -> Floats:
        bumps = noise(dice, depth.shape, (5, 44), 5) - np.float32(0.5)
        shift = depth * (np.float32(0.3) + bumps * np.float32(0.5))  # ridges run down at an angle
        wander = (np.arange(wide // 2) + shift).astype(np.intp) % (wide // 2)
        face = smooth(slope[wander] + bumps * np.float32(1.2), -0.7, 0.7)
        limit = high * (base - tall * 0.28) + high * (bumps * 0.22 + face * 0.03)
        white = smooth(limit - rows, 0.0, high * 0.012) * (k < 2)  # noqa: PLR2004
        rgb = np.asarray(rock) + (np.asarray(snow) - np.asarray(rock)) * white[..., None]
        rgb *= (0.66 + 0.46 * face)[..., None]
        mist = smooth(depth, tall * high * 0.6, tall * high * 2.2)[..., None] * 0.6
        return np.asarray(rgb + (np.asarray(stage.scene.sky[2]) - rgb) * mist)

    return ground(line, stage.row(base) + 2, paint)


def mountain(stage: Stage) -> list[Part]:
    """Return mountain ranges behind each other over a lake, firs in front."""
    scene, line = stage.scene, stage.row(0.7)
    pace = stage.unit * scene.tempo
    parts = effects.sky(stage, 0.68)
    parts += [scrolling(*_range(stage, k), pace * (0.008 + 0.008 * k)) for k in range(3)]
    parts += in_sky(stage)
    wood = pines(stage, "wood", 0.7, (0.03, 0.07), mix(stage.lit((34, 58, 54)), scene.sky[2], 0.2))
    parts.append(scrolling(wood, 0, pace * 0.03))
    tint = mix(scene.sky[0], stage.lit((40, 80, 110)), 0.4)
    parts.append(effects.mirror(stage, line, stage.height, colour=tint, share=0.2))
    parts += afloat(stage, stage.row(0.82))
    walkers = on_ground(stage, stage.row(0.9))
    if walkers:
        white = (236, 242, 250) if "snow" in scene.air else (90, 120, 80)
        bank = shaded(stage.hazy(white, 0.2), stage.hazy(scale(white, 0.7), 0), 90)
        return [*parts, hills(stage, "bank", (0.86, 0.01, 1.0), bank, speed=0.2), *walkers]
    near = pines(stage, "near", 0.97, (0.12, 0.34), scale(stage.lit((22, 34, 38)), 0.7))
    top = stage.height - near.size[1] + stage.row(0.03)
    return [*parts, scrolling(near, top, pace * 0.05)]


def meadow(stage: Stage) -> list[Part]:
    """Return green hills, a wood, and grass in front."""
    scene = stage.scene
    greens: tuple[Rgb, ...] = ((112, 160, 130), (96, 158, 84), (78, 146, 62), (60, 124, 48))
    moves = 4.0 if "dog" in scene.subjects else 1.0
    parts = effects.sky(stage, 0.66)
    for k, green in enumerate(greens):
        top = stage.hazy(green, 0.62 - 0.2 * k)
        low = stage.hazy(scale(green, 0.55), 0.5 - 0.17 * k)
        paint = shaded(top, low, stage.height * 0.2, mix(top, scene.light, 0.5))
        if k == len(greens) - 1:  # a wood is in front of the nearest hill
            wood = pines(stage, "copse", 0.75, (0.03, 0.1), stage.hazy((44, 92, 58), 0.15))
            parts.append(scrolling(wood, 0, stage.unit * 0.012 * moves * scene.tempo))
        speed = 0.006 * 2.1**k * (moves if k > 1 else 1)
        place = (0.62 + 0.055 * k, 0.05 - 0.008 * k, 0.76 + 0.08 * k)
        parts.append(hills(stage, f"hill{k}", place, paint, speed=speed))
    parts += [*in_sky(stage), *on_ground(stage, stage.row(0.87))]
    for k in range(2):
        tufts = np.abs(jagged(stage.dice(f"grass{k}"), stage.wide, 170, 3))
        line = stage.height * (0.9 + 0.06 * k - 0.035 * tufts)
        tip, root = stage.hazy((112 - 30 * k, 160 - 30 * k, 60), 0), stage.lit((20, 44, 16))
        paint = shaded(tip, root, stage.height * 0.06, mix(tip, scene.light, 0.3))
        speed = stage.unit * (0.08 + 0.05 * k) * moves * scene.tempo
        parts.append(scrolling(*ground(line, stage.height, paint), speed))
    return parts


def _trunks(stage: Stage, k: int) -> Sprite:
    """Return a periodic row of tree trunks with boughs, nearer and darker with ``k``."""
    dice, near = stage.dice(f"trunks{k}"), k / 2
    broad = stage.wide / stage.height
    pen = Pen(float(stage.height), broad, 1.0)
    colour = stage.hazy(mix((92, 112, 92), (26, 30, 26), near), 0.62 - 0.29 * k)
    for _ in range(13 - 4 * k):
        x = float(dice.uniform(0.04, broad - 0.04))
        girth, lean = (0.008 + 0.016 * near) * dice.uniform(0.7, 1.4), dice.uniform(-0.03, 0.03)
        stem = [(x, 1.05), (x + lean * 0.4, 0.5), (x + lean, -0.05)]
        pen.limb(stem, [girth * 1.7, girth, girth * 0.8], colour)
        for _ in range(4):
            y, way = float(dice.uniform(0.05, 0.5)), float(dice.choice([-1, 1]))
            tip = (x + lean + way * dice.uniform(0.06, 0.16), y - dice.uniform(0.03, 0.12))
            pen.limb([(x + lean * 0.5, y), tip], [girth * 0.4, girth * 0.08], colour)
    return plain(colour, np.asarray(pen.cover()))


def _leaves(stage: Stage, name: str, colour: Rgb, share: float, *, below: bool) -> Sprite:
    """Return leaves hanging from the upper edge, or undergrowth along the lower one."""
    rows = max(2, stage.row(share) // 2)
    lumps = noise(stage.dice(name), (rows, stage.wide // 2), (5, 14), 6)
    y = (span(1, 0, rows) if below else span(0, 1, rows))[:, None]
    cover = smooth(lumps - np.float32(0.95) * y + np.float32(0.28), 0.13, 0.19) * 255
    shade = (np.float32(0.75) + np.float32(0.7) * lumps)[..., None]
    rgb = np.clip(shade * np.asarray(colour, np.float32), 0, 255)
    return painted(rgb, (stage.wide, 2 * rows), cover)


def _fireplace(stage: Stage) -> list[Part]:
    """Return a campfire with its light on the ground."""
    at = (stage.width * 0.5, stage.height * 0.87)
    pen = Pen(stage.unit * 0.34, 1.0, 0.3)
    for x, y, way in ((0.22, 0.2, 1), (0.78, 0.2, -1), (0.36, 0.26, 1)):
        pen.limb([(x, y), (x + 0.42 * way, y - 0.1)], [0.036, 0.03], (66, 40, 26))
        pen.blob((x, y), (0.03, 0.036), (150, 88, 48))
    logs = sprite_of(pen.done())
    unit = stage.unit
    light = glow(unit * 0.55, (255, 140, 50), 0.8)
    return [
        fixed(light, at[0] - unit * 0.55, at[1] - unit * 0.65),
        effects.fire(stage, at, unit * 0.3),
        fixed(logs, at[0] - logs.size[0] / 2, at[1] - logs.size[1] * 0.7),
        effects.embers(stage),
    ]


def forest(stage: Stage) -> list[Part]:
    """Return trunks in the mist with light falling through."""
    scene, night = stage.scene, stage.scene.hour == "night"
    mist = mix(scene.sky[2], stage.lit((196, 224, 150)), 0.5)
    stops = (mix(mist, stage.lit((40, 80, 50)), 0.5), mist, mix(stage.lit((40, 70, 40)), mist, 0.2))
    away = stage.away((stage.width * 0.62, stage.height * 0.3))
    back = np.repeat(column(stops, away.shape[0], (0.0, 0.55, 1.0)), away.shape[1], 1)
    sun = np.exp(-3 * away)[..., None]
    back += (np.asarray(scene.light, np.float32) - back) * sun * np.float32(0.25 if night else 0.8)
    parts: list[Part] = [fixed(painted(back, (stage.width, stage.height), dither=True), 0, 0)]
    parts += [effects.aurora(stage, 0.5)] if "aurora" in scene.air else []
    pace = stage.unit * scene.tempo * (0.3 if "dog" in scene.subjects else 0.05)
    for k in range(3):
        speed = pace * (0.2 + 0.4 * k)
        parts.append(scrolling(_trunks(stage, k), 0, speed))
        if k == 1 and not night:
            beam = mix(scene.light, (255, 255, 255), 0.2)
            parts.append(effects.shafts(stage, colour=beam, strength=0.7))
        green = stage.hazy(mix((84, 128, 66), (34, 62, 34), k / 2), 0.4 - 0.16 * k)
        above = _leaves(stage, f"leaf{k}", green, 0.34, below=False)
        under = _leaves(stage, f"fern{k}", scale(green, 0.8), 0.24, below=True)
        parts.append(scrolling(above, -stage.row(0.07 * (k == 0)), speed))
        foot = stage.height - under.size[1] + stage.row(0.04 * k - 0.04)
        parts.append(scrolling(under, foot, speed * 1.1))
    parts += in_sky(stage)
    parts += _fireplace(stage) if "campfire" in scene.subjects else []
    return [*parts, *on_ground(stage, stage.row(0.88)), effects.motes(stage)]


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
        band = np.where((r < 1) & (up < 0), 0, band)
        return x - 0.65 * y, r, up + 0.05 * np.sin(6 * across), band

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
    swarm = effects.swarm(stage, stars, 220, across=-0.02, down=0.0, sway=0.0, grey=True)
    return [*parts, swarm, drift]
