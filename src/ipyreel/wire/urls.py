"""Joins base URLs and paths, encodes ids, compares origins, reads hosts."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import SplitResult, quote, urljoin, urlsplit, urlunsplit

from ipyreel.errors import ConfigError
from ipyreel.wire.text import clean

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"http": 80, "https": 443}
_ROUTE = "/videos"
_VERSION = "/v1"


def encode_id(remote_id: str) -> str:
    """Percent-encode a job id as one path segment; `urllib.parse.unquote` decodes it.

    LiteLLM's ids contain `=`, `/` and `+`, Bifrost's `:`. An id of only dots would go up the
    path, so its dots are also encoded.
    """
    segment = quote(remote_id, safe="", errors="surrogatepass")
    return segment.replace(".", "%2E") if not segment.strip(".") else segment


def base_url_problem(url: str) -> str | None:
    """Return what is wrong with a base URL, without repeating it; None: it can be used."""
    parts = _http_parts(url)
    if parts is None:
        return "takes a URL such as https://host/v1"
    if parts.username or parts.password:
        return "takes a URL without user and password"
    return None


def _http_parts(url: str) -> SplitResult | None:
    """Split an http(s) address; None if it is not one."""
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def _split_base(base_url: str) -> SplitResult:
    parts = _http_parts(base_url)
    if parts is None:
        raise ConfigError(
            f"The base URL {clean(base_url, 200)!r} is not an http(s) address.",
            hint="Give one such as https://api.example.com/v1.",
        )
    return parts


def _root(path: str) -> str:
    """Return the path above `/videos`: an origin without a slash gets `/v1`."""
    root = path.rstrip("/").removesuffix(_ROUTE).rstrip("/")
    return root or ("" if path.endswith("/") else _VERSION)


def join_base(base_url: str, path: str) -> str:
    """Join `path` ("/videos/abc") to a base URL written with or without `/v1` and slashes.

    A base with its own path (`/v1`, `/api/v3/`, `/openai/v1`) keeps it, an origin without a path
    gets `/v1`. One that ends in `/` or `#` keeps its path unchanged, for servers at their root
    (`https://host/`), as in openai-python. A query of the base (Azure's `api-version`) is kept.
    An absolute `path` is returned unchanged: check `same_origin` before a key is sent there.

    Raises
    ------
    ConfigError
        `base_url` is not an http(s) address.
    """
    parts = _split_base(base_url)
    if path.startswith(("http://", "https://")):
        return path
    exact = base_url.strip().endswith("#")
    root = parts.path.rstrip("/") if exact else _root(parts.path)
    tail = "/" + path.lstrip("/")
    if root.endswith(_VERSION) and tail.startswith(f"{_VERSION}/"):
        tail = tail.removeprefix(_VERSION)
    return urlunsplit((parts.scheme, parts.netloc, root + tail, parts.query, ""))


def resolve(base_url: str, place: str) -> str:
    """Return an address from a reply as absolute: a relative one belongs to the API's origin."""
    parts = _split_base(base_url)
    return urljoin(urlunsplit((parts.scheme, parts.netloc, "/", "", "")), place)


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)


def same_origin(one: str, other: str) -> bool:
    """Return whether two absolute URLs share scheme, host and port: a key may go to both."""
    try:
        return _origin(one) == _origin(other)
    except ValueError:
        return False


def strip_query(url: str) -> str:
    """Return a URL that is safe to show: without its query, fragment and userinfo."""
    start = re.split(r"[?#]", url, maxsplit=1)[0]
    return re.sub(r"^([a-z][a-z0-9+.-]*://)[^/]*@", r"\1", start, flags=re.IGNORECASE)


def numeric(host: str) -> Address | None:
    """Return the IP address that a host is written as, None for a name.

    An IPv4 address written as IPv6 (`::ffff:127.0.0.1`) is returned as IPv4, and so is one in the
    old spellings (`2130706433`, `0x7f.1`): whoever connects, a proxy too, reads it as one.
    """
    bare = host.strip("[]").partition("%")[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(bare.rstrip(".")))
        except (OSError, ValueError):
            return None
    return getattr(address, "ipv4_mapped", None) or address


def is_loopback(host: str) -> bool:
    """Return whether a host, as it is written, is this machine."""
    address = numeric(host)
    if address is not None:
        return address.is_loopback
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost")
