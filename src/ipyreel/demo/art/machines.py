"""Drawn things that are not alive: boat, car, balloons, rocket, bridge; numpy and Pillow only."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from ipyreel.demo.art.canvas import Rgb, mix, scale
from ipyreel.demo.art.shapes import Pen

_WHITE: Rgb = (255, 255, 255)
_INK: Rgb = (24, 20, 24)


def boat(length: float, phase: float, coat: Rgb) -> Image.Image:
    """Draw a sailing boat rocking."""
    pen = Pen(length, 1.2, 1.4)
    wood: Rgb = (96, 56, 38)
    pen.limb([(0.58, 0.08), (0.58, 1.1)], [0.012, 0.016], wood)
    t = np.linspace(0, 1, 14)
    leech = [(0.61 + 0.46 * float(math.sin(a * 1.6)), 0.12 + 0.86 * float(a)) for a in t]
    pen.poly([(0.61, 0.12), *leech, (0.61, 1.02)], coat)
    jib = [(0.55 - 0.4 * float(a**1.5), 0.18 + 0.82 * float(a)) for a in t]
    pen.poly([(0.55, 0.18), *jib, (0.55, 1.0)], mix(coat, _WHITE, 0.35))
    pen.poly([(0.06, 1.1), (1.16, 1.06), (1.0, 1.28), (0.24, 1.28)], wood)
    pen.poly([(0.06, 1.1), (1.16, 1.06), (1.14, 1.1), (0.08, 1.14)], mix(coat, _WHITE, 0.7))
    angle = 4 * math.sin(2 * math.pi * phase)
    return pen.done().rotate(angle, Image.Resampling.BICUBIC)


def car(length: float, phase: float, coat: Rgb) -> Image.Image:
    """Draw a car from the side, wheels turning."""
    pen = Pen(length, 1.12, 0.46)
    pen.limb([(0.1, 0.27), (0.5, 0.25), (1.0, 0.275)], [0.075, 0.085, 0.065], coat)
    roof = [(0.24, 0.2), (0.36, 0.065), (0.5, 0.035), (0.64, 0.06), (0.8, 0.2)]
    pen.poly(roof, coat)
    pen.limb(roof[1:4], [0.012, 0.014, 0.012], coat)
    glass = mix((140, 190, 220), _INK, 0.35)
    pen.poly([(0.3, 0.195), (0.385, 0.085), (0.495, 0.07), (0.495, 0.195)], glass)
    pen.poly([(0.52, 0.195), (0.52, 0.07), (0.625, 0.09), (0.735, 0.195)], glass)
    pen.limb([(0.06, 0.3), (1.04, 0.3)], [0.03, 0.03], scale(coat, 0.7))
    pen.blob((1.045, 0.255), (0.024, 0.02), (255, 246, 196))
    pen.blob((0.035, 0.25), (0.016, 0.024), (226, 40, 40))
    for x in (0.25, 0.84):
        pen.blob((x, 0.34), (0.098, 0.098), _INK)
        pen.blob((x, 0.34), (0.058, 0.058), (186, 190, 198))
        for spoke in range(5):
            a = 2 * math.pi * (spoke + phase) / 5
            tip = (x + 0.052 * math.cos(a), 0.34 + 0.052 * math.sin(a))
            pen.limb([(x, 0.34), tip], [0.01, 0.008], (60, 62, 70))
    return pen.done()


def hover(length: float, phase: float, coat: Rgb) -> Image.Image:
    """Draw a flying car with light under it."""
    pen = Pen(length, 1.1, 0.4)
    pulse = 0.5 + 0.5 * math.sin(2 * math.pi * phase)
    pen.limb([(0.2, 0.27), (0.8, 0.27)], [0.03, 0.03], mix((60, 220, 255), _WHITE, 0.3 * pulse))
    pen.limb(
        [(0.06, 0.2), (0.4, 0.2), (0.75, 0.21), (1.04, 0.235)], [0.03, 0.075, 0.07, 0.012], coat
    )
    pen.limb(
        [(0.36, 0.14), (0.52, 0.1), (0.7, 0.16)],
        [0.03, 0.06, 0.02],
        mix(coat, (120, 200, 255), 0.5),
    )
    pen.poly([(0.04, 0.19), (0.0, 0.06), (0.16, 0.15)], scale(coat, 0.7))
    pen.blob((0.03, 0.215), (0.03, 0.022), (255, 60, 150))
    pen.blob((1.02, 0.235), (0.02, 0.016), _WHITE)
    return pen.done()


def balloon(length: float, phase: float, coat: Rgb) -> Image.Image:
    """Draw a toy balloon of width 0.8 with its string waving."""
    pen = Pen(length, 1.0, 1.95)
    turn = 2 * math.pi * phase
    string = [
        (0.5 + 0.05 * math.sin(3.2 * s + turn) * s, 1.04 + 0.84 * s) for s in np.linspace(0, 1, 9)
    ]
    pen.limb(string, [0.007] * 9, mix(_WHITE, coat, 0.3))
    ring = []
    for a in np.linspace(0, 2 * math.pi, 72):
        x, y = math.sin(a), -math.cos(a)
        ring.append((0.5 + 0.4 * x * (1 - 0.13 * max(0.0, y)), 0.5 + 0.5 * y))
    pen.poly([(0.5, 0.97), (0.45, 1.06), (0.55, 1.06)], scale(coat, 0.7))
    pen.poly(ring, scale(coat, 0.72))
    # Ever smaller and lighter towards the lamp: a round body without an airbrush.
    for step in range(1, 15):
        share = step / 15
        centre = (0.5 - 0.13 * share, 0.5 - 0.16 * share)
        grown = [
            (centre[0] + (x - 0.5) * (1 - share) * 0.98, centre[1] + (y - 0.5) * (1 - share) * 0.98)
            for x, y in ring
        ]
        pen.poly(grown, mix(scale(coat, 0.72), mix(coat, _WHITE, 0.3), share**1.1))
    pen.blob((0.345, 0.27), (0.045, 0.085), mix(coat, _WHITE, 0.82), turn=0.5)
    return pen.done()


def hot_air_balloon(length: float, phase: float, coat: Rgb) -> Image.Image:
    """Draw a striped hot-air balloon with its basket."""
    pen = Pen(length, 1.0, 1.35)
    lean = 0.01 * math.sin(2 * math.pi * phase)
    for x in (0.4, 0.6):
        pen.limb([(x, 0.93), (0.46 if x < 0.5 else 0.54, 1.16)], [0.006, 0.006], (70, 52, 40))  # noqa: PLR2004
    light = mix(coat, (255, 240, 210), 0.75)
    a = np.linspace(-math.pi / 2, math.pi / 2, 30)
    for stripe in range(7):
        left, right = ((2 * (stripe + k) / 7 - 1) for k in (0, 1))
        edge = [_gore(left, float(v), lean) for v in a] + [
            _gore(right, float(v), lean) for v in a[::-1]
        ]
        shade = 1.04 - 0.34 * (stripe / 6) ** 1.5
        pen.poly(edge, scale(coat if stripe % 2 == 0 else light, shade))
    pen.poly([(0.45, 1.15), (0.55, 1.15), (0.54, 1.26), (0.46, 1.26)], (112, 74, 44))
    return pen.done()


def _gore(share: float, angle: float, lean: float) -> tuple[float, float]:
    """Return a point on a seam of the balloon: ``share`` -1..1 across, ``angle`` going down."""
    y = math.sin(angle)
    radius = 0.46 * math.cos(angle) ** 0.8 if angle < 0 else 0.46 * (1 - 0.78 * y**1.9)
    return 0.5 + lean * y + radius * math.sin(share * math.pi / 2), 0.48 + 0.46 * y


def rocket(length: float, phase: float, coat: Rgb) -> Image.Image:
    """Draw a rocket pointing up, its flame flickering."""
    pen = Pen(length, 0.6, 1.5)
    flare = 0.28 + 0.1 * math.sin(2 * math.pi * phase) + 0.05 * math.sin(6 * math.pi * phase)
    for wide, long, colour in ((0.075, 1.0, (255, 120, 40)), (0.045, 0.65, (255, 224, 120))):
        pen.limb([(0.3, 0.98), (0.3, 0.98 + flare * long)], [wide, 0.006], colour)
    for side in (-1, 1):
        pen.poly(
            [(0.3 + side * 0.09, 0.7), (0.3 + side * 0.22, 1.0), (0.3 + side * 0.08, 0.94)],
            scale(coat, 0.8),
        )
    body: Rgb = (236, 238, 244)
    pen.limb([(0.3, 0.14), (0.3, 0.4), (0.3, 0.75), (0.3, 0.9)], [0.012, 0.1, 0.12, 0.085], body)
    pen.limb([(0.35, 0.36), (0.37, 0.75), (0.35, 0.9)], [0.035, 0.045, 0.03], (196, 200, 212))
    pen.limb([(0.3, 0.12), (0.3, 0.24)], [0.008, 0.062], coat)
    pen.blob((0.3, 0.46), (0.052, 0.052), coat)
    pen.blob((0.3, 0.46), (0.036, 0.036), (96, 176, 220))
    return pen.done()


def device(length: float, phase: float, coat: Rgb) -> Image.Image:
    """Draw a telephone turning about its long axis; ``phase`` 0..1 is one turn."""
    pen = Pen(length, 0.72, 1.1)
    turn = 2 * math.pi * phase
    cos, sin = math.cos(turn), math.sin(turn)
    half, edge = 0.25 * abs(cos), 0.035 * abs(sin)
    for step in np.linspace(1, -1, 9):
        x = 0.36 + edge * step * (1 if sin > 0 else -1)
        pen.draw.rounded_rectangle(_box(pen, x, half, 0.5), pen.one * 0.05, (58, 62, 72, 255))
    front = 0.36 - edge * (1 if sin * cos > 0 else -1)
    pen.draw.rounded_rectangle(_box(pen, front, half, 0.5), pen.one * 0.05, (18, 20, 26, 255))
    if half > 0.02:  # noqa: PLR2004 - seen from the edge there is no screen
        if cos > 0:
            _screen(pen, front, half * 0.92, coat)
        else:
            pen.blob((front + half * 0.5, 0.14), (half * 0.2, 0.05), (40, 44, 54))
            pen.blob((front, 0.55), (half * 0.24, 0.06), mix(coat, _WHITE, 0.4))
    return pen.done()


def _box(pen: Pen, x: float, half: float, tall: float) -> tuple[float, float, float, float]:
    one = pen.one
    return (
        (x - half - 0.008) * one,
        (0.54 - tall) * one,
        (x + half + 0.008) * one,
        (0.54 + tall) * one,
    )


def _screen(pen: Pen, x: float, half: float, coat: Rgb) -> None:
    for i in range(24):
        y = 0.08 + 0.92 * i / 24
        colour = mix(mix(coat, _WHITE, 0.6), scale(coat, 0.55), i / 23)
        pen.poly(
            [(x - half, y), (x + half, y), (x + half, y + 0.0395), (x - half, y + 0.0395)], colour
        )
    pen.blob((x, 0.36), (half * 0.5, 0.125), mix(coat, _WHITE, 0.85))
    pen.poly([(x - half * 0.16, 0.3), (x - half * 0.16, 0.42), (x + half * 0.26, 0.36)], coat)
    for k, wide in enumerate((0.62, 0.4, 0.52)):
        y = 0.62 + 0.085 * k
        pen.limb([(x - half * 0.6, y), (x - half * (0.6 - 1.2 * wide), y)], [0.014, 0.014], _WHITE)
