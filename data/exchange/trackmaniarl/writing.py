"""Laps and drives with takeovers, written as demonstrations that TrackmaniaRL loads."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.errors import UsageError
from data.exchange.checks import EpisodeRefusedError, need
from data.exchange.portable import Portable, digest
from data.exchange.trackmaniarl.reading import DEMONSTRATION, DRIVER, NUMBERS, finish_after
from data.words import number_of

if TYPE_CHECKING:
    from data.exchange.exporters import Chosen

TABLE = np.array(
    [(gas, brake, steer) for steer, gas, brake in itertools.product(np.linspace(-1, 1, 13), (0, 1), (0, 1, -1))], np.float32
)
"""(78, 3) gas, brake, steer: the actions that its agents choose from; a brake of -1 is a tap of it."""
FIRST_SENT = "frame_checkpoints"
"""What the first of the plugin's numbers is called where a store holds them all (``hitl.task.details``)."""
_TAP_COST = 2.0  # which makes a measured control never a tap


def table_index(controls: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the nearest action of ``TABLE`` for (N, 3) gas, brake, steer."""
    gas, brake, steer = (controls[:, k, None] - TABLE[None, :, k] for k in range(3))
    braking = np.where(TABLE[None, :, 1] < 0.0, np.float32(_TAP_COST), brake * brake)
    return np.asarray((gas * gas + braking + steer * steer).argmin(axis=1), np.int64)


def write_demonstrations(folder: Path, chosen: Chosen) -> None:
    """Write each finished lap and each finished drive with takeovers as a demonstration.

    Engine, gear, slips and ground are in a store only where the agent sees the layout ``frame``; else these numbers are 0. Raises
    UsageError where nothing can be written.
    """
    from data.exchange.parquet import empty_folder

    map_uid, geometry = chosen.geometry
    written, refused, why = 0, 0, "nothing was driven"
    for item in chosen:
        try:
            arrays: dict[str, Any] = archive_of(item, map_uid, geometry)
        except EpisodeRefusedError as error:
            refused, why = refused + 1, str(error)
            chosen.count, chosen.steps = chosen.count - 1, chosen.steps - len(item.data)
            continue
        if not written:
            empty_folder(folder)
        written += 1
        np.savez_compressed(folder / f"{digest(item.origin.encode())}.npz", **arrays)
    if not written:
        raise UsageError(f"None of {number_of(refused, 'drive')} can be a demonstration: {why}.")


def archive_of(item: Portable, map_uid: str = "", geometry_sha256: str = "") -> dict[str, NDArray[Any]]:
    """Return a finished drive as the arrays of a demonstration. Raises EpisodeRefusedError where it cannot be one."""
    info, data = item.info, item.data
    n, names = len(data), info.action_names
    need(set(names) == {"gas", "brake", "steer"}, "only drives in TrackMania are laps there, with gas, brake and steer")
    need(data.reason == "finish" and data.first_t == 0, "a demonstration ends at the finish, and begins at the start")
    place = np.stack([data.columns[name] for name in ("x", "z", "y")], axis=1) * [1.0, 1.0, -1.0]
    heading, speed = data.columns["heading"], data.columns["speed"]
    known = all(np.isfinite(values).all() for values in (place, heading, speed))
    need(known, "where the car was is not known")
    lap_ms = 1000 * (data.lap_s or n / info.hz)
    times = np.arange(n) * 1000 / info.hz
    times *= min(1.0, (lap_ms - 1.0) / max(times[-1], 1.0))  # the game's clock may begin a moment after our first step
    frames = np.zeros((n + 1, NUMBERS))
    frames[:-1, 3], frames[:-1, 4:7], frames[:-1, 16] = times, place, speed
    frames[:-1, 10], frames[:-1, 12], frames[:, 14] = np.cos(heading), -np.sin(heading), 1.0
    frames[:-1, 7:10] = np.gradient(place, axis=0) * info.hz
    # What is executed in a step acts in the next one: live, an action is decided one tick before it acts.
    acted = np.asarray(data.executed, np.float64)[:, [names.index(name) for name in ("gas", "brake", "steer")]]
    acting = np.concatenate([_pending(item)[None], acted[:-1]])
    driver = np.broadcast_to(np.asarray(data.driver, np.uint8), (n,))
    need(bool(driver.any()), "no human drove in it")
    controls = np.clip(acting, [0.0, 0.0, -1.0], 1.0).astype(np.float32)
    frames[:-1, 31], frames[:-1, 32], frames[:-1, 30] = controls.T
    _fill(frames[:-1], item)
    frames[-1] = finish_after(frames[-2], lap_ms)
    return {
        "format": np.asarray(DEMONSTRATION), "map_uid": np.asarray(map_uid or info.track),
        "geometry_sha256": np.asarray(geometry_sha256 or "0" * 64), "action_repeat_frames": np.asarray(1, np.int32),
        "decision_interval_ms": np.asarray(1000 / info.hz), "control_alignment": np.asarray("frame_start"),
        "frames": frames.astype(np.float32), "actions": table_index(controls), "controls": controls,
        "finish_time_s": np.asarray(lap_ms / 1000), DRIVER: np.concatenate([driver[:1], driver[:-1]]),
    }  # fmt: skip


def _fill(frames: NDArray[np.float64], item: Portable) -> None:
    """Put into (N, 33) frames what the layout ``frame`` holds of them, but for the clock, the finish and the controls."""
    names = item.info.observation_names
    if FIRST_SENT not in names:
        return
    first = names.index(FIRST_SENT)
    sent = np.asarray(item.data.observation, np.float64)[:, first : first + NUMBERS]
    kept = np.setdiff1d(np.arange(NUMBERS), (2, 3, 30, 31, 32))
    frames[:, kept] = sent[:, kept]


def _pending(item: Portable) -> NDArray[np.float64]:
    """Return what acted in the first step: (gas, brake, steer)."""
    names = item.info.observation_names
    at = [names.index(f"pending_{name}") if f"pending_{name}" in names else -1 for name in ("gas", "brake", "steer")]
    return np.array([0.0 if k < 0 else float(item.data.observation[0, k]) for k in at])
