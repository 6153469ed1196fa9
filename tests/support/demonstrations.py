"""Laps as TrackmaniaRL records them: driven by the scripted driver in the embedded game, as frames of the plugin's 33 numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data.exchange.trackmaniarl.writing import table_index
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


FORCED, HANDS_OFF = 0.2, 0.1
"""Seconds of an incident that is forced upon the car, and until the human has the wheel."""


def driven_frames(track: Track, most: int = 2000, hz: float = 20.0, incident_s: float = np.inf) -> np.ndarray:
    """Return (N + 1, 33) frames of one lap, the last of them at the finish; ``incident_s``: when an incident is forced."""
    game, driver, rows = Box2DGame(track), ScriptedDriver(track), []
    game.restart(Start())
    driver.begin()
    s = 0.0
    for k in range(round(most * hz / 20.0)):
        now = k / hz - incident_s
        state = game.state()
        place = track.line.locate(state.x, state.y, s)
        s = place.s
        driver.see(state, place)
        if k % round(hz / 20.0) == 0:
            gas_brake, steer = driver.act(state, place)
        if 0.0 <= now < FORCED + HANDS_OFF:
            gas_brake, steer = (1.0, 1.0) if now < FORCED - 1e-6 else (0.0, 0.0)
        row = np.zeros(33)
        row[3], row[4:7], row[7:10] = 1000.0 * k / hz, (state.x, 10.0, -state.y), (state.vx, 0.0, -state.vy)
        row[10], row[12], row[14], row[16] = np.cos(state.heading), -np.sin(state.heading), 1.0, state.speed
        row[17], row[18] = 7000.0, 3.0
        row[30], row[31], row[32] = steer, max(0.0, gas_brake), max(0.0, -gas_brake)
        rows.append(row)
        if s >= track.line.length - 2.0:
            row[2] = 1.0
            break
        game.send(np.array([gas_brake, steer], np.float32))
        game.advance(1.0 / hz)
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


def write_recovery(path: Path, track: Track, hz: float = 20.0, incident_s: float = 3.0) -> tuple[np.ndarray, int]:
    """Write a recovery lap with the keys, types and shapes that TrackmaniaRL 1.2.16 writes; return its frames and takeover step.

    ``hz``: frames a second; at the pace of the game's pictures its archive says a decision interval of 0.
    """
    lap = driven_frames(track, hz=hz, incident_s=incident_s)
    controls = lap[:-1][:, [31, 32, 30]].astype(np.float32)
    begin = round(incident_s * hz)
    steps, taken = round(FORCED * hz), begin + round((FORCED + HANDS_OFF) * hz)
    forced_ms = float(lap[begin + steps, 3] - lap[begin, 3])
    np.savez_compressed(
        path,
        format=np.asarray("trackmaniarl-human-recovery-v1"), map_uid=np.asarray(MAP), geometry_sha256=np.asarray("ab" * 32),
        action_repeat_frames=np.asarray(1, dtype=np.int32), decision_interval_ms=np.asarray(50.0 if hz == 20.0 else 0.0),
        control_alignment=np.asarray("frame_start"), frames=np.asarray(lap, dtype=np.float32),
        actions=np.asarray(table_index(controls), dtype=np.int64), controls=controls,
        finish_time_s=np.asarray(lap[-1, 3] / 1000, dtype=np.float64),
        perturbation_start_step=np.asarray(begin, dtype=np.int64), perturbation_steps=np.asarray(steps, dtype=np.int64),
        takeover_step=np.asarray(taken, dtype=np.int64), target_progress=np.asarray(0.2, dtype=np.float64),
        actual_progress=np.asarray(0.21, dtype=np.float64), perturbation_control=np.asarray([1.0, 0.0, 1.0], dtype=np.float32),
        requested_perturbation_duration_ms=np.asarray(forced_ms, dtype=np.float64),
        actual_perturbation_duration_ms=np.asarray(forced_ms, dtype=np.float64),
        source_checkpoint_sha256=np.asarray("cd" * 32), outcome=np.asarray("finished"),
    )  # fmt: skip
    return lap, taken


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
