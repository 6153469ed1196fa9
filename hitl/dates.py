"""Dates as people write them, for the commands and for scripts."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo

from data.errors import UsageError
from data.words import in_utc


def parse_date(text: str, zone: tzinfo | None = None) -> str:
    """Return the moment meant, in UTC as the store writes it; a date without a zone is in ``zone``, None: in local time.

    Raises UsageError for a date that cannot be read.
    """
    now = datetime.now().astimezone()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if text == "today":
        moment = midnight
    elif text == "yesterday":
        moment = midnight - timedelta(days=1)
    elif match := re.fullmatch(r"(\d{1,6})([mhdw])", text):
        unit = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}[match[2]]
        try:
            moment = now - timedelta(**{unit: int(match[1])})
        except OverflowError:
            raise UsageError(f"'{text}' is longer ago than there are dates.") from None
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise UsageError(
                f"'{text}' is not a date. Write 2026-11-20, 2026-11-20T18:30, today, yesterday, 12h or 7d."
            ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    try:
        return in_utc(moment)
    except (OverflowError, ValueError):
        raise UsageError(f"'{text}' is out of range for a date.") from None


def date_in_utc(given: object) -> str:
    """Return the moment that a script means, in UTC as the store writes it; without a zone it is in UTC.

    A year or a month alone is its beginning. Raises UsageError for what is no date.
    """
    if isinstance(given, date):  # a datetime, too
        given = given.isoformat()
    if not isinstance(given, str):
        raise UsageError(f"{given!r} is not a date. Write it as text, for example '2026-11-20' or 'yesterday'.")
    if re.fullmatch(r"\d{4}(-\d{2})?", given):
        given = f"{given}-01"[:7] + "-01"
    return parse_date(given, UTC)
