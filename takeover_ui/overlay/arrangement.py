"""Where the player wants the gauges, how large, and which not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

LEAST, MOST = 0.5, 2.5  # times as large as in the design

GaugePlace = tuple[float, float, float]
"""The middle of a gauge, right and down as shares of the window, and how many times as large it is."""


def within(scale: float) -> float:
    """Return a scale that can still be read and still fits."""
    return min(MOST, max(LEAST, scale))


@dataclass(frozen=True)
class Arrangement:
    """Names are those of `overlay.COLUMN` and `overlay.CARD`; beside these ``card``, ``bar`` and ``map``, each a whole."""

    scale: float = 1.0
    """Of all gauges that have no place of their own."""
    hidden: tuple[str, ...] = ()
    places: Mapping[str, GaugePlace] = field(default_factory=dict)

    def moved(self, name: str, x: float, y: float, scale: float) -> Arrangement:
        """Return the arrangement with a gauge at that place."""
        place = (round(min(1.0, max(0.0, x)), 4), round(min(1.0, max(0.0, y)), 4), round(within(scale), 3))
        return replace(self, places={**self.places, name: place})

    def docked(self, name: str) -> Arrangement:
        """Return the arrangement with a gauge where it was at first."""
        return replace(self, places={k: place for k, place in self.places.items() if k != name})

    def toggled(self, name: str) -> Arrangement:
        """Return the arrangement with a gauge switched off, or on again."""
        hidden = tuple(k for k in self.hidden if k != name) if name in self.hidden else (*self.hidden, name)
        return replace(self, hidden=hidden)

    def scaled(self, by: float) -> Arrangement:
        """Return the arrangement with everything larger that has no place of its own."""
        return replace(self, scale=round(within(self.scale * by), 3))

    def table(self) -> dict[str, Any]:
        """Return it as settings of ``[overlay]``."""
        return {"scale": self.scale, "hidden": list(self.hidden), "places": {k: list(place) for k, place in self.places.items()}}
