"""The connections of one `Http`: near and far, kept and used once; each made when first needed.

May import `httpx`, `addresses` and `loopback`.
"""

from __future__ import annotations

from http.cookiejar import CookieJar, DefaultCookiePolicy
from ssl import SSLContext

import httpx

from ipyreel._version import __version__
from ipyreel.client.addresses import is_loopback

Transport = httpx.AsyncBaseTransport
"""What may stand in for the network: anything httpx takes as a transport."""

AGENT = f"ipyreel/{__version__}"

LOOPBACK_MOUNTS = ("all://localhost", "all://127.0.0.1", "all://[::1]")

KEPT = httpx.Limits(max_connections=None)
FRESH = httpx.Limits(max_connections=None, max_keepalive_connections=0)


class Pools:
    """Belongs to one event loop; `transport` stands in for the network, near and far."""

    def __init__(self, transport: Transport | None) -> None:
        self._transport = transport
        self._made: dict[tuple[bool, bool], httpx.AsyncClient] = {}
        self._trust: SSLContext | None = None

    def choose(self, url: httpx.URL, *, kept: bool) -> httpx.AsyncClient:
        """Return the pool for a URL: `kept`, or one whose connections are never used again."""
        # What takes tens of milliseconds (certificates) is not for who never leaves the machine.
        near = self._transport is None and url.scheme == "http" and is_loopback(url.host)
        pool = self._made.get((near, kept))
        if pool is None:
            limits = KEPT if kept else FRESH
            pool = self._near(limits) if near else self._far(limits)
            self._made[near, kept] = pool
        return pool

    async def aclose(self) -> None:
        """Close the connections; a later question opens new ones."""
        made, self._made = self._made, {}
        for pool in made.values():
            await pool.aclose()

    def _near(self, limits: httpx.Limits) -> httpx.AsyncClient:
        return _client(_loopback(limits), limits)

    def _far(self, limits: httpx.Limits) -> httpx.AsyncClient:
        if self._trust is None:
            self._trust = httpx.create_ssl_context()
        return _client(self._transport, limits, verify=self._trust)


def _client(
    transport: Transport | None, limits: httpx.Limits, *, verify: SSLContext | bool = True
) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        verify=verify,
        limits=limits,
        transport=transport,
        headers={"User-Agent": AGENT},
        # No cookie is kept: one that names an account would be a second key.
        cookies=httpx.Cookies(CookieJar(DefaultCookiePolicy(allowed_domains=[]))),
        mounts=dict.fromkeys(LOOPBACK_MOUNTS),
        follow_redirects=False,
    )


def _loopback(limits: httpx.Limits) -> Transport:
    # httpx too loads httpcore with its first pool. Done here that is on the loop's thread, and
    # not while the first cell of a kernel is waited for.
    from ipyreel.client.loopback import Loopback  # noqa: PLC0415 - as above

    return Loopback(limits)
