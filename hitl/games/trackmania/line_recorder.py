"""A map's reference line from one drive: where the car went, in even steps, from its start to the finish."""

from __future__ import annotations

import math
from pathlib import Path

from data.errors import InputFileError
from data.files import held
from hitl.games.trackmania.frames import Frame
from hitl.games.trackmania.motion import ground

STEP_M = 0.5
JUMP_M = 15.0  # between two frames: a restart or a respawn, not driving
AT_REST_M = 3.0  # the same for a car that stands: on a circuit a restart may be a short way
ROLLING = 3.0  # speed in the first frame from which the line does not begin at the start
FEWEST = 80  # points: 40 m


def is_line(head: bytes) -> bool:
    """Tell by its first bytes whether a file is a line that was recorded."""
    return head.startswith((b"# map_uid,", b"x,y,z"))


class LineRecorder:
    """Takes one frame after another. ``points``: (x, y, z) with (x, y) on the road plane. ``over``: the car is at the finish."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float, float]] = []
        self.length = 0.0
        self.over = False
        self.rolling = False  # the car was moving in the first frame: the line does not begin at the start
        self._last: tuple[float, float, float] | None = None

    def take(self, frame: Frame) -> None:
        """Add one frame to the line."""
        if self.over or frame.nowhere:
            self.over = self.over or (frame.finished and bool(self.points))
            return
        here = (*ground(frame), frame.y)
        stands = abs(frame.speed) < 1.0
        if self._last is not None and math.dist(self._last, here) > (AT_REST_M if stands else JUMP_M):  # begun anew
            self.points, self.length = [], 0.0
        self._last = here
        if not self.points:
            self.points.append(here)
            self.rolling = abs(frame.speed) > ROLLING
        elif (step := math.dist(self.points[-1], here)) >= STEP_M:
            self.points.append(here)
            self.length += step
        if frame.finished and len(self.points) > 1:
            self.over = True

    def write(self, path: Path, map_uid: str = "") -> None:
        """Write the line as CSV, whole or not at all, with the uid of its map where that is known.

        Raises InputFileError when it is too short, or cannot be written.
        """
        if len(self.points) < FEWEST:
            raise InputFileError(
                f"Only {self.length:.0f} m were driven, too little for a line: begin at the map's start and drive to its finish."
            )
        rows = [*([f"# map_uid,{map_uid}"] if map_uid else []), "x,y,z", *(f"{x:.3f},{y:.3f},{z:.3f}" for x, y, z in self.points)]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held.write_whole(path, "\n".join(rows) + "\n")
        except OSError as error:
            raise InputFileError(f"The line cannot be written to '{path.name}' {held.why(error, 'check the folder')}.") from error
