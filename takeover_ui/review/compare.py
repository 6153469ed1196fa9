"""The agent against the human in one corner: figures, and what they mean in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from takeover_ui.language import Words
from takeover_ui.review.texts import ENGLISH

if TYPE_CHECKING:
    from data.reading.drives import Drive
    from data.records import By, Corner
    from takeover_ui.view import Scene

_BRAKES_FROM_M = 70.0  # m before a corner in which braking for it begins
_BRAKING = 0.15  # share of the pedal that counts as braking
_SAME_M, _SAME_KMH, _SAME_S = 2.0, 2.0, 0.05  # differences too small to mention


@dataclass(frozen=True, slots=True)
class Figures:
    """One drive through one corner. NaN where it never got there. Metres, m/s, seconds."""

    braking_m: float
    """Progress at which braking for the corner began."""
    entry: float
    apex: float
    """The lowest speed inside the corner."""
    exit: float
    off_line: float
    """Mean distance to the reference line inside the corner."""
    seconds: float
    """From the corner's beginning to its end."""
    farthest_m: float


def figures(drive: Drive, scene: Scene, corner: Corner, hz: float) -> Figures:
    """Return the figures of a drive through a corner."""
    _, from_m, to_m = corner
    ahead = np.maximum.accumulate(np.nan_to_num(drive.progress, nan=-np.inf))
    reached = float(ahead[-1]) if len(ahead) else -math.inf
    known = np.isfinite(ahead)
    if known.sum() < 2:
        nan = math.nan
        return Figures(nan, nan, nan, nan, nan, nan, reached)

    def at(place: float, values: NDArray[np.float64]) -> float:
        if not ahead[known][0] <= place <= reached:
            return math.nan
        return float(np.interp(place, ahead[known], values[known]))

    when = (drive.t - drive.t[0]) / hz
    inside = (drive.progress >= from_m) & (drive.progress <= to_m)
    return Figures(
        braking_m=_braking(drive, from_m, to_m),
        entry=at(from_m, drive.speed),
        apex=float(np.nanmin(drive.speed[inside])) if inside.any() else math.nan,
        exit=at(to_m, drive.speed),
        off_line=_off_line(drive.points[inside], scene, from_m, to_m),
        seconds=at(to_m, when) - at(from_m, when),
        farthest_m=reached,
    )


def _braking(drive: Drive, from_m: float, to_m: float) -> float:
    """Return where the brake was first pressed on the approach or in the first half of the corner."""
    near = (drive.progress > from_m - _BRAKES_FROM_M) & (drive.progress < (from_m + to_m) / 2)
    if drive.human.any():
        near &= drive.human  # what the agent did before the human took over is not the human's braking
    pressed = np.flatnonzero(near & (drive.brake > _BRAKING))
    return float(drive.progress[pressed[0]]) if len(pressed) else math.nan


def _off_line(points: NDArray[np.float64], scene: Scene, from_m: float, to_m: float) -> float:
    if len(points) == 0:
        return math.nan
    count = len(scene.points)
    first = max(0, int((from_m - 10) / scene.length * count))
    line = scene.points[first : int((to_m + 10) / scene.length * count) + 2, :2]
    if len(line) == 0:
        return math.nan
    gaps = np.hypot(*(points[:, None, :] - line[None, :, :]).transpose(2, 0, 1))
    return float(gaps.min(axis=1).mean())


def in_words(human: Figures, agent: Figures, to_m: float, words: Words = ENGLISH, *, who: By = "you") -> list[str]:
    """Return what the human does differently from the agent, the most telling first. What is not known (NaN) is not said.

    ``who``: whose driving it was.
    """
    said: list[str] = []
    than = "than" if who == "you" else "other"
    if agent.farthest_m < to_m <= human.farthest_m:
        said.append(words.say("than_agent_ends", m=to_m - agent.farthest_m))
    gap = agent.braking_m - human.braking_m
    if abs(gap) >= _SAME_M:
        said.append(words.say(f"{than}_brake_{'earlier' if gap > 0 else 'later'}", m=abs(gap)))
    elif math.isfinite(human.braking_m) and not math.isfinite(agent.braking_m):
        said.append(words[f"{than}_brake_alone"])
    slowest = agent.apex if agent.farthest_m >= to_m else math.nan  # else that is where it came to rest
    places = ("enter", human.entry, agent.entry), ("slowest", human.apex, slowest), ("leave", human.exit, agent.exit)
    for place, mine, its in places:
        change = (mine - its) * 3.6
        if abs(change) >= _SAME_KMH:
            said.append(words.say(f"{than}_{place}_{'faster' if change > 0 else 'slower'}", kmh=abs(change)))
    gain = agent.seconds - human.seconds
    if abs(gain) >= _SAME_S:
        said.append(words.say(f"{than}_{'gain' if gain > 0 else 'lose'}", s=abs(gain)))
    off = human.off_line - agent.off_line
    if abs(off) >= 0.5:
        said.append(words.say(f"{than}_{'farther' if off > 0 else 'closer'}", m=abs(off)))
    return said or [words["than_same"]]
