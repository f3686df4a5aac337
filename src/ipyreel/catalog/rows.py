"""The rows of the catalog as frozen values.

May import `values` only. What a row means is written here; which rows there are stands in
`providers.toml` and `models.toml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeVar

from ipyreel.values import Chain

BUILT_IN = "built in"
"""The `origin` of rows that come with the package."""

ROUTES = frozenset({"list", "delete", "remix", "edits", "extensions", "characters", "variants"})
"""Routes beside create, retrieve and content that a provider may have."""

CHAINS: Mapping[Chain, str] = MappingProxyType(
    {"remix": "remix", "edit": "edits", "extend": "extensions"}
)
"""The routes by which one video is made of another."""

DIALECTS = (
    "openai",
    "apigo",
    "apiyi",
    "aiid",
    "new-api",
    "litellm",
    "sglang",
    "vllm-omni",
    "trtllm",
    "openrouter",
    "generic",
    "demo",
)
"""The ways of asking that the wire room can write. (Azure speaks openai's, with another header.)"""

NO_TEXTS: Mapping[str, str] = MappingProxyType({})

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Who answers, and how it wants to be asked.

    `base_url_vars` and `key_vars` are environment variables, first one set wins; the former
    go before `base_url`. `routes` are those known to be there, beside create, retrieve and
    content. `content` says which is tried first for the file: the content route or the URL in
    the job. `free`: nothing there costs anything. `checked` is the day the row was compared
    with its `source`; `origin` is "built in" or the path of the person's file. A person's row
    that says nothing of `needs_key` needs one when it names `key_vars`.
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
    free: bool = False
    billing: str | None = None
    note: str | None = None
    site: str | None = None
    source: str = ""
    checked: str = ""
    origin: str = BUILT_IN

    def can(self, how: Chain) -> bool:
        """Whether it makes one video of another in this way."""
        return CHAINS[how] in self.routes

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names under which facts on this provider may be filed, nearest first.

        A person's own row is also its dialect's kind: a shop that speaks as aiid does is taken
        to have aiid's models. A built-in row stands for itself.
        """
        if self.origin == BUILT_IN or self.dialect == self.name:
            return (self.name,)
        return (self.name, self.dialect)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model costs in USD: per second of video, or per video; exactly one is set.

    `usd_per_image` is added for each input image beyond the first `free_images`. `sizes` are
    "WIDTHxHEIGHT" or words such as "720p"; empty: every size. `provider` None: the maker's list
    price, which a reseller need not keep to.
    """

    usd_per_second: float | None = None
    usd_per_video: float | None = None
    usd_per_image: float = 0
    free_images: int = 0
    sizes: tuple[str, ...] = ()
    provider: str | None = None
    source: str = ""
    checked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A sentence to show before sending, and when.

    `option` is "size", "seconds", "image", "seed" or the name of an extra field; without one
    the sentence always holds. `missing`: only when that option is not given. `unless`: only
    when it is given and none of these. `values`: only when it is one of these. `providers`
    empty: everywhere.
    """

    text: str
    option: str | None = None
    missing: bool = False
    unless: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What is known of a model; whatever is not known is None or empty and passes unchecked.

    `providers` empty: wherever somebody asks for that name. `seconds` are the lengths it
    makes; where they are None, `seconds_range` are its bounds (whole seconds unless
    `fractions`). `default_seconds` and `default_size` are what a server takes when nothing is
    said; they are used for estimates and forms, and never sent. `open_sizes`: other sizes than
    the listed pass, with a warning. `images` is the least and most input images; `exact_image`:
    they must be exactly as large as the video. `ratios` are the aspect ratios it knows. `extra`
    maps documented further fields to a line of description.
    `shape` is the word by which the wire room knows how this family wants its fields.
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
    ended: str | None = None
    notes: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=lambda: NO_TEXTS)
    warnings: tuple[Notice, ...] = ()
    source: str = ""
    checked: str = ""
    origin: str = BUILT_IN

    def is_at(self, provider: Provider) -> bool:
        """Whether this row speaks of the model as `provider` offers it."""
        if not self.providers or self.name in provider.models:
            return True
        return any(kind in self.providers for kind in provider.kinds)

    def sizes_at(self, provider: Provider) -> tuple[str, ...]:
        """Return the sizes it makes at `provider`; empty: not known."""
        return _first(self.sizes_by_provider, provider.kinds, self.sizes)

    def seconds_at(self, provider: Provider) -> tuple[float, ...] | None:
        """Return the lengths it makes at `provider`; None: not known, or a range."""
        return _first(self.seconds_by_provider, provider.kinds, self.seconds)


def _first(rows: Mapping[str, _T], kinds: tuple[str, ...], otherwise: _T) -> _T:
    return next((rows[kind] for kind in kinds if kind in rows), otherwise)
