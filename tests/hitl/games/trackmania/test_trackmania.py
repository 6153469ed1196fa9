import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from data.errors import DeviceError, UsageError
from hitl import cli
from hitl.drivers.human import HumanDriver, ScriptedHuman
from hitl.drivers.scripted import HelpRule, ScriptedDriver, TakeoverRule
from hitl.games.base import Start
from hitl.games.hang_guard import EnvironmentLost
from hitl.games.trackmania.game import open_trackmania
from hitl.games.trackmania.virtual_pad import VirtualPad
from hitl.home import Home
from hitl.pads.base import PadState
from hitl.road.line import ReferenceLine
from hitl.road.track import Track, lay_segments, load_track
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.task.driving_task import TaskSettings
from tests.hitl.games.gym.test_gym_env import Fixed
from tests.support.places import MODULES
from tests.support.stand_in_game import StandIn, stand_in_track

pytestmark = pytest.mark.realtime
SETTLE_S = 0.1  # the stand-in counts down for less
with_20 = pytest.mark.parametrize("stand_in", [20], indirect=True)  # where the telemetry's layout makes no difference


def write_line(home, track):
    home.create()
    home.line.write_text("\n".join(f"{x},{y}" for x, y in track.line.points.tolist()))


@pytest.fixture
def home(tmp_path, stand_in, monkeypatch):
    home = Home(tmp_path / "home")
    write_line(home, stand_in_track())
    (home.root / "settings.toml").write_text(f"[trackmania]\nport = {stand_in.port}\nsettle_s = {SETTLE_S}\n")
    monkeypatch.syspath_prepend(str(MODULES))
    monkeypatch.delitem(sys.modules, "vgamepad", raising=False)
    yield home
    sys.modules.pop("vgamepad", None)


@pytest.fixture
def game(stand_in, vgamepad):
    game = open_trackmania(stand_in_track(), host="127.0.0.1", port=stand_in.port, layout=0, hz=20.0, settle_s=SETTLE_S)
    game.pad = VirtualPad(module=vgamepad)
    yield game
    game.close()


def rows(home, sql):
    with sqlite3.connect(home.store_path) as db:
        return db.execute(sql).fetchall()


def scripted(track, rule=None):
    return ScriptedHuman(ScriptedDriver(track), rule)


def restarted_a_second_ago(game):
    """Restart, and pass over the second in which the game may still obey what was sent before."""
    game.restart(Start())
    game._began -= 1.0


def options(**more):
    return SessionOptions(env="trackmania", real_time=True, **more)


class TestGame:
    def test_restart_puts_the_car_at_its_start_at_rest(self, stand_in, game):
        game.restart(Start())
        state = game.state()
        place = game.track.line.locate_anywhere(state.x, state.y)
        assert stand_in.restarts == 1
        assert place.s < 1.0
        assert state.speed < 0.5
        assert state.heading == pytest.approx(place.heading, abs=0.1)

    def test_the_car_drives_where_it_is_told(self, stand_in, game):
        game.restart(Start())
        for _ in range(30):
            game.send(np.array([1.0, 0.0, 0.0], np.float32))
            time.sleep(0.05)
            state = game.state()
        true = stand_in.game.state()
        assert state.speed == pytest.approx(true.speed, rel=0.1)
        assert state.speed > 8.0
        assert (state.x - 100.0, state.y - 50.0) == pytest.approx((true.x, true.y), abs=0.6)
        assert state.heading == pytest.approx(true.heading, abs=0.05)

    def test_silence_is_an_error_within_three_ticks(self, stand_in, game):
        game.restart(Start())
        stand_in.fault("silent", 60.0)
        three_ticks = 3 / 20.0

        def look():
            while True:
                asked = time.perf_counter()
                game.state()
                assert asked - game.telemetry.newest().received <= three_ticks, "such an old state is none to drive by"
                time.sleep(0.005)

        with pytest.raises(EnvironmentLost, match="silent"):
            look()
        assert time.perf_counter() - game.telemetry.newest().received > three_ticks

    def test_a_moment_at_the_origin_is_not_believed(self, stand_in, game):
        game.restart(Start())
        before = game.state()
        stand_in.fault("nowhere", 0.3)
        time.sleep(0.1)
        after = game.state()
        assert abs(after.x - before.x) < 1.0
        time.sleep(0.3)
        assert abs(game.state().x - before.x) < 1.0

    def test_staying_at_the_origin_is_an_error(self, stand_in, game):
        game.restart(Start())
        stand_in.fault("nowhere", 2.0)

        def look():
            for _ in range(40):
                time.sleep(0.05)
                game.state()

        with pytest.raises(EnvironmentLost, match="nowhere"):
            look()

    @with_20
    def test_a_car_that_drives_on_the_spot_is_an_error(self, stand_in, game):
        game.restart(Start())
        for _ in range(12):
            game.send(np.array([1.0, 0.0, 0.0], np.float32))
            time.sleep(0.05)
            game.state()
        stand_in.fault("frozen", 60.0)

        began = time.perf_counter()

        def look():
            while True:
                time.sleep(0.05)
                asked = time.perf_counter()
                game.state()
                assert asked - began < 1.5

        with pytest.raises(EnvironmentLost, match="does not move"):
            look()
        assert time.perf_counter() - began > 0.4

    @with_20
    def test_few_pictures_a_second_are_told_once(self, stand_in, game, monkeypatch):
        monkeypatch.setattr(game.telemetry, "rate", lambda over_s: 24.0)
        game._settle_s = 0.3  # pictures are counted for so long at least
        game.restart(Start())
        game.restart(Start())
        assert [text[:39] for text in game.notices] == ["TrackMania draws only 24 pictures a sec"]

    @with_20
    def test_a_session_reads_telemetry_before_other_programs_run(self, stand_in, game, monkeypatch):
        asked = []
        monkeypatch.setattr(
            "hitl.games.trackmania.telemetry.thread_first", lambda: asked.append(threading.current_thread().name)
        )
        game.restart(Start())
        assert asked == ["hitl-telemetry"]

    @with_20
    def test_what_the_telemetry_rode_through_is_noted(self, stand_in, game):
        game.restart(Start())
        game.telemetry._tell("The telemetry broke off.")
        game.state()
        assert game.notices == ["The telemetry broke off."]
        game.state()
        assert len(game.notices) == 1

    @with_20
    def test_after_a_finish_the_pop_up_is_closed_before_the_restart(self, stand_in, game):
        game.restart(Start())
        stand_in.finish()
        assert game.telemetry.wait(lambda frame: frame.finished, 5.0)
        assert game.state().finished
        game.restart(Start())
        assert not stand_in.pop_up
        assert not game.state().finished

    def test_practice_respawns_instead_of_restarting(self, stand_in, game):
        game.restart(Start())
        stand_in.respawn_s = 40.0
        game.restart(Start(s=40.0))
        assert (stand_in.restarts, stand_in.respawns) == (1, 1)
        state = game.state()
        assert game.track.line.locate_anywhere(state.x, state.y).s == pytest.approx(40.0, abs=1.5)

    @with_20
    def test_a_game_that_hears_another_pad_is_told_to_the_player_once(self, stand_in, game):
        restarted_a_second_ago(game)
        stand_in.fault("deaf", 3.0)
        for _ in range(24):
            game.send(np.array([1.0, 0.0, 0.8], np.float32))
            game.state()
            time.sleep(0.05)
        assert len(game.notices) == 1
        assert "HidHide" in game.notices[0]

    @with_20
    def test_another_pad_is_noticed_although_it_does_by_chance_what_was_sent_now_and_then(self, game):
        restarted_a_second_ago(game)
        frame = game.telemetry.newest()
        sent, apart, alike = (1.0, 0.0, 0.8), {"gas": 0.0, "steer": -1.0}, {"gas": 1.0, "steer": 0.8}
        game._sent = [sent] * 4
        for k in range(20):  # one of four
            game._compare(frame._replace(**(alike if k % 4 == 3 else apart)))
        assert len(game.notices) == 1
        for _ in range(200):  # it goes on for long,
            game._compare(frame._replace(**apart))
        assert len(game.notices) == 1
        for _ in range(20):  # it is ours again,
            game._compare(frame._replace(**alike))
        for _ in range(6):  # and then another's once more
            game._compare(frame._replace(**apart))
        assert len(game.notices) == 2

    @with_20
    def test_a_game_that_obeys_gives_no_warning(self, stand_in, game):
        restarted_a_second_ago(game)
        rng = np.random.default_rng(0)
        for _ in range(20):
            game.send(rng.uniform(-1, 1, 3).astype(np.float32))
            time.sleep(0.05)
            game.state()
        assert game.notices == []

    @with_20
    def test_a_stick_that_the_game_bends_gives_no_warning(self, stand_in, game):
        stand_in.curve = ([0.0, 0.5, 0.667, 0.83, 1.0], [0.0, 0.0, 0.06, 0.35, 1.0])
        restarted_a_second_ago(game)
        for k in range(34):
            game.send(np.array([0.5, 0.0, 0.85 * math.sin(0.3 * k)], np.float32))
            time.sleep(0.05)
            game.state()
        assert game.notices == []

    @with_20
    def test_a_game_that_does_not_restart_is_an_error(self, stand_in, game, monkeypatch):
        stand_in.fault("no_restart", 60.0)
        stand_in.finish()
        monkeypatch.setattr("hitl.games.trackmania.game.READY_S", 0.3)
        with pytest.raises(EnvironmentLost, match="does not restart"):
            game.restart(Start())


@pytest.mark.parametrize("stand_in", [11], indirect=True)  # which tells least; sessions with the others are below
def test_a_whole_session_with_takeovers(home, stand_in):
    with SessionSetup(home, options(task=TaskSettings(max_seconds=7.0)), human=scripted) as rig:
        rig.session.stop = lambda: rig.session._result.progress > 40
        for _ in range(3):  # on a busy machine the game itself may be silent for too long
            results = [rig.session.episode("lap", seed=0)]
            rig.session.leaving = False
            if results[0].reason != "env_lost":
                break
        rig.session.human = scripted(rig.track, TakeoverRule(rig.track, HelpRule(), decides_in=lambda: 0.0))
        rig.session.stop = lambda: rig.session._result.human_steps > 15
        results.append(rig.session.episode("drive", seed=1))
        assert rig.lateness.missed <= 0.05 * rig.lateness.ticks  # the machine that tests run on may be busy
    assert results[0].progress > 40
    assert results[0].human_steps == results[0].steps > 50
    assert results[1].steps > 0
    stored = rows(home, "SELECT env, hz FROM sessions")
    assert stored == [("trackmania", 20.0)]
    assert json.loads(rows(home, "SELECT action_names FROM sessions")[0][0]) == ["gas", "brake", "steer"]
    (moves,) = rows(home, "SELECT count(DISTINCT executed) FROM steps WHERE driver = 1")
    assert moves[0] > 30
    assert rows(home, "SELECT count(*) FROM events WHERE message LIKE '%does not obey%'") == [(0,)]


@with_20
def test_a_press_reaches_the_game_with_the_next_send(home, stand_in):
    pad = Fixed(PadState(steer=-0.625, gas=1.0, buttons=frozenset({"takeover"})))
    with SessionSetup(home, options(), human=lambda track: HumanDriver(pad)) as rig:
        rig.session.stop = lambda: rig.session._result.steps >= 8
        rig.session.episode("drive", seed=0)
    driven = [h for h in stand_in.heard if h[3] == pytest.approx(-0.625)]
    assert len(driven) >= 6
    assert driven[0][1] == pytest.approx(1.0)
    assert stand_in.let_go()  # let go of at the end


FAULT_OF = {"silent": 0.5, "half": 0.0, "nan": 0.5, "garbage": 0.4, "close": 0.0, "down": 0.6, "nowhere": 0.9}


@with_20
@pytest.mark.parametrize("fault", FAULT_OF)
def test_a_fault_in_mid_episode_closes_it_and_the_next_one_begins(home, stand_in, fault, monkeypatch):
    monkeypatch.setattr("hitl.session.environment.RETRY_S", (0.2,))
    told = []

    def wheel(track):
        return scripted(track, TakeoverRule(track, HelpRule(), decides_in=lambda: 0.0))

    with SessionSetup(home, options(), human=wheel, tell=lambda *what: told.append(what)) as rig:
        results, over, met = [], 0.0, None  # met: in which episode; over (s): when the fault is

        def stop():
            """Drive a while, meet the fault, and drive on for ten steps; a cut frame may go by unnoticed."""
            nonlocal over, met
            if met is None and rig.session._result.steps >= 12:
                over, met = time.perf_counter() + FAULT_OF[fault], rig.session._result
                stand_in.fault(fault, FAULT_OF[fault])
            if met is rig.session._result:
                return not results and time.perf_counter() - over > 0.8
            return met is not None and rig.session._result.steps >= 10

        rig.session.stop = stop
        while len(results) < 5 and not (results and results[-1].reason == "stopped"):
            results.append(rig.session.episode("drive", seed=len(results)))
    lost = [r for r in results if r.reason == "env_lost"]
    assert len(lost) <= 1  # a cut frame may be over before anybody could notice
    assert len(results) >= 2 or not lost
    if fault in ("silent", "nan", "garbage", "down", "nowhere"):
        assert len(lost) == 1
        assert told
        assert rows(home, "SELECT count(*) FROM events WHERE kind = 'env_lost'")[0][0] >= 1
        ends = [r[0] for r in rows(home, 'SELECT "end" FROM episodes ORDER BY id')]
        assert "interrupted" in ends
    assert sum(r.steps for r in results) == rows(home, "SELECT count(*) FROM steps")[0][0]


def test_without_the_game_or_a_line_it_says_so_in_a_sentence(tmp_path, monkeypatch):
    home = Home(tmp_path / "home")
    with pytest.raises(UsageError, match="hitl line record"):
        SessionSetup(home, options())
    write_line(home, stand_in_track())
    (home.root / "settings.toml").write_text("[trackmania]\nport = 1\n")
    monkeypatch.setattr("hitl.games.trackmania.game.WAIT_S", 0.3)
    with pytest.raises(DeviceError, match="sends no telemetry"):
        SessionSetup(home, options())
    assert not home.store_path.exists()


SHORT = [{"straight": 50}, {"radius": 25, "angle": 80}, {"straight": 40}]


def test_a_line_is_recorded_by_driving_once(tmp_path, monkeypatch, capsys):
    points, corners = lay_segments("short", SHORT)
    track = Track("short", ReferenceLine(points), 6.0, corners)
    with StandIn(track, layout=20) as stand_in:
        home = Home(tmp_path / "home").create()
        (home.root / "settings.toml").write_text(f"[trackmania]\nport = {stand_in.port}\n")
        monkeypatch.setenv("STAND_IN_PORT", str(stand_in.port))
        done = threading.Event()

        def drive():
            """A person, who sees the true car and drives it with a pad of their own."""
            driver = ScriptedDriver(stand_in.track)
            while not (done.is_set() or stand_in.finished):
                state, s = stand_in.where()
                pedal, steer = driver.act(state, stand_in.track.line.locate(state.x, state.y, s))
                stand_in.hear(max(pedal, 0.0), max(-pedal, 0.0), float(steer))
                time.sleep(0.03)

        driver = threading.Thread(target=drive, daemon=True)
        driver.start()
        code = cli.main(["line", "record", "--home", str(home.root), "--timeout", "60"])
        done.set()
        driver.join()
    assert code == 0
    assert "The whole line" in capsys.readouterr().out
    recorded, true = load_track(home.line), stand_in_track(track)
    assert recorded.line.length == pytest.approx(true.line.length, rel=0.05)
    offsets = [abs(true.line.locate_anywhere(x, y).offset) for x, y in recorded.line.points[::5]]
    assert max(offsets) < true.half_width
    assert cli.main(["line", "show", "--home", str(home.root)]) == 0


@pytest.mark.parametrize("stand_in", [11], indirect=True)
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl+C cannot be sent to one process there")
def test_the_command_plays_it(home, stand_in):
    env = {**os.environ, "PYTHONPATH": f"{MODULES}{os.pathsep}{os.getcwd()}", "STAND_IN_PORT": str(stand_in.port)}
    command = [sys.executable, "-m", "hitl", "play", "--home", str(home.root), "--env", "trackmania", "--headless"]
    played = subprocess.Popen(
        [*command, "--pad", "none"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )
    end = time.monotonic() + 60
    while len({h[1:] for h in list(stand_in.heard)}) < 20 and played.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    played.send_signal(signal.SIGINT)
    out, errors = played.communicate(timeout=30)
    assert played.returncode == 0, errors
    assert "1 episode," in out
    assert stand_in.restarts == 1
    assert stand_in.let_go()
    assert rows(home, "SELECT count(*) FROM steps")[0][0] >= 15
