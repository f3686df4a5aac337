"""Drawn figures, one image for each phase of a movement; numpy and Pillow only.

All figures look to the right. A figure's coordinates are shares of its own length; `Pen` draws at
three times the size and scales down, which is what makes the edges smooth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw

from ipyreel.demo.art.canvas import Rgb, mix, scale

Point: TypeAlias = tuple[float, float]
_OVER = 3
_INK: Rgb = (24, 20, 24)


def _ink(colour: Rgb, alpha: int = 255) -> tuple[int, int, int, int]:
    return (round(colour[0]), round(colour[1]), round(colour[2]), alpha)


class Pen:
    """An image to draw on: ``length`` pixels are 1.0; ``wide`` by ``high`` of them in all."""

    def __init__(self, length: float, wide: float, high: float) -> None:
        self.one = length * _OVER
        self.out = (max(2, round(length * wide / 2) * 2), max(2, round(length * high / 2) * 2))
        self.image = Image.new("RGBA", (self.out[0] * _OVER, self.out[1] * _OVER))
        self.draw = ImageDraw.Draw(self.image)

    def poly(self, points: Sequence[Point], colour: Rgb, alpha: int = 255) -> None:
        """Fill a polygon."""
        self.draw.polygon([(x * self.one, y * self.one) for x, y in points], _ink(colour, alpha))

    def blob(self, at: Point, radii: Point, colour: Rgb, *, turn: float = 0.0) -> None:
        """Fill an ellipse, turned by ``turn`` radians."""
        cos, sin = math.cos(turn), math.sin(turn)
        ring = [(math.cos(a) * radii[0], math.sin(a) * radii[1]) for a in np.linspace(0, 6.283, 40)]
        self.poly([(at[0] + x * cos - y * sin, at[1] + x * sin + y * cos) for x, y in ring], colour)

    def limb(self, points: Sequence[Point], radii: Sequence[float], colour: Rgb) -> None:
        """Draw a rounded stroke through ``points``, as thick at each as ``radii`` says."""
        steps = np.linspace(0, len(points) - 1, 10 * (len(points) - 1) + 1)
        x, y = _curve([p[0] for p in points], steps), _curve([p[1] for p in points], steps)
        r = np.interp(steps, range(len(points)), radii)
        joints = list(zip(x.tolist(), y.tolist(), r.tolist(), strict=True))
        ink = _ink(colour)
        for i, (across, down, thick) in enumerate(joints):
            box = (across - thick, down - thick, across + thick, down + thick)
            self.draw.ellipse([v * self.one for v in box], ink)
            if i:
                self._link(joints[i - 1], joints[i], colour)

    def _link(
        self, a: tuple[float, float, float], b: tuple[float, float, float], colour: Rgb
    ) -> None:
        dx, dy = b[0] - a[0], b[1] - a[1]
        long = math.hypot(dx, dy) or 1.0
        nx, ny = -dy / long, dx / long
        corners = [(a[0] + nx * a[2], a[1] + ny * a[2]), (b[0] + nx * b[2], b[1] + ny * b[2])]
        corners += [(b[0] - nx * b[2], b[1] - ny * b[2]), (a[0] - nx * a[2], a[1] - ny * a[2])]
        self.poly(corners, colour)

    def done(self) -> Image.Image:
        """Return the drawing at its own size."""
        return self.image.reduce(_OVER)


def _curve(values: Sequence[float], steps: np.ndarray) -> np.ndarray:
    """Interpolate by Catmull-Rom, the ends repeated."""
    v = np.asarray([2 * values[0] - values[1], *values, 2 * values[-1] - values[-2]])
    i = np.minimum(steps.astype(int), len(values) - 2)
    t = steps - i
    a, b, c, d = v[i], v[i + 1], v[i + 2], v[i + 3]
    return np.asarray(
        0.5
        * (
            2 * b
            + (c - a) * t
            + (2 * a - 5 * b + 4 * c - d) * t**2
            + (3 * b - a - 3 * c + d) * t**3
        )
    )


def rimmed(image: Image.Image, light: Rgb, *, strength: float, side: float) -> Image.Image:
    """Add light along the upper edges, from the left (``side`` -1) to the right (1), and depth."""
    values = np.asarray(image, dtype=np.float32)
    alpha = values[..., 3]
    reach = max(1, round(image.width * 0.014))
    dx = round(reach * side)
    behind = np.pad(alpha, ((reach, 0), (0, 0)))[: alpha.shape[0]]
    behind = np.roll(behind, -dx, axis=1)
    edge = np.clip(alpha - behind, 0, 255) / 255 * strength
    rows = np.linspace(1.06, 0.8, alpha.shape[0], dtype=np.float32)[:, None, None]
    rgb = values[..., :3] * rows
    rgb += (np.asarray(light, dtype=np.float32) - rgb) * edge[..., None]
    lit = np.concatenate([rgb, values[..., 3:]], axis=-1)
    return Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))


def _leg(hip: Point, reach: Point, angles: Point) -> list[Point]:
    """Return hip, knee, ankle and toe for the angles (radians from straight down, + is forward)."""
    knee = (hip[0] + math.sin(angles[0]) * reach[0], hip[1] + math.cos(angles[0]) * reach[0])
    foot = (knee[0] + math.sin(angles[1]) * reach[1], knee[1] + math.cos(angles[1]) * reach[1])
    return [hip, knee, foot]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breed:
    """What makes one four-legged animal look unlike another."""

    coat: Rgb
    gallop: bool = True
    chest: float = 0.15
    legs: float = 0.2
    snout: float = 0.15
    neck: float = 0.24
    skull: float = 0.095
    pointed: bool = False  # ears
    tail: tuple[Point, ...] = ((0.4, 0.36), (0.2, 0.3), (0.04, 0.16))
    plume: tuple[float, ...] = (0.045, 0.065, 0.012)


DOG = Breed(coat=(214, 150, 76))
CAT = Breed(
    coat=(122, 112, 112),
    gallop=False,
    chest=0.12,
    legs=0.16,
    snout=0.035,
    neck=0.2,
    skull=0.12,
    pointed=True,
    tail=((0.42, 0.38), (0.24, 0.42), (0.12, 0.26), (0.16, 0.06)),
    plume=(0.032, 0.03, 0.028, 0.02),
)


def quadruped(length: float, phase: float, breed: Breed) -> Image.Image:
    """Draw a running or walking animal; ``phase`` 0..1 is one stride."""
    pen = Pen(length, 1.55, 1.02)
    turn = 2 * math.pi * phase
    swing, rise = (0.78, 0.045) if breed.gallop else (0.42, 0.01)
    lift = rise * math.sin(turn * (1 if breed.gallop else 2))
    pitch = 0.05 * math.cos(turn) if breed.gallop else 0.0
    hip, chest = (0.5, 0.47 - lift - pitch / 2), (1.0, 0.45 - lift + pitch / 2)
    far, near = scale(breed.coat, 0.62), breed.coat
    for colour, late in ((far, 0.62 if breed.gallop else math.pi), (near, 0.0)):
        _legs(pen, (hip, chest), (turn - late, swing), breed, colour)
        if colour is far:
            _tail(pen, hip, turn, breed)
    c = breed.chest
    spine = [(hip[0] - 0.04, hip[1]), (0.66, 0.455 - lift), (0.86, 0.47 - lift), chest]
    pen.limb(spine, [c * 0.84, c * 0.74, c * 0.92, c], near)
    _head(pen, chest, turn, breed)
    return pen.done()


def _legs(
    pen: Pen, body: tuple[Point, Point], gait: tuple[float, float], breed: Breed, colour: Rgb
) -> None:
    (hip, chest), (turn, swing) = body, gait
    size = breed.legs
    sign = -1.0 if breed.gallop else 1.0
    a = swing * math.sin(turn)
    fold = 1.15 * swing * max(0.0, math.cos(turn))
    fore = _leg((chest[0] + 0.01, chest[1] + 0.06), (size, size), (a, a - fold - 0.05))
    paw = (fore[2][0] + 0.045, fore[2][1] + 0.01)
    pen.limb([*fore, paw], [0.075, 0.046, 0.03, 0.026], colour)
    shift = turn + (0.0 if breed.gallop else math.pi / 2)
    b = sign * swing * math.sin(shift)
    fold = 1.0 * swing * max(0.0, sign * math.cos(shift))
    hind = _leg(
        (hip[0] - 0.02, hip[1] + 0.05), (size * 0.95, size * 0.6), (b + 0.35, b - 0.6 - fold)
    )
    heel = _leg(hind[2], (size * 0.6, 0.0), (b + 0.1 - fold * 0.6, 0.0))[1]
    toe = (heel[0] + 0.045, heel[1] + 0.008)
    pen.limb([*hind, heel, toe], [0.1, 0.062, 0.034, 0.03, 0.026], colour)


def _tail(pen: Pen, hip: Point, turn: float, breed: Breed) -> None:
    count = len(breed.tail)
    lift = hip[1] - 0.47
    points = [
        (x, y + lift + 0.03 * i / count * math.sin(turn - i)) for i, (x, y) in enumerate(breed.tail)
    ]
    pen.limb(points, breed.plume, scale(breed.coat, 0.9))


def _head(pen: Pen, chest: Point, turn: float, breed: Breed) -> None:
    coat = breed.coat
    x, y = chest[0] + breed.neck, chest[1] - 0.22 + 0.012 * math.sin(turn + 1)
    pen.limb([(chest[0], chest[1] - 0.03), (x - 0.09, y + 0.09), (x, y)], [0.14, 0.1, 0.085], coat)
    if breed.pointed:
        for dx in (-0.05, 0.035):
            pen.poly(
                [(x + dx - 0.04, y - 0.04), (x + dx, y - 0.15), (x + dx + 0.045, y - 0.05)], coat
            )
    pen.blob((x, y), (breed.skull, breed.skull * 0.9), coat)
    tip = (x + 0.06 + breed.snout, y + 0.045)
    pen.limb([(x + 0.04, y + 0.025), tip], [0.062, 0.038], mix(coat, (255, 244, 224), 0.16))
    pen.blob((tip[0] + 0.03, tip[1] - 0.016), (0.018, 0.015), _INK)
    pen.blob((x + 0.048, y - 0.012), (0.013, 0.013), _INK)
    if not breed.pointed:
        flap = 0.05 * math.sin(turn + 0.6)
        ear = [
            (x - 0.035, y - 0.055),
            (x - 0.08, y + 0.0),
            (x - 0.09 - flap * 0.5, y + 0.075 - flap),
        ]
        pen.limb(ear, [0.036, 0.05, 0.03], scale(coat, 0.76))


def walker(length: float, phase: float, coat: Rgb, *, dances: bool = False) -> Image.Image:
    """Draw a person of height 1 walking, or dancing in a wide skirt."""
    pen = Pen(length, 0.95, 1.06)
    turn = 2 * math.pi * phase
    skin: Rgb = (196, 146, 116)
    bob = 0.012 * math.cos(2 * turn)
    hip, neck = (0.46, 0.53 + bob), (0.475, 0.235 + bob)
    for late, dark in ((math.pi, 0.6), (0.0, 0.8)):
        a = (0.5 if not dances else 0.3) * math.sin(turn + late)
        fold = 0.75 * max(0.0, math.cos(turn + late))
        if dances and late:
            a, fold = 0.75 + 0.5 * math.sin(turn), 0.25
        leg = _leg(hip, (0.235, 0.225), (a, a - fold))
        trousers = scale((52, 58, 84), dark) if not dances else scale(skin, dark)
        pen.limb(
            [*leg, (leg[2][0] + 0.055, leg[2][1] + 0.012)], [0.062, 0.046, 0.03, 0.022], trousers
        )
        _arm(pen, neck, turn + late, (scale(coat, dark + 0.12), skin), dances=dances)
        if late:
            _torso(pen, hip, neck, coat, turn if dances else None)
    head = (neck[0] + 0.015, neck[1] - 0.105)
    pen.blob(head, (0.062, 0.074), skin)
    pen.blob((head[0] - 0.018, head[1] - 0.024), (0.062, 0.062), (44, 30, 28))
    if dances:
        pen.blob((head[0] - 0.05, head[1] - 0.075), (0.03, 0.03), (44, 30, 28))
    return pen.done()


def _arm(pen: Pen, neck: Point, turn: float, paint: tuple[Rgb, Rgb], *, dances: bool) -> None:
    a = -0.5 * math.sin(turn)
    angles = (a, a + 0.45)
    if dances:
        angles = (2.2 + 0.5 * math.sin(turn), 2.75 + 0.4 * math.sin(turn + 0.8))
    arm = _leg((neck[0] - 0.005, neck[1] + 0.045), (0.15, 0.15), angles)
    pen.limb(arm, [0.036, 0.03, 0.022], paint[0])
    pen.blob(arm[2], (0.025, 0.025), paint[1])


def _torso(pen: Pen, hip: Point, neck: Point, coat: Rgb, turn: float | None) -> None:
    pen.limb([(neck[0], neck[1] - 0.06), (neck[0], neck[1] + 0.04)], [0.028, 0.03], (176, 128, 100))
    middle = ((hip[0] + neck[0]) / 2, (hip[1] + neck[1]) / 2)
    pen.limb([(neck[0], neck[1] + 0.05), middle, hip], [0.075, 0.066, 0.068], coat)
    if turn is not None:
        sway = 0.06 * math.sin(turn)
        hem = [
            (hip[0] + dx + sway, hip[1] + 0.2 + 0.03 * math.cos(9 * dx + turn))
            for dx in np.linspace(0.3, -0.3, 13)
        ]
        pen.poly([(hip[0] - 0.06, hip[1] - 0.06), (hip[0] + 0.06, hip[1] - 0.06), *hem], coat)


def bird(length: float, phase: float, coat: Rgb) -> Image.Image:
    """Draw a gull seen from the side, wings going up and down."""
    pen = Pen(length, 1.1, 0.9)
    beat = math.sin(2 * math.pi * phase)
    y = 0.47 + 0.03 * beat
    for dark, lean in ((0.72, 0.12), (1.0, -0.04)):
        tip = (0.22 + lean, y - 0.4 * beat + 0.06)
        bend = (0.52 + lean, y - 0.26 * beat - 0.06)
        pen.limb([(0.58, y), bend], [0.075, 0.05], scale(coat, dark))
        pen.limb(
            [bend, ((bend[0] + tip[0]) / 2, (bend[1] + tip[1]) / 2 - 0.02), tip],
            [0.05, 0.036, 0.006],
            scale(coat, dark),
        )
    pen.limb([(0.3, y), (0.55, y + 0.01), (0.8, y - 0.03)], [0.012, 0.06, 0.035], coat)
    pen.poly([(0.32, y - 0.02), (0.18, y - 0.05), (0.18, y + 0.05), (0.34, y + 0.02)], coat)
    pen.blob((0.81, y - 0.035), (0.045, 0.04), coat)
    pen.poly([(0.84, y - 0.05), (0.93, y - 0.022), (0.84, y - 0.012)], (236, 160, 60))
    return pen.done()


def fish(length: float, phase: float, coat: Rgb) -> Image.Image:
    """Draw a fish seen from the side, its tail swinging."""
    pen = Pen(length, 1.1, 0.62)
    bend = 0.07 * math.sin(2 * math.pi * phase)
    y = 0.31
    pen.poly(
        [(0.28, y), (0.04, y - 0.17 + bend), (0.1, y + bend), (0.04, y + 0.17 + bend)],
        scale(coat, 0.8),
    )
    pen.poly([(0.42, y - 0.12), (0.6, y - 0.25), (0.74, y - 0.1)], scale(coat, 0.86))
    pen.poly([(0.5, y + 0.1), (0.52, y + 0.23), (0.66, y + 0.1)], scale(coat, 0.86))
    pen.limb(
        [(0.2, y + bend * 0.6), (0.45, y), (0.72, y), (0.96, y + 0.01)],
        [0.03, 0.13, 0.15, 0.05],
        coat,
    )
    pen.limb([(0.4, y + 0.07), (0.7, y + 0.085)], [0.03, 0.05], mix(coat, (255, 255, 255), 0.4))
    for x in (0.46, 0.66):
        pen.limb(
            [(x, y - 0.1), (x - 0.02, y), (x, y + 0.1)],
            [0.016, 0.022, 0.014],
            mix(coat, (255, 255, 255), 0.65),
        )
    pen.blob((0.86, y - 0.03), (0.032, 0.032), (250, 250, 250))
    pen.blob((0.868, y - 0.03), (0.018, 0.018), _INK)
    return pen.done()


def koi(length: float, phase: float, coat: Rgb) -> Image.Image:
    """Draw a koi seen from above, white with patches, its body winding."""
    pen = Pen(length, 1.1, 0.5)
    turn = 2 * math.pi * phase
    x = np.linspace(0.12, 0.95, 7)
    y = 0.25 + 0.05 * np.sin(turn - 4 * x) * (1.1 - x)
    body = [(float(a), float(b)) for a, b in zip(x, y, strict=True)]
    white: Rgb = (250, 240, 230)
    tail = body[0]
    pen.poly(
        [
            tail,
            (0.0, tail[1] - 0.1),
            (0.045, tail[1] + 0.02 * math.sin(turn)),
            (0.0, tail[1] + 0.1),
        ],
        mix(coat, white, 0.5),
    )
    for side in (-1, 1):
        pen.poly(
            [(0.72, body[5][1]), (0.56, body[4][1] + side * 0.17), (0.66, body[5][1])],
            mix(coat, white, 0.6),
        )
    pen.limb(body, [0.018, 0.04, 0.065, 0.085, 0.09, 0.08, 0.045], white)
    for i, r in ((1, 0.034), (3, 0.072), (5, 0.066)):
        pen.blob(body[i], (r * 1.25, r), coat, turn=0.3)
    return pen.done()


def butterfly(length: float, phase: float, coat: Rgb) -> Image.Image:
    """Draw a butterfly, its wings opening and closing."""
    pen = Pen(length, 1.0, 1.0)
    wide = 0.2 + 0.8 * abs(math.cos(math.pi * phase))
    for side in (-1, 1):
        pen.blob((0.5 + side * 0.22 * wide, 0.36), (0.22 * wide, 0.22), coat, turn=side * 0.5)
        pen.blob((0.5 + side * 0.16 * wide, 0.66), (0.16 * wide, 0.18), scale(coat, 0.8))
        pen.blob(
            (0.5 + side * 0.25 * wide, 0.34), (0.09 * wide, 0.09), mix(coat, (255, 255, 255), 0.6)
        )
    pen.limb([(0.5, 0.25), (0.5, 0.8)], [0.035, 0.02], _INK)
    return pen.done()
