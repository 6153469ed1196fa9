"""New steps as arrays: what a learner takes from the store, filled from rows as fast as Python can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data.numbers import MOST, all_numbers, no_numbers
from data.records import EpisodeRecord, SegmentRecord, SessionRecord

Layout = tuple[tuple[str, ...], tuple[str, ...]]
"""Observation names and action names."""

_TYPES = {
    "step_id": np.int64, "episode_id": np.int64, "t": np.int32, "observation": np.float32, "executed": np.float32,
    "proposed": np.float32, "driver": np.uint8, "reward": np.float32, "terminated": np.bool_, "truncated": np.bool_,
    "progress": np.float32, "checkpoint_id": np.int64,
}  # fmt: skip
ARRAYS = tuple(_TYPES)
"""Names of the arrays of :class:`NewSteps`."""

# Few columns, because every value fetched is a Python object: whole numbers share one, the three arrays another.
SELECT = (
    "SELECT id, (episode_id << 32) | (t << 3) | driver | (terminated << 1) | (truncated << 2), reward, progress, "
    "coalesce(checkpoint_id, -1), CAST(observation || executed || proposed AS BLOB) FROM steps WHERE "
)


@dataclass(slots=True)
class NewSteps:
    """What is new: ``n`` steps in the order they were committed, and the sessions, episodes and segments that are new
    or changed.

    With more new steps than the limit, ``more`` is True and segments may speak of steps that come with the next poll.
    """

    step_id: np.ndarray
    """(n,) int64"""
    episode_id: np.ndarray
    """(n,) int64"""
    t: np.ndarray
    """(n,) int32, from 0 in each episode"""
    observation: np.ndarray
    """(n, O) float32"""
    executed: np.ndarray
    """(n, A) float32"""
    proposed: np.ndarray
    """(n, A) float32"""
    driver: np.ndarray
    """(n,) uint8, AGENT or HUMAN"""
    reward: np.ndarray
    """(n,) float32"""
    terminated: np.ndarray
    """(n,) bool"""
    truncated: np.ndarray
    """(n,) bool"""
    progress: np.ndarray
    """(n,) float32 metres, NaN where not known"""
    checkpoint_id: np.ndarray
    """(n,) int64, -1 where none"""
    episodes: dict[int, EpisodeRecord] = field(default_factory=dict)
    segments: dict[int, SegmentRecord] = field(default_factory=dict)
    sessions: dict[int, SessionRecord] = field(default_factory=dict)
    """The sessions of ``episodes``."""
    left_out: dict[Layout, int] = field(default_factory=dict)
    """Steps not given because their layout is another one than asked for, by that layout."""
    unusable: dict[int, list[int]] = field(default_factory=dict)
    """Steps not given because a number in them cannot be learned from: their ``t``, by episode."""
    bad_numbers: dict[str, int] = field(default_factory=dict)
    """In how many of these, and of observations after an episode's last step, by the number's name."""
    bad_steps: int = 0
    """How many of these, and of observations after an episode's last step, there are."""
    more: bool = False

    def __len__(self) -> int:
        return len(self.step_id)

    @property
    def anything(self) -> bool:
        """Whether anything is new, be it only a step that was left out."""
        return bool(len(self) or self.episodes or self.segments or self.unusable)

    @classmethod
    def empty(cls, observation_size: int = 0, action_size: int = 0, n: int = 0) -> NewSteps:
        """Nothing new, or room for ``n`` steps."""
        widths = {"observation": (observation_size,), "executed": (action_size,), "proposed": (action_size,)}
        arrays: dict[str, Any] = {name: np.empty((n, *widths.get(name, ())), kind) for name, kind in _TYPES.items()}
        return cls(**arrays)

    def cut(self, kept: int, room: int) -> None:
        """Leave only the first ``kept`` steps of the ``room`` that there is."""
        if kept < room:
            for name in ARRAYS:
                part = getattr(self, name)[:kept]
                setattr(self, name, part if kept > room // 2 else part.copy())

    def fill(self, begin: int, rows: list[tuple], layout: Layout) -> int:
        """Write rows of ``SELECT`` into the arrays from ``begin`` on; returns where they end.

        Steps with a number that cannot be learned from are left out and counted: one of them is enough to ruin a learner.
        What comes before and after them is then told apart by its ``t``.
        """
        at = slice(begin, begin + len(rows))
        ids, packed, reward, progress, checkpoint, arrays = zip(*rows, strict=True)
        whole = np.array(packed, np.int64)
        self.step_id[at], self.checkpoint_id[at] = ids, checkpoint
        with np.errstate(over="ignore"):
            self.reward[at], self.progress[at] = reward, progress
        self.episode_id[at] = whole >> 32
        self.t[at] = (whole & 0xFFFFFFFF) >> 3
        self.driver[at] = whole & 1
        self.terminated[at] = whole & 2
        self.truncated[at] = whole & 4
        flat = np.frombuffer(b"".join(arrays), "<f4").reshape(len(rows), -1)
        observation_size, action_size = self.observation.shape[1], self.executed.shape[1]
        self.observation[at] = flat[:, :observation_size]
        self.executed[at] = flat[:, observation_size : observation_size + action_size]
        self.proposed[at] = flat[:, observation_size + action_size :]
        place = self.progress[at]
        place[np.abs(place) > MOST] = np.nan
        if all_numbers(flat) and all_numbers(self.reward[at]):
            return at.stop
        bad = np.column_stack((no_numbers(flat), no_numbers(self.reward[at])))
        self.count_bad(number_names(*layout), bad)
        good = ~bad.any(axis=1)
        for k in np.flatnonzero(~good).tolist():
            self.unusable.setdefault(int(self.episode_id[begin + k]), []).append(int(self.t[begin + k]))
        stop = begin + int(good.sum())
        for name in ARRAYS:
            array = getattr(self, name)
            array[begin:stop] = array[at][good]
        return stop

    def count_bad(self, names: Sequence[str], bad: np.ndarray) -> None:
        """Count the steps (rows of ``bad``) that hold a number that cannot be learned from, by the name of each such number."""
        self.bad_steps += int(bad.any(axis=1).sum())
        found = bad.sum(axis=0)
        for k in np.flatnonzero(found).tolist():
            self.bad_numbers[names[k]] = self.bad_numbers.get(names[k], 0) + int(found[k])


def number_names(observations: Sequence[str], actions: Sequence[str]) -> tuple[str, ...]:
    """Return what the numbers of a step that are learned from are called, in the order in which they are looked at."""
    executed, proposed = (tuple(f"the {kind} {name}" for name in actions) for kind in ("action", "proposed"))
    return (*observations, *executed, *proposed, "the reward")
