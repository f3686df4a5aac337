"""Sends HTTP requests: the key goes to the API's own origin only, and a POST is sent once."""

from __future__ import annotations

import asyncio
import copy
import logging
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from ipyreel.catalog.keys import Secret, read_key
from ipyreel.catalog.loader import OUR_HEADERS
from ipyreel.client import addresses
from ipyreel.client.retry import Timeouts, within
from ipyreel.client.stream import MAX_REPLY, Stream, encode_body, encodings
from ipyreel.client.transport import (
    AGENT,
    CLEAN_LOG,
    LOGGERS,
    Transport,
    close,
    make_client,
    mapped,
    pieces_of,
)
from ipyreel.errors import (
    ConfigError,
    InvalidRequest,
    ProviderError,
    TransportError,
    WireError,
)
from ipyreel.values import NOTHING, HttpCall, HttpReply
from ipyreel.wire.parse import request_id
from ipyreel.wire.text import KeyMask
from ipyreel.wire.urls import is_loopback, join_base, resolve, strip_query

HttpClient = httpx.AsyncClient
"""The caller's own client."""

Headers = Mapping[str, str]
"""Headers of one call, by name."""

log = logging.getLogger("ipyreel.client")

MAX_REDIRECTS = 5
LAST_PORT = 65_535
REDIRECTS = frozenset({301, 302, 303, 307, 308})
SLACK = 5.0
"""Seconds that a read may take longer than `timeouts.first_byte`, so that `watched` ends it."""

SAME_REQUEST = frozenset({307, 308})

SECRET_NAME = re.compile(r"auth|key|token|secret|cookie|password|config", re.IGNORECASE)
"""Names of a caller's headers whose values are never shown."""


class Refused(ProviderError):
    """A server named an address that must not be opened; trying again does not help."""


class Http:
    """HTTP with one API; belongs to one event loop and opens nothing before first use.

    `base_url` is the API's root, with or without `/v1`; `key` is sent in `key_header` to
    its origin only, as are the `headers` of its row and `default_headers`; the caller's own
    `client` is used for that origin only, and not closed. `lookup` resolves host names. Raises
    `ConfigError` for a base URL or key that cannot be used.
    """

    def __init__(  # noqa: PLR0913 - each one by its name
        self,
        base_url: str,
        *,
        key: Secret | None = None,
        key_header: str = "Authorization",
        headers: Mapping[str, str | Secret] = NOTHING,
        allow_plain_http: bool = False,
        transport: Transport | None = None,
        timeouts: Timeouts | None = None,
        lookup: addresses.Resolve = addresses.look_up,
        default_headers: Mapping[str, str] = NOTHING,
        client: HttpClient | None = None,
    ) -> None:
        self.base_url = base_url
        try:
            self._home = httpx.URL(join_base(base_url, ""))
        except httpx.InvalidURL as error:
            raise ConfigError(f"The base URL {strip_query(base_url)!r} is not a URL.") from error
        self._key = None if key is None else read_key(key.reveal(), "what was given")
        self._headers = dict(headers)
        secrets = [key, *(value for value in headers.values() if isinstance(value, Secret))]
        self._mask = KeyMask(*(one.reveal() for one in secrets if one is not None))
        self._default_headers: dict[str, str] = {}
        for name in LOGGERS:
            logging.getLogger(name).addFilter(CLEAN_LOG)
        self._key_header = key_header
        self._add(default_headers)
        self._allow_plain = allow_plain_http
        self.timeouts = timeouts or Timeouts()
        self._gate = addresses.Gate(_origin(self._home), lookup, direct=transport is None)
        self._transport = transport
        self._own_client = client
        self._moved: dict[httpx.URL, httpx.URL] = {}
        self._clients: dict[tuple[bool, bool, str | None], httpx.AsyncClient] = {}
        if not self._plain_is_fine(self._home):
            raise ConfigError(
                f"{strip_query(base_url)} is plain http: others could read the key and the prompt.",
                hint="Use https, or set plain_http = true in the provider's row.",
            )

    def url_for(self, call: HttpCall) -> str:
        """Return the full URL of a call, with the percent-escapes in its path unchanged."""
        with mapped(self._home.host, sending=False):
            url = httpx.URL(join_base(self.base_url, call.path))
        if self._key is not None and self.is_home(str(url)):
            # httpx would send a user name and password from the URL instead of the key.
            url = url.copy_with(userinfo=b"")
        return str(url.copy_merge_params(dict(call.query)) if call.query else url)

    def absolute(self, address: str) -> str:
        """Return an address from a reply as a full URL; relative ones start at the API.

        Raises `WireError` if it is not a URL.
        """
        try:
            return str(httpx.URL(resolve(self.base_url, address)))
        except (httpx.InvalidURL, ValueError) as error:
            raise WireError("The address in the reply is not a URL.") from error

    def is_home(self, url: str) -> bool:
        """Return whether a URL belongs to the API's own origin, the only one that gets the key."""
        return _origin(httpx.URL(url)) == _origin(self._home)

    def headers_for(self, call: HttpCall, *, masked: bool = False) -> dict[str, str]:
        """Return the headers of a call to the API itself; `masked`: as they may be shown."""
        return {**_headers_of(call), **self._own_headers(masked=masked)}

    async def send(self, call: HttpCall, *, timeout: float, limit: int = MAX_REPLY) -> HttpReply:
        """Send one request once and read the whole reply, whatever its status.

        `timeout` is in seconds for the whole exchange, `limit` in bytes for the reply. Redirects
        are followed for GET only. Raises `TransportError` (`sent` says whether something may have
        arrived), `ProviderError` for a redirect that is not followed, `WireError` for a reply
        longer than `limit` and `InvalidRequest` if the body cannot be written as JSON.
        """
        body = encode_body(call)
        url = httpx.URL(self.url_for(call))
        late = TransportError(f"{url.host} did not answer within {timeout:.0f} s.", sent=True)
        return await within(self._exchange(call, url, body, timeout, limit), timeout, late)

    async def _exchange(
        self, call: HttpCall, url: httpx.URL, body: Mapping[str, Any], read: float, limit: int
    ) -> HttpReply:
        begun = asyncio.get_running_loop().time()
        if call.method == "GET":
            response, url = await self._follow(url, call.headers, read)
        else:
            url = self._moved.get(url, url)
            headers = _headers_of(call)
            response = await self._hop(call.method, url, headers, read, body)
            if response.status_code in REDIRECTS:
                await close(response)
                following = self._same_request(response, url)
                response = await self._hop(call.method, following, headers, read, body)
                if response.status_code in REDIRECTS:
                    await close(response)
                    raise _refused_redirect(response, self._home, self._mask)
                self._moved[url], url = following, following
        async with _streamed(response, url, self._mask) as stream:
            reply = await stream.read(limit)
        log.debug(
            "%s %s: %d in %.0f ms, request id %s",
            call.method,
            self._mask.text(strip_query(str(url))),
            reply.status_code,
            (asyncio.get_running_loop().time() - begun) * 1000,
            request_id(reply.headers),
        )
        return reply

    @asynccontextmanager
    async def stream(
        self, url: str, *, headers: Mapping[str, str] = NOTHING
    ) -> AsyncIterator[Stream]:
        """Request a file and yield the reply as soon as its headers have arrived.

        Redirects are followed here, at most five. There is no total time limit: the reader has
        to watch the time. Raises what `send` raises.
        """
        with mapped(self._home.host, sending=False):
            start = httpx.URL(url)
        response, end = await self._follow(start, headers, self.timeouts.first_byte + SLACK)
        async with _streamed(response, end, self._mask) as stream:
            yield stream

    def with_headers(self, headers: Mapping[str, str]) -> Http:
        """Return a copy that sends further headers to the API's origin, over the same connections.

        Values of headers whose names suggest a secret are masked in replies, like the key. Raises
        `InvalidRequest` for a header that cannot be sent, or that ipyreel sets itself.
        """
        if not headers:
            return self
        other = copy.copy(self)
        other._add(headers)  # noqa: SLF001 - of this class
        return other

    def _add(self, headers: Mapping[str, str]) -> None:
        ours = OUR_HEADERS | {name.lower() for name in self._credentials()}
        for name, value in headers.items():
            if name.lower() in ours:
                raise InvalidRequest(f"The header {name} is set by ipyreel itself.")
            if not value.isascii() or not value.isprintable():
                raise InvalidRequest(f"The header {name} must be printable ASCII text.")
        self._default_headers = {**self._default_headers, **headers}
        self._mask = self._mask.with_keys(*_secret_values(headers))
        CLEAN_LOG.masks.add(self._mask)

    def open(self) -> None:
        """Prepare what a POST to the API needs, so that it is then sent at once."""
        self._client(self._home, reuse=False)

    async def aclose(self) -> None:
        """Close the connections; a later request opens new ones."""
        clients = tuple(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.aclose()

    def _client(self, url: httpx.URL, *, reuse: bool) -> httpx.AsyncClient:
        """Return the client for a URL, made by `make_client` on first use."""
        secure, proxy = url.scheme == "https", None
        if self._transport is None:
            proxy = addresses.proxy_for(url.scheme, url.host)
        client = self._clients.get((secure, reuse, proxy))
        if client is None:
            client = make_client(self._transport, secure=secure, reuse=reuse, proxy=proxy)
            self._clients[secure, reuse, proxy] = client
        return client

    def _same_request(self, response: httpx.Response, url: httpx.URL) -> httpx.URL:
        """Return where to send a POST again that was not accepted at `url`.

        That is another path of the same origin, named by a 307 or 308, as servers do that require
        a trailing slash. Raises `ProviderError` for every other redirect.
        """
        location = response.headers.get("location")
        if location and response.status_code in SAME_REQUEST:
            following = _next_url(url, location, response.status_code)
            if _origin(following) == _origin(self._home) and following != url:
                return following
        raise _refused_redirect(response, self._home, self._mask)

    async def _follow(
        self, url: httpx.URL, headers: Mapping[str, str], read: float
    ) -> tuple[httpx.Response, httpx.URL]:
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._hop("GET", url, headers, read)
            location = response.headers.get("location")
            if response.status_code not in REDIRECTS or not location:
                return response, url
            await close(response)
            url = _next_url(url, location, response.status_code)
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
        """Send one request to one URL; the key and the connection depend on its origin."""
        if not self._plain_is_fine(url):
            plain = url.scheme == "http"
            raise _refused(url, "it is plain http" if plain else "it is not an http URL")
        if (url.port or 0) > LAST_PORT:  # httpx takes it, and fails in a way of its own
            raise _refused(url, "there is no such port")
        timeout = httpx.Timeout(read, connect=min(self.timeouts.connect, read))
        if _origin(url) == _origin(self._home):
            # The server may have closed a reused connection; a POST that is lost on it looks
            # like one that arrived, so only GETs reuse connections.
            client = self._own_client or self._client(url, reuse=method == "GET")
            # No variable holds the key: `%xmode Verbose` shows those of a traceback.
            request = _build(client, method, url, {**headers, **self._own_headers()}, timeout, body)
            with mapped(url.host):
                return await client.send(request, stream=True, follow_redirects=False)
        return await self._hop_elsewhere(url, headers, timeout)

    async def _hop_elsewhere(
        self, url: httpx.URL, headers: Mapping[str, str], timeout: httpx.Timeout
    ) -> httpx.Response:
        """GET from another origin: no key, and only from addresses that were checked."""
        found = await self._gate.admit(_origin(url))
        if found is None:
            raise _refused(url, "it is in a private network")
        client = self._client(url, reuse=False)
        for number, address in enumerate(found, start=1):
            request = _build(client, "GET", url, headers, timeout)
            if address is not None:
                # We connect to the checked address: a second DNS answer could differ.
                request.url = url.copy_with(host=address)
                request.extensions = {**request.extensions, "sni_hostname": url.host}
            try:
                with mapped(url.host):
                    return await client.send(request, stream=True)
            except TransportError as error:
                if error.sent or number == len(found):
                    raise
        raise AssertionError("the gate returns an address or None")

    def _plain_is_fine(self, url: httpx.URL) -> bool:
        if url.scheme == "http":
            return self._allow_plain or is_loopback(url.host)
        return url.scheme == "https"

    def _own_headers(self, *, masked: bool = False) -> dict[str, str]:
        """Return the headers that go to the API's own origin only."""
        given = self._default_headers
        if masked:
            given = dict.fromkeys(given, "…")
        return {**given, **self._credentials(masked=masked)}

    def _credentials(self, *, masked: bool = False) -> dict[str, str]:
        def shown(value: str | Secret) -> str:
            if isinstance(value, str):
                return value
            return value.masked if masked else value.reveal()

        found = {name: shown(value) for name, value in self._headers.items()}
        if self._key is not None:
            bearer = self._key_header.lower() == "authorization"
            found[self._key_header] = f"Bearer {shown(self._key)}" if bearer else shown(self._key)
        return found


def _headers_of(call: HttpCall) -> dict[str, str]:
    kind = {} if call.json is None else {"Content-Type": "application/json"}
    return {"User-Agent": AGENT, **kind, **call.headers}


def _secret_values(headers: Mapping[str, str]) -> list[str]:
    return [value for name, value in headers.items() if SECRET_NAME.search(name)]


def _build(
    client: httpx.AsyncClient,
    method: str,
    url: httpx.URL,
    headers: Mapping[str, str],
    timeout: httpx.Timeout,
    body: Mapping[str, Any] = NOTHING,
) -> httpx.Request:
    with mapped(url.host, sending=False):
        return client.build_request(method, url, headers=dict(headers), timeout=timeout, **body)


@asynccontextmanager
async def _streamed(
    response: httpx.Response, url: httpx.URL, mask: KeyMask
) -> AsyncIterator[Stream]:
    headers = {name.lower(): mask.text(value) for name, value in response.headers.items()}
    pieces = pieces_of(response, url.host, encodings(headers))
    try:
        yield Stream(
            status_code=response.status_code,
            headers=headers,
            host=url.host,
            url=mask.text(strip_query(str(url))),
            pieces=pieces,
            mask=mask,
        )
    finally:
        await pieces.aclose()
        await close(response)


def _origin(url: httpx.URL) -> addresses.Origin:
    """Return scheme, host and port of a URL, as httpx will connect to it."""
    port = url.port or (443 if url.scheme == "https" else 80)
    return (url.scheme, url.raw_host.decode("ascii").lower(), port)


def _next_url(url: httpx.URL, location: str, status_code: int) -> httpx.URL:
    try:
        following = url.join(location)
    except httpx.InvalidURL as error:
        raise ProviderError(
            f"{url.host} redirects to something that is not a URL.", status_code=status_code
        ) from error
    if url.scheme == "https" and following.scheme != "https":
        raise _refused(following, "the redirect leaves https", status_code)
    return following


def _refused(url: httpx.URL, reason: str, status_code: int = 200) -> Refused:
    return Refused(f"{strip_query(str(url))} was not opened: {reason}.", status_code=status_code)


def _refused_redirect(response: httpx.Response, home: httpx.URL, mask: KeyMask) -> ProviderError:
    target = mask.text(strip_query(response.headers.get("location", ""))) or "nowhere"
    return ProviderError(
        f"{home.host} redirects the request to {target}; that is not followed.",
        status_code=response.status_code,
        hint=f"The base URL {strip_query(str(home))} seems wrong.",
    )
