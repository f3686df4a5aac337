"""HTTP as this project needs it: the key goes home only, and a POST is never sent twice.

With `pools` and `loopback`, the only importer of `httpx`. May import those two, `errors`,
`values`, `catalog`, `wire`, `addresses` and `within`.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from ipyreel.catalog.keys import Secret, read_key
from ipyreel.client import addresses
from ipyreel.client.addresses import bare
from ipyreel.client.body import encode_body
from ipyreel.client.pools import AGENT, Pools, Transport
from ipyreel.client.retry import Timeouts
from ipyreel.client.stream import MAX_REPLY, Stream, is_encoded
from ipyreel.client.within import within
from ipyreel.errors import ConfigError, ProviderError, TransportError, WireError
from ipyreel.values import NOTHING, HttpCall, HttpReply
from ipyreel.wire.urls import join_base, resolve

MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})

NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
    httpx.CookieConflict,
    # h11 refuses a bad header before it writes a byte; our bodies have their full length.
    httpx.LocalProtocolError,
)
"""After one of these no byte of the request can have reached the server."""

TROUBLE = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.CookieConflict,
    httpx.StreamError,
    # ssl.SSLError can come out of a read unmapped (encode/httpcore maps it in the handshake).
    OSError,
)


class Refused(ProviderError):
    """A server named an address that is not opened; asking again changes nothing."""


def transport_error(error: Exception, host: str) -> TransportError:
    """Say in our words what httpx ran into; `sent` is False when surely nothing left."""
    sent = not isinstance(error, NOT_SENT)
    if isinstance(error, httpx.ConnectTimeout):
        text = f"{host} did not accept a connection in time."
    elif isinstance(error, httpx.TimeoutException):
        text = f"{host} did not answer in time."
    elif isinstance(error, (httpx.LocalProtocolError, httpx.InvalidURL)):
        # The text of these repeats headers and URLs, which may hold secrets.
        text = f"The request to {host} could not be written ({type(error).__name__})."
    elif isinstance(error, NOT_SENT):
        text = f"Could not connect to {host}: {_reason(error)}."
    else:
        text = f"The connection to {host} broke: {_reason(error)}."
    hint = None if sent else "Is the server running, and its address right? %video doctor looks."
    return TransportError(text, sent=sent, hint=hint)


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:200].rstrip(".")


@contextlib.contextmanager
def mapped(host: str) -> Iterator[None]:
    """Turn whatever httpx raises inside into a `TransportError`."""
    try:
        yield
    except httpx.LocalProtocolError as error:
        # Its text quotes the header it dislikes, so it is not even kept as the cause.
        raise transport_error(error, host) from None
    except TROUBLE as error:
        raise transport_error(error, host) from error


class Http:
    """Speaks HTTP with one API; belongs to one event loop, opens nothing before its first use.

    `base_url` is the API's root, with or without `/v1`; `key` is sent in `key_header` to
    its origin only. `lookup` turns host names into addresses. Raises `ConfigError` for a
    base URL or key that cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: Secret | None = None,
        key_header: str = "Authorization",
        allow_plain_http: bool = False,
        transport: Transport | None = None,
        timeouts: Timeouts | None = None,
        lookup: addresses.Resolve = addresses.look_up,
    ) -> None:
        self.base_url = base_url
        try:
            self._home = httpx.URL(join_base(base_url, ""))
        except httpx.InvalidURL as error:
            raise ConfigError(f"The base URL {bare(base_url)!r} is no address.") from error
        self._key = None if key is None else read_key(key.reveal(), "what was given")
        self._key_header = key_header
        self._allow_plain = allow_plain_http
        self._timeouts = timeouts or Timeouts()
        self._gate = addresses.Gate(_place(self._home), lookup, direct=transport is None)
        self._pools = Pools(transport)
        if not self._plain_is_fine(self._home):
            raise ConfigError(
                f"{bare(base_url)} is plain http: others could read the key and the prompt.",
                hint="Use https, or set plain_http = true in the provider's row.",
            )

    def url_for(self, call: HttpCall) -> str:
        """Return the whole URL of a call, percent-escapes in its path kept as they are."""
        with mapped(self._home.host):
            url = httpx.URL(join_base(self.base_url, call.path))
        if self._key is not None and self.is_home(str(url)):
            # httpx would make a password of these, and send it in the place of the key.
            url = url.copy_with(userinfo=b"")
        return str(url.copy_merge_params(dict(call.query)) if call.query else url)

    def absolute(self, place: str) -> str:
        """Return an address found in an answer as a whole URL, relative ones read as from here.

        Raises `WireError` when it is no address at all.
        """
        try:
            return str(httpx.URL(resolve(self.base_url, place)))
        except (httpx.InvalidURL, ValueError) as error:
            raise WireError("The address in the answer is not one.") from error

    def is_home(self, url: str) -> bool:
        """Tell whether a URL belongs to the API's own origin, the only one the key goes to."""
        return _place(httpx.URL(url)) == _place(self._home)

    def headers_for(self, call: HttpCall, *, masked: bool = False) -> dict[str, str]:
        """Return the headers of a call to the API itself; `masked`: as they may be shown."""
        kind = {} if call.json is None else {"Content-Type": "application/json"}
        return {"User-Agent": AGENT, **kind, **call.headers, **self._credentials(masked=masked)}

    async def send(self, call: HttpCall, *, timeout: float, limit: int = MAX_REPLY) -> HttpReply:
        """Send one request once and read the whole answer, whatever its status.

        `timeout` is in seconds for all of it, `limit` in bytes for the answer. Redirects are
        followed for GET only. Raises `TransportError` (`sent` tells whether something may have
        arrived), `ProviderError` for a redirect that is not followed, `WireError` for an
        endless answer and `InvalidRequest` when the body cannot be written as JSON.
        """
        body = encode_body(call)
        url = httpx.URL(self.url_for(call))
        late = TransportError(f"{url.host} did not answer within {timeout:.0f} s.", sent=True)
        return await within(self._exchange(call, url, body, timeout, limit), timeout, late)

    async def _exchange(
        self, call: HttpCall, url: httpx.URL, body: Mapping[str, Any], read: float, limit: int
    ) -> HttpReply:
        if call.method == "GET":
            response, url = await self._follow(url, call.headers, read)
        else:
            response = await self._hop(call.method, url, self.headers_for(call), read, body)
            if response.status_code in REDIRECTS:
                await _close(response)
                raise _moved(response, self._home)
        async with _streamed(response, url, self._key) as stream:
            return await stream.read(limit)

    @asynccontextmanager
    async def stream(
        self, url: str, *, headers: Mapping[str, str] = NOTHING, read: float | None = None
    ) -> AsyncIterator[Stream]:
        """Ask for a file and hand out the reply as soon as its headers are there.

        Redirects are followed by hand, at most five. `read` is how long one read may take, in
        seconds; there is no total limit. Raises as `send` does.
        """
        plain = {"Accept": "*/*", "Accept-Encoding": "identity", **headers}
        patience = self._timeouts.read if read is None else read
        with mapped(self._home.host):
            start = httpx.URL(url)
        response, place = await self._follow(start, plain, patience)
        async with _streamed(response, place, self._key) as stream:
            yield stream

    def open(self) -> None:
        """Make ready what a POST home needs, so that it then leaves at once."""
        self._pools.choose(self._home, kept=False)

    async def aclose(self) -> None:
        """Close the connections; a later question opens new ones."""
        await self._pools.aclose()

    async def _follow(
        self, url: httpx.URL, headers: Mapping[str, str], read: float
    ) -> tuple[httpx.Response, httpx.URL]:
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._hop("GET", url, headers, read)
            place = response.headers.get("location")
            if response.status_code not in REDIRECTS or not place:
                return response, url
            await _close(response)
            url = _next_place(url, place, response.status_code)
        raise ProviderError(
            f"{self._home.host} redirects more than {MAX_REDIRECTS} times.",
            status_code=response.status_code,
        )

    async def _hop(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        read: float,
        body: Mapping[str, Any] = NOTHING,
    ) -> httpx.Response:
        """Send one request to one place, key and pool chosen by whose place it is."""
        if not self._plain_is_fine(url):
            plain = url.scheme == "http"
            raise _refused(url, "it is plain http" if plain else "it is no http address")
        timeout = httpx.Timeout(read, connect=min(self._timeouts.connect, read))
        if _place(url) == _place(self._home):
            # A kept connection may have been closed by the server meanwhile; a POST lost on
            # it could not be told from one that arrived, so only GETs use them.
            pool = self._pools.choose(url, kept=method == "GET")
            merged = {**headers, **self._credentials()}
            request = _build(pool, method, url, merged, timeout, body)
            with mapped(url.host):
                return await pool.send(request, stream=True)
        return await self._hop_abroad(url, headers, timeout)

    async def _hop_abroad(
        self, url: httpx.URL, headers: Mapping[str, str], timeout: httpx.Timeout
    ) -> httpx.Response:
        """GET from another origin: no key, and only from addresses that were checked."""
        found = await self._gate.admit(_place(url))
        if found is None:
            raise _refused(url, "it lies in a private network")
        pool = self._pools.choose(url, kept=False)
        for number, address in enumerate(found, start=1):
            request = _build(pool, "GET", url, headers, timeout)
            if address is not None:
                # Connecting by the checked number keeps a second DNS answer from differing.
                request.url = url.copy_with(host=address)
                request.extensions = {**request.extensions, "sni_hostname": url.host}
            try:
                with mapped(url.host):
                    return await pool.send(request, stream=True)
            except TransportError as error:
                if error.sent or number == len(found):
                    raise
        raise AssertionError("the gate gives an address or none at all")

    def _plain_is_fine(self, url: httpx.URL) -> bool:
        if url.scheme == "http":
            return self._allow_plain or addresses.is_loopback(url.host)
        return url.scheme == "https"

    def _credentials(self, *, masked: bool = False) -> dict[str, str]:
        if self._key is None:
            return {}
        text = self._key.masked if masked else self._key.reveal()
        bearer = self._key_header.lower() == "authorization"
        return {self._key_header: f"Bearer {text}" if bearer else text}


def _build(
    pool: httpx.AsyncClient,
    method: str,
    url: httpx.URL,
    headers: Mapping[str, str],
    timeout: httpx.Timeout,
    body: Mapping[str, Any] = NOTHING,
) -> httpx.Request:
    with mapped(url.host):
        return pool.build_request(method, url, headers=dict(headers), timeout=timeout, **body)


@asynccontextmanager
async def _streamed(
    response: httpx.Response, url: httpx.URL, key: Secret | None
) -> AsyncIterator[Stream]:
    headers = {name.lower(): value for name, value in response.headers.items()}
    pieces = _pieces(response, url.host, encoded=is_encoded(headers))
    try:
        yield Stream(
            status_code=response.status_code,
            headers=headers,
            host=url.host,
            pieces=pieces,
            key=key,
        )
    finally:
        await pieces.aclose()
        await _close(response)


async def _pieces(
    response: httpx.Response, host: str, *, encoded: bool
) -> AsyncGenerator[bytes, None]:
    # aiter_bytes costs a decoder and a copy per piece, and plain bytes are the rule; a
    # transport that stands in for the network may have read them already.
    decoded = encoded or response.is_stream_consumed
    source = response.aiter_bytes() if decoded else response.aiter_raw()
    async with contextlib.aclosing(source) as body:  # type: ignore[type-var]
        # Nothing that the consumer raises comes in here, so one mapping is enough for all.
        with mapped(host):
            async for piece in body:
                yield piece


async def _close(response: httpx.Response) -> None:
    """Give the connection back; one that cannot even be closed harms nobody."""
    with contextlib.suppress(*TROUBLE):
        await response.aclose()


def _place(url: httpx.URL) -> addresses.Place:
    """Return scheme, host and port: the origin of a URL, as httpx will connect to it."""
    port = url.port or (443 if url.scheme == "https" else 80)
    return (url.scheme, url.raw_host.decode("ascii").lower(), port)


def _next_place(url: httpx.URL, place: str, status_code: int) -> httpx.URL:
    try:
        following = url.join(place)
    except httpx.InvalidURL as error:
        raise ProviderError(
            f"{url.host} redirects to something that is no address.", status_code=status_code
        ) from error
    if url.scheme == "https" and following.scheme != "https":
        raise _refused(following, "the redirect leaves https", status_code)
    return following


def _refused(url: httpx.URL, reason: str, status_code: int = 200) -> Refused:
    return Refused(f"{bare(str(url))} was not opened: {reason}.", status_code=status_code)


def _moved(response: httpx.Response, home: httpx.URL) -> ProviderError:
    place = bare(response.headers.get("location", "")) or "nowhere"
    return ProviderError(
        f"{home.host} redirects the request to {place}; that is not followed.",
        status_code=response.status_code,
        hint=f"The base URL {bare(str(home))} seems wrong.",
    )
