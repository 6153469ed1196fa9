"""How many examples Hypothesis looks for: all where it is decided whether a change is taken, a quarter while one works on it.

And none fails for being slow on this machine. This is set here, where it is imported, because settings of a test's own are made
when its module is, from what holds then.
"""

import os

from hypothesis import HealthCheck, settings

ALL = bool(os.environ.get("CI") or os.environ.get("ALL_EXAMPLES"))


def examples(number: int) -> int:
    """Return how many of this number of examples are looked for now."""
    return number if ALL else max(number // 4, min(number, 8))


settings.register_profile(
    "any machine",
    max_examples=examples(settings.default.max_examples),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("any machine")
