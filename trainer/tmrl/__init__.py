"""Settings and networks of tmrl, read."""
