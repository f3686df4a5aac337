"""Finds API keys, and prevents that they are shown."""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import NoReturn

from ipyreel.catalog.rows import Provider
from ipyreel.errors import ConfigError, MissingKey

_SERVICE = "ipyreel"
_LONG_ENOUGH_TO_HINT_AT = 16


class Secret:
    """A key that is readable only by `reveal()`.

    Its repr, str and format are masked; it cannot be pickled, and copying returns itself.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the key itself, for the header of one request."""
        return self._text

    @property
    def masked(self) -> str:
        """A form that its owner recognises: `sk-…a1b2`; short keys are hidden completely."""
        if len(self._text) < _LONG_ENOUGH_TO_HINT_AT:
            return "•••"
        return f"{self._text[:3]}…{self._text[-4:]}"

    def __repr__(self) -> str:
        return f"Secret({self.masked})"

    def __str__(self) -> str:
        return self.masked

    def __format__(self, spec: str) -> str:
        return format(self.masked, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, _memo: object) -> Secret:
        return self

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("A key cannot be pickled: it would be readable in the file.")


class Environment(Mapping[str, str]):
    """The environment variables as they are now, with a repr that shows none.

    Tracebacks with variables (`%xmode Verbose`, `pytest --showlocals`) show that of `os.environ`.
    """

    def __getitem__(self, name: str) -> str:
        return os.environ[name]

    def __iter__(self) -> Iterator[str]:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)

    def __repr__(self) -> str:
        return "Environment()"


def read_key(text: str | None, where: str) -> Secret | None:
    """Return the text found in `where` as a Secret; blank text counts as not set.

    Surrounding spaces and line ends from pasting are removed. Raises ConfigError, without the
    key, for text that no HTTP header can contain.
    """
    text = (text or "").strip()
    if not text:
        return None
    # ASCII, not latin-1: httpx encodes headers as ASCII, and its UnicodeEncodeError would
    # contain the key.
    if not all("!" <= letter <= "~" or letter == " " for letter in text):
        text = None  # a traceback may show it
        raise ConfigError(
            f"The key in {where} contains a character that is not allowed in an HTTP header.",
            hint="Copy the key again, without quotes or line breaks.",
        )
    return Secret(text)


def read_headers(provider: Provider, environ: Mapping[str, str]) -> dict[str, str | Secret]:
    """Return the headers of a row; a value "$NAME" is a secret from that environment variable.

    Raises ConfigError naming the variable if it is not set or cannot be sent.
    """
    found: dict[str, str | Secret] = {}
    for name, value in provider.headers.items():
        if not re.fullmatch(r"\$[A-Za-z_]\w*", value):
            found[name] = value
            continue
        secret = read_key(environ.get(value[1:]), value[1:])
        if secret is None:
            raise ConfigError(
                f"{provider.name} sends the header {name}, and {value[1:]} is not set.",
                hint=f"Set {value[1:]}, or change headers in the row of {provider.name}.",
            )
        found[name] = secret
    return found


def looks_like_key(text: str) -> bool:
    """Return whether a word is probably a key, typed by mistake, that must not be repeated."""
    if text.startswith(("sk-", "sk_", "Bearer")):
        return True
    mixed = re.search(r"\d", text) and re.search(r"[A-Za-z]", text)
    return bool(mixed and re.fullmatch(r"[\w.-]{20,}", text, re.ASCII))


TYPED = (
    "It is in the notebook and in IPython's history: revoke that key."
    " %video key PROVIDER asks for one without showing it."
)
"""The advice if a key was typed where it does not belong."""


def stored_key(provider: str) -> str | None:
    """Return the key of `provider` from the `keyring` package, if it is installed."""
    try:
        import keyring  # noqa: PLC0415  (an optional extra)
        from keyring.errors import KeyringError  # noqa: PLC0415
    except ImportError:
        return None
    try:
        found = keyring.get_password(_SERVICE, provider)
    except KeyringError:
        # Locked, or no backend (usual on servers): the same as no entry.
        return None
    return found if isinstance(found, str) else None


def store_key(provider: str, text: str) -> None:
    """Store a key in the keyring; raises ConfigError if there is no usable keyring."""
    key = read_key(text, "what was typed")
    if key is None:
        raise ConfigError(f"No key was typed for {provider}.")
    try:
        import keyring  # noqa: PLC0415  (an optional extra)
        from keyring.errors import KeyringError  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            "The key was not stored: the keyring package is missing.",
            hint='pip install "ipyreel[keyring]"',
        ) from error
    try:
        keyring.set_password(_SERVICE, provider, key.reveal())
    except KeyringError as error:
        # Its text may contain anything, even the key.
        raise ConfigError(
            f"The key was not stored: the keyring refused it ({type(error).__name__}).",
            hint=f"%video key {provider} keeps it in memory only.",
        ) from None


class KeyRing:
    """Finds the key of a provider when it is needed.

    Searches the keys typed in this session, then the environment, then the keyring: a key that
    was just typed replaces the one in the environment.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        memory: MutableMapping[str, Secret] | None = None,
        *,
        stored: Callable[[str], str | None] = stored_key,
    ) -> None:
        self.environ = environ
        self._memory = {} if memory is None else memory
        self._stored = stored

    def __repr__(self) -> str:
        return f"KeyRing(typed in: {', '.join(sorted(self._memory)) or 'none'})"

    def find(self, provider: Provider) -> Secret | None:
        """Return the key of `provider`, or None; raises ConfigError for one that cannot be sent."""
        return self._look(provider)[0]

    def where(self, provider: Provider) -> str | None:
        """Return where the key comes from: a variable's name, "typed in", "keyring" or None."""
        return self._look(provider)[1]

    def remember(self, name: str, text: str) -> None:
        """Keep a typed key for the provider `name` in memory; raises ConfigError if blank."""
        key = read_key(text, "what was typed")
        if key is None:
            raise ConfigError(f"No key was typed for {name}.")
        self._memory[name] = key

    def require(self, provider: Provider) -> Secret:
        """Return the key of `provider`; raises MissingKey naming the variable to set."""
        key = self.find(provider)
        if key is None:
            variables = " or ".join(provider.key_vars)
            remedy = f"Set {variables}, or type" if variables else "Type"
            raise MissingKey(
                f"{provider.name} needs a key, and none is set.",
                hint=f"{remedy} %video key {provider.name}",
            )
        return key

    def _look(self, provider: Provider) -> tuple[Secret | None, str | None]:
        typed = self._memory.get(provider.name)
        if typed is not None:
            return typed, "typed in"
        for variable in provider.key_vars:
            key = read_key(self.environ.get(variable), variable)
            if key is not None:
                return key, variable
        if provider.needs_key or provider.key_vars:
            key = read_key(self._stored(provider.name), f"the keyring entry {provider.name}")
            if key is not None:
                return key, "keyring"
        return None, None
