"""Decides which addresses may be connected to: origins, loopback, private networks.

It does no I/O except name look-ups.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from urllib.request import getproxies, proxy_bypass

from ipyreel.errors import TransportError
from ipyreel.wire.urls import Address, is_loopback, numeric

Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]
"""Resolves a host name and a port to numeric addresses; raises OSError if that fails."""

Origin = tuple[str, str, int]
"""Scheme, host (as DNS spells it) and port of a URL."""

EMBEDDED = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))
"""IPv6 addresses that a gateway translates to the IPv4 address in their last 32 bits.

RFC 6052, 8215 and (old) 4291.
"""

METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"),
    )
)
"""Where Alibaba, Azure, Oracle, AWS and Google serve a machine's secrets, with 169.254.0.0/16."""

CARRIER_NAT = ipaddress.ip_network("100.64.0.0/10")
"""Addresses that are not public, but not private for `ipaddress` either (RFC 6598)."""


def is_public(host: str) -> bool:
    """Return whether a numeric address, and any that it tunnels to, is on the public internet."""
    address = numeric(host)
    if address is None:
        return False
    on_the_way = (address, *_tunnelled(address))
    return all(one.is_global and not one.is_multicast and one not in METADATA for one in on_the_way)


def _tunnelled(address: Address) -> tuple[Address, ...]:
    """Return the IPv4 addresses to which gateways forward what is sent to an IPv6 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    found = [address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in EMBEDDED):
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return tuple(one for one in found if one is not None)


def is_near(host: str) -> bool:
    """Return whether a numeric address is on this machine or in a private network.

    Link-local addresses are not: cloud machines serve their secrets on 169.254.169.254.
    """
    address = numeric(host)
    if address is None or address in METADATA:
        return False
    if address.is_link_local or address.is_unspecified or address.is_multicast:
        return False
    carrier = isinstance(address, ipaddress.IPv4Address) and address in CARRIER_NAT
    return address.is_loopback or address.is_private or carrier


def proxy_for(scheme: str, host: str) -> str | None:
    """Return the proxy that the environment names for such a URL; None: connect directly.

    Networks in NO_PROXY (`10.0.0.0/8`, `fe80::/10`) are supported, as in curl.
    """
    if is_loopback(host):
        return None
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or proxy_bypass(host) or _is_in_network(host, proxies.get("no", "")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_in_network(host: str, no_proxy: str) -> bool:
    address = numeric(host)
    if address is None:
        return False
    for entry in no_proxy.split(","):
        with contextlib.suppress(ValueError):
            if "/" in entry and address in ipaddress.ip_network(entry.strip(), strict=False):
                return True
    return False


async def look_up(host: str, port: int) -> tuple[str, ...]:
    """Return the numeric addresses of a host name, in the order the system prefers."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def _is_near_or_public(address: str) -> bool:
    return is_near(address) or is_public(address)


class Gate:
    """Decides which origins besides the API's own may be connected to, and at which address.

    A public API may send us to public addresses only: servers on this machine or in its network
    trust us, and must not be reachable through us. An API that runs there itself may send us
    there. `direct` False: something else (a proxy, a test's transport) makes the connections. A
    proxy resolves names itself, so behind one only numeric addresses are checked.
    """

    def __init__(self, home: Origin, look_up: Resolve, *, direct: bool = True) -> None:
        self._home = home
        self._look_up = look_up
        self._direct = direct
        self._home_is_near: bool | None = None

    async def admit(self, origin: Origin) -> tuple[str | None, ...] | None:
        """Return the numeric addresses to connect to; None if the origin is refused.

        An address of None means that the name is resolved elsewhere. Raises `TransportError`
        for an unknown name.
        """
        if self._is_resolved_elsewhere(origin):
            return (None,)
        found = await self._addresses(origin)
        public = all(map(is_public, found))
        if not public and not (
            all(map(_is_near_or_public, found)) and await self._home_is_near_us()
        ):
            return None
        return found if self._connects(origin) else (None,)

    def _connects(self, origin: Origin) -> bool:
        return self._direct and proxy_for(origin[0], origin[1]) is None

    def _is_resolved_elsewhere(self, origin: Origin) -> bool:
        """Return whether a name is resolved by a proxy or transport, which may know other names."""
        spelled = numeric(origin[1]) is not None or is_loopback(origin[1])
        return not spelled and not self._connects(origin)

    async def _addresses(self, origin: Origin) -> tuple[str, ...]:
        _, host, port = origin
        if numeric(host) is not None:
            return (host,)
        try:
            found = await self._look_up(host, port)
        except (OSError, UnicodeError) as error:
            raise TransportError(f"Could not find {host}: {error}.") from error
        if not found:
            raise TransportError(f"{host} has no address.")
        return found

    async def _home_is_near_us(self) -> bool:
        if self._home_is_near is None:
            if self._is_resolved_elsewhere(self._home):
                return False
            self._home_is_near = all(map(is_near, await self._addresses(self._home)))
        return self._home_is_near
