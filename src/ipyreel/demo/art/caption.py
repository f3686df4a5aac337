"""The words on a demo film: the prompt in a lower third, and the mark; imports Pillow and numpy."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

MARK = "demo picture - no AI model made this"
_LATIN = ("DejaVuSans.ttf",)
# Fonts with Chinese, Japanese or Korean glyphs as Linux, Windows and macOS name their files.
_WIDE = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "SourceHanSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "msyh.ttc",
    "simsun.ttc",
    "YuGothM.ttc",
    "malgun.ttf",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "Arial Unicode.ttf",
)
_LONGEST = 400
_LINES = 3
_TINY = 96
Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


def _open_font(names: tuple[str, ...], size: int) -> Font | None:
    for name in names:
        try:
            return ImageFont.truetype(name, size)
        except OSError:  # noqa: PERF203 - not on this machine; the list is short
            continue
    return None


def _bundled(size: int) -> Font:
    try:
        return ImageFont.load_default(size=size)
    except TypeError:  # Pillow 10.0 has only the bitmap font, of one size
        return ImageFont.load_default()


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
    """Return what can stand for a character that the font lacks: é as e, – as -, or nothing."""
    base = unicodedata.normalize("NFKD", character)[0]
    if unicodedata.category(character) == "Pd":
        base = "-"
    return base if base != character and known(base) else ""


def _readable(prompt: str, size: int) -> tuple[str, Font]:
    """Return what can be written of the prompt, and the font for it."""
    text = " ".join(unicodedata.normalize("NFC", prompt[: 4 * _LONGEST]).split())[:_LONGEST]
    font = _open_font(_LATIN, size) or _bundled(size)
    known = _draws(font)
    lost = [c for c in dict.fromkeys(text) if not known(c)]
    if lost and any(unicodedata.east_asian_width(c) in "WF" and c.isalpha() for c in lost):
        wide = _open_font(_WIDE, size)
        if wide is not None:
            font, known = wide, _draws(wide)
            lost = [c for c in dict.fromkeys(text) if not known(c)]
    kept = " ".join("".join(_nearest(c, known) if c in lost else c for c in text).split())
    gone = sum(text.count(c) for c in lost if c.isalpha() and not _nearest(c, known))
    if gone > len(text.replace(" ", "")) // 2:
        return f"(a prompt of {len(text)} characters, in a script this machine has no font for)", (
            _open_font(_LATIN, size) or _bundled(size)
        )
    return kept, font


def _pieces(text: str) -> list[str]:
    """Split where a line may break: at spaces, and before every wide character."""
    pieces: list[str] = []
    for character in text:
        wide = unicodedata.east_asian_width(character) in "WF"
        if pieces and not wide and not pieces[-1].endswith(" "):
            pieces[-1] += character
        else:
            pieces.append(character)
    return pieces


def _wrap(text: str, font: Font, room: float) -> list[str]:
    """Break ``text`` into at most three lines of ``room`` pixels; the rest becomes an ellipsis."""
    lines = [""]
    for piece in _pieces(text):
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


def _scrim(width: int, height: int, solid: float) -> Image.Image:
    """Return a dark veil, clear at its top, so that white letters can be read on anything."""
    ramp = np.clip(np.linspace(0, 1 / solid, height), 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp) * 150
    veil = np.zeros((height, width, 4), dtype=np.uint8)
    veil[..., :3] = (8, 8, 14)
    veil[..., 3] = ramp[:, None].astype(np.uint8)
    return Image.fromarray(veil)


def _write(sheet: Image.Image, at: tuple[int, int], text: str, font: Font, strength: int) -> None:
    shadow = Image.new("L", sheet.size, 0)
    ImageDraw.Draw(shadow).text(at, text, font=font, fill=170)
    shadow = shadow.filter(ImageFilter.GaussianBlur(max(1.0, sheet.width / 500)))
    dark = Image.new("RGBA", sheet.size, (0, 0, 0, 255))
    dark.putalpha(shadow)
    sheet.alpha_composite(dark)
    letters = Image.new("RGBA", sheet.size, (255, 255, 255, 0))
    ImageDraw.Draw(letters).text(at, text, font=font, fill=(255, 255, 255, strength))
    sheet.alpha_composite(letters)


def caption(prompt: str, width: int, height: int) -> Image.Image:
    """Return an RGBA strip, ``width`` wide, for the lower edge of a frame of that size.

    It holds the prompt in up to three lines and the mark. Characters that no font here can draw
    are left out; frames under 96 pixels get no words, for nobody could read them.
    """
    if min(width, height) < _TINY:
        return Image.new("RGBA", (width, 2), (0, 0, 0, 0))
    size = max(9, round(min(width, height) * 0.036, 0).__int__())
    small = max(8, round(size * 0.58))
    text, font = _readable(prompt, size)
    margin = round(width * 0.045)
    lines = _wrap(text, font, width - 2 * margin)
    step = round(size * 1.32)
    foot = round(small * 2.3)
    written = step * len(lines) + foot
    tall = min(height, round(written + size * 2.6) // 2 * 2)
    sheet = _scrim(width, tall, 0.75)
    top = tall - written
    for index, line in enumerate(lines):
        _write(sheet, (margin, top + index * step), line, font, 245)
    mark = _open_font(_LATIN, small) or _bundled(small)
    _write(sheet, (margin, tall - round(small * 1.8)), MARK, mark, 165)
    return sheet
