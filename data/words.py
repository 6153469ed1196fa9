"""Counted things and names in words."""

from __future__ import annotations


def number_of(count: int, one: str, many: str = "") -> str:
    """Return "1 takeover", "2,410 takeovers"; ``many`` where it is not ``one`` with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def track_words(name: str) -> str:
    """Return a track's name as it stands in a sentence or a headline; "default" alone would be no name there."""
    return "the default track" if name == "default" else f"‘{name}’"
