"""A port of this machine without a listener."""

from __future__ import annotations

import random
import socket

PORTS = range(20_000, 32_000)
"""Below the ports that systems assign automatically: no server and no connection of another
test gets one of these in the meantime."""


def free_port() -> int:
    """Return a loopback port without a listener, which no other process gets by chance."""
    for port in random.SystemRandom().sample(PORTS, 100):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:  # it is in use
                continue
            return port
    raise RuntimeError("no port is free")
