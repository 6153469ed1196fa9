"""Whether the car is put down on the road of its line: a line of another map would make nonsense of all that is measured."""

from __future__ import annotations

from hitl.road.line import Place
from hitl.road.track import Track


class LineCheck:
    """Tells the player, once, when the car is put down beside the road. ``advice``: what comes of it, and what helps."""

    def __init__(self, advice: tuple[str, str]) -> None:
        self._comes_of_it, self._helps = advice
        self._told = False

    def notices(self, track: Track, place: Place) -> tuple[str, ...]:
        """Return what is to be said of a car that begins at that place."""
        off = abs(place.offset)
        if off <= track.half_width_at(place.s) or self._told:
            return ()
        self._told = True
        return (
            f"The car starts {off:.0f} m beside the line '{track.name}', so {self._comes_of_it}: the line was recorded on "
            f"another map, or begins far from the start. {self._helps}",
        )
