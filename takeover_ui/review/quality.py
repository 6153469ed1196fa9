"""How well a takeover was driven, as hints for who reviews it: shaky, hesitant, off the line, unlike the player's others.

A hint is no verdict. It says where to look first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import nlargest
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from takeover_ui.geometry import Ribbon

if TYPE_CHECKING:
    from data.reading.drives import Drive
    from data.records import Segment

HINTS = ("shaky", "hesitant", "off_line", "unlike")
_LEAST_S = 1.0  # s below which a takeover says nothing of the hand that drives it
_TURN = 0.3  # of the full way of a control: what is less is no turn to and fro
_TURNS = 2.0  # turns to and fro in a second; a calm hand makes about one
_OFF = 0.5  # share of the half width that the car is beside the line on average
_OTHERS = 4  # of the same corner, which went well: fewer are no habit
_UNLIKE = 3.0  # times as far from the middle one of the others as these usually are
_USUAL_M, _USUAL_SPEED = 0.8, 1.5  # m and m/s that are usual in any case
_NEWEST = 32  # others of a corner that make a habit: what is compared does not grow with the store
_Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """One takeover: turns a second, distance to the line (m), and by metre how far to the left (m) and how fast (m/s) it was."""

    steer: float
    pedals: float
    off: float
    metres: NDArray[np.int64]
    left: _Values
    speed: _Values


class _Habit:
    """How the newest good takeovers of a corner were driven, to compare others of the corner with."""

    def __init__(self, rows: Mapping[int, _Measured]) -> None:
        self._rows = {number: k for k, number in enumerate(rows)}
        self._grid = np.unique(np.concatenate([row.metres for row in rows.values()])) if rows else np.empty(0)
        self._values = {name: np.array([self._along(row, name) for row in rows.values()]) for name in ("left", "speed")}
        self._all = {name: self._usual(values) for name, values in self._values.items()}

    def far(self, number: int, mine: _Measured) -> float:
        """Return how many times as far as usual a takeover's line or speed is from where the others are."""
        row, far = self._rows.get(number), [0.0]
        for name, least in (("left", _USUAL_M), ("speed", _USUAL_SPEED)):
            values = self._values[name]
            if row is None:
                own, (middle, spread) = self._along(mine, name), self._all[name]
            else:  # it is not among its others
                own, (middle, spread) = values[row], self._usual(np.delete(values, row, axis=0))
            known = np.isfinite(own) & np.isfinite(middle)
            if known.any():
                far.append(float((np.abs(own - middle) / np.maximum(spread, least))[known].mean()))
        return max(far)

    def _along(self, row: _Measured, name: str) -> _Values:
        return np.interp(self._grid, row.metres, getattr(row, name), np.nan, np.nan)

    def _usual(self, values: _Values) -> tuple[_Values, _Values]:
        """Return the middle and the usual distance from it, by metre; NaN where fewer drove than make a habit."""
        middle, spread = np.full((2, len(self._grid)), np.nan)
        known = np.isfinite(values).sum(axis=0) >= _OTHERS
        if known.any():
            middle[known] = np.nanmedian(values[:, known], axis=0)
            spread[known] = np.nanmedian(np.abs(values[:, known] - middle[known]), axis=0)
        return middle, spread


def turns(values: _Values, least: float = _TURN) -> int:
    """Return how often a control went the other way, by at least ``least`` of it."""
    count, way, farthest = 0, 0, float(values[0]) if len(values) else 0.0
    for value in values.tolist():
        if way * (value - farthest) > 0:
            farthest = value
        elif abs(value - farthest) > least:
            count += way != 0
            way, farthest = (1 if value > farthest else -1), value
    return count


class Quality:
    """Measures takeovers one by one; the more are measured, the more can be said of one of them.

    ``read`` returns what the human drove of a segment.
    """

    def __init__(self, read: Callable[[Segment], Drive], road: Ribbon, half_width: float) -> None:
        self._read, self._road, self._half_width = read, road, half_width
        self._measured: dict[int, _Measured | None] = {}
        self._steps: dict[int, tuple[int, int]] = {}
        """Of what each was measured: a verdict is no reason to read it anew."""
        self._good: dict[str, dict[int, _Measured]] = {}
        """By corner, the takeovers that may make a habit."""
        self._habits: dict[str, _Habit] = {}
        self._said: dict[int, tuple[_Habit | None, tuple[str, ...]]] = {}

    def knows(self, segment: Segment) -> bool:
        """Tell whether a segment was measured."""
        return segment.id in self._measured

    def measure(self, segment: Segment, anew: bool = False) -> None:
        """Measure a segment, once, or ``anew`` where it was judged or trimmed; it costs about a millisecond."""
        if not anew and self.knows(segment):
            return
        steps = segment.start + segment.trim_start, segment.stop - segment.trim_stop
        if self._steps.get(segment.id) != steps:
            known = segment.kind == "takeover" and segment.seconds >= _LEAST_S
            self._measured[segment.id] = self._look(self._read(segment)) if known else None
            self._steps[segment.id] = steps
        mine = self._measured[segment.id]
        self._said.pop(segment.id, None)
        for corner, good in self._good.items():  # it may have had another corner before
            if good.pop(segment.id, None) is not None:
                self._habits.pop(corner, None)
        if mine is not None and segment.corner and segment.verdict != "bad" and segment.outcome == "cleared":
            self._good.setdefault(segment.corner, {})[segment.id] = mine
            self._habits.pop(segment.corner, None)

    def hints(self, segment: Segment) -> tuple[str, ...]:
        """Return what is to be said of a segment, of `HINTS`; empty where it was not measured, or is as it should be."""
        mine = self._measured.get(segment.id)
        if mine is None:
            return ()
        habit = self._habit(segment.corner or "")
        compared, said = self._said.get(segment.id, (None, ()))
        if segment.id not in self._said or compared is not habit:
            said = self._hints(segment.id, mine, habit)
            self._said[segment.id] = habit, said
        return said

    def _habit(self, corner: str) -> _Habit | None:
        """Return what is usual at a corner; None where no good takeover is known."""
        good = self._good.get(corner)
        if good and corner not in self._habits:
            self._habits[corner] = _Habit({number: good[number] for number in nlargest(_NEWEST, good)})
        return self._habits.get(corner)

    def _look(self, drive: Drive) -> _Measured | None:
        drive = drive[drive.human & np.isfinite(drive.progress) & np.isfinite(drive.x) & np.isfinite(drive.speed)]
        if len(drive) < 2:
            return None
        names, seconds = drive.episode.action_names[: drive.executed.shape[1]], len(drive) / drive.episode.hz
        steer = drive["executed", "steer"].astype(np.float64) if "steer" in names else np.zeros(1)
        left = self._road.offset(drive.points, drive.progress)
        metres, first = np.unique(drive.progress.astype(np.int64), return_index=True)
        return _Measured(
            turns(steer) / seconds, turns(drive.gas - drive.brake) / seconds, float(np.abs(left).mean()),
            metres, left[first], drive.speed[first],
        )  # fmt: skip

    def _hints(self, number: int, mine: _Measured, habit: _Habit | None) -> tuple[str, ...]:
        found = (
            mine.steer > _TURNS,
            mine.pedals > _TURNS,
            mine.off > _OFF * self._half_width,
            habit is not None and habit.far(number, mine) > _UNLIKE,
        )
        return tuple(name for name, yes in zip(HINTS, found, strict=True) if yes)
