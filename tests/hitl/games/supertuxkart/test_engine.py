"""The real SuperTuxKart, where its engine and data are installed (`.ci/install-supertuxkart`): a few seconds of driving."""

import os
import signal
import sys

import numpy as np
import pytest

from hitl.drivers.person import driver_of_skill
from hitl.drivers.scripted import ScriptedDriver
from hitl.games.base import Start
from hitl.games.driving_env import DrivingEnv
from hitl.games.hang_guard import EnvironmentLost
from hitl.games.supertuxkart import game as kart
from hitl.games.supertuxkart.data_folder import engine_version, find
from hitl.games.supertuxkart.game import ENGINE, SuperTuxKartGame
from hitl.home import Home
from hitl.processes import script
from hitl.road.track import load_track

TRACK = load_track("fortmagma")
pytestmark = [
    pytest.mark.skipif(engine_version() is None, reason="SuperTuxKart's engine is not installed: .ci/install-supertuxkart"),
    pytest.mark.skipif(find(Home(kart.ENGINE.parent)) is None, reason="SuperTuxKart's data are not here: `hitl supertuxkart`"),
]


@pytest.fixture(scope="module")
def game(tmp_path_factory):
    game = SuperTuxKartGame(TRACK, Home(tmp_path_factory.mktemp("home")).create())
    yield game
    game.close()


def drive(game, steps, start=None):
    """Drive with the scripted driver; return the states (steps, 7) and why the drive ended."""
    env, driver = DrivingEnv(TRACK, game=game), ScriptedDriver(TRACK)
    _, info = env.reset(seed=3, options={"start": start} if start else None)
    seen = []
    for _ in range(steps):
        _, _, ended, _, info = env.step(driver.act(info["state"], info["place"]))
        state = info["state"]
        seen.append((state.x, state.y, state.z, state.heading, state.vx, state.vy, state.yaw_rate))
        if ended:
            break
    return np.array(seen), info


def test_a_lap_is_driven_to_its_finish(game):
    seen, info = drive(game, 2000)
    assert info["reason"] == "finish"
    assert 50 < len(seen) / 20 < 80, "s, as a careful person needs"
    turned, moved = np.diff(seen[:, 3]), np.unwrap(np.arctan2(seen[20:, 5], seen[20:, 4]))
    assert np.abs(turned).max() < 0.5, "headings are unwrapped"
    assert np.median(np.abs(moved - moved[0] - (seen[20:, 3] - seen[20, 3]))) < 0.1, "the nose points where the kart goes"
    assert np.corrcoef(turned, seen[1:, 6])[0, 1] > 0.9, "and the yaw rate is how fast it turns"


def test_the_same_start_and_actions_give_the_same_drive_in_a_new_process_too(game, tmp_path):
    first, again = (drive(game, 200, Start(s=950.0, speed=15.0))[0] for _ in range(2))
    other = SuperTuxKartGame(TRACK, Home(tmp_path).create())
    try:
        third, _ = drive(other, 200, Start(s=950.0, speed=15.0))
    finally:
        other.close()
    assert np.array_equal(first, again)
    assert np.array_equal(first, third)


def test_drift_and_zippers_make_a_difference_and_repeat_exactly(tmp_path):
    home = Home(tmp_path).create()
    rng = np.random.default_rng(2)
    actions = np.repeat(rng.uniform(-1.0, 1.0, (20, 5)), 6, axis=0).astype(np.float32)
    actions[:, 0], actions[:, 1] = 1.0, 0.4 * np.sin(np.arange(120) / 10)
    plain = actions.copy()
    plain[:, 2:] = -1.0
    game = SuperTuxKartGame(TRACK, home, more=True)
    try:
        ends = []
        for driven in (actions, actions, plain):
            env = DrivingEnv(TRACK, game=game)
            env.reset(seed=1)
            ends.append([env.step(action)[4]["state"] for action in driven][-1])
    finally:
        game.close()
    assert ends[0] == ends[1] != ends[2]


def test_it_goes_back_to_a_moment_exactly_even_when_the_engine_has_crashed_since(game):
    actions = np.random.default_rng(1).uniform(-1.0, 1.0, (120, 2)).astype(np.float32)
    actions[:, 0] = np.abs(actions[:, 0])
    env = DrivingEnv(TRACK, game=game)
    env.reset(seed=3, options={"start": Start(s=900.0, speed=12.0)})

    def driven(some):
        return [env.step(action)[0].tobytes() for action in some]

    driven(actions[:60])
    saved = env.save()
    on = driven(actions[60:])
    env.restore(saved)
    assert driven(actions[60:]) == on
    game._child._process.kill()
    with pytest.raises(EnvironmentLost):
        driven(actions[:2])
    env.restore(saved)
    assert driven(actions[60:]) == on


@pytest.mark.parametrize(("s", "speed"), [(5.0, 0.0), (600.0, 10.0), (1000.0, 18.0)])
def test_a_start_is_where_it_was_asked_for_and_about_as_fast(game, s, speed):
    game.restart(Start(s=s, offset=0.5, turn=0.1, speed=speed))
    state = game.state()
    place = TRACK.line.locate(state.x, state.y, s)
    assert place.s == pytest.approx(s, abs=1.5)
    assert place.offset == pytest.approx(0.5, abs=0.3)
    assert state.heading - place.heading == pytest.approx(0.1, abs=0.1)
    assert state.speed == pytest.approx(speed, abs=1.0)
    assert state.z == pytest.approx(TRACK.height_at(s), abs=1.5)


def test_steering_right_turns_right_and_the_brake_brakes(game):
    game.restart(Start(s=20.0, speed=12.0))
    before = game.state()
    for _ in range(10):
        game.send(np.array([-1.0, 1.0], np.float32))
        game.advance(0.05)
        game.state()
    assert game.state().heading < before.heading - 0.05
    assert game.state().speed < before.speed - 2.0


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals there")
def test_a_crash_of_the_engine_is_survived(game):
    drive(game, 5)
    os.kill(game._child._process.pid, signal.SIGSEGV)
    with pytest.raises(EnvironmentLost, match=r"crashed \(signal 11\)"):
        drive_on(game)
    seen, _ = drive(game, 5)
    assert len(seen) == 5


def drive_on(game):
    for _ in range(5):
        game.advance(0.05)
        game.state()


def test_nothing_is_written_outside_the_home(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("XDG_")]:
        monkeypatch.delenv(name)
    data = find(Home(tmp_path))
    monkeypatch.setenv("SUPERTUXKART_DATADIR", str(data.root))
    monkeypatch.setenv("HOME", str(tmp_path / "player"))
    (tmp_path / "player").mkdir()
    SuperTuxKartGame(TRACK, Home(tmp_path / "home").create()).close()
    assert list((tmp_path / "player").iterdir()) == []
    assert (tmp_path / "home" / "supertuxkart" / "config").is_dir()


def test_a_fatal_exit_of_the_engine_is_said(tmp_path):
    home = Home(tmp_path).create()
    with pytest.raises(EnvironmentLost, match=r"SuperTuxKart (crashed|ended by itself).*supertuxkart.log"):
        SuperTuxKartGame(TRACK, home, program=script(ENGINE))  # with the home for its data: there are none in it
    assert (tmp_path / "supertuxkart.log").stat().st_size > 0


@pytest.mark.parametrize("skill", ["good", "clumsy", "keyboard"])
def test_a_person_gets_through_the_hairpins_over_the_lava(game, skill):
    """A person who knew a kart as little as their own car's driver left the road within the first corners."""
    env, person = DrivingEnv(TRACK, game=game), driver_of_skill(TRACK, skill, seed=1)
    _, info = env.reset(seed=3, options={"start": Start(s=880.0, speed=12.0)})
    for _ in range(600):
        person.see(info["state"], info["place"])
        _, _, ended, _, info = env.step(person.act(info["state"], info["place"]))
        if ended:
            break
    assert info["reason"] == "finish"
