"""The version of the package; no other file has it."""

__version__ = "0.1.0"
