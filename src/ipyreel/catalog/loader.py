"""Reads the catalog: built-in rows, merged with those of the user's `ipyreel.toml` files."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from ipyreel.catalog.keys import TYPED, looks_like_key
from ipyreel.catalog.offers import NO_OFFERS, Offered
from ipyreel.catalog.rows import BUILT_IN, ROUTES, Model, Notice, Price, Provider
from ipyreel.errors import ConfigError, UnknownProvider
from ipyreel.settings import READERS, TABLES, Toml, did_you_mean, read_toml
from ipyreel.values import to_usd
from ipyreel.wire.dialects import DIALECTS
from ipyreel.wire.urls import base_url_problem

_T = TypeVar("_T")

MOST_ROWS = 1_000
"""Rows of one kind in one file: more make each start of a kernel slow."""

MOST_LIKE = 16
"""The longest chain of rows that a model's row may copy from."""

OUR_HEADERS = frozenset(
    {"accept-encoding", "connection", "content-length", "content-type", "host", "range"}
    | {"te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers of HTTP itself, in lower case: a row cannot set them."""

_SIZE = r"\d{2,5}x\d{2,5}|\d{3,4}[pP]|[248][kK]"
_DAY = r"20\d\d-[01]\d-[0-3]\d"

_AS_THE_DIALECT = ("routes", "content", "key_header")
"""Keys that a user's provider row inherits from the built-in row of its dialect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """The known providers and models, and what providers said about their models; immutable."""

    providers: Mapping[str, Provider]
    models: Mapping[str, Model]
    offers: Mapping[str, Offered] = field(default_factory=lambda: NO_OFFERS)

    @classmethod
    def load(cls, *paths: Path) -> Catalog:
        """Read the built-in rows and merge those of `paths` into them; later files win.

        A row needs only the keys that differ from the built-in row of the same name. Raises
        ConfigError naming file, line and key.
        """
        return cls.of(*map(read_toml, paths))

    @classmethod
    def of(cls, *tomls: Toml) -> Catalog:
        """Merge rows from files that are already read; raises what `load` raises."""
        tomls = (_built_in("providers.toml"), _built_in("models.toml"), *tomls)
        rows = _Rows(tomls)
        providers = {name: _provider(rows.table("providers", name)) for name in rows.providers}
        models = {name: _model(rows.table("models", name)) for name in rows.models}
        for toml in tomls:
            _check_settings(toml, providers)
        return cls(providers=MappingProxyType(providers), models=MappingProxyType(models))

    def provider(self, name: str) -> Provider:
        """Return the provider's row; raises UnknownProvider listing the known ones."""
        if name not in self.providers and looks_like_key(name):
            raise UnknownProvider("A key was given as the name of a provider.", hint=TYPED)
        if name not in self.providers:
            known = ", ".join(self.providers)
            hint = did_you_mean(name, self.providers)
            raise UnknownProvider(f'Unknown provider "{name}".{hint} Known: {known}.')
        return self.providers[name]

    def model(self, name: str | None, provider: Provider) -> Model | None:
        """Return the row of a model at a provider; None: unknown, so nothing is checked.

        A vendor prefix is ignored: at a gateway "gemini/some-model" is "some-model".
        """
        name = name or ""
        row = self.models.get(name) or self.models.get(name.rpartition("/")[2])
        row = row if row is not None and row.is_at(provider) else None
        offered = self.offers.get(provider.name)
        return row if offered is None else offered.model(name, row, provider)

    def models_of(self, provider: Provider) -> tuple[Model, ...]:
        """Return the known models of a provider, in the catalog's order."""
        rows = (model for model in self.models.values() if model.is_at(provider))
        offered = self.offers.get(provider.name)
        return tuple(rows if offered is None else offered.models(rows, provider))

    def model_names(self, provider: Provider) -> tuple[str, ...]:
        """Return every model name to offer at a provider, those in its own row first."""
        known = (model.name for model in self.models_of(provider))
        return tuple(dict.fromkeys((*provider.models, *known)))


class _Rows:
    """The tables of all files, merged row by row, each with the last file that defined it."""

    def __init__(self, tomls: Iterable[Toml]) -> None:
        self.providers: dict[str, dict[str, Any]] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self._files: dict[tuple[str, str], Toml] = {}
        self._origins: dict[tuple[str, str], str] = {}
        for toml in tomls:
            for kind in sorted(TABLES):
                self._add(kind, toml)

    def _add(self, kind: str, toml: Toml) -> None:
        merged: dict[str, dict[str, Any]] = getattr(self, kind)
        rows = Table(toml.data.get(kind, {}), toml, kind).left
        if len(rows) > MOST_ROWS:
            raise toml.error(f"{len(rows)} rows, more than {MOST_ROWS}", kind)
        for name, row in rows.items():
            own = Table(row, toml, kind, name).left
            if not re.fullmatch(r"[^\s\"']+", name) or not name.isprintable():
                raise toml.error("a name must not contain spaces or quotes", kind, name)
            if toml.trusted or name not in merged:
                # Otherwise the row keeps its origin, which decides which provider is chosen.
                self._origins[kind, name] = toml.path
            merged[name] = {**merged.get(name, {}), **own}
            self._files[kind, name] = toml

    def table(self, kind: str, name: str) -> Table:
        """Return one merged row with `like` resolved; errors name its file."""
        merged: dict[str, dict[str, Any]] = getattr(self, kind)
        toml, origin = self._files[kind, name], self._origins[kind, name]
        row, seen = dict(merged[name]), [name]
        if kind == "providers" and origin != BUILT_IN:
            base = merged.get(row.get("dialect", "generic"), {})
            row = {key: base[key] for key in _AS_THE_DIALECT if key in base} | row
            row.setdefault("needs_key", bool(row.get("key_vars")))
        while kind == "models" and "like" in row:
            like = row.pop("like")
            if len(seen) > MOST_LIKE:
                text = f"copies from more than {MOST_LIKE} rows, one from the other"
                raise toml.error(text, kind, name, "like")
            if like in seen or like not in merged:
                raise toml.error(
                    f"{like!r}: takes the name of another model row", kind, name, "like"
                )
            seen.append(like)
            row = {**merged[like], **row}
        table = Table(row, toml, kind, name)
        table.origin = origin
        return table


def built_in_names() -> dict[str, frozenset[str]]:
    """Return the names of the rows shipped with the package, by table."""
    return {kind: frozenset(_built_in(f"{kind}.toml").data[kind]) for kind in sorted(TABLES)}


@cache
def _built_in(name: str) -> Toml:
    return replace(read_toml(Path(__file__).with_name(name)), path=BUILT_IN)


def _check_settings(toml: Toml, providers: Mapping[str, Provider]) -> None:
    """Refuse a name that no setting has, and a provider that no row has."""
    table = Table(toml.data, toml)
    for key in (*TABLES, *READERS):
        if key != "provider":
            table.take(key)
    name = table.text("provider")
    table.done()
    if name is not None and name not in providers:
        hint = did_you_mean(name, providers)
        raise toml.error(f'unknown provider "{name}".{hint}', "provider")


def _provider(table: Table) -> Provider:
    base_url = table.text("base_url")
    problem = base_url_problem(base_url) if base_url else None
    if problem:
        # The address is not repeated: it may contain a password.
        raise table.error(problem, "base_url")
    name = table.keys[-1]
    row = table.row(
        Provider,
        name=name,
        title=table.text("title") or name,
        base_url=base_url,
        dialect=table.word("dialect", tuple(DIALECTS)) or "generic",
        key_header=table.text("key_header") or "Authorization",
        routes=frozenset(table.texts("routes", ROUTES)),
        content=table.word("content", ("content", "url")) or "content",
        headers=_headers(table),
        origin=table.origin,
    )
    if not (row.base_url or row.base_url_vars or row.free):
        raise table.error("needs base_url, the address of the server")
    if row.needs_key and not row.key_vars and row.origin == BUILT_IN:
        raise table.error("needs key_vars, since it needs a key")
    _check_facts(table, row.source, row.checked)
    return row


def _headers(table: Table) -> Mapping[str, str]:
    found = table.mapping("headers", Table.text)
    for name, value in found.items():
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or name.lower() in OUR_HEADERS:
            raise table.error("takes names of headers that ipyreel does not set", "headers", name)
        if not value.isascii() or not value.isprintable():
            raise table.error("takes printable ASCII text", "headers", name)
    return found


def _model(table: Table) -> Model:
    images = table.pair("images")
    row = table.row(
        Model,
        name=table.keys[-1],
        family=table.text("family") or table.keys[-1],
        title=table.text("title") or table.keys[-1],
        images=(int(images[0]), int(images[1])) if images else None,
        prices=tuple(_price(price) for price in table.tables("prices")),
        least_prices=tuple(_price(price) for price in table.tables("least_prices")),
        offered_prices=(),  # the provider's own prices are never in such a file
        asked="",
        listed=True,
        warnings=tuple(_notice(notice) for notice in table.tables("warnings")),
        origin=table.origin,
    )
    _check_model(table, row)
    return _with_possible_defaults(row)


def _check_model(table: Table, row: Model) -> None:
    """Raise ConfigError for facts that contradict each other."""
    _check_facts(table, row.source, row.checked)
    for key, size in [("sizes", one) for one in row.sizes] + [("default_size", row.default_size)]:
        if size is not None and not re.fullmatch(_SIZE, size):
            raise table.error(f'"{size}": takes WIDTHxHEIGHT, or a word such as 720p', key)
    if row.ended is not None and not re.fullmatch(_DAY, row.ended):
        raise table.error(f'"{row.ended}": takes a date such as 2026-01-31', "ended")
    if row.origin == BUILT_IN and not row.providers:
        raise table.error("needs providers")


def _with_possible_defaults(row: Model) -> Model:
    """Return a row without defaults that it does not allow.

    A user's row may name other sizes or seconds than the shipped one that it changes.
    """
    size, seconds = row.default_size, row.default_seconds
    least, most = row.seconds_range or (0.0, math.inf)
    if size is not None and row.sizes and size not in row.sizes:
        size = None
    if seconds is not None and not (
        seconds in (row.seconds or (seconds,)) and least <= seconds <= most
    ):
        seconds = None
    if (size, seconds) == (row.default_size, row.default_seconds):
        return row
    return replace(row, default_size=size, default_seconds=seconds)


def _check_facts(table: Table, source: str, checked: str) -> None:
    """Raise ConfigError if a shipped row lacks its source or the day it was checked."""
    if table.origin == BUILT_IN and not (source and re.fullmatch(_DAY, checked)):
        raise table.error("needs source and checked (a date such as 2026-01-31)")


def _price(table: Table) -> Price:
    own = "" if table.toml.path == BUILT_IN else table.toml.path
    row = table.row(
        Price,
        usd_per_image=table.usd("usd_per_image") or Decimal(0),
        free_images=int(table.number("free_images") or 0),
        source=table.text("source") or own,
    )
    if (row.usd_per_second is None) == (row.usd_per_video is None):
        raise table.error("needs either usd_per_second or usd_per_video")
    shipped = not own and table.keys[-1] == "prices"
    if shipped and not (row.source and row.checked):
        raise table.error("needs source and checked (a date such as 2026-01-31)")
    return row


def _notice(table: Table) -> Notice:
    row = table.row(Notice)
    if not row.text:
        raise table.error("needs a text")
    return row


class Table:
    """A table of a TOML file, read key by key; `done` refuses the remaining keys.

    `keys` is the dotted path of the table in the file, `origin` says which file the row is from.
    Values of the wrong type raise ConfigError with file, line and key.
    """

    def __init__(self, data: Any, toml: Toml, *keys: str) -> None:
        self.toml = toml
        self.origin = toml.path
        self.keys = keys
        if not isinstance(data, Mapping):
            raise toml.error("takes a table", *keys)
        self.left = dict(data)
        self.asked: set[str] = set()

    def error(self, message: str, *keys: str) -> ConfigError:
        """Return the error that names file, line and key."""
        return self.toml.error(message, *self.keys, *keys)

    def take(self, key: str) -> Any:
        """Read a value of any type; None if the key is missing."""
        self.asked.add(key)
        return self.left.pop(key, None)

    def text(self, key: str) -> str | None:
        """Read a text; a TOML date is read as text."""
        value = self.take(key)
        if isinstance(value, dt.date):
            return value.isoformat()
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise self.error(f"{value!r}: takes a text", key)
        return value

    def word(self, key: str, allowed: frozenset[str] | tuple[str, ...]) -> str | None:
        """Read one of the allowed words."""
        value = self.text(key)
        if value is not None and value not in allowed:
            raise self.error(self._not_allowed(value, allowed), key)
        return value

    def flag(self, key: str) -> bool:
        """Read a boolean; false if the key is missing."""
        value = self.take(key)
        if value is not None and not isinstance(value, bool):
            raise self.error(f"{value!r}: takes true or false", key)
        return bool(value)

    def number(self, key: str) -> float | None:
        """Read a number, 0 or more."""
        value = self.take(key)
        return None if value is None else self._number(value, key)

    def usd(self, key: str) -> Decimal | None:
        """Read an amount in USD, 0 or more."""
        value = self.take(key)
        if value is None:
            return None
        try:
            return to_usd(value)
        except ValueError:
            raise self.error(f"{value!r}: takes an amount in USD, 0 or more", key) from None

    def texts(self, key: str, allowed: frozenset[str] | None = None) -> tuple[str, ...]:
        """Read a list of texts; empty if the key is missing."""
        found = self._list(key, self._text)
        for value in found or ():
            if allowed is not None and value not in allowed:
                raise self.error(self._not_allowed(value, allowed), key)
        return found or ()

    def numbers(self, key: str) -> tuple[float, ...] | None:
        """Read a list of numbers, each 0 or more."""
        return self._list(key, self._number)

    def pair(self, key: str) -> tuple[float, float] | None:
        """Read two numbers: [least, most]."""
        found = self.numbers(key)
        if found is None:
            return None
        if len(found) != 2 or found[0] > found[1]:  # noqa: PLR2004  (a pair)
            raise self.error("takes two numbers, [least, most]", key)
        return found[0], found[1]

    def tables(self, key: str) -> list[Table]:
        """Read a list of tables."""
        found = self.take(key)
        if found is not None and not isinstance(found, list):
            raise self.error("takes a list of tables", key)
        return [Table(item, self.toml, *self.keys, key) for item in found or ()]

    def mapping(self, key: str, read: Callable[[Table, str], _T | None]) -> Mapping[str, _T]:
        """Read a table of values, each by `read`."""
        value = self.take(key)
        if value is None:
            return MappingProxyType({})
        table = Table(value, self.toml, *self.keys, key)
        found = {name: read(table, name) for name in tuple(table.left)}
        return MappingProxyType({name: one for name, one in found.items() if one is not None})

    def row(self, kind: type[_T], **own: Any) -> _T:
        """Read a row of the catalog, each field by its type except `own`; refuses other keys."""
        names = {name: hint for name, hint in kind.__annotations__.items() if name not in own}
        read = {name: _BY_TYPE[hint](self, name) for name, hint in names.items()}
        self.done()
        return kind(**read, **own)

    def done(self) -> None:
        """Raise ConfigError for the first unknown key."""
        for key in self.left:
            raise self.error(f"unknown key.{did_you_mean(key, self.asked)}", key)

    def _list(self, key: str, read: Callable[[Any, str], _T]) -> tuple[_T, ...] | None:
        value = self.take(key)
        if value is None:
            return None
        if not isinstance(value, list):
            raise self.error(f"{value!r}: takes a list", key)
        return tuple(read(item, key) for item in value)

    def _text(self, value: Any, key: str) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"{value!r}: takes a list of texts", key)
        return value

    def _number(self, value: Any, key: str) -> float:
        # `not >=`, so that nan is refused, too.
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise self.error(f"{value!r}: takes a number, 0 or more", key)
        return value

    @staticmethod
    def _not_allowed(value: str, allowed: frozenset[str] | tuple[str, ...]) -> str:
        words = sorted(allowed) if isinstance(allowed, frozenset) else allowed
        return f'"{value}": takes {", ".join(words)}.{did_you_mean(value, words)}'


_BY_TYPE: Mapping[str, Callable[[Table, str], Any]] = {
    "str": lambda table, key: table.text(key) or "",
    "str | None": Table.text,
    "bool": Table.flag,
    "float | None": Table.number,
    "Decimal | None": Table.usd,
    "tuple[str, ...]": Table.texts,
    "tuple[float, ...] | None": Table.numbers,
    "tuple[float, float] | None": Table.pair,
    "Mapping[str, str]": lambda table, key: table.mapping(key, Table.text),
    "Mapping[str, tuple[str, ...]]": lambda table, key: table.mapping(key, Table.texts),
    "Mapping[str, tuple[float, ...]]": lambda table, key: table.mapping(key, Table.numbers),
}
"""How a field is read, by its type annotation in `rows`."""
