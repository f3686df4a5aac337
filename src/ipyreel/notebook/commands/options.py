"""The options of `%%video`, the verbs of `%video`, and the one parser that reads both.

The tables feed the parser, the help, the README and the completion. Bad input raises exactly
`UsageError`: IPython prints a whole traceback for every other class.
"""

from __future__ import annotations

import difflib
import io
import json
import keyword
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal

from IPython.core.error import UsageError

from ipyreel.errors import InvalidRequest
from ipyreel.notebook.commands.prompts import interpolate, split_prompts
from ipyreel.settings import READERS
from ipyreel.values import NOTHING, Json

Names = Mapping[str, Any]
"""The notebook's variables."""


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("takes a text")
    return value


def _whole(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ValueError("takes a whole number") from None


def _stars(value: str) -> int:
    if value not in {*"12345"}:
        raise ValueError("takes 1 to 5 stars")
    return int(value)


def _vary(value: str) -> tuple[str, str]:
    name, equals, values = value.partition("=")
    if not equals or not name.strip() or not values.strip():
        raise ValueError("takes field=a,b,c")
    return name.strip(), values


def _extra(value: str) -> tuple[str, Json]:
    name, equals, given = value.partition("=")
    if not equals or not name.strip():
        raise ValueError("takes key=value")
    try:
        return name.strip(), json.loads(given)
    except ValueError:
        return name.strip(), given


def _without(unit: str, setting: str) -> Callable[[str], Any]:
    """Return the reader of a setting that also takes the value's unit, as in `8s`."""
    return lambda value: READERS[setting](value.removeprefix("$").removesuffix(unit))


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table: the option's flags, its value, and one line of help."""

    flags: tuple[str, ...]
    metavar: str | None
    help: str
    read: Callable[[str], Any] | None = None
    repeats: bool = False

    @property
    def dest(self) -> str:
        """The key of the option's value in the parser's result."""
        return self.flags[-1].lstrip("-").replace("-", "_")

    @property
    def usage(self) -> str:
        """How the option is typed: `-s, --seconds N`."""
        return ", ".join(self.flags) + (f" {self.metavar}" if self.metavar else "")

    @property
    def meaning(self) -> str:
        """The line of help, which says whether the option may be repeated."""
        return self.help + (" (repeatable)" if self.repeats else "")


OPTIONS: tuple[Option, ...] = (
    Option(("-p", "--provider"), "NAME", "provider that makes the video", _text),
    Option(("-m", "--model"), "NAME", "model to use", _text),
    Option(("-s", "--seconds"), "N", "length of the clip", _without("s", "seconds")),
    Option(("--size",), "WxH", "width and height in pixels, such as 1280x720", READERS["size"]),
    Option(("--seed",), "N", "same seed, same video, where the model supports it", _whole),
    Option(
        ("-i", "--image"),
        "PATH|URL|$VAR",
        "input image; $VAR may be bytes, a PIL image, an array or a Video",
        _text,
        repeats=True,
    ),
    Option(
        ("-x", "--extra"),
        "KEY=VALUE",
        "any other field of the request; the value is JSON, else text",
        _extra,
        repeats=True,
    ),
    Option(("-n", "--count"), "N", "make N of each; --seed is the first seed", READERS["parallel"]),
    Option(
        ("--vary",),
        "FIELD=A,B,C",
        "make every combination; FIELD is a field, a {name} in the prompt, or an extra",
        _vary,
        repeats=True,
    ),
    Option(
        ("--rows",),
        "$VAR|PATH",
        "make one video per row of a DataFrame, a list of dicts, a CSV or JSONL file; columns "
        "set fields and fill {names}",
        _text,
    ),
    Option(
        ("--from",),
        "FILE",
        "make the videos of a file that films.to_toml() wrote; a line of the cell that begins "
        "with # is a comment",
        _text,
    ),
    Option(("--parallel",), "N", "at most N jobs of a sweep at a time", READERS["parallel"]),
    Option(
        ("--max-cost",), "USD", "refuse to send if the estimate is higher", _without("", "max_cost")
    ),
    Option(("-o", "--output"), "PATH", "file to write the MP4 to", _text),
    Option(("-w", "--wait"), None, "return when the video is ready"),
    Option(("--reuse",), None, "use an equal job that is finished or active instead of a new one"),
    Option(("--dry-run",), None, "show what would be sent, and send nothing"),
    Option(("--embed",), None, "store the video in the notebook"),
    Option(("--link",), None, "link the file, which must stay beside the notebook"),
    Option(("--width",), "PX", "width of the player", _without("px", "width")),
    Option(("--loop",), None, "play in a loop"),
    Option(("--muted",), None, "play without sound"),
    Option(("--autoplay",), None, "start at once; browsers allow that only without sound"),
    Option(("--raw",), None, "use the prompt as it is, without filling in {name}"),
    Option(("-h", "--help"), None, "show this help"),
)
"""Every option of `%%video`, in the order of the help."""

VERB_OPTIONS: tuple[Option, ...] = (
    Option(("--refresh",), None, "ask the provider, and keep its answer"),
    Option(("--keep",), None, "store the key in the keyring"),
    Option(("--take",), None, "take the job from another kernel, even a living one"),
    Option(("--as",), "NAME", "who judges (default: the user of this machine)", _text),
    Option(("--tag",), "TAG", "a tag of the video", _text, repeats=True),
    Option(("--rating",), "1-5", "only videos with so many stars or more", _stars),
    Option(("--votes",), "N", "votes to ask for (default: 20)", READERS["parallel"]),
    Option(("--tie",), None, "both videos are equally good"),
    Option(("--undo",), None, "remove the last vote"),
)
"""Options that only verbs have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One verb of `%video`: its usage, one line of help, and its arguments.

    `options` are long flags. `of` says what its words name, for completion. It
    takes `least` to `most` words (None: any number). `free`: its words are text, in which
    quotes and backslashes are characters.
    """

    usage: str
    help: str
    options: tuple[str, ...] = ()
    of: Literal["provider", "job"] | None = None
    least: int = 0
    most: int | None = 0
    free: bool = False


def _chain(usage: str, text: str, *more: str) -> Verb:
    options = (*more, "--max-cost", "--wait", "--dry-run")
    text += " Takes --max-cost, --wait, --dry-run."
    return Verb(usage=usage, help=text, options=options, of="job", least=2, most=None, free=True)


def _of(kind: Literal["provider", "job"], usage: str, text: str, *, least: int = 0) -> Verb:
    return Verb(usage=usage, help=text, of=kind, least=least, most=1)


VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "use": Verb(
            usage="use PROVIDER [-m MODEL] [option=value ...]",
            help="Set defaults for this session; base_url=... changes the provider's address.",
            options=("--model", "--seconds", "--size", "--max-cost", "--parallel", "--width"),
            of="provider",
            most=None,
        ),
        "providers": Verb(usage="providers", help="List providers, and what each one needs."),
        "models": Verb(
            usage="models [PROVIDER] [TEXT] [seconds=N] [size=WxH] [--refresh]",
            help="List models with sizes, seconds, prices and the date of these facts; --refresh "
            "asks the provider for its models and prices.",
            options=("--refresh",),
            of="provider",
            most=None,
        ),
        "jobs": Verb(usage="jobs", help="List the active jobs."),
        "history": Verb(
            usage="history [TEXT]",
            help="List the newest jobs, or those with TEXT. Takes --rating N (stars or more), "
            "--tag TAG.",
            options=("--rating", "--tag"),
            most=None,
            free=True,
        ),
        "cost": Verb(
            usage="cost [day] [provider] [model]",
            help="Sum up what was spent, by any of these (default: all three).",
            most=3,
        ),
        "balance": _of("provider", "balance [PROVIDER]", "Show the balance of a provider's key."),
        "show": _of("job", "show [ID]", "Show a job's card or video, or a sweep's grid, here."),
        "wait": _of("job", "wait [ID]", "Block until the jobs have ended."),
        "resume": Verb(
            usage="resume [ID [REMOTE_ID]] [-p PROVIDER] [--take] [-o PATH]",
            help="Continue jobs of an earlier kernel; REMOTE_ID is the job's id at the server, "
            "-p adds a job made elsewhere, --take takes one from a kernel that hangs.",
            options=("--provider", "--take", "--output"),
            of="job",
            most=2,
        ),
        "cancel": _of("job", "cancel ID", "Cancel a job, and say what was done.", least=1),
        "delete": _of(
            "job", "delete ID", "Delete a job at its provider and here; keep its file.", least=1
        ),
        "remix": _chain('remix ID "PROMPT"', "Make a new video from the idea of a finished one."),
        "edit": _chain('edit ID "PROMPT"', "Make the same video with changes."),
        "extend": _chain('extend ID "PROMPT" [-s N]', "Continue a video at its end.", "--seconds"),
        "compare": Verb(
            usage="compare ID ID ...", help="Play two to six videos in sync.", of="job", most=None
        ),
        "rate": Verb(
            usage="rate ID [1-5 [NOTE]]",
            help="Rate a video (0 removes the rating), or show the videos of a job or sweep "
            "with fields for it. Takes --tag TAG, --as NAME.",
            options=("--tag", "--as"),
            of="job",
            least=1,
            most=None,
            free=True,
        ),
        "vote": Verb(
            usage="vote BETTER WORSE",
            help="Record which of two videos is better. Takes --tie, --as NAME; --undo removes "
            "the last vote.",
            options=("--tie", "--as", "--undo"),
            of="job",
            most=2,
        ),
        "judge": Verb(
            usage="judge JOBS",
            help="Compare the videos of a sweep in blind pairs. Takes --votes N, --as NAME.",
            options=("--votes", "--as"),
            of="job",
            least=1,
            most=1,
        ),
        "results": _of("job", "results JOBS", "Show the results of votes on a sweep.", least=1),
        "rerun": Verb(
            usage="rerun JOBS",
            help="Send the missing and failed jobs of a sweep again, price first. "
            "Takes --max-cost.",
            options=("--max-cost",),
            of="job",
            least=1,
            most=1,
        ),
        "form": Verb(usage="form", help="Open a form that shows the price as you type."),
        "gallery": Verb(
            usage="gallery [TEXT]", help="Browse the library as pictures.", most=None, free=True
        ),
        "key": Verb(
            usage="key PROVIDER [--keep]",
            help="Enter a key; it is kept in memory only, or with --keep in the keyring.",
            options=("--keep",),
            of="provider",
            least=1,
            most=1,
        ),
        "trust": Verb(
            usage="trust [FOLDER]",
            help="Approve the ipyreel.toml of a folder, and show what it changes.",
            most=1,
        ),
        "doctor": _of("provider", "doctor [PROVIDER]", "Check the setup, and say what to do."),
    }
)  # fmt: skip
"""Every verb by its name, in the order of the help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellOptions:
    """The options on the first line of a cell; None: not given.

    `images` and `rows` are words as typed (`expand` resolves them), `extra` is read as JSON,
    `vary` holds fields with their values as typed, `plan` is the path of a `--from` file,
    `max_cost` is in USD, `seconds` is the length of the clip, `width` is in CSS pixels.
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
    rows: str | None = None
    plan: str | None = None
    parallel: int | None = None
    max_cost: Decimal | None = None
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


def parse(line: str, names: Names | None = None) -> CellOptions:
    """Read the first line of a cell.

    With `names`, `$name` and `{name}` in values stand for the notebook's variables, except in
    images. Raises a one-line `UsageError` with the option, the value and what is allowed.
    """
    said, words = _pick(_split(line, "%%video"), OPTIONS, "%%video", names)
    if len(words) > 1:
        raise UsageError(f"%%video: unexpected {words[1]!r}; the prompt goes in the lines below.")
    name = words[0] if words else None
    if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
        raise UsageError(
            f"%%video: {name!r} cannot be the job's name; the prompt goes in the lines below."
        )
    embed, link = said.pop("embed", False), said.pop("link", False)
    if embed and link:
        raise UsageError("%%video --embed --link: these exclude each other; choose one.")
    return CellOptions(
        name=name,
        images=said.pop("image", ()),
        plan=said.pop("from", None),
        extra=dict(said.pop("extra", ())),
        show="embed" if embed else "link" if link else None,
        **said,
    )


def is_sweep(said: CellOptions, cell: str) -> bool:
    """Return whether a cell may make several videos; raises `InvalidRequest`."""
    several = said.plan or said.rows or said.vary or said.count not in {None, 1}
    return bool(several) or len(split_prompts(cell)) > 1


def wants_help(line: str, *, cell: bool) -> bool:
    """Return whether a line asks for the full help of `%%video` (`cell`) or of `%video`."""
    words = line.split()
    if cell:
        return bool({"-h", "--help"} & {*words})
    return words[:1] in (["help"], ["-h"], ["--help"])


def parse_verb(name: str, line: str) -> tuple[dict[str, Any], list[str]]:
    """Parse the arguments of a verb; return the values of its options, and its other words.

    Raises `UsageError` if an option, a value or the number of words is not allowed.
    """
    verb, of = VERBS[name], f"%video {name}"
    rows = [row for row in (*OPTIONS, *VERB_OPTIONS) if row.flags[-1] in {*verb.options, "--help"}]
    words = _WORDS.findall(line) if verb.free else _split(line, of)
    said, words = _pick(words, rows, of, free=verb.free)
    if "help" not in said and len(words) < verb.least:
        what = {"provider": "a provider", "job": "a job", None: "more"}[verb.of]
        raise UsageError(f"{of}: name {what}: %video {verb.usage}")
    if verb.most is not None and len(words) > verb.most:
        raise UsageError(f"{of}: unexpected {words[verb.most]}: %video {verb.usage}")
    return said, words


_WORDS = re.compile(r""""[^"]*"(?=\s|$)|'[^']*'(?=\s|$)|\S+""")
"""The words of free text: quotes count only around a whole word, so `don't` is one."""


def unquoted(text: str) -> str:
    """Return a text without its quotes, if they enclose all of it."""
    found = re.fullmatch(r"""(["'])((?:(?!\1).)*)\1""", text.strip(), re.DOTALL)
    return found[2] if found else text.strip()


_JSON = re.compile(r"(?:--?[\w-]+=)?(?:[\w.-]+=)?(?=[\[{])")
"""What may precede a value that is JSON to its end: `--extra=tags=["a", "b"]`."""

_NAMES = re.compile(r"\{[^\W\d]\w*(?:\.\w+|\[-?\w+\])*\}")
"""Variables in braces, which are not JSON."""


def _split(line: str, of: str) -> list[str]:
    """Split a line as a POSIX shell does, except that a backslash escapes nothing.

    A value that begins with `{` or `[` is JSON to its end; its quotes and blanks are kept.
    """
    source, words, at = io.StringIO(line), list[str](), 0
    lexer = shlex.shlex(source, posix=True)
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
    while (at := len(line) - len(line[at:].lstrip())) < len(line):
        before = _JSON.match(line, at)
        if before is not None and not _NAMES.match(line, before.end()):
            end = _end_of_json(line, before.end(), of)
            words.append(line[at:end])
        else:
            source.seek(at)
            try:
                words.append(lexer.get_token() or "")
            except ValueError as error:
                raise UsageError(f"{of}: {str(error).lower()} in: {line.strip()}") from None
            end = source.tell()
        at = end
    return words


def _end_of_json(line: str, at: int, of: str) -> int:
    try:
        _, end = json.JSONDecoder().raw_decode(line, at)
    except (ValueError, RecursionError):
        end = -1
    if end < 0 or line[end : end + 1].strip():
        raise UsageError(f"{of}: this is not JSON (put text in quotes): {line[at:].strip()}")
    return end


def _pick(
    words: Sequence[str],
    rows: Iterable[Option],
    of: str,
    names: Names | None = None,
    *,
    free: bool = False,
) -> tuple[dict[str, Any], list[str]]:
    """Remove the options from words; return their values by name, and the other words.

    A "--" ends the options. With `names`, variables in values are filled in; in `free` text,
    values may still have quotes around them.
    """
    by_flag = {flag: row for row in rows for flag in row.flags}
    said, rest, left = dict[str, Any](), list[str](), iter(words)
    for word in left:
        if word == "--":
            rest.extend(left)
        elif not re.match(r"--?[^\W\d]", word):
            rest.append(word)
        else:
            row, value = _row_of(word, by_flag, of)
            if row.read is None:
                said[row.dest] = True
                continue
            value = next(left, None) if value is None else value
            if value is None or value in by_flag:
                raise UsageError(f"{of} {row.flags[-1]}: a value is missing: {row.usage}.")
            read = _read(row, unquoted(value) if free else value, of, names)
            said[row.dest] = (*said.get(row.dest, ()), read) if row.repeats else read
    return said, rest


def _row_of(word: str, by_flag: Mapping[str, Option], of: str) -> tuple[Option, str | None]:
    """Return the option that a word names, and the value inside the word, as in `-s8`."""
    flag, equals, glued = word.partition("=")
    value = glued if equals else None
    if flag not in by_flag and not word.startswith("--") and word[:2] in by_flag:
        flag, value = word[:2], word[2:]
    if flag not in by_flag:
        near = difflib.get_close_matches(flag, by_flag, n=1)
        known = ", ".join(dict.fromkeys(row.flags[-1] for row in by_flag.values()))
        hint = f"did you mean {near[0]}?" if near else f"there are {known}."
        raise UsageError(f"{of}: there is no option {flag}; {hint}")
    row = by_flag[flag]
    if row.read is None and value is not None:
        raise UsageError(f"{of} {flag}: it takes no value ({row.help}).")
    return row, value


def _read(row: Option, value: str, of: str, names: Names | None) -> Any:
    assert row.read is not None  # noqa: S101 - flags have no value to read
    is_json = _JSON.match(value) and not _NAMES.match(value)
    try:
        if names is not None and row.dest not in {"image", "rows"} and not is_json:
            value = str(expand(value, names))
        return row.read(value)
    except InvalidRequest as error:
        raise UsageError(str(error)) from None
    except ValueError as error:
        raise UsageError(f"{of} {row.flags[-1]} {value!r}: it {error}.") from None


def expand(word: str, names: Names) -> Any:
    """Return the value of a word: the object of `$name`, or text with `{name}` filled in.

    Raises `InvalidRequest` for a name that the notebook does not have.
    """
    if re.fullmatch(r"\$[^\W\d]\w*", word):
        if word[1:] not in names:
            raise InvalidRequest(f"{word}: the notebook has no variable {word[1:]}.")
        return names[word[1:]]
    return interpolate(word, names) if _NAMES.search(word) else word


INTRODUCTION = """\
Make a video of the prompt in the cell.

  %%video [NAME] [options]
  A golden retriever running on the beach at sunset

Returns at once; the card below the cell becomes the video. NAME becomes the Job, or the
JobList of a sweep: --vary, --count, or several prompts separated by a line ---.
{name}, {name.attribute} and {name[0]} in the prompt come from the notebook; {{ and }} are
braces. %video alone shows the state of the session, %video help lists its verbs."""


def option_rows() -> list[tuple[str, str]]:
    """Return how each option is typed, and what it means."""
    return [(row.usage, row.meaning) for row in OPTIONS]


def verb_rows() -> list[tuple[str, str]]:
    """Return how each verb is typed, and what it does."""
    return [(f"%video {verb.usage}", verb.help) for verb in VERBS.values()]


def document() -> str:
    """Return the help of `%%video` as text, which is also its docstring."""
    width = max(len(usage) for usage, _ in option_rows())
    rows = [f"  {usage:<{width}}  {meaning}" for usage, meaning in option_rows()]
    return "\n".join([INTRODUCTION, "", *rows])


def markdown(rows: Iterable[tuple[str, str]], *columns: str) -> str:
    """Return one of the tables as Markdown, for the README."""
    lines = [f"| `{usage.replace('|', ' or ')}` | {meaning} |" for usage, meaning in rows]
    return "\n".join([f"| {' | '.join(columns)} |", "|---|---|", *lines])
