"""Forks of tmrl: modules elsewhere, another client of the game, prints all over. Each is a small package made here."""

from __future__ import annotations

import importlib
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from data.errors import DeviceError
from hitl.games.chatter import MOST, NAME, Chatter
from hitl.games.open_game import open_world
from hitl.games.tmrl.env import open_tmrl
from hitl.games.tmrl.importing import import_tmrl
from hitl.home import Home
from hitl.session_options import SessionOptions
from tests.support.stand_in_game import stand_in_track
from tests.support.tmrl_data import prepare

CONSTANTS = """
    from pathlib import Path
    TMRL_FOLDER = Path.home() / "TmrlData"
"""
CLIENT = """
    class {name}:
        def __init__(self{arguments}):
            self.address = {address}
        def retrieve_data(self):
            return (0.0,) * 11
"""
ENVIRONMENT = """
    import sys, time
    import gymnasium, numpy as np, rtgym
    from tmrl.{clients} import {name}
    print("the fork is imported")

    class Interface(rtgym.RealTimeGymInterface):
        def __init__(self):
            self.client = {name}()
            print("a pad is made", file=sys.stderr)
        def send_control(self, control):
            time.sleep(0.02)
            print("control", control)
        def reset(self, seed=None, options=None): return [np.zeros(2, np.float32)], {{}}
        def wait(self): pass
        def get_obs_rew_terminated_info(self):
            print("a step")
            return [np.ones(2, np.float32)], 1.0, False, {{}}
        def get_observation_space(self): return gymnasium.spaces.Tuple((gymnasium.spaces.Box(-1, 1, (2,)),))
        def get_action_space(self): return gymnasium.spaces.Box(-1, 1, (3,))
        def get_default_action(self): return np.zeros(3, np.float32)

    def get_environment():
        config = {{**rtgym.DEFAULT_CONFIG_DICT, "interface": Interface, "time_step_duration": 0.05, "start_obs_capture": 0.04,
                  "act_buf_len": 1}}
        return gymnasium.make("real-time-gym-ts-v1", config=config, disable_env_checker=True)
"""
PREPROCESSOR = """
    def OBS_PREPROCESSOR(obs):
        return (obs[0] * 3.0, *obs[1:])
"""


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home").create()


@pytest.fixture
def fork(tmp_path, monkeypatch):
    """Make a package tmrl of these modules, the only one that there is; returns the folder with its TmrlData."""
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "tmrl"}

    def make(**modules):
        root = tmp_path / "site" / "tmrl"
        for name, text in modules.items():
            path = root / (name.replace("__", "/") + ".py")
            for folder in [p for p in path.parents if p.is_relative_to(root)]:
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "__init__.py").touch()
            path.write_text(textwrap.dedent(text))
        monkeypatch.syspath_prepend(str(root.parent))
        prepare(tmp_path, stand_in_track())
        return tmp_path

    yield make
    for name in [n for n in sys.modules if n.partition(".")[0] == "tmrl"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    sys.modules.update(kept)


def older(client="TM2020OpenPlanetClient", arguments=", host='127.0.0.1', port=9000", address="(host, port)"):
    """A fork with its modules at other places."""
    clients = "custom.utils.tools"
    path = clients.replace(".", "__")
    return {
        "config_constants": CONSTANTS,
        "custom__config_objects": PREPROCESSOR,
        path: CLIENT.format(name=client, arguments=arguments, address=address),
        "environment": ENVIRONMENT.format(name=client, clients=clients),
    }


def with_entry(fork, modules):
    folder = fork(**modules)
    (folder / "site" / "tmrl" / "__init__.py").write_text("from tmrl.environment import get_environment\n")
    return folder


def stepped(env):
    observation, _ = env.reset(seed=0)
    for _ in range(4):
        observation, *_ = env.step(np.zeros(3, np.float32))
    return observation


@pytest.mark.parametrize("client", ["TM2020OpenPlanetClient", "GrabDataClient"])
@pytest.mark.realtime
def test_modules_that_lie_elsewhere_are_found_and_the_client_is_pointed(fork, client):
    folder = with_entry(fork, older(client))
    for port in (9123, 9456, 9000):  # one after the other: the newest counts
        env = open_tmrl(folder, port=port)
        try:
            assert env.guard.interface.client.address == ("127.0.0.1", port)
            assert stepped(env)[:2].tolist() == [3.0, 3.0]  # by its own preprocessor
        finally:
            env.close()


def test_a_client_that_cannot_be_pointed_is_refused_in_a_sentence(fork):
    folder = with_entry(fork, older(arguments="", address="('127.0.0.1', 9000)"))
    open_tmrl(folder).close()
    with pytest.raises(DeviceError, match=r"cannot be told another.*port 9000.*\[trackmania\]"):
        open_tmrl(folder, port=9123)


def test_a_fork_that_is_not_understood_is_not_called_missing(fork):
    modules = older()
    del modules["custom__config_objects"]
    folder = with_entry(fork, modules)
    with pytest.raises(DeviceError, match=r"site.tmrl has no module 'config_objects'"):
        open_tmrl(folder)


def test_a_fork_without_its_entry_is_told(fork):
    with pytest.raises(DeviceError, match=r"has no get_environment"):
        open_tmrl(fork(**older()))


@pytest.mark.parametrize(
    ("asked", "told"),
    [("tmrl.custom.gone", r"asks for its own module tmrl\.custom"), ("no_such_package", "needs the package no_such_package")],
)
def test_a_broken_fork_names_what_it_lacks(fork, asked, told):
    folder = fork(config__config_constants=CONSTANTS, config__config_objects=f"import {asked}")
    with pytest.raises(DeviceError, match=told):
        import_tmrl(folder, "tmrl.config.config_objects")


def test_no_tmrl_is_no_tmrl(fork, tmp_path, monkeypatch):  # the fixture puts the real one out of sight
    prepare(tmp_path, stand_in_track())
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "tmrl", None)
        with pytest.raises(DeviceError, match="is not installed"):
            import_tmrl(tmp_path)


def test_what_a_fork_prints_stays_off_the_terminal(fork, home, capfd):
    folder = with_entry(fork, older())
    (home.root / "settings.toml").write_text(f"[tmrl]\nfolder = '{folder.as_posix()}'\n")
    before = sys.stdout, sys.stderr
    world = open_world(SessionOptions(env="tmrl", real_time=True), home)
    print("ours")
    stepped(world.env)
    world.release()
    world.close()
    assert (sys.stdout, sys.stderr) == before
    print("ours again", file=sys.stderr)
    told = capfd.readouterr()
    assert (told.out, told.err) == ("ours\n", "ours again\n")
    kept = (home.root / NAME).read_text(encoding="utf-8")
    for text in ("the fork is imported", "a pad is made", "a step", "control"):
        assert text in kept
    assert kept.splitlines()[-1] == "control [0. 0. 0.]"  # letting go is what the game hears last


@pytest.mark.realtime
def test_letting_go_at_the_end_comes_after_the_last_action(fork, home, capfd):
    folder = with_entry(fork, older())
    (home.root / "settings.toml").write_text(f"[tmrl]\nfolder = '{folder.as_posix()}'\n")
    world = open_world(SessionOptions(env="tmrl", real_time=True), home)
    world.env.reset(seed=0)
    for _ in range(3):
        world.env.step(np.ones(3, np.float32))
    world.close()  # at once: rtgym has hardly begun to send the last action
    time.sleep(0.2)  # a late action would be sent, and printed past the file, within a time-step
    assert capfd.readouterr().out == ""
    said = (home.root / NAME).read_text(encoding="utf-8").splitlines()
    controls = [line for line in said if line.startswith("control")]
    assert "control [1. 1. 1.]" in controls
    assert controls[-1] == "control [0. 0. 0.]"


def test_the_terminal_is_given_back_when_nothing_can_be_opened(fork, home):
    folder = fork(**older())
    (home.root / "settings.toml").write_text(f"[tmrl]\nfolder = '{folder.as_posix()}'\n")
    before = sys.stdout, sys.stderr
    with pytest.raises(DeviceError):
        open_world(SessionOptions(env="tmrl"), home)
    assert (sys.stdout, sys.stderr) == before


def say(*texts):
    thread = threading.Thread(target=lambda: [print(text) for text in texts])
    thread.start()
    thread.join()


def test_chatter_is_bounded_and_never_in_the_way(tmp_path, capsys):
    chatter = Chatter(tmp_path / NAME)
    say("x" * (MOST - 10), "y" * 100, "z" * 100)
    stdout = sys.stdout
    chatter.close()
    kept = (tmp_path / NAME).read_text()
    assert MOST < len(kept) < MOST + 200
    assert "z" not in kept
    print("late", file=stdout)  # whoever kept the stream, as a handler of logging does, still speaks
    chatter = Chatter(tmp_path / "no" / "folder")
    say("lost")
    chatter.close()
    assert capsys.readouterr().out == "late\n"
    assert not (tmp_path / "no").exists()


def test_nothing_is_written_where_nothing_is_printed(tmp_path):
    Chatter(tmp_path / NAME).close()
    assert not (tmp_path / NAME).exists()
