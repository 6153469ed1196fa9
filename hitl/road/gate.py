"""A gate that laps must pass: conditions as one types them, ``finish>=0.95,p95<=40``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import NamedTuple

from data.errors import UsageError, shown
from data.suggest import did_you_mean
from hitl.road.laps import Figure, Laps

_HOLDS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
FIGURES: dict[str, Callable[[Laps], float | Figure | None]] = {
    "finish": lambda laps: laps.finish.share,
    "median": lambda laps: laps.median,
    "p95": lambda laps: laps.p95,
    "best": lambda laps: laps.best,
    "worst": lambda laps: laps.worst,
    "crashes": lambda laps: float(sum(laps.crashes.values())),
    "competition": lambda laps: laps.competition,
}
"""What a condition may name: a share of the tries, seconds, a number of crashes."""


class Condition(NamedTuple):
    """A figure, how it is compared, and with what."""

    figure: str
    sign: str
    bound: float

    def failure(self, laps: Laps) -> str:
        """Return why it does not hold, in words; "" where it holds. A figure that no lap has does not hold."""
        found = FIGURES[self.figure](laps)
        value = found.value if isinstance(found, Figure) else found
        if value is None:
            return f"{self.figure} is not known, because too few laps were finished"
        return "" if _HOLDS[self.sign](value, self.bound) else f"{self.figure} is {value:.3f}, not {self.sign} {self.bound:g}"


def parse_gate(text: str) -> list[Condition]:
    """Return the conditions of a gate. Raises UsageError."""
    conditions = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\w+)\s*(>=|<=|>|<)\s*(\d+(?:\.\d+)?)\s*", part)
        if found is None:
            raise UsageError(f"--gate takes conditions like 'finish>=0.95,p95<=40', not '{shown(part, 60)}'.")
        name, sign, bound = found.groups()
        if name not in FIGURES:
            raise UsageError(f"--gate has no figure '{shown(name, 40)}': {', '.join(FIGURES)}.{did_you_mean(name, FIGURES)}")
        if name == "finish" and float(bound) > 1:
            raise UsageError(f"--gate: finish is a share from 0 to 1, so {bound} % is {float(bound) / 100:g}.")
        conditions.append(Condition(name, sign, float(bound)))
    return conditions
