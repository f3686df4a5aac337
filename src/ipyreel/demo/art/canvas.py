"""The planes of a yuv420p frame, and the sprites drawn on them.

Frames are composed as three 8-bit planes (BT.709, limited range), the encoder's input format:
composing RGB and converting every frame would cost more than the encoding itself.
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
STEPS = 8
# The chroma of the two styles without colours.
_CASTS = {"mono": (128, 128), "sepia": (112, 143)}


def mix(one: Rgb, other: Rgb, share: float) -> Rgb:
    """Return ``one`` moved towards ``other`` by ``share`` (0..1)."""
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return (red, green, blue)


def scale(colour: Rgb, factor: float) -> Rgb:
    """Return ``colour`` multiplied by ``factor``, kept within 0..255."""
    red, green, blue = (min(255.0, max(0.0, level * factor)) for level in colour)
    return (red, green, blue)


def to_image(values: Floats) -> Image.Image:
    """Return an 8-bit grey image of a 2-D array in 0..255."""
    return Image.fromarray(np.clip(values + np.float32(0.5), 0, 255).astype(np.uint8))


def doubled(image: Image.Image) -> Image.Image:
    """Return a grey image at twice its size, smoothed; Pillow's resize takes five times as long."""
    small = np.asarray(image)
    full = np.empty((2 * small.shape[0], 2 * small.shape[1]), np.uint8)
    full[::2, ::2] = small
    full[::2, 1:-1:2] = (small[:, 1:] >> 1) + (small[:, :-1] >> 1)
    full[::2, -1] = small[:, -1]
    full[1:-1:2] = (full[2::2] >> 1) + (full[:-2:2] >> 1)
    full[-1] = full[-2]
    return Image.fromarray(full)


@dataclass(frozen=True, slots=True)
class Sprite:
    """A part of the picture: its planes, and its opacity mask (none: opaque)."""

    y: Image.Image
    u: Image.Image
    v: Image.Image
    alpha: Image.Image | None = None
    alpha_half: Image.Image | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, both even."""
        return self.y.size

    def faded(self, opacity: float) -> Sprite:
        """Return the sprite with its mask scaled by ``opacity``; without a mask, unchanged."""
        if self.alpha is None or self.alpha_half is None:
            return self
        levels = [round(level * opacity) for level in range(256)]
        masks = self.alpha.point(levels), self.alpha_half.point(levels)
        return Sprite(self.y, self.u, self.v, *masks)

    def turned(self, way: Image.Transpose) -> Sprite:
        """Return the mirror image."""
        masks = [mask and mask.transpose(way) for mask in (self.alpha, self.alpha_half)]
        return Sprite(*(plane.transpose(way) for plane in (self.y, self.u, self.v)), *masks)


def ladder(piece: Sprite) -> list[Sprite]:
    """Return ``piece`` at nine opacities, from 0 to 1: fading it for each frame costs more."""
    return [piece.faded(step / STEPS) for step in range(STEPS + 1)]


def _yuv(rgb: Floats) -> list[Floats]:
    planes = rgb.astype(np.float32) @ _TO_YUV.T + _OFFSET
    return [planes[..., index] for index in range(3)]


def painted(
    rgb: Floats, size: tuple[int, int], cover: Floats | None = None, *, dither: bool = False
) -> Sprite:
    """Return a sprite of ``size`` from colours (h, w, 3) on a coarser grid, and a full-size mask.

    Soft areas are painted at half their size or less: a quarter of the work, and the size of the
    chroma planes anyway. With ``dither`` the luma gets fixed noise of half a level, so that dark
    gradients do not band.
    """
    luma, u, v = _yuv(rgb)
    if dither:
        noise = np.random.default_rng(1).random(size[::-1], dtype=np.float32)
        fine = Image.fromarray(luma).resize(size, Image.Resampling.BILINEAR)
        y = to_image(np.asarray(fine) + noise - np.float32(0.5))
    else:
        y = to_image(luma).resize(size, Image.Resampling.BICUBIC)
    half = (size[0] // 2, size[1] // 2)
    planes = (y, to_image(u).resize(half), to_image(v).resize(half))
    if cover is None:
        return Sprite(*planes)
    alpha = to_image(cover).resize(size, Image.Resampling.BICUBIC)
    return Sprite(*planes, alpha, alpha.reduce(2))


def plain(colour: Rgb, cover: Floats) -> Sprite:
    """Return a sprite of one colour with the mask ``cover`` (even sides, 0..255)."""
    return painted(np.full((1, 1, 3), colour), (cover.shape[1], cover.shape[0]), cover)


def sprite_of(image: Image.Image) -> Sprite:
    """Return a sprite of an RGBA or RGB image of even width and height."""
    alpha = image.getchannel("A") if "A" in image.getbands() else None
    luma, u, v = _yuv(np.asarray(image.convert("RGB")))
    u, v = (plane[::2, ::2] / 2 + plane[1::2, 1::2] / 2 for plane in (u, v))
    return Sprite(to_image(luma), to_image(u), to_image(v), alpha, alpha and alpha.reduce(2))


class Canvas:
    """One frame being composed: planes y (full size), u and v (half size)."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.y = Image.new("L", (width, height), 16)
        self.u = Image.new("L", (width // 2, height // 2), 128)
        self.v = Image.new("L", (width // 2, height // 2), 128)

    def blit(self, piece: Sprite, x: float, y: float, *, grey: bool = False) -> None:
        """Draw ``piece`` with its upper left corner at (x, y); parts outside are cut off.

        With ``grey`` the colours below are kept: enough for small white things, in a third of
        the time.
        """
        left, top = round(x), round(y)
        wide, high = piece.size
        if left >= self.width or top >= self.height or left + wide <= 0 or top + high <= 0:
            return
        self.y.paste(piece.y, (left, top), piece.alpha)
        if grey:
            return
        self.u.paste(piece.u, (left >> 1, top >> 1), piece.alpha_half)
        self.v.paste(piece.v, (left >> 1, top >> 1), piece.alpha_half)

    def wash(self, colour: Rgb, half: Image.Image, x: int, y: int) -> None:
        """Blend in ``colour`` by a mask of half the size; x and y are even."""
        levels = [round(float(plane)) for plane in _yuv(np.asarray(colour))]
        box = (x, y, x + 2 * half.width, y + 2 * half.height)
        self.y.paste(levels[0], box, doubled(half))
        corner = (x // 2, y // 2, x // 2 + half.width, y // 2 + half.height)
        self.u.paste(levels[1], corner, half)
        self.v.paste(levels[2], corner, half)

    def veil(self, colour: Rgb, mask: Image.Image) -> None:
        """Blend ``colour`` into the whole frame by ``mask``, which may have any size."""
        self.wash(colour, mask.resize(self.u.size, Image.Resampling.BILINEAR), 0, 0)

    def planes(self, style: str) -> tuple[Image.Image, Image.Image, Image.Image]:
        """Return the three planes; styles without colours lose their chroma here."""
        if style in _CASTS:
            u, v = _CASTS[style]
            return self.y, Image.new("L", self.u.size, u), Image.new("L", self.v.size, v)
        return self.y, self.u, self.v
