"""The words on a demo video: the prompt in a lower third, and the mark below it."""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont

MARK = "demo picture - no AI model made this"
ABSTRACT = "abstract demo picture (subject not known) - no AI model made this"
# Fonts with Latin and Vietnamese letters first, then Chinese, Japanese or Korean ones, by their
# file names on Linux, Windows and macOS.
_FONTS = (
    "DejaVuSans.ttf", "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf",
    "SourceHanSansSC-Regular.otf", "wqy-microhei.ttc", "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf", "msyh.ttc", "simsun.ttc", "YuGothM.ttc", "malgun.ttf",
    "PingFang.ttc", "Hiragino Sans GB.ttc", "Arial Unicode.ttf",
)  # fmt: skip
SCRIPTS = {"Chinese": "水墨风格", "Japanese": "さくら", "Korean": "한국어"}
"""A few words in each script that needs a special font."""

_LONGEST = 400
_LINES = 3
_TINY = 96
Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


def _fonts(size: int) -> Iterator[Font]:
    """Yield the fonts of this machine; Pillow's own font comes last."""
    for name in _FONTS:
        with contextlib.suppress(OSError):
            yield ImageFont.truetype(name, size)
    yield ImageFont.load_default(size=size)


def _shape(font: Font, character: str) -> bytes | None:
    try:
        return bytes(font.getmask(character))
    except (UnicodeEncodeError, OSError, ValueError):
        return None


def _draws(font: Font) -> Callable[[str], bool]:
    """Return a test of whether ``font`` has a glyph: a missing one looks like U+10FFFF's."""
    missing = _shape(font, "\U0010ffff")

    def has(character: str) -> bool:
        shape = _shape(font, character)
        return character == " " or (shape is not None and len(shape) > 0 and shape != missing)

    return has


def _nearest(character: str, known: Callable[[str], bool]) -> str:
    """Return a substitute for a character that the font lacks: é as e, – as -, or nothing."""
    base = unicodedata.normalize("NFKD", character)[0]
    if unicodedata.category(character) == "Pd":
        base = "-"
    return base if base != character and known(base) else ""


def _readable(prompt: str, size: int) -> tuple[str, Font]:
    """Return the part of the prompt that can be written, and the font that has most of it."""
    text = " ".join(unicodedata.normalize("NFC", prompt[: 4 * _LONGEST]).split())[:_LONGEST]
    best, kept, lost = next(_fonts(size)), "", len(text) + 1
    for font in _fonts(size):
        known = _draws(font)
        near = {c: c if known(c) else _nearest(c, known) for c in dict.fromkeys(text)}
        gone = sum(c.isalpha() and not near[c] for c in text)
        if gone < lost:
            best, kept, lost = font, "".join(near[c] for c in text), gone
        if not gone:
            break
    if lost > len(text.replace(" ", "")) // 2:
        kept = f"(a prompt of {len(text)} characters, in a script this machine has no font for)"
    return " ".join(kept.split()), best


def missing_scripts() -> list[str]:
    """Return the scripts of `SCRIPTS` that no font of this machine can write."""
    return [name for name, sample in SCRIPTS.items() if _readable(sample, 12)[0] != sample]


def _wrap(text: str, font: Font, room: float) -> list[str]:
    """Break ``text`` into at most three lines of ``room`` pixels; the rest becomes an ellipsis."""
    lines = [""]
    # A line may break at spaces, and next to any Chinese, Japanese or Korean character.
    for piece in re.findall(r"[\u2e80-\uffff]\s*|[^\s\u2e80-\uffff]+\s*", text):
        fits = font.getlength(lines[-1] + piece.rstrip()) <= room
        if fits or not lines[-1]:
            lines[-1] += piece
            while font.getlength(lines[-1].rstrip()) > room and len(lines[-1]) > 1:
                cut = max(1, int(len(lines[-1]) * room / font.getlength(lines[-1])))
                lines[-1:] = [lines[-1][:cut], lines[-1][cut:]]
        else:
            lines.append(piece)
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) > _LINES:
        lines = lines[:_LINES]
        while lines[-1] and font.getlength(lines[-1] + "…") > room:
            lines[-1] = lines[-1][:-1]
        lines[-1] = lines[-1].rstrip(" ,.;") + "…"
    return lines


def _scrim(size: tuple[int, int]) -> Image.Image:
    """Return a dark gradient, clear at its top: white letters are readable on any background."""
    veil = Image.new("RGBA", size, (8, 8, 14, 0))
    ramp = Image.linear_gradient("L").resize(size)
    veil.putalpha(ramp.point([min(150, round(0.9 * level)) for level in range(256)]))
    return veil


def caption(prompt: str, width: int, height: int, *, mark: str = MARK) -> Image.Image:
    """Return an RGBA strip, ``width`` wide, for the lower edge of a frame of that size.

    It has the prompt in up to three lines and the mark. Characters that no font here can draw
    are left out; frames under 96 pixels get no words, since they would not be readable.
    """
    if min(width, height) < _TINY:
        return Image.new("RGBA", (width, 2), (0, 0, 0, 0))
    size = max(9, round(min(width, height) * 0.036))
    small = max(8, round(size * 0.58))
    text, font = _readable(prompt, size)
    margin = round(width * 0.045)
    lines = _wrap(text, font, width - 2 * margin)
    step = round(size * 1.32)
    foot = round(small * 2.3)
    written = step * len(lines) + foot
    tall = min(height, round(written + size * 2.6) // 2 * 2)
    sheet = _scrim((width, tall))
    top = tall - written
    pen = ImageDraw.Draw(sheet)
    for index, line in enumerate(lines):
        pen.text((margin, top + index * step), line, font=font, fill=(255, 255, 255, 250))
    foot_font = next(_fonts(small))
    pen.text((margin, tall - round(small * 1.8)), mark, font=foot_font, fill=(204, 204, 206, 235))
    return sheet
