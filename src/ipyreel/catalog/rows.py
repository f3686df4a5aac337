"""Defines the fields of catalog rows; the rows are in `providers.toml` and `models.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Literal, TypeVar

from ipyreel.values import Chain

BUILT_IN = "built in"
"""The `origin` of rows shipped with the package."""

ROUTES = frozenset({"list", "delete", "remix", "edits", "extensions", "characters", "variants"})
"""Routes a provider may have besides create, retrieve and content."""

CHAINS: Mapping[Chain, str] = MappingProxyType(
    {"remix": "remix", "edit": "edits", "extend": "extensions"}
)
"""The routes that make a video from another one."""

NO_TEXTS: Mapping[str, str] = MappingProxyType({})

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A server and how to talk to it.

    `base_url_vars` and `key_vars` are environment variables, the first one set wins;
    `base_url_vars` override `base_url`. `routes` are the known routes besides create, retrieve
    and content. `content` is what is tried first for the file: the content route or the URL in
    the job. `timeout_create` is how many seconds the reply to a submission may take,
    `timeout_read` any other reply; None: the client's default. `headers` are sent to the
    provider's own origin only; a value such as "$PORTKEY_CONFIG" is a secret, read from that
    environment variable. `free`: nothing costs anything there. `checked` is the day the row was
    compared with its `source`; `origin` is "built in" or the path of the user's file. Without
    `needs_key`, a user's row needs a key if it has `key_vars`.
    """

    name: str
    title: str
    base_url: str | None = None
    dialect: str = "generic"
    key_vars: tuple[str, ...] = ()
    key_header: str = "Authorization"
    base_url_vars: tuple[str, ...] = ()
    needs_key: bool = False
    default_model: str | None = None
    models: tuple[str, ...] = ()
    routes: frozenset[str] = frozenset()
    content: Literal["content", "url"] = "content"
    plain_http: bool = False
    timeout_create: float | None = None
    timeout_read: float | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: NO_TEXTS)
    free: bool = False
    billing: str | None = None
    note: str | None = None
    site: str | None = None
    source: str = ""
    checked: str = ""
    origin: str = BUILT_IN

    def can(self, how: Chain) -> bool:
        """Return whether the provider has the route that makes a video from another one."""
        return CHAINS[how] in self.routes

    @property
    def kinds(self) -> tuple[str, ...]:
        """The provider names under which facts about it may be listed, most specific first.

        A user's own row also counts as its dialect: a gateway with `dialect = "aiid"` is assumed
        to have aiid's models. A built-in row counts as itself only.
        """
        if self.origin == BUILT_IN or self.dialect == self.name:
            return (self.name,)
        return (self.name, self.dialect)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model costs in USD: per second of video or per video; exactly one is set.

    `usd_per_image` is added for each input image beyond the first `free_images`. `sizes` are
    "WIDTHxHEIGHT" or words such as "720p"; empty: every size. `provider` None: the vendor's list
    price, from which resellers may differ.
    """

    usd_per_second: Decimal | None = None
    usd_per_video: Decimal | None = None
    usd_per_image: Decimal = Decimal(0)
    free_images: int = 0
    sizes: tuple[str, ...] = ()
    provider: str | None = None
    source: str = ""
    checked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A warning to show before sending, and its condition.

    `option` is "size", "seconds", "image", "seed" or the name of an extra field; without one
    the warning is always shown. `missing`: only if the option is not given. `unless`: only if
    it is given and none of these. `values`: only if it is one of these. `providers` empty: at
    every provider.
    """

    text: str
    option: str | None = None
    missing: bool = False
    unless: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What is known about a model; what is None or empty is unknown and not checked.

    `providers` empty: at every provider. `seconds` are the lengths it makes; if None,
    `seconds_range` has the bounds (whole seconds unless `fractions`). `default_seconds` and
    `default_size` are the server's defaults; they are used for estimates and forms and never
    sent. `open_sizes`: sizes that are not listed pass with a warning. `images` is the least and
    most input images; `exact_image`: they must have exactly the size of the video. `ratios` are
    the supported aspect ratios. `extra` maps documented further fields to a description.
    `least_prices` and `offered_prices` are from sources that are not trusted, a folder's file and
    the provider itself: they count if they are higher. `asked` is the day on which the
    provider was asked about its models (empty: never); `listed`: it named this one.
    `shape` is the name of the family's request format in `wire.dialects.SHAPES`.
    """

    name: str
    family: str
    title: str = ""
    providers: tuple[str, ...] = ()
    shape: str | None = None
    seconds: tuple[float, ...] | None = None
    seconds_range: tuple[float, float] | None = None
    fractions: bool = False
    default_seconds: float | None = None
    sizes: tuple[str, ...] = ()
    default_size: str | None = None
    open_sizes: bool = False
    ratios: tuple[str, ...] = ()
    sizes_by_provider: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seconds_by_provider: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    images: tuple[int, int] | None = None
    exact_image: bool = False
    prices: tuple[Price, ...] = ()
    least_prices: tuple[Price, ...] = ()
    offered_prices: tuple[Price, ...] = ()
    asked: str = ""
    listed: bool = True
    ended: str | None = None
    notes: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=lambda: NO_TEXTS)
    warnings: tuple[Notice, ...] = ()
    source: str = ""
    checked: str = ""
    origin: str = BUILT_IN

    def is_at(self, provider: Provider) -> bool:
        """Return whether this row describes the model as `provider` offers it."""
        if not self.providers or self.name in provider.models:
            return True
        return any(kind in self.providers for kind in provider.kinds)

    def sizes_at(self, provider: Provider) -> tuple[str, ...]:
        """Return the sizes available at `provider`; empty: not known."""
        return _first(self.sizes_by_provider, provider.kinds, self.sizes)

    def seconds_at(self, provider: Provider) -> tuple[float, ...] | None:
        """Return the lengths available at `provider`; None: not known, or a range."""
        return _first(self.seconds_by_provider, provider.kinds, self.seconds)


def _first(rows: Mapping[str, _T], kinds: tuple[str, ...], otherwise: _T) -> _T:
    return next((rows[kind] for kind in kinds if kind in rows), otherwise)
