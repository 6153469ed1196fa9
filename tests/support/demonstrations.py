"""Laps as TrackmaniaRL records them: driven by the scripted driver in the embedded game, as frames of the plugin's 33 numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hitl.drivers.scripted import ScriptedDriver
from hitl.games.base import Start
from hitl.games.box2d import Box2DGame
from hitl.road.track import Track

MAP = "wQ3n_stand_in_map_uid_0000"
RECOVERY_KEYS = {
    "perturbation_start_step": 30, "perturbation_steps": 10, "target_progress": 0.2, "actual_progress": 0.21,
    "perturbation_control": np.array([1.0, 0.0, 1.0], np.float32), "requested_perturbation_duration_ms": 500.0,
    "actual_perturbation_duration_ms": 500.0, "source_checkpoint_sha256": "0" * 64, "outcome": "finished",
}  # fmt: skip


def driven_frames(track: Track, most: int = 2000) -> np.ndarray:
    """Return (N + 1, 33) frames of one lap at 20 Hz, the last of them at the finish."""
    game, driver, rows = Box2DGame(track), ScriptedDriver(track), []
    game.restart(Start())
    driver.begin()
    s = 0.0
    for k in range(most):
        state = game.state()
        place = track.line.locate(state.x, state.y, s)
        s = place.s
        driver.see(state, place)
        gas_brake, steer = driver.act(state, place)
        row = np.zeros(33)
        row[3], row[4:7], row[7:10] = 50.0 * k, (state.x, 10.0, -state.y), (state.vx, 0.0, -state.vy)
        row[10], row[12], row[14], row[16] = np.cos(state.heading), -np.sin(state.heading), 1.0, state.speed
        row[17], row[18] = 7000.0, 3.0
        row[30], row[31], row[32] = steer, max(0.0, gas_brake), max(0.0, -gas_brake)
        rows.append(row)
        if s >= track.line.length - 2.0:
            row[2] = 1.0
            break
        game.send(np.array([gas_brake, steer], np.float32))
        game.advance(0.05)
    return np.array(rows, np.float32)


def write_demo(path: Path, lap: np.ndarray, **more: object) -> Path:
    """Write a demonstration; ``more``: other keys, for a recovery lap or a fault. A key that is None is left out."""
    controls = lap[:-1][:, [31, 32, 30]].astype(np.float32)
    arrays = {
        "format": "trackmaniarl-trackmania-demo-v5", "map_uid": MAP, "geometry_sha256": "0" * 64, "action_repeat_frames": 1,
        "decision_interval_ms": 50.0, "control_alignment": "frame_start", "frames": lap,
        "actions": np.zeros(len(controls), np.int64), "controls": controls, "finish_time_s": float(lap[-1, 3]) / 1000,
    }  # fmt: skip
    np.savez_compressed(path, **{name: np.asarray(v) for name, v in (arrays | more).items() if v is not None})
    return path


def write_geometry(path: Path, track: Track, width: float = 18.0) -> Path:
    """Write a track's borders, with 30 imagined points behind the finish."""
    middle = track.line.points
    behind = middle[-1] + np.arange(1, 31)[:, None] * (middle[-1] - middle[-2])
    points = np.concatenate([middle, behind])
    along = np.gradient(points, axis=0)
    left = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.linalg.norm(along, axis=1)[:, None] * width / 2

    def in_game(xy: np.ndarray) -> np.ndarray:
        return np.stack([xy[:, 0], np.full(len(xy), 10.0), -xy[:, 1]], axis=1).astype(np.float32)

    np.savez_compressed(
        path, version=np.asarray("1"), map_uid=np.asarray(MAP), map_sha256=np.asarray("1" * 64), left=in_game(points + left),
        center=in_game(points), right=in_game(points - left), spacing_m=np.asarray(1.0, np.float32),
        recorded_count=np.asarray(len(middle), np.int32),
    )  # fmt: skip
    return path
