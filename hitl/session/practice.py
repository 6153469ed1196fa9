"""Practice: one corner again and again, each try begun where a recorded approach can still go either way.

A try begins before the corner, with the state that the agent itself arrived with: at most ``LEAD_S`` before it, and where the
agent then failed in it, no more than ``OPEN_S`` before that failure. At that moment it could still be prevented
(``benchmarks/practice.py`` measures it); all that is earlier only costs time.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data.errors import UsageError
from data.numbers import FARTHEST, is_number
from data.store import Store
from hitl.games.base import Start
from hitl.road.corner_stats import FAILURES
from hitl.road.corners import Corner
from hitl.road.line import ReferenceLine

if TYPE_CHECKING:
    from hitl.protocols import EpisodeResult
    from hitl.session.setup import SessionSetup

LEAD_S = 1.0  # s before the corner at which a try begins at the earliest
OPEN_S = 2.7  # s before a failure at which it can still be prevented
THERE_M = 1.0  # m: so near to its last place a failed drive had come when it failed; what follows is standing and sliding
NEWEST = 40  # approaches that are used: the agent arrives today as it drives today
MAX_OFF = 1.0  # share of half the road's width beyond which a recorded approach is no place to start


@dataclass(frozen=True, slots=True)
class Passage:
    """How a recorded car moved when a try would begin. Metres, m/s, radians; ``steer`` -1 (left) to 1 (right)."""

    x: float
    y: float
    heading: float
    vx: float
    vy: float
    yaw_rate: float
    steer: float
    progress: float


def approaches(conn: sqlite3.Connection, track: str, corner: Corner, lead_s: float | None = None) -> list[Passage]:
    """Return how recorded cars came to the corner, newest first. ``lead_s``: so long before it, whatever became of them.

    The agent's own approaches go before those of laps: the ones it drove without help in between, in real attempts (not in
    practice, whose beginnings would breed themselves).
    """
    own = list(_passages(conn, track, corner, lead_s, "e.purpose IN ('drive', 'evaluation')", agent=True))
    return own or list(_passages(conn, track, corner, lead_s, "e.purpose IN ('drive', 'lap')", agent=False))


def _passages(
    conn: sqlite3.Connection, track: str, corner: Corner, lead_s: float | None, purposes: str, *, agent: bool
) -> Iterator[Passage]:
    found = conn.execute(
        f"""SELECT e.id, s.hz, s.observation_names, {FARTHEST}, coalesce(e.reason, ''),
                   (SELECT min(t) FROM steps WHERE episode_id = e.id AND progress >= ?1)
            FROM episodes e JOIN sessions s ON s.id = e.session_id
            WHERE s.track = ?2 AND {purposes} AND {FARTHEST} >= ?1 ORDER BY e.id DESC LIMIT ?3""",
        (corner.from_m, track, NEWEST),
    ).fetchall()
    for episode, hz, names, farthest, reason, entry in found:
        if entry is None:
            continue
        first = entry - round((LEAD_S if lead_s is None else lead_s) * hz)
        begin = first
        if agent and lead_s is None and reason in FAILURES and farthest < corner.to_m:
            failed = failed_at(conn, episode, farthest)
            if failed is not None and not _helped(conn, episode, entry, failed):
                begin = min(max(first, failed - round(OPEN_S * hz)), entry - 1)
        if agent and _helped(conn, episode, first, entry):
            continue
        # A corner at the line's very beginning is tried from the start.
        passage = passage_at(conn, episode, max(begin, 1), hz, json.loads(names))
        if passage is not None:
            yield passage


def failed_at(conn: sqlite3.Connection, episode: int, farthest: float) -> int | None:
    """Return the step of a failed episode at which it was as good as at its last place (m); None without steps."""
    found = conn.execute("SELECT min(t) FROM steps WHERE episode_id = ? AND progress >= ?", (episode, farthest - THERE_M))
    step: int | None = found.fetchone()[0]
    return step


def _helped(conn: sqlite3.Connection, episode: int, first: int, last: int) -> bool:
    """Tell whether a human drove in these steps."""
    asked = "SELECT 1 FROM steps WHERE episode_id = ? AND t BETWEEN ? AND ? AND driver = 1 LIMIT 1"
    return conn.execute(asked, (episode, first, last)).fetchone() is not None


def passage_at(conn: sqlite3.Connection, episode: int, t: int, hz: float, names: list[str]) -> Passage | None:
    """Return how the car moved at a step, by where it was one step before and after; None at the drive's ends."""
    rows = conn.execute(
        "SELECT x, y, heading, progress, observation FROM steps WHERE episode_id = ? AND t BETWEEN ? AND ? ORDER BY t",
        (episode, t - 1, t + 1),
    ).fetchall()
    if len(rows) < 3 or not all(is_number(v) for row in rows for v in row[:4]):
        return None
    (x0, y0, before, *_), (x, y, heading, progress, seen), (x1, y1, after, *_) = rows
    turned = (after - before + math.pi) % (2 * math.pi) - math.pi
    steer = float(np.frombuffer(seen, "<f4")[names.index("steer")]) if "steer" in names else 0.0
    return Passage(x, y, heading, (x1 - x0) * hz / 2, (y1 - y0) * hz / 2, turned * hz / 2, steer, progress)


def start_at(passage: Passage, line: ReferenceLine, half_width: float) -> Start | None:
    """Return the start that puts a car there, moving so; None where it was hardly on the road."""
    place = line.locate(passage.x, passage.y, passage.progress)
    if abs(place.offset) > MAX_OFF * half_width:
        return None
    turn = (passage.heading - place.heading + math.pi) % (2 * math.pi) - math.pi
    c, s = math.cos(passage.heading), math.sin(passage.heading)
    along, left = c * passage.vx + s * passage.vy, c * passage.vy - s * passage.vx
    return Start(place.s, place.offset, turn, along, left, passage.yaw_rate, passage.steer)


def starts(
    conn: sqlite3.Connection,
    track: str,
    corner: Corner,
    line: ReferenceLine,
    half_width: float,
    lead_s: float | None = None,
) -> list[Start]:
    """Return starts for tries at a corner, newest approach first; empty when no recording reaches it."""
    found = (start_at(passage, line, half_width) for passage in approaches(conn, track, corner, lead_s))
    return [start for start in found if start is not None]


class Practice:
    """Tries at one corner, each begun as the agent (or, before it ever came there, a lap) once came to it."""

    def __init__(self, rig: SessionSetup, corner: str, seed: int, lead_s: float | None = None) -> None:
        """``lead_s``: begin so long before the corner; None: as late as a failure can still be prevented."""
        self.rig, self.corner = rig, rig.corner(corner)
        with Store.open(rig.home.store_path, read_only=True) as store:
            self.starts = starts(store.conn, rig.track.name, self.corner, rig.track.line, rig.track.half_width, lead_s)
        if not self.starts:
            raise UsageError(
                f"No recording reaches '{corner}' yet. Let the agent drive there first (`hitl play`), or drive a lap "
                "(`hitl play --lap`)."
            )
        self._until = min(self.corner.to_m, rig.track.line.length - 3.0)
        self._rng = np.random.default_rng(seed)

    def lap_steps(self) -> float | None:
        """Return how many steps a whole lap takes, of those recorded on this track; None when there is none."""
        with Store.open(self.rig.home.store_path, read_only=True) as store:
            row = store.conn.execute(
                """SELECT avg(e.length) FROM episodes e JOIN sessions s ON s.id = e.session_id
                   WHERE s.track = ? AND e.reason = 'finish' AND e.purpose != 'practice'""",
                (self.rig.track.name,),
            ).fetchone()
        return float(row[0]) if row[0] is not None else None

    def attempt(self, seed: int) -> EpisodeResult:
        """Drive one try; it is marked as practice, and cut off at the corner's end."""
        start = self.starts[int(self._rng.integers(len(self.starts)))]
        return self.rig.session.episode("practice", seed=seed, start=start, until_m=self._until)
