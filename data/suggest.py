"""The nearest known name to one that is not known, for the end of an error's sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST = 60
"""Characters of a name that are compared; a longer one is not a typing mistake."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant; None when none is like it."""
    word = name.strip().lower().lstrip("-")  # what all options share makes none of them alike
    if not word or len(word) > MOST:
        return None
    names: dict[str, str] = {}
    for each in known:
        names.setdefault(each.lower().lstrip("-"), each)
    close = difflib.get_close_matches(word, names, 1, 0.6)
    if not close and len(word) > 2:  # the beginning of a name, or a part of it
        close = [n for n in names if n.startswith(word)] or [n for n in names if word in n]
    return names[close[0]] if close else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'NAME'?", with the blank before it, or nothing."""
    found = nearest(name, known)
    return f" Did you mean '{found}'?" if found is not None else ""
