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
BAD_FRAMES = 5  # in a row, after which the stream is no longer in step
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


class Stream:
    """A connection's bytes, in pieces of any size, as frames; what comes out does not depend on how they were cut.

    ``asked``: 11 or 20 numbers a frame, 0 to look at the stream. Holds a few kilobytes at most beside a piece.
    """

    def __init__(self, asked: int = 0) -> None:
        self.layout = asked  # 0 until it is known
        self.dropped = 0  # frames that cannot be believed
        self.problem = ""  # why the connection is no use any more
        self._raw = bytearray()
        self._looked = ENOUGH  # bytes of the beginning that the next look is at
        self._bad = 0

    def feed(self, piece: bytes, received: float) -> list[Frame]:
        """Return the frames that are whole now; none once there is a ``problem``."""
        if self.problem:
            return []
        self._raw += piece
        if not self.layout and not self._guess():
            return []
        size = SIZES[self.layout]
        whole = len(self._raw) // size * size
        if not whole:
            return []
        rows = unpack(bytes(self._raw[:whole]), self.layout)
        del self._raw[:whole]
        good = plausible(rows)
        for i, fits in enumerate(good.tolist()):
            self._bad = 0 if fits else self._bad + 1
            if self._bad >= BAD_FRAMES:  # nothing behind it can be believed, in this piece or the next
                self.problem = "the stream is out of step or holds no numbers; connecting anew"
                rows, good = rows[: i + 1], good[: i + 1]
                break
        self.dropped += int((~good).sum())
        return [frame(row, received) for row in rows[good]]

    def _guess(self) -> bool:
        while not self.layout and self._looked <= min(len(self._raw), 16 * ENOUGH):
            self.layout = guess_layout(bytes(self._raw[: self._looked])) or 0
            self._looked += 80
        if not self.layout and self._looked > 16 * ENOUGH:
            self.problem = "what is sent has neither 11 nor 20 numbers a frame: is it another plugin?"
            self._raw.clear()
        return self.layout != 0
