"""The figures in the picture: their drawings, positions and movements.

Drawings face right and show one phase (0..1) of a movement. Their coordinates are shares of
the figure's length; `Pen` draws at twice the size and scales down, which smooths the edges.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from ipyreel.demo.art.canvas import Canvas, Floats, Rgb, Sprite, mix, plain, scale, sprite_of
from ipyreel.demo.art.stage import Part, Stage, glow, span

Point: TypeAlias = tuple[float, float]
WHITE: Rgb = (255, 255, 255)
_INK: Rgb = (24, 20, 24)
_WOOD: Rgb = (96, 56, 38)
_OVER = 2


def _ink(colour: Rgb) -> tuple[int, int, int, int]:
    red, green, blue = map(round, colour)
    return (red, green, blue, 255)


class Pen:
    """An image to draw on: ``length`` pixels are 1.0; ``wide`` by ``high`` of them in all."""

    def __init__(self, length: float, wide: float, high: float) -> None:
        self.one = length * _OVER
        size = (max(2, round(length * wide / 2) * 2), max(2, round(length * high / 2) * 2))
        self.image = Image.new("RGBA", (size[0] * _OVER, size[1] * _OVER))
        self.draw = ImageDraw.Draw(self.image)

    def poly(self, points: Sequence[Point], colour: Rgb) -> None:
        """Fill a polygon."""
        self.draw.polygon([(x * self.one, y * self.one) for x, y in points], _ink(colour))

    def blob(self, at: Point, radii: Point, colour: Rgb, *, turn: float = 0.0) -> None:
        """Fill an ellipse, turned by ``turn`` radians."""
        if not turn:
            box = [at[0] - radii[0], at[1] - radii[1], at[0] + radii[0], at[1] + radii[1]]
            self.draw.ellipse([edge * self.one for edge in box], _ink(colour))
            return
        cos, sin = math.cos(turn), math.sin(turn)
        ring = [(math.cos(a) * radii[0], math.sin(a) * radii[1]) for a in np.linspace(0, 6.283, 40)]
        self.poly([(at[0] + x * cos - y * sin, at[1] + x * sin + y * cos) for x, y in ring], colour)

    def limb(self, points: Sequence[Point], radii: Sequence[float], colour: Rgb) -> None:
        """Draw a rounded stroke through ``points``, as thick at each as ``radii`` says."""
        count = len(points) - 1
        steps = np.linspace(0, count, 8 * count + 1)
        x, y = _curve(np.asarray(points), steps).T
        r = np.interp(steps, range(count + 1), radii)
        dx, dy = np.gradient(x), np.gradient(y)
        share = r / np.maximum(np.hypot(dx, dy), 1e-9)
        nx, ny = -dy * share, dx * share
        xs, ys = np.append(x + nx, (x - nx)[::-1]), np.append(y + ny, (y - ny)[::-1])
        self.poly([*zip(xs.tolist(), ys.tolist(), strict=True)], colour)
        for (x0, y0), radius in zip(points, radii, strict=True):  # round ends and knees
            self.blob((x0, y0), (radius, radius), colour)

    def cover(self) -> Image.Image:
        """Return the mask of the drawn area, at the drawing's own size."""
        return self.image.getchannel("A").reduce(_OVER)

    def done(self) -> Image.Image:
        """Return the drawing at its own size."""
        return self.image.reduce(_OVER)


def _curve(points: Floats, steps: Floats) -> Floats:
    """Interpolate by Catmull-Rom, the ends repeated."""
    v = np.concatenate([[2 * points[0] - points[1]], points, [2 * points[-1] - points[-2]]])
    i = np.minimum(steps.astype(int), len(points) - 2)
    t = (steps - i)[:, None]
    a, b, c, d = v[i], v[i + 1], v[i + 2], v[i + 3]
    bend = (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    curve: Floats = 0.5 * (2 * b + (c - a) * t + bend)
    return curve


def lit(image: Image.Image, tint: Rgb, rim: Rgb, strength: float) -> Image.Image:
    """Return a drawing in coloured light: ``rim`` along its upper right edges, dark at its feet."""
    alpha, moved = image.getchannel("A"), Image.new("L", image.size)
    reach = max(1, round(image.width * 0.014))
    moved.paste(alpha, (-(reach // 2), reach))
    edge = np.asarray(ImageChops.subtract(alpha, moved))[..., None] * np.float32(strength / 255)
    rgb = np.asarray(image.convert("RGB")).astype(np.float32)
    rgb *= span(1.06, 0.74, image.height)[:, None, None]
    rgb += (np.asarray(rim, dtype=np.float32) - rgb) * edge
    glare = np.clip(rgb - 225, 0, 30) * 2  # bright areas stay bright in dim light
    rgb *= np.asarray(tint, dtype=np.float32)
    rgb += glare
    shaded = Image.fromarray(np.minimum(rgb, 255).astype(np.uint8))
    shaded.putalpha(alpha)
    return shaded


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
    for step in range(15):  # smaller and lighter each time, so the body looks round
        share, size = step / 15, 1 - step / 15.3
        grown = [(0.5 - 0.13 * share + x * size, 0.5 - 0.16 * share + y * size) for x, y in ring]
        pen.poly(grown, mix(scale(coat, 0.66), mix(coat, WHITE, 0.3), share**1.1))
    pen.blob((0.345, 0.27), (0.045, 0.085), mix(coat, WHITE, 0.82), turn=0.5)
    return pen.done()


def hot_air_balloon(length: float, _phase: float, coat: Rgb) -> Image.Image:
    """Draw a balloon in stripes, its burner lit, with its basket."""
    pen = Pen(length, 1.0, 1.4)
    for x in (-1, 1):
        pen.limb([(0.5 + 0.11 * x, 1.0), (0.5 + 0.07 * x, 1.24)], [0.005, 0.005], _INK)
    pen.blob((0.5, 1.07), (0.02, 0.045), (255, 206, 96))
    pen.poly([(0.42, 1.22), (0.58, 1.22), (0.56, 1.36), (0.44, 1.36)], _WOOD)
    pen.limb([(0.42, 1.22), (0.58, 1.22)], [0.013, 0.013], scale(_WOOD, 1.4))
    ring = [(math.sin(a), -math.cos(a)) for a in np.linspace(-2.75, 2.75, 61)]
    for stripe, share in enumerate((0.46, 0.38, 0.24, 0.08)):
        body = [(0.5 + share * x * (1 - 0.2 * max(0, y)), 0.48 + 0.46 * y) for x, y in ring]
        body = [(x, y + 0.2 * max(0, y - 0.48)) for x, y in body]
        pen.poly(body, mix(coat, (255, 236, 190), 0.85 * (stripe % 2)))
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One kind of figure: its drawing, colour, length in units, and strides per second."""

    draw: Callable[[float, float, Rgb], Image.Image]
    coat: Rgb
    size: float
    pace: float = 0
    phases: int = 12
    rim: float = 0.7  # how much the sun lights its edges


ROLES: dict[str, Role] = {
    "dog": Role(draw=dog, coat=(216, 152, 78), size=0.27, pace=2.1),
    "boat": Role(draw=boat, coat=(248, 240, 226), size=0.24, pace=0.25, phases=16),
    "koi": Role(draw=koi, coat=(232, 84, 40), size=0.17, pace=0.8),
    "balloon": Role(draw=balloon, coat=(222, 44, 52), size=0.27, pace=0.4, rim=0.35),
    "hot_air_balloon": Role(draw=hot_air_balloon, coat=(222, 44, 52), size=0.3, rim=0.5),
    "lighthouse": Role(draw=lighthouse, coat=(196, 52, 46), size=0.5),
}


class Figure:
    """The pictures of one movement, coloured by the prompt and lit by the hour.

    Each is drawn when it is first shown: encoding starts before all of them exist.
    """

    def __init__(self, stage: Stage, name: str, factor: float = 1.0) -> None:
        self.role, scene = ROLES[name], stage.scene
        named = scene.accent if scene.subjects[:1] == (name,) else None
        self._coat = named or self.role.coat
        # Some colour even at night: a black figure on a dark hill would not be visible.
        self._tint = mix((1, 1, 1), scene.tint, 0.64)
        self._rim = mix(scene.light, WHITE, 0.15)
        self._length = max(8.0, self.role.size * stage.unit * factor)
        self._tempo = scene.tempo
        self.drawn = functools.cache(self._draw)
        self.size = self.drawn(0).size

    def at(self, t: float) -> int:
        """Return the phase at ``t`` seconds."""
        return int(t * self.role.pace * self._tempo * self.role.phases) % self.role.phases

    def _draw(self, phase: int) -> Sprite:
        image = self.role.draw(self._length, phase / self.role.phases, self._coat)
        return sprite_of(lit(image, self._tint, self._rim, self.role.rim))


def _moving(
    figure: Figure, path: Callable[[float], Point], mirror: tuple[float, float] | None = None
) -> Part:
    """Return a moving figure; ``mirror`` is the reflection's distance (in heights) and opacity."""

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


# Their centres at the beginning and at the end, as shares of the height.
_RISES = {"balloon": (0.56, 0.3), "hot_air_balloon": (0.33, 0.24)}


def in_sky(stage: Stage) -> list[Part]:
    """Return the balloon of the scene, rising."""
    name = next((name for name in stage.scene.subjects if name in _RISES), None)
    if name is None:
        return []
    figure, tempo, (low, high) = Figure(stage, name), stage.scene.tempo, _RISES[name]

    def path(t: float) -> tuple[float, float]:
        x = stage.width * 0.44 + stage.unit * 0.05 * math.sin(0.9 * t * tempo)
        y = stage.height * (low + (high - low) * t / stage.seconds)
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
