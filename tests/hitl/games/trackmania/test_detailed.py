"""The observation that uses what the 33 numbers bring, in the game: recorded, learned from, driven alone; old homes go on."""

from __future__ import annotations

import json
import sqlite3
import sys

import numpy as np
import pytest

from data.errors import DeviceError
from data.reading.layouts import apart
from data.store import Store
from hitl.cli import main
from hitl.drivers.human import ScriptedHuman
from hitl.drivers.scripted import ScriptedDriver
from hitl.games.hang_guard import EnvironmentLost
from hitl.home import Home
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.task.details import NAMES, is_detailed
from hitl.task.driving_task import TaskSettings
from tests.support.daemon_runs import train
from tests.support.places import MODULES
from tests.support.stand_in_game import stand_in_track

pytestmark = pytest.mark.realtime
all_layouts = pytest.mark.parametrize("stand_in", [11, 20, 33], indirect=True)
with_33 = pytest.mark.parametrize("stand_in", [33], indirect=True)


@pytest.fixture
def home(tmp_path, stand_in, monkeypatch):
    home = Home(tmp_path / "home").create()
    home.line.write_text("\n".join(f"{x},{y}" for x, y in stand_in_track().line.points.tolist()))
    configure(home, stand_in)
    monkeypatch.syspath_prepend(str(MODULES))
    monkeypatch.delitem(sys.modules, "vgamepad", raising=False)
    yield home
    sys.modules.pop("vgamepad", None)


def configure(home, stand_in, more=""):
    ports = f"port = {stand_in.port}\nsession_port = {stand_in.session_port}"
    (home.root / "settings.toml").write_text(f"[trackmania]\n{ports}\nsettle_s = 0.1\n{more}\n")


def session(home, *, fresh=True, seconds=0.6, drives=1, purpose="lap"):
    """Drive for a moment as `hitl play` does, and return the names of what was seen."""
    options = SessionOptions(
        env="trackmania", real_time=True, may_be_detailed=fresh, task=TaskSettings(max_seconds=seconds)
    )
    with SessionSetup(home, options, human=lambda track: ScriptedHuman(ScriptedDriver(track), None)) as rig:
        for _ in range(drives):
            rig.session.episode(purpose)
        return rig.observation_names


@all_layouts
def test_a_new_home_sees_what_the_plugin_tells_and_stays_with_it(home, stand_in):
    first = session(home)
    assert is_detailed(first) == (stand_in.layout == 33)
    assert session(home) == session(home, fresh=False) == first


@with_33
def test_a_home_from_before_and_one_for_another_agent_see_the_road_as_they_did(home, stand_in):
    old = session(home, fresh=False)
    assert not is_detailed(old)
    assert session(home) == old, "it has drives of that layout"


@with_33
def test_the_setting_counts_and_two_layouts_are_named(home, stand_in):
    session(home, fresh=False)
    configure(home, stand_in, 'sees = "detailed"')
    assert is_detailed(session(home, fresh=False))
    with Store(home.store_path) as store:
        (said,) = apart(store.conn).values()
    assert "have 46 numbers in each observation where this run has 64, so they are left out of training" in said


@with_33
def test_a_home_that_records_frames_goes_on_recording_them(home, stand_in):
    configure(home, stand_in, 'sees = "frame"')
    names = session(home)
    assert names[0] == "frame_checkpoints"
    assert len(names) == 36
    configure(home, stand_in)
    assert session(home) == names


@with_33
def test_what_is_recorded_is_what_the_game_sent(home, stand_in):
    session(home, seconds=4.0)
    with Store(home.store_path, read_only=True) as store:
        (episode,) = store.episodes()
        steps = store.steps(episode)
    seen = {name: steps.observation[:, episode.observation_names.index(name)] for name in NAMES}
    apart = np.abs(seen["rpm"] - (0.1 + 0.02 * steps.speed))
    assert np.quantile(apart, 0.8) < 0.06, "one picture of the game may lie between, and more where the machine is busy"
    assert seen["checkpoints"].max() == pytest.approx(steps.progress.max() // 20 / 10, abs=0.1)
    assert seen["on_road"].min() == 1.0
    assert seen["slip_rear_left"].max() > 0.0


@pytest.mark.parametrize("stand_in", [20], indirect=True)
def test_a_plugin_that_tells_too_little_is_refused_before_anything_is_recorded(home, stand_in):
    configure(home, stand_in, 'sees = "detailed"')
    with pytest.raises(DeviceError, match=r'sees = "detailed" .* slips, .* and 20 come: .*, or set it to "road"'):
        session(home)
    assert not home.store_path.exists()
    configure(home, stand_in)
    session(home)
    with sqlite3.connect(home.store_path) as store:
        (names,) = store.execute("SELECT observation_names FROM sessions").fetchone()
        store.execute("UPDATE sessions SET observation_names = ?", (json.dumps([*json.loads(names), *NAMES]),))
    with pytest.raises(DeviceError, match=r"The agent of this home folder sees slips, .* drive in a home folder of its own"):
        session(home)


@with_33
def test_a_plugin_that_is_exchanged_while_driving_is_named(home, stand_in):
    options = SessionOptions(env="trackmania", real_time=True, may_be_detailed=True)
    with SessionSetup(home, options, human=lambda track: ScriptedHuman(ScriptedDriver(track), None)) as rig:
        game = rig.env.game
        rig.env.reset()
        stand_in.layout = 20
        stand_in.fault("close")
        assert game.telemetry.wait(lambda frame: not frame.numbers, 5.0) is not None
        with pytest.raises(EnvironmentLost, match="sends 20 numbers a frame now, and this session needs 33"):
            game.state()


@with_33
def test_an_agent_learns_from_it_and_drives_alone(home, stand_in, capsys):
    session(home, seconds=1.5, drives=3, purpose="drive")
    daemon = train(home.root, 20)
    assert daemon.training.learner.updates >= 20
    assert main(["eval", "--home", str(home.root), "--env", "trackmania", "--trials", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["updates"] >= 20
    assert result["trials"][0]["driven_s"] > 0.5
    with Store(home.store_path, read_only=True) as store:
        evaluated = store.episodes(purpose="evaluation")
    assert is_detailed(evaluated[0].observation_names)
