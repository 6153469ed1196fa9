"""How many examples Hypothesis looks for: all where it is decided whether a change is taken, a quarter while one works on it."""

import os

ALL = bool(os.environ.get("CI") or os.environ.get("ALL_EXAMPLES"))


def examples(number: int) -> int:
    """Return how many of this number of examples are looked for now."""
    return number if ALL else max(number // 4, min(number, 8))
