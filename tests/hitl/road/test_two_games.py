"""Two games on one track: what is said of the drives in one of them counts none of the other's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.recording.recorder import Recorder
from data.records import StepRow
from data.store import Store
from hitl.cli import main
from hitl.coach import past
from hitl.home import Home
from hitl.screens.lap_times import best_laps
from hitl.screens.stored.report import stored_report
from hitl.screens.training.lap_line import lap_line
from hitl.screens.without_help import recorded_past
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions

STEPS = {"sled": 60, "box2d": 100}
"""Of a drive, by game: at 20 Hz, laps of 3 s and of 5 s."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Three laps in a game of somebody's own that all pass, then two drives in ours that fail at the hairpin, and a lap."""
    with SessionSetup(Home(tmp_path), SessionOptions()) as rig:
        info = rig.recorder.info
    seen, rest = np.zeros(len(info.observation_names), np.float32), np.zeros(2, np.float32)
    for game, ends in (("sled", [260.0] * 3), ("box2d", [200.0, 200.0, 260.0])):
        with Recorder(tmp_path / "store.sqlite", replace(info, env=game)) as recorder:
            for end in ends:
                recorder.begin_episode("drive")
                for metre in np.linspace(0.0, end, STEPS[game]):
                    recorder.step(StepRow(seen, rest, rest, 0, 1.0, progress=float(metre), speed=20.0, x=float(metre), y=0.0))
                recorder.end_episode("terminated", "finish" if end > 250 else "off_road", seen)
    return tmp_path


def test_the_screens_and_the_coach_know_one_game_alone(home: Path) -> None:
    with Store(home / "store.sqlite") as store:
        assert store.games("default") == ["box2d", "sled"]
        corners = store.corners("default")
        assert past.attempts(store, "default", corners, "box2d") == {"hairpin": [False, False, True]}
        assert past.attempts(store, "default", corners, "sled") == {"hairpin": [True] * 3}
        best = {game: best_laps(store, "default", corners, game)["agent"].seconds for game in STEPS}
        assert best == {"sled": 3.0, "box2d": 5.0}
        assert len(recorded_past(store, "default", corners, "box2d").tries) == 3
        assert lap_line(store).startswith("best 5.000 s, median 5.000 s")
        (row,) = stored_report(store).corners
        assert (row.name, row.passed, row.attempts) == ("hairpin", 1, 3)
        (row,) = stored_report(store, session=2).corners
        assert (row.passed, row.attempts) == (3, 3)


def test_trackmania_is_one_game_by_whatever_program_it_is_driven(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store(home / "store.sqlite") as store:
        store.conn.execute("UPDATE sessions SET env = iif(env = 'sled', 'trackmania', 'tmrl')")
        assert store.games("default") == ["tmrl"]
        assert len(store.episodes("default", env="trackmania")) == len(store.episodes("default", env="tmrl")) == 6
    for game in ("trackmania", "tmrl"):
        assert main(["corners", "--env", game, "--home", str(home)]) == 0
        said = capsys.readouterr().out
        assert "4/6" in said
        assert "another game" not in said


def test_the_lists_show_one_game_at_a_time(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: str) -> str:
        assert main([*words, "--home", str(home)]) == 0
        return capsys.readouterr().out

    rows = [row for row in json.loads(run("tracks", "--json")) if row["track"] == "default"]
    assert [(row["game"], row["drives"], row["agent_best_s"]) for row in rows] == [("box2d", 3, 5.0), ("sled", 3, 3.0)]
    assert "default in sled" in run("tracks")
    said = " ".join(run("corners").split())
    assert "1/3" in said
    typed = said.split("For those in another game, add ")[1].rstrip(".")
    assert typed == "--env sled"
    assert "3/3" in run("corners", *typed.split())
    assert main(["corners", "--env", "trackmania", "--home", str(home)]) == 2
    assert "was not driven in 'trackmania' here, but in box2d and sled" in capsys.readouterr().err
