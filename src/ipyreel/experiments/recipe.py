"""Writes jobs as a `%%video` cell or as a TOML file that makes them again, and reads the file."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from ipyreel.errors import ConfigError, InvalidRequest
from ipyreel.settings import MAX_TOML_BYTES, Toml, did_you_mean, read_toml
from ipyreel.sweeps import (
    FIELDS,
    MOST,
    Sweep,
    Variant,
    expand,
    read_axis,
    read_field,
    words_of,
)
from ipyreel.values import Image, Json, VideoRequest, to_usd

_NAMES = re.compile(r"\{[^\W\d][\w.]*\}")
"""What `options.expand` reads as the name of a variable."""


# ---- a cell


def cell_of(
    request: VideoRequest,
    *,
    provider: str | None,
    images: Sequence[str] = (),
    count: int = 1,
) -> str:
    """Return the cell: its options quoted for a shell parser, the prompt's braces doubled.

    `images` are the paths or URLs of the request's images. Raises `InvalidRequest` for what cannot
    be written in a cell.
    """
    return _cell(_options(request, provider, images, count), (), [_literal(request.prompt)])


def _cell(options: Iterable[str], vary: Iterable[str], prompts: Sequence[str]) -> str:
    words = [shlex.quote(_plain(word)) for word in options]
    for one in vary:
        words += ["--vary", shlex.quote(one)]
    return "\n".join([" ".join(["%%video", *words]), "\n---\n".join(prompts)])


def _literal(prompt: str) -> str:
    if re.search(r"(?m)^\s*---\s*$", prompt):
        raise InvalidRequest("A line of --- separates prompts in a cell; write it differently.")
    return _doubled(prompt.strip().replace("\r\n", "\n"))


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
    """Return a value in a form that is read back unchanged: as plain text if possible."""
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
        raise InvalidRequest(f"{word} cannot be written in a cell: it would name a variable.")
    return _doubled(word) if _NAMES.search(word) else word


def _doubled(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


Asked = tuple[str, VideoRequest]
"""The name of a provider, and the request that it got."""

NO_CELL = "No cell makes these jobs again, because they are not a product of fields."


def cell_of_jobs(
    asked: Sequence[Asked], differs: Sequence[Mapping[str, Json]], prompt: str | None
) -> str:
    """Return the cell that makes the same jobs again; without a seed the videos will differ.

    `differs` is how each differs, `prompt` the shared prompt, as it was typed. Raises
    `InvalidRequest` if no cell does that: for rows that are not a product, for jobs made from
    another video.
    """
    _refuse_chains(request for _, request in asked)
    prompts, axes = _guess(asked, differs, prompt)
    try:
        text = _checked_cell(asked, prompts, axes)
    except (InvalidRequest, ValueError, LookupError, AttributeError, ZeroDivisionError):
        text = None
    if text is None:
        raise InvalidRequest(NO_CELL, hint="to_toml() writes them as a file for %%video --from.")
    return text


def _refuse_chains(requests: Iterable[VideoRequest]) -> None:
    if any(request.chain is not None for request in requests):
        raise InvalidRequest("A remix, edit or extension cannot be made again without its video.")


def _guess(
    asked: Sequence[Asked], differs: Sequence[Mapping[str, Json]], prompt: str | None
) -> tuple[list[str], dict[str, list[Any]]]:
    """Return the prompts and the values of each varied field as they were typed.

    Prompts with names that are not varied, but were variables of the notebook, are returned as
    they were sent.
    """
    names = dict.fromkeys(name for some in differs for name in some)
    texts = _once(some.get("prompt") for some in differs)
    prompts = [prompt] if prompt is not None else texts
    words = words_of(prompt, differs)
    if None in prompts or words - names.keys():
        prompts, words = _once(_doubled(request.prompt) for _, request in asked), set()
    extras = {name for _, request in asked for name in request.extra}
    axes = {
        name: _once(
            _value(name, provider, request, some)
            for (provider, request), some in zip(asked, differs, strict=True)
        )
        for name in names
        if name in {*FIELDS, *words, *extras}
    }
    return prompts, axes


def _value(name: str, provider: str, request: VideoRequest, differing: Mapping[str, Json]) -> Any:
    """Return the value of a varied field from the request, since `differing` has it as text."""
    if name == "provider":
        return provider
    if name == "image":
        return request.images[0] if request.images else None
    return (
        getattr(request, name) if name in FIELDS else request.extra.get(name, differing.get(name))
    )


def _once(values: Iterable[Any]) -> list[Any]:
    return list({repr(value): value for value in values}.values())


def _checked_cell(
    asked: Sequence[Asked], prompts: Sequence[str], axes: Mapping[str, Sequence[Any]]
) -> str | None:
    """Return the cell of these prompts and fields if it makes exactly what was asked for."""
    count, rest = divmod(len(asked), math.prod(map(len, (prompts, *axes.values()))))
    if rest or not count:
        return None
    provider, first = asked[0]
    fixed: dict[str, Any] = {name: None for name in axes if name in _PLAIN}
    base = replace(
        first,
        **fixed,
        images=() if "image" in axes else first.images,
        extra={name: value for name, value in first.extra.items() if name not in axes},
    )
    common = None if "provider" in axes else provider
    words = words_of(None, [{"prompt": one} for one in prompts])
    sweep = expand(
        base,
        prompts=prompts,
        axes=[read_axis(name, values, words) for name, values in axes.items()],
        count=count,
        provider=common,
        fill=_fill,
    )
    if _prints((one.provider or "", one.request) for one in sweep.variants) != _prints(asked):
        return None
    vary = [_varied(name, values, words) for name, values in axes.items()]
    options = _options(base, common, [image.source for image in base.images], count)
    for one in prompts:
        _literal(one)  # refuses what cannot be written in a cell
    return _cell(options, vary, [one.strip() for one in prompts])


def _fill(prompt: str, values: Mapping[str, Any]) -> str:
    """Insert values into plain names in braces; raises LookupError for any other name."""

    def word(found: re.Match[str]) -> str:
        return str(values[found[1]]) if found[1] else found[0][0]

    return re.sub(r"\{\{|\}\}|\{([^\W\d]\w*)\}", word, prompt)


_PLAIN = ("model", "seconds", "size", "seed")
"""Fields that are in a request by their own names."""


def _prints(asked: Iterable[Asked]) -> Counter[str]:
    return Counter(request.fingerprint(provider) for provider, request in asked)


def _varied(name: str, values: Sequence[Any], words: set[str]) -> str:
    """Return a varied field as it is typed: `seconds=4,8`, else its values as a JSON list."""
    plain = [value.source if isinstance(value, Image) else value for value in values]
    if name == "seconds":
        plain = [f"{value:g}" for value in values]
    extra = name not in {*FIELDS, *words}
    texts = [_json(value) if extra else str(value) for value in plain]
    if all(re.fullmatch(r"[\w.:/×-]+( [\w.:/×-]+)*", text) for text in texts):
        return f"{_key(name)}={','.join(texts)}"
    if any(isinstance(value, str) and value.startswith("$") for value in plain):
        raise InvalidRequest(f"A value of {name} cannot be in a cell: it would name a variable.")
    listed = [_json(value) if extra and isinstance(value, str) else value for value in plain]
    return f"{_key(name)}={json.dumps(listed, ensure_ascii=False)}"


# ---- a file


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Jobs to make: their requests with labels and fields, and the estimate of each at that time.

    The prices are in USD, and only for people to read.
    """

    sweep: Sweep
    prices: tuple[Decimal | None, ...]


_VERSION = 1
_TOP = ("version", "prompt", "columns", "job")
_JOB = (
    "prompt", "provider", "model", "seconds", "size", "seed", "images", "extra", "label",
    "differs", "price_then",
)  # fmt: skip
_LONGEST = 500
"""Most characters of a label."""

_HEAD = """\
# Videos to make: %%video --from THIS_FILE makes them again, at the prices of that day.
# price_then is what each was estimated at in USD; it is shown and never used.
"""


def to_toml(recipe: Recipe) -> str:
    """Return the file, which `read_recipe` reads back; it has no address, key or header.

    Raises `InvalidRequest` for values that such a file cannot have.
    """
    _refuse_chains(variant.request for variant in recipe.sweep.variants)
    top = {"version": _VERSION, "prompt": recipe.sweep.prompt, "columns": recipe.sweep.inner}
    parts = [_HEAD + _lines(top)]
    for variant, price in zip(recipe.sweep.variants, recipe.prices, strict=True):
        request = variant.request
        fields = {
            "prompt": request.prompt,
            "provider": variant.provider,
            **{name: getattr(request, name) for name in _PLAIN},
            "images": [_image(image) for image in request.images] or None,
            "extra": _dumped(request.extra),
            "label": variant.label[:_LONGEST] or None,
            "differs": _dumped(variant.differs),
            "price_then": None if price is None else float(price),
        }
        parts.append("[[job]]\n" + _lines(fields))
    text = "\n".join(parts)
    if len(text.encode()) > MAX_TOML_BYTES:
        raise InvalidRequest(f"These jobs are more than {MAX_TOML_BYTES:,} bytes as a file.")
    return text


def _lines(fields: Mapping[str, Any]) -> str:
    return "".join(
        f"{name} = {_written(value)}\n" for name, value in fields.items() if value is not None
    )


def _written(value: Any) -> str:
    """Return a value as TOML: JSON's notation, with the further escapes that TOML requires."""
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_written(one)}' for key, one in value.items())} }}"
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest("A prompt or field contains a lone surrogate character.") from None
    return text


def _dumped(fields: Mapping[str, Json]) -> str | None:
    """Return fields as JSON text: TOML has no null."""
    return json.dumps(dict(fields), ensure_ascii=False) if fields else None


def _image(image: Image) -> dict[str, str]:
    if image.url is not None:
        return {"url": image.url}
    return {"path": image.source, "sha256": image.to_dict()["sha256"] or ""}


def read_recipe(path: Path, read_image: Callable[[str], Image]) -> Recipe:
    """Return the jobs of a file, which is not trusted; `read_image` reads paths and URLs.

    An image file is accepted only if it is the one that was used, by its SHA-256. Raises
    `ConfigError` with file and line for anything that `to_toml` does not write.
    """
    toml = read_toml(path)
    top = toml.data
    _refuse_unknown(top, _TOP, toml.place)
    if top.get("version") != _VERSION:
        raise toml.error(f"this ipyreel reads version {_VERSION}", "version")
    prompt, columns, jobs = top.get("prompt"), top.get("columns", 1), top.get("job")
    if not isinstance(prompt, str | None):
        raise toml.error("takes a text", "prompt")
    if not isinstance(columns, int) or not 1 <= columns <= MOST:
        raise toml.error(f"takes a number from 1 to {MOST}", "columns")
    if not isinstance(jobs, list) or not jobs or not all(isinstance(job, dict) for job in jobs):
        raise toml.error("there are no [[job]] tables", "job")
    if len(jobs) > MOST:
        raise toml.error(f"{len(jobs)} jobs; a sweep has at most {MOST}", "job")
    found = [_read_job(_Table(toml, at, job), read_image) for at, job in enumerate(jobs)]
    variants = tuple(variant for variant, _ in found)
    prices = tuple(price for _, price in found)
    return Recipe(sweep=Sweep(variants=variants, prompt=prompt, inner=columns), prices=prices)


def _refuse_unknown(
    table: Mapping[str, Any], known: Sequence[str], place: Callable[[str], str]
) -> None:
    for name in table:
        if name not in known:
            near = did_you_mean(name, known)
            raise ConfigError(f"{place(name)}: unknown key {name[:_LONGEST]!r}.{near}")


@dataclass(frozen=True, slots=True)
class _Table:
    """One `[[job]]` of a file."""

    toml: Toml
    number: int
    data: Mapping[str, Any]

    def place(self, key: str) -> str:
        lines = self.toml.text.splitlines()
        heads = [at for at, line in enumerate(lines) if re.match(r"\s*\[\[\s*job\s*\]\]", line)]
        if self.number >= len(heads):
            return self.toml.place("job")
        after = range(heads[self.number], len(lines))
        key_line = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=")
        at = next((at for at in after if key_line.match(lines[at])), heads[self.number])
        return f"{self.toml.path}:{at + 1}"

    def error(self, key: str, message: str) -> ConfigError:
        return ConfigError(f"{self.place(key)}: {key}: {message}.")

    def text(self, key: str) -> str | None:
        value = self.data.get(key)
        if not isinstance(value, str | None):
            raise self.error(key, "takes a text")
        return value

    def fields(self, key: str) -> dict[str, Json]:
        try:
            found = json.loads(self.text(key) or "{}")
        except (ValueError, RecursionError):
            raise self.error(key, "takes JSON") from None
        if not isinstance(found, dict):
            raise self.error(key, "takes a JSON object")
        return found


def _read_job(table: _Table, read_image: Callable[[str], Image]) -> tuple[Variant, Decimal | None]:
    _refuse_unknown(table.data, _JOB, table.place)
    prompt, label, price = table.text("prompt"), table.text("label"), table.data.get("price_then")
    if prompt is None:
        raise table.error("prompt", "it is missing")
    if len(label or "") > _LONGEST:
        raise table.error("label", f"takes at most {_LONGEST} characters")
    given: dict[str, Any] = {}
    for name in ("provider", *_PLAIN):
        if name in table.data:
            try:
                given[name] = read_field(name, table.data[name], "")
            except InvalidRequest as error:
                raise ConfigError(f"{table.place(name)}: {error.message}") from None
    try:
        then = None if price is None else to_usd(price)
    except ValueError:
        raise table.error("price_then", "takes an amount in USD") from None
    provider = given.pop("provider", None)
    request = VideoRequest(
        prompt=prompt, images=_read_images(table, read_image), extra=table.fields("extra"), **given
    )
    differs = table.fields("differs")
    return Variant(request=request, provider=provider, label=label or "", differs=differs), then


def _read_images(table: _Table, read_image: Callable[[str], Image]) -> tuple[Image, ...]:
    listed, found = table.data.get("images", []), []
    takes = "takes { url = ... } or { path = ..., sha256 = ... }"
    for one in listed if isinstance(listed, list) else [None]:
        if not isinstance(one, dict) or not all(isinstance(value, str) for value in one.values()):
            raise table.error("images", takes)
        url = one.get("url", "")
        if one.keys() == {"url"} and re.match(r"https?://", url):
            found.append(read_image(url))
        elif one.keys() == {"path", "sha256"} and one["sha256"]:
            try:
                found.append(as_it_was(read_image(one["path"]), one["sha256"]))
            except InvalidRequest as error:
                raise table.error("images", error.message.rstrip(".")) from None
        else:
            raise table.error("images", takes)
    return tuple(found)


def as_it_was(image: Image, sha256: str) -> Image:
    """Return an image that was read again; its plan is refused if it has changed.

    What was sent may have been fitted to the size of the video first, so the plan decides.
    """
    same = image.data is not None and hashlib.sha256(image.data).hexdigest() == sha256
    return image if same else replace(image, sha256=sha256)
