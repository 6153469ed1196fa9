"""What the checks need to know of a road and of braking on it, as numbers; whoever knows roads works them out."""

from __future__ import annotations

from dataclasses import dataclass, field

from data.records import Corner


@dataclass(slots=True)
class RoadFacts:
    """A reference line in figures. Lengths in metres, speeds in m/s."""

    name: str
    length_m: float
    spacing_m: float
    """Between two recorded points."""
    artefact_m: float = 0.0
    """Length of what was recorded behind the road's end."""
    artefact_points: int = 0
    heading_outside: float | None = None
    """Share of the road whose direction in world axes lies beyond plus or minus one radian; None where that is unknown."""
    top_speed: float = 0.0
    braking_m: float = 0.0
    """Longest braking on the road: from the speed of arrival down to that of the corner."""
    braking_from: float = 0.0
    """Speed at which that braking begins."""
    braking_to_s: float = 0.0
    """Where it ends, along the road."""
    assumed: str = ""
    """What the speeds and the braking rest on."""
    corner_seconds: dict[str, float] = field(default_factory=dict)
    """How long each corner takes a good driver, from the braking point to the exit."""
    corners: tuple[Corner, ...] = ()

    def corner_at(self, metres: float, near: float = 40.0) -> str:
        """Return the name of the corner at a place, or of one that begins within ``near`` metres behind it."""
        return next((c.name for c in self.corners if c.from_m - near <= metres <= c.to_m), "")
