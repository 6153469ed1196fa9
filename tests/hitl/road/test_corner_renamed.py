"""A corner that the player renamed stays renamed in the next session."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.store import Store
from hitl import cli
from hitl.commands.corners import rename
from hitl.home import Home
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions


def test_a_renamed_corner_does_not_come_back_under_its_old_name(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with SessionSetup(home, SessionOptions(real_time=False)) as rig:
        before = rig.corners
    old = before[0]
    with Store(home.store_path) as store:
        rename(store, rig.track.name, old.name, "mine")
    with SessionSetup(home, SessionOptions(real_time=False)) as rig:
        assert {c.name for c in rig.corners} == {c.name for c in before} - {old.name} | {"mine"}


def test_the_scripted_driver_knows_corners_by_the_players_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = Home(tmp_path)
    with SessionSetup(home, SessionOptions()) as rig:
        old = rig.corners[0].name
    with Store(home.store_path) as store:
        rename(store, "default", old, "mine")
    play = ["play", "--home", str(tmp_path), "--headless", "--pad", "scripted", "--episodes", "1"]
    assert cli.main([*play, "--corners", "mine"]) == 0
    assert cli.main([*play, "--corners", old]) == 2
    assert "its corner is 'mine'" in capsys.readouterr().err
