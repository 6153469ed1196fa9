"""Checkpoint files: written, read, checked."""
