"""Planes of a yuv420p frame and the sprites put on them; imports numpy and Pillow only.

Frames are composed as three 8-bit planes (BT.709, limited range), which is what the encoder
takes: composing RGB and converting every frame would cost more than the encoding itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Rgb: TypeAlias = tuple[float, float, float]
Floats: TypeAlias = NDArray[np.floating[Any]]

# ITU-R BT.709, 8 bits, limited range: rows give Y', Cb, Cr from R'G'B' in 0..255.
_TO_YUV = np.array(
    [
        [0.18259, 0.61423, 0.06201],
        [-0.10064, -0.33857, 0.43922],
        [0.43922, -0.39894, -0.04027],
    ],
    dtype=np.float32,
)
_OFFSET = np.array([16.0, 128.0, 128.0], dtype=np.float32)
_NEUTRAL = 128
STEPS = 8
# The two cast chromas of the monochrome styles.
CASTS = {"mono": (128, 128), "sepia": (112, 143)}


def mix(one: Rgb, other: Rgb, share: float) -> Rgb:
    """Return ``one`` moved towards ``other`` by ``share`` (0..1)."""
    a, b = np.asarray(one), np.asarray(other)
    red, green, blue = (float(x) for x in a + (b - a) * share)
    return (red, green, blue)


def scale(colour: Rgb, factor: float | Rgb) -> Rgb:
    """Return ``colour`` multiplied by ``factor``, kept within 0..255."""
    red, green, blue = (float(x) for x in np.clip(np.asarray(colour) * np.asarray(factor), 0, 255))
    return (red, green, blue)


def to_image(values: Floats | NDArray[np.uint8]) -> Image.Image:
    """Return an 8-bit grey image of a 2-D array in 0..255."""
    if values.dtype != np.uint8:
        values = np.clip(values + 0.5, 0, 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(values))


def _halved(plane: Floats) -> Floats:
    height, width = plane.shape
    blocks = plane.reshape(height // 2, 2, width // 2, 2)
    halved: Floats = blocks.mean(axis=(1, 3), dtype=np.float32)
    return halved


@dataclass(frozen=True, slots=True)
class Sprite:
    """A piece of picture: its planes, and how much it covers (none: everything)."""

    y: Image.Image
    u: Image.Image
    v: Image.Image
    alpha: Image.Image | None
    alpha_half: Image.Image | None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, both even."""
        return self.y.size

    def flipped(self, opacity: float) -> Sprite:
        """Return the mirror image in water below, covering ``opacity`` as much."""
        turn = Image.Transpose.FLIP_TOP_BOTTOM
        parts = [part and part.transpose(turn) for part in (self.y, self.u, self.v)]
        masks = [
            part and faded(part.transpose(turn), opacity) for part in (self.alpha, self.alpha_half)
        ]
        return Sprite(parts[0], parts[1], parts[2], masks[0], masks[1])


def ladder(piece: Sprite) -> list[Sprite]:
    """Return ``piece`` in nine strengths, from nothing to all: fading it per frame costs more."""
    if piece.alpha is None or piece.alpha_half is None:
        return [piece] * (STEPS + 1)
    return [
        Sprite(piece.y, piece.u, piece.v, faded(piece.alpha, k), faded(piece.alpha_half, k))
        for k in (step / STEPS for step in range(STEPS + 1))
    ]


def faded(mask: Image.Image, opacity: float) -> Image.Image:
    """Return ``mask`` times ``opacity`` (0..1)."""
    if opacity >= 1:
        return mask
    return mask.point([round(level * opacity) for level in range(256)])


def sprite(rgb: Floats, alpha: Floats | None = None, *, dither: bool = False) -> Sprite:
    """Make a sprite of an (h, w, 3) array in 0..255 and coverage (h, w) in 0..255.

    Odd sizes are padded by one column or row. With ``dither`` the luma gets half a level of fixed
    noise, so that dark gradients do not band.
    """
    height, width = rgb.shape[:2]
    pad = ((0, height % 2), (0, width % 2))
    rgb = np.pad(rgb, (*pad, (0, 0)), mode="edge")
    planes = rgb.astype(np.float32) @ _TO_YUV.T + _OFFSET
    luma = planes[..., 0]
    if dither:
        luma = luma + np.random.default_rng(1).uniform(-0.5, 0.5, luma.shape).astype(np.float32)
    if alpha is None:
        halves = [_halved(planes[..., index]) for index in (1, 2)]
        return Sprite(to_image(luma), to_image(halves[0]), to_image(halves[1]), None, None)
    cover = np.pad(alpha.astype(np.float32), pad, mode="constant")
    weight = cover + np.float32(0.01)
    half = _halved(weight)
    u, v = (_halved(planes[..., index] * weight) / half for index in (1, 2))
    covers = to_image(cover), to_image(_halved(cover))
    return Sprite(to_image(luma), to_image(u), to_image(v), *covers)


def sprite_of(image: Image.Image) -> Sprite:
    """Make a sprite of an RGBA (or RGB) image."""
    values = np.asarray(image.convert("RGBA"), dtype=np.float32)
    return sprite(values[..., :3], values[..., 3] if "A" in image.getbands() else None)


def yuv(colour: Rgb) -> tuple[int, int, int]:
    """Return the levels of one colour in the three planes."""
    y, u, v = np.clip(_TO_YUV @ np.asarray(colour, dtype=np.float32) + _OFFSET + 0.5, 0, 255)
    return int(y), int(u), int(v)


class Canvas:
    """One frame being composed: planes y (full size), u and v (half size)."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.y = Image.new("L", (width, height), 16)
        self.u = Image.new("L", (width // 2, height // 2), _NEUTRAL)
        self.v = Image.new("L", (width // 2, height // 2), _NEUTRAL)

    def blit(self, piece: Sprite, x: float, y: float, *, opacity: float = 1.0) -> None:
        """Put ``piece`` with its upper left corner at (x, y); what sticks out is cut off."""
        left, top = round(x), round(y)
        wide, high = piece.size
        outside = left >= self.width or top >= self.height or left + wide <= 0 or top + high <= 0
        if outside or opacity <= 0:
            return
        alpha, half = piece.alpha, piece.alpha_half
        if alpha is not None and half is not None and opacity < 1:
            alpha, half = faded(alpha, opacity), faded(half, opacity)
        self.y.paste(piece.y, (left, top), alpha)
        self.u.paste(piece.u, (left >> 1, top >> 1), half)
        self.v.paste(piece.v, (left >> 1, top >> 1), half)

    def wash(self, colour: Rgb, mask: Image.Image, x: int, y: int) -> None:
        """Lay ``colour`` on as much as ``mask`` (full size, even sides) says; x and y even."""
        levels = yuv(colour)
        half = mask.resize((mask.width // 2, mask.height // 2), Image.Resampling.BOX)
        self.y.paste(levels[0], (x, y, x + mask.width, y + mask.height), mask)
        corner = (x // 2, y // 2, x // 2 + half.width, y // 2 + half.height)
        self.u.paste(levels[1], corner, half)
        self.v.paste(levels[2], corner, half)

    def veil(self, colour: Rgb, mask: Image.Image) -> None:
        """Lay ``colour`` over the whole frame as much as ``mask``, of any size, says."""
        for plane, level in zip((self.y, self.u, self.v), yuv(colour), strict=True):
            if plane is not self.v:  # u and v are of one size: what was scaled for u serves v
                scaled = mask.resize(plane.size, Image.Resampling.BILINEAR)
            plane.paste(level, (0, 0, *plane.size), scaled)

    def planes(self, style: str = "") -> tuple[Image.Image, Image.Image, Image.Image]:
        """Return the three planes; monochrome styles lose their chroma here."""
        if style in CASTS:
            u, v = CASTS[style]
            return self.y, Image.new("L", self.u.size, u), Image.new("L", self.v.size, v)
        return self.y, self.u, self.v
