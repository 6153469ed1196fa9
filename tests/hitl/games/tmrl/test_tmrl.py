"""tmrl's real TM2020 environment against the stand-in game; only the window that it photographs is replaced."""

import importlib.util
import logging
import os
import sqlite3
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from data.errors import DeviceError, InputFileError
from hitl.agents.policy import agent_policy
from hitl.drivers.human import HumanDriver
from hitl.games.tmrl import importing
from hitl.games.tmrl.env import open_tmrl
from hitl.home import Home
from hitl.pads.base import PadState
from hitl.road.track import load_track
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import AgentSettings
from tests.hitl.agents.test_formats import Perceptron
from tests.hitl.games.gym.test_gym_env import Fixed
from tests.support.places import MODULES
from tests.support.stand_in_game import StandIn, stand_in_track
from tests.support.tmrl_data import CONFIG, prepare

# The thread of tmrl's client is ended by SystemExit, which Python ignores in threads; pytest alone does not.
pytestmark = [pytest.mark.realtime, pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")]
installed = pytest.mark.skipif(
    importlib.util.find_spec("tmrl") is None, reason="tmrl is not installed: .ci/install-tmrl does it"
)


class Photo:
    """Stands for tmrl's window: a grey picture, brighter from one to the next."""

    def __init__(self, name):
        self.taken = 0

    def move_and_resize(self, *args, **kwargs):
        pass

    def screenshot(self):
        self.taken += 1
        return np.full((128, 256, 4), self.taken % 200, np.uint8)


@pytest.fixture
def game(monkeypatch, folder):
    with StandIn(layout=11, countdown=0.1) as game:
        monkeypatch.setenv("STAND_IN_PORT", str(game.port))
        monkeypatch.syspath_prepend(str(MODULES))
        monkeypatch.delitem(sys.modules, "vgamepad", raising=False)
        interfaces = importing.import_tmrl(folder, "tmrl.custom.tm.tm_gym_interfaces")
        monkeypatch.setattr(interfaces, "WindowInterface", Photo)
        monkeypatch.setattr(interfaces, "TM2020OpenPlanetClient", interfaces.TM2020OpenPlanetClient)
        yield game
    sys.modules.pop("vgamepad", None)


@pytest.fixture
def home(tmp_path, game, folder):
    home = Home(tmp_path / "home").create()
    text = f"[trackmania]\nport = {game.port}\n[tmrl]\nfolder = '{folder.as_posix()}'\n"
    (home.root / "settings.toml").write_text(text)
    return home


def rows(home, sql):
    with sqlite3.connect(home.store_path) as db:
        return db.execute(sql).fetchall()


@installed
class TestImport:
    def test_nothing_outside_is_changed(self, folder):
        before = (list(logging.getLogger().handlers), logging.getLogger().level, os.environ.get("WANDB_API_KEY"))
        real = Path.home()
        tmrl = importing.import_tmrl(folder)
        assert folder / "TmrlData" == tmrl.TMRL_FOLDER
        assert Path.home() == real
        assert (
            list(logging.getLogger().handlers),
            logging.getLogger().level,
            os.environ.get("WANDB_API_KEY"),
        ) == before
        assert CONFIG["WANDB_KEY"] not in os.environ.values()

    def test_another_folder_cannot_follow(self, folder, tmp_path):
        importing.import_tmrl(folder)
        prepare(tmp_path, stand_in_track())
        with pytest.raises(DeviceError, match="another folder"):
            importing.import_tmrl(tmp_path)


class TestSetUp:
    def test_a_folder_that_is_not_there_is_never_made(self, tmp_path):
        with pytest.raises(InputFileError, match=r"no TmrlData/config/config\.json"):
            importing.import_tmrl(tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_a_broken_config_is_named(self, tmp_path):
        (prepare(tmp_path, stand_in_track()) / "config" / "config.json").write_text("{")
        with pytest.raises(InputFileError, match="cannot be read"):
            importing.find_data(tmp_path)

    def test_what_an_import_changes_is_put_back_even_when_it_fails(self, tmp_path, monkeypatch):
        monkeypatch.setenv("WANDB_API_KEY", "mine")
        level, real = logging.getLogger().level, Path.home()

        def imported():
            with importing.contained(tmp_path):
                assert Path.home() == tmp_path
                logging.getLogger().setLevel(1)
                os.environ["WANDB_API_KEY"] = "theirs"
                raise ImportError

        with pytest.raises(ImportError):
            imported()
        assert (Path.home(), os.environ["WANDB_API_KEY"], logging.getLogger().level) == (real, "mine", level)


@installed
class TestEnvironment:
    def test_observation_and_reward_are_tmrls_own(self, game, folder):
        env = open_tmrl(folder, port=game.port)
        observation, info = env.reset(seed=0)
        assert observation.shape == (3 + 2 * 16 * 16 + 2 * 3,)
        total = 0.0
        for _ in range(40):
            observation, reward, terminated, truncated, info = env.step(np.array([1.0, 0.0, 0.0], np.float32))
            total += reward
            assert (terminated, truncated) == (False, False)
        true = game.game.state()
        assert observation[3:9].tolist() == [1.0, 0.0, 0.0] * 2  # its buffer of two actions
        assert env.image == (2, 16, 16)  # its pictures, behind all numbers
        assert env.observation_names[8:10] == ("observation_8", "pixel_0_0_0")
        older, newer = observation[9:].reshape(2, -1)
        assert 0.0 < older.mean() < newer.mean() < 1.0
        assert observation[0] == pytest.approx(true.speed / 1000.0, rel=0.15)  # its own preprocessor's scale
        assert info["progress"] == pytest.approx(game._place_s, abs=2.0)
        assert info["state"].speed == pytest.approx(true.speed, rel=0.15)
        assert total > 0.0
        env.close()

    @pytest.mark.parametrize(("action", "reason"), [((0.0, 0.0, 0.0), "stalled"), ((1.0, 0.0, 1.0), "off_road")])
    def test_an_end_that_is_no_finish_says_whether_the_car_stood(self, game, folder, action, reason):
        env = open_tmrl(folder, port=game.port)
        env.reset(seed=0)
        for _ in range(200):  # tmrl gives up when its own reward has not grown for some steps: here it never does
            *_, terminated, truncated, info = env.step(np.array(action, np.float32))
            if terminated or truncated:
                break
        assert (terminated, truncated, info["reason"]) == (True, False, reason)
        env.close()

    def test_a_finish_that_the_game_still_shows_is_no_lap(self, home, game):
        game.finish()
        with SessionSetup(home, SessionOptions(env="tmrl", real_time=True)) as rig:
            result = rig.session.episode("drive", seed=0)
            assert (result.reason, result.lap_s) == ("over", None)
            rig.session.stop = lambda: rig.session._result.steps >= 10
            assert rig.session.episode("drive", seed=1).steps == 10
        assert rows(home, "SELECT count(*) FROM events WHERE kind IN ('env_lost', 'lap_time')") == [(0,)]

    def test_the_line_of_another_map_is_told_and_no_corner_counts(self, home, game, monkeypatch):
        monkeypatch.setattr("hitl.games.tmrl.env._road", lambda reward: (load_track("default"), True))  # 112 m away
        with SessionSetup(home, SessionOptions(env="tmrl", real_time=True)) as rig:
            result = rig.session.episode("drive", seed=0)
        assert not any(result.passed.values())
        told = [text for (text,) in rows(home, "SELECT message FROM events WHERE kind = 'notice'")]
        assert len(told) == 1
        assert "beside the line 'default'" in told[0]

    def test_a_takeover_in_a_session(self, home, game):
        pad = Fixed(PadState(steer=0.125, gas=0.75, buttons=frozenset({"takeover"})))
        with SessionSetup(home, SessionOptions(env="tmrl", real_time=True), human=lambda track: HumanDriver(pad)) as rig:
            rig.session.stop = lambda: rig.session._result.steps >= 20
            result = rig.session.episode("drive", seed=0)
            assert rig.lateness.missed == 0
        assert result.human_steps == 19
        executed = [
            np.frombuffer(r[0], np.float32).tolist() for r in rows(home, "SELECT executed FROM steps ORDER BY t")
        ]
        assert executed[1:] == [[0.75, 0.0, 0.125]] * 19
        assert len([h for h in game.heard if h[1:] == pytest.approx((0.75, 0.0, 0.125))]) >= 18
        assert game.let_go()
        final = np.frombuffer(rows(home, "SELECT last_observation FROM episodes")[0][0], np.float32)
        np.testing.assert_allclose(final[3:9], [0.75, 0.0, 0.125] * 2)

    def test_an_actor_of_tmrl_drives_by_what_its_own_environment_shows(self, home, game, folder, tmp_path):
        env = open_tmrl(folder, port=game.port)
        actor = Perceptron(env.size)
        env.close()
        torch.save(actor.state_dict(), tmp_path / "mine.tmod")
        policy = agent_policy(AgentSettings(use=str(tmp_path / "mine.tmod")), home)
        with SessionSetup(home, SessionOptions(env="tmrl", real_time=True), policy=policy) as rig:
            rig.session.stop = lambda: rig.session._result.steps >= 10
            rig.session.episode("drive", seed=0)
        found = rows(home, "SELECT observation, executed FROM steps ORDER BY t")
        seen, did = (np.stack([np.frombuffer(row[k], np.float32) for row in found]) for k in range(2))
        np.testing.assert_allclose(did, actor(torch.tensor(seen)).detach(), atol=1e-5)

    @pytest.mark.parametrize("fault", ["silent", "down"])
    def test_a_game_that_goes_away_is_noticed_and_joined_again(self, home, game, fault, monkeypatch):
        monkeypatch.setattr("hitl.session.environment.RETRY_S", (0.2,))
        with SessionSetup(home, SessionOptions(env="tmrl", real_time=True)) as rig:
            hit = []

            def stop():
                if not hit and rig.session._result.steps >= 10:
                    hit.append(time.perf_counter())
                    game.fault(fault, 0.8)
                return False

            rig.session.stop = stop
            assert rig.session.episode("drive", seed=0).reason == "env_lost"
            assert time.perf_counter() - hit[0] < 2.0
            rig.session.stop = lambda: rig.session._result.steps >= 10
            assert rig.session.episode("drive", seed=1).steps == 10
            assert time.perf_counter() - hit[0] < 8.0  # tmrl itself waits ten seconds for a game that has hung up
        ends = [r[0] for r in rows(home, 'SELECT "end" FROM episodes ORDER BY id')]
        assert ends == ["interrupted", "truncated"]
        assert rows(home, "SELECT count(*) FROM events WHERE kind = 'env_lost'")[0][0] >= 1
        spinning = [t for t in threading.enumerate() if "client_thread" in t.name]
        assert len(spinning) <= 2

    def test_an_exception_inside_is_an_interrupted_episode(self, home, game):
        with SessionSetup(home, SessionOptions(env="tmrl", real_time=True)) as rig:
            env = rig.world.env
            env.reset()
            interface = env.guard.interface
            look, calls = interface.get_obs_rew_terminated_info, []

            def fails():
                calls.append(1)
                if len(calls) > 5:
                    raise RuntimeError("the lens is dirty")
                return look()

            interface.get_obs_rew_terminated_info = fails
            result = rig.session.episode("drive", seed=0)
        assert result.reason == "env_lost"
        assert "the lens is dirty" in rows(home, "SELECT message FROM events WHERE kind = 'env_lost'")[0][0]
