"""Tab on a `%video` or `%%video` line: options, providers, models, sizes, seconds, verbs.

May import IPython's completer and `options`. The catalog is passed in, as a callable: it is
read when somebody presses Tab, not when the extension is loaded.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from ipyreel.notebook.commands.options import OPTIONS

IDENTIFIER = "ipyreel"
"""How our matcher is known to IPython (`IPCompleter.disable_matchers`)."""

VERBS: tuple[str, ...] = (
    "use", "providers", "models", "jobs", "history", "cost", "show", "wait", "resume", "cancel",
    "delete", "remix", "edit", "extend", "compare", "form", "gallery", "key", "doctor", "help",
)  # fmt: skip
"""The verbs of `%video` as they are offered; `install` takes others."""

_MAGIC = re.compile(r"\s*(?:\w+\s*=\s*)?(?P<magic>%%?)video(?=\s)(?P<rest>.*)", re.DOTALL)
_OF_PROVIDERS = frozenset({"use", "models", "key", "doctor"})
_OF_CHAINS = frozenset({"remix", "edit", "extend"})


class ModelRow(Protocol):
    """What is asked of a model."""

    @property
    def sizes(self) -> tuple[str, ...]:
        """The sizes it makes."""

    @property
    def seconds(self) -> tuple[float, ...] | None:
        """The lengths it makes."""

    def sizes_at(self, provider: Any, /) -> tuple[str, ...]:
        """Return the sizes it makes at a provider."""

    def seconds_at(self, provider: Any, /) -> tuple[float, ...] | None:
        """Return the lengths it makes at a provider."""


class CatalogRows(Protocol):
    """What is asked of the catalog."""

    @property
    def providers(self) -> Mapping[str, Any]:
        """The rows of the providers by name."""

    @property
    def models(self) -> Mapping[str, ModelRow]:
        """The known models by name."""

    def model_names(self, provider: Any, /) -> tuple[str, ...]:
        """Return the models to offer at a provider."""


def candidates(
    before: str, catalog: CatalogRows, *, cell: bool, verbs: Sequence[str] = VERBS
) -> list[str]:
    """Return what may stand at the end of `before`, the text from the magic to the cursor.

    `cell`: it is the first line of a `%%video` cell. Nothing is offered where a path belongs,
    so that IPython's own completion of files has its turn.
    """
    words, last = _words(before)
    option, equals, value = last.partition("=")
    if equals and option.startswith("--"):
        offers = _values(_dest(option), words, catalog)
        return [f"{option}={offer}" for offer in offers if offer.startswith(value)]
    dest = _dest(words[-1]) if words else None
    if dest is not None:
        return _starting(last, _values(dest, words, catalog))
    if not cell:
        return _starting(last, _for_verb(words, catalog, verbs))
    return _starting(last, (flag for row in OPTIONS for flag in row.flags)) if last else _long()


def _words(before: str) -> tuple[list[str], str]:
    """Split into the words that are complete and the one that the cursor stands in."""
    try:
        words = shlex.split(before)
    except ValueError:  # an open quote: the word goes on
        words = before.split()
    if not before or before[-1].isspace():
        return words, ""
    return words[:-1], words[-1] if words else ""


def _long() -> list[str]:
    return [row.flags[-1] for row in OPTIONS]


def _starting(last: str, offers: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(offer for offer in offers if offer.startswith(last)))


def _dest(flag: str) -> str | None:
    """Return which option waits for a value after `flag`; None: none does."""
    return next((row.dest for row in OPTIONS if row.read and flag in row.flags), None)


def _values(dest: str | None, words: Sequence[str], catalog: CatalogRows) -> list[str]:
    named = words[1] if words[:1] == ["use"] and len(words) > 1 else _said(words, "provider")
    provider = catalog.providers.get(named or "")
    if dest == "provider":
        return list(catalog.providers)
    if dest == "model":
        return _models(provider, catalog)
    rows = _rows(_said(words, "model"), provider, catalog)
    if dest == "size":
        sizes = (row.sizes_at(provider) if provider else row.sizes for row in rows)
        return list(dict.fromkeys(size for some in sizes for size in some))
    if dest == "seconds":
        lengths = (row.seconds_at(provider) if provider else row.seconds for row in rows)
        return [f"{length:g}" for length in sorted({one for some in lengths for one in some or ()})]
    return []


def _models(provider: Any, catalog: CatalogRows) -> list[str]:
    return list(catalog.model_names(provider) if provider else catalog.models)


def _rows(model: str | None, provider: Any, catalog: CatalogRows) -> list[ModelRow]:
    """Return the model that is named, else all that the named provider has, else all."""
    names = [model] if model is not None and model in catalog.models else _models(provider, catalog)
    return [catalog.models[name] for name in names if name in catalog.models]


def _said(words: Sequence[str], dest: str) -> str | None:
    """Return the value that an option was given earlier on the line."""
    for index, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if _dest(flag) == dest:
            return value if equals else next(iter(words[index + 1 : index + 2]), None)
    return None


def _for_verb(words: Sequence[str], catalog: CatalogRows, verbs: Sequence[str]) -> list[str]:
    if not words:
        return [*verbs, "--help"]
    if len(words) == 1 and words[0] in _OF_PROVIDERS:
        return list(catalog.providers)
    if words[0] in _OF_CHAINS and len(words) > 1:
        more = ["--seconds"] if words[0] == "extend" else []
        return [*more, "--max-cost", "--wait", "--dry-run"]
    return ["--model"] if words[0] == "use" else []


def _typed(context: CompletionContext) -> tuple[str, bool] | None:
    """Return what stands between the magic and the cursor, and whether it is a cell magic."""
    line = context.line_with_cursor[: context.cursor_position]
    found = _MAGIC.match(line)
    if found is None:
        return None
    cell = found["magic"] == "%%"
    return None if cell and context.cursor_line != 0 else (found["rest"].lstrip(), cell)


def install(shell: Any, catalog: Callable[[], CatalogRows], verbs: Sequence[str] = VERBS) -> None:
    """Add our matcher to the shell's completer; `catalog` is called at each Tab."""

    @context_matcher(identifier=IDENTIFIER, priority=100)  # type: ignore[untyped-decorator]
    def matcher(context: CompletionContext) -> dict[str, Any]:
        typed = _typed(context)
        if typed is None:
            return {"completions": []}
        before, cell = typed
        _, last = _words(before)
        # IPython replaces its own token, which begins later where the word holds a ":" or "=".
        cut = len(last) - len(context.token) if last.endswith(context.token) else 0
        offers = candidates(before, catalog(), cell=cell, verbs=verbs)
        completions = [SimpleCompletion(text=offer[cut:], type="option") for offer in offers]
        return {"completions": completions, "suppress": bool(completions), "ordered": True}

    remove(shell)
    shell.Completer.custom_matchers.append(matcher)


def remove(shell: Any) -> None:
    """Take our matcher away again."""
    matchers = shell.Completer.custom_matchers
    matchers[:] = [m for m in matchers if getattr(m, "matcher_identifier", None) != IDENTIFIER]
