"""Turns requests into HTTP calls, and HTTP replies into values: pure functions, no I/O."""
