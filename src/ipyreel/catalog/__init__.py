"""Facts about providers and models: sizes, seconds, prices, keys. The rows are in TOML files."""

from __future__ import annotations

from ipyreel.catalog.checks import check_request, complete_request, estimate, warnings
from ipyreel.catalog.choice import Choice, base_url_of, choose_provider, require_base_url
from ipyreel.catalog.keys import KeyRing, Secret
from ipyreel.catalog.loader import Catalog
from ipyreel.catalog.rows import Model, Notice, Price, Provider

__all__ = [
    "Catalog",
    "Choice",
    "KeyRing",
    "Model",
    "Notice",
    "Price",
    "Provider",
    "Secret",
    "base_url_of",
    "check_request",
    "choose_provider",
    "complete_request",
    "estimate",
    "require_base_url",
    "warnings",
]
