"""Fills `{name}` in a prompt from the notebook's variables, without evaluating anything.

The grammar is a subset of `str.format`'s: a name, attributes and items, a conversion, a format.
Attributes that begin with an underscore are refused.
"""

from __future__ import annotations

import difflib
import inspect
import os
import re
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from ipyreel.errors import InvalidRequest

_SECOND = re.compile(r"(?m)^[ \t]*%%video\b")
_TOKEN = re.compile(r"\{\{|\}\}|\{(?P<field>[^{}]*)\}|[{}]")
_FIELD = re.compile(
    r"(?P<name>[^\W\d]\w*)(?P<path>(?:\.[^\W\d]\w*|\[[^\[\]]+\])*)"
    r"(?:!(?P<conversion>[rsa]))?(?::(?P<format>.*))?",
    re.DOTALL,
)
_STEP = re.compile(r"\.(?P<attribute>\w+)|\[(?P<key>[^\[\]]+)\]")
_OF_IPYTHON = re.compile(r"In|Out|exit|quit|get_ipython|_{1,3}|_i{0,3}\d*|_[iod]h|__\w*__")
"""IPython's own names: with them, a shared prompt could send the notebook's history."""

WIDEST = 4096
"""The largest number in a format, such as a width: `{x:>9999999999}` would exhaust memory."""

_CONVERSIONS: Mapping[str, Callable[[Any], str]] = {"r": repr, "s": str, "a": ascii}


_MAGICS = {"run_cell_magic", "run_line_magic"}
"""IPython's functions that run a magic."""


def visible_names(shell: Any) -> dict[str, Any]:
    """Return the notebook's variables, overridden by those of the function that called the magic.

    IPython's own `needs_local_scope` gives cell magics the notebook's variables instead.
    """
    names = getattr(shell, "user_ns", None) or {}
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_name not in _MAGICS:
        frame = frame.f_back
    caller = frame.f_back if frame is not None else None
    if caller is None or caller.f_locals is caller.f_globals:
        return dict(names)
    return {**names, **caller.f_locals}


def split_prompts(cell: str) -> list[str]:
    """Return the prompts of a cell, which are separated by lines of `---`.

    Raises `InvalidRequest` for a second `%%video`.
    """
    if (second := _SECOND.search(cell)) is not None:
        line = cell.count("\n", 0, second.start()) + 2
        raise InvalidRequest(
            f"Line {line} is a second %%video: put it in a cell of its own.",
            hint="A line --- separates several prompts of one cell.",
        )
    pieces = [piece.strip() for piece in re.split(r"(?m)^\s*---\s*$", cell)]
    return [piece for piece in pieces if piece] or [""]


def interpolate(prompt: str, names: Mapping[str, Any]) -> str:
    """Return the prompt with every `{name}`, `{name.attr}`, `{name[0]}` filled in from `names`.

    `{{` and `}}` are braces; `{x:.2f}` formats as `str.format` does. Raises `InvalidRequest`
    with the unknown name, or the position of an unmatched brace.
    """

    def fill(token: re.Match[str]) -> str:
        if token[0] in {"{{", "}}"}:
            return token[0][0]
        where = _place(prompt, token.start())
        if token["field"] is None:
            lone = f"The prompt has an unmatched {token[0]} at {where}."
            raise InvalidRequest(lone, hint=_BRACES)
        return _value(token["field"], names, where)

    return _TOKEN.sub(fill, prompt)


def fields_in(prompt: str) -> list[str]:
    """Return the fields in the braces of a prompt, each once, in order."""
    return list(dict.fromkeys(token["field"] for token in _TOKEN.finditer(prompt)
                              if token["field"]))  # fmt: skip


_BRACES = "Write {{ and }} for braces, or use --raw."


def _place(text: str, at: int) -> str:
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    return f"line {line}, column {column}"


def _value(said: str, names: Mapping[str, Any], where: str) -> str:
    parts = _FIELD.fullmatch(said)
    if parts is None:
        raise InvalidRequest(f"{{{said}}} at {where} of the prompt is not a name.", hint=_BRACES)
    if parts["name"] not in names:
        raise _unknown(parts["name"], names, where)
    value = names[parts["name"]]
    if any(int(number) > WIDEST for number in re.findall(r"\d+", parts["format"] or "")):
        raise InvalidRequest(f"{{{said}}} at {where} of the prompt: at most {WIDEST} characters.")
    if _OF_IPYTHON.fullmatch(parts["name"]) and not isinstance(value, str | int | float):
        raise InvalidRequest(f"{{{said}}} at {where} of the prompt: the name is IPython's own.")
    try:
        _refuse_secrets(value)
        for step in _STEP.finditer(parts["path"]):
            value = _reach(value, step)
            _refuse_secrets(value)
        if parts["conversion"] is not None:
            value = _CONVERSIONS[parts["conversion"]](value)
        return format(value, parts["format"] or "")
    except Exception as error:
        raise InvalidRequest(
            f"{{{said}}} at {where} of the prompt: {type(error).__name__}: {error}.",
            hint=_BRACES,
        ) from error


def _refuse_secrets(value: Any) -> None:
    """Raise `TypeError` for values that would let a shared prompt read this process."""
    if isinstance(value, ModuleType):
        raise TypeError("a module cannot be part of a prompt")
    # A copy may be older than the last change of the environment.
    names = set(os.environ)
    copied = isinstance(value, Mapping) and len(names & set(value)) > len(names) // 2
    if copied or isinstance(value, type(os.environ)):
        raise TypeError("the environment cannot be part of a prompt")


def _reach(value: Any, step: re.Match[str]) -> Any:
    attribute = step["attribute"]
    if attribute is None:
        return value[_key(step["key"])]
    if attribute.startswith("_"):
        raise AttributeError(f"{attribute} is private")
    return getattr(value, attribute)


def _key(text: str) -> int | str:
    """Return the key of an item: a whole number, or text with or without quotes."""
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    quoted = re.fullmatch(r"(['\"])(.*)\1", text)
    return quoted[2] if quoted else text


def _unknown(name: str, names: Mapping[str, Any], where: str) -> InvalidRequest:
    public = [known for known in names if not known.startswith("_")]
    near = difflib.get_close_matches(name, public, n=1)
    hint = f"Did you mean {{{near[0]}}}? " if near else ""
    return InvalidRequest(
        f"The prompt names {{{name}}} at {where}, and the notebook has no {name}.",
        hint=hint + _BRACES,
    )
