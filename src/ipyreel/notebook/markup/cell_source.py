"""Writes a request as the `%%video` cell that sends the same."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence

from ipyreel.errors import InvalidRequest
from ipyreel.values import Json, VideoRequest

_NAMES = re.compile(r"\{[^\W\d][\w.]*\}")
"""What `options.expand` takes for the name of a variable."""


def cell_of(
    request: VideoRequest, *, provider: str | None, images: Sequence[str] = (), count: int = 1
) -> str:
    """Return the cell: its options quoted as a shell reads them, the prompt's braces doubled.

    `images` are the paths or URLs that stand for the request's images. Raises `InvalidRequest`
    for what cannot be written in a cell.
    """
    if re.search(r"(?m)^\s*---\s*$", request.prompt):
        raise InvalidRequest("A line of --- divides prompts in a cell; write it differently.")
    words = [shlex.quote(_plain(word)) for word in _options(request, provider, images, count)]
    prompt = request.prompt.strip().replace("\r\n", "\n")
    return "\n".join([" ".join(["%%video", *words]), _doubled(prompt)])


def _options(
    request: VideoRequest, provider: str | None, images: Sequence[str], count: int
) -> Iterator[str]:
    said = {
        "-p": provider,
        "-m": request.model,
        "-s": None if request.seconds is None else f"{request.seconds:g}",
        "--size": request.size,
        "--seed": None if request.seed is None else str(request.seed),
        "-n": str(count) if count > 1 else None,
    }
    for flag, value in said.items():
        if value is not None:
            yield from (flag, value)
    for image in images:
        yield from ("-i", image)
    for name, field in request.extra.items():
        yield from ("-x", f"{_key(name)}={_json(field)}")


def _key(name: str) -> str:
    if "=" in name or name != name.strip() or not name:
        raise InvalidRequest(f"The field {name!r} cannot be named in a cell.")
    return name


def _json(value: Json) -> str:
    """Return a value so that it is read back as it is: text stays text where it can."""
    if not isinstance(value, str) or not value.isprintable():
        return json.dumps(value)
    try:
        json.loads(value)
    except ValueError:
        return value
    return json.dumps(value)


def _plain(word: str) -> str:
    """Keep a word from being filled in with the notebook's variables."""
    if re.fullmatch(r"\$[^\W\d]\w*", word):
        raise InvalidRequest(f"{word} cannot stand in a cell: there it is a variable.")
    return _doubled(word) if _NAMES.search(word) else word


def _doubled(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
