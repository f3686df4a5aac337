"""Drawn figures: one picture for each phase (0..1) of a movement, all looking to the right.

A figure's coordinates are shares of its own length; `Pen` draws at three times the size and
scales down, which is what makes the edges smooth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw

from ipyreel.demo.art.canvas import Floats, Rgb, mix, scale

Point: TypeAlias = tuple[float, float]
WHITE: Rgb = (255, 255, 255)
_INK: Rgb = (24, 20, 24)
_WOOD: Rgb = (96, 56, 38)
_OVER = 3


class Pen:
    """An image to draw on: ``length`` pixels are 1.0; ``wide`` by ``high`` of them in all."""

    def __init__(self, length: float, wide: float, high: float) -> None:
        self.one = length * _OVER
        size = (max(2, round(length * wide / 2) * 2), max(2, round(length * high / 2) * 2))
        self.image = Image.new("RGBA", (size[0] * _OVER, size[1] * _OVER))
        self.draw = ImageDraw.Draw(self.image)

    def poly(self, points: Sequence[Point], colour: Rgb, alpha: int = 255) -> None:
        """Fill a polygon."""
        ink = (round(colour[0]), round(colour[1]), round(colour[2]), alpha)
        self.draw.polygon([(x * self.one, y * self.one) for x, y in points], ink)

    def blob(self, at: Point, radii: Point, colour: Rgb, *, turn: float = 0.0) -> None:
        """Fill an ellipse, turned by ``turn`` radians."""
        cos, sin = math.cos(turn), math.sin(turn)
        ring = [(math.cos(a) * radii[0], math.sin(a) * radii[1]) for a in np.linspace(0, 6.283, 40)]
        self.poly([(at[0] + x * cos - y * sin, at[1] + x * sin + y * cos) for x, y in ring], colour)

    def limb(self, points: Sequence[Point], radii: Sequence[float], colour: Rgb) -> None:
        """Draw a rounded stroke through ``points``, as thick at each as ``radii`` says."""
        count = len(points) - 1
        steps = np.linspace(0, count, 8 * count + 1)
        x, y = _curve([p[0] for p in points], steps), _curve([p[1] for p in points], steps)
        r = np.interp(steps, range(count + 1), radii)
        dx, dy = np.gradient(x), np.gradient(y)
        long = np.maximum(np.hypot(dx, dy), 1e-9)
        nx, ny = -dy / long * r, dx / long * r
        left = [*zip((x + nx).tolist(), (y + ny).tolist(), strict=True)]
        right = [*zip((x - nx).tolist(), (y - ny).tolist(), strict=True)]
        self.poly([*left, *right[::-1]], colour)
        for i in (0, *range(8, 8 * count, 8), 8 * count):  # round ends and knees
            self.blob((float(x[i]), float(y[i])), (float(r[i]), float(r[i])), colour)

    def done(self) -> Image.Image:
        """Return the drawing at its own size."""
        return self.image.reduce(_OVER)


def _curve(values: Sequence[float], steps: Floats) -> Floats:
    """Interpolate by Catmull-Rom, the ends repeated."""
    v = np.asarray([2 * values[0] - values[1], *values, 2 * values[-1] - values[-2]])
    i = np.minimum(steps.astype(int), len(values) - 2)
    t = steps - i
    a, b, c, d = v[i], v[i + 1], v[i + 2], v[i + 3]
    bend = (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    curve: Floats = 0.5 * (2 * b + (c - a) * t + bend)
    return curve


def rimmed(image: Image.Image, light: Rgb, strength: float) -> Image.Image:
    """Add light along the upper right edges, and shade towards the feet."""
    values = np.asarray(image, dtype=np.float32)
    alpha = values[..., 3]
    reach = max(1, round(image.width * 0.014))
    behind = np.pad(alpha, ((reach, 0), (0, 0)))[: alpha.shape[0]]
    edge = np.clip(alpha - np.roll(behind, -(reach // 2), axis=1), 0, 255) / 255 * strength
    rgb = values[..., :3] * np.linspace(1.06, 0.74, alpha.shape[0], dtype=np.float32)[:, None, None]
    rgb += (np.asarray(light, dtype=np.float32) - rgb) * edge[..., None]
    lit = np.concatenate([rgb, values[..., 3:]], axis=-1)
    return Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))


def _leg(hip: Point, reach: Point, angles: Point) -> list[Point]:
    """Return hip, knee and foot for two angles (radians from straight down, + is forward)."""
    knee = (hip[0] + math.sin(angles[0]) * reach[0], hip[1] + math.cos(angles[0]) * reach[0])
    foot = (knee[0] + math.sin(angles[1]) * reach[1], knee[1] + math.cos(angles[1]) * reach[1])
    return [hip, knee, foot]


def dog(length: float, phase: float, coat: Rgb) -> Image.Image:
    """Draw a retriever at a gallop; one phase is one stride."""
    pen = Pen(length, 1.55, 1.02)
    turn = 2 * math.pi * phase
    lift, pitch = 0.045 * math.sin(turn), 0.05 * math.cos(turn)
    hip, chest = (0.5, 0.47 - lift - pitch / 2), (1.0, 0.45 - lift + pitch / 2)
    _dog_legs(pen, (hip, chest), turn - 0.62, scale(coat, 0.6))
    wag = [0.03 * math.sin(turn - i) for i in range(3)]
    tail = [(0.36, 0.35 - lift + wag[0]), (0.18, 0.3 - lift + wag[1]), (0.0, 0.2 - lift + wag[2])]
    pen.limb([(0.5, 0.44 - lift), *tail], [0.05, 0.04, 0.075, 0.006], scale(coat, 0.9))
    fringe = [(x, y + 0.05) for x, y in tail]
    pen.limb([(0.46, 0.47 - lift), *fringe], [0.03, 0.045, 0.06, 0.004], scale(coat, 0.78))
    _dog_legs(pen, (hip, chest), turn, coat)
    spine = [(0.45, hip[1]), (0.66, 0.45 - lift), (0.86, 0.465 - lift), chest]
    pen.limb(spine, [0.122, 0.112, 0.142, 0.15], coat)
    belly = [(0.62, 0.53 - lift), (0.8, 0.57 - lift), (0.98, 0.58 - lift)]
    pen.limb(belly, [0.02, 0.05, 0.06], scale(coat, 0.86))
    _dog_head(pen, chest, turn, coat)
    return pen.done()


def _dog_legs(pen: Pen, body: tuple[Point, Point], turn: float, colour: Rgb) -> None:
    hip, chest = body
    a, fold = 0.78 * math.sin(turn), 0.9 * max(0.0, math.cos(turn))
    fore = _leg((chest[0] + 0.01, chest[1] + 0.06), (0.2, 0.2), (a, a - fold - 0.05))
    pen.limb([*fore, (fore[2][0] + 0.045, fore[2][1] + 0.01)], [0.08, 0.048, 0.031, 0.026], colour)
    b, fold = -a, 0.78 * max(0.0, -math.cos(turn))
    hind = _leg((hip[0] - 0.02, hip[1] + 0.05), (0.19, 0.12), (b + 0.35, b - 0.6 - fold))
    heel = _leg(hind[2], (0.12, 0.0), (b + 0.1 - fold * 0.6, 0.0))[1]
    toe = (heel[0] + 0.045, heel[1] + 0.008)
    pen.limb([*hind, heel, toe], [0.11, 0.068, 0.036, 0.03, 0.026], colour)


def _dog_head(pen: Pen, chest: Point, turn: float, coat: Rgb) -> None:
    x, y = chest[0] + 0.23, chest[1] - 0.21 + 0.012 * math.sin(turn + 1)
    neck = [(chest[0] - 0.02, chest[1] - 0.02), (x - 0.1, y + 0.1), (x, y + 0.01)]
    pen.limb(neck, [0.15, 0.115, 0.09], coat)
    pen.blob((x, y), (0.1, 0.088), coat)
    muzzle = [(x + 0.04, y + 0.02), (x + 0.12, y + 0.045), (x + 0.19, y + 0.05)]
    pen.limb(muzzle, [0.064, 0.05, 0.038], mix(coat, (255, 244, 224), 0.18))
    pen.limb([(x + 0.1, y + 0.085), (x + 0.17, y + 0.092)], [0.016, 0.01], scale(coat, 0.5))
    pen.blob((x + 0.215, y + 0.032), (0.021, 0.018), _INK)
    pen.blob((x + 0.052, y - 0.012), (0.013, 0.013), _INK)
    flap = 0.05 * math.sin(turn + 0.6)
    ear = [(x - 0.035, y - 0.06), (x - 0.08, y), (x - 0.095 - flap * 0.5, y + 0.085 - flap)]
    pen.limb(ear, [0.034, 0.052, 0.034], scale(coat, 0.72))


def koi(length: float, phase: float, coat: Rgb) -> Image.Image:
    """Draw a koi seen from above, white with patches, its body winding."""
    pen = Pen(length, 1.1, 0.5)
    turn = 2 * math.pi * phase
    x = np.linspace(0.12, 0.95, 7)
    y = 0.25 + 0.05 * np.sin(turn - 4 * x) * (1.1 - x)
    body = [*zip(x.tolist(), y.tolist(), strict=True)]
    white: Rgb = (250, 240, 230)
    tail = body[0][1]
    fork = [(0.0, tail - 0.1), (0.045, tail + 0.02 * math.sin(turn)), (0.0, tail + 0.1)]
    pen.poly([body[0], *fork], mix(coat, white, 0.5))
    for side in (-1, 1):
        fin = [(0.72, body[5][1]), (0.56, body[4][1] + side * 0.17), (0.66, body[5][1])]
        pen.poly(fin, mix(coat, white, 0.6))
    pen.limb(body, [0.018, 0.04, 0.065, 0.085, 0.09, 0.08, 0.045], white)
    for i, r in ((1, 0.034), (3, 0.072), (5, 0.066)):
        pen.blob(body[i], (r * 1.25, r), coat, turn=0.3)
    return pen.done()


def boat(length: float, phase: float, coat: Rgb) -> Image.Image:
    """Draw a sailing boat rocking."""
    pen = Pen(length, 1.2, 1.4)
    pen.limb([(0.58, 0.08), (0.58, 1.1)], [0.012, 0.016], _WOOD)
    t = [share / 13 for share in range(14)]
    leech = [(0.61 + 0.46 * math.sin(a * 1.6), 0.12 + 0.86 * a) for a in t]
    pen.poly([(0.61, 0.12), *leech, (0.61, 1.02)], coat)
    jib = [(0.55 - 0.4 * a**1.5, 0.18 + 0.82 * a) for a in t]
    pen.poly([(0.55, 0.18), *jib, (0.55, 1.0)], mix(coat, WHITE, 0.35))
    pen.poly([(0.06, 1.1), (1.16, 1.06), (1.0, 1.28), (0.24, 1.28)], _WOOD)
    pen.poly([(0.06, 1.1), (1.16, 1.06), (1.14, 1.1), (0.08, 1.14)], mix(coat, WHITE, 0.7))
    return pen.done().rotate(4 * math.sin(2 * math.pi * phase), Image.Resampling.BICUBIC)


def balloon(length: float, phase: float, coat: Rgb) -> Image.Image:
    """Draw a toy balloon with its string waving."""
    pen = Pen(length, 1.0, 1.95)
    turn = 2 * math.pi * phase
    string = [
        (0.5 + 0.05 * math.sin(3.2 * s + turn) * s, 1.04 + 0.84 * s) for s in np.linspace(0, 1, 9)
    ]
    pen.limb(string, [0.007] * 9, mix(WHITE, coat, 0.3))
    ring = []
    for a in np.linspace(0, 2 * math.pi, 72):
        x, y = math.sin(a), -math.cos(a)
        ring.append((0.4 * x * (1 - 0.13 * max(0.0, y)), 0.5 * y))
    pen.poly([(0.5, 0.97), (0.45, 1.06), (0.55, 1.06)], scale(coat, 0.7))
    for step in range(15):  # ever smaller and lighter: a round body without an airbrush
        share, size = step / 15, 1 - step / 15.3
        grown = [(0.5 - 0.13 * share + x * size, 0.5 - 0.16 * share + y * size) for x, y in ring]
        pen.poly(grown, mix(scale(coat, 0.66), mix(coat, WHITE, 0.3), share**1.1))
    pen.blob((0.345, 0.27), (0.045, 0.085), mix(coat, WHITE, 0.82), turn=0.5)
    return pen.done()


def lighthouse(length: float, _phase: float, coat: Rgb) -> Image.Image:
    """Draw a striped lighthouse on its rock, of height 1."""
    pen = Pen(length, 0.9, 1.16)
    rock = [(0.0, 1.16), (0.08, 1.06), (0.2, 1.02), (0.3, 0.94), (0.6, 0.93), (0.7, 1.01)]
    pen.poly([*rock, (0.82, 1.07), (0.9, 1.16)], (66, 62, 66))
    pen.poly([(0.3, 0.94), (0.6, 0.93), (0.5, 1.0), (0.56, 1.16), (0.24, 1.16)], (88, 82, 84))
    for band in range(6):
        top, low = 0.24 + 0.117 * band, 0.24 + 0.117 * (band + 1)
        a, b = 0.068 + 0.05 * (top - 0.24), 0.068 + 0.05 * (low - 0.24)
        edge = [(0.45 - a, top), (0.45 + a, top), (0.45 + b, low), (0.45 - b, low)]
        pen.poly(edge, coat if band % 2 else (240, 236, 228))
        shadow = [(0.45 - a, top), (0.45 - a * 0.2, top), (0.45 - b * 0.2, low), (0.45 - b, low)]
        pen.poly(shadow, scale(coat if band % 2 else (240, 236, 228), 0.72))
    pen.poly([(0.35, 0.22), (0.55, 0.22), (0.53, 0.25), (0.37, 0.25)], (52, 46, 52))
    pen.poly([(0.405, 0.13), (0.495, 0.13), (0.495, 0.22), (0.405, 0.22)], (255, 238, 176))
    for x in (0.405, 0.45, 0.495):
        pen.limb([(x, 0.13), (x, 0.22)], [0.004, 0.004], (52, 46, 52))
    pen.poly([(0.39, 0.13), (0.51, 0.13), (0.45, 0.05)], coat)
    return pen.done()
