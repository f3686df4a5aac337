"""Makes real videos larger: the same pictures, with noise up to a wanted size."""

from __future__ import annotations

import random
import struct
from pathlib import Path

BLOCK = 2**20
HEADER = 8


def padded(source: Path, target: Path, size: int, *, seed: int = 0) -> None:
    """Write the MP4 of `source` to `target`, made `size` bytes long by a box that players skip.

    The bytes inside are noise, so that a piece in the wrong place is detected.
    """
    film = source.read_bytes()
    left = size - len(film) - HEADER
    noise = random.Random(seed)  # noqa: S311 - bytes, not secrets
    with target.open("wb") as file:
        file.write(film + struct.pack(">I4s", left + HEADER, b"free"))
        while left:
            block = noise.randbytes(min(BLOCK, left))
            file.write(block)
            left -= len(block)
