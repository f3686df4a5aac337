"""Keeps the clients of a session: one for each provider and address, and the demo server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ipyreel.catalog import Catalog, KeyRing
from ipyreel.catalog.choice import FALLBACK, require_base_url
from ipyreel.catalog.keys import Secret
from ipyreel.client import VideoClient
from ipyreel.demo.process import DemoServer
from ipyreel.jobs.run import JobConfig


@dataclass(slots=True, kw_only=True)
class Connections:
    """Gives clients with current keys; used on the loop's thread, except for `stop`.

    `catalog` is called each time, since providers may change. The demo server keeps its files in
    `home` and is started on first use.
    """

    home: Path
    catalog: Callable[[], Catalog]
    keys: KeyRing
    rules: JobConfig
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
            url = base_url or require_base_url(provider, self.keys.environ)
            key = self.keys.require(provider) if provider.needs_key else self.keys.find(provider)
        old = self._clients.get((name, url))
        if old is not None and old.key == key:
            return old
        client = VideoClient(
            provider,
            key=key,
            base_url=url,
            sleep=self.rules.sleep,
            clock=self.rules.clock,
            rng=self.rules.chance,
            timeouts=self.rules.timeouts,
            catalog=catalog,
        )
        # The old one, with the old key, may be in the middle of a download: it closes at the end.
        self._clients[name, url] = client
        return client

    async def aclose(self) -> None:
        """Close all clients."""
        clients = tuple(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.aclose()

    def stop(self) -> None:
        """End the demo server; its jobs are kept, and the next one goes on with them."""
        self._demo.stop()
