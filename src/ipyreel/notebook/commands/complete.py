"""Completes what is typed after `%%video` and `%video`: verbs, options and their values.

The session (`library`) is passed in as a function: it is opened when the user presses Tab, not
when the extension is loaded. It and its catalog are typed `Any`, so that no heavy module is
imported for their types.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from ipyreel.errors import VideoError
from ipyreel.notebook.commands.options import OPTIONS, VERBS

IDENTIFIER = "ipyreel"
"""The name of our matcher in IPython (`IPCompleter.disable_matchers`)."""

NEWEST = 20
"""How many jobs of the library are offered."""

_MAGIC = re.compile(r"\s*(?:\w+\s*=\s*)?(?P<magic>%%?)video(?=\s)(?P<rest>.*)", re.DOTALL)


def candidates(
    before: str, catalog: Any, *, cell: bool, jobs: Callable[[], Iterable[str]] = tuple
) -> list[str]:
    """Return the completions at the end of `before`, the text from the magic to the cursor.

    `cell`: it is the first line of a `%%video` cell. `jobs` returns ids and names of jobs.
    Nothing is offered for a path: IPython's own completion of files handles it.
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
        return _starting(last, _for_verb(words, catalog, jobs))
    if not last:
        return [row.flags[-1] for row in OPTIONS]
    return _starting(last, (flag for row in OPTIONS for flag in row.flags))


def _words(before: str) -> tuple[list[str], str]:
    """Split into the complete words and the word that the cursor is in."""
    try:
        words = shlex.split(before)
    except ValueError:  # an open quote: the word is not complete
        words = before.split()
    if not before or before[-1].isspace():
        return words, ""
    return words[:-1], words[-1] if words else ""


def _starting(last: str, offers: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(offer for offer in offers if offer.startswith(last)))


def _dest(flag: str) -> str | None:
    """Return the option that needs a value after `flag`; None if it needs none."""
    return next((row.dest for row in OPTIONS if row.read and flag in row.flags), None)


def _values(dest: str | None, words: Sequence[str], catalog: Any) -> list[str]:
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


def _models(provider: Any, catalog: Any) -> list[str]:
    return list(catalog.model_names(provider) if provider else catalog.models)


def _rows(model: str | None, provider: Any, catalog: Any) -> list[Any]:
    """Return the named model, else all models of the named provider, else all."""
    names = [model] if model is not None and model in catalog.models else _models(provider, catalog)
    return [catalog.models[name] for name in names if name in catalog.models]


def _said(words: Sequence[str], dest: str) -> str | None:
    """Return the value that an option was given earlier on the line."""
    for index, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if _dest(flag) == dest:
            return value if equals else next(iter(words[index + 1 : index + 2]), None)
    return None


def _for_verb(words: Sequence[str], catalog: Any, jobs: Callable[[], Iterable[str]]) -> list[str]:
    if not words:
        return [*VERBS, "help", "--help"]
    verb = VERBS.get(words[0])
    if verb is None:
        return []
    first = len(words) == 1
    if verb.of == "provider" and first:
        return list(catalog.providers)
    if verb.of == "job" and (first or (not verb.free and verb.most is None)):
        return [*jobs()]
    return list(verb.options)


def _typed(context: CompletionContext) -> tuple[str, bool] | None:
    """Return the text between the magic and the cursor, and whether it is a cell magic."""
    line = context.line_with_cursor[: context.cursor_position]
    found = _MAGIC.match(line)
    if found is None:
        return None
    cell = found["magic"] == "%%"
    return None if cell and context.cursor_line != 0 else (found["rest"].lstrip(), cell)


def install(shell: Any, library: Callable[[], Any]) -> None:
    """Add our matcher to the shell's completer; `library` is called at each Tab."""

    def jobs() -> Iterable[str]:
        """Return the names of jobs in the notebook, then ids in the library."""
        held = {id(value): name for name, value in shell.user_ns.items() if _is_job(name, value)}
        yield from held.values()
        yield from (job.id for job in library().history(limit=NEWEST))

    @context_matcher(identifier=IDENTIFIER, priority=100)  # type: ignore[untyped-decorator]
    def matcher(context: CompletionContext) -> dict[str, Any]:
        typed = _typed(context)
        if typed is None:
            return {"completions": []}
        before, cell = typed
        _, last = _words(before)
        # IPython replaces its own token, which begins later if the word contains ":" or "=".
        cut = len(last) - len(context.token) if last.endswith(context.token) else 0
        try:
            offers = candidates(before, library().catalog, cell=cell, jobs=jobs)
        except VideoError:  # IPython would print its traceback into the line being typed
            offers = []
        completions = [SimpleCompletion(text=offer[cut:], type="option") for offer in offers]
        return {"completions": completions, "suppress": bool(completions), "ordered": True}

    remove(shell)
    shell.Completer.custom_matchers.append(matcher)


def _is_job(name: str, value: object) -> bool:
    # By the class's name: its module is not imported until it is used.
    ours = type(value).__module__ in {"ipyreel.notebook.handles.job", "ipyreel.notebook.job_list"}
    return ours and not name.startswith("_")


def remove(shell: Any) -> None:
    """Remove our matcher."""
    matchers = shell.Completer.custom_matchers
    matchers[:] = [m for m in matchers if getattr(m, "matcher_identifier", None) != IDENTIFIER]
