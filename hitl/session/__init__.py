"""One drive, from its start to its last stored row."""
