"""The models each vendor serves here, from `models.json`: rows, so that no code names one."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from importlib import resources

from ipyreel.values import Json


@functools.cache
def models_of(dialect: str) -> Mapping[str, Mapping[str, Json]]:
    """Return a vendor's models, the default one first, with their `sizes` and `quality`."""
    text = resources.files(__package__).joinpath("models.json").read_text(encoding="utf-8")
    found: Mapping[str, Mapping[str, Json]] = json.loads(text)[dialect]
    return found
