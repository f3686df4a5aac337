"""Defines the values that all modules share: requests, jobs, answers, files; without I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, Literal

Json = Any
"""A value that `json` can write. Servers decide its shape, so it is not typed further."""

JobStatus = Literal[
    "submitting",
    "queued",
    "in_progress",
    "downloading",
    "completed",
    "failed",
    "cancelled",
    "unknown",
]
"""The state of one of our jobs. `unknown`: the POST may or may not have arrived."""

ServerStatus = Literal["queued", "in_progress", "completed", "failed", "cancelled"]
"""The state of a job at its server, translated from the server's own word."""

Chain = Literal["remix", "edit", "extend"]
"""How a new video is made from a finished one: a new one by its idea, a changed or a longer one."""

ENDED: frozenset[JobStatus] = frozenset({"completed", "failed", "cancelled"})
"""A job in one of these states does not change again by itself."""

NOTHING: Mapping[str, Json] = MappingProxyType({})

MICROS = 1_000_000
"""Micro-dollars in a dollar: amounts of money are whole numbers of them."""


def to_usd(amount: Decimal | float | str) -> Decimal:
    """Return an amount in USD, rounded to micro-dollars; a float counts as it is printed.

    Raises ValueError for what is not an amount: negative, above a trillion, not a number.
    """
    try:
        value = Decimal("nan") if isinstance(amount, bool) else Decimal(str(amount).strip())
    except InvalidOperation:
        raise ValueError(f"{amount!r} is not an amount") from None
    if not value.is_finite() or not 0 <= value <= Decimal(10**12):
        raise ValueError(f"{amount!r} is not an amount")
    # Divided, since a quotient prints without trailing zeros: 0.8, 10.
    return Decimal(round(value * MICROS)) / MICROS


def _fields(value: Any) -> dict[str, Any]:
    """Return the fields of a value by name, unchanged; `asdict` would copy their contents."""
    return {name: getattr(value, name) for name in value.__slots__}


def _known(kind: Any, data: Mapping[str, Json]) -> dict[str, Json]:
    """Return what JSON data has for the fields of a value; it never has pixels."""
    return {name: data[name] for name in kind.__slots__ if name in data and name != "data"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """USD spent or reserved, as far as prices are known, and how many jobs have no price.

    `reserved` is the part of `usd` of jobs that have not ended: they wait, run or download.
    """

    usd: Decimal
    reserved: Decimal
    unpriced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An input image: its bytes, or the address of one that the server fetches.

    `source` is what the user gave (a path, a URL, "bytes"), for people and for the
    library, which stores no pixels; `data` is encoded as `media_type` says. `sha256` is the
    hex digest of pixels that were not stored.
    """

    source: str
    data: bytes | None = field(default=None, repr=False)
    url: str | None = None
    media_type: str = "image/png"
    filename: str = "image.png"
    sha256: str | None = None

    def to_dict(self) -> dict[str, Json]:
        """Return the image without its pixels: source, type and SHA-256."""
        found = _fields(self)
        data = found.pop("data")
        return found if data is None else {**found, "sha256": hashlib.sha256(data).hexdigest()}


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRequest:
    """A request for a video, in our words; `None` means the server's default.

    `seconds` is the length of the clip, `size` is "WIDTHxHEIGHT" in pixels (some servers
    accept words such as "720p"), `extra` has further fields that are sent unchanged. `remix_of`,
    `edit_of` and `extend_of` (at most one of them) are the server's id of the finished video
    that this one is made from; `seconds` of an extension is what is added to it.
    """

    prompt: str
    model: str | None = None
    seconds: float | None = None
    size: str | None = None
    seed: int | None = None
    images: tuple[Image, ...] = ()
    extra: Mapping[str, Json] = field(default_factory=lambda: NOTHING)
    remix_of: str | None = None
    edit_of: str | None = None
    extend_of: str | None = None

    @property
    def chain(self) -> tuple[Chain, str] | None:
        """How the video is made, and from which of the server's videos; None: from no video."""
        given: tuple[tuple[Chain, str | None], ...] = (
            ("remix", self.remix_of),
            ("edit", self.edit_of),
            ("extend", self.extend_of),
        )
        return next(((how, source) for how, source in given if source is not None), None)

    def to_dict(self) -> dict[str, Json]:
        """Return plain JSON data, without the pixels of the images."""
        images = [image.to_dict() for image in self.images]
        return {**_fields(self), "images": images, "extra": dict(self.extra)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Json]) -> VideoRequest:
        """Return the request that `to_dict` wrote; images have no pixels."""
        images = tuple(Image(**_known(Image, item)) for item in data.get("images", ()))
        return cls(**{**_known(cls, data), "images": images, "extra": data.get("extra") or NOTHING})

    def fingerprint(self, provider: str) -> str:
        """Return a hash of the request as sent to `provider`: equal requests, equal hex digest."""
        words = {**self.to_dict(), "provider": provider}
        words["images"] = [image.to_dict()["sha256"] or image.url for image in self.images]
        for name in ("edit_of", "extend_of"):
            # Libraries have fingerprints from before such requests existed.
            if words[name] is None:
                del words[name]
        if isinstance(self.seconds, float) and self.seconds.is_integer():
            words["seconds"] = int(self.seconds)
        text = json.dumps(words, sort_keys=True, ensure_ascii=False, default=str)
        # Lone surrogates are not valid UTF-8, but a prompt may contain them.
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why something did not work, in words that can be stored and shown.

    `message` is the reason, `code` the server's own word, `hint` what the user can do.
    """

    message: str
    code: str | None = None
    status_code: int | None = None
    request_id: str | None = None
    hint: str | None = None

    def to_dict(self) -> dict[str, Json]:
        """Return plain JSON data."""
        return _fields(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoJob:
    """A job as its server describes it, in our words.

    `raw_status` is the server's own word; `progress` runs from 0 to 100 or is None; times
    are seconds since the epoch; `urls` are the file's addresses in the answer, best first
    (some are signed: never print them); `poll_after` is the wait that the server asks for
    before the next request, in seconds; `cost` is what it says the job cost in USD; `raw` is
    the whole answer, so that no unknown field is lost.
    """

    remote_id: str
    status: ServerStatus
    raw_status: str = ""
    progress: float | None = None
    model: str | None = None
    prompt: str | None = None
    seconds: float | None = None
    size: str | None = None
    failure: Failure | None = None
    created_at: float | None = None
    completed_at: float | None = None
    expires_at: float | None = None
    urls: tuple[str, ...] = field(default=(), repr=False)
    polling_url: str | None = field(default=None, repr=False)
    poll_after: float | None = None
    request_id: str | None = None
    cost: Decimal | None = None
    raw: Json = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPage:
    """One page of a server's list of jobs; `after` requests the next, None: there is none."""

    jobs: tuple[VideoJob, ...]
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FormPart:
    """One field of a form; a part with a `filename` is sent as a file."""

    name: str
    value: str | bytes = field(repr=False)
    filename: str | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """One HTTP request, not yet sent: `path` is joined to the provider's base URL.

    At most one of `json` and `form` is set. It contains no key: the transport adds it.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    json: Json = None
    form: tuple[FormPart, ...] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """One complete HTTP answer; header names are in lower case.

    `url` is the requested URL, without its query; empty: not known.
    """

    status_code: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    url: str = ""

    def beginning(self) -> HttpReply:
        """Return the reply for an error: without cookies, with 2,000 bytes of the body."""
        headers = {name: value for name, value in self.headers.items() if name != "set-cookie"}
        return replace(self, headers=headers, body=self.body[:2000])


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedPrice:
    """What a provider says that one of its models costs, in USD; `size` None: any size."""

    usd: Decimal
    per: Literal["second", "video"]
    size: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a provider says about one of its models; empty fields were not given.

    `known`: it said that the model makes videos, and did not only list its name.
    """

    name: str
    prices: tuple[OfferedPrice, ...] = ()
    seconds: tuple[float, ...] = ()
    sizes: tuple[str, ...] = ()
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The balance of a key, in USD: `left` None means that the key has no limit.

    `spent` is what was used, None if the provider does not say.
    """

    left: Decimal | None
    spent: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a request will probably cost. `usd` None: no price is known (which is not 0).

    `trusted` False: the price cannot be relied on, because it is only in a file that nobody
    approved, or comes from the provider itself. `unpriced` is the extra field
    (`metadata.quality`) because of which no price is known.
    """

    usd: Decimal | None
    source: str | None = None
    checked: str | None = None
    trusted: bool = True
    unpriced: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFile:
    """A downloaded file: its path and what was found in it.

    `size` is in bytes; `width`, `height` in pixels and `seconds` come from the container
    and are None if it does not have them.
    """

    path: str
    size: int
    sha256: str
    media_type: str
    width: int | None = None
    height: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepItem:
    """One job of a sweep: `label` and `differs` say how it differs from the others.

    `reused`: the job was finished before, and cost nothing here.
    """

    job: str
    label: str
    differs: Mapping[str, Json] = field(default_factory=lambda: NOTHING)
    reused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedSweep:
    """A sweep as the library stores it: which jobs belong together.

    `prompt` is the shared prompt, as it was typed; `columns` is how many of the items are side
    by side; `created_at` is in seconds since the epoch.
    """

    id: str
    prompt: str | None
    columns: int
    created_at: float
    items: tuple[SweepItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSnapshot:
    """The state of one of our jobs at one moment; cards are drawn from it.

    Times are seconds since the epoch; `progress` runs from 0 to 100; `received` and `total`
    are bytes of the download (`total` None: the server does not say); `note` is a sentence
    about a temporary problem ("provider not answering"); `target` is the path of the future
    file; `ready`: the server is done and only the download is missing.
    """

    id: str
    provider: str
    request: VideoRequest
    status: JobStatus
    created_at: float
    target: str
    base_url: str | None = None
    remote_id: str | None = None
    raw_status: str = ""
    progress: float | None = None
    ready: bool = False
    received: int | None = None
    total: int | None = None
    note: str | None = None
    failure: Failure | None = None
    estimate: Decimal | None = None
    cost: Decimal | None = None
    sent_at: float | None = None
    updated_at: float | None = None
    completed_at: float | None = None
    expires_at: float | None = None
    file: VideoFile | None = None

    @property
    def ended(self) -> bool:
        """Whether the job does not change again by itself."""
        return self.status in ENDED
