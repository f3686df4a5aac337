"""Jobs: one thread, one loop, one SQLite file."""
