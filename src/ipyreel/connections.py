"""Creates and keeps the clients of a session, and the demo server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ipyreel import client as clients
from ipyreel.catalog import Catalog, KeyRing
from ipyreel.catalog.choice import FALLBACK, require_base_url
from ipyreel.catalog.keys import Secret
from ipyreel.demo.process import DemoServer
from ipyreel.errors import ConfigError
from ipyreel.jobs.run import JobConfig
from ipyreel.wire.urls import same_origin, strip_query

if TYPE_CHECKING:
    from ipyreel.client import VideoClient


@dataclass(slots=True, kw_only=True)
class Connections:
    """Returns clients with current keys; used on the loop's thread, except for `stop`.

    `catalog` is called each time, since providers may change. `approved` returns the origin
    that the user set for a provider in an earlier kernel. The demo server keeps its files in
    `home` and is started on first use.
    """

    home: Path
    catalog: Callable[[], Catalog]
    keys: KeyRing
    rules: JobConfig
    approved: Callable[[str], str | None] = lambda _name: None
    _demo: DemoServer = field(default_factory=DemoServer)
    _clients: dict[tuple[str, str], VideoClient] = field(default_factory=dict)

    async def client(self, name: str, base_url: str | None = None) -> VideoClient:
        """Return the client for a provider; `base_url` is that of a job, None: the current one."""
        catalog = self.catalog()
        provider = catalog.provider(name)
        key: Secret | None
        if name == FALLBACK:
            url = await asyncio.to_thread(self._demo.start, self.home)
            key = Secret(self._demo.key or "")
        else:
            current = require_base_url(provider, self.keys.environ)
            url = base_url or current
            key = self.keys.require(provider) if provider.needs_key else self.keys.find(provider)
            own = [current, self.approved(provider.name) or current]
            is_own = any(same_origin(url, one) for one in own)
            if (key is not None or provider.headers) and not is_own:
                raise _other_origin(provider.name, url, current)
        old = self._clients.get((name, url))
        if old is not None and old.key == key and old.provider == provider:
            return old
        client = clients.VideoClient(
            provider,
            key=key,
            base_url=url,
            sleep=self.rules.sleep,
            clock=self.rules.clock,
            rng=self.rules.chance,
            timeouts=self.rules.timeouts,
            catalog=catalog,
        )
        # The old client, with the old key, may still be downloading: it is closed at the end.
        self._clients[name, url] = client
        return client

    async def aclose(self) -> None:
        """Close all clients."""
        clients = tuple(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.aclose()

    def stop(self) -> None:
        """End the demo server; its jobs are kept, and the next server continues them."""
        self._demo.stop()


def _other_origin(name: str, url: str, current: str) -> ConfigError:
    """Return why a key is not sent: the library may contain an address that the user never set."""
    there, here = strip_query(url), strip_query(current)
    return ConfigError(
        f"The job is at {there}, and the key of {name} is for {here}: it is not sent there.",
        hint=f"If that address is right, %video use {name} base_url={there} uses it.",
    )
