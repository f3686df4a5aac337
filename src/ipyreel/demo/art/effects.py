"""Effects of light, weather and water: sky, clouds, aurora, mirror, rain, snow, fog, fire."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ipyreel.demo.art.canvas import (
    STEPS,
    Canvas,
    Floats,
    Rgb,
    Sprite,
    doubled,
    ladder,
    mix,
    painted,
    plain,
    sprite_of,
    to_image,
)
from ipyreel.demo.art.figures import WHITE, Pen
from ipyreel.demo.art.stage import Part, Stage, column, fixed, glow, noise, scrolling, smooth, span

_LOW = ("sunset", "sunrise", "golden")


def sun_place(stage: Stage, horizon: float) -> tuple[float, float]:
    """Return the position of sun or moon, in pixels."""
    x = stage.width * stage.dice("sun").uniform(0.58, 0.74)
    high = {"sunset": 0.86, "sunrise": 0.8, "golden": 0.7, "night": 0.34}
    return x, stage.height * horizon * high.get(stage.scene.hour, 0.3)


def _stars(stage: Stage, piece: Sprite) -> None:
    """Draw stars into the luma of a sky, fewer and dimmer towards the bottom."""
    dice = stage.dice("stars")
    luma = np.asarray(piece.y).copy()
    count = stage.width * stage.height // 1500
    size = 2 if stage.unit > 400 else 1  # noqa: PLR2004 - one pixel is too small on a large frame
    x = dice.integers(0, stage.width - 1, count)
    y = (dice.random(count) ** 1.4 * (stage.height - 1)).astype(int)
    bright = dice.random(count) ** 4 * (1 - 0.8 * y / stage.height)
    for dy in range(size):
        for dx in range(size):
            luma[y + dy, x + dx] += ((220 - luma[y + dy, x + dx]) * bright).astype(np.uint8)
    piece.y.paste(Image.fromarray(luma))


def sky(stage: Stage, horizon: float) -> list[Part]:
    """Return the background of an outdoor scene: gradient, light, and clouds or an aurora."""
    scene = stage.scene
    away = stage.away(sun_place(stage, horizon))
    stops = (0, 0.58 * horizon, horizon, 1)
    ramp = column((*scene.sky, scene.sky[2]), away.shape[0], stops)
    rgb = np.repeat(ramp, away.shape[1], 1)
    sun = [] if scene.hour in ("storm", "snow") else [_shine(stage, rgb, away, horizon)]
    piece = painted(rgb, (stage.width, stage.height), dither=True)
    if scene.hour == "night" or "stars" in scene.air:
        _stars(stage, piece)
    above = aurora(stage, horizon * 0.9) if "aurora" in scene.air else clouds(stage, horizon)
    return [fixed(piece, 0, 0), *sun, above]


def _shine(stage: Stage, rgb: Floats, away: Floats, horizon: float) -> Part:
    """Blend the light of sun or moon into a sky; return its disc."""
    scene, night = stage.scene, stage.scene.hour == "night"
    halo = np.exp(away * np.float32(-3.3 if night else -1.6)) * np.float32(0.3 if night else 0.62)
    rgb += (np.asarray(scene.light, dtype=np.float32) - rgb) * halo[..., None]
    radius = {"night": 0.042, "day": 0.036}.get(scene.hour, 0.06)
    fall = np.float32(-1 / (radius * (2.4 if scene.hour == "day" else 0.9)))
    inner = np.exp(np.clip(away - np.float32(radius), 0, 9) * fall) * np.float32(0.55)
    core = mix(scene.light, WHITE, 0.55)
    rgb += (np.asarray(core, dtype=np.float32) - rgb) * inner[..., None]
    (x, y), half = sun_place(stage, horizon), round(radius * stage.unit) + 2
    across = span(-half, half, 2 * half)
    disc = smooth(np.hypot(across, across[:, None]), half - 1.0, half - 3.0)
    return fixed(plain(core, 255 * disc), x - half, y - half)


def clouds(stage: Stage, horizon: float) -> Part:
    """Return clouds drifting over the upper part, lit from below when the sun is low."""
    scene, high = stage.scene, max(8, stage.row(horizon * 0.92))
    rows = high // 4  # clouds are soft
    shape = (rows, stage.wide // 4)
    amount = {"storm": 0.9, "snow": 0.6, "night": 0.4}.get(scene.hour, 0.5)
    dice = stage.dice("clouds")
    lumps = noise(dice, shape, (4, 5), 5)
    if scene.hour in _LOW:
        lumps = lumps * np.float32(0.6) + noise(dice, shape, (12, 3), 4) * np.float32(0.4)
    y = span(0, 1, rows)[:, None]
    thick = smooth(lumps, 0.62 - 0.22 * amount, 0.86 - 0.16 * amount) * smooth(y, 1.02, 0.7)
    top, low = {
        "day": ((255, 255, 255), (226, 234, 244)),
        "storm": ((58, 64, 76), (96, 104, 114)),
        "snow": ((176, 188, 204), (226, 232, 240)),
        "night": (mix(scene.sky[1], WHITE, 0.1), scene.sky[2]),
    }.get(scene.hour, (mix(scene.sky[1], scene.sky[0], 0.35), mix(scene.sky[2], scene.light, 0.5)))
    # Lit from below: the thinner the cloud, and the nearer to the horizon, the more light.
    share = np.clip(0.5 + 0.75 * y - 0.5 * thick, 0, 1)[..., None]
    rgb = np.asarray(top, np.float32) * (1 - share) + np.asarray(low, np.float32) * share
    cover = thick * np.float32(120 if scene.hour == "night" else 205)
    piece = painted(rgb, (stage.wide, high), cover)
    return scrolling(piece, 0, 0.012 * stage.width * scene.tempo)


def _curtain(x: Floats, y: Floats, t: float, k: int) -> Floats:
    """Return the brightness 0..1 of one curtain of an aurora at moment ``t``; x and y are 0..1."""
    foot = 0.62 - 0.12 * k + 0.13 * np.sin(3.1 * x + 1.7 * k + 0.23 * t)
    foot += 0.05 * np.sin(8.7 * x - 0.31 * t + k)
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
    x = span(0, 1.4, stage.width // 8 + 2)[None, :]
    y = span(0, 1, rows // 8 + 2)[:, None]
    phase = stage.dice("aurora").uniform(0, 40)
    stops: tuple[Rgb, ...] = ((150, 70, 220), (86, 140, 236), (60, 240, 170), (130, 255, 180))
    paint = painted(column(stops, rows // 2, (0.0, 0.3, 0.62, 1.0)), (stage.width, rows))

    def draw(canvas: Canvas, t: float) -> None:
        moment = phase + 1.6 * stage.scene.tempo * t
        bright = _curtain(x, y, moment, 0) + _curtain(x, y, moment, 1) + _curtain(x, y, moment, 2)
        half = to_image(bright * 255).resize(paint.u.size, Image.Resampling.BILINEAR)
        canvas.blit(Sprite(paint.y, paint.u, paint.v, doubled(half), half), 0, 0)

    return draw


def mirror(stage: Stage, line: int, bottom: int, *, colour: Rgb, share: float) -> Part:
    """Return water from row ``line`` to ``bottom`` that reflects what was drawn above it.

    Each row shows a row from above, moved by ripples that grow towards the viewer: rows can be
    gathered at the speed of memory. ``share`` of ``colour`` is mixed in, more in the foreground.
    """
    high = bottom - line
    depth = np.arange(high, dtype=np.float32)
    stretch = min(1.0, (line - 2) / max(1, high))
    near = depth / max(1, high)
    cover = 255 * (share + (0.85 - share) * near)
    veil = plain(colour, np.repeat(cover[:, None], stage.width, 1))
    wave = 2 * np.pi / (stage.unit * (0.012 + 0.05 * near))
    tempo = 0.5 + 0.5 * stage.scene.tempo

    first = max(0, line - round(high * stretch + 0.03 * stage.unit) - 4) // 2 * 2

    def gather(plane: Image.Image, rows: Floats, shrink: int) -> None:
        seen = np.asarray(plane.crop((0, first // shrink, plane.width, line // shrink)))
        picked = np.clip((rows[::shrink] - first) / shrink, 0, len(seen) - 1).astype(np.intp)
        plane.paste(Image.fromarray(seen[picked]), (0, line // shrink))

    def draw(canvas: Canvas, t: float) -> None:
        swell = np.sin(depth * wave + 2.4 * t * tempo) + 0.6 * np.sin(0.37 * depth * wave - 1.7 * t)
        rows = line - 2 - depth * stretch + swell * stage.unit * (0.002 + 0.016 * near)
        gather(canvas.y, rows, 1)
        gather(canvas.u, rows, 2)
        gather(canvas.v, rows, 2)
        canvas.blit(veil, 0, line)

    return draw


def glitter(stage: Stage, line: int, bottom: int, *, at: float) -> Part:
    """Return moving water: dark troughs, and sparkle that is a path below the sun at ``at``."""
    high, wide, loop = (bottom - line) // 2, stage.width // 2, stage.wide // 2
    dice = stage.dice("glitter")
    near = span(0.02, 1, high)
    # Rows in perspective: streaks are fine far away and broad in front.
    rows = (255 * near**0.55).astype(np.intp)
    one, two = (
        np.tile(((noise(dice, (256, loop), cells, 3)[rows] - 0.5) * 306).astype(np.int16), (1, 2))
        for cells in ((26, 14), (32, 20))
    )
    x = np.abs(np.arange(wide, dtype=np.float32) - np.float32(at / 2))[None, :]
    path = np.exp(-((x / (stage.unit * (0.05 + 0.17 * near[:, None]))) ** 2))
    path *= {"storm": 0.3, "snow": 0.3, "day": 0.75}.get(stage.scene.hour, 1.0)
    floor = (90 - 104 * path).astype(np.int16)
    crest = (118 - 30 * near[:, None]).astype(np.int16)
    brightest = 120 if stage.scene.hour == "night" else 255
    pace = stage.unit * 0.02 * stage.scene.tempo
    trough, light = mix(stage.scene.sky[0], (0, 0, 0), 0.3), mix(stage.scene.light, WHITE, 0.2)

    def draw(canvas: Canvas, t: float) -> None:
        a, b = int(pace * t) % loop, int(-1.4 * pace * t) % loop
        swell = one[:, a : a + wide] + two[:, b : b + wide]
        canvas.wash(trough, Image.fromarray(np.clip(-swell - 20, 0, 80).astype(np.uint8)), 0, line)
        shine = np.maximum((swell - floor) * 4, np.minimum((swell - crest) * 3, 90))
        canvas.wash(light, Image.fromarray(np.clip(shine, 0, brightest).astype(np.uint8)), 0, line)

    return draw


def shafts(stage: Stage, *, colour: Rgb, strength: float) -> Part:
    """Return slanted beams of light from above that wander slowly."""
    x = span(0, 1, stage.width // 8 + 1)[None, :]
    y = span(0, 1, stage.height // 8 + 1)[:, None]
    lane = (x - np.float32(0.62)) / (np.float32(0.35) + np.float32(0.9) * y)
    fade = (1 - y) ** np.float32(1.3) * np.float32(strength * 255)
    phase = stage.dice("shafts").uniform(0, 9)

    def draw(canvas: Canvas, t: float) -> None:
        beams = np.sin(9 * lane + 0.35 * t + phase) + np.sin(17 * lane - 0.5 * t + 2 * phase)
        beams += 0.6 * np.sin(31 * lane + 0.8 * t)
        canvas.veil(colour, to_image(smooth(beams, -0.4, 2.4) * fade))

    return draw


def swarm(
    stage: Stage,
    kinds: list[Sprite],
    count: int,
    *,
    across: float = 0.0,
    down: float = 0.1,
    sway: float = 0.02,
    twinkle: float = 0.0,
    grey: bool = False,
) -> Part:
    """Return ``count`` sprites drifting through the frame, reappearing on the other side.

    Kinds go from far to near: later ones move faster. Speeds and sways are in units of the frame
    per second, ``twinkle`` is turns per second of the brightness. ``grey``: see `Canvas.blit`.
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
            canvas.blit(ladders[kind[i]][level[i]], x[i], y[i], grey=grey)

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
            mask = mask.resize((wide * 2, high * 2), Image.Resampling.BICUBIC)
            canvas.wash(colour, mask, left, top)

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
    return swarm(stage, kinds, 190, across=-0.35, down=1.75, sway=0.0, grey=True)


def _snow(stage: Stage) -> Part:
    kinds = _dots(stage, (0.0035, 0.0055, 0.009), (250, 252, 255))
    return swarm(stage, kinds, 150, across=0.03, down=0.14, grey=True)


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
    """Return dust in the light, the movement of scenes that have no other."""
    kinds = _dots(stage, (0.0025, 0.004, 0.007), mix(stage.scene.light, WHITE, 0.4))
    return swarm(stage, kinds, 36, across=0.02, down=-0.02, twinkle=0.25, grey=True)


_KINDS = {"rain": _rain, "snow": _snow, "petals": _petals, "fog": _fog}


def in_front(stage: Stage) -> list[Part]:
    """Return the weather layers in front of everything else."""
    return [_KINDS[name](stage) for name in stage.scene.air if name in _KINDS]
