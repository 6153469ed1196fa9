"""What the coach knows when a session begins: how the agent did alone at each corner, and how fast one gets through."""

from __future__ import annotations

import math
from collections.abc import Sequence

from data.reading.drives import EpisodeSummary
from data.records import Corner
from data.store import Store
from hitl.coach.learned import NEWEST
from hitl.coach.speeds import APPROACH_M, Speeds

LOOKED_AT = 80  # newest episodes
PASSAGES = 6  # of each corner whose speeds are read
LAST_STEP_M = 3.0  # m that the last step may have led
NEAR_M = 1.0  # m before a corner from which an end belongs to it


def attempts(store: Store, track: str, corners: Sequence[Corner]) -> dict[str, list[bool]]:
    """Return by corner whether the agent passed it in its newest attempts alone, oldest first."""
    drives = store.episodes(track, purpose=("drive", "practice", "evaluation"), newest=LOOKED_AT)
    alone = [e for e in drives if not e.human_steps and not e.cut_off]
    began = {e.id: _began_m(store, e) for e in alone}
    found = {}
    for corner in corners:
        before = [e for e in alone if began[e.id] <= corner.from_m]
        came = [e for e in before if _passed(e, corner) or (e.failed and e.farthest >= corner.from_m - NEAR_M)]
        found[corner.name] = [_passed(e, corner) for e in came][-NEWEST:]
    return found


def _passed(episode: EpisodeSummary, corner: Corner) -> bool:
    """Whether the corner's end was reached: a try that was cut off there has its last stored step just before it."""
    return episode.farthest >= corner.to_m - (LAST_STEP_M if episode.reason == "through" else 0.0)


def _began_m(store: Store, episode: EpisodeSummary) -> float:
    """Return the metre at which an episode began: practice begins anywhere."""
    first = store.steps(episode, stop=1, columns=("progress",)).progress
    if len(first):
        return float(first[0])
    return math.inf if episode.purpose == "practice" else 0.0  # its steps are no longer stored


def speeds(store: Store, track: str, corners: Sequence[Corner]) -> Speeds:
    """Return how fast the newest passages went, whoever drove."""
    known = Speeds()
    drives = store.episodes(track, newest=LOOKED_AT)
    for corner in corners:
        through = [e for e in drives if e.farthest >= corner.to_m][-PASSAGES:]
        for episode in through:
            drive = store.steps(episode, columns=("progress", "speed"))
            near = (drive.progress >= corner.from_m - APPROACH_M) & (drive.progress < corner.to_m)
            known.add(zip(drive.progress[near].tolist(), drive.speed[near].tolist(), strict=True))
    return known
