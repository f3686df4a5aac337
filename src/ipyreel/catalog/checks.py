"""Checks a request against the catalog before it is sent, and estimates its cost; no I/O."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ipyreel.catalog.loader import Catalog
from ipyreel.catalog.rows import CHAINS, Model, Notice, Price, Provider
from ipyreel.errors import InvalidRequest
from ipyreel.values import Chain, Estimate, Json, VideoRequest, to_usd
from ipyreel.wire.parse import load, number

_HEIGHTS = {"2k": 1440, "4k": 2160}
"""Height in pixels of resolutions whose name does not contain it."""

_NEAR = 0.1
"""Relative difference in area at which a frame still counts as a resolution (864x496 is 480p)."""

_MOST = 1_000_000.0
"""Seconds of a clip, or clips of a request, above which a number must be a mistake."""

_Refuser = Callable[[VideoRequest, Provider, Model], "str | None"]


def check_request(
    request: VideoRequest,
    provider: Provider,
    model: Model | None,
    *,
    catalog: Catalog | None = None,
) -> None:
    """Refuse what the provider would refuse; an unknown model passes unchecked.

    Raises InvalidRequest naming the option, the value and what is allowed. With a `catalog`
    the message also names models of the same family that accept the value.
    """
    if not request.prompt.strip():
        raise InvalidRequest("The prompt is empty.")
    if request.seconds is not None and not 0 < request.seconds < math.inf:
        raise InvalidRequest(f"--seconds {request.seconds:g}: takes a number above 0.")
    if request.chain is not None:
        check_chain(request.chain[0], provider)
        return  # model, size and images are those of the source video
    if model is None:
        return
    refusers: tuple[_Refuser, ...] = (_refuse_seconds, _refuse_size, _refuse_images)
    for refuse in refusers:
        complaint = refuse(request, provider, model)
        if complaint is not None:
            raise InvalidRequest(complaint + _others(refuse, request, provider, model, catalog))


def check_chain(how: Chain, provider: Provider) -> None:
    """Raise InvalidRequest if the provider has no route for it, naming the alternatives."""
    if provider.can(how):
        return
    has = [f"%video {verb}" for verb in CHAINS if provider.can(verb)]
    ways = [f"It supports {_either(has, 'and')}."] if has else []
    ways.append("%%video -i $JOB makes a new video that starts with the last frame.")
    raise InvalidRequest(f"{provider.title} cannot {how} videos.", hint=" ".join(ways))


def takes(request: VideoRequest, provider: Provider, model: Model) -> bool:
    """Return whether a model accepts this length and size, according to the catalog."""
    refusals = (_refuse_seconds, _refuse_size)
    return all(refuse(request, provider, model) is None for refuse in refusals)


def complete_request(request: VideoRequest, provider: Provider) -> VideoRequest:
    """Fill in the provider's default model if none was given; nothing else is changed."""
    if request.model is None and provider.default_model is not None:
        return replace(request, model=provider.default_model)
    return request


Asked = list[tuple[str, Json]]
"""The extra fields of one kind: each field's path (`metadata.seconds`) and value."""

_SPELLINGS: dict[str, str] = {
    name: kind
    for kind, names in {
        "length": "seconds n_seconds num_seconds duration duration_seconds video_seconds"
        " video_duration video_length clip_length length",
        "frames": "frames num_frames n_frames frame_count number_of_frames video_frames",
        "rate": "fps frame_rate framerate frames_per_second",
        "number": "n num_videos n_videos number_of_videos num_outputs num_samples sample_count"
        " batch_size count",
        "size": "size resolution",
        "model": "model",
    }.items()
    for name in names.split()
}
"""Servers' names for what a price depends on -> its kind."""

_PRICED = re.compile(
    r"(?:^|_)(?:seconds?|duration|length|frames?|n|count|batch|samples|videos|outputs|clips|size"
    r"|width|height|resolution|quality|quantity|variants|secs|tier|mode|model|upscale|audio|sound)(?:_|$)"
)
"""Words in the names of other fields that may change the price."""


def _asked(extra: Mapping[str, Json]) -> dict[str, Asked]:
    """Return the extra fields, at any depth, by kind; "other": those without a known price."""
    found: dict[str, Asked] = {kind: [] for kind in (*_SPELLINGS.values(), "other")}
    left: list[tuple[str, Json]] = [("", extra)]
    while left:
        path, value = left.pop()
        value = _read(value)
        if isinstance(value, Mapping):
            left += [(f"{path}.{name}".lstrip("."), inner) for name, inner in value.items()]
            continue
        if isinstance(value, list):
            left += [(path, inner) for inner in value if isinstance(inner, Mapping | list)]
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", path.rpartition(".")[2]).lower()
        kind = _SPELLINGS.get(name)
        if kind == "model" and "." in path:
            kind = None  # such as a part of the server; the model is only at the top level
        kind = kind or ("other" if _PRICED.search(name) else None)
        if kind is not None and not (value is None or value is False or value == ""):
            found[kind].append((path, value))
    return found


def _read(value: Json) -> Json:
    """Return what a server reads in a value: in a form, a table and its JSON are the same text."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return load(value.encode(errors="replace"))
    except ValueError:
        return value


def as_sent(request: VideoRequest) -> VideoRequest:
    """Return the request with the model and the length that its extra fields ask for.

    Extra fields override all others when a request is written, so prices follow them. Of several
    lengths the longest counts; one that is not a number becomes NaN, which has no price.
    """
    asked, changed = _asked(request.extra), dict[str, Any]()
    for _, model in asked["model"]:
        changed["model"] = model if isinstance(model, str) else request.model
    lengths = [_count_of(value) for _, value in asked["length"]]
    if frames := [_count_of(value) for _, value in asked["frames"]]:
        rates = [_count_of(value) for _, value in asked["rate"]]
        known = None not in frames and rates and None not in rates
        lengths.append(max(filter(None, frames)) / min(filter(None, rates)) if known else None)
    if lengths:
        if "seconds" not in request.extra:
            lengths += filter(None, [request.seconds])
        changed["seconds"] = math.nan if None in lengths else max(filter(None, lengths))
    return replace(request, **changed)


def _count_of(value: Json) -> float | None:
    """Return a number of seconds or videos; None if no price can be computed from it."""
    found = number(value)
    return found if found is not None and 0 < found < _MOST else None


def _unpriced(asked: dict[str, Asked]) -> str | None:
    """Return the path of an extra field without a known price."""
    odd = [path for kind in ("length", "frames", "number") for path, value in asked[kind]
           if _count_of(value) is None]  # fmt: skip
    odd += [path for path, value in asked["size"] if not isinstance(value, str)]
    odd += [path for path, _ in (*asked["other"], *(() if asked["rate"] else asked["frames"]))]
    odd += [path for path, value in asked["rate"] if asked["frames"] and _count_of(value) is None]
    return next(iter(odd), None)


def estimate(request: VideoRequest, provider: Provider, model: Model | None) -> Estimate:
    """Estimate the cost of one job; `usd` is None if no price is known.

    The extra fields count as they are sent; of several sizes the most expensive. `model` is the
    one that will be used, see `as_sent`.
    """
    if provider.free:
        return Estimate(usd=Decimal(0), source=provider.source, checked=provider.checked)
    asked, request = _asked(request.extra), as_sent(request)
    unpriced = _unpriced(asked)
    if model is None or unpriced is not None:
        return Estimate(usd=None, unpriced=unpriced)
    sizes = [value for _, value in asked["size"]]
    if "size" not in request.extra and (request.size or not sizes):
        sizes.append(request.size)
    found = [_one_video(replace(request, size=size), provider, model) for size in sizes]
    highest = max(found, key=lambda one: math.inf if one.usd is None else one.usd)
    videos = math.prod(_count_of(value) or 1 for _, value in asked["number"])
    if highest.usd is None or videos <= 1:
        return highest
    return replace(highest, usd=to_usd(highest.usd * Decimal(str(videos))))


def _one_video(request: VideoRequest, provider: Provider, model: Model) -> Estimate:
    known = _estimate(request, model, price_of(request, provider, model))
    others = (
        _estimate(request, model, price_of(request, provider, model, prices))
        for prices in (model.least_prices, model.offered_prices)
    )
    least = max(others, key=lambda one: -1 if one.usd is None else one.usd)
    if least.usd is None or (known.usd is not None and known.usd >= least.usd):
        return known
    # A price that is not trusted proves nothing by itself: it may be too low.
    return replace(least, trusted=known.usd is not None)


def _estimate(request: VideoRequest, model: Model, price: Price | None) -> Estimate:
    seconds = request.seconds or model.default_seconds
    if price is None or (price.usd_per_second is not None and seconds is None):
        return Estimate(usd=None)
    if price.usd_per_video is not None:
        usd = price.usd_per_video
    else:
        usd = (price.usd_per_second or Decimal(0)) * Decimal(str(seconds or 0))
    usd += price.usd_per_image * max(0, len(request.images) - price.free_images)
    return Estimate(usd=to_usd(usd), source=price.source, checked=price.checked)


def price_of(
    request: VideoRequest,
    provider: Provider,
    model: Model,
    prices: tuple[Price, ...] | None = None,
) -> Price | None:
    """Return the price for the requested size: the provider's own, else the list price.

    `prices` None: those of the model.
    """
    prices = model.prices if prices is None else prices
    size = request.size or model.default_size
    own = [price for price in prices if price.provider in provider.kinds]
    listed = [price for price in prices if price.provider is None]
    return next((price for price in own + listed if _fits(size, price.sizes)), None)


def warnings(request: VideoRequest, provider: Provider, model: Model | None) -> tuple[str, ...]:
    """Return sentences about what may differ from the request; empty for an unknown model."""
    if model is None or request.chain is not None:
        return ()
    held = [notice for notice in model.warnings if _holds(notice, request, provider)]
    found = [_shutdown_warning(provider, model), *_ratio_warnings(request, model)]
    if not any(notice.option == "size" for notice in held):
        found.append(_size_warning(request, provider, model))
    return (*(text for text in found if text), *(notice.text for notice in held))


def _shutdown_warning(provider: Provider, model: Model) -> str | None:
    if not model.ended:
        return None
    return f"{model.name} was shut down on {model.ended}; {provider.name} may still offer it."


def _size_warning(request: VideoRequest, provider: Provider, model: Model) -> str | None:
    size, sizes = request.size, model.sizes_at(provider)
    if size is None or not sizes or not model.open_sizes:
        return None
    if any(_is_resolution(one, size) for one in sizes) or _fits(size, sizes):
        return None
    known = f"{model.name} makes {_either(sizes)}"
    return f"--size {size}: {known}; {provider.name} may change other sizes."


def _ratio_warnings(request: VideoRequest, model: Model) -> Iterator[str]:
    for option in ("aspect_ratio", "ratio"):
        ratio = request.extra.get(option)
        if isinstance(ratio, str) and model.ratios and ratio not in model.ratios:
            yield f"-x {option}={ratio}: {model.name} accepts {_either(model.ratios)}."


def _refuse_seconds(request: VideoRequest, provider: Provider, model: Model) -> str | None:
    seconds = request.seconds
    if seconds is None:
        return None
    who = f"--seconds {seconds:g}: {model.name} at {provider.name}"
    allowed = model.seconds_at(provider)
    if allowed is not None:
        listed = _either(f"{one:g}" for one in allowed)
        return None if seconds in allowed else f"{who} takes {listed}."
    if model.seconds_range is None:
        return None
    least, most = model.seconds_range
    if not least <= seconds <= most:
        return f"{who} takes {least:g} to {most:g}."
    if not model.fractions and not float(seconds).is_integer():
        return f"{who} takes whole seconds, {least:g} to {most:g}."
    return None


def _refuse_size(request: VideoRequest, provider: Provider, model: Model) -> str | None:
    sizes = model.sizes_at(provider)
    if request.size is None or not sizes or model.open_sizes or request.size in sizes:
        return None
    return f"--size {request.size}: {model.name} at {provider.name} takes {_either(sizes)}."


def _refuse_images(request: VideoRequest, provider: Provider, model: Model) -> str | None:
    if model.images is None:
        return None
    (least, most), given = model.images, len(request.images)
    who = f"{model.name} at {provider.name}"
    if given > most:
        allowed = f"at most {_count(most)}" if most else "no image"
        return f"--image ({given} given): {who} takes {allowed}."
    # The image may be in one of the extra fields.
    if given < least and not request.extra:
        needs = _count(least) if least == most else f"{least} to {_count(most)}"
        return f"--image ({given} given): {who} needs {needs}."
    return None


def _others(
    refuse: _Refuser,
    request: VideoRequest,
    provider: Provider,
    model: Model,
    catalog: Catalog | None,
) -> str:
    """Return the names of up to three models of the same family that accept the value."""
    if catalog is None:
        return ""
    names = [
        other.name
        for other in catalog.models_of(provider)
        if other.family == model.family and refuse(request, provider, other) is None
    ][:3]
    if not names:
        return ""
    return f" ({_either(names, 'and')} {'takes' if len(names) == 1 else 'take'} it.)"


def _holds(notice: Notice, request: VideoRequest, provider: Provider) -> bool:
    if notice.providers and not set(notice.providers) & set(provider.kinds):
        return False
    if notice.option is None:
        return True
    value = _value(notice.option, request)
    if value is None or notice.missing:
        return value is None and notice.missing
    if notice.values:
        return value in notice.values
    return value not in notice.unless


def _value(option: str, request: VideoRequest) -> str | None:
    """Return the value given for an option as text; None: not given."""
    if option == "seconds":
        return None if request.seconds is None else f"{request.seconds:g}"
    if option == "image":
        return str(len(request.images)) if request.images else None
    value = getattr(request, option) if option in {"size", "seed"} else request.extra.get(option)
    return None if value is None else str(value)


def _fits(size: str | None, sizes: tuple[str, ...]) -> bool:
    """Return whether a price for `sizes` applies to `size`; an unknown size needs one for all."""
    if not sizes or size is None:
        return not sizes
    return any(size.lower() == one.lower() or _is_resolution(size, one) for one in sizes)


def _is_resolution(size: str, word: str) -> bool:
    """Return whether a frame such as "864x496" is "480p": by its shorter side or its area."""
    frame = re.fullmatch(r"(\d+)x(\d+)", size)
    named = re.fullmatch(r"(\d+)p", word.lower())
    height = int(named[1]) if named else _HEIGHTS.get(word.lower())
    if frame is None or height is None:
        return False
    width_px, height_px = int(frame[1]), int(frame[2])
    area = height * height * 16 / 9
    return min(width_px, height_px) == height or abs(width_px * height_px / area - 1) < _NEAR


def _either(words: Iterable[str], last: str = "or") -> str:
    """Join words for a sentence: "4, 8 or 12"."""
    *most, final = words
    return f"{', '.join(most)} {last} {final}" if most else final


def _count(number: int) -> str:
    return f"{number} image" if number == 1 else f"{number} images"
