"""The catalog: built-in rows, and those of a person's `ipyreel.toml` laid over them.

May import the rest of the catalog's rows, `settings` and `errors`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from ipyreel.catalog.rows import BUILT_IN, DIALECTS, ROUTES, Model, Notice, Price, Provider
from ipyreel.catalog.tables import Table
from ipyreel.errors import UnknownProvider
from ipyreel.settings import READERS, TABLES, Toml, did_you_mean, read_toml

_AS_THE_DIALECT = ("routes", "content", "key_header")
"""What a person's provider leaves unsaid of these is as in the built-in row of its dialect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Which providers and models are known, and what is known of them; never changes."""

    providers: Mapping[str, Provider]
    models: Mapping[str, Model]
    default_provider: str | None = None

    @classmethod
    def load(cls, *paths: Path) -> Catalog:
        """Read the built-in rows and lay those of `paths` over them, later files winning.

        A row may name only what differs from the built-in one of that name. Raises ConfigError
        naming file, line and key.
        """
        tomls = [_built_in("providers.toml"), _built_in("models.toml")]
        tomls += [read_toml(path) for path in paths]
        rows = _Rows(tomls)
        providers = {name: _provider(rows.table("providers", name)) for name in rows.providers}
        models = {name: _model(rows.table("models", name)) for name in rows.models}
        default = None
        for toml in tomls:
            default = _default_provider(toml, providers) or default
        return cls(
            providers=MappingProxyType(providers),
            models=MappingProxyType(models),
            default_provider=default,
        )

    def provider(self, name: str) -> Provider:
        """Return the provider's row; raises UnknownProvider listing what is known."""
        if name not in self.providers:
            known = ", ".join(self.providers)
            hint = did_you_mean(name, self.providers)
            raise UnknownProvider(f'"{name}" is no known provider.{hint} There are: {known}.')
        return self.providers[name]

    def model(self, name: str | None, provider: Provider) -> Model | None:
        """Return what is known of a model at a provider; None: nothing, let it pass.

        A maker's prefix is looked past: at a gateway "gemini/some-model" is "some-model".
        """
        name = name or ""
        row = self.models.get(name) or self.models.get(name.rpartition("/")[2])
        return row if row is not None and row.is_at(provider) else None

    def models_of(self, provider: Provider) -> tuple[Model, ...]:
        """Return the known models of a provider, in the catalog's order."""
        return tuple(model for model in self.models.values() if model.is_at(provider))

    def model_names(self, provider: Provider) -> tuple[str, ...]:
        """Return every model name to offer at a provider, those of its own row first."""
        known = (model.name for model in self.models_of(provider))
        return tuple(dict.fromkeys((*provider.models, *known)))


class _Rows:
    """The tables of all files, merged row by row, with the file that each row came from last."""

    def __init__(self, tomls: list[Toml]) -> None:
        self.providers: dict[str, dict[str, Any]] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self._files: dict[tuple[str, str], Toml] = {}
        for toml in tomls:
            for kind in sorted(TABLES):
                self._add(kind, toml)

    def _add(self, kind: str, toml: Toml) -> None:
        merged: dict[str, dict[str, Any]] = getattr(self, kind)
        for name, row in Table(toml.data.get(kind, {}), toml, kind).left.items():
            own = Table(row, toml, kind, name).left
            if not re.fullmatch(r"[^\s\"']+", name):
                raise toml.error("a name takes no spaces or quotes", kind, name)
            merged[name] = {**merged.get(name, {}), **own}
            self._files[kind, name] = toml

    def table(self, kind: str, name: str) -> Table:
        """Return one merged row, `like` resolved, with its file for the error messages."""
        merged: dict[str, dict[str, Any]] = getattr(self, kind)
        toml = self._files[kind, name]
        row, seen = dict(merged[name]), [name]
        if kind == "providers" and toml.path != BUILT_IN:
            base = merged.get(row.get("dialect", "generic"), {})
            row = {key: base[key] for key in _AS_THE_DIALECT if key in base} | row
            row.setdefault("needs_key", bool(row.get("key_vars")))
        while kind == "models" and "like" in row:
            like = row.pop("like")
            if like in seen or like not in merged:
                raise toml.error(
                    f"{like!r}: takes the name of another model row", kind, name, "like"
                )
            seen.append(like)
            row = {**merged[like], **row}
        return Table(row, toml, kind, name)


def _built_in(name: str) -> Toml:
    with resources.as_file(resources.files("ipyreel.catalog") / name) as path:
        toml = read_toml(path)
    return Toml(path=BUILT_IN, data=toml.data, text=toml.text)


def _default_provider(toml: Toml, providers: Mapping[str, Provider]) -> str | None:
    table = Table(toml.data, toml)
    for key in (*TABLES, *READERS):
        if key != "provider":
            table.take(key)
    name = table.text("provider")
    table.done()
    if name is not None and name not in providers:
        hint = did_you_mean(name, providers)
        raise toml.error(f'"{name}" is no known provider.{hint}', "provider")
    return name


def base_url_problem(url: str) -> str | None:
    """Say what is wrong with a base URL, or None when it can be used."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
        parts = urlsplit("")
    if not usable:
        return "takes an address such as https://host/v1"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "takes an address without user, password, ? and #"
    return None


def _provider(table: Table) -> Provider:
    base_url = table.text("base_url")
    problem = base_url_problem(base_url) if base_url else None
    if problem:
        # The address is not repeated: what is wrong with it may be a password in it.
        raise table.error(problem, "base_url")
    name = table.keys[-1]
    content = table.word("content", ("content", "url")) or "content"
    row = Provider(
        name=name,
        title=table.text("title") or name,
        base_url=base_url,
        dialect=table.word("dialect", DIALECTS) or "generic",
        key_vars=table.texts("key_vars"),
        key_header=table.text("key_header") or "Authorization",
        base_url_vars=table.texts("base_url_vars"),
        needs_key=table.flag("needs_key"),
        default_model=table.text("default_model"),
        models=table.texts("models"),
        routes=frozenset(table.texts("routes", ROUTES)),
        content=cast("Literal['content', 'url']", content),
        plain_http=table.flag("plain_http"),
        free=table.flag("free"),
        billing=table.text("billing"),
        note=table.text("note"),
        site=table.text("site"),
        source=table.text("source") or "",
        checked=table.text("checked") or "",
        origin=table.toml.path,
    )
    table.done()
    if not (row.base_url or row.base_url_vars or row.free):
        raise table.error("takes base_url, the address of the server")
    return row


def _model(table: Table) -> Model:
    images = table.pair("images")
    row = Model(
        name=table.keys[-1],
        family=table.text("family") or table.keys[-1],
        title=table.text("title") or table.keys[-1],
        providers=table.texts("providers"),
        shape=table.text("shape"),
        seconds=table.numbers("seconds"),
        seconds_range=table.pair("seconds_range"),
        fractions=table.flag("fractions"),
        default_seconds=table.number("default_seconds"),
        sizes=table.texts("sizes"),
        default_size=table.text("default_size"),
        open_sizes=table.flag("open_sizes"),
        ratios=table.texts("ratios"),
        sizes_by_provider=table.mapping("sizes_by_provider", Table.texts),
        seconds_by_provider=table.mapping("seconds_by_provider", Table.numbers),
        images=(int(images[0]), int(images[1])) if images else None,
        exact_image=table.flag("exact_image"),
        prices=tuple(_price(price) for price in table.tables("prices")),
        ended=table.text("ended"),
        notes=table.texts("notes"),
        extra=table.mapping("extra", Table.text),
        warnings=tuple(_notice(notice) for notice in table.tables("warnings")),
        source=table.text("source") or "",
        checked=table.text("checked") or "",
        origin=table.toml.path,
    )
    table.done()
    return row


def _price(table: Table) -> Price:
    own = "" if table.toml.path == BUILT_IN else table.toml.path
    row = Price(
        usd_per_second=table.number("usd_per_second"),
        usd_per_video=table.number("usd_per_video"),
        usd_per_image=table.number("usd_per_image") or 0,
        free_images=int(table.number("free_images") or 0),
        sizes=table.texts("sizes"),
        provider=table.text("provider"),
        source=table.text("source") or own,
        checked=table.text("checked") or "",
    )
    table.done()
    if (row.usd_per_second is None) == (row.usd_per_video is None):
        raise table.error("takes usd_per_second or usd_per_video, one of them")
    if not own and not (row.source and row.checked):
        raise table.error("takes source (who says so) and checked (the day, 2026-01-31)")
    return row


def _notice(table: Table) -> Notice:
    text = table.text("text")
    row = Notice(
        text=text or "",
        option=table.text("option"),
        missing=table.flag("missing"),
        unless=table.texts("unless"),
        values=table.texts("values"),
        providers=table.texts("providers"),
    )
    table.done()
    if text is None:
        raise table.error("takes a text")
    return row
