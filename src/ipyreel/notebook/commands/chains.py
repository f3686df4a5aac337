"""`%video remix`, `edit` and `extend`: from a finished video to the next one.

May import `session` and its own room.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any

from IPython.core.error import UsageError

from ipyreel.errors import InvalidRequest
from ipyreel.notebook.commands import cells
from ipyreel.notebook.commands.options import OPTIONS, Option
from ipyreel.notebook.handles.job import Job
from ipyreel.notebook.markup.tables import Notice, Report
from ipyreel.notebook.screen import Screen
from ipyreel.values import Chain

FLAGS = ("--max-cost", "--wait", "--dry-run")
"""The options of `%%video` that all three take."""


def run(screen: Screen, how: Chain, words: list[str]) -> Job | Report:
    """Do what a line says and return its Job; for a dry run, what would be sent."""
    flags = ("--seconds", *FLAGS) if how == "extend" else FLAGS
    said, rest = _take(words, flags, of=f"%video {how}")
    if len(rest) < 2 or not rest[1].strip():  # noqa: PLR2004 - the job and the prompt
        raise InvalidRequest(f"%video {how}: name a job and a prompt: %video {usage(how)}")
    source = screen.session.find(rest[0])
    plan = screen.session.chain(source, how, " ".join(rest[1:]), seconds=said.get("seconds"))
    limit: Any = said.get("max_cost")
    if "dry_run" in said:
        return Notice(*cells.dry_run(screen, plan, max_cost=limit))
    (new,) = screen.session.submit(plan, max_cost=limit)
    job = screen.job(new.id)
    cells.show(screen, job, wait="wait" in said)
    return job


def usage(how: Chain) -> str:
    """Return how a line is typed."""
    return f'{how} ID "PROMPT" [-s N]' if how == "extend" else f'{how} ID "PROMPT"'


def _take(
    words: Sequence[str], flags: Sequence[str], *, of: str
) -> tuple[dict[str, Any], list[str]]:
    """Pick some of the options out of the words of another magic; return them and the rest.

    `flags` are long ones, `of` is that magic as it is typed. A "--" ends the options. Raises
    `UsageError` as the options of a cell do.
    """
    rows = {flag: row for row in OPTIONS if row.flags[-1] in flags for flag in row.flags}
    said, rest, left = dict[str, Any](), list[str](), iter(words)
    for word in left:
        flag, equals, value = word.partition("=")
        row = rows.get(flag)
        if word == "--":
            rest.extend(left)
        elif row is None and re.match(r"--?[A-Za-z]", word):
            raise UsageError(f"{of}: there is no option {flag}; there are {', '.join(flags)}.")
        elif row is None:
            rest.append(word)
        elif row.read is None:
            said[row.dest] = True
        else:
            given = value if equals else next(left, None)
            said[row.dest] = _read(row, given, of)
    return said, rest


def _read(row: Option, given: str | None, of: str) -> Any:
    if given is None or row.read is None:
        raise UsageError(f"{of}: a value is missing: {row.usage} ({row.help}).")
    try:
        return row.read(given)
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"{of} {row.flags[-1]}: {error}.") from None
