"""A store with real drives: scripted laps and takeovers on the default track, and an agent that fails at the hairpin."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data.reading.episodes import EpisodeData, EpisodeWriter, SegmentData
from data.records import AGENT, HUMAN, Segment, SessionInfo
from data.store import Store
from tests.support import sample_screens as samples


def episode(
    seed: int, *, blunder: bool, takeover: bool = False, purpose: str = "drive", checkpoint: int | None = None
) -> EpisodeData:
    """One drive as an episode; a takeover covers the corner, and the agent keeps proposing full gas in it."""
    corner = samples.scene().corners[0]
    lap = samples.drive("default", seed, corner[1] - 5 if blunder else None)
    n = len(lap.points)
    progress = np.array(lap.progress)
    executed = np.array(lap.action, np.float32)
    proposed, driver, segments = executed.copy(), np.full(n, HUMAN if purpose == "lap" else AGENT), []
    if takeover:
        inside = np.flatnonzero((progress > corner[1] - 15) & (progress < corner[2] + 5))
        start, stop = int(inside[0]), int(inside[-1]) + 1
        driver[start:stop] = HUMAN
        proposed[start:stop] = (0.9, 0.0)
        segments.append(SegmentData("takeover", start, stop, "pad", corner[0], outcome="cleared"))
    if purpose == "lap":
        segments.append(SegmentData("lap", 0, n, "pad"))
    reward = np.diff([0.0, *lap.total])
    return EpisodeData(
        observation=np.zeros((n, 3), np.float32),
        executed=executed,
        proposed=proposed,
        reward=reward,
        driver=driver,
        terminated=np.arange(n) == n - 1,
        columns={
            "progress": progress,
            "x": np.array(lap.points)[:, 0],
            "y": np.array(lap.points)[:, 1],
            "heading": np.array(lap.heading),
            "speed": np.array(lap.speed),
            "risk": np.clip(progress / 400, 0, 1),
        },
        checkpoint_id=checkpoint,
        purpose=purpose,
        reason=lap.reason,
        segments=segments,
    )


LAPS, FAILURES = (40, 41, 42, 0, 1, 2), (20, 21, 22, 23, 24, 25)
"""Seeds of laps that finish, and of drives that fail: each is driven once, and stored wherever one is needed."""


def fill(path: Path, takeovers: int = 4) -> None:
    """Write a store: two laps, two evaluated checkpoints (0 of 3, then 3 of 3), and drives with takeovers between them."""
    scene = samples.scene()
    info = SessionInfo("play", "box2d", "default", 20.0, ("a", "b", "c"), scene.action_names, driver="pad")
    with Store(path) as store:
        old = store.add_checkpoint("old.safetensors", "0" * 64, 100, 1_000, "periodic", {})
        new = store.add_checkpoint("new.safetensors", "1" * 64, 900, 4_000, "periodic", {})
        for name, from_m, to_m in scene.corners:
            store.upsert_corner("default", name, from_m, to_m, "track")
        session = store.start_session(info)
        with EpisodeWriter(store.conn, session) as writer:
            for k in range(2):
                writer.add(episode(k, blunder=False, purpose="lap"))
            for k in range(3):
                writer.add(episode(FAILURES[k], blunder=True, purpose="evaluation", checkpoint=old))
            for k in range(6):
                writer.add(episode(FAILURES[k], blunder=True, checkpoint=old))
            for k in range(takeovers):
                writer.add(episode(LAPS[k % 6], blunder=False, takeover=True, checkpoint=old))
            for k in range(3):
                writer.add(episode(LAPS[k], blunder=False, purpose="evaluation", checkpoint=new))
        store.conn.execute(
            "UPDATE episodes SET checkpoint_id = (SELECT max(checkpoint_id) FROM steps WHERE episode_id = episodes.id)"
        )
        store.end_session(session)


def now(store: Store, segment_id: int) -> Segment:
    """A segment as the store has it now."""
    return store.segments(ids=[segment_id])[0]
