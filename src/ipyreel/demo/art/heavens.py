"""Skies and what light does: gradient, sun, moon, stars, clouds, aurora, water's mirror."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ipyreel.demo.art.canvas import Canvas, Floats, Rgb, Sprite, doubled, mix, sprite, to_image
from ipyreel.demo.art.stage import (
    Part,
    Stage,
    column,
    fixed,
    glow,
    grey,
    noise,
    radial,
    scrolling,
    smooth,
)

_WHITE: Rgb = (255, 255, 255)


def sun_place(stage: Stage, horizon: float) -> tuple[float, float]:
    """Return where sun or moon stands, in pixels."""
    dice = stage.dice("sun")
    x = stage.width * dice.uniform(0.58, 0.74)
    share = {"sunset": 0.86, "sunrise": 0.8, "golden": 0.7, "night": 0.34}.get(
        stage.scene.hour, 0.3
    )
    return x, stage.height * horizon * share


def _star_map(stage: Stage, rows: int, amount: float) -> Floats:
    dice = stage.dice("stars")
    count = int(stage.width * rows / 1500 * amount)
    sky = np.zeros((rows, stage.width), dtype=np.float32)
    y, x = dice.integers(0, rows - 1, count), dice.integers(0, stage.width - 1, count)
    level = dice.random(count).astype(np.float32) ** 4
    sky[y, x] = 0.25 + 0.75 * level
    if stage.unit > 400:  # noqa: PLR2004 - a pixel alone is lost on a large frame
        bright = level > 0.4  # noqa: PLR2004
        for dy, dx in ((0, 1), (1, 0), (1, 1)):
            sky[y[bright] + dy, x[bright] + dx] = 0.6
    return sky


def sky_colours(stage: Stage, horizon: float) -> Floats:
    """Return (height, width, 3): gradient down to ``horizon`` (a share), light and stars."""
    scene, rows = stage.scene, max(2, stage.row(horizon))
    ramp = column(scene.sky, rows, (0.0, 0.58, 1.0))
    ramp = np.concatenate([ramp, np.repeat(ramp[-1:], stage.height - rows, axis=0)])
    rgb = np.repeat(ramp, stage.width, axis=1)
    x, y = sun_place(stage, horizon)
    away = radial(stage.width, stage.height, (x, y)) / np.float32(stage.unit)
    night = scene.hour == "night"
    light = np.asarray(scene.light, dtype=np.float32)
    if night or "stars" in scene.air:
        stars = _star_map(stage, stage.height, 1.0)
        fade = np.linspace(1, 0.15, stage.height, dtype=np.float32)[:, None]
        rgb += (stars * fade)[..., None] * np.asarray((230, 236, 255), dtype=np.float32)
    if scene.hour == "storm":
        return np.clip(rgb, 0, 255)
    wide, strength = (0.3, 0.3) if night else (0.62, 0.62)
    halo = np.exp(-away / wide) * strength
    rgb += (light - rgb) * halo[..., None]
    radius = {"night": 0.042, "day": 0.036}.get(scene.hour, 0.066)
    disc = smooth(away, radius + 1.5 / stage.unit, radius - 1.5 / stage.unit)
    inner = (
        np.exp(-np.clip(away - radius, 0, 9) / (radius * (2.4 if scene.hour == "day" else 0.9)))
        * 0.55
    )
    shine = np.maximum(disc, inner)[..., None]
    rgb = rgb + (np.asarray(mix(scene.light, _WHITE, 0.55), np.float32) - rgb) * shine
    return np.asarray(np.clip(rgb, 0, 255))


def sky(stage: Stage, horizon: float) -> Part:
    """Return the whole background of an outdoor scene."""
    return fixed(sprite(sky_colours(stage, horizon), dither=True), 0, 0)


def clouds(stage: Stage, horizon: float, *, amount: float = 0.5, speed: float = 0.012) -> Part:
    """Return clouds drifting over the upper part, lit from below when the sun is low."""
    scene, rows = stage.scene, max(4, stage.row(horizon * 0.92))
    dice = stage.dice("clouds")
    lumps = noise(dice, (rows, stage.wide), (4, 5), 6)
    if scene.hour in ("sunset", "sunrise", "golden"):
        lumps = 0.6 * lumps + 0.4 * noise(dice, (rows, stage.wide), (12, 3), 4)
    y = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    thick = smooth(lumps, 0.62 - 0.22 * amount, 0.86 - 0.16 * amount) * smooth(y, 1.02, 0.7)
    top, low = {
        "day": ((255, 255, 255), (226, 234, 244)),
        "storm": ((58, 64, 76), (96, 104, 114)),
        "night": (mix(scene.sky[1], _WHITE, 0.1), scene.sky[2]),
    }.get(scene.hour, (mix(scene.sky[1], scene.sky[0], 0.35), mix(scene.sky[2], scene.light, 0.5)))
    # Under-lit: the thinner the cloud, and the nearer to the horizon, the more light comes through.
    share = np.clip(0.25 + 0.75 * y + 0.5 * (0.5 - thick), 0, 1)[..., None]
    rgb = np.asarray(top) * (1 - share) + np.asarray(low) * share
    strength = 120 if scene.hour == "night" else 205
    piece = sprite(rgb.astype(np.float32), (thick * strength).astype(np.float32))
    return scrolling(piece, 0, speed * stage.width * scene.tempo)


def _curtain(x: Floats, y: Floats, t: float, k: int) -> Floats:
    """Return the brightness 0..1 of one curtain of an aurora at moment ``t``; x and y are 0..1."""
    foot = (
        0.62
        - 0.12 * k
        + 0.13 * np.sin(3.1 * x + 1.7 * k + 0.23 * t)
        + 0.05 * np.sin(8.7 * x - 0.31 * t + k)
    )
    rays = 0.6 + 0.4 * np.sin(23 * x + 5 * np.sin(2.2 * x + 0.4 * t + k) + 0.5 * t)
    rays *= 0.65 + 0.35 * np.sin(61 * x - 0.7 * t + 3 * np.sin(5 * x + k))
    up = foot - y
    tall = 0.24 + 0.1 * np.sin(4.3 * x - 0.2 * t + 2 * k)
    body = np.exp(-np.clip(up, 0, 9) / tall) * np.exp(-np.clip(-up, 0, 9) / 0.035)
    sway = 0.55 + 0.45 * np.sin(2.6 * x + 1.1 * k - 0.27 * t)
    curtain: Floats = (body * (0.35 + 0.65 * rays) * sway).astype(np.float32)
    return curtain


def aurora(stage: Stage, horizon: float) -> Part:
    """Return northern lights above ``horizon``, green at the foot and violet at the top."""
    rows = max(8, stage.row(horizon))
    low = (rows // 8 + 2, stage.width // 8 + 2)
    x = np.linspace(0, 1.4, low[1], dtype=np.float32)[None, :]
    y = np.linspace(0, 1, low[0], dtype=np.float32)[:, None]
    phase = stage.dice("aurora").uniform(0, 40)
    stops: tuple[Rgb, ...] = ((150, 70, 220), (86, 140, 236), (60, 240, 170), (130, 255, 180))
    rgb = np.repeat(column(stops, rows, (0.0, 0.3, 0.62, 1.0)), stage.width, axis=1)
    paint = sprite(rgb)
    tempo = stage.scene.tempo

    def draw(canvas: Canvas, t: float) -> None:
        bright = sum(_curtain(x, y, phase + 1.6 * tempo * t, k) for k in range(3))
        mask = to_image(np.asarray(bright, dtype=np.float32) * 255)
        half = mask.resize((stage.width // 2, rows // 2), Image.Resampling.BILINEAR)
        canvas.blit(Sprite(paint.y, paint.u, paint.v, doubled(half), half), 0, 0)

    return draw


def mirror(stage: Stage, line: int, bottom: int, *, colour: Rgb, share: float = 0.5) -> Part:
    """Return water from row ``line`` to ``bottom`` that reflects what was drawn above it.

    Each row shows a row from above, moved by ripples that grow towards the viewer: rows can be
    gathered at the speed of memory. ``share`` of ``colour`` is mixed in, more in the foreground.
    """
    high = bottom - line
    depth = np.arange(high, dtype=np.float32)
    stretch = min(1.0, (line - 2) / max(1, high))
    near = depth / max(1, high)
    veil = to_image(np.repeat((255 * (share + (0.85 - share) * near))[:, None], stage.width, 1))
    half = veil.reduce(2)
    wave = 2 * np.pi / (stage.unit * (0.012 + 0.05 * near))
    tempo = 0.5 + 0.5 * stage.scene.tempo

    def gather(plane: Image.Image, t: float, shrink: int) -> None:
        swell = np.sin(depth * wave + 2.4 * t * tempo) + 0.6 * np.sin(0.37 * depth * wave - 1.7 * t)
        rows = line - 2 - depth * stretch + swell * stage.unit * (0.002 + 0.016 * near)
        picked = np.clip(rows[::shrink] / shrink, 0, line // shrink - 1).astype(np.intp)
        source = np.asarray(plane.crop((0, 0, plane.width, line // shrink)))
        plane.paste(Image.fromarray(source[picked]), (0, line // shrink))

    def draw(canvas: Canvas, t: float) -> None:
        gather(canvas.y, t, 1)
        gather(canvas.u, t, 2)
        gather(canvas.v, t, 2)
        canvas.wash(colour, veil, 0, line, half=half)

    return draw


def _streaks(dice: np.random.Generator, shape: tuple[int, int], lumps: tuple[int, int]) -> Floats:
    """Return horizontal streaks in perspective, about -1..1: fine far away, broad in front."""
    height, width = shape
    flat = noise(dice, (256, width), lumps, 3)
    near = np.linspace(0.02, 1, height, dtype=np.float32)
    rows = (255 * near**0.55).astype(np.intp)
    streaks: Floats = (flat[rows] - 0.5) * 3.4
    return streaks


def glitter(stage: Stage, line: int, bottom: int, *, at: float, colour: Rgb) -> tuple[Part, ...]:
    """Return the sparkle of light on moving water, with its path below the sun at column ``at``."""
    shape = ((bottom - line) // 2, stage.width // 2)
    high, wide = shape
    loop = stage.wide // 2
    dice = stage.dice("glitter")
    one = np.tile((_streaks(dice, (high, loop), (26, 14)) * 90).astype(np.int16), (1, 2))
    two = np.tile((_streaks(dice, (high, loop), (32, 20)) * 90).astype(np.int16), (1, 2))
    x = np.abs(np.arange(wide, dtype=np.float32) - at / 2)[None, :]
    near = np.linspace(0, 1, high, dtype=np.float32)[:, None]
    path = np.exp(-((x / (stage.unit * (0.05 + 0.17 * near))) ** 2))
    path = path * {"storm": 0.3, "day": 0.75}.get(stage.scene.hour, 1.0)
    floor = (90 - 104 * path).astype(np.int16)
    crest = (118 - 30 * near + 0 * x).astype(np.int16)
    pace = stage.unit * 0.02 * stage.scene.tempo

    def waves(t: float) -> np.ndarray:
        a, b = int(pace * t) % loop, int(-1.4 * pace * t) % loop
        total: np.ndarray = one[:, a : a + wide] + two[:, b : b + wide]
        return total

    def wash(canvas: Canvas, colour: Rgb, level: np.ndarray) -> None:
        mask = Image.fromarray(grey(level))
        canvas.wash(colour, doubled(mask), 0, line, half=mask)

    def dark(canvas: Canvas, t: float) -> None:
        wash(canvas, mix(stage.scene.sky[0], (0, 0, 0), 0.3), np.minimum(-waves(t) - 20, 80))

    def bright(canvas: Canvas, t: float) -> None:
        swell = waves(t + 0.7)
        wash(canvas, colour, np.maximum((swell - floor) * 4, np.minimum((swell - crest) * 3, 90)))

    return dark, bright


def shafts(stage: Stage, *, colour: Rgb, strength: float) -> Part:
    """Return slanted beams of light from above that wander slowly."""
    low = (stage.height // 8 + 1, stage.width // 8 + 1)
    x = np.linspace(0, 1, low[1], dtype=np.float32)[None, :]
    y = np.linspace(0, 1, low[0], dtype=np.float32)[:, None]
    lane = (x - 0.62) / (0.35 + 0.9 * y)
    fade = (1 - y) ** 1.3 * strength * 255
    phase = stage.dice("shafts").uniform(0, 9)

    def draw(canvas: Canvas, t: float) -> None:
        beams = np.sin(9 * lane + 0.35 * t + phase) + np.sin(17 * lane - 0.5 * t + 2 * phase)
        beams += 0.6 * np.sin(31 * lane + 0.8 * t)
        mask = to_image((smooth(beams.astype(np.float32), -0.4, 2.4) * fade).astype(np.float32))
        canvas.veil(colour, mask)

    return draw


def lamp(at: tuple[float, float], radius: float, colour: Rgb) -> Part:
    """Return a soft light at ``at`` (pixels) that breathes a little."""
    piece = glow(radius, colour, 0.8)
    side = piece.size[0] / 2

    def draw(canvas: Canvas, t: float) -> None:
        level = 0.8 + 0.2 * float(np.sin(5.1 * t) * np.sin(3.3 * t))
        canvas.blit(piece, at[0] - side, at[1] - side, opacity=level)

    return draw
