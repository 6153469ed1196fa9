"""Recorded driving as arrays: what the checks on states, actions, rewards and places look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.demos import DemoRule
from data.numbers import usable_rows
from data.reading.drives import Drive, EpisodeSummary
from data.reading.layouts import apart
from data.reading.schema_check import readable_rows
from data.reading.standing import may_have_stood, steps_stood
from data.records import HUMAN, ROADLESS, Corner, Segment, SessionRecord
from trainer.checkpoints.in_force import learned_layout
from trainer.diagnosis.stats import Array

if TYPE_CHECKING:
    from data.store import Store

NEWEST = 150
"""Episodes of the agent that are looked at: what it did as a beginner is over."""
MOST_STEPS = 60_000
AT_LIMIT = 0.985
"""From here on an action lies at a limit."""
RECENT = 40
"""Newest unaided episodes that say how the agent drives now."""
_COLUMNS = (
    "t", "driver", "reward", "progress", "x", "y", "speed", "heading", "checkpoint_id", "observation", "executed", "proposed",
)  # fmt: skip


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
    x: Array
    """(N,) m, in the road's plane, NaN where not known; ``y``, too"""
    y: Array
    speed: Array
    """(N,) m/s"""
    heading: Array
    """(N,) rad"""
    episode: NDArray[np.int64]
    """(N,) id"""
    t: NDArray[np.int64]
    checkpoint_id: NDArray[np.int64]
    """(N,), -1 for none"""
    episodes: list[EpisodeSummary]
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
    """Observations that lie at an end of their range by nature (pedals, a distance that is cut on purpose, the sky)."""
    untold: frozenset[str] = frozenset()
    """Observations that the game never fills, which no one can change."""
    segments: tuple[Segment, ...] = ()
    """Takeovers and laps on this track, whether they count or not, oldest first."""
    rule: DemoRule = field(default_factory=DemoRule)
    has_road: bool = True
    """False for an environment without one: it has neither place nor speed, corner nor finish."""
    name: str = "store"
    foreign: frozenset[int] = frozenset()
    """Episodes in which an agent from elsewhere was at the wheel, or ours in its place."""

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def agent(self) -> NDArray[np.bool_]:
        """(N,): the agent drove."""
        return self.driver != HUMAN

    @property
    def theirs_at_limit(self) -> float:
        """The share of steps by an agent from elsewhere in which it asked for every control at a limit; 0 where none drove."""
        theirs = self.agent & (self.checkpoint_id < 0) & np.isin(self.episode, list(self.foreign))
        return float((np.abs(self.proposed[theirs]) > AT_LIMIT).all(1).mean()) if theirs.any() else 0.0

    @property
    def brought(self) -> NDArray[np.bool_]:
        """(N,): demos of whole episodes, such as laps and imports. A takeover in an episode of the agent's was seen, paid and
        driven by the same session, so it cannot be of other units or rules."""
        return self.demo & ~np.isin(self.episode, self.episode[self.agent])

    @property
    def joined(self) -> NDArray[np.bool_]:
        """(N - 1,): the next step is the next one driven, with nothing missing between the two."""
        return (self.episode[1:] == self.episode[:-1]) & (self.t[1:] == self.t[:-1] + 1)

    def closed(self, *purposes: str) -> list[EpisodeSummary]:
        """Return the episodes of these purposes that ended by themselves, oldest first."""
        return [e for e in self.episodes if e.purpose in purposes and e.reason and not e.cut_off]

    def unaided(self, *purposes: str) -> list[EpisodeSummary]:
        """Return the episodes of these purposes that ended by themselves and without a takeover, oldest first."""
        return [e for e in self.closed(*purposes) if not e.helped]

    def recent(self) -> list[EpisodeSummary]:
        """Return the newest unaided episodes, which say how the agent drives now."""
        return self.unaided("drive", "evaluation")[-RECENT:]


@readable_rows()
def from_store(
    store: Store, bounded: frozenset[str] = frozenset(), untold: Mapping[str, frozenset[str]] | None = None
) -> Drives | None:
    """Return the newest drives of the track and layout that were driven last, and all demos of them; None without any.

    ``untold``: by environment, the observations that it never fills.
    """
    sessions, agents = {s.id: s for s in store.sessions()}, store.agents()
    driven = [e for e in store.episodes(closed=False) if e.length > 0]
    if not driven:
        return None
    there = {e.session_id for e in driven}
    last = next(s for s in (*store.driven_sessions(), *reversed(sessions.values())) if s.id in there)
    layout = last.observation_names, last.action_names
    episodes = [e for e in driven if e.track == last.track and (e.observation_names, e.action_names) == layout]
    rule = store.rule()
    segments = store.segments(track=last.track)
    demos = [s for s in segments if rule.judge(s).counts]
    parts = list(_drives(store, episodes, demos))
    if not parts:
        return None
    column: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    # As training takes them:
    usable = usable_rows(column["observation"], column["executed"], column["proposed"], column["reward"])
    if not usable.any():
        return None
    column = {name: values[usable] for name, values in column.items()}
    return Drives(
        **column,
        demo=np.concatenate([_inside(store, part, demos, rule) & part.human for part in parts])[usable],
        episode=np.repeat([part.episode.id for part in parts], [len(part) for part in parts])[usable],
        episodes=episodes,
        observation_names=last.observation_names,
        action_names=last.action_names,
        hz=last.hz,
        track=last.track,
        corners=tuple(store.corners(last.track)),
        reward_settings=last.reward,
        demo_rewards=_demo_rewards(sessions, demos, last.hz),
        other_layouts=tuple(apart(store.conn, learned_layout(store) or layout).values()),
        trained_checkpoints=store.count_checkpoints("train"),
        bounded=bounded | {n for n in last.observation_names if n.startswith(("pending_", "pixel_"))},
        untold=(untold or {}).get(last.env, frozenset()),
        segments=tuple(segments),
        rule=rule,
        has_road=not last.env.startswith(ROADLESS),
        foreign=frozenset(e.id for e in episodes if e.session_id in agents),
    )


def _drives(store: Store, episodes: list[EpisodeSummary], demos: Sequence[Segment]) -> Iterator[Drive]:
    """Yield the newest drives and those with the newest demos, oldest first."""
    chosen = _chosen(episodes)
    others = {s.episode_id for s in demos} & {e.id for e in episodes} - chosen
    wanted = chosen | set(sorted(others)[-100:])
    steps = 0
    for episode in episodes:
        if episode.id in wanted and steps <= 2 * MOST_STEPS:
            drive = store.steps(episode, columns=_COLUMNS)
            steps += len(drive)
            if len(drive):
                yield drive


def _inside(store: Store, drive: Drive, demos: Sequence[Segment], rule: DemoRule) -> NDArray[np.bool_]:
    """Return which steps (n,) lie in a demo, as the replay takes them."""
    inside, episode = np.zeros(len(drive), bool), drive.episode
    here = [s for s in demos if s.episode_id == episode.id]
    moved = None
    if here and may_have_stood(episode.purpose, episode.reason):
        moved = episode.length - steps_stood(store.conn, episode.id, episode.hz)
    for s in here:
        start, stop = rule.shown_steps(s, moved)
        inside |= (drive.t >= start) & (drive.t < stop)
    return inside


def _chosen(episodes: list[EpisodeSummary]) -> set[int]:
    """Return the newest episodes of the agent and of laps, as many as their steps allow."""
    chosen: set[int] = set()
    for purposes in (("lap",), ("drive", "evaluation", "practice")):
        steps = 0
        for e in [e for e in reversed(episodes) if e.purpose in purposes][:NEWEST]:
            steps += e.length
            if steps > MOST_STEPS:
                break
            chosen.add(e.id)
    return chosen


def _demo_rewards(
    sessions: Mapping[int, SessionRecord], demos: Sequence[Segment], hz: float
) -> tuple[tuple[Mapping[str, float], float], ...]:
    """Return the reward settings under which demos were driven, each with the seconds of them."""
    steps = Counter[tuple[tuple[str, float], ...]]()
    for s in demos:
        steps[tuple(sessions[s.session_id].reward.items())] += s.stop - s.start
    return tuple((dict(settings), count / hz) for settings, count in steps.items())
