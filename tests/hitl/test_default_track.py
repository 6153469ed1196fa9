"""In a home with several tracks, every command opens on the same one."""

import json

import numpy as np
import pytest

from data.recording.recorder import Recorder
from data.records import SessionInfo, StepRow
from data.store import Store
from hitl.commands import corners
from hitl.home import Home
from hitl.screens.stored.report import stored_report
from hitl.screens.stored.scene import stored_scene
from trainer.diagnosis.drives import from_store


@pytest.fixture
def home(tmp_path):
    """One track is driven most, the other one last."""
    for track, steps in (("default", 90), ("hairpins", 30)):
        info = SessionInfo("play", "box2d", track, 20.0, ("a",), ("gas_brake", "steer"), driver="pad")
        with Recorder(Home(tmp_path).store_path, info) as recorder:
            recorder.begin_episode()
            for m in range(steps):
                action = np.zeros(2, np.float32)
                recorder.step(StepRow(np.zeros(1, np.float32), action, action, 0, 0.1, progress=float(m), x=float(m), speed=10.0))
            recorder.end_episode("terminated", "off_road", np.zeros(1, np.float32))
    return tmp_path


def test_all_commands_open_on_the_track_driven_last(home, capsys):
    assert corners.main(["--home", str(home), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["track"]
    with Store(Home(home).store_path) as store:
        reviewed, reported, diagnosed = stored_scene(store).track, stored_report(store).scene.track, from_store(store)
    assert diagnosed is not None
    assert {listed, reviewed, reported, diagnosed.track} == {"hairpins"}
