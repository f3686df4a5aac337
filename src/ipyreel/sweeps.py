"""Expands a sweep into requests, one for every combination of the varied fields; no I/O."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ipyreel.errors import InvalidRequest
from ipyreel.settings import READERS, did_you_mean
from ipyreel.values import Image, Json, VideoRequest

Fill = Callable[[str, Mapping[str, Any]], str]
"""Inserts the values of one combination into a prompt: `fill(prompt, values)`."""

FIELDS = ("provider", "model", "seconds", "size", "seed", "image")
"""Fields that can be varied, besides names in the prompt and extra fields."""

MOST = 1000
"""Most jobs of one sweep: more are probably a mistake."""

LONG = 40
"""Most characters of one value in a label."""

TAKE = "take"
"""The name of the axis that numbers the repeats of one combination."""

_PROMPTS, _REPEATS = "---", "-n"
"""Our own axes. No field or variable has such a name, so neither can shadow the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A varied field and its values."""

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One combination: the request, its provider (None: the default) and what differs.

    `label` is the difference as text ("4 s · seed 1"), `differs` the same as plain data.
    """

    request: VideoRequest
    provider: str | None
    label: str
    differs: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """All combinations in order; the first axis changes slowest.

    `prompt` is the common prompt as it was typed; None: there are several. `inner` is the
    number of values of the last axis.
    """

    variants: tuple[Variant, ...]
    prompt: str | None
    inner: int


def read_axis(name: str, values: Iterable[Any], words: Iterable[str] = ()) -> Axis:
    """Check the values of one field; raises `InvalidRequest` naming `--vary`, field and value.

    `words` are the names in the prompt's braces. Values of `seconds`, `size` and `seed` are
    read like their options; everything else is used unchanged.
    """
    known = {*FIELDS, *words}
    if name == "prompt" and name not in known:
        raise InvalidRequest(
            "--vary prompt: write {prompt} in the cell where it belongs, or separate several"
            " prompts by a line ---."
        )
    near = "" if name in known else did_you_mean(name, known)
    if near and not _is_plural_of(name, known):
        raise InvalidRequest(f"--vary {name}: unknown field.{near}")
    read = tuple(read_field(name, value, "--vary ") for value in values)
    if not read:
        raise InvalidRequest(f"--vary {name}: no values; write {name}=a,b,c.")
    keys = [_key(value) for value in read]
    twice = next((value for value, key in zip(read, keys, strict=True) if keys.count(key) > 1), "")
    if len(set(keys)) < len(keys):
        hint = "-n/--count repeats a combination."
        raise InvalidRequest(f"--vary {name}: {_shown(twice)} is listed twice.", hint=hint)
    return Axis(name=name, values=read)


def _is_plural_of(name: str, known: Iterable[str]) -> bool:
    """Return whether it may be a server's own field (`images`) rather than a typing error."""
    return name.endswith("s") and name[:-1] in known


def read_field(name: str, value: Any, where: str) -> Any:
    """Return the value of a field as its option reads it, other values unchanged.

    Raises `InvalidRequest` that begins with `where`.
    """
    try:
        if name == "seconds":
            text = value.removesuffix("s") if isinstance(value, str) else value
            return READERS[name](text)
        if name == "seed":
            return _whole(value)
        if name in {"size", "model", "provider"}:
            return READERS[name](value)
    except ValueError as error:
        raise InvalidRequest(f"{where}{name}={_shown(value)}: {error}.") from None
    return value


def _whole(value: Any) -> int:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not number.is_integer():
        raise ValueError("takes a whole number")
    # Not from the float, which has 53 bits.
    return int(value)


def _key(value: Any) -> str:
    return repr(value.source if isinstance(value, Image) else value)


def names_in(prompt: str) -> list[str]:
    """Return the names in the braces of a prompt; doubled braces are literal."""
    return re.findall(r"(?<!\{)(?:\{\{)*\{([^\W\d]\w*)", prompt)


def words_of(prompt: str | None, differs: Iterable[Mapping[str, Json]]) -> set[str]:
    """Return the names in the braces of a sweep's prompt, or of its prompts, as typed."""
    texts = [prompt or "", *(str(some.get("prompt", "")) for some in differs)]
    return {name for text in texts for name in names_in(text)}


def with_columns(known: Mapping[str, Json], differs: Mapping[str, Json]) -> dict[str, Json]:
    """Return a row of a table with what differs as further columns.

    A column of the user's data that has the name of one of ours becomes `row_NAME`.
    """
    more = {
        f"row_{name}" if name in known else name: value
        for name, value in differs.items()
        if name not in known or (name not in FIELDS and value != known[name])
    }
    return {**known, **more}


def expand(
    base: VideoRequest,
    *,
    prompts: Sequence[str],
    axes: Sequence[Axis] = (),
    count: int = 1,
    provider: str | None = None,
    fill: Fill | None = None,
) -> Sweep:
    """Return every combination of prompts and axes, each `count` times.

    `base` has the common fields. If it has a seed, repeats count up from it, since equal
    seeds make equal videos. `fill` inserts values into the prompts (None: they are unchanged).
    Raises `InvalidRequest`.
    """
    names = {name for prompt in prompts for name in names_in(prompt)} if fill else set()
    axes = [
        Axis(name=_PROMPTS, values=tuple(prompts)),
        *_without_clash(base, provider, axes),
        Axis(name=_REPEATS, values=tuple(range(1, count + 1))),
    ]
    refuse_too_many(math.prod(len(axis.values) for axis in axes))
    varied = [axis for axis in axes if len(axis.values) > 1]
    told = {axis.name: _labels(axis, names) for axis in varied}
    variants = []
    for combination in itertools.product(*(range(len(axis.values)) for axis in axes)):
        at = {axis.name: index for axis, index in zip(axes, combination, strict=True)}
        values = {axis.name: axis.values[at[axis.name]] for axis in axes}
        request, asked = _request(base, values, names, fill)
        variants.append(
            Variant(
                request=request,
                provider=asked or provider,
                label=" · ".join(_label(axis, at, told, request) for axis in varied),
                differs=dict(_differing(axis.name, values) for axis in varied),
            )
        )
    inner = len(varied[-1].values) if varied else 1
    prompt = prompts[0] if len(prompts) == 1 else None
    return Sweep(variants=tuple(variants), prompt=prompt, inner=inner)


def _without_clash(
    base: VideoRequest, provider: str | None, axes: Sequence[Axis]
) -> Sequence[Axis]:
    """Refuse a field that is both given and varied, or varied twice."""
    given = {
        "provider": provider,
        "model": base.model,
        "seconds": base.seconds,
        "size": base.size,
        "seed": base.seed,
        "image": base.images or None,
        **base.extra,
    }
    seen: set[str] = set()
    for axis in axes:
        if axis.name in seen:
            raise InvalidRequest(f"--vary {axis.name} is given twice; put all values into one.")
        if given.get(axis.name) is not None:
            raise InvalidRequest(
                f"--vary {axis.name}: the field also has a fixed value; remove one of them."
            )
        seen.add(axis.name)
    return axes


def refuse_too_many(total: int) -> None:
    """Raise InvalidRequest for more jobs than a sweep may have."""
    if total > MOST:
        raise InvalidRequest(f"This makes {total} jobs; a sweep has at most {MOST}.")


def _request(
    base: VideoRequest, values: Mapping[str, Any], names: set[str], fill: Fill | None
) -> tuple[VideoRequest, str | None]:
    """Return the request of one combination, and its provider if that is varied."""
    prompt, take = values[_PROMPTS], values[_REPEATS]
    words = {name: value for name, value in values.items() if name in names}
    fields: dict[str, Any] = {}
    extra = dict(base.extra)
    for name, value in values.items():
        if name == "image":
            fields["images"] = (value,)
        elif name in FIELDS:
            fields[name] = value
        elif name not in {_PROMPTS, _REPEATS, *words}:
            extra[name] = value
    asked = fields.pop("provider", None)
    if base.seed is not None:
        fields["seed"] = base.seed + take - 1
    text = fill(prompt, words) if fill else prompt
    return replace(base, prompt=text, extra=extra, **fields), asked


# Labels.


def _labels(axis: Axis, words: set[str]) -> list[str]:
    if axis.name == _PROMPTS:
        return short_texts(axis.values)
    if axis.name == _REPEATS:
        return [word_of(TAKE, value) for value in axis.values]
    return [word_of(axis.name, value, bare=axis.name in words) for value in axis.values]


def _label(
    axis: Axis, at: Mapping[str, int], told: Mapping[str, list[str]], request: VideoRequest
) -> str:
    if axis.name == _REPEATS and request.seed is not None and "seed" not in at:
        return word_of("seed", request.seed)
    return told[axis.name][at[axis.name]]


def _differing(name: str, values: Mapping[str, Any]) -> tuple[str, Json]:
    """Return one thing that differs as plain data, with its name."""
    if name == _PROMPTS:
        return "prompt", values[name]  # as typed: filled-in values have their own names
    return TAKE if name == _REPEATS else name, plain_value(values[name])


def plain_value(value: Any) -> Json:
    """Return a value as JSON: an image as its source, bytes by their type."""
    if isinstance(value, Image):
        return value.source
    if isinstance(value, str | int | float | bool | None):
        return value
    return type(value).__name__ if isinstance(value, bytes) else str(value)


def word_of(name: str, value: Any, *, bare: bool = False) -> str:
    """Return one value as shown in a label: `4 s`, `1280×720`, `seed 1`, `calm`, `quality high`.

    `bare`: leave the field's name out.
    """
    if value is None or value == "":
        return f"no {name}"
    if name == "seconds" and isinstance(value, int | float):
        return f"{value:g} s"
    if name == "size":
        return re.sub(r"(?<=\d)x(?=\d)", "×", str(value))
    if name == "image":
        file = re.split(r"[/\\]", _shown(value))[-1]
        return f"image {cut(file)}"
    if bare or name in {"model", "provider", "prompt"}:
        return cut(_shown(value))
    return f"{name} {cut(_shown(value))}"


def _shown(value: Any) -> str:
    if isinstance(value, Image):
        return value.source
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return str(value)


def cut(text: str, limit: int = LONG) -> str:
    """Return a text on one line, shortened to `limit` characters with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def short_texts(texts: Sequence[str]) -> list[str]:
    """Return the beginnings of texts; if these are equal, the parts that differ."""
    heads = [cut(text) for text in texts]
    if len(set(heads)) == len({*texts}):
        return heads
    lines = [text.split() for text in texts]
    same = 0
    while len({tuple(line[: same + 1]) for line in lines}) == 1 and all(
        len(line) > same + 1 for line in lines
    ):
        same += 1
    return [cut(("… " if same else "") + " ".join(line[same:])) for line in lines]


def tell_apart(asked: Sequence[tuple[str, VideoRequest]]) -> list[str]:
    """Return labels for the differences between requests, each with its provider's name.

    Used for jobs that do not come from one sweep; equal requests have equal labels.
    """
    rows = [_facts(provider, request) for provider, request in asked]
    names = list(dict.fromkeys(name for row in rows for name in row))
    parts = []
    for name in names:
        values = [row.get(name) for row in rows]
        if len(set(map(_key, values))) < 2:  # noqa: PLR2004 - all are the same
            continue
        if name == "prompt":
            parts.append(short_texts([str(value) for value in values]))
        else:
            parts.append([word_of(name, value) for value in values])
    return [" · ".join(labels) for labels in zip(*parts, strict=True)] or [""] * len(rows)


def _facts(provider: str, request: VideoRequest) -> dict[str, Any]:
    return {
        "prompt": request.prompt,
        "provider": provider,
        "model": request.model,
        "seconds": request.seconds,
        "size": request.size,
        "seed": request.seed,
        "image": ", ".join(image.source for image in request.images),
        **request.extra,
    }
