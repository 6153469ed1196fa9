"""A corner that the player renamed stays renamed in the next session."""

from __future__ import annotations

from pathlib import Path

from data.store import Store
from hitl.commands.corners import rename
from hitl.home import Home
from hitl.rig import Rig, RigOptions


def test_a_renamed_corner_does_not_come_back_under_its_old_name(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with Rig(home, RigOptions(real_time=False)) as rig:
        before = rig.corners
    old = before[0]
    with Store.open(home.store_path) as store:
        rename(store, rig.track.name, old.name, "mine")
    with Rig(home, RigOptions(real_time=False)) as rig:
        assert {c.name for c in rig.corners} == {c.name for c in before} - {old.name} | {"mine"}
