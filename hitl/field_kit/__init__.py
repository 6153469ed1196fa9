"""Measurements on the player's own PC, packed into one file without personal data: evidence for what we cannot try."""
