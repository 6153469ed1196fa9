"""Counted things, names and moments in words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime


def number_of(count: int, one: str, many: str = "") -> str:
    """Return "1 takeover", "2,410 takeovers"; ``many`` where it is not ``one`` with an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def takeovers_said(count: int, empty: int, bracket: str = "") -> str:
    """Return "9 takeovers", or "9 takeovers and 1 that shows nothing" (`data.demos.DemoRule.takeovers`).

    ``bracket``: what is said of the first.
    """
    others = f" and {empty:,} that {'shows' if empty == 1 else 'show'} nothing" if empty else ""
    return number_of(count, "takeover") + bracket + others


def laps_said(finished: int, unfinished: int, how: str = "") -> str:
    """Return "8 laps", or "8 laps by hand, 3 unfinished": what is counted as laps, wherever it is told, are the finished ones."""
    said = number_of(finished, f"lap{how}", f"laps{how}")
    return f"{said}, {unfinished:,} unfinished" if unfinished else said


def listed(words: Iterable[str]) -> str:
    """Return "one", "one and two", "one, two and three"."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def numbers_text(numbers: Sequence[int]) -> str:
    """Return numbers of segments, or of other things, for a sentence: of many the first ones."""
    first = ", ".join(map(str, numbers[:_NAMED]))
    return f"{first} and {len(numbers) - _NAMED:,} more" if len(numbers) > _NAMED else first


_NAMED = 20


def track_words(name: str) -> str:
    """Return a track's name as it stands in a sentence or a headline; "default" alone would be no name there."""
    return "the default track" if name == "default" else f"‘{name}’"


def about(seconds: float) -> str:
    """Return a length of time as people say it: "about 1 minute"."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 55:
        return f"about {10 * round(seconds / 10)} seconds"
    if seconds < 5_400:
        return f"about {number_of(round(seconds / 60), 'minute')}"
    return f"about {number_of(round(seconds / 3600), 'hour')}"


def in_utc(moment: datetime) -> str:
    """Return a moment in UTC, as the store writes it; one without a zone is in local time. Raises OverflowError."""
    try:
        there = moment.astimezone(UTC)
    except OSError:  # Windows knows the local time of 1970 to 3000 alone: there, today's offset holds for any other year, too
        there = moment.replace(tzinfo=datetime.now().astimezone().tzinfo).astimezone(UTC)
    return there.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def in_local_time(text: str) -> datetime:
    """Return a date of the store in local time. Raises ValueError for what is no date."""
    moment = datetime.fromisoformat(text)
    with contextlib.suppress(OSError, OverflowError):  # as above, and the first and the last day that there are
        return moment.astimezone()
    return moment
