"""Finds the addresses of the video in a reply."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

from ipyreel.values import Json
from ipyreel.wire.parse import dig, is_empty, load

_FIELDS: tuple[tuple[str, ...], ...] = (
    ("video_url",),
    ("url",),
    ("urls",),
    ("videos",),
    ("video",),
    ("output",),
    ("outputs",),
    ("unsigned_urls",),
    ("metadata", "url"),
    ("metadata", "video_url"),
    ("meta_data", "url"),
    ("result_url",),
    ("content", "video_url"),
    ("data",),
    ("result",),
    ("download_url",),
    ("remixed_from_video_id",),  # Agnes hides the finished URL here (ArcReel#943)
)
"""Fields that hold the file's address, best first; the last ones are oddities."""

_INNER = ("video_url", "url", "result_url", "download_url", "urls")
_BASE64 = ("base64", "b64_json")
_OTHERS = re.compile(
    r"input|reference|image|callback|prompt|request|(?<!re)source|thumb|cover|poster|webhook|"
    r"cancel|status|polling|avatar|logo|docs|account",
    re.IGNORECASE,
)
"""Names of fields whose addresses are not the video's."""

_MEANINGFUL = re.compile(r"url|uri|video|resource|download|file|link|href|src", re.IGNORECASE)
_MOST_GUESSES = 4
_FILM = re.compile(r"\.(mp4|webm|mov|m4v|avi)$", re.IGNORECASE)
_CONTROLS = re.compile(r"[^\S ]|[\x00-\x1f\x7f]")
_RESERVED = "%/?#[]@!$&'()*+,;=:~|{}"
_ALPHABET = re.compile(r"[A-Za-z0-9+/=_-]+")
_LONGEST_URL = 16_384
_DEEPEST = 8


def usable_address(text: Json) -> str | None:
    """Return `text` when a file can be asked for there: http(s), data:, or a path ("/v1/…").

    Blanks and letters beyond ASCII are percent-encoded. new-api puts the reason of a failure
    where the URL belongs; that is no address.
    """
    address = text.strip() if isinstance(text, str) else ""
    if address.startswith(("data:video/", "data:application/octet-stream")):
        return address
    is_sentence = " " in address and not _FILM.search(address.partition("?")[0])
    if is_sentence or not 0 < len(address) <= _LONGEST_URL or _CONTROLS.search(address):
        return None
    address = quote(address, safe=_RESERVED)
    if address.startswith("/"):
        return None if address.startswith("//") else address
    try:
        parts = urlsplit(address)
        known = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    return address if known else None


def _from_base64(item: dict[str, Json]) -> Iterator[str]:
    for name in _BASE64:
        text = item.get(name)
        if isinstance(text, str) and _ALPHABET.fullmatch(text[:64]):
            kind = item.get("content_type")
            kind = kind if isinstance(kind, str) and kind.startswith("video/") else "video/mp4"
            yield f"data:{kind.split(';')[0]};base64,{text}"


def _texts(value: Json, depth: int = 0) -> Iterator[str]:
    """Yield the addresses in a field that is one, a list of them, or an object holding one."""
    if isinstance(value, str):
        if (address := usable_address(value)) is not None:
            yield address
    elif isinstance(value, list) and depth < _DEEPEST:
        for item in value:
            yield from _texts(item, depth + 1)
    elif isinstance(value, dict) and depth < _DEEPEST:
        for name in _INNER:
            yield from _texts(value.get(name), depth + 1)
        yield from _from_base64(value)


def find_addresses(reply: dict[str, Json]) -> tuple[str, ...]:
    """Return every address that the known fields of a reply hold, best first, each once.

    Paths on the server's own disk (`file_path`, `file_name`) are no addresses.
    """
    found = [address for names in _FIELDS for address in _texts(dig(reply, *names))]
    return tuple(dict.fromkeys(found))


def guess_addresses(reply: Json) -> tuple[str, ...]:
    """Return what may be the address of a video in fields nobody knows: at most four.

    First those that end like a video, then those whose field has a name that suits. Fields about
    inputs, pictures and the like are left out. Whether it is a video is seen when it is fetched.
    """
    # Paths are left out: they may be those of the server's own disk.
    found = [(name, url) for name, url in _named_addresses(reply) if not url.startswith("/")]
    films = [url for _, url in found if _FILM.search(urlsplit(url).path)]
    named = [url for name, url in found if _MEANINGFUL.search(name)]
    return tuple(dict.fromkeys((*films, *named)))[:_MOST_GUESSES]


def _named_addresses(value: Json, name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield every address with the name of its field."""
    if isinstance(value, str):
        if (address := usable_address(value)) is not None and not address.startswith("data:"):
            yield name, address
    elif isinstance(value, list) and depth < _DEEPEST:
        for item in value:
            yield from _named_addresses(item, name, depth + 1)
    elif isinstance(value, dict) and depth < _DEEPEST:
        for key, item in value.items():
            if not _OTHERS.search(key):
                yield from _named_addresses(item, key, depth + 1)


def read_envelope(body: bytes) -> str | None:
    """Return the address in a JSON body that came where a video was expected.

    Some resellers answer `/content` with JSON that names a URL; None: an error, or no JSON.
    """
    try:
        found = load(body)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return next(_texts(found), None)
    if not is_empty(found.get("error")):
        return None
    return next(iter(find_addresses(found)), None) or next(iter(guess_addresses(found)), None)
