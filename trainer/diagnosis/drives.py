"""Recorded driving as arrays: what the checks on states, actions, rewards and places look at."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.numbers import FARTHEST, RETURN, usable_rows
from data.reading.layout_check import readable_rows
from data.reading.layouts import apart
from data.records import DRIVING_FAULTS, HUMAN, Corner, Segment
from data.segments import counting
from trainer.diagnosis.stats import Array

NEWEST = 150
"""Episodes of the agent that are looked at: what it did as a beginner is over."""
MOST_STEPS = 60_000


@dataclass(slots=True)
class Episode:
    """One episode, without its steps."""

    id: int
    session: int
    purpose: str
    reason: str
    length: int
    total: float
    farthest: float
    """Metres along the line."""
    checkpoint: int
    helped: bool
    """A human drove some of its steps."""

    @property
    def failed(self) -> bool:
        """Whether it ended by the driving's fault."""
        return self.reason in DRIVING_FAULTS


@dataclass(slots=True)
class Drives:
    """N steps of some episodes, in order, and all episodes (also those whose steps are not here)."""

    observation: NDArray[np.float32]
    """(N, O)"""
    executed: NDArray[np.float32]
    """(N, A)"""
    proposed: NDArray[np.float32]
    driver: NDArray[np.uint8]
    demo: NDArray[np.bool_]
    """(N,): the step lies in a lap or takeover that counts as a demo."""
    reward: Array
    progress: Array
    """(N,) m, NaN where not known"""
    speed: Array
    """(N,) m/s"""
    heading: Array
    """(N,) rad"""
    episode: NDArray[np.int64]
    """(N,) id"""
    t: NDArray[np.int64]
    checkpoint: NDArray[np.int64]
    """(N,), -1 for none"""
    episodes: list[Episode]
    observation_names: tuple[str, ...]
    action_names: tuple[str, ...]
    hz: float
    track: str = ""
    corners: tuple[Corner, ...] = ()
    reward_settings: Mapping[str, float] = field(default_factory=dict)
    """Of the newest session."""
    demo_rewards: tuple[tuple[Mapping[str, float], float], ...] = ()
    """Reward settings under which demos were recorded, each with its seconds."""
    other_layouts: tuple[str, ...] = ()
    """A sentence for each layout of recordings that cannot be learned from together with these."""
    repaid: tuple[tuple[float, float], ...] = ()
    """(recorded, today's) return of demos whose rewards were worked out anew."""
    trained_checkpoints: int = 0
    bounded: frozenset[str] = frozenset()
    """Observations that lie at an end of their range by nature (pedals, a distance that is cut on purpose)."""
    name: str = "store"

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def agent(self) -> NDArray[np.bool_]:
        """(N,): the agent drove."""
        return self.driver != HUMAN

    @property
    def brought(self) -> NDArray[np.bool_]:
        """(N,): demos of whole episodes, such as laps and imports. A takeover in an episode of the agent's was seen, paid and
        driven by the same session, so it cannot be of other units or rules."""
        return self.demo & ~np.isin(self.episode, self.episode[self.agent])

    def closed(self, *purposes: str) -> list[Episode]:
        """Return the episodes of these purposes that ended, oldest first."""
        return [e for e in self.episodes if e.purpose in purposes and e.reason]


@readable_rows()
def from_store(conn: sqlite3.Connection, bounded: frozenset[str] = frozenset(), newest: int = NEWEST) -> Drives | None:
    """Return the newest drives of the track and layout that were driven last, and all demos of them; None without any."""
    head = conn.execute(
        "SELECT s.track, s.observation_names, s.action_names, s.hz, s.reward FROM sessions s WHERE EXISTS "
        "(SELECT 1 FROM episodes e WHERE e.session_id = s.id AND e.length > 0) "
        "ORDER BY (s.kind = 'import'), s.id DESC LIMIT 1"
    ).fetchone()
    if head is None:
        return None
    track, names, actions, hz, reward = head
    sizes = len(json.loads(names)), len(json.loads(actions))
    episodes = _episodes(conn, track, names, actions)
    chosen = _chosen(episodes, newest)
    demos = counting(conn, track=track)
    demo_spans = _demo_spans(demos)
    spans = [i for i in demo_spans if i not in chosen and i in {e.id for e in episodes}]
    rows: list[tuple[Any, ...]] = []
    for id_ in sorted({*chosen, *spans[-100:]}):
        rows += conn.execute(
            "SELECT episode_id, t, driver, reward, progress, speed, heading, coalesce(checkpoint_id, -1), observation, executed, "
            "proposed FROM steps WHERE episode_id = ? ORDER BY t",
            (id_,),
        ).fetchall()
        if len(rows) > 2 * MOST_STEPS:
            break
    if not rows:
        return None
    episode, t, driver, paid, progress, speed, heading, checkpoint, seen, executed, proposed = zip(*rows, strict=True)
    ids, ts = np.array(episode, np.int64), np.array(t, np.int64)
    demo = np.zeros(len(ids), bool)
    for id_, stretches in demo_spans.items():
        for begin, end in stretches:
            demo |= (ids == id_) & (ts >= begin) & (ts < end)

    def table(blobs: tuple[bytes, ...], width: int) -> NDArray[np.float32]:
        return np.frombuffer(b"".join(blobs), "<f4").reshape(len(blobs), width)

    drivers = np.array(driver, np.uint8)
    observed, done, asked, rewards = table(seen, sizes[0]), table(executed, sizes[1]), table(proposed, sizes[1]), np.array(paid)
    usable = usable_rows(observed, done, asked, rewards)  # as training takes them
    if not usable.any():
        return None
    return Drives(
        observation=observed[usable],
        executed=done[usable],
        proposed=asked[usable],
        driver=drivers[usable],
        demo=(demo & (drivers == HUMAN))[usable],
        reward=rewards[usable].astype(np.float64),
        progress=np.array(progress, np.float64)[usable],
        speed=np.array(speed, np.float64)[usable],
        heading=np.array(heading, np.float64)[usable],
        episode=ids[usable],
        t=ts[usable],
        checkpoint=np.array(checkpoint, np.int64)[usable],
        episodes=episodes,
        observation_names=tuple(json.loads(names)),
        action_names=tuple(json.loads(actions)),
        hz=float(hz),
        track=str(track),
        corners=tuple(
            Corner(*row)
            for row in conn.execute("SELECT name, from_m, to_m FROM corners WHERE track = ? ORDER BY from_m", (track,))
        ),
        reward_settings=_settings(reward),
        demo_rewards=_demo_rewards(conn, demos, float(hz)),
        other_layouts=tuple(apart(conn, (tuple(json.loads(names)), tuple(json.loads(actions)))).values()),
        trained_checkpoints=int(conn.execute("SELECT count(*) FROM checkpoints WHERE kind = 'train'").fetchone()[0]),
        bounded=bounded,
    )


def _settings(text: str | None) -> dict[str, float]:
    values = json.loads(text) if text else {}
    return {k: float(v) for k, v in values.items() if isinstance(v, int | float)}


def _episodes(conn: sqlite3.Connection, track: str, names: str, actions: str) -> list[Episode]:
    return [
        Episode(i, s, purpose, reason or "", int(length), float(total or 0), float(far or 0), int(ck), bool(helped))
        for i, s, purpose, reason, length, total, far, ck, helped in conn.execute(
            f"SELECT e.id, e.session_id, e.purpose, e.reason, e.length, {RETURN}, {FARTHEST}, ifnull(e.checkpoint_id, -1), "
            "EXISTS (SELECT 1 FROM segments g WHERE g.episode_id = e.id AND g.kind = 'takeover') FROM episodes e "
            "JOIN sessions s ON s.id = e.session_id WHERE s.track = ? AND s.observation_names = ? AND s.action_names = ? "
            "AND e.length > 0 ORDER BY e.id",
            (track, names, actions),
        )
    ]


def _chosen(episodes: list[Episode], newest: int) -> set[int]:
    """Return the newest episodes of the agent and of laps, as many as their steps allow."""
    chosen: set[int] = set()
    for purposes, most in ((("lap",), newest), (("drive", "evaluation", "practice"), newest)):
        steps = 0
        for e in [e for e in reversed(episodes) if e.purpose in purposes][:most]:
            steps += e.length
            if steps > MOST_STEPS:
                break
            chosen.add(e.id)
    return chosen


def _demo_spans(demos: Sequence[Segment]) -> dict[int, list[tuple[int, int]]]:
    """Return the stretches [begin, end) of each episode that count as demos, as the replay takes them."""
    spans: dict[int, list[tuple[int, int]]] = {}
    for s in demos:
        spans.setdefault(s.episode_id, []).append((s.start + s.trim_start, s.stop - s.trim_stop))
    return spans


def _demo_rewards(
    conn: sqlite3.Connection, demos: Sequence[Segment], hz: float
) -> tuple[tuple[Mapping[str, float], float], ...]:
    """Return the reward settings under which demos were driven, each with the seconds of them."""
    settings = dict(conn.execute("SELECT id, reward FROM sessions").fetchall())
    steps: dict[str | None, int] = {}
    for s in demos:
        text = settings[s.session_id]
        steps[text] = steps.get(text, 0) + s.stop - s.start
    return tuple((_settings(text), count / hz) for text, count in steps.items())
