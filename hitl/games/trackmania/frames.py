"""The layouts of telemetry that TrackMania plugins send, and how to tell them apart.

Little-endian float32, one frame for each picture that the game draws, one after the other without any header:

- 11 numbers (the plugin that comes with tmrl): speed, distance, x, y, z, steer, gas, brake, finished, gear, rpm.
- 20 numbers (TQC_GrabData): checkpoints, lap, speed, x, y, z, steer, gas, brake, finished, acceleration, jerk, aim yaw, aim
  pitch, two front steer angles, two front slips, crashed, gear.
- 33 numbers (TrackmaniaRL Connect 2.x): checkpoints, lap, finished, race time in ms, x, y, z, velocity, forward vector, up
  vector, speed, rpm, gear, four slips, four grounds, skidding wheels, flying time, adherence, steer, gas, brake.

Positions are the game's own: metres, y up, left-handed.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Columns(NamedTuple):
    """Where a layout holds what a :class:`Frame` says; of a place, the first of its three numbers."""

    speed: int
    place: int
    steer: int
    gas: int
    brake: int
    finished: int
    whole: tuple[int, ...]  # counters: whole numbers, and not large


LAYOUTS = {
    11: Columns(speed=0, place=2, steer=5, gas=6, brake=7, finished=8, whole=(9,)),
    20: Columns(speed=2, place=3, steer=6, gas=7, brake=8, finished=9, whole=(0, 1, 19)),
    33: Columns(speed=16, place=4, steer=30, gas=31, brake=32, finished=2, whole=(0, 1, 18)),
}
"""By numbers a frame."""
PLUGINS = {11: "TMRL_GrabData", 20: "TQC_GrabData", 33: "TrackmaniaRL Connect"}
"""Who sends so many numbers a frame."""
_NUMBERS = {layout: struct.Struct(f"<{layout}f") for layout in LAYOUTS}
SIZES = {layout: 4 * layout for layout in LAYOUTS}  # bytes
ENOUGH = 4 * max(SIZES.values())  # bytes from which a layout can be told
BAD_FRAMES = 5  # in a row, after which the stream is no longer in step
_FAR = 200_000.0  # m: no map is that large
_MOST = 1e30  # what no number of a frame is as large as
_UNKNOWN = range(4, 129)  # numbers a frame that an unknown plugin may send
KNOWN = f"{', '.join(map(str, sorted(LAYOUTS)[:-1]))} or {max(LAYOUTS)}"
"""The numbers a frame that are understood, for sentences."""


class Frame(NamedTuple):
    """What one frame says. ``yaw``, ``race_s`` and the velocity are NaN in the layouts that have none."""

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
    race_s: float = math.nan  # s by the game's lap clock; 0 while it does not run
    vx: float = math.nan  # m/s on the ground, the game's axes
    vz: float = math.nan
    numbers: Sequence[float] = ()  # all of it, in the layout with 33 numbers

    @property
    def nowhere(self) -> bool:
        """Tell whether the position is the (0, 0, 0) that the game reports for a while after a finish."""
        return self.x == 0.0 and self.y == 0.0 and self.z == 0.0


def unpack(raw: bytes, layout: int) -> NDArray[np.float64]:
    """Return (n, layout) numbers from whole frames."""
    with np.errstate(invalid="ignore"):  # noise may hold signalling NaNs
        return np.frombuffer(raw, "<f4").reshape(-1, layout).astype(np.float64)


def plausible(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell for each of (n, 11), (n, 20) or (n, 33) numbers whether they can be a frame: ranges, switches, counters."""
    at = LAYOUTS[rows.shape[1]]
    with np.errstate(invalid="ignore", over="ignore"):
        steer, gas, switches = rows[:, at.steer], rows[:, at.gas], rows[:, [at.brake, at.finished]]
        whole = rows[:, list(at.whole)]
        fits = np.isfinite(rows).all(axis=1) & _fits_only(rows)
        fits &= (np.abs(rows[:, at.speed]) < 1000.0) & (np.abs(_places(rows)) < _FAR).all(axis=1)
        fits &= (np.abs(steer) <= 1.001) & (gas >= -0.001) & (gas <= 1.001)
        fits &= ((switches == 0.0) | (switches == 1.0)).all(axis=1)
        fits &= ((whole == np.round(whole)) & (np.abs(whole) < 1000)).all(axis=1)
        # A number that is not zero but next to nothing is a cut-through float, or one number read as another.
        fits &= ((rows == 0.0) | (np.abs(rows) > 1e-30)).all(axis=1)
    return fits


def certain(values: Sequence[float]) -> bool:
    """Tell whether one frame is plausible beyond doubt, at a tenth of what it costs as an array, a hundred times a second.

    What this says no to, ``plausible`` may still let pass.
    """
    layout = len(values)
    at = LAYOUTS[layout]
    if not all(v == 0.0 or 1e-30 < v < _MOST or -_MOST < v < -1e-30 for v in values):  # not for NaN either
        return False
    x, y, z = values[at.place : at.place + 3]
    if not (
        -1.0 <= values[at.steer] <= 1.0
        and 0.0 <= values[at.gas] <= 1.0
        and values[at.brake] in (0.0, 1.0)
        and values[at.finished] in (0.0, 1.0)
        and -1000.0 < values[at.speed] < 1000.0
        and max(abs(x), abs(y), abs(z)) < _FAR
        and all(values[k].is_integer() and -1000.0 < values[k] < 1000.0 for k in at.whole)
    ):
        return False
    if layout == 11:
        return 0.0 <= values[10] < 30_000
    if layout == 20:
        return -100.0 < values[12] < 100.0 and values[18] in (0.0, 1.0)
    forward, up = (max(abs(values[k]), abs(values[k + 1]), abs(values[k + 2])) for k in (10, 13))
    fast = max(abs(values[7]), abs(values[8]), abs(values[9]))
    return 0.5 < forward <= 1.01 and 0.5 < up <= 1.01 and values[3] >= 0.0 and fast < 1000.0


def _fits_only(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell for each row whether the numbers that only its layout has are what they must be."""
    layout = rows.shape[1]
    if layout == 11:
        return (rows[:, 10] >= 0) & (rows[:, 10] < 30_000)
    if layout == 20:
        return (np.abs(rows[:, 12]) < 100.0) & ((rows[:, 18] == 0.0) | (rows[:, 18] == 1.0))
    # A race time, and two directions of length 1. A car that is not there yet has none.
    lengths = np.stack([np.abs(rows[:, 10:13]).max(axis=1), np.abs(rows[:, 13:16]).max(axis=1)], axis=1)
    directions = ((lengths <= 1.01) & ((lengths > 0.5) | (lengths == 0.0))).all(axis=1)
    return directions & (rows[:, 3] >= 0.0) & (np.abs(rows[:, 7:10]) < 1000.0).all(axis=1)


def _places(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    first = LAYOUTS[rows.shape[1]].place
    return rows[:, first : first + 3]


def guess_layout(raw: bytes) -> int | None:
    """Return 11, 20 or 33 for the beginning of a stream, None while it fits none or several. Needs ``ENOUGH`` bytes."""
    if len(raw) < ENOUGH:
        return None
    shares = {}
    for layout, size in SIZES.items():
        rows = unpack(raw[: len(raw) // size * size], layout)
        shares[layout] = float(plausible(rows).mean()) * _smooth(_places(rows))
    best, second, *_ = sorted(SIZES, key=lambda k: -shares[k])
    return best if shares[best] >= 0.7 and shares[second] < 0.5 else None


def count_numbers(raw: bytes) -> int | None:
    """Return how many numbers a frame an unknown stream has, None where it shows no such rhythm.

    Read with the right count, each column holds one quantity and changes little from frame to frame. Read with another one,
    quantities of different size stand below each other.
    """
    numbers = unpack(raw[: len(raw) // 4 * 4], 1).ravel()
    if not np.isfinite(numbers).all():
        return None
    for count in _UNKNOWN:
        rows = numbers[: len(numbers) // count * count].reshape(-1, count)
        if len(rows) < 8:
            return None
        size = np.maximum(np.abs(rows[1:]), np.abs(rows[:-1]))
        calm = np.abs(np.diff(rows, axis=0)) <= 0.5 + 0.1 * size
        if calm.mean() > 0.97:
            return count
    return None


def _smooth(places: NDArray[np.float64]) -> float:
    """Return the share of neighbouring positions that a car can have: 10 m apart at most."""
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.abs(np.diff(places, axis=0)).max(axis=1)
        return float((steps < 10.0).mean()) if len(steps) else 0.0


def frame(numbers: Sequence[float], received: float) -> Frame:
    """Return one frame from its numbers."""
    at, values = LAYOUTS[len(numbers)], list(numbers)
    yaw = math.nan
    if len(values) == 20:
        yaw = values[12]
    elif len(values) == 33 and (values[10] or values[12]):
        yaw = math.atan2(values[10], values[12])  # of the forward vector: 0 along +z, a quarter turn along +x
    steer, gas, brake = values[at.steer], values[at.gas], values[at.brake]
    x, y, z = values[at.place : at.place + 3]
    more = (values[3] / 1000, values[7], values[9], values) if len(values) == 33 else ()
    return Frame(received, values[at.speed], x, y, z, steer, gas, brake, values[at.finished] > 0.5, yaw, *more)


def time_at_finish(frames: Sequence[Frame], began: float) -> float:
    """Return the seconds from the start to the first frame that says finished: by the game's clock, else by its arrival.

    ``frames``: the newest ones, oldest first; ``began``: when the run began, on the clock of their arrival.
    """
    driven = [f for f in frames if f.received > began]
    first = next((k for k, f in enumerate(driven) if f.finished), 0)
    # The clock may be at 0 again in the very frame that says so: then the one before has the time.
    shown = [f.race_s for f in driven[max(0, first - 1) : first + 1] if f.race_s > 0.0]
    return max(shown) if shown else driven[first].received - began


class Stream:
    """A connection's bytes, in pieces of any size, as frames; what comes out does not depend on how they were cut.

    ``asked``: 11, 20 or 33 numbers a frame, 0 to look at the stream. Holds a few kilobytes at most beside a piece.
    """

    def __init__(self, asked: int = 0) -> None:
        self.layout = asked  # 0 until it is known
        self.dropped = 0  # frames that cannot be believed
        self.problem = ""  # why the connection is of no more use
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
        raw = bytes(self._raw[:whole])
        del self._raw[:whole]
        if whole == size and certain(values := _NUMBERS[self.layout].unpack(raw)):
            self._bad = 0
            return [frame(values, received)]
        rows = unpack(raw, self.layout)
        good = plausible(rows)
        for i, fits in enumerate(good.tolist()):
            self._bad = 0 if fits else self._bad + 1
            if self._bad >= BAD_FRAMES:  # nothing behind it can be believed, in this piece or the next
                self.problem = "the stream is out of step or holds no numbers; connecting again"
                rows, good = rows[: i + 1], good[: i + 1]
                break
        self.dropped += int((~good).sum())
        return [frame(row, received) for row in rows[good].tolist()]

    def _guess(self) -> bool:
        while not self.layout and self._looked <= min(len(self._raw), 16 * ENOUGH):
            self.layout = guess_layout(bytes(self._raw[: self._looked])) or 0
            self._looked += 80
        if not self.layout and self._looked > 16 * ENOUGH:
            count = count_numbers(bytes(self._raw))
            sent = f"{count} numbers a frame come" if count else "what is sent shows no frames of numbers"
            self.problem = f"{sent}, and {KNOWN} are understood: is it another plugin?"
            self._raw.clear()
        return self.layout != 0
