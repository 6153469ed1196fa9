"""From the first laps to an agent that drives, by the commands that a player types."""

from pathlib import Path

import pytest

from data.store import Store
from hitl.cli import main

pytestmark = pytest.mark.realtime


def test_laps_then_training_then_a_drive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(tmp_path)]
    assert main(["play", "--lap", "--pad", "scripted", "--skill", "good", "--headless", "--episodes", "2", *home]) == 0
    one_drive = ["play", "--pad", "none", "--headless", "--episodes", "1", *home]
    capsys.readouterr()
    assert main(one_drive) == 0
    assert f"drives at random. `hitl train --home {tmp_path}` learns from the 2 laps in this home" in capsys.readouterr().out
    small = [word for value in ("hidden=32", "batch_size=64", "lap_utd=2") for word in ("--set", value)]
    assert main(["train", "--background", *home, *small]) == 0
    try:
        assert main(one_drive) == 0
        said = capsys.readouterr().out
        assert "The trainer is learning from the 2 laps in this home folder: " in said
    finally:
        assert main(["train", "stop", *home]) == 0
    capsys.readouterr()
    assert main(one_drive) == 0
    assert "laps in this home folder" not in capsys.readouterr().out, "it has learned from them"
    with Store(tmp_path / "store.sqlite") as store:
        random, taught, *_ = store.episodes(purpose="drive")
        first = min(store.checkpoints(), key=lambda c: c.id)
        told = [message for _, _, kind, message in store.events() if kind == "laps"]
    assert (random.checkpoint_id, taught.checkpoint_id) == (None, first.id)
    assert first.updates > 1_000, "no checkpoint of random weights"
    assert len(told) == 1
