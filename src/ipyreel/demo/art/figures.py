"""Who is in the picture: where figures stand, and how they move."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from PIL import Image

from ipyreel.demo.art import drawings
from ipyreel.demo.art.canvas import Canvas, Rgb, Sprite, mix, plain, scale, sprite_of
from ipyreel.demo.art.stage import Part, Stage, glow, span

Path: TypeAlias = Callable[[float], tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One kind of figure: its drawing, colour, length in units, and strides per second."""

    draw: Callable[[float, float, Rgb], Image.Image]
    coat: Rgb
    size: float
    pace: float
    phases: int = 12
    rim: float = 0.7  # how much the sun lights its edges


ROLES: dict[str, Role] = {
    "dog": Role(draw=drawings.dog, coat=(216, 152, 78), size=0.27, pace=2.1),
    "boat": Role(draw=drawings.boat, coat=(248, 240, 226), size=0.24, pace=0.25, phases=16),
    "koi": Role(draw=drawings.koi, coat=(232, 84, 40), size=0.17, pace=0.8),
    "balloon": Role(draw=drawings.balloon, coat=(222, 44, 52), size=0.27, pace=0.4, rim=0.35),
    "lighthouse": Role(draw=drawings.lighthouse, coat=(196, 52, 46), size=0.5, pace=0, phases=1),
}


class Figure:
    """The pictures of one movement, coloured by the prompt and lit by the hour.

    Each is drawn when it is first shown: the video begins before all are there.
    """

    def __init__(self, stage: Stage, name: str, factor: float = 1.0) -> None:
        self.role, scene = ROLES[name], stage.scene
        named = scene.accent if scene.subjects[:1] == (name,) else None
        self._coat = named or self.role.coat
        # Some colour even at night: a black figure on a dark hill is not seen at all.
        self._tint = 0.36 + 0.64 * np.asarray(scene.tint)
        self._rim = mix(scene.light, drawings.WHITE, 0.15)
        self._length = max(8.0, self.role.size * stage.unit * factor)
        self._tempo = scene.tempo
        self.drawn = functools.cache(self._draw)
        self.size = self.drawn(0).size

    def at(self, t: float) -> int:
        """Return the phase at ``t`` seconds."""
        return int(t * self.role.pace * self._tempo * self.role.phases) % self.role.phases

    def _draw(self, phase: int) -> Sprite:
        image = self.role.draw(self._length, phase / self.role.phases, self._coat)
        image = drawings.rimmed(image, self._rim, self.role.rim)
        values = np.asarray(image, dtype=np.float32).copy()
        glare = np.clip(values[..., :3] - 225, 0, 30) * 2
        values[..., :3] = np.clip(values[..., :3] * self._tint + glare, 0, 255)
        return sprite_of(Image.fromarray(values.astype(np.uint8)))


def _moving(figure: Figure, path: Path, mirror: tuple[float, float] | None = None) -> Part:
    """Return a figure on its way; ``mirror`` is how far below, in heights, and how clearly."""

    @functools.cache
    def image(phase: int) -> Sprite:
        below = figure.drawn(phase).turned(Image.Transpose.FLIP_TOP_BOTTOM)
        return below.faded(mirror[1] if mirror else 0)

    def draw(canvas: Canvas, t: float) -> None:
        x, y = path(t)
        phase = figure.at(t)
        if mirror:
            canvas.blit(image(phase), x, y + figure.size[1] * mirror[0])
        canvas.blit(figure.drawn(phase), x, y)

    return draw


def on_ground(stage: Stage, floor: int, *, wet: bool = False) -> list[Part]:
    """Return the dog of the scene, its feet on row ``floor``; wet ground reflects it."""
    if "dog" not in stage.scene.subjects:
        return []
    figure = Figure(stage, "dog")
    wide, high = figure.size
    broad, flat = round(wide * 0.43) * 2, max(2, round(wide * 0.043) * 2)
    away = np.hypot(span(-1, 1, broad)[None, :], span(-1, 1, flat)[:, None])
    shadow = plain(scale(stage.scene.sky[0], 0.35), np.clip(1 - away, 0, 1) * 190)

    def path(t: float) -> tuple[float, float]:
        share = 0.46 + 0.2 * (t / stage.seconds - 0.5) + 0.012 * math.sin(1.1 * t)
        return stage.width * share - wide / 2, floor - high

    def below(canvas: Canvas, t: float) -> None:
        canvas.blit(shadow, path(t)[0] + wide * 0.06, floor - flat * 0.6)

    return [below, _moving(figure, path, (0.94, 0.26) if wet else None)]


def afloat(stage: Stage, line: int) -> list[Part]:
    """Return the boat of the scene, its hull on row ``line``, rocking along."""
    if "boat" not in stage.scene.subjects:
        return []
    figure = Figure(stage, "boat")

    def path(t: float) -> tuple[float, float]:
        x = stage.width * (0.4 + 0.16 * (t / stage.seconds - 0.5)) - figure.size[0] / 2
        rock = stage.unit * 0.006 * math.sin(1.7 * t * stage.scene.tempo)
        return x, line - figure.size[1] * 0.9 + rock

    return [_moving(figure, path, (0.83, 0.22))]


def in_sky(stage: Stage) -> list[Part]:
    """Return the balloon of the scene, rising."""
    if "balloon" not in stage.scene.subjects:
        return []
    figure, tempo = Figure(stage, "balloon"), stage.scene.tempo

    def path(t: float) -> tuple[float, float]:
        x = stage.width * 0.44 + stage.unit * 0.05 * math.sin(0.9 * t * tempo)
        y = stage.height * (0.56 - 0.26 * t / stage.seconds)
        y += stage.unit * 0.008 * math.sin(1.9 * t * tempo)
        return x - figure.size[0] / 2, y - figure.size[1] / 2

    return [_moving(figure, path)]


def on_rock(stage: Stage, line: int) -> list[Part]:
    """Return the lighthouse of the scene, its foot on row ``line``, with its beam turning."""
    if "lighthouse" not in stage.scene.subjects:
        return []
    piece = Figure(stage, "lighthouse").drawn(0)
    x, y = stage.width * 0.24 - piece.size[0] / 2, line - piece.size[1] * 0.97
    lamp = (x + piece.size[0] / 2, y + piece.size[1] * 0.15)
    halo = glow(stage.unit * 0.16, (255, 232, 170), 0.8)
    bright = 60 if stage.scene.hour in ("day", "golden", "snow") else 150
    right = (span(0, stage.width, stage.width // 8 + 1)[None, :] - lamp[0]) / stage.unit
    down = (span(0, stage.height, stage.height // 8 + 1)[:, None] - lamp[1]) / stage.unit
    cone = np.clip(1 - np.abs(down - right * 0.06) / (np.abs(right) * 0.11 + 0.012), 0, 1)
    cone *= np.exp(-1.1 * np.hypot(right, down)) * bright

    def draw(canvas: Canvas, t: float) -> None:
        turn = math.cos(0.9 * t * stage.scene.tempo + 0.5)
        beam = cone * (right * turn > 0) * abs(turn)
        canvas.veil((255, 240, 196), Image.fromarray(beam.astype(np.uint8)))
        canvas.blit(piece, x, y)
        canvas.blit(halo, lamp[0] - halo.size[0] / 2, lamp[1] - halo.size[1] / 2)

    return [draw]


def shoal(stage: Stage) -> Part:
    """Return koi swimming through the pond, far ones small."""
    dice, count, fars = stage.dice("shoal"), 7, (1.0, 0.82, 0.7)
    casts = [Figure(stage, "koi", far) for far in fars]
    tempo, unit, wide = stage.scene.tempo, stage.unit, casts[0].size[0]
    room = stage.width + 2 * wide
    starts = (0.12 + 0.76 * np.arange(count) / count + dice.uniform(-0.05, 0.05, count)) * room
    depths, phases = dice.uniform(0.74, 0.9, count), dice.uniform(0, 1, count)
    order = sorted(range(count), key=lambda i: -(i % 3))

    def draw(canvas: Canvas, t: float) -> None:
        for i in order:
            cast, phase = casts[i % 3], phases[i]
            x = (starts[i] + unit * 0.11 * fars[i % 3] * (0.8 + 0.4 * phase) * tempo * t) % room
            y = depths[i] * canvas.height + unit * 0.018 * math.sin(1.3 * t * tempo + 6.28 * phase)
            canvas.blit(cast.drawn(cast.at(t + 9 * phase)), x - wide, y - cast.size[1] / 2)

    return draw
