"""A port of this machine on which nobody listens."""

from __future__ import annotations

import random
import socket

PORTS = range(20_000, 32_000)
"""Below those that systems give to whoever asks for any port: no server and no connection of
another test takes one of these in the meantime."""


def free_port() -> int:
    """Return a loopback port on which nobody listens, and nobody will by chance."""
    for port in random.SystemRandom().sample(PORTS, 100):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:  # somebody is there
                continue
            return port
    raise RuntimeError("no port is free")
