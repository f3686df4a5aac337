"""Planes of a yuv420p frame and the sprites put on them; imports numpy and Pillow only.

Frames are composed as three 8-bit planes (BT.709, limited range), which is what the encoder
takes: composing RGB and converting every frame would cost more than the encoding itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
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
_WHOLE = 255
STEPS = 8
# Columns of a tile, and pairs of rows under which a run of them is no tile of its own.
_TILE, _SHORT = 480, 8
_NONE, _MIXED, _ALL = 0, 1, 2
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


def doubled(image: Image.Image) -> Image.Image:
    """Return a grey image at twice its size, as a bilinear resize does, in a fifth of the time."""
    small = np.asarray(image)
    thrice = small * np.uint16(3)
    wide = np.empty((small.shape[0], 2 * small.shape[1]), np.uint16)
    wide[:, 2::2] = thrice[:, 1:] + small[:, :-1]
    wide[:, 1:-1:2] = thrice[:, :-1] + small[:, 1:]
    wide[:, 0], wide[:, -1] = 4 * small[:, 0].astype(np.uint16), 4 * small[:, -1].astype(np.uint16)
    thrice = wide * np.uint16(3) + np.uint16(8)
    full = np.empty((2 * small.shape[0], wide.shape[1]), np.uint8)
    full[2::2] = (thrice[1:] + wide[:-1]) >> 4
    full[1:-1:2] = (thrice[:-1] + wide[1:]) >> 4
    full[0], full[-1] = (thrice[0] + wide[0]) >> 4, (thrice[-1] + wide[-1]) >> 4
    return Image.fromarray(full)


def _halved(plane: Floats) -> Floats:
    # Not mean(axis=(1, 3)) over blocks: for axes of length 2 that takes four times as long.
    rows = plane[::2] + plane[1::2]
    halved: Floats = (rows[:, ::2] + rows[:, 1::2]) * np.float32(0.25)
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

    def faded(self, opacity: float) -> Sprite:
        """Return what covers ``opacity`` as much; what has no mask stays whole."""
        if self.alpha is None or self.alpha_half is None:
            return self
        masks = faded(self.alpha, opacity), faded(self.alpha_half, opacity)
        return Sprite(self.y, self.u, self.v, *masks)

    def flipped(self, opacity: float) -> Sprite:
        """Return the mirror image in water below, covering ``opacity`` as much."""
        turn = Image.Transpose.FLIP_TOP_BOTTOM
        parts = [part and part.transpose(turn) for part in (self.y, self.u, self.v)]
        masks = [
            part and faded(part.transpose(turn), opacity) for part in (self.alpha, self.alpha_half)
        ]
        return Sprite(parts[0], parts[1], parts[2], masks[0], masks[1])


class Frames:
    """The pictures of one movement, each drawn when it is first shown.

    So the film begins before all are there, and a still needs but one.
    """

    def __init__(self, count: int, make: Callable[[int], Sprite]) -> None:
        self._make = make
        self._made: list[Sprite | None] = [None] * count

    def __len__(self) -> int:
        return len(self._made)

    def __getitem__(self, index: int) -> Sprite:
        found = self._made[index]
        if found is None:
            found = self._made[index] = self._make(index)
        return found

    def each(self, change: Callable[[Sprite], Sprite]) -> Frames:
        """Return the same movement, every picture changed."""
        return Frames(len(self), lambda index: change(self[index]))


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a large sprite, and where in it it stands."""

    x: int
    y: int
    piece: Sprite


def tiles(piece: Sprite) -> list[Tile]:
    """Return ``piece`` in tiles that show the same: nothing where it covers nothing.

    Where a tile covers everything it needs no mask. Blending a pixel costs ten times what
    copying one does, and of most layers only the edge is neither all nor nothing.
    """
    if piece.alpha is None or piece.alpha_half is None:
        return [Tile(0, 0, piece)]
    found = []
    for top, bottom, kind in _bands(piece):
        if kind != _MIXED:
            found += _tile(piece, (0, top, piece.size[0], bottom), kind)
            continue
        for left in range(0, piece.size[0], _TILE):
            right = min(left + _TILE, piece.size[0])
            part = _cut(piece, (left, top, right, bottom), masked=True)
            for low, high, inner in _bands(part):
                found += _tile(piece, (left, top + low, right, top + high), inner)
    return found


def _bands(piece: Sprite) -> list[tuple[int, int, int]]:
    """Return first row, end and kind of what covers nothing, everything, or is mixed.

    Rows go in pairs, for the planes of half the size; short bands count as mixed.
    """
    full, half = np.asarray(piece.alpha), np.asarray(piece.alpha_half)
    strips = full.reshape(len(half), -1), half
    least = np.minimum(*(strip.min(axis=1) for strip in strips))
    most = np.maximum(*(strip.max(axis=1) for strip in strips))
    kinds = np.where(least == _WHOLE, _ALL, np.where(most == 0, _NONE, _MIXED))
    edges = [0, *(np.flatnonzero(np.diff(kinds)) + 1).tolist(), len(kinds)]
    bands: list[tuple[int, int, int]] = []
    for begin, end in itertools.pairwise(edges):
        kind = int(kinds[begin]) if end - begin >= _SHORT else _MIXED
        top = bands.pop()[0] if bands and bands[-1][2] == kind else 2 * begin
        bands.append((top, 2 * end, kind))
    return bands


def _tile(piece: Sprite, box: tuple[int, int, int, int], kind: int) -> list[Tile]:
    masked = kind == _MIXED
    return [] if kind == _NONE else [Tile(box[0], box[1], _cut(piece, box, masked=masked))]


def _cut(piece: Sprite, box: tuple[int, int, int, int], *, masked: bool) -> Sprite:
    half = (box[0] // 2, box[1] // 2, box[2] // 2, box[3] // 2)
    return Sprite(
        piece.y.crop(box),
        piece.u.crop(half),
        piece.v.crop(half),
        piece.alpha.crop(box) if masked and piece.alpha else None,
        piece.alpha_half.crop(half) if masked and piece.alpha_half else None,
    )


def ladder(piece: Sprite) -> list[Sprite]:
    """Return ``piece`` in nine strengths, from nothing to all: fading it per frame costs more."""
    return [piece.faded(step / STEPS) for step in range(STEPS + 1)]


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

    def lay(self, parts: Sequence[Tile], x: float, y: float) -> None:
        """Put the tiles of a sprite with its upper left corner at (x, y)."""
        left, top = round(x), round(y)
        for part in parts:
            self.blit(part.piece, left + part.x, top + part.y)

    def wash(
        self, colour: Rgb, mask: Image.Image, x: int, y: int, *, half: Image.Image | None = None
    ) -> None:
        """Lay ``colour`` on as much as ``mask`` (full size, even sides) says; x and y even.

        ``half`` is the mask at half its size, where that is there already.
        """
        levels = yuv(colour)
        half = half or mask.reduce(2)
        self.y.paste(levels[0], (x, y, x + mask.width, y + mask.height), mask)
        corner = (x // 2, y // 2, x // 2 + half.width, y // 2 + half.height)
        self.u.paste(levels[1], corner, half)
        self.v.paste(levels[2], corner, half)

    def veil(self, colour: Rgb, mask: Image.Image) -> None:
        """Lay ``colour`` over the whole frame as much as ``mask``, of any size, says."""
        half = mask.resize(self.u.size, Image.Resampling.BILINEAR)
        self.wash(colour, doubled(half), 0, 0, half=half)

    def planes(self, style: str = "") -> tuple[Image.Image, Image.Image, Image.Image]:
        """Return the three planes; monochrome styles lose their chroma here."""
        if style in CASTS:
            u, v = CASTS[style]
            return self.y, Image.new("L", self.u.size, u), Image.new("L", self.v.size, v)
        return self.y, self.u, self.v
