"""The store: every step and every takeover, in one SQLite file."""
