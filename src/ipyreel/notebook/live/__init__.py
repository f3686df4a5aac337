"""Outputs that are live while jobs run, and static when they have ended."""
