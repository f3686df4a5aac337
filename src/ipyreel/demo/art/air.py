"""What is in the air: rain, snow, petals, embers, fog, fire."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ipyreel.demo.art.canvas import (
    STEPS,
    Canvas,
    Rgb,
    Sprite,
    ladder,
    mix,
    plain,
    sprite_of,
    to_image,
)
from ipyreel.demo.art.drawings import WHITE, Pen
from ipyreel.demo.art.stage import Part, Stage, glow, noise, scrolling, smooth, span


def swarm(
    stage: Stage,
    kinds: list[Sprite],
    count: int,
    *,
    across: float = 0.0,
    down: float = 0.1,
    sway: float = 0.02,
    twinkle: float = 0.0,
) -> Part:
    """Return ``count`` sprites drifting through the frame, coming back on the other side.

    Kinds go from far to near: later ones move faster. Speeds and sways are in units of the frame
    per second, ``twinkle`` is turns per second of the brightness (0: steady).
    """
    dice = stage.dice("swarm")
    x0, y0, phase = dice.random(count), dice.random(count), dice.uniform(0, 6.28, count)
    kind = dice.integers(0, len(kinds), count)
    near = 0.55 + 0.75 * kind / max(1, len(kinds) - 1)
    unit, tempo = stage.unit, stage.scene.tempo
    ladders = [ladder(piece) for piece in kinds]
    pad = max(piece.size[0] for piece in kinds)
    room, fall = stage.width + 2 * pad, stage.height + 2 * pad

    def draw(canvas: Canvas, t: float) -> None:
        s = t * tempo
        x = x0 * room + near * (across * unit * s)
        x = (x + sway * unit * np.sin(1.3 * s + phase)) % room - pad
        y = (y0 * fall + near * down * unit * s) % fall - pad
        level = np.full(count, STEPS)
        if twinkle:
            shine = 0.5 + 0.6 * np.sin(6.28 * twinkle * t + phase)
            level = np.rint(STEPS * np.clip(shine, 0, 1)).astype(int)
        for i in range(count):
            canvas.blit(ladders[kind[i]][level[i]], x[i], y[i])

    return draw


def _dots(stage: Stage, sizes: tuple[float, ...], colour: Rgb) -> list[Sprite]:
    return [glow(max(2.0, size * stage.unit), colour, 0.95, 1.2) for size in sizes]


def fire(stage: Stage, at: tuple[float, float], size: float) -> Part:
    """Return a burning fire, its foot at ``at`` (pixels), ``size`` pixels high."""
    high, wide = max(8, round(size / 8) * 2), max(8, round(size * 0.62 / 8) * 2)
    lumps = noise(stage.dice("fire"), (high * 4, wide), (18, 3), 3)
    lumps = np.concatenate([lumps, lumps])
    x, y = span(-1, 1, wide)[None, :], span(1, 0, high)[:, None]
    body = np.clip(1.15 - y * 1.1 - np.abs(x) * (0.7 + 1.5 * y), -1, 1)
    side = smooth(1 - np.abs(x), 0.0, 0.3)
    left, top = round(at[0] - wide * 2) // 2 * 2, round(at[1] - high * 4) // 2 * 2
    hues: tuple[tuple[Rgb, float], ...] = (
        ((226, 60, 20), 0.0), ((255, 140, 30), 0.24), ((255, 232, 140), 0.5),
    )  # fmt: skip

    def draw(canvas: Canvas, t: float) -> None:
        start = int(t * high * 0.9) % (high * 4)
        heat = (body + (lumps[start : start + high] - 0.5) * 1.5 * (0.35 + y)) * side
        for colour, low in hues:
            mask = to_image(smooth(heat, low + 0.08, low + 0.3) * 235)
            canvas.wash(
                colour, mask.resize((wide * 2, high * 2), Image.Resampling.BICUBIC), left, top
            )

    return draw


def _fog(stage: Stage) -> Part:
    """Return banks of mist passing slowly."""
    rows = stage.row(0.5)
    lumps = noise(stage.dice("fog"), (rows, stage.wide), (3, 4), 4)
    cover = smooth(lumps, 0.3, 0.8) * np.sin(np.pi * span(0, 1, rows))[:, None] * 170
    piece = plain(mix(stage.scene.sky[2], WHITE, 0.2), cover)
    return scrolling(piece, stage.row(0.38), stage.width * 0.03 * stage.scene.tempo)


def _rain(stage: Stage) -> Part:
    kinds = []
    for long in (0.04, 0.055, 0.07):
        pen = Pen(stage.unit * long, 0.4, 1.0)
        thick = 0.35 / pen.one * 3
        pen.limb([(0.3, 0.05), (0.1, 0.95)], [thick, 1.6 * thick], (214, 220, 230))
        kinds.append(sprite_of(pen.done()).faded(0.2 + 4 * long))
    return swarm(stage, kinds, 190, across=-0.35, down=1.75, sway=0.0)


def _snow(stage: Stage) -> Part:
    kinds = _dots(stage, (0.0035, 0.0055, 0.009), (250, 252, 255))
    return swarm(stage, kinds, 150, across=0.03, down=0.14)


def _petals(stage: Stage) -> Part:
    kinds = []
    for i, colour in enumerate(((255, 206, 222), (250, 176, 202), (255, 228, 236)) * 3):
        pen = Pen(max(4.0, stage.unit * (0.012 + 0.002 * i)), 1.0, 1.0)
        pen.blob((0.5, 0.5), (0.42, 0.2 + 0.07 * (i % 2)), colour, turn=2.8 * i)
        kinds.append(sprite_of(pen.done()))
    return swarm(stage, kinds, 40, across=0.06, sway=0.05)


def embers(stage: Stage) -> Part:
    """Return sparks rising."""
    kinds = _dots(stage, (0.003, 0.005, 0.007), (255, 168, 70))
    return swarm(stage, kinds, 40, down=-0.16, sway=0.04, twinkle=0.9)


def motes(stage: Stage) -> Part:
    """Return dust in the light: what moves when nothing else does."""
    kinds = _dots(stage, (0.0025, 0.004, 0.007), mix(stage.scene.light, WHITE, 0.4))
    return swarm(stage, kinds, 36, across=0.02, down=-0.02, twinkle=0.25)


_KINDS = {"rain": _rain, "snow": _snow, "petals": _petals, "fog": _fog}


def in_front(stage: Stage) -> list[Part]:
    """Return what of the scene's air is nearer than everything else."""
    return [_KINDS[name](stage) for name in stage.scene.air if name in _KINDS]
