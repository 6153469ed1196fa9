"""A player's own config.json of tmrl: what a session and a trainer take from it, and how it is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from data.store import Store
from hitl.cli import main
from hitl.commands import train
from hitl.games.tmrl.carried import task_of
from hitl.home import Home
from tests.trainer.tmrl.test_config import RUN_L
from trainer import device
from trainer.config import BARE

REWARD = {"MAX_STRAY": 50, "SPEED_SAFE_DEVIATION_RATIO": 0.15, "FAILURE_COUNTDOWN": 40, "REWARD_SCALE": 2.0}
VALUES = {**RUN_L, "CUDA_TRAINING": False,
          "ENV": {"MAP_NAME": "test-3", "RTGYM_CONFIG": {"time_step_duration": 0.1}, "REWARD_CONFIG": REWARD}}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(VALUES), encoding="utf-8")
    return path


def test_a_session_drives_under_its_reward_and_at_its_rate(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = str(tmp_path / "home")
    how = ["--headless", "--pad", "scripted", "--lap", "--episodes", "1"]
    assert main(["play", "--home", home, "--tmrl-config", str(file), *how]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Taken over from config.json: FAILURE_COUNTDOWN, MAX_STRAY" in said
    assert "Not carried over: MAP_NAME" in said
    with Store(tmp_path / "home" / "store.sqlite") as store:
        (session,) = store.sessions()
    assert session.hz == 10
    assert (session.reward["max_stray"], session.reward["reward_scale"]) == (50, 2)


def test_what_the_player_has_set_goes_before_the_file(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "settings.toml").write_text("[reward]\nmax_stray = 7.0\n")
    task = task_of(file, Home(tmp_path), "box2d")
    assert task is not None
    assert task.reward is not None
    assert (task.reward["max_stray"], task.reward["reward_scale"], task.hz) == (7.0, 2.0, 10)  # type: ignore[index]
    assert "settings.toml goes before it: max_stray" in capsys.readouterr().out
    assert task_of(file, Home(tmp_path), "tmrl") is None
    assert "not carried over to --env tmrl" in capsys.readouterr().out


def test_the_table_can_be_read_at_eighty_columns_and_begins_with_what_was_changed(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["config", "show", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) < 120
    assert lines[0].startswith("Changed")
    heads = [line for line in lines if not line.startswith(" ")]
    assert [h.split(" (")[0].split(":")[0] for h in heads] == [
        "Changed", "Unknown", "Used", "Not carried over to a session", "Not used here"
    ]  # fmt: skip


def wish_of(home: Path, file: Path, *more: str) -> str:
    parser_args = ["run", "--home", str(home), "--tmrl-config", str(file), "--quiet", *more]
    asked: list[str] = []
    original = train._run
    try:
        train._run = lambda home, args, wish: asked.append(wish.device) or 0  # type: ignore[assignment,func-returns-value]
        assert train.main(parser_args) == 0
    finally:
        train._run = original
    return asked[0]


@pytest.mark.parametrize(("asked", "there", "gets"), [(False, True, "cpu"), (True, True, "cuda"), (True, False, "cpu")])
def test_cuda_training_is_obeyed(
    asked: bool, there: bool, gets: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(there))
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**VALUES, "CUDA_TRAINING": asked}))
    assert wish_of(tmp_path / "home", path) == gets
    assert ("CUDA_TRAINING is true, but" in capsys.readouterr().err) == (asked and not there)
    assert wish_of(tmp_path / "home", path, "--device", "cpu") == "cpu"  # the command line goes before it


def test_what_a_recipe_wants_and_this_machine_gives_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "updates_per_second", lambda *_: 5.0)
    device.pace.cache_clear()
    said = device.pace("cpu", 8, 3, BARE.with_values(utd=6.0))
    assert said.startswith("This recipe wants 120 updates a second at 20 Hz, one core gives 5.")
    assert "24 s for each second of driving" in said
    assert device.pace("cpu", 8, 3, BARE.with_values(utd=1.0)) == ""
    device.pace.cache_clear()
