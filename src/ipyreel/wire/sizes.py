"""Writes a size in pixels as the fields that a dialect wants: size, ratio, resolution."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from ipyreel.values import Json

_PIXELS = re.compile(r"(\d{1,5})[xX*×](\d{1,5})", re.ASCII)
_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9", "9:21")
_SHORT_SIDES = {360: "360p", 480: "480p", 512: "512p", 540: "540p", 720: "720p", 768: "768p"}
_LONG_SHORT_SIDES = {1024: "1024p", 1080: "1080p", 1440: "2k", 2160: "4k"}
_CLOSE = 0.04


def _pixels(size: str) -> tuple[int, int] | None:
    found = _PIXELS.fullmatch(size.strip())
    if found is None or int(found[1]) == 0 or int(found[2]) == 0:
        return None
    return int(found[1]), int(found[2])


def aspect_ratio(size: str) -> str | None:
    """Return the usual ratio nearest to "WxH" (within 4 %: 864x496 is 16:9), or None."""
    pixels = _pixels(size)
    if pixels is None:
        return None
    wanted = pixels[0] / pixels[1]

    def distance(ratio: str) -> float:
        across, down = ratio.split(":")
        return abs(wanted / (int(across) / int(down)) - 1)

    best = min(_RATIOS, key=distance)
    return best if distance(best) <= _CLOSE else None


def resolution(size: str) -> str | None:
    """Return the name of the short side ("720p"), a word as it is, or None."""
    pixels = _pixels(size)
    if pixels is None:
        return size.strip().lower() or None
    names = _SHORT_SIDES | _LONG_SHORT_SIDES
    short = min(names, key=lambda side: abs(side - min(pixels)))
    return names[short] if abs(short / min(pixels) - 1) <= _CLOSE else None


def _upper(text: str | None) -> str | None:
    return text.upper() if text else None


def _plain(size: str) -> dict[str, Json]:
    return {"size": size}


def _with_ratio(size: str) -> dict[str, Json]:
    return {"size": size, "aspect_ratio": aspect_ratio(size)}


def _size_or_resolution(size: str) -> dict[str, Json]:
    return {"size": size} if _pixels(size) else {"resolution": size}


def _ratio_and_upper(size: str) -> dict[str, Json]:
    return {"aspect_ratio": aspect_ratio(size), "resolution": _upper(resolution(size))}


def _ratio_and_lower(size: str) -> dict[str, Json]:
    return {"size": size, "aspect_ratio": aspect_ratio(size), "resolution": resolution(size)}


def _named_ratio(size: str) -> dict[str, Json]:
    return {"size": size, "ratio": aspect_ratio(size), "resolution": resolution(size)}


def _in_metadata(size: str) -> dict[str, Json]:
    inner = {"resolution": _upper(resolution(size)), "ratio": aspect_ratio(size)}
    return {"size": size, "metadata": {name: text for name, text in inner.items() if text}}


def _size_and_upper(size: str) -> dict[str, Json]:
    return {"size": size, "resolution": _upper(resolution(size))}


SIZES: Mapping[str, Callable[[str], dict[str, Json]]] = MappingProxyType(
    {
        "size": _plain,
        "size and ratio": _with_ratio,
        "size or resolution": _size_or_resolution,
        "ratio and RESOLUTION": _ratio_and_upper,
        "size, ratio and resolution": _ratio_and_lower,
        "size, named ratio and resolution": _named_ratio,
        "size and metadata": _in_metadata,
        "size and RESOLUTION": _size_and_upper,
    }
)
"""Every way to write a size, by the name that the rows of dialects use."""
