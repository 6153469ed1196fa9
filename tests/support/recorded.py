"""What several tests of the store record."""

import contextlib
import sqlite3

import numpy as np

from data.reading.drives import EpisodeSummary
from data.records import AGENT, HUMAN, SessionInfo, StepRow

NAMES = ("speed", "left", "right", "yaw")
ACTIONS = ("gas_brake", "steer")
NO_WEIGHTS = (2).to_bytes(8, "little") + b"{}"  # a checkpoint's file that is whole, and holds nothing


def session_info(**changes):
    values = {
        "kind": "play", "env": "box2d", "track": "hairpin", "hz": 20.0, "observation_names": NAMES,
        "action_names": ACTIONS, "reward": {"progress": 1.0}, "seed": 3, "driver": "scripted",
    }  # fmt: skip
    return SessionInfo(**(values | changes))


def summary(number=1, purpose="drive", reason="finish", farthest=0.0, action_names=ACTIONS):
    """An episode at 20 Hz, for drives that no store holds."""
    return EpisodeSummary(number, 1, "hairpin", purpose, reason, 0, 0.0, 0, farthest, None, "", 20.0, NAMES, action_names)


def step_row(i, driver=AGENT, **changes):
    """A step whose every number tells its index."""
    values = {
        "observation": np.full(4, i, np.float32), "executed": np.full(2, i + 0.25, np.float32),
        "proposed": np.full(2, i - 0.25, np.float32), "driver": driver, "reward": i * 0.5, "progress": float(i),
        "x": i * 1.0, "y": i * 2.0, "z": 0.0, "heading": 0.1, "speed": 12.0,
    }  # fmt: skip
    return StepRow(**(values | changes))


def drive(recorder, steps=20, takeover=(5, 9), corner="hairpin", end="terminated", purpose="drive", **episode):
    """One episode with one takeover in steps ``takeover``; returns the takeover's number."""
    recorder.begin_episode(purpose, **episode)
    number = None
    for i in range(steps):
        human = takeover is not None and takeover[0] <= i < takeover[1]
        if takeover and i == takeover[0]:
            number = recorder.begin_segment("takeover", "stick", corner)
        if takeover and i == takeover[1]:
            recorder.end_segment(number, "cleared")
        recorder.step(step_row(i, HUMAN if human else AGENT))
    recorder.end_episode(end, "finish", np.full(4, steps, np.float32))
    return number


def drive_without_road(recorder):
    """Record an episode of thirty steps that is one takeover, in a game that tells no place."""
    recorder.begin_episode("drive")
    number = recorder.begin_segment("takeover", "stick")
    for i in range(30):
        recorder.step(step_row(i, HUMAN, x=np.nan, y=np.nan, progress=0.0))
    recorder.end_segment(number, "cleared")
    recorder.end_episode("terminated", "over", np.zeros(4))


def spoil(path, t, episode=1, name="left", value=np.nan, column="observation"):
    """Write a number that is none into a stored step, as a store of an earlier version may hold it."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        at = "WHERE episode_id = ? AND t = ?"
        if column in ("reward", "progress", "x", "risk"):
            db.execute(f"UPDATE steps SET {column} = ? {at}", (value, episode, t))
            return
        if column == "last_observation":
            (blob,) = db.execute("SELECT last_observation FROM episodes WHERE id = ?", (episode,)).fetchone()
        else:
            (blob,) = db.execute(f"SELECT {column} FROM steps {at}", (episode, t)).fetchone()
        values = np.frombuffer(blob, "<f4").copy()
        with np.errstate(over="ignore"):
            values[(NAMES if "observation" in column else ACTIONS).index(name)] = value
        if column == "last_observation":
            db.execute("UPDATE episodes SET last_observation = ? WHERE id = ?", (values.tobytes(), episode))
        else:
            db.execute(f"UPDATE steps SET {column} = ? {at}", (values.tobytes(), episode, t))
