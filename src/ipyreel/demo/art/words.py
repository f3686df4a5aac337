"""Reads a prompt: its words choose a scene.

The words are in `words.toml`, in English, Chinese and Vietnamese. A prompt without any known
subject gets an abstract picture in its colours and its mood, not a wrong subject.
"""

from __future__ import annotations

import colorsys
import functools
import hashlib
import re
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import TypeAlias

from ipyreel.demo.art.canvas import Rgb, mix

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

Sky: TypeAlias = tuple[Rgb, Rgb, Rgb, Rgb]

_NOT = (
    r"\b(?:without|no|not|never)(?: any| an?| the)? \w+"
    r"|\bkhông(?! gian| khí)(?: có)? \w+|没有? ?[^的,。、 ]{1,4}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The scene that a prompt describes, as choices; colours are RGB in 0..255."""

    place: str  # a place of `words.toml`, or "abstract"
    hour: str
    subjects: tuple[str, ...]
    air: tuple[str, ...]
    style: str
    tempo: float  # 1.0 is the ordinary pace
    accent: Rgb | None  # the first colour named
    sky: tuple[Rgb, Rgb, Rgb]  # zenith, middle, horizon
    light: Rgb  # of sun, moon or lamp
    tint: Rgb  # factors 0..1 for objects in that light
    digest: int  # of prompt and seed: the source of all random choices


def _pattern(words: str) -> str:
    """Return a regular expression for words that are separated by commas."""
    parts = []
    for word in words.split(", "):
        latin = re.fullmatch("[a-zà-ỹ ]+", word)  # Vietnamese ends at ỹ
        parts.append(rf"\b{word}(?:s|es)?\b" if latin else re.escape(word))
    return "|".join(parts)


@functools.cache
def tables() -> Mapping[str, Mapping[str, str]]:
    """Return the tables of `words.toml`."""
    text = resources.files(__package__).joinpath("words.toml").read_text(encoding="utf-8")
    found: Mapping[str, Mapping[str, str]] = tomllib.loads(text)
    return found


@functools.cache
def _finders(table: str) -> Mapping[str, re.Pattern[str]]:
    """Return for each row of a table the pattern of its words."""
    return {name: re.compile(_pattern(row)) for name, row in tables()[table].items()}


def _read_colour(text: str) -> Rgb:
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return (red, green, blue)


def _read_sky(name: str) -> Sky:
    high, middle, low, light = map(_read_colour, tables()["skies"][name].split())
    return (high, middle, low, light)


def _flat(prompt: str) -> str:
    """Return the prompt in lower case, without the things that it excludes."""
    text = re.sub(r"[\u2e80-\uffff]+", r" \g<0> ", unicodedata.normalize("NFC", prompt.lower()))
    text = re.sub(r"[\s_-]+", " ", text)
    return re.sub(_NOT, ";", _finders("elsewhere")["phrases"].sub(";", text))


def _named(text: str, table: str) -> list[str]:
    """Return the rows with a word in the text, in the text's order."""
    found = [(rule.search(text), name) for name, rule in _finders(table).items()]
    return [name for _, name in sorted((at.start(), name) for at, name in found if at)]


def _one(text: str, table: str) -> str:
    """Return the first row of the table that has a word in the text, or nothing."""
    return next((name for name, rule in _finders(table).items() if rule.search(text)), "")


def _colour(text: str, table: str) -> Rgb | None:
    found = _named(text, table)
    return _read_colour(found[0]) if found else None


def _hash(*parts: object) -> int:
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big")


def _of_hue(hue: float, lightness: float, saturation: float) -> Rgb:
    red, green, blue = colorsys.hls_to_rgb(hue % 1, lightness, saturation)
    return (255 * red, 255 * green, 255 * blue)


def _abstract_sky(prompt: str, text: str, hour: str) -> Sky:
    """Return the colours for an unknown subject: named, by mood, by hour, or at random."""
    colour = _colour(text, "colours") or _colour(text, "moods")
    if colour is not None:
        return (
            mix(colour, (6, 6, 14), 0.78),
            mix(colour, (20, 16, 40), 0.3),
            mix(colour, (255, 246, 230), 0.3),
            mix(colour, (255, 255, 255), 0.75),
        )
    if hour:
        return _read_sky(hour)
    # From cyan over violet to red: greens and olives make poor skies.
    hue = 0.5 + 0.42 * _hash("hue", prompt) / 2**64
    return (
        _of_hue(hue, 0.14, 0.62),
        _of_hue(hue + 0.05, 0.42, 0.66),
        _of_hue(hue + 0.13, 0.66, 0.8),
        _of_hue(hue + 0.18, 0.88, 0.85),
    )


def _sky(place: str, hour: str, style: str, accent: Rgb | None) -> Sky:
    """Return the sky over a known place, tinted by a colour that belongs to no subject."""
    neon = style == "neon" and hour in ("night", "storm")
    sky = _read_sky("space" if place == "space" else "neon" if neon else hour)
    if accent is None:
        return sky
    zenith, middle, horizon, light = (mix(colour, accent, 0.24) for colour in sky)
    return (zenith, middle, horizon, light)


def read_scene(prompt: str, *, seed: int = 0) -> Scene:
    """Choose a scene for ``prompt``; the same prompt and seed always give the same scene.

    The seed changes only `Scene.digest`: the layout, never what is in the picture.
    """
    text = _flat(prompt)
    subjects, air = tuple(_named(text, "subjects")), tuple(_named(text, "air"))
    style, hour = _one(text, "styles"), _one(text, "hours")
    accent = _colour(re.sub("golden (hour|light|retriever)", "", text), "colours")
    home = next((tables()["homes"][name] for name in (*subjects, *air)), "")
    place = _one(text, "places") or home or "abstract"
    if place == "meadow" and "snow" in air:
        place = "mountain"
    if place == "abstract":
        sky = _abstract_sky(prompt, text, hour or ("neon" if style == "neon" else ""))
    else:
        habits = tables()["habits"]
        usual = [habits[name] for name in (*subjects, *air, place) if name in habits]
        neon = ["night"] if style == "neon" else []
        hour = hour or [*neon, *usual, "day"][0]
        if place in ("mountain", "forest") and "aurora" in air:
            hour = "night"
        # A colour named together with a subject is the subject's.
        sky = _sky(place, hour, style, None if subjects else accent)
    if style in ("watercolor", "soft"):
        share = 0.26 if style == "watercolor" else 0.14
        high, middle, low, light = (mix(colour, (250, 246, 240), share) for colour in sky)
        sky = (high, middle, low, light)
    red, green, blue = _read_colour(tables()["lights"][hour or "day"])
    return Scene(
        place=place,
        hour=hour or "day",
        subjects=subjects,
        air=air,
        style=style,
        tempo=float(_one(text, "tempi") or 1),
        accent=accent,
        sky=sky[:3],
        light=sky[3],
        tint=(red / 255, green / 255, blue / 255),
        digest=_hash("layout", prompt, seed),
    )
