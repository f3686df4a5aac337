"""Jobs: one thread, one loop, one SQLite file. May import `client` and what lies below it."""
