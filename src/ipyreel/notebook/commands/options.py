"""The options of `%%video`: one table, from which come the parser, the help and the completion.

May import IPython's magic arguments, `prompts`, `errors` and `values`. Bad input raises
exactly `UsageError`: IPython prints a whole traceback for every other class.
"""

from __future__ import annotations

import argparse
import difflib
import json
import keyword
import math
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser

from ipyreel.errors import InvalidRequest
from ipyreel.notebook.commands.prompts import interpolate
from ipyreel.values import NOTHING, Json


def _text(value: str) -> str:
    if not value.strip():
        raise argparse.ArgumentTypeError("it is empty")
    return value


def _seconds(value: str) -> float:
    number = _number(value.removesuffix("s"), "a length in seconds, such as 8")
    if number <= 0:
        raise argparse.ArgumentTypeError(f"{value} is not above 0")
    return number


def _size(value: str) -> str:
    if re.fullmatch(r"\d+\s*[xX×*]\s*\d+", value):
        return "x".join(re.findall(r"\d+", value))
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9:._-]*", value):
        raise argparse.ArgumentTypeError(f"{value!r} is no size; give WIDTHxHEIGHT, as 1280x720")
    return value


def _seed(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is no whole number") from None


def _vary(value: str) -> tuple[str, str]:
    name, equals, said = value.partition("=")
    if not equals or not name.strip() or not said.strip():
        raise argparse.ArgumentTypeError(f"{value!r} is not field=a,b,c")
    return name.strip(), said


def _count(value: str) -> int:
    if not re.fullmatch(r"\d{1,5}", value) or int(value) == 0:
        raise argparse.ArgumentTypeError(f"{value!r} is no whole number from 1 on")
    return int(value)


def _usd(value: str) -> float:
    number = _number(value.removeprefix("$"), "a sum in USD, such as 2.50")
    if number < 0:
        raise argparse.ArgumentTypeError(f"{value} is below 0")
    return number


def _width(value: str) -> int:
    if not re.fullmatch(r"\d{1,5}(px)?", value) or int(value.removesuffix("px")) == 0:
        raise argparse.ArgumentTypeError(f"{value!r} is no width in pixels; give 1 to 99999")
    return int(value.removesuffix("px"))


def _extra(value: str) -> tuple[str, Json]:
    name, equals, said = value.partition("=")
    if not equals or not name.strip():
        raise argparse.ArgumentTypeError(f"{value!r} is not key=value")
    try:
        return name.strip(), json.loads(said)
    except ValueError:
        return name.strip(), said


def _name(value: str) -> str:
    if value.isidentifier() and not keyword.iskeyword(value):
        return value
    raise argparse.ArgumentTypeError(
        f"{value!r} cannot be the name of the job; the prompt goes into the lines below"
    )


def _number(value: str, wanted: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{value!r} is not {wanted}")
    return number


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table: how it is typed, what it takes, and one line of help."""

    flags: tuple[str, ...]
    metavar: str | None
    help: str
    read: Callable[[str], Any] | None = None
    repeats: bool = False

    @property
    def dest(self) -> str:
        """The name of the option's value in the parser's result."""
        return self.flags[-1].lstrip("-").replace("-", "_")

    @property
    def usage(self) -> str:
        """How the option is typed: `-s, --seconds N`."""
        return ", ".join(self.flags) + (f" {self.metavar}" if self.metavar else "")


OPTIONS: tuple[Option, ...] = (
    Option(("-p", "--provider"), "NAME", "who makes the video", _text),
    Option(("-m", "--model"), "NAME", "with what model", _text),
    Option(("-s", "--seconds"), "N", "length of the clip", _seconds),
    Option(("--size",), "WxH", "width and height in pixels, as 1280x720", _size),
    Option(("--seed",), "N", "the same seed makes the same video where a model can", _seed),
    Option(
        ("-i", "--image"),
        "PATH|URL|$VAR",
        "image to start from; $VAR may be bytes, a PIL image, an array or a Video",
        _text,
        repeats=True,
    ),
    Option(
        ("-x", "--extra"),
        "KEY=VALUE",
        "any further field; the value is read as JSON, else as text",
        _extra,
        repeats=True,
    ),
    Option(("-n", "--count"), "N", "make N of each; a given seed counts up", _count),
    Option(
        ("--vary",),
        "FIELD=A,B,C",
        "make every combination; FIELD is a field, a {name} of the prompt, or an extra",
        _vary,
        repeats=True,
    ),
    Option(("--parallel",), "N", "send at most N jobs of a sweep at once", _count),
    Option(("--max-cost",), "USD", "refuse before sending if the estimate is higher", _usd),
    Option(("-o", "--output"), "PATH", "where the MP4 goes", _text),
    Option(("-w", "--wait"), None, "return when the video is there"),
    Option(("--reuse",), None, "show the video of an equal finished request, at no cost"),
    Option(("--dry-run",), None, "show what would be sent, and send nothing"),
    Option(("--embed",), None, "put the video into the notebook itself"),
    Option(("--link",), None, "link the file, which has to travel with the notebook"),
    Option(("--width",), "PX", "width of the player", _width),
    Option(("--loop",), None, "play again and again"),
    Option(("--muted",), None, "play without sound"),
    Option(("--autoplay",), None, "play at once, which browsers only do without sound"),
    Option(("--raw",), None, "take the prompt as it is, without {name} in it"),
    Option(("-h", "--help"), None, "show this help"),
)
"""Every option of `%%video`, in the order of the help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellOptions:
    """What the first line of a cell says; None: nothing was said.

    `images` are words as they were typed (`expand` resolves them), `extra` is read as JSON,
    `vary` holds fields with their values as they were typed, `max_cost` is in USD, `seconds`
    is the length of the clip, `width` is in CSS pixels.
    """

    name: str | None = None
    provider: str | None = None
    model: str | None = None
    seconds: float | None = None
    size: str | None = None
    seed: int | None = None
    images: tuple[str, ...] = ()
    extra: Mapping[str, Json] = field(default_factory=lambda: NOTHING)
    count: int | None = None
    vary: tuple[tuple[str, str], ...] = ()
    parallel: int | None = None
    max_cost: float | None = None
    output: str | None = None
    wait: bool = False
    reuse: bool = False
    dry_run: bool = False
    show: Literal["link", "embed"] | None = None
    width: int | None = None
    loop: bool = False
    muted: bool = False
    autoplay: bool = False
    raw: bool = False
    help: bool = False


class _Parser(MagicArgumentParser):
    """Says what is wrong in one line that names the option as it is typed."""

    def error(self, message: str) -> NoReturn:
        found = re.match(r"argument (\S+): (.*)", message, re.DOTALL)
        if found is None:
            raise UsageError(f"%%video: {message}")
        name, trouble = found[1].split("/")[-1], " ".join(found[2].split())
        if trouble.startswith("expected one argument"):
            row = next(row for row in OPTIONS if name in row.flags)
            trouble = f"a value is missing: {row.usage} ({row.help})"
        raise UsageError(f"%%video {name}: {trouble}.")


def _parser() -> _Parser:
    parser = _Parser(prog="%video")  # type: ignore[no-untyped-call]
    parser.allow_abbrev = False
    parser.add_argument("NAME", nargs="?", type=_name)
    for row in OPTIONS:
        if row.read is None:
            parser.add_argument(*row.flags, action="store_true")
        else:
            action = "append" if row.repeats else "store"
            parser.add_argument(*row.flags, action=action, type=row.read, metavar=row.metavar)
    return parser


def parse(line: str, names: Mapping[str, Any] | None = None) -> CellOptions:
    """Read the first line of a cell, split as a shell splits it.

    With `names` (the notebook's variables), `$name` and `{name}` stand for their values in
    every word but the images'. Raises `UsageError` of one line with the option, the value and
    what is allowed.
    """
    words = _split(line)
    if names is not None:
        words = _expanded(words, names)
    _refuse_unknown(words)
    found, rest = _parser().parse_known_args(words)
    if rest:
        raise UsageError(
            f"%%video: did not expect {rest[0]!r}; the prompt goes into the lines below."
        )
    if found.embed and found.link:
        raise UsageError("%%video --embed --link: these exclude each other; choose one.")
    said = vars(found)
    embed, link = said.pop("embed"), said.pop("link")
    name, images, extra = said.pop("NAME"), said.pop("image"), said.pop("extra")
    return CellOptions(
        name=name,
        images=tuple(images or ()),
        extra=dict(extra or ()),
        vary=tuple(said.pop("vary") or ()),
        show="embed" if embed else "link" if link else None,
        **said,
    )


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(f"%%video: {str(error).lower()} in: {line.strip()}") from None


def _refuse_unknown(words: Sequence[str]) -> None:
    """Name an unknown option before argparse takes what stands behind it for the NAME."""
    rows = {flag: row for row in OPTIONS for flag in row.flags}
    for last, word in _pairs(words):
        flag, equals, _ = word.partition("=")
        taken = last in rows and rows[last].read is not None
        if taken or not word.startswith("-") or word[:2] in rows:
            continue
        if flag not in rows:
            near = difflib.get_close_matches(flag, rows, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_long())}."
            raise UsageError(f"%%video: there is no option {flag}; {hint}")
        if equals and rows[flag].read is None:
            raise UsageError(f"%%video {flag}: it takes no value ({rows[flag].help}).")


def _long() -> Sequence[str]:
    return [row.flags[-1] for row in OPTIONS]


def _expanded(words: Sequence[str], names: Mapping[str, Any]) -> list[str]:
    kept = {"-i", "--image"}
    return [
        word if last in kept or word.startswith("--image=") else _as_text(word, names)
        for last, word in _pairs(words)
    ]


def _pairs(words: Sequence[str]) -> Iterable[tuple[str, str]]:
    """Return every word with the one before it, "" before the first."""
    return zip(["", *words], words, strict=False)


def _as_text(word: str, names: Mapping[str, Any]) -> str:
    try:
        option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        return f"{option}{equals}{expand(value, names)}"
    except InvalidRequest as error:
        raise UsageError(str(error)) from None


def expand(word: str, names: Mapping[str, Any]) -> Any:
    """Return what a word stands for: the object of `$name`, text with `{name}` filled in.

    Raises `InvalidRequest` for a name that the notebook does not have.
    """
    if re.fullmatch(r"\$[^\W\d]\w*", word):
        if word[1:] not in names:
            raise InvalidRequest(f"{word}: the notebook has no variable {word[1:]}.")
        return names[word[1:]]
    # JSON and other braces are no names, and stay.
    return interpolate(word, names) if re.search(r"\{[^\W\d][\w.]*\}", word) else word


def document() -> str:
    """Return the help of `%%video`, which is its docstring too."""
    width = max(len(row.usage) for row in OPTIONS)
    rows = [f"  {row.usage:<{width}}  {row.help}{_times(row)}" for row in OPTIONS]
    return "\n".join(
        [
            "Make a video of the prompt in the cell.",
            "",
            "  %%video [NAME] [options]",
            "  A golden retriever running on the beach at sunset",
            "",
            "Returns at once; the card under the cell becomes the video. NAME holds the Job, or",
            "the JobList of a sweep: --vary, --count, or several prompts divided by a line ---.",
            "{name}, {name.attribute} and {name[0]} in the prompt come from the notebook; {{ and",
            "}} are braces. %video alone says where things stand, %video help lists its verbs.",
            "",
            *rows,
        ]
    )


def markdown() -> str:
    """Return the table of options as Markdown."""
    rows = [f"| `{row.usage.replace('|', ' or ')}` | {row.help}{_times(row)} |" for row in OPTIONS]
    return "\n".join(["| option | meaning |", "|---|---|", *rows])


def _times(row: Option) -> str:
    return " (may be repeated)" if row.repeats else ""
