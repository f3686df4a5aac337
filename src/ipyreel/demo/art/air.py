"""What is in the air: particles, rain, fire, fireworks; pure functions of time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ipyreel.demo.art.canvas import (
    STEPS,
    Canvas,
    Rgb,
    Sprite,
    ladder,
    mix,
    sprite,
    sprite_of,
    to_image,
)
from ipyreel.demo.art.shapes import Pen
from ipyreel.demo.art.stage import Part, Stage, glow, noise, smooth


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How a swarm of one kind moves: speeds and sways in units of the frame per second."""

    count: int
    across: float = 0.0
    down: float = 0.1
    sway: float = 0.02
    twinkle: float = 0.0  # turns per second of brightness, 0: steady
    low: float = 0.0  # shares of the height between which it goes round
    high: float = 1.0


def swarm(stage: Stage, name: str, kinds: list[Sprite], drift: Drift) -> Part:
    """Return ``count`` sprites drifting through the frame, coming back on the other side.

    Kinds go from far to near: later ones move faster.
    """
    dice = stage.dice(name)
    count = drift.count
    x0, y0, phase = dice.random(count), dice.random(count), dice.uniform(0, 6.28, count)
    kind = dice.integers(0, len(kinds), count)
    near = 0.55 + 0.75 * kind / max(1, len(kinds) - 1)
    unit, tempo = stage.unit, stage.scene.tempo
    ladders = [ladder(piece) for piece in kinds]
    pad = max(piece.size[0] for piece in kinds)
    room = stage.width + 2 * pad
    top = stage.height * drift.low - pad
    fall = stage.height * (drift.high - drift.low) + 2 * pad

    def draw(canvas: Canvas, t: float) -> None:
        s = t * tempo
        x = x0 * room + near * (drift.across * unit * s)
        x = (x + drift.sway * unit * np.sin(1.3 * s + phase)) % room - pad
        y = (y0 * fall + near * drift.down * unit * s) % fall + top
        level = np.full(count, STEPS)
        if drift.twinkle:
            shine = 0.5 + 0.6 * np.sin(6.28 * drift.twinkle * t + phase)
            level = np.rint(STEPS * np.clip(shine, 0, 1)).astype(int)
        for i in range(count):
            canvas.blit(ladders[kind[i]][level[i]], x[i], y[i])

    return draw


def _dots(
    stage: Stage, sizes: tuple[float, ...], colour: Rgb, *, power: float = 1.2
) -> list[Sprite]:
    return [glow(max(2.0, size * stage.unit), colour, 0.95, power) for size in sizes]


def _flakes(stage: Stage, colours: tuple[Rgb, ...], size: float) -> list[Sprite]:
    """Return petals or leaves of three sizes, each colour turned differently."""
    pieces = []
    for far in (0.6, 0.8, 1.0, 1.35):
        for i, colour in enumerate(colours):
            pen = Pen(max(4.0, stage.unit * size * far), 1.0, 1.0)
            pen.blob((0.5, 0.5), (0.42, 0.2 + 0.07 * (i % 2)), colour, turn=0.7 * i + 2.1 * far)
            pieces.append(sprite_of(pen.done()))
    return pieces


def _ring(stage: Stage, radius: float) -> Sprite:
    """Return one bubble."""
    pen = Pen(max(6.0, stage.unit * radius * 2), 1.0, 1.0)
    pen.blob((0.5, 0.5), (0.46, 0.46), (214, 244, 255))
    pen.draw.ellipse(
        [pen.one * 0.1, pen.one * 0.1, pen.one * 0.9, pen.one * 0.9], (150, 220, 245, 60)
    )
    pen.blob((0.34, 0.32), (0.09, 0.06), (255, 255, 255), turn=-0.7)
    return sprite_of(pen.done())


def rain(stage: Stage) -> Part:
    """Return two sheets of slanting rain."""
    sheets = [_sheet(stage, f"rain{k}", k) for k in range(2)]
    speeds = [stage.height * 1.5, stage.height * 2.1]

    def draw(canvas: Canvas, t: float) -> None:
        for (piece, lean), speed in zip(sheets, speeds, strict=True):
            high = piece.size[1]
            fall = (speed * t) % high
            shift = -(fall * lean) % piece.size[0]
            for x in (shift - piece.size[0], shift):
                for y in (fall - high, fall):
                    canvas.blit(piece, x, y)

    return draw


def _sheet(stage: Stage, name: str, near: int) -> tuple[Sprite, float]:
    dice = stage.dice(name)
    size = (stage.height // 2 * 2, stage.width // 2 * 2)
    alpha = np.zeros(size, dtype=np.float32)
    long = max(4, int(stage.unit * (0.03 + 0.03 * near)))
    lean, count = 0.25, int(110 + 60 * (1 - near))
    steps = np.arange(long)
    y = (dice.integers(0, size[0], count)[:, None] + steps) % size[0]
    x = (dice.integers(0, size[1], count)[:, None] - (steps * lean).astype(int)) % size[1]
    alpha[y, x] = (60 + 50 * near) * np.sin(np.pi * steps / long)
    if stage.unit > 400:  # noqa: PLR2004 - one pixel is too thin on a large frame
        alpha[y, (x + 1) % size[1]] = (60 + 50 * near) * np.sin(np.pi * steps / long)
    rgb = np.full((*size, 3), 214, dtype=np.float32)
    return sprite(rgb, alpha), lean


def lightning(stage: Stage) -> Part:
    """Return flashes that light the whole frame for an instant, one every few seconds."""
    start = float(stage.dice("lightning").uniform(0.6, 1.4))

    def draw(canvas: Canvas, t: float) -> None:
        age = (t - start) % 3.7
        level = max(0.0, math.exp(-age * 9) + 0.7 * math.exp(-((age - 0.28) ** 2) * 300))
        if level > 0.03 and t >= start:  # noqa: PLR2004 - under that nobody sees it
            mask = Image.new("L", (canvas.width, canvas.height), round(150 * min(1.0, level)))
            canvas.wash((226, 232, 255), mask, 0, 0)

    return draw


def fire(stage: Stage, at: tuple[float, float], size: float) -> Part:
    """Return a burning fire, its foot at ``at`` (pixels), ``size`` pixels high."""
    high, wide = max(8, round(size / 8) * 2), max(8, round(size * 0.62 / 8) * 2)
    lumps = noise(stage.dice("fire"), (high * 4, wide), (18, 3), 3)
    lumps = np.concatenate([lumps, lumps])
    x = np.linspace(-1, 1, wide, dtype=np.float32)[None, :]
    y = np.linspace(1, 0, high, dtype=np.float32)[:, None]
    body = np.clip(1.15 - y * 1.1 - np.abs(x) * (0.7 + 1.5 * y), -1, 1)
    left, top = round(at[0] - wide * 2) // 2 * 2, round(at[1] - high * 4) // 2 * 2
    hues: tuple[tuple[Rgb, float], ...] = (
        ((226, 60, 20), 0.0), ((255, 140, 30), 0.24), ((255, 232, 140), 0.5),
    )  # fmt: skip

    def draw(canvas: Canvas, t: float) -> None:
        start = int(t * high * 0.9) % (high * 4)
        heat = body + (lumps[start : start + high] - 0.5) * 1.5 * (0.35 + y)
        heat = heat.astype(np.float32) * smooth(1 - np.abs(x), 0.0, 0.3)
        for colour, low in hues:
            mask = to_image(smooth(heat, low + 0.08, low + 0.3) * 235)
            full = mask.resize((wide * 4, high * 4), Image.Resampling.BICUBIC)
            canvas.wash(colour, full, left, top)

    return draw


def fireworks(stage: Stage) -> Part:
    """Return shells bursting over the upper half, each in its colour."""
    dice = stage.dice("fireworks")
    hues: tuple[Rgb, ...] = (
        (255, 90, 110),
        (120, 200, 255),
        (255, 210, 90),
        (190, 130, 255),
        (120, 255, 170),
    )
    sparks = [
        [
            ladder(glow(stage.unit * r, mix(c, (255, 255, 255), 0.25), 1.0, 1.2))
            for r in (0.006, 0.012)
        ]
        for c in hues
    ]
    shells = [
        (
            dice.uniform(0.12, 0.88),
            dice.uniform(0.12, 0.36),
            0.33 * i,
            dice.uniform(0.22, 0.36),
            i % 5,
        )
        for i in range(7)
    ]
    turns = np.arange(54) * 2.39996
    reach = np.sqrt((np.arange(54) + 0.5) / 54)

    def draw(canvas: Canvas, t: float) -> None:
        for x, y, delay, size, hue in shells:
            age = (t * 0.8 + delay) % 2.3
            if age > 1.7:  # noqa: PLR2004 - burnt out, until its next turn
                continue
            grown = size * stage.unit * (1 - math.exp(-3.2 * age))
            drop = 0.05 * age * age * stage.unit
            level = round(max(0.0, 1 - age / 1.7) * STEPS)
            for i in range(54):
                px = x * stage.width + grown * reach[i] * math.cos(turns[i])
                py = y * stage.height + grown * reach[i] * math.sin(turns[i]) + drop
                canvas.blit(sparks[hue][i % 2][level], px, py)

    return draw


def fog(stage: Stage) -> Part:
    """Return banks of mist passing slowly."""
    rows = stage.row(0.5)
    lumps = noise(stage.dice("fog"), (rows, stage.wide), (3, 4), 4)
    y = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    alpha = smooth(lumps, 0.3, 0.8) * np.sin(np.pi * y) * 170
    colour = mix(stage.scene.sky[2], (255, 255, 255), 0.2)
    rgb = np.broadcast_to(np.asarray(colour, dtype=np.float32), (rows, stage.wide, 3))
    piece = sprite(np.ascontiguousarray(rgb), alpha.astype(np.float32))
    top = stage.row(0.38)

    def draw(canvas: Canvas, t: float) -> None:
        x = -(stage.width * 0.03 * stage.scene.tempo * t) % piece.size[0] - piece.size[0]
        canvas.blit(piece, x, top)
        canvas.blit(piece, x + piece.size[0], top)

    return draw


def _snow(stage: Stage) -> Part:
    kinds = _dots(stage, (0.0035, 0.0055, 0.009), (250, 252, 255))
    return swarm(stage, "snow", kinds, Drift(count=130, across=0.03, down=0.14))


def _petals(stage: Stage) -> Part:
    kinds = _flakes(stage, ((255, 206, 222), (250, 176, 202), (255, 228, 236)), 0.022)
    return swarm(stage, "petals", kinds, Drift(count=46, across=0.06, down=0.1, sway=0.05))


def _leaves(stage: Stage) -> Part:
    kinds = _flakes(stage, ((214, 110, 40), (190, 60, 36), (232, 170, 60)), 0.032)
    return swarm(stage, "leaves", kinds, Drift(count=34, across=0.08, down=0.12, sway=0.06))


def _embers(stage: Stage) -> Part:
    kinds = _dots(stage, (0.004, 0.006, 0.009), (255, 168, 70))
    return swarm(stage, "embers", kinds, Drift(count=46, down=-0.16, sway=0.04, twinkle=0.9))


def _fireflies(stage: Stage) -> Part:
    kinds = _dots(stage, (0.009, 0.014, 0.02), (226, 255, 140), power=2.4)
    drift = Drift(count=38, across=0.02, down=-0.012, sway=0.06, twinkle=0.35, low=0.35)
    return swarm(stage, "fireflies", kinds, drift)


def _confetti(stage: Stage) -> Part:
    hues = ((240, 70, 90), (250, 200, 60), (80, 170, 250), (110, 220, 140), (210, 120, 250))
    return swarm(
        stage, "confetti", _flakes(stage, hues, 0.018), Drift(count=90, down=0.2, sway=0.04)
    )


def _bubbles(stage: Stage) -> Part:
    kinds = [_ring(stage, size) for size in (0.006, 0.01, 0.018)]
    return swarm(stage, "bubbles", kinds, Drift(count=34, down=-0.13, sway=0.015))


def motes(stage: Stage) -> Part:
    """Return dust in the light: what moves when nothing else does."""
    kinds = _dots(stage, (0.0025, 0.004, 0.007), mix(stage.scene.light, (255, 255, 255), 0.4))
    return swarm(stage, "motes", kinds, Drift(count=36, across=0.02, down=-0.02, twinkle=0.25))


_KINDS: dict[str, Callable[[Stage], Part]] = {
    "rain": rain, "lightning": lightning, "snow": _snow, "petals": _petals, "leaves": _leaves,
    "embers": _embers, "fireflies": _fireflies, "confetti": _confetti, "bubbles": _bubbles,
}  # fmt: skip


def in_front(stage: Stage) -> list[Part]:
    """Return what of the scene's air is nearer than everything else."""
    return [_KINDS[name](stage) for name in stage.scene.air if name in _KINDS]


def behind(stage: Stage) -> list[Part]:
    """Return what of the scene's air is far away."""
    return [fireworks(stage)] if "fireworks" in stage.scene.air else []
