"""Clients of the scripted server, with controlled time and randomness."""

from __future__ import annotations

from ipyreel.catalog import Provider
from ipyreel.client import Timeouts, VideoClient
from tests.client.support.time import Time, certain

KEY = "sk-very-secret-key-0123456789"
QUEUED = {"id": "video_1", "object": "video", "status": "queued", "progress": 0}
DONE = {"id": "video_1", "object": "video", "status": "completed", "progress": 100}


def row(**fields):
    """Make a provider's row as a person would write it."""
    given = {"name": "shop", "title": "Shop", "needs_key": True, "dialect": "openai"}
    routes = frozenset({"list", "delete", "remix"})
    return Provider(**{**given, "routes": routes, **fields})


def client(server, time=None, **options):
    """Make a client of `server`; `fields` go into its row."""
    time = time or Time()
    provider = row(**options.pop("fields", {}))
    given = {
        "key": KEY,
        "base_url": server.url,
        "sleep": time.sleep,
        "clock": time.clock,
        "rng": certain,
        "timeouts": Timeouts(create=30, poll=30, read=30, first_byte=30),
    }
    return VideoClient(provider, **{**given, **options})
