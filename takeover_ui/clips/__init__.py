"""Clips: a takeover or a drive as a small film, to be shown elsewhere."""
