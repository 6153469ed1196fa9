"""What the commands say in a game without a road: nothing of roads, and nothing that is then refused."""

from argparse import Namespace
from dataclasses import replace
from types import SimpleNamespace

import pytest

from data.recording.recorder import Recorder
from hitl import TQC, SymmetricReplay, presets
from hitl.cli import main
from hitl.games.hang_guard import EnvironmentLost
from hitl.home import Home
from hitl.protocols import EpisodeResult
from hitl.screens.beforehand import layouts_apart
from hitl.session.environment import Environment
from hitl.session.playing.play_loop import PlayLoop
from hitl.session_options import SessionOptions
from takeover_ui.language import LANGUAGES
from tests.support.recorded import drive_without_road, session_info

PLAY = ["play", "--env", "gym:Pendulum-v1"]


def recorded(home, env="gym:Pendulum-v1", **more):
    with Recorder(home.create().store_path, replace(session_info(env=env, track=env.partition(":")[2]), **more)) as recorder:
        drive_without_road(recorder)


@pytest.mark.parametrize(("env", "alone"), [("gym:Pendulum-v1", "none"), ("box2d", "scripted")])
def test_without_a_display_a_driver_is_named_that_the_game_takes(tmp_path, monkeypatch, capsys, env, alone):
    monkeypatch.setattr("takeover_ui.window.window.display_available", lambda: False)
    assert main(["play", "--env", env, "--home", str(tmp_path)]) == 6
    assert f"--pad {alone} if you cannot drive" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--practice", "--only-corner"])
def test_a_corner_is_asked_for(tmp_path, capsys, option):
    assert main([*PLAY, option, "hairpin", "--headless", "--pad", "none", "--home", str(tmp_path)]) == 2
    assert "'Pendulum-v1' has no road, and so no corner 'hairpin'." in capsys.readouterr().err


def test_a_track_is_named(tmp_path, capsys):
    words = ["--track", "hairpin", "--headless", "--pad", "none", "--episodes", "1", "--home", str(tmp_path)]
    assert main([*PLAY, *words]) == 0
    assert "'Pendulum-v1' has no road, so --track is ignored." in capsys.readouterr().out


def test_no_one_is_called_where_a_game_cannot_go_back(tmp_path, capsys):
    assert main([*PLAY, "--call-me", "--headless", "--pad", "keyboard", "--home", str(tmp_path / "home")]) == 2
    assert "--call-me goes back to a moment before the agent failed, and 'gym:Pendulum-v1' cannot" in capsys.readouterr().err
    assert not (tmp_path / "home" / "store.sqlite").exists()


def test_where_one_stands_and_the_corners(tmp_path, capsys):
    recorded(Home(tmp_path))
    assert main(["--home", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "to judge" in said
    assert "to review" not in said
    assert main(["corners", "--home", str(tmp_path)]) == 0
    assert "No corners of ‘Pendulum-v1’ are known." in capsys.readouterr().out
    assert main(["review", "--home", str(tmp_path)]) == 4
    assert "neither in a review, nor in a film" in capsys.readouterr().err


def test_a_checkpoint_of_another_game_names_that_game(tmp_path, capsys):
    alone = ["--headless", "--pad", "none", "--episodes", "1", "--home", str(tmp_path)]
    assert main([*PLAY, *alone]) == 0
    with SymmetricReplay(tmp_path, presets["plain"].with_values(hidden=8)) as replay:
        replay.save(TQC(3, 1, replay.config))
    assert main(["play", "--env", "gym:MountainCarContinuous-v0", *alone]) == 0
    capsys.readouterr()
    assert main(["eval", "--home", str(tmp_path), "--trials", "1"]) == 5
    said = capsys.readouterr().err
    assert "It fits what was driven here with --env gym:Pendulum-v1." in said
    assert "As last time here: gym:MountainCarContinuous-v0. `--env`" in said


@pytest.mark.parametrize("language", ["en", "de", "pl"])
def test_a_window_is_told_of_another_game_once_and_in_the_players_language(tmp_path, language):
    words, lander = LANGUAGES[language], "gym:LunarLander-v3"
    recorded(Home(tmp_path), lander, observation_names=tuple(f"observation_{k}" for k in range(4)))
    rig = SimpleNamespace(home=Home(tmp_path), options=SessionOptions(lander), observation_names=("a", "b"), action_names=("c",))
    left_out, short, unfit = layouts_apart(rig, words)
    assert len(left_out) == 1
    assert "where this session has 2" in left_out[0], "there is no run yet"
    assert (short, unfit) == (words.say("left_out", games=lander), False)
    with SymmetricReplay(tmp_path, presets["plain"].with_values(hidden=8)) as replay:
        replay.save(TQC(4, 2, replay.config))
    left_out, short, unfit = layouts_apart(rig, words)
    assert "where this run has 4" in left_out[-1]
    assert (short, unfit) == (words["another_run"].replace("DIR`", f"DIR --env {lander}`"), True)
    assert f"`hitl play --home DIR --env {lander}`" in short
    assert f"`hitl play --home DIR --env {lander}`" in left_out[-1]


def test_the_list_of_takeovers_fits_a_narrow_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for env in ("gym:LunarLanderContinuous-v3", "gym:Pendulum-v1"):
        recorded(Home(tmp_path), env)
    assert main(["segments", "--home", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    head = next(line for line in lines if "track" in line)
    assert "outcome" in head
    assert "verdict" in head
    assert "corner" not in head
    assert any("Pendulum-v1" in line for line in lines)
    assert lines.index(next(line for line in lines if line.startswith("Not shown"))) - lines.index(head) <= 6, "one line each"


def test_what_the_environment_failed_with_is_kept_for_the_terminal():
    told = []
    recorder = SimpleNamespace(event=lambda *what, **more: None)
    task = SimpleNamespace(settings=SimpleNamespace(hz=20.0))
    world = SimpleNamespace(env=None, clock=None, observation_names=("a",), action_names=("b",), task=task)
    environment = Environment(world, recorder, lambda level, text: told.append(text))
    for _ in range(2):
        environment.note_lost(EnvironmentLost("The environment failed (RuntimeError: oil)."))
    assert environment.losses == {"The environment failed (RuntimeError: oil).": 2}
    assert len(told) == 2


@pytest.mark.parametrize(
    ("driven", "told"),
    [
        ([("env_lost", 5, 5.0)] * 3 + [("stopped", 0, 0.0)], "0 episodes, 15 steps; 0 takeovers"),
        ([("over", 30, 2.0), ("time_limit", 30, 4.0), ("stopped", 0, 0.0)], "2 episodes, 60 steps, return 3.0 on average; 0 ta"),
        ([("rewound", 9, 1.0), ("restart", 0, 0.0), ("stopped", 3, 0.5)], "2 episodes, 12 steps, return 0.5 on average; 0 ta"),
        ([], "0 episodes, 0 steps; 0 takeovers"),
    ],
)
def test_the_mean_return_is_that_of_the_episodes_that_count(driven, told):
    session = SimpleNamespace(environment=SimpleNamespace(soon=200), stop=lambda: False, leaving=False)
    session.segments = SimpleNamespace(empty=0)
    world, task = SimpleNamespace(has_line=False), SimpleNamespace(settings=SimpleNamespace(hz=20.0))
    rig = SimpleNamespace(session=session, world=world, task=task)
    loop = PlayLoop(rig, Namespace(call_me=False, practice=""), None, print, None)
    for reason, steps, total in driven:
        loop._take(EpisodeResult("drive", reason, steps, total=total))
    assert loop._told().startswith(told)
