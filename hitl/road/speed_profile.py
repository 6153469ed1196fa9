"""How fast a car with given limits can be at each point of a track's line."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hitl.road.track import Track

ROLLING_START = 5.0  # m/s


def speed_profile(
    track: Track, *, top: float, braking: float, grip: float, gain: float | None = None
) -> NDArray[np.float64]:
    """Return the speed (m/s) at each point: as much as the grip allows in corners, and before them what can be braked away.

    ``top`` in m/s, ``braking`` and sideways ``grip`` in m/s^2. With ``gain`` (m/s^2) acceleration is limited
    too, from a rolling start.
    """
    line = track.line
    window = np.ones(5) / 5
    bend = np.convolve(np.pad(np.abs(line.curvatures), 2, mode="edge"), window, mode="valid")
    speed = np.minimum(np.sqrt(grip / np.maximum(bend, 1e-6)), top)
    if gain is not None:
        speed[0] = min(speed[0], ROLLING_START)
        for i in range(1, len(speed)):
            speed[i] = min(speed[i], np.sqrt(speed[i - 1] ** 2 + 2 * gain * line.spacing))
    for i in range(len(speed) - 2, -1, -1):
        speed[i] = min(speed[i], np.sqrt(speed[i + 1] ** 2 + 2 * braking * line.spacing))
    return speed
