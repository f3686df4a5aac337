"""Reading one table of a TOML file into typed values, with errors that point into the file.

May import `settings` (for the file itself) only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from ipyreel.errors import ConfigError
from ipyreel.settings import Toml, did_you_mean

_T = TypeVar("_T")


class Table:
    """One table: each question takes a key out of it, and `done` complains of what is left.

    `keys` is the dotted path of the table in the file, for error messages.
    """

    def __init__(self, data: Any, toml: Toml, *keys: str) -> None:
        self.toml = toml
        self.keys = keys
        if not isinstance(data, Mapping):
            raise toml.error("takes a table", *keys)
        self.left = dict(data)
        self.asked: set[str] = set()

    def error(self, message: str, *keys: str) -> ConfigError:
        """Make the error that names file, line and key."""
        return self.toml.error(message, *self.keys, *keys)

    def take(self, key: str) -> Any:
        """Take a value out, whatever it is; None when it is not there."""
        self.asked.add(key)
        return self.left.pop(key, None)

    def text(self, key: str) -> str | None:
        """Take a text; a date of TOML is one too."""
        value = self.take(key)
        if isinstance(value, dt.date):
            return value.isoformat()
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise self.error(f"{value!r}: takes a text", key)
        return value

    def word(self, key: str, allowed: frozenset[str] | tuple[str, ...]) -> str | None:
        """Take one of the allowed words."""
        value = self.text(key)
        if value is not None and value not in allowed:
            raise self.error(self._not_allowed(value, allowed), key)
        return value

    def flag(self, key: str) -> bool:
        """Take true or false; false when it is not there."""
        value = self.take(key)
        if value is not None and not isinstance(value, bool):
            raise self.error(f"{value!r}: takes true or false", key)
        return bool(value)

    def number(self, key: str) -> float | None:
        """Take a number, 0 or more."""
        value = self.take(key)
        return None if value is None else self._number(value, key)

    def texts(self, key: str, allowed: frozenset[str] | None = None) -> tuple[str, ...]:
        """Take a list of texts; empty when it is not there."""
        found = self._list(key, self._text)
        for value in found or ():
            if allowed is not None and value not in allowed:
                raise self.error(self._not_allowed(value, allowed), key)
        return found or ()

    def numbers(self, key: str) -> tuple[float, ...] | None:
        """Take a list of numbers, none of them below 0."""
        return self._list(key, self._number)

    def pair(self, key: str) -> tuple[float, float] | None:
        """Take two numbers, the least and the most."""
        found = self.numbers(key)
        if found is None:
            return None
        if len(found) != 2 or found[0] > found[1]:  # noqa: PLR2004  (a pair)
            raise self.error("takes two numbers, [least, most]", key)
        return found[0], found[1]

    def tables(self, key: str) -> list[Table]:
        """Take a list of tables."""
        found = self.take(key)
        if found is not None and not isinstance(found, list):
            raise self.error("takes a list of tables", key)
        return [Table(item, self.toml, *self.keys, key) for item in found or ()]

    def mapping(self, key: str, read: Callable[[Table, str], _T | None]) -> Mapping[str, _T]:
        """Take a table of values, each read by `read`."""
        value = self.take(key)
        if value is None:
            return MappingProxyType({})
        table = Table(value, self.toml, *self.keys, key)
        found = {name: read(table, name) for name in tuple(table.left)}
        return MappingProxyType({name: one for name, one in found.items() if one is not None})

    def done(self) -> None:
        """Raise ConfigError for the first key that nobody asked for."""
        for key in self.left:
            raise self.error(f"is not known here.{did_you_mean(key, self.asked)}", key)

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
        # `not >=`, so that nan is refused too.
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise self.error(f"{value!r}: takes a number, 0 or more", key)
        return value

    @staticmethod
    def _not_allowed(value: str, allowed: frozenset[str] | tuple[str, ...]) -> str:
        words = sorted(allowed) if isinstance(allowed, frozenset) else allowed
        return f'"{value}": takes {", ".join(words)}.{did_you_mean(value, words)}'
