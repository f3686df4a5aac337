"""What makes drawing quick shows the same picture as what it stands for."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ipyreel.demo.art import canvas as drawing
from ipyreel.demo.art.canvas import Canvas, Frames, doubled, sprite, tiles
from ipyreel.demo.art.stage import noise, smooth


def layer(width, height, kind):
    dice = np.random.default_rng(7)
    rgb = dice.uniform(0, 255, (height, width, 3)).astype(np.float32)
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    line = 0.3 + 0.4 * noise(dice, (height, width), (1, 5))
    cover = {
        "ridge": smooth(rows - line, 0.0, 0.02),
        "clouds": smooth(noise(dice, (height, width), (4, 6)), 0.5, 0.7),
        "nothing": 0 * line,
        "all": 0 * line + 1,
        "band": smooth(np.abs(rows - 0.5) + 0 * line, 0.3, 0.2),
    }
    return sprite(rgb, cover[kind] * 255)


@pytest.mark.parametrize("kind", ["ridge", "clouds", "nothing", "all", "band"])
@pytest.mark.parametrize("at", [(0, 0), (-7, 3), (-501, -20), (30.5, 61.0)])
def test_tiles_show_what_the_whole_shows(kind, at):
    piece = layer(1100, 150, kind)
    one, other = Canvas(640, 180), Canvas(640, 180)
    one.blit(piece, *at)
    other.lay(tiles(piece), *at)
    for name in "yuv":
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


def test_what_covers_all_or_nothing_is_not_blended():
    size = drawing._TILE * 2, 400
    found = tiles(layer(*size, "ridge"))
    assert any(one.piece.alpha is None for one in found)
    shown = sum(one.piece.size[0] * one.piece.size[1] for one in found)
    assert shown < size[0] * size[1] * 0.8
    assert tiles(layer(*size, "nothing")) == []


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (8, 9), (61, 30)])
def test_doubled_is_a_bilinear_resize_to_within_a_level(size):
    values = np.random.default_rng(3).integers(0, 256, size[::-1], dtype=np.uint8)
    small = Image.fromarray(values)
    wanted = small.resize((2 * size[0], 2 * size[1]), Image.Resampling.BILINEAR)
    away = np.asarray(doubled(small), dtype=int) - np.asarray(wanted, dtype=int)
    assert np.abs(away).max() <= 1


def test_a_movement_is_drawn_as_far_as_it_is_shown():
    drawn = []

    def make(index):
        drawn.append(index)
        return layer(8, 8, "all")

    frames = Frames(12, make)
    turned = frames.each(lambda piece: piece.flipped(0.5))
    assert len(turned) == 12
    assert turned[3] is turned[3]
    assert frames[3] is frames[3]
    assert drawn == [3]
