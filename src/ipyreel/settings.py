"""What a person settled beforehand: one frozen `Settings` that knows where each value came from.

May import `values`, `errors`, platformdirs and the standard library. Nothing is read at import;
`Settings.load` reads the environment and the two `ipyreel.toml` files when it is called.
"""

from __future__ import annotations

import difflib
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import platformdirs

from ipyreel.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

TOML_NAME = "ipyreel.toml"
TABLES = frozenset({"providers", "models"})
"""Tables of an `ipyreel.toml` that belong to the catalog, not to the settings."""

Layer = Literal["default", "toml", "env", "config", "use", "option"]
"""Who said it, weakest first: a later layer wins over an earlier one, whenever it is applied."""

LAYERS: tuple[Layer, ...] = ("default", "toml", "env", "config", "use", "option")


@dataclass(frozen=True, slots=True, kw_only=True)
class Toml:
    """An `ipyreel.toml` as it was read; `error` points into it."""

    path: str
    data: Mapping[str, Any]
    text: str = field(default="", repr=False)

    def line_of(self, *keys: str) -> int | None:
        """Find the line (from 1) where the dotted key stands, or where the nearest part does.

        tomllib keeps no positions, so the text is searched, each key after the one before.
        """
        lines = self.text.splitlines()
        found, start = None, 0
        for key in keys:
            word = rf"(?:^|[\[.{{,\s])[\"']?{re.escape(key)}[\"']?\s*[=.\]]"
            hits = (
                n
                for n in range(start, len(lines))
                if not lines[n].lstrip().startswith("#") and re.search(word, lines[n])
            )
            start = next(hits, -1)
            if start < 0:
                return found
            found = start + 1
        return found

    def error(self, message: str, *keys: str) -> ConfigError:
        """Make the error that names file, line and key."""
        line = self.line_of(*keys)
        place = f"{self.path}:{line}" if line else self.path
        return ConfigError(
            f"{place}: {'.'.join(keys)}: {message}" if keys else f"{place}: {message}"
        )


def read_toml(path: Path) -> Toml:
    """Read a TOML file; raises ConfigError with file and line when it is not readable TOML."""
    try:
        # utf-8-sig: some editors on Windows put a byte order mark first, which TOML forbids.
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start}).") from error
    try:
        return Toml(path=str(path), data=tomllib.loads(text), text=text)
    except tomllib.TOMLDecodeError as error:
        # Before Python 3.14 the line is only in the message, and there not for the last one.
        found = re.search(r"at line (\d+)", str(error))
        line = found[1] if found else len(text.splitlines()) or 1
        raise ConfigError(f"{path}:{line}: not valid TOML: {error}") from error


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean x?` for a near miss, else an empty string."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]}?" if near else ""


# One reader for each kind of value. Each takes what a person typed (text from the environment,
# typed values from TOML or Python) and raises ValueError with what is allowed.


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("takes a text")
    return value.strip()


def _number(value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise ValueError("takes a number, 0 or more")
    return number


def _positive(value: Any) -> float:
    try:
        number = _number(value)
    except ValueError:
        number = 0
    if not number:
        raise ValueError("takes a number above 0")
    return number


def _whole(value: Any) -> int:
    try:
        number = _number(value)
    except ValueError:
        number = 0
    if number < 1 or not number.is_integer():
        raise ValueError("takes a whole number, 1 or more")
    return int(number)


def _flag(value: Any) -> bool:
    words = {"true": True, "yes": True, "on": True, "1": True}
    words |= {"false": False, "no": False, "off": False, "0": False}
    known = words.get(str(value).strip().lower())
    if known is None:
        raise ValueError("takes true or false")
    return known


def _wait(value: Any) -> Literal["auto"] | bool:
    if isinstance(value, str) and value.strip().lower() == "auto":
        return "auto"
    try:
        return _flag(value)
    except ValueError:
        raise ValueError("takes auto, true or false") from None


def _show(value: Any) -> str:
    word = value.strip().lower() if isinstance(value, str) else ""
    if word not in {"auto", "link", "embed"}:
        raise ValueError("takes auto, link or embed")
    return word


def _bytes(value: Any) -> int:
    units = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3}
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]?b)?\s*", str(value), re.IGNORECASE)
    if match is None or isinstance(value, bool):
        raise ValueError('takes a number of bytes, or a text such as "20 MB"')
    return int(float(match[1]) * units[(match[2] or "").lower()])


def read_size(value: Any) -> str:
    """Read "1280x720" (or 1280X720, 1280×720, or a server's word such as "720p").

    Raises ValueError with what is allowed.
    """
    text = _text(value)
    match = re.fullmatch(r"(\d{1,5})\s*[xX×*]\s*(\d{1,5})", text)
    if match is None:
        if re.fullmatch(r"[A-Za-z0-9:._-]+", text) and not re.fullmatch(r"[\d._-]+", text):
            return text
        raise ValueError("takes WIDTHxHEIGHT in pixels, for example 1280x720")
    if not int(match[1]) or not int(match[2]):
        raise ValueError("takes WIDTHxHEIGHT in pixels, both above 0")
    return f"{int(match[1])}x{int(match[2])}"


READERS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "provider": _text,
        "model": _text,
        "seconds": _positive,
        "size": read_size,
        "videos": _text,
        "max_cost": _number,
        "budget": _number,
        "parallel": _whole,
        "show": _show,
        "embed_limit": _bytes,
        "wait": _wait,
        "width": _whole,
        "loop": _flag,
        "muted": _flag,
        "autoplay": _flag,
        "deadline": _positive,
        "nest_asyncio": _flag,
    }
)
"""How each setting is read. These are the names a person can use in every layer."""

_SAID = {
    "default": "built in",
    "config": "%config VideoMagics.{name}",
    "use": "%video use",
    "option": "--{name}",
    "env": "IPYREEL_{NAME}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a value came from: which layer, and in words ("IPYREEL_PROVIDER", a file's path)."""

    layer: Layer
    where: str

    def __str__(self) -> str:
        return self.where


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be settled beforehand; `None` means "not said".

    `cwd` is the notebook's folder, `home` holds the library, `config_dir` the person's
    `ipyreel.toml`; `videos` is where MP4s go, relative to `cwd`. Money is in USD: `max_cost`
    per cell, `budget` per session. `embed_limit` is in bytes, `width` in CSS pixels.

    `deadline` is how long a job is polled, in seconds. It is 2 hours because giving up early
    is the costly mistake: docs.apiyi.com gives up after 15 minutes, some servers block for
    minutes inside the first POST alone, and gateways let a job queue for hours.
    """

    cwd: Path
    home: Path
    config_dir: Path
    files: tuple[Path, ...] = ()
    provider: str | None = None
    model: str | None = None
    seconds: float | None = None
    size: str | None = None
    videos: str = "videos"
    max_cost: float | None = None
    budget: float | None = None
    parallel: int = 4
    show: Literal["auto", "link", "embed"] = "auto"
    embed_limit: int = 20_000_000
    wait: Literal["auto"] | bool = "auto"
    width: int | None = None
    loop: bool = False
    muted: bool = False
    autoplay: bool = False
    deadline: float = 7200.0
    nest_asyncio: bool = False
    sources: Mapping[str, Source] = field(default_factory=dict)

    @property
    def videos_dir(self) -> Path:
        """The folder for finished files, absolute when `cwd` is."""
        return self.cwd / self.videos

    def source_of(self, name: str) -> Source:
        """Say where the value of a setting came from."""
        return self.sources.get(name) or Source(layer="default", where=_SAID["default"])

    def with_values(self, layer: Layer, /, **values: Any) -> Settings:
        """Lay values over these; a stronger layer's value stays, `None` means "not said".

        Raises ConfigError naming the setting, the value and what is allowed.
        """
        for name in values:
            if name not in READERS:
                allowed = ", ".join(READERS)
                hint = did_you_mean(name, READERS)
                raise ConfigError(f"{name} is no setting.{hint} There are: {allowed}.")
        return self._layered(
            (name, value, Source(layer=layer, where=_said(layer, name)))
            for name, value in values.items()
        )

    def _layered(self, items: Iterable[tuple[str, Any, Source]]) -> Settings:
        changes: dict[str, Any] = {}
        sources = dict(self.sources)
        for name, value, source in items:
            if value is None:
                continue
            known = _read(name, value, source.where)
            held = sources.get(name)
            if held is None or LAYERS.index(source.layer) >= LAYERS.index(held.layer):
                changes[name], sources[name] = known, source
        return replace(self, **changes, sources=MappingProxyType(sources))

    @classmethod
    def load(cls, environ: Mapping[str, str], cwd: Path) -> Settings:
        """Read the files and the environment; raises ConfigError naming where it looked.

        `IPYREEL_HOME` moves the library and the folder of the person's own `ipyreel.toml`.
        """
        moved = environ.get("IPYREEL_HOME", "").strip()
        home = (cwd / Path(moved).expanduser()).absolute() if moved else None
        settings = cls(
            cwd=cwd,
            home=home or platformdirs.user_data_path("ipyreel", appauthor=False),
            config_dir=home or platformdirs.user_config_path("ipyreel", appauthor=False),
            sources=_home_source(home),
        )
        files = [settings.config_dir / TOML_NAME, cwd / TOML_NAME]
        found = tuple(dict.fromkeys(path for path in files if path.is_file()))
        settings = replace(settings, files=found)
        for path in found:
            settings = settings.with_toml(read_toml(path))
        said = {name: environ.get(_said("env", name), "").strip() or None for name in READERS}
        return settings.with_values("env", **said)

    def with_toml(self, toml: Toml) -> Settings:
        """Lay the settings of an `ipyreel.toml` over these; raises ConfigError pointing into it."""
        items = []
        for name, value in toml.data.items():
            if name in TABLES:
                continue
            if name not in READERS:
                hint = did_you_mean(name, {*READERS, *TABLES})
                raise toml.error(f"is no setting.{hint}", name)
            line = toml.line_of(name)
            where = f"{toml.path}:{line}" if line else toml.path
            items.append((name, value, Source(layer="toml", where=where)))
        return self._layered(items)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings a person can make as plain data, by name."""
        names = (item.name for item in fields(self) if item.name in READERS)
        return {name: getattr(self, name) for name in names}


def _said(layer: Layer, name: str) -> str:
    """Say in words where a value of `layer` was typed."""
    text = _SAID.get(layer, layer)
    return text.format(
        name=name.replace("_", "-") if layer == "option" else name, NAME=name.upper()
    )


def _home_source(home: Path | None) -> Mapping[str, Source]:
    said = {"home": Source(layer="env", where="IPYREEL_HOME")} if home else {}
    return MappingProxyType(said)


def _read(name: str, value: Any, where: str) -> Any:
    try:
        return READERS[name](value)
    except ValueError as error:
        raise ConfigError(f"{where}: {name} = {value!r}: {error}.") from error
