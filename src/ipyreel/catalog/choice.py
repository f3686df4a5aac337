"""Which provider answers, and at which address.

May import the rest of the catalog, `settings` and `errors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ipyreel.catalog.keys import KeyRing
from ipyreel.catalog.loader import Catalog, base_url_problem
from ipyreel.catalog.rows import BUILT_IN, Provider
from ipyreel.errors import ConfigError
from ipyreel.settings import Settings

FALLBACK = "demo"
"""The provider that needs no key, no account and no network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The provider that answers, why it does, and what a person should know about that."""

    name: str
    why: str
    notes: tuple[str, ...] = ()


def choose_provider(settings: Settings, catalog: Catalog, keyring: KeyRing) -> Choice:
    """Take the provider that was named, else the first whose key is set, else the demo.

    A provider with a key but no address is passed over, with a note. Raises UnknownProvider
    when a name was given that no row has, ConfigError for an address or key that is unusable.
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
            return Choice(name=row.name, why=_key_is_set(where), notes=tuple(notes))
        notes.append(f"{_key_is_set(where)}. {_no_address(row)}")
    why = "no key is set" if not notes else "no key is set for a provider with an address"
    return Choice(name=FALLBACK, why=why, notes=tuple(notes))


def base_url_of(provider: Provider, environ: Mapping[str, str]) -> str | None:
    """Return the provider's address: its variable's, else its row's; None: it has none.

    Raises ConfigError, naming the variable, for what is no address.
    """
    for variable in provider.base_url_vars:
        url = environ.get(variable, "").strip()
        if url:
            problem = base_url_problem(url)
            if problem:
                raise ConfigError(f"{variable}: {problem}.")
            return url
    return provider.base_url


def require_base_url(provider: Provider, environ: Mapping[str, str]) -> str:
    """Return the provider's address; raises ConfigError saying what to set."""
    url = base_url_of(provider, environ)
    if url is None:
        raise ConfigError(f"{provider.name} has no address.", hint=_no_address(provider))
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
