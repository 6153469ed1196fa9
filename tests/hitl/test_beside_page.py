"""docs/beside.md, followed word by word: TrackmaniaRL's files and its policy, against the stand-in for the game."""

from __future__ import annotations

import re
import shlex
import sys

import numpy as np
import pytest

from data.exchange.trackmaniarl.reading import read_demonstration
from data.records import AGENT, HUMAN
from data.store import Store
from hitl.cli import main
from hitl.home import Home
from hitl.road.track import load_track
from tests.support.demonstrations import MAP, driven_frames, write_demo, write_geometry, write_recovery
from tests.support.places import MODULES, ROOT
from tests.support.stand_in_game import StandIn, stand_in_track

pytestmark = pytest.mark.realtime
PAGE = (ROOT / "docs" / "beside.md").read_text("utf-8").partition("\n## tmrl")[0]
OURS, THEIRS = PAGE.partition("### Its policy, driven by hitl")[::2]
ROAD = """name = "short"
segments = [{straight = 50}, {radius = 20, angle = 90, corner = "bend"}, {straight = 25}]
"""
LAP = " --headless --pad scripted --skill expert --episodes 1"


def commands(text):
    """Return the commands of a part of the page, each as it stands there."""
    return re.findall(r"^    (hitl .*)$", text, re.M)


def blocks(text):
    """Return the indented blocks that are not commands."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    return [b.replace("    ", "") for b in re.findall(r"(?:^    (?!hitl ).*\n)+", text, re.M)]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folder in which the reader types: the geometry, demonstrations in ``demos``, a home, the game beside it."""
    (tmp_path / "short.toml").write_text(ROAD)
    track = load_track(tmp_path / "short.toml")
    monkeypatch.setattr("hitl.games.trackmania.game.PRESS_S", 0.02)
    monkeypatch.setattr("hitl.task.driving_task.WALKING_PACE", 30.0)  # an agent that knows nothing drives on for some seconds
    with StandIn(track, layout=33, countdown=0.1) as game:
        game.map_uid = MAP
        here = stand_in_track(track)
        write_geometry(tmp_path / "geometry.npz", here)
        (tmp_path / "demos" / "recoveries").mkdir(parents=True)
        write_demo(tmp_path / "demos" / "lap.npz", driven_frames(here))
        write_recovery(tmp_path / "demos" / "recoveries" / "one.npz", here, incident_s=2.0)
        home = Home(tmp_path / "home").create()
        (home.root / "settings.toml").write_text(f"[trackmania]\nport = {game.port}\nsession_port = {game.session_port}\n")
        monkeypatch.setenv("STAND_IN_PORT", str(game.port))
        monkeypatch.setenv("HITL_HOME", str(home.root))
        monkeypatch.syspath_prepend(str(MODULES))
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "vgamepad", raising=False)
        monkeypatch.chdir(tmp_path)
        yield tmp_path, home, game
    for name in ("vgamepad", "their_driver"):
        sys.modules.pop(name, None)


def typed(line, more=""):
    assert main(shlex.split(line + more)[1:]) == 0, line


def test_our_agent_and_its_files(place):
    folder, home, _ = place
    import_, lap, train, play, corners, export = commands(OURS)
    typed(import_)
    typed(lap, LAP)
    assert train == "hitl train --background"
    typed(play, LAP)
    typed(corners)
    typed(export)
    with Store(home.store_path, read_only=True) as store:
        assert len({s.observation_names for s in store.sessions()}) == 1, "what came in and what was driven fit together"
        laps = [e for e in store.episodes() if e.reason == "finish"]
    assert len(laps) >= 3
    assert len(list((folder / "for-trackmaniarl").glob("*.npz"))) >= 3


def test_its_policy_driven_by_hitl_and_what_goes_back(place):
    folder, home, _ = place
    settings, actions = blocks(THEIRS)
    ours = (home.root / "settings.toml").read_text()
    (home.root / "settings.toml").write_text(ours.replace("[trackmania]\n", settings))
    (folder / "their_driver.py").write_text(re.findall(r"^```python\n(.*?)^```$", THEIRS, re.M | re.S)[0])
    (folder / "actions.csv").write_text(actions)
    play, export = commands(THEIRS)
    typed(play, LAP)
    typed(export)
    with Store(home.store_path, read_only=True) as store:
        (episode,) = store.episodes()
        assert episode.reason == "finish"
        assert [s.kind for s in store.segments()].count("takeover") >= 1
        steps = store.steps(episode)
    alone = steps.driver == AGENT
    assert 0.1 < alone.mean() < 0.9
    assert np.isin(steps.proposed[:, 0], (0.0, 1.0)).all()
    assert not steps.proposed[:, 1:].any()
    (file,) = (folder / "with-their-policy").glob("*.npz")
    lap = read_demonstration(file)
    assert lap.frames[:-1, 17].min() >= 1000.0, "the engine's speed, as the game said it"
    assert set(lap.frames[:-1, 23:27].flat) <= {16.0, 2.0}, "the ground"
    assert np.allclose(lap.frames[:-1, 4:7], steps.observation[:, 4:7], atol=1e-3)
    assert (lap.driver == HUMAN).sum() == pytest.approx((steps.driver == HUMAN).sum(), abs=1)
