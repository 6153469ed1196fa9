"""Finished episodes as new steps of a replay, for learning in-process without a store."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.reading.episodes import takeovers
from data.reading.new_steps import NewSteps
from data.records import EpisodeRecord, SegmentRecord


def finished_episode(
    episode_id: int,
    observation: np.ndarray,
    executed: np.ndarray,
    reward: np.ndarray,
    *,
    terminated: bool,
    driver: np.ndarray | None = None,
    proposed: np.ndarray | None = None,
    purpose: str = "drive",
    segments: Sequence[tuple[str, int, int]] | None = None,
    first_segment: int | None = None,
) -> NewSteps:
    """Return a whole episode of n steps as what is new.

    ``observation`` (n + 1, O) ends with the one after the last step; ``executed`` and ``proposed`` (n, A); ``driver``
    (n,) 0 agent or 1 human (all agent when left out; all human for the purpose ``lap``). ``segments`` are (kind, start, stop);
    left out, they are the takeovers found in ``driver``, or the lap. Segment ids count from ``first_segment``; left out, from
    the episode's times 1000, which is room for 1000 of them.
    """
    n = len(reward)
    if driver is None:
        driver = np.full(n, purpose == "lap", np.uint8)
    if segments is None:
        segments = [("lap", 0, n)] if purpose == "lap" else [("takeover", *part) for part in takeovers(driver)]
    ended = np.zeros(n, bool)
    ended[-1] = True
    new = NewSteps(
        step_id=np.arange(n, dtype=np.int64),
        episode_id=np.full(n, episode_id, np.int64),
        t=np.arange(n, dtype=np.int32),
        observation=np.asarray(observation[:n], np.float32),
        executed=np.asarray(executed, np.float32),
        proposed=np.asarray(executed if proposed is None else proposed, np.float32),
        driver=np.asarray(driver, np.uint8),
        reward=np.asarray(reward, np.float32),
        terminated=ended & terminated,
        truncated=ended & (not terminated),
        progress=np.full(n, np.nan, np.float32),
        checkpoint_id=np.full(n, -1, np.int64),
    )
    last = np.asarray(observation[n], np.float32)
    end = "terminated" if terminated else "truncated"
    new.episodes[episode_id] = EpisodeRecord(episode_id, 0, purpose, end, None, n, last)
    first = episode_id * 1000 if first_segment is None else first_segment
    for id_, (kind, start, stop) in enumerate(segments, first):
        new.segments[id_] = SegmentRecord(
            id_, episode_id, kind, start, stop, 0, 0, "unreviewed", 1.0, "unclear", True
        )
    return new
