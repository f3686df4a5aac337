"""Who is in the scene: figures, where they stand and how they move; numpy and Pillow only."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from PIL import Image

from ipyreel.demo.art import machines, shapes
from ipyreel.demo.art.canvas import Canvas, Frames, Rgb, Sprite, mix, scale, sprite
from ipyreel.demo.art.stage import Part, Stage

Figure: TypeAlias = Callable[[float, float, Rgb], Image.Image]
_ON_GROUND = ("dog", "cat", "person", "dancer", "car")


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One kind of subject: its drawing, colour, length in units and strides per second."""

    draw: Figure
    coat: Rgb
    size: float
    pace: float
    phases: int = 12
    backlit: float = 0.7


def _dog(length: float, phase: float, coat: Rgb) -> Image.Image:
    return shapes.quadruped(length, phase, replace(shapes.DOG, coat=coat))


def _cat(length: float, phase: float, coat: Rgb) -> Image.Image:
    return shapes.quadruped(length, phase, replace(shapes.CAT, coat=coat))


def _dancer(length: float, phase: float, coat: Rgb) -> Image.Image:
    return shapes.walker(length, phase, coat, dances=True)


def _device(length: float, phase: float, coat: Rgb) -> Image.Image:
    # A part of a turn to either side: nobody shows a product's back for long.
    return machines.device(length, 0.26 * (phase - 16 / 33), coat)


ROLES: dict[str, Role] = {
    "dog": Role(draw=_dog, coat=(216, 152, 78), size=0.27, pace=2.1),
    "cat": Role(draw=_cat, coat=(96, 90, 96), size=0.24, pace=1.2),
    "person": Role(draw=shapes.walker, coat=(196, 70, 62), size=0.36, pace=0.95),
    "dancer": Role(draw=_dancer, coat=(212, 60, 110), size=0.46, pace=0.6),
    "car": Role(draw=machines.car, coat=(206, 48, 48), size=0.46, pace=2.5, phases=6),
    "boat": Role(draw=machines.boat, coat=(248, 240, 226), size=0.24, pace=0.25, phases=16),
    "bird": Role(draw=shapes.bird, coat=(244, 244, 248), size=0.1, pace=1.6, phases=10),
    "butterfly": Role(draw=shapes.butterfly, coat=(250, 150, 50), size=0.06, pace=2.4, phases=8),
    "fish": Role(draw=shapes.fish, coat=(250, 140, 46), size=0.16, pace=1.4),
    "koi": Role(draw=shapes.koi, coat=(232, 84, 40), size=0.17, pace=0.8),
    "balloon": Role(draw=machines.balloon, coat=(222, 44, 52), size=0.27, pace=0.4, backlit=0.35),
    "hot-air-balloon": Role(
        draw=machines.hot_air_balloon, coat=(222, 64, 52), size=0.3, pace=0.2, phases=4
    ),
    "hover": Role(draw=machines.hover, coat=(84, 76, 128), size=0.2, pace=1.0, phases=6),
    "rocket": Role(draw=machines.rocket, coat=(214, 48, 48), size=0.26, pace=5.0, phases=8),
    "device": Role(
        draw=_device, coat=(80, 120, 230), size=0.5, pace=0.125, phases=33, backlit=0.25
    ),
}


def cycle(stage: Stage, name: str, *, factor: float = 1.0, coat: Rgb | None = None) -> Frames:
    """Return the sprites of one stride, coloured by the prompt and lit by the hour."""
    role, scene = ROLES[name], stage.scene
    colour = coat or (scene.accent if scene.accent and scene.subjects[:1] == (name,) else role.coat)
    own_light = scene.place in ("studio", "space", "silk", "underwater") or name in (
        "hover",
        "device",
    )
    tint = np.ones(3) if own_light else np.asarray(scene.tint)
    # Figures keep some colour even at night: a black figure on a dark hill is not seen at all.
    tint = 0.36 + 0.64 * tint
    length = max(8.0, role.size * stage.unit * factor)
    rim = mix(scene.light, (255, 255, 255), 0.15)

    def drawn(index: int) -> Sprite:
        image = role.draw(length, index / role.phases, colour)
        image = shapes.rimmed(image, rim, strength=role.backlit, side=0.6)
        values = np.asarray(image, dtype=np.float32)
        rgb = values[..., :3] * tint
        glare = np.clip(values[..., :3] - 225, 0, 30) * 2
        return sprite(np.clip(rgb + glare, 0, 255), values[..., 3])

    return Frames(role.phases, drawn)


def mirrored(piece: Sprite) -> Sprite:
    """Return the same figure looking to the left."""
    turn = Image.Transpose.FLIP_LEFT_RIGHT
    parts = [piece.y.transpose(turn), piece.u.transpose(turn), piece.v.transpose(turn)]
    masks = [mask and mask.transpose(turn) for mask in (piece.alpha, piece.alpha_half)]
    return Sprite(parts[0], parts[1], parts[2], masks[0], masks[1])


def _shadow(length: float, colour: Rgb) -> Sprite:
    wide, high = max(4, round(length / 2) * 2), max(2, round(length * 0.05) * 2)
    x = np.linspace(-1, 1, wide, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, high, dtype=np.float32)[:, None]
    alpha = np.clip(1 - np.sqrt(x * x + y * y), 0, 1) * 190
    rgb = np.broadcast_to(np.asarray(colour, dtype=np.float32), (high, wide, 3))
    return sprite(np.ascontiguousarray(rgb), alpha.astype(np.float32))


def on_ground(stage: Stage, name: str, floor: int, *, at: float = 0.5, wet: bool = False) -> Part:
    """Return a figure whose feet are on row ``floor``; with ``wet`` the ground reflects it."""
    role, frames = ROLES[name], cycle(stage, name)
    wide, high = frames[0].size
    shadow = _shadow(wide * 0.86, scale(stage.scene.sky[0], 0.35))
    images = frames.each(lambda piece: piece.flipped(0.26))
    travel = 0.0 if name == "dancer" else 0.2
    tempo, seconds = stage.scene.tempo, max(stage.seconds, 0.1)

    def draw(canvas: Canvas, t: float) -> None:
        share = t / seconds
        x = canvas.width * (at + travel * (share - 0.5)) - wide / 2
        x += canvas.width * 0.012 * math.sin(1.1 * t)
        index = int(t * role.pace * tempo * role.phases) % role.phases
        if wet:
            canvas.blit(images[index], x, floor - high * 0.06)
        canvas.blit(shadow, x + wide * 0.06, floor - shadow.size[1] * 0.6)
        canvas.blit(frames[index], x, floor - high)

    return draw


def floating(stage: Stage, name: str, line: int, *, at: float = 0.4) -> Part:
    """Return a boat whose hull is on row ``line``, rocking along."""
    role, frames = ROLES[name], cycle(stage, name)
    wide, high = frames[0].size
    tempo, seconds = stage.scene.tempo, max(stage.seconds, 0.1)

    def draw(canvas: Canvas, t: float) -> None:
        x = canvas.width * (at + 0.16 * (t / seconds - 0.5)) - wide / 2
        y = line - high * 0.9 + stage.unit * 0.006 * math.sin(1.7 * t * tempo)
        canvas.blit(frames[int(t * role.pace * tempo * role.phases) % role.phases], x, y)

    return draw


def flock(
    stage: Stage, name: str, count: int, *, rows: tuple[float, float], depth: float = 0.5
) -> Part:
    """Return ``count`` figures crossing between two shares of the height, far ones small."""
    dice, role = stage.dice("flock" + name), ROLES[name]
    fars = (1.0, 1 - 0.45 * depth, 1 - 0.75 * depth)
    casts = [cycle(stage, name, factor=far) for far in fars]
    tempo, unit = stage.scene.tempo, stage.unit
    room = stage.width + 2 * casts[0][0].size[0]
    starts = (0.12 + 0.76 * np.arange(count) / count + dice.uniform(-0.05, 0.05, count)) * room
    who = [
        (i % 3, start, dice.uniform(*rows), dice.uniform(0, 1), dice.uniform(0.8, 1.2))
        for i, start in enumerate(starts)
    ]
    who.sort(key=lambda one: -one[0])

    def draw(canvas: Canvas, t: float) -> None:
        for far, x0, y0, phase, pace in who:
            frames = casts[far]
            x = (x0 + unit * 0.11 * fars[far] * pace * tempo * t) % room - casts[0][0].size[0]
            y = y0 * canvas.height + unit * 0.018 * math.sin(1.3 * t * tempo + 6.28 * phase)
            index = int((t * role.pace * tempo * pace + phase) * role.phases) % role.phases
            canvas.blit(frames[index], x, y - frames[0].size[1] / 2)

    return draw


def rising(
    stage: Stage, name: str, *, at: float, start: float, end: float, factor: float = 1.0
) -> Part:
    """Return a balloon or rocket moving up from ``start`` to ``end`` (shares of the height)."""
    role, frames = ROLES[name], cycle(stage, name, factor=factor)
    wide, high = frames[0].size
    tempo, seconds = stage.scene.tempo, max(stage.seconds, 0.1)

    def draw(canvas: Canvas, t: float) -> None:
        x = canvas.width * at + stage.unit * 0.05 * math.sin(0.9 * t * tempo) - wide / 2
        y = canvas.height * (start + (end - start) * t / seconds) - high / 2
        y += stage.unit * 0.008 * math.sin(1.9 * t * tempo)
        canvas.blit(frames[int(t * role.pace * tempo * role.phases) % role.phases], x, y)

    return draw


def traffic(stage: Stage, lanes: int, *, rows: tuple[float, float]) -> list[Part]:
    """Return flying cars in lanes, to the right and to the left in turn, with their light."""
    parts: list[Part] = []
    for k in range(lanes):
        near = k / max(1, lanes - 1)
        frames = cycle(stage, "hover", factor=0.35 + 0.85 * near)
        trail = _trail(stage, frames[0].size[0], (60, 220, 255) if k % 2 else (255, 70, 170))
        if k % 2:
            frames, trail = frames.each(mirrored), mirrored(trail)
        row = stage.height * (rows[0] + (rows[1] - rows[0]) * near)
        parts.append(
            _lane(stage, f"lane{k}", (frames, trail), row, (0.14 + 0.3 * near, -1 if k % 2 else 1))
        )
    return parts


def _trail(stage: Stage, wide: int, colour: Rgb) -> Sprite:
    size = (max(4, round(stage.unit * 0.014) // 2 * 2), round(wide * 1.4) // 2 * 2)
    x = np.linspace(0, 1, size[1], dtype=np.float32)[None, :] ** 2
    y = np.linspace(-1, 1, size[0], dtype=np.float32)[:, None]
    rgb = np.broadcast_to(np.asarray(colour, dtype=np.float32), (*size, 3))
    return sprite(np.ascontiguousarray(rgb), (x * (1 - y * y) * 210).astype(np.float32))


def _lane(
    stage: Stage,
    name: str,
    cast: tuple[Frames, Sprite],
    row: float,
    motion: tuple[float, int],
) -> Part:
    frames, trail = cast
    speed, way = motion
    dice = stage.dice(name)
    wide, high = frames[0].size
    room = stage.width + 4 * wide
    starts = [(i / 2 + dice.uniform(0, 0.3)) * room for i in range(2)]
    phase = dice.uniform(0, 6)

    def draw(canvas: Canvas, t: float) -> None:
        for i, start in enumerate(starts):
            x = (start + way * speed * stage.unit * stage.scene.tempo * t) % room - 2 * wide
            y = row + stage.unit * 0.012 * math.sin(0.8 * t + phase + 2 * i)
            behind = x - trail.size[0] + wide * 0.12 if way > 0 else x + wide * 0.88
            canvas.blit(trail, behind, y + high * 0.5 - trail.size[1] / 2)
            canvas.blit(frames[int(t * 6) % len(frames)], x, y)

    return draw


def in_sky(stage: Stage, *, rows: tuple[float, float] = (0.14, 0.42)) -> list[Part]:
    """Return the flying subjects of the scene."""
    parts: list[Part] = []
    for name in stage.scene.subjects:
        if name == "balloon":
            parts += [rising(stage, name, at=0.44, start=0.56, end=0.3)]
        elif name == "hot-air-balloon":
            parts += [rising(stage, name, at=0.7, start=0.34, end=0.26, factor=0.5)]
            parts += [rising(stage, name, at=0.36, start=0.48, end=0.3, factor=1.25)]
        elif name == "rocket":
            parts += [rising(stage, name, at=0.4, start=0.75, end=0.15)]
        elif name == "bird":
            parts += [flock(stage, name, 7, rows=rows, depth=0.7)]
        elif name == "butterfly":
            parts += [flock(stage, name, 6, rows=(0.3, 0.7))]
        elif name == "hover" and stage.scene.place != "city":
            parts += traffic(stage, 3, rows=rows)
    return parts


def on_floor(stage: Stage, floor: int, *, wet: bool = False) -> list[Part]:
    """Return the subjects that stand or go on the ground, side by side."""
    names = [name for name in stage.scene.subjects if name in _ON_GROUND][:3]
    if {"dancer", "person"} <= set(names):
        names.remove("person")
    places = {1: (0.46,), 2: (0.34, 0.62), 3: (0.26, 0.5, 0.74)}.get(len(names), ())
    return [on_ground(stage, n, floor, at=x, wet=wet) for n, x in zip(names, places, strict=True)]
