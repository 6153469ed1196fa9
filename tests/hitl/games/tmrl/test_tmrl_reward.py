"""tmrl's reward file is looked at before tmrl runs what is in it, by the doctor and by a session, and named where it is wrong."""

import json
import pickle
import sys

import numpy as np
import pytest

from data.errors import DeviceError, InputFileError
from hitl import doctor
from hitl.games.tmrl import importing
from hitl.games.tmrl.env import TmrlEnv, open_tmrl
from hitl.home import Home
from tests.hitl.games.tmrl.test_tmrl import installed
from tests.support.stand_in_game import stand_in_track
from tests.support.tmrl_data import CONFIG, prepare


class Evil:
    def __reduce__(self):
        return exec, ("import pathlib; pathlib.Path('ran').touch()",)


@pytest.fixture
def reward(tmp_path):
    return prepare(tmp_path, stand_in_track()) / "reward" / "reward.pkl"


def see(folder, env="tmrl"):
    home = Home(folder / "home").create()
    (home.root / "settings.toml").write_text(f"[tmrl]\nfolder = '{folder}'\n")
    return next(c for c in doctor.examine(home, env) if c.name == "tmrl")


@pytest.fixture
def told(tmp_path, monkeypatch):
    """What the doctor says; the import, which takes seconds and is done once in a process, is left out."""
    monkeypatch.setattr("hitl.doctor.LISTEN_S", 0.01)
    monkeypatch.setattr(importing, "import_tmrl", lambda folder, name: sys)
    return lambda: see(tmp_path)


WRONG = {
    "a number": (lambda whole: pickle.dumps(0), "table of positions was expected"),
    "cut": (lambda whole: whole[:300], "the end of the file"),
    "empty": (lambda whole: b"", "it is empty"),
    "evil": (lambda whole: pickle.dumps(Evil()), "Nothing in it was run"),
}


@installed
@pytest.mark.parametrize("kind", WRONG)
def test_a_file_that_is_no_line_is_refused_by_name_and_never_given_to_tmrl(reward, told, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, why = WRONG[kind]
    reward.write_bytes(make(reward.read_bytes()))
    with pytest.raises(InputFileError, match=r"tmrl's TmrlData/reward/reward\.pkl is not given to tmrl") as caught:
        importing.check_reward(reward)
    assert why in str(caught.value)
    check = told()
    assert check.state == doctor.BAD
    assert "TmrlData/reward/reward.pkl" in check.found
    monkeypatch.setattr("hitl.games.tmrl.env.import_tmrl", lambda *_: type("T", (), {"get_environment": None})())
    monkeypatch.setattr(TmrlEnv, "__init__", lambda *_, **__: pytest.fail("tmrl's environment was made"))
    monkeypatch.setattr("hitl.games.tmrl.env.import_tmrl", lambda *_: type("T", (), {"get_environment": print})())
    monkeypatch.setattr("hitl.games.tmrl.env.point_clients", lambda *_: None)
    with pytest.raises(InputFileError, match=r"reward\.pkl"):
        open_tmrl(tmp_path)
    assert not (tmp_path / "ran").exists()


@installed
def test_without_one_nothing_is_paid_and_that_is_said(reward, told, tmp_path, monkeypatch):
    assert importing.check_reward(reward) == ""
    assert told().state == doctor.OK
    reward.unlink()
    note = importing.check_reward(reward)
    assert note.startswith("There is no TmrlData/reward/reward.pkl, so tmrl pays nothing")
    assert told().state == doctor.BAD
    assert "tmrl pays nothing" in told().found
    monkeypatch.setattr("hitl.games.tmrl.env.import_tmrl", lambda *_: type("T", (), {"get_environment": print})())
    monkeypatch.setattr("hitl.games.tmrl.env.point_clients", lambda *_: None)
    monkeypatch.setattr(TmrlEnv, "__init__", lambda *_, **__: None)
    assert open_tmrl(tmp_path).notices == [note]


def test_positions_that_are_no_road_are_a_note(reward):
    reward.write_bytes(pickle.dumps(np.zeros((20, 3))))
    assert importing.check_reward(reward).startswith("There is no progress here")


@installed
def test_a_config_of_another_tmrl_says_which_key_it_lacks(tmp_path, monkeypatch):
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "tmrl"}
    try:
        data = prepare(tmp_path, stand_in_track())
        (data / "config" / "config.json").write_text(json.dumps({k: v for k, v in CONFIG.items() if k != "SAVE_MODEL_EVERY"}))
        with pytest.raises(DeviceError, match=r"config\.json for SAVE_MODEL_EVERY, which is not in there.*such as a fork"):
            importing.import_tmrl(tmp_path, "tmrl.config.config_constants")
        monkeypatch.setattr("hitl.doctor.LISTEN_S", 0.01)
        check = see(tmp_path)
        assert (check.state, "SAVE_MODEL_EVERY" in check.found) == (doctor.BAD, True)
    finally:
        for name in [n for n in sys.modules if n.partition(".")[0] == "tmrl"]:
            del sys.modules[name]
        sys.modules.update(kept)
