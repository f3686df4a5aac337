"""Runs and stores jobs: one thread, one event loop, one SQLite file."""
