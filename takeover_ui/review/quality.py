"""How well a takeover was driven, as hints for who reviews it: shaky, hesitant, off the line, unlike the player's others.

A hint is no verdict. It says where to look first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
        self._measured: dict[int, tuple[Segment, _Measured | None]] = {}
        self._said: dict[int, tuple[int, tuple[str, ...]]] = {}

    def knows(self, segment: Segment) -> bool:
        """Tell whether a segment was measured."""
        return segment.id in self._measured

    def measure(self, segment: Segment, anew: bool = False) -> None:
        """Measure a segment, once, or ``anew`` where it was judged or trimmed; it costs about a millisecond."""
        if anew:
            self._said.clear()
        if anew or segment.id not in self._measured:
            known = segment.kind == "takeover" and segment.seconds >= _LEAST_S
            self._measured[segment.id] = segment, self._look(self._read(segment)) if known else None

    def hints(self, segment: Segment) -> tuple[str, ...]:
        """Return what is to be said of a segment, of `HINTS`; empty where it was not measured, or is as it should be."""
        count, said = self._said.get(segment.id, (-1, ()))
        if count != len(self._measured):
            said = self._hints(segment)
            self._said[segment.id] = len(self._measured), said
        return said

    def _look(self, drive: Drive) -> _Measured | None:
        drive = drive[drive.human & np.isfinite(drive.progress) & np.isfinite(drive.x) & np.isfinite(drive.speed)]
        if len(drive) < 2:
            return None
        names, seconds = drive.episode.action_names, len(drive) / drive.episode.hz
        acted = {name: drive.executed[:, k].astype(np.float64) for k, name in enumerate(names[: drive.executed.shape[1]])}
        pedals = acted.get("gas_brake", acted.get("gas", np.zeros(1)) - acted.get("brake", np.zeros(1)))
        left = self._road.offset(drive.points, drive.progress)
        metres, first = np.unique(drive.progress.astype(np.int64), return_index=True)
        return _Measured(
            turns(acted.get("steer", np.zeros(1))) / seconds, turns(pedals) / seconds, float(np.abs(left).mean()),
            metres, left[first], drive.speed[first],
        )  # fmt: skip

    def _hints(self, segment: Segment) -> tuple[str, ...]:
        mine = self._measured.get(segment.id, (segment, None))[1]
        if mine is None:
            return ()
        found = (
            mine.steer > _TURNS,
            mine.pedals > _TURNS,
            mine.off > _OFF * self._half_width,
            self._is_unlike(segment, mine),
        )
        return tuple(name for name, yes in zip(HINTS, found, strict=True) if yes)

    def _is_unlike(self, segment: Segment, mine: _Measured) -> bool:
        """Tell whether a takeover's line or speed is far from where the player's others at this corner are."""
        others = [
            m
            for s, m in self._measured.values()
            if m is not None and s.id != segment.id and s.corner == segment.corner and s.corner and s.verdict != "bad"
            and s.outcome == "cleared"
        ]  # fmt: skip
        if len(others) < _OTHERS:
            return False
        far = []
        for name, usual in (("left", _USUAL_M), ("speed", _USUAL_SPEED)):
            own = getattr(mine, name)
            theirs = np.array([np.interp(mine.metres, o.metres, getattr(o, name), np.nan, np.nan) for o in others])
            known = np.isfinite(theirs).sum(axis=0) >= _OTHERS
            if not known.any():
                continue
            middle = np.nanmedian(theirs[:, known], axis=0)
            spread = np.maximum(np.nanmedian(np.abs(theirs[:, known] - middle), axis=0), usual)
            far.append(float((np.abs(own[known] - middle) / spread).mean()))
        return bool(far) and max(far) > _UNLIKE
