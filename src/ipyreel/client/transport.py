"""Opens, reads and closes httpx connections, translates their errors, and cleans its log."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import ssl
import sys
from collections.abc import AsyncGenerator, Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from weakref import WeakSet

import httpx

from ipyreel._version import __version__
from ipyreel.client.stream import IDENTITY, decoder
from ipyreel.errors import ConfigError, TransportError
from ipyreel.wire.text import KeyMask, clean
from ipyreel.wire.urls import strip_query

CERTIFICATES = (
    "Behind a company's proxy, let SSL_CERT_FILE name its certificate, or (on macOS and Windows) "
    'use the system\'s: pip install "ipyreel[truststore]".'
)

Transport = httpx.AsyncBaseTransport
"""What can replace the network: any transport that httpx accepts."""

AGENT = f"ipyreel/{__version__}"

NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""After one of these errors, no byte of the request can have reached the server.

`InvalidURL` is not among them (httpx parses the address of a redirect that is not followed), nor
is `LocalProtocolError` (HTTP/2 uses it for a broken answer).
"""

TRANSPORT_ERRORS = (
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.CookieConflict,
    httpx.StreamError,
    # ssl.SSLError can come out of a read unmapped (httpcore maps it in the handshake only).
    OSError,
)


def transport_error(error: Exception, host: str, *, sending: bool = True) -> TransportError:
    """Return an error for what httpx raised; `sent` is False if no byte can have been sent."""
    sent = sending and not isinstance(error, NOT_SENT)
    if isinstance(error, httpx.ConnectTimeout):
        text = f"{host} did not accept a connection in time."
    elif isinstance(error, httpx.TimeoutException):
        text = f"{host} did not answer in time."
    elif isinstance(error, (httpx.LocalProtocolError, httpx.InvalidURL)):
        # Their texts repeat headers and URLs, which may hold secrets.
        what = "answer of" if sending else "request to"
        text = f"The {what} {host} cannot be used ({type(error).__name__})."
    elif isinstance(error, NOT_SENT):
        text = f"Could not connect to {host}: {_reason(error)}."
    else:
        text = f"The connection to {host} broke: {_reason(error)}."
    hint = None
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        hint = CERTIFICATES
    elif not sent:
        hint = "Check that the server runs and its address is right: %video doctor."
    return TransportError(text, sent=sent, hint=hint)


def _reason(error: Exception) -> str:
    # h11 quotes the bytes that it cannot parse.
    text = re.split(r"(?:bytearray\()?\bb['\"]", str(error))[0]
    return clean(text, 200).rstrip(".: ") or type(error).__name__


@contextlib.contextmanager
def mapped(host: str, *, sending: bool = True) -> Iterator[None]:
    """Turn what httpx raises inside into a `TransportError`; `sending`: bytes may be sent."""
    try:
        yield
    except httpx.ProtocolError as error:
        # Its text quotes what was sent or received, so it is not the cause of ours, either.
        raise transport_error(error, host, sending=sending) from None
    except TRANSPORT_ERRORS as error:
        raise transport_error(error, host, sending=sending) from error


class CleanLog(logging.Filter):
    """Removes signed queries and keys from what httpx and httpcore log."""

    def __init__(self) -> None:
        super().__init__()
        self.masks: WeakSet[KeyMask] = WeakSet()

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean a record; no record is dropped."""
        text = record.getMessage()
        for mask in tuple(self.masks):
            text = mask.text(text)
        record.msg, record.args = clean(text), ()
        return True


CLEAN_LOG = CleanLog()

LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy")


def make_client(
    transport: Transport | None, *, secure: bool, reuse: bool, proxy: str | None
) -> httpx.AsyncClient:
    """Return a client; without `reuse` each of its requests has its own connection.

    Raises `ConfigError` for a proxy or certificates that cannot be used.
    """
    # Reading the certificates takes tens of milliseconds. Plain http needs none of them, and
    # this context refuses any server that uses TLS.
    trust = _trusted() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    keep = None if reuse else 0
    try:
        return httpx.AsyncClient(
            verify=trust,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=keep),
            transport=transport,
            proxy=proxy,
            # The proxy is chosen by `addresses.proxy_for`; httpx would refuse networks in NO_PROXY.
            trust_env=False,
            headers={"User-Agent": AGENT, "Accept-Encoding": IDENTITY},
            # No cookie is stored: a cookie that names an account would be a second key.
            cookies=httpx.Cookies(CookieJar(DefaultCookiePolicy(allowed_domains=[]))),
            follow_redirects=False,
        )
    except ImportError as error:
        raise ConfigError(
            f"The proxy {strip_query(proxy or '')} needs SOCKS support, which is not installed.",
            hint='Install it: pip install "ipyreel[socks]". Or unset ALL_PROXY.',
        ) from error
    except (ValueError, httpx.InvalidURL) as error:
        raise ConfigError(
            f"The proxy {strip_query(proxy or '')!r} cannot be used.",
            hint="Check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY: http://HOST:PORT.",
        ) from error


def _trusted() -> ssl.SSLContext:
    """Return the certificates to verify servers with: certifi's and the system's.

    A company's proxy that intercepts TLS has its certificate in the system's store. OpenSSL reads
    that on Linux, and in part on Windows; truststore, if installed, on macOS and Windows.
    """
    own = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)]
    if not own and sys.platform in {"darwin", "win32"}:
        with contextlib.suppress(ImportError):
            import truststore  # noqa: PLC0415 - an optional extra

            return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        trust = httpx.create_ssl_context()
        if not own:
            trust.load_default_certs()
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"The certificates of {' and '.join(own) or 'certifi'} cannot be read: "
            f"{error.strerror or type(error).__name__}.",
            hint="Unset the variable, or let it name a file of certificates.",
        ) from error
    return trust


async def pieces_of(
    response: httpx.Response, host: str, names: list[str]
) -> AsyncGenerator[bytes, None]:
    """Yield the body, decoded here: httpx decodes without a limit on the decoded size.

    (`Content-Encoding: gzip, gzip` turned a few kilobytes into gigabytes.)
    """
    if response.is_stream_consumed:  # by a transport that replaces the network
        yield response.content
        return
    decode = decoder(names, host)
    async with contextlib.aclosing(response.aiter_raw()) as body:  # type: ignore[type-var]
        # The consumer's exceptions are not raised here, so one mapping is enough.
        with mapped(host):
            async for piece in body:
                if decode is None:
                    yield piece
                    continue
                for plain in decode(piece):
                    yield plain


async def close(response: httpx.Response) -> None:
    """Release the connection; errors of closing do not matter."""
    with contextlib.suppress(*TRANSPORT_ERRORS):
        await response.aclose()
