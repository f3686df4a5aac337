"""Reads the settings from all their sources, and remembers where each value came from."""

from __future__ import annotations

import difflib
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import platformdirs

from ipyreel.errors import ConfigError
from ipyreel.values import to_usd

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

TOML_NAME = "ipyreel.toml"
TABLES = frozenset({"providers", "models"})
"""Tables of an `ipyreel.toml` that belong to the catalog, not to the settings."""

MAX_TOML_BYTES = 1_000_000
MAX_DEPTH = 24
"""Deepest nesting of tables and lists in an `ipyreel.toml`."""

Layer = Literal["default", "site", "user", "folder", "env", "config", "use", "option"]
"""Where a value was set, weakest first: a later layer overrides an earlier one.

"site", "user" and "folder" are `ipyreel.toml` files: of the machine, of the user and next to the
notebook. For a limit (see `LIMITS`) the smallest value applies instead.
"""

LAYERS: tuple[Layer, ...] = ("default", "site", "user", "folder", "env", "config", "use", "option")


@dataclass(frozen=True, slots=True, kw_only=True)
class Toml:
    """The content of an `ipyreel.toml`, or its trusted part; `error` names a line of it."""

    path: str
    data: Mapping[str, Any]
    text: str = field(default="", repr=False)
    trusted: bool = True

    def line_of(self, *keys: str) -> int | None:
        """Return the line (from 1) of the dotted key, or of its nearest part.

        tomllib keeps no positions, so the text is searched, each key after the previous one.
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

    def place(self, *keys: str) -> str:
        """Return the file's path, with the line of the key if it can be found."""
        line = self.line_of(*keys)
        return f"{self.path}:{line}" if line else self.path

    def error(self, message: str, *keys: str) -> ConfigError:
        """Return the error that names file, line and key."""
        place = self.place(*keys)
        return ConfigError(
            f"{place}: {'.'.join(keys)}: {message}" if keys else f"{place}: {message}"
        )


def read_toml(path: Path) -> Toml:
    """Read a TOML file; raises ConfigError with file and line if it is not valid TOML."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_TOML_BYTES + 1)
        # utf-8-sig: some editors on Windows write a byte order mark, which TOML forbids.
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start}).") from error
    if len(raw) > MAX_TOML_BYTES:
        raise ConfigError(f"{path}:1: is larger than {MAX_TOML_BYTES:,} bytes.")
    try:
        toml = Toml(path=str(path), data=tomllib.loads(text), text=text)
        _refuse_deep(toml.data)
    except RecursionError:
        # The line with the most brackets and dots: the error does not name one.
        lines = text.splitlines()
        deepest = max(range(len(lines)), key=lambda n: len(re.findall(r"[\[{.]", lines[n])))
        raise ConfigError(f"{path}:{deepest + 1}: not valid TOML: nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError is one; so is an integer of 5,000 digits
        raise ConfigError(f"{path}:{_line_in(error, text)}: not valid TOML: {error}") from None
    return toml


def _refuse_deep(data: object) -> None:
    """Raise RecursionError for tables that are nested too deeply (`[a.a.a.a ...]`)."""
    level = [data]
    for _ in range(MAX_DEPTH):
        tables = [one for one in level if isinstance(one, dict | list)]
        level = [
            item for one in tables for item in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return
    raise RecursionError


def _line_in(error: ValueError, text: str) -> int:
    """Return the line of a parse error.

    Before Python 3.14 it is only in the message, and missing for the last line.
    """
    lines = text.splitlines()
    found = re.search(r"at line (\d+)", str(error))
    if found:
        return int(found[1])
    if "digit" in str(error):
        return next((n for n, line in enumerate(lines, 1) if re.search(r"\d{4300}", line)), 1)
    return len(lines) or 1


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean x?` for a near miss, else an empty string."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]}?" if near else ""


# One reader for each kind of value. Each takes text (from the environment) or a typed value (from
# TOML or Python) and raises ValueError with what is allowed.


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("takes a text")
    return value.strip()


def _usd(value: Any) -> Decimal:
    try:
        return to_usd(value)
    except ValueError:
        raise ValueError("takes an amount in USD, 0 or more") from None


def _finite(value: Any) -> float:
    """Return a number; 0 for anything else."""
    try:
        number = 0.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return number if math.isfinite(number) else 0.0


def _positive(value: Any) -> float:
    number = _finite(value)
    if number <= 0:
        raise ValueError("takes a number above 0")
    return number


def _whole(value: Any) -> int:
    number = _finite(value)
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
        "max_cost": _usd,
        "budget": _usd,
        "budget_day": _usd,
        "budget_total": _usd,
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
"""How each setting is read. The names are the same in every layer."""

LIMITS = ("max_cost", "budget", "budget_day", "budget_total")
"""Settings in USD for which the smallest value of all layers applies; 0 is a limit."""

_PLACES = {
    "default": "built in",
    "config": "%config VideoMagics.{name}",
    "use": "%video use",
    "option": "--{name}",
    "env": "IPYREEL_{NAME}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a value came from: the layer, and its name ("IPYREEL_PROVIDER", a path with line)."""

    layer: Layer
    where: str

    def __str__(self) -> str:
        return self.where


Said = Mapping[str, "tuple[Any, Source]"]
"""What one layer sets: name -> value and where it was set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings; `None` means "not set".

    `cwd` is the notebook's folder, `home` holds the library, `config_dir` the user's
    `ipyreel.toml`; `videos` is the folder for MP4s, relative to `cwd`. Money is in USD:
    `max_cost` per cell, `budget` per session, `budget_day` per day and `budget_total` over the
    library. `embed_limit` is in bytes, `width` in CSS pixels. `layers` has what each layer sets;
    the other fields follow from it.

    `deadline` is how long a job is polled, in seconds. The default is 2 hours, since a job
    given up early is still paid for: some servers block for minutes in the first POST, and
    gateways queue jobs for hours.
    """

    cwd: Path
    home: Path
    config_dir: Path
    tomls: tuple[Toml, ...] = ()
    provider: str | None = None
    model: str | None = None
    seconds: float | None = None
    size: str | None = None
    videos: str = "videos"
    max_cost: Decimal | None = None
    budget: Decimal | None = None
    budget_day: Decimal | None = None
    budget_total: Decimal | None = None
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
    layers: Mapping[Layer, Said] = field(default_factory=dict, repr=False)

    @property
    def videos_dir(self) -> Path:
        """The folder for finished files, absolute if `cwd` is."""
        return self.cwd / self.videos

    @property
    def is_limited(self) -> bool:
        """Whether any limit on costs is set."""
        return any(getattr(self, name) is not None for name in LIMITS)

    def is_set(self, name: str) -> bool:
        """Whether any layer sets a value."""
        return _winner(self.layers, name) is not None

    def source_of(self, name: str) -> Source:
        """Return where the value of a setting came from."""
        found = _winner(self.layers, name)
        return found[1] if found else Source(layer="default", where=_PLACES["default"])

    def with_values(self, layer: Layer, /, **values: Any) -> Settings:
        """Change values in one layer; `None` (or the text "none") removes the layer's value.

        A value of a stronger layer still applies; for a limit, the smallest. Raises ConfigError
        naming the setting, the value and what is allowed.
        """
        said = dict(self.layers.get(layer, {}))
        for name in values:
            said.pop(name, None)
        said.update(_read_layer(layer, values))
        return self._with_layer(layer, said)

    def with_layer(self, layer: Layer, values: Mapping[str, Any]) -> Settings:
        """Replace all values of one layer; raises as `with_values` does."""
        return self._with_layer(layer, _read_layer(layer, values))

    def with_said(self, layer: Layer, other: Settings) -> Settings:
        """Replace a layer by the same layer of other settings."""
        return self._with_layer(layer, other.layers.get(layer, {}))

    def with_toml(self, toml: Toml, layer: Layer = "folder") -> Settings:
        """Replace a layer by an `ipyreel.toml`; raises ConfigError with file and line."""
        said: dict[str, tuple[Any, Source]] = {}
        for name, value in toml.data.items():
            if name in TABLES:
                continue
            if name not in READERS:
                hint = did_you_mean(name, {*READERS, *TABLES})
                raise toml.error(f"unknown setting.{hint}", name)
            source = Source(layer=layer, where=toml.place(name))
            if not _is_unset(name, value):
                said[name] = (_read(name, value, source.where), source)
        return self._with_layer(layer, said)

    def _with_layer(self, layer: Layer, said: Said) -> Settings:
        layers = MappingProxyType({**self.layers, layer: MappingProxyType(dict(said))})
        found = {name: _winner(layers, name) for name in READERS}
        values = {name: won[0] if won else _DEFAULTS[name] for name, won in found.items()}
        return replace(self, layers=layers, **values)

    @classmethod
    def load(
        cls,
        environ: Mapping[str, str],
        cwd: Path,
        *,
        accept: Callable[[Toml, Sequence[Toml]], Toml] = lambda toml, _before: toml,
    ) -> Settings:
        """Read the files and the environment; raises ConfigError naming where it looked.

        `accept` returns the trusted part of the file in `cwd`, given the files that were read
        before it. `IPYREEL_HOME` moves the library and the folder of the user's `ipyreel.toml`.
        `tomls` of the result are the files read.
        """
        settings = cls.without_files(environ, cwd)
        site = platformdirs.site_config_path("ipyreel", appauthor=False)
        places: tuple[tuple[Layer, Path], ...] = (
            ("site", site),
            ("user", settings.config_dir),
            ("folder", cwd),
        )
        found = {folder / TOML_NAME: layer for layer, folder in reversed(places)}
        files = {path: found[path] for path in reversed(found) if path.is_file()}
        tomls = list[Toml]()
        for path, layer in files.items():
            toml = read_toml(path)
            tomls.append(accept(toml, tomls) if layer == "folder" else toml)
            settings = settings.with_toml(tomls[-1], layer)
        settings = replace(settings, tomls=tuple(tomls))
        return settings.with_layer("env", _environment(environ))

    @classmethod
    def without_files(cls, environ: Mapping[str, str], cwd: Path) -> Settings:
        """Return the defaults, with the folders that the environment names."""
        moved = environ.get("IPYREEL_HOME", "").strip()
        home = (cwd / Path(moved).expanduser()).absolute() if moved else None
        source = Source(layer="env", where="IPYREEL_HOME")
        return cls(
            cwd=cwd,
            home=home or platformdirs.user_data_path("ipyreel", appauthor=False),
            config_dir=home or platformdirs.user_config_path("ipyreel", appauthor=False),
            layers={"default": {"home": (home, source)}} if home else {},
        )


_DEFAULTS: Mapping[str, Any] = {
    item.name: item.default for item in fields(Settings) if item.name in READERS
}


def _winner(layers: Mapping[Layer, Said], name: str) -> tuple[Any, Source] | None:
    """Return the value in force with its source: the strongest layer's, or the smallest limit."""
    found = [said[name] for layer in LAYERS if name in (said := layers.get(layer, {}))]
    if name in LIMITS:
        return min(found, key=lambda one: one[0], default=None)
    return found[-1] if found else None


def _environment(environ: Mapping[str, str]) -> dict[str, str | None]:
    return {name: environ.get(_place("env", name), "").strip() or None for name in READERS}


def _read_layer(layer: Layer, values: Mapping[str, Any]) -> dict[str, tuple[Any, Source]]:
    said: dict[str, tuple[Any, Source]] = {}
    for name, value in values.items():
        if name not in READERS:
            hint = did_you_mean(name, READERS)
            raise ConfigError(f"Unknown setting {name}.{hint} Known: {', '.join(READERS)}.")
        if not _is_unset(name, value):
            source = Source(layer=layer, where=_place(layer, name))
            said[name] = (_read(name, value, source.where), source)
    return said


def _is_unset(name: str, value: Any) -> bool:
    """Return whether a value clears a setting: None, and False if it is not a value."""
    if isinstance(value, str):
        value = {"none": None, "false": False}.get(value.strip().lower(), value)
    return value is None or (value is False and READERS[name] not in {_flag, _wait})


def _place(layer: Layer, name: str) -> str:
    """Return the name of the place where a value of `layer` was set."""
    text = _PLACES.get(layer, layer)
    return text.format(
        name=name.replace("_", "-") if layer == "option" else name, NAME=name.upper()
    )


def _read(name: str, value: Any, where: str) -> Any:
    try:
        return READERS[name](value)
    except ValueError as error:
        raise ConfigError(f"{where}: {name} = {value!r}: {error}.") from error
