"""When a tick comes, and that it comes on time."""
