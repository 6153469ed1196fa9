"""The two layouts of telemetry that TrackMania plugins send, and how to tell them apart.

Little-endian float32, one frame for each picture that the game draws, one after the other without any header:

- 11 numbers (the plugin that comes with tmrl): speed, distance, x, y, z, steer, gas, brake, finished, gear, rpm.
- 20 numbers (TQC_GrabData): checkpoints, lap, speed, x, y, z, steer, gas, brake, finished, acceleration, jerk, aim yaw, aim
  pitch, two front steer angles, two front slips, crashed, gear.

Positions are the game's own: metres, y up, left-handed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SIZES = {11: 44, 20: 80}  # bytes
ENOUGH = 4 * 80  # bytes from which a layout can be told
_FAR = 200_000.0  # m: no map is that large


class Frame(NamedTuple):
    """What one frame says. ``yaw`` is NaN in the layout that has none."""

    received: float  # s, monotonic (``time.perf_counter``)
    speed: float  # as the plugin sends it
    x: float  # m, the game's axes
    y: float
    z: float
    steer: float  # what the game obeyed: -1 to 1
    gas: float  # 0 to 1
    brake: float  # 0 or 1
    finished: bool
    yaw: float  # rad

    @property
    def nowhere(self) -> bool:
        """Tell whether the position is the (0, 0, 0) that the game reports for a while after a finish."""
        return self.x == 0.0 and self.y == 0.0 and self.z == 0.0


def unpack(raw: bytes, layout: int) -> NDArray[np.float64]:
    """Return (n, layout) numbers from whole frames."""
    with np.errstate(invalid="ignore"):  # noise may hold signalling NaNs
        return np.frombuffer(raw, "<f4").reshape(-1, layout).astype(np.float64)


def plausible(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell for each of (n, 11) or (n, 20) numbers whether they can be a frame: ranges, switches, whole numbers."""
    with np.errstate(invalid="ignore"):
        if rows.shape[1] == 11:
            speed, place, steer, gas, switches, whole = (
                rows[:, 0],
                rows[:, 2:5],
                rows[:, 5],
                rows[:, 6],
                rows[:, 7:9],
                rows[:, 9:10],
            )
            extra = (rows[:, 10] >= 0) & (rows[:, 10] < 30_000)
        else:
            speed, place, steer, gas = rows[:, 2], rows[:, 3:6], rows[:, 6], rows[:, 7]
            switches, whole = rows[:, [8, 9, 18]], rows[:, [0, 1, 19]]
            extra = np.abs(rows[:, 12]) < 100.0
        fits = np.isfinite(rows).all(axis=1) & extra
        fits &= (np.abs(speed) < 1000.0) & (np.abs(place) < _FAR).all(axis=1)
        fits &= (np.abs(steer) <= 1.001) & (gas >= -0.001) & (gas <= 1.001)
        fits &= ((switches == 0.0) | (switches == 1.0)).all(axis=1)
        fits &= ((whole == np.round(whole)) & (np.abs(whole) < 1000)).all(axis=1)
        # A number that is no zero but next to nothing is a cut-through float, or one number read as another.
        fits &= ((rows == 0.0) | (np.abs(rows) > 1e-30)).all(axis=1)
    return fits


def guess_layout(raw: bytes) -> int | None:
    """Return 11 or 20 for the beginning of a stream, None while it fits neither or both. Needs ``ENOUGH`` bytes."""
    if len(raw) < ENOUGH:
        return None
    shares = {}
    for layout, size in SIZES.items():
        rows = unpack(raw[: len(raw) // size * size], layout)
        shares[layout] = float(plausible(rows).mean()) * _smooth(rows[:, 2:5] if layout == 11 else rows[:, 3:6])
    best, other = sorted(SIZES, key=lambda k: -shares[k])
    return best if shares[best] >= 0.7 and shares[other] < 0.5 else None


def _smooth(places: NDArray[np.float64]) -> float:
    """Return the share of neighbouring positions that a car can have: 10 m apart at most."""
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.abs(np.diff(places, axis=0)).max(axis=1)
        return float((steps < 10.0).mean()) if len(steps) else 0.0


def frame(row: NDArray[np.float64], received: float) -> Frame:
    """Return one frame from its numbers."""
    if len(row) == 11:
        speed, _, x, y, z, steer, gas, brake, finished, _, _ = row.tolist()
        return Frame(received, speed, x, y, z, steer, gas, brake, finished > 0.5, float("nan"))
    _, _, speed, x, y, z, steer, gas, brake, finished, _, _, yaw, *_ = row.tolist()
    return Frame(received, speed, x, y, z, steer, gas, brake, finished > 0.5, yaw)
