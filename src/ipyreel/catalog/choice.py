"""Chooses the provider and its address, and never changes the provider by accident."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from ipyreel.catalog.keys import KeyRing, looks_like_key
from ipyreel.catalog.loader import Catalog
from ipyreel.catalog.offers import FILE, load_offers
from ipyreel.catalog.rows import BUILT_IN, Provider
from ipyreel.errors import ConfigError
from ipyreel.settings import Settings
from ipyreel.wire.urls import base_url_problem

FALLBACK = "demo"
"""The provider that needs no key, no account and no network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The chosen provider, the reason, and notes to show with it.

    `problem` says why nothing is sent until a provider is named; None: it may be used.
    `automatic`: the user did not name the provider.
    """

    name: str
    why: str
    notes: tuple[str, ...] = ()
    automatic: bool = False
    problem: ConfigError | None = None


def choose_provider(settings: Settings, catalog: Catalog, keyring: KeyRing) -> Choice:
    """Return the named provider, else the first whose key is set, else the demo.

    A provider with a key but no address is skipped, with a note. Raises UnknownProvider for
    a name without a row, ConfigError for an unusable address or key.
    """
    if settings.provider is not None:
        row = catalog.provider(settings.provider)
        missing = row.name != FALLBACK and base_url_of(row, keyring.environ) is None
        return Choice(
            name=row.name,
            why=f"chosen by {settings.source_of('provider')}",
            notes=(_no_address(row),) if missing else (),
        )
    notes: list[str] = []
    own_first = sorted(catalog.providers.values(), key=lambda row: row.origin == BUILT_IN)
    for row in own_first:
        where = keyring.where(row)
        if where is None:
            continue
        if base_url_of(row, keyring.environ) is not None:
            why = _key_is_set(where)
            return Choice(name=row.name, why=why, notes=tuple(notes), automatic=True)
        notes.append(f"{_key_is_set(where)}. {_no_address(row)}")
    why = "no key is set" if not notes else "no key is set for a provider with an address"
    return Choice(name=FALLBACK, why=why, notes=tuple(notes), automatic=True)


class Chooser:
    """Chooses a provider for each cell, and refuses if it would change by accident.

    After jobs were sent to an automatically chosen provider, another one is used only if the
    user names it (`%video use`) or types its key. After a `%video use` that failed, no provider
    is chosen automatically.
    """

    def __init__(self) -> None:
        self._used: str | None = None
        self._typed: str | None = None
        self._failed: str | None = None

    def choose(self, settings: Settings, catalog: Catalog, keyring: KeyRing) -> Choice:
        """Return the provider for the next job; raises as `choose_provider` does."""
        if self._failed is not None and settings.source_of("provider").layer != "option":
            problem = ConfigError(
                f"No provider is chosen: %video use {self._failed} failed.",
                hint="Type %video use NAME to choose one, or give the cell --provider NAME.",
            )
            return Choice(name=FALLBACK, why="no provider is chosen", problem=problem)
        if settings.provider is None and self._typed and self._typed in catalog.providers:
            row = catalog.providers[self._typed]
            if keyring.where(row) and base_url_of(row, keyring.environ) is not None:
                return Choice(name=row.name, why="a key was typed in", automatic=True)
        choice = choose_provider(settings, catalog, keyring)
        if not choice.automatic or self._used in {None, choice.name}:
            return choice
        text = f"The last job went to {self._used}, and now {choice.name} would be used"
        problem = ConfigError(
            f"{text} ({choice.why}).",
            hint=f"Type %video use {choice.name} if you want that, else %video use {self._used}.",
        )
        return Choice(name=choice.name, why=choice.why, notes=choice.notes, problem=problem)

    def sent(self, name: str, *, automatic: bool) -> None:
        """Remember the provider that a job was sent to."""
        if automatic:
            self._used = name

    def chosen(self) -> None:
        """Note that the user chose: what happened before no longer matters."""
        self._used = self._typed = self._failed = None

    def typed(self, name: str) -> None:
        """Note that the user typed the key of a provider, which chooses it."""
        self.chosen()
        self._typed = name

    def failed(self, name: str) -> None:
        """Note that the user tried to choose a provider, and that it failed."""
        self._failed = "a key" if looks_like_key(name) else name


def base_url_of(provider: Provider, environ: Mapping[str, str]) -> str | None:
    """Return the provider's base URL: from its variable, else from its row, else None.

    Raises ConfigError naming the variable if its value is not a URL.
    """
    for variable in provider.base_url_vars:
        url = environ.get(variable, "").strip()
        if url:
            problem = base_url_problem(url)
            if problem:
                raise ConfigError(f"{variable}: {problem}.")
            return url
    return provider.base_url


def with_offers(catalog: Catalog, home: Path, environ: Mapping[str, str]) -> Catalog:
    """Return the catalog with the stored answers of providers at their current addresses.

    `home` is the folder of the library.
    """
    path = home / FILE
    if not path.exists():
        return catalog
    found = {
        name: offered
        for name, offered in load_offers(path).items()
        if name in catalog.providers and offered.base_url == _address(catalog, name, environ)
    }
    return replace(catalog, offers=MappingProxyType(found))


def _address(catalog: Catalog, name: str, environ: Mapping[str, str]) -> str | None:
    try:
        return base_url_of(catalog.providers[name], environ)
    except ConfigError:
        return None


def require_base_url(provider: Provider, environ: Mapping[str, str]) -> str:
    """Return the provider's base URL; raises ConfigError saying what to set."""
    url = base_url_of(provider, environ)
    if url is None:
        raise ConfigError(f"{provider.name} has no base URL.", hint=_no_address(provider))
    return url


def _no_address(provider: Provider) -> str:
    if provider.note:
        return provider.note
    variables = " or ".join(provider.base_url_vars)
    set_it = f"Set {variables}, or " if variables else "Set "
    return f"{set_it}base_url under [providers.{provider.name}] in ipyreel.toml."


def _key_is_set(where: str) -> str:
    words = {"typed in": "a key was typed in", "keyring": "its key is in the keyring"}
    return words.get(where, f"{where} is set")
