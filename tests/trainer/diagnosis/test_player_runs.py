"""Player runs alone: what their observations and actions show."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from hitl.commands.diagnose import main

SIZE, YAW = 81, 68  # 10 points a side, fifteen numbers of the car, two past actions


def write(folder: Path, *, clip: float | None, runs: int = 3) -> Path:
    folder.mkdir()
    for k in range(runs):
        rng = np.random.default_rng(k)
        yaw = np.cumsum(rng.normal(0, 0.05, 300)) + np.linspace(-3, 3, 300)
        samples = []
        for i in range(300):
            seen = rng.normal(size=SIZE).astype(np.float32)
            seen[YAW] = yaw[i] if clip is None else np.clip(yaw[i], -clip, clip)
            action = np.array([rng.uniform(), 0.0, rng.uniform(-1, 1)], np.float32)
            samples.append((action, (seen,), float(rng.normal()), False, False, {"reward_sum": 0.0}))
        (folder / f"20260101_00000{k}_0123456{k}.pkl").write_bytes(pickle.dumps(samples))
    return folder


def look(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict]:
    code = main(["--player-runs", str(folder), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_heading_clipped_to_one_radian(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = look(write(tmp_path / "runs", clip=1.0), capsys)
    assert code == 1
    assert [f["fault"] for f in found["findings"]] == ["observation-clipped"]
    assert found["findings"][0]["data"]["share"]["yaw"] > 0.5


def test_sound_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = look(write(tmp_path / "runs", clip=None), capsys)
    assert code == 2  # laps alone say nothing of a run
    assert found["answer"] == "could not tell"
    assert found["findings"] == []
    assert "demo-units" in {x["fault"] for x in found["lacking"]}  # that takes steps of the agent as well


def test_a_folder_without_a_run_cannot_be_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.pkl").write_bytes(b"no pickle")
    assert main(["--player-runs", str(tmp_path)]) == 2
    assert "No player run" in capsys.readouterr().err
