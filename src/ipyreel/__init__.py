"""Write a prompt in a notebook cell, get a video under it."""

from __future__ import annotations

from ipyreel._version import __version__

__all__ = ["__version__"]
