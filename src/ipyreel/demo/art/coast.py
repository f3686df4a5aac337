"""Beach and open sea; numpy and Pillow only."""

from __future__ import annotations

import math

import numpy as np

from ipyreel.demo.art.actors import floating, flock, in_sky, on_floor
from ipyreel.demo.art.canvas import Canvas, Rgb, Sprite, mix, scale, sprite, tiles
from ipyreel.demo.art.heavens import clouds, glitter, mirror, sky, sun_place
from ipyreel.demo.art.stage import (
    Part,
    Stage,
    crest,
    ground,
    noise,
    rolling,
    scrolling,
    smooth,
)
from ipyreel.demo.art.terrain import hazy, hills, shaded


def _sand(stage: Stage, top: int) -> Sprite:
    scene, dice = stage.scene, stage.dice("sand")
    size = (stage.height - top, stage.wide)
    dry, wet = stage.lit((228, 196, 150)), stage.lit((150, 120, 96))
    grain = noise(dice, size, (10, 30), 5) - 0.5
    y = np.linspace(0, 1, size[0], dtype=np.float32)[:, None]
    share = smooth(y + 0.05 * (noise(dice, size, (2, 8), 2) - 0.5), 0.16, 0.5)[..., None]
    rgb = np.asarray(mix(wet, scene.sky[2], 0.35)) * (1 - share) + np.asarray(dry) * share
    rgb = rgb * (1 + (0.08 + 0.3 * y * share[..., 0]) * grain)[..., None]
    rgb *= (1.06 - 0.34 * y)[..., None]
    return sprite(np.clip(rgb, 0, 255).astype(np.float32), smooth(y, 0.0, 0.06) * 255 + 0 * grain)


def _foam(stage: Stage, name: str, tall: int) -> Sprite:
    """Return a tongue of water running up the sand: glassy, with a white broken edge below."""
    dice = stage.dice(name)
    width = stage.wide
    line = tall * (
        0.72 + 0.16 * rolling(dice, width, (2, 11)) + 0.05 * rolling(dice, width, (9, 40))
    )
    y = np.arange(tall, dtype=np.float32)[:, None]
    inside = line[None, :] - y
    lace = noise(dice, (tall, width), (5, 40), 4)
    edge = np.exp(-np.clip(inside, 0, None) / (tall * 0.055)) * (inside > -1)
    holes = (
        smooth(lace, 0.4, 0.62) * np.exp(-np.clip(inside, 0, None) / (tall * 0.22)) * (inside > 0)
    )
    white = np.clip(edge * 0.95 + holes * 0.7, 0, 1)
    glass = np.clip(inside, 0, 1) * 0.4 * smooth(y / tall, 0.0, 0.25)
    alpha = np.clip(white + glass, 0, 1) * 235
    water = np.asarray(mix(stage.scene.sky[1], stage.scene.sky[2], 0.5))
    foam = np.asarray(mix(stage.scene.light, (255, 255, 255), 0.45)) * (
        0.55 + 0.45 * max(stage.scene.tint)
    )
    rgb = water + (foam - water) * (white / np.maximum(white + glass, 1e-3))[..., None]
    return sprite(rgb.astype(np.float32), alpha.astype(np.float32))


def _swash(stage: Stage, line: int, speed: float) -> list[Part]:
    tall = max(8, stage.row(0.11))
    parts: list[Part] = []
    for k in range(2):
        piece = _foam(stage, f"foam{k}", tall)
        parts.append(_swash_one(stage, piece, (line, k), speed))
    return parts


def _swash_one(stage: Stage, piece: Sprite, place: tuple[int, int], speed: float) -> Part:
    line, k = place
    wide = piece.size[0]
    tempo = 0.55 + 0.45 * stage.scene.tempo
    # Its seven strengths: to fade it for each frame would cost more than to draw it.
    strengths = [tiles(piece.faded(0.72 + 0.04 * step)) for step in range(7)]

    def draw(canvas: Canvas, t: float) -> None:
        run = math.sin(0.95 * t * tempo + 2.6 * k)
        y = line - stage.height * (0.082 - 0.02 * k) + stage.height * 0.02 * run
        x = -((speed * t + 0.37 * k * wide) % wide)
        while x < canvas.width:
            canvas.lay(strengths[round(6 * (0.5 + 0.5 * run))], x, y)
            x += wide

    return draw


def water_colour(stage: Stage) -> Rgb:
    """Return the colour of open water under this sky."""
    deep = mix(stage.scene.sky[0], stage.lit((20, 90, 120)), 0.55)
    return mix(deep, stage.scene.sky[1], 0.25)


def _open_water(stage: Stage, line: int, bottom: int) -> list[Part]:
    at = sun_place(stage, line / stage.height)[0]
    dark, bright = glitter(
        stage, line, bottom, at=at, colour=mix(stage.scene.light, (255, 255, 255), 0.2)
    )
    return [mirror(stage, line, bottom, colour=water_colour(stage), share=0.22), dark, bright]


def beach(stage: Stage) -> list[Part]:
    """Return sea and sand, the camera going along."""
    line, shore = stage.row(0.5), stage.row(0.7)
    moves = any(name in ("dog", "car", "cat", "person") for name in stage.scene.subjects)
    speed = stage.unit * stage.scene.tempo * (0.42 if moves else 0.05)
    far = hills(
        stage,
        "cape",
        0.5,
        0.022,
        shaded(hazy(stage, (70, 80, 90), 0.55), stage.scene.sky[2], 40),
        speed=0.004,
    )
    parts = [sky(stage, 0.5), clouds(stage, 0.5), far, *in_sky(stage, rows=(0.12, 0.34))]
    if "bird" not in stage.scene.subjects and stage.scene.hour != "night":
        parts.append(flock(stage, "bird", 4, rows=(0.14, 0.32), depth=1.0))
    parts += _open_water(stage, line, shore)
    if "boat" in stage.scene.subjects:
        parts.append(floating(stage, "boat", stage.row(0.56)))
    sand_top = shore - stage.row(0.03)
    parts.append(scrolling(_sand(stage, sand_top), sand_top, speed))
    parts += _swash(stage, shore, speed)
    return [*parts, *on_floor(stage, stage.row(0.845), wet=True)]


def sea(stage: Stage) -> list[Part]:
    """Return the open sea, swell rolling in front."""
    line = stage.row(0.5)
    parts = [
        sky(stage, 0.5),
        clouds(stage, 0.5, amount=0.9 if stage.scene.hour == "storm" else 0.5),
    ]
    parts += in_sky(stage)
    parts += _open_water(stage, line, stage.height)
    if "boat" in stage.scene.subjects:
        parts.append(floating(stage, "boat", stage.row(0.66)))
    rough = 2.2 if stage.scene.hour == "storm" else 1.0
    parts += [_swell(stage, k, rough) for k in range(3)]
    return [*parts, *on_floor(stage, stage.row(0.86))]


def _swell(stage: Stage, k: int, rough: float) -> Part:
    base = 0.74 + 0.1 * k
    line = stage.height * (
        base - 0.012 * rough * (1 + 0.5 * k) * rolling(stage.dice(f"swell{k}"), stage.wide, (3, 12))
    )
    deep = mix(water_colour(stage), scale(stage.scene.sky[0], 0.5), 0.3 + 0.2 * k)
    crest_light = mix(deep, stage.scene.light, 0.5)
    paint = shaded(mix(deep, stage.scene.sky[2], 0.28), deep, stage.height * 0.1, crest_light)
    piece = ground(line.astype(np.float32), stage.height, paint)
    wide, top, parts = piece.size[0], crest(line), tiles(piece)
    pace = stage.unit * (0.05 + 0.05 * k) * stage.scene.tempo

    def draw(canvas: Canvas, t: float) -> None:
        y = top + stage.height * 0.008 * rough * math.sin(1.3 * t * stage.scene.tempo + 1.9 * k)
        x = -((pace * t) % wide)
        while x < canvas.width:
            canvas.lay(parts, x, y)
            x += wide

    return draw
