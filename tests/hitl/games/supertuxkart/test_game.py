"""SuperTuxKart's process, with a stand-in for the engine: how it is driven, and what happens when it fails."""

import json
import sys
import time

import numpy as np
import pytest

from data.errors import DeviceError, HitlError
from data.store import Store
from hitl import cli
from hitl.games import open_game
from hitl.games.base import Start
from hitl.games.driving_env import DrivingEnv
from hitl.games.hang_guard import EnvironmentLost
from hitl.games.supertuxkart import game as kart
from hitl.games.supertuxkart.data_folder import Found
from hitl.games.supertuxkart.game import SuperTuxKartGame
from hitl.home import Home
from hitl.pads.base import PadState, to_action
from hitl.road.track import load_track
from hitl.screens.stored.scene import stored_scene
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from tests.support.places import ROOT

FORTMAGMA = load_track("fortmagma")


def program(how="well"):
    return [sys.executable, str(ROOT / "tests" / "support" / "stand_in_engine.py"), how]


@pytest.fixture
def opened(tmp_path):
    games = []

    def make(how="well"):
        games.append(SuperTuxKartGame(FORTMAGMA, Home(tmp_path).create(), program(how)))
        return games[-1]

    yield make
    for game in games:
        game.close()


@pytest.fixture
def stand_in(monkeypatch):
    """Let ``--env supertuxkart`` start the stand-in."""
    start = kart.start_engine

    def use(how="well"):
        monkeypatch.setattr(kart, "start_engine", lambda track, home, _, *log: start(track, home, program(how), *log))

    return use


def actions(*pairs):
    return [np.array(pair, np.float32) for pair in pairs]


def test_a_start_is_on_the_line_at_its_height_and_moving(opened):
    game = opened()
    game.restart(Start(s=500.0, offset=1.0, turn=0.1, speed=12.0))
    state = game.state()
    place = FORTMAGMA.line.locate(state.x, state.y, 500.0)
    assert place.s == pytest.approx(500.0, abs=0.3)
    assert place.offset == pytest.approx(1.0, abs=0.1)
    assert state.z == pytest.approx(FORTMAGMA.height_at(500.0))
    assert state.speed == pytest.approx(12.0)
    assert state.heading - FORTMAGMA.line.at(500.0)[2] == pytest.approx(0.1)


def test_the_brake_is_on_or_off_and_the_action_that_counts_says_so(opened):
    game = opened()
    game.restart(Start(speed=10.0))
    gas, light, firm, full = actions((0.4, 0.2), (-0.1, 0.2), (-0.5, 0.2), (-1.0, 0.2))
    assert game.send(gas) is None
    assert game.send(full) is None
    assert game.send(light).tolist() == pytest.approx([0.0, 0.2])
    assert game.send(firm).tolist() == pytest.approx([-1.0, 0.2])
    game.advance(0.05)
    assert game.state().brake == 1.0
    assert game.state().speed == pytest.approx(10.0 - 12.0 * 0.05)


def test_the_agent_may_drift_use_nitro_and_fire_where_it_is_allowed(tmp_path, stand_in, monkeypatch):
    stand_in()
    asked = []
    monkeypatch.setattr(kart.EngineProcess, "ask", lambda self, *request, ask=kart.EngineProcess.ask: (
        asked.append(request), ask(self, *request)))  # fmt: skip
    (tmp_path / "settings.toml").write_text("[supertuxkart]\nmore_actions = true\n")
    world = open_game.open_world(SessionOptions(env="supertuxkart", track="fortmagma"), Home(tmp_path))
    try:
        assert world.action_names == ("gas_brake", "steer", "drift", "nitro", "fire")
        world.env.reset(seed=0)
        world.env.step(np.array([0.5, 0.1, 0.2, -0.2, 0.9], np.float32))
        assert asked[-1][5:] == (True, False, True)
        person = to_action(PadState(gas=1.0, steer=0.5), world.controls)
        assert person.tolist() == [1.0, 0.5, -0.5, -0.5, -0.5], "a person's pad has none of them"
        world.env.step(person)
        assert asked[-1][5:] == (False, False, False)
    finally:
        world.close()


def test_a_step_is_driven_with_the_action_before_it(opened):
    game = opened()
    game.restart(Start())
    full, none = actions((1.0, 0.0), (0.0, 0.0))
    game.send(full)
    game.advance(0.05)
    game.send(none)  # while the step may still be under way
    state = game.state()
    assert (state.gas, state.speed) == (1.0, pytest.approx(0.3))
    assert state.time == pytest.approx(0.05)


def test_it_goes_back_to_a_moment_of_this_run_or_of_one_before(opened):
    game = opened()
    env = DrivingEnv(FORTMAGMA, game=game)
    env.reset(seed=1)
    wild = np.random.default_rng(0).uniform(-1.0, 1.0, (60, 2)).astype(np.float32)

    def driven(some):
        return [(step[0].tobytes(), step[1], step[4]["state"]) for step in map(env.step, some)]

    driven(wild[:30])
    saved = env.save()
    on = driven(wild[30:])
    env.reset(seed=2)
    driven(wild[:10])
    for _ in range(2):
        env.restore(saved)
        assert driven(wild[30:]) == on
    env.restore(saved)
    assert game.state().time == pytest.approx(31 / 20), "the step that was about to act has acted"


def test_a_new_episode_changes_nothing_that_was_told_before(opened):
    game = opened()
    game.restart(Start())
    (full,) = actions((-0.7, 0.2))
    told = game.send(full)
    game.advance(0.05)
    saved = game.save()
    game.restart(Start())
    assert told.tolist() == saved.now.tolist() == pytest.approx([-1.0, 0.2])


def test_controls_are_let_go(opened):
    game = opened()
    game.restart(Start(speed=5.0))
    game.send(actions((1.0, 0.5))[0])
    game.release()
    game.advance(0.05)
    assert (game.state().gas, game.state().steer) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("crash:5", "crashed (signal 11)" if sys.platform != "win32" else "exit status"),
        ("exit:5", "ended by itself (exit status 1)"),
        ("garbage:5", "no JSON"),
        ("hang:5", "hangs: a step took longer than 0.5 s"),
    ],
)
def test_an_engine_that_fails_is_a_lost_environment_and_the_next_episode_has_another(opened, monkeypatch, how, said):
    monkeypatch.setattr(kart, "STEP_S", 0.5)
    env = DrivingEnv(FORTMAGMA, game=opened(how))
    env.reset(seed=0)
    gas = actions((1.0, 0.0))[0]
    for _ in range(4):  # the fifth step is under way before the fifth call
        env.step(gas)
    with pytest.raises(EnvironmentLost, match="next one starts it anew") as lost:
        env.step(gas)
    assert said in str(lost.value)
    with pytest.raises(EnvironmentLost):  # and it stays lost until then
        env.step(gas)
    env.reset(seed=1)
    for _ in range(10):
        *_, info = env.step(gas)
    assert info["state"].speed > 2.0


def test_an_engine_that_does_not_load_is_said_before_anything_is_recorded(tmp_path, stand_in):
    stand_in("fatal")
    why = r"ended by itself \(exit status 1\) before the track was loaded: \[FileManager\]: Not all assets found; .*kart\.log"
    with pytest.raises(EnvironmentLost, match=why) as lost:
        SessionSetup(Home(tmp_path), SessionOptions("supertuxkart"))
    assert "next one" not in str(lost.value)
    assert (tmp_path / "supertuxkart.log").read_text().startswith("the stand-in prints this\n")
    assert not (tmp_path / "store.sqlite").exists()


def test_a_home_that_cannot_be_written_is_named(tmp_path, stand_in):
    stand_in()
    home = Home(tmp_path / "mine").create()
    (home.root / "supertuxkart.log").mkdir()
    with pytest.raises(EnvironmentLost, match=r"files cannot be written in the home folder 'mine' \("):
        SessionSetup(home, SessionOptions("supertuxkart"))


def test_a_track_is_looked_for_before_anything_is_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("takeover_ui.window.window.display_available", lambda: True)
    assert cli.main(["play", "--env", "stk:minigolff", "--home", str(tmp_path / "new")]) == 6
    assert "Did you mean" in capsys.readouterr().err


def test_a_session_goes_on_after_a_crash(tmp_path, stand_in):
    stand_in("crash:40")
    from hitl.drivers.human import ScriptedHuman
    from hitl.drivers.scripted import ScriptedDriver

    told = []
    with SessionSetup(
        Home(tmp_path),
        SessionOptions("stk:fortmagma"),
        human=lambda track: ScriptedHuman(ScriptedDriver(track), None),
        tell=lambda level, text: told.append(text),
    ) as rig:
        assert (rig.track.name, rig.options.env) == ("fortmagma", "supertuxkart")
        lost, driven = (rig.session.episode("lap", seed=k, until_m=60.0) for k in range(2))
    assert lost.reason == "env_lost"
    assert driven.progress >= 60.0
    assert any("crashed" in text for text in told)
    with Store(tmp_path / "store.sqlite") as store:
        assert [e.reason for e in store.episodes("fortmagma", closed=False)] == ["env_lost", driven.reason]
        scene = stored_scene(store)  # what review, corners, report and the pages show
    assert (scene.track, scene.length, scene.corners) == ("fortmagma", FORTMAGMA.line.length, FORTMAGMA.corners)


def test_a_player_who_wants_to_leave_does_not_wait_for_a_hung_engine(opened, monkeypatch):
    monkeypatch.setattr("hitl.games.supertuxkart.engine_process.HEED_S", 0.2)
    game = opened("hang:1")
    game.heed(lambda: True)
    game.restart(Start())
    game.advance(0.05)
    began = time.monotonic()
    with pytest.raises(EnvironmentLost, match="You wanted to leave"):
        game.state()
    assert time.monotonic() - began < 3.0


def test_the_players_own_game_is_left_alone(opened, tmp_path):
    opened()
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["words"] == ["fortmagma", "tux"]
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "SUPERTUXKART_SAVEDIR", "APPDATA"):
        assert told["env"][name].startswith(str(tmp_path / "supertuxkart")), name


def test_closing_ends_the_process(opened):
    game = opened()
    process = game._child._process
    game.close()
    assert process.poll() == 0


def test_a_track_that_the_game_does_not_have_is_refused(tmp_path):
    with pytest.raises(DeviceError, match=r"no track 'fortmagna'.*fortmagma") as refused:
        open_game.open_world(SessionOptions("stk:fortmagna"), Home(tmp_path))
    assert "Did you mean" in str(refused.value)


def test_the_embedded_game_does_not_drive_its_tracks(tmp_path):
    with pytest.raises(DeviceError, match="add --env supertuxkart"):
        open_game.open_world(SessionOptions(track="fortmagma"), Home(tmp_path))


def test_what_is_missing_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(kart, "engine_version", lambda: None)
    with pytest.raises(DeviceError, match=r"engine is not installed: .*supertuxkart"):
        open_game.open_world(SessionOptions("supertuxkart"), Home(tmp_path))
    monkeypatch.setattr(kart, "engine_version", lambda: "0.7.4")
    monkeypatch.setattr(kart, "find", lambda home: None)
    with pytest.raises(DeviceError, match="`hitl supertuxkart` says how"):
        open_game.open_world(SessionOptions("supertuxkart"), Home(tmp_path))


def test_a_track_that_these_data_lack_is_said_with_those_that_they_have(tmp_path, monkeypatch, capsys):
    (tmp_path / "game/data/tracks/fortmagma").mkdir(parents=True)
    monkeypatch.setattr(kart, "engine_version", lambda: "0.7.4")
    monkeypatch.setattr(kart, "find", lambda home: Found(tmp_path / "game", "the installed game"))
    assert cli.main(["stall", "--env", "stk:xr591", "--home", str(tmp_path / "home")]) == 6
    said = capsys.readouterr().err
    assert "track 'xr591' is not in the installed game: of these tracks it has fortmagma." in said


def test_a_demo_of_a_game_that_is_not_there_leaves_nothing_behind(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(kart, "engine_version", lambda: None)
    for track in ((), ("--track", "xr591")):
        assert cli.main(["demo", "--headless", "--env", "supertuxkart", *track, "--home", str(tmp_path / "home")]) == 6
        assert "engine is not installed" in capsys.readouterr().err
    assert not (tmp_path / "home").exists()


def test_stall_and_demo_train_their_agent_in_the_game(tmp_path, monkeypatch, capsys):
    driven = []

    class StopError(HitlError):
        pass

    def lockstep(home, options, config, **_):
        driven.append((options.env, options.track))
        raise StopError("enough")

    monkeypatch.setattr("hitl.demo.stall.Lockstep", lockstep)
    monkeypatch.setattr(kart, "drivable_here", lambda home, track: None)
    for words in (["stall"], ["demo", "--headless"]):
        cli.main([*words, "--env", "stk:lighthouse", "--home", str(tmp_path / words[0])])
        cli.main([*words, "--env", "supertuxkart", "--track", "xr591", "--home", str(tmp_path / words[0])])
    assert driven == [("supertuxkart", "lighthouse"), ("supertuxkart", "xr591")] * 2
    capsys.readouterr()
    assert cli.main(["demo", "--headless", "--env", "tmrl", "--home", str(tmp_path / "none")]) == 2
    assert "The demo drives box2d or supertuxkart" in capsys.readouterr().err
