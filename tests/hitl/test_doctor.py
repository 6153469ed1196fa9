import json
import time

import gymnasium
import numpy as np
import pytest

from data.store import Store
from hitl import cli, doctor
from hitl.home import Home
from tests.support.clocks import own_time
from tests.support.daemon_runs import drive
from tests.support.stand_in_game import StandIn
from trainer.config import TrainConfig


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(doctor, "LISTEN_S", 0.01)  # where there is no game, all of it is waited


def by_name(home, env="box2d"):
    return {c.name: c for c in doctor.examine(home, env)}


@pytest.mark.realtime
def test_a_new_machine_is_ready_for_the_embedded_game(tmp_path, capsys):
    assert cli.main(["doctor", "--home", str(tmp_path / "home")]) == 0
    shown = capsys.readouterr().out
    assert "Ready for --env box2d" in shown
    assert not (tmp_path / "home").exists()  # looking changes nothing


def test_the_game_that_is_meant_must_be_there_and_each_line_says_what_to_do(tmp_path, capsys):
    home = Home(tmp_path).create()
    (tmp_path / "settings.toml").write_text("[trackmania]\nport = 1\n")
    assert cli.main(["doctor", "--home", str(tmp_path), "--env", "trackmania", "--json"]) == 1
    checks = {c["name"]: c for c in json.loads(capsys.readouterr().out)}
    assert checks["telemetry"]["state"] == "bad"
    assert "OpenPlanet" in checks["telemetry"]["do"]
    assert checks["line"]["state"] == "bad"
    assert "hitl line record" in checks["line"]["do"]
    assert by_name(home)["telemetry"].state == "note"  # the embedded game needs none


@pytest.mark.parametrize(("rate", "state", "words"), [(500, "ok", "no difference"), (30, "ok", "little"), (9, "note", "lags")])
def test_whether_cuda_would_matter_for_what_is_trained_here(tmp_path, monkeypatch, rate, state, words):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.version.cuda", "12.6")
    monkeypatch.setattr("trainer.device.updates_per_second", lambda name, observations, actions, config: rate)
    home = Home(tmp_path).create()
    drive(home.store_path, steps=30)
    (tmp_path / "settings.toml").write_text("[train]\nutd = 1\n")
    check = by_name(home)["torch"]
    assert check.state == state
    assert f"no CUDA; training would use cpu: {rate} updates a second, and 20 are needed" in check.found
    assert words in check.found + check.do


def test_where_the_graphics_card_is_not_used_the_line_that_installs_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.version.cuda", None)
    monkeypatch.setattr("trainer.device.updates_per_second", lambda *_: 1.0)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "nvidia-smi")
    home = Home(tmp_path).create()
    drive(home.store_path, steps=30)
    assert "pip install --force-reinstall" in by_name(home)["torch"].do


def test_extras_that_are_not_installed_are_named_with_what_brings_them(tmp_path, monkeypatch):
    found = doctor.util.find_spec
    monkeypatch.setattr(doctor.util, "find_spec", lambda name: None if name in ("pyarrow", "wandb") else found(name))
    check = by_name(Home(tmp_path))["extras"]
    assert check.state == "note"
    assert "parquet" in check.found
    assert "[" in check.do
    assert set(check.found.rpartition(": ")[2].split(", ")) >= {"parquet", "wandb"}


@pytest.mark.parametrize(("layout", "plugin"), [(20, "TQC_GrabData"), (33, "TrackmaniaRL Connect")])
def test_telemetry_is_named_with_its_rate(tmp_path, monkeypatch, layout, plugin):
    monkeypatch.setattr(doctor, "LISTEN_S", 0.4)
    with StandIn(layout=layout) as game:
        (tmp_path / "settings.toml").write_text(f"[trackmania]\nport = {game.port}\nsession_port = {game.session_port}\n")
        check = by_name(Home(tmp_path))["telemetry"]
        assert f"{plugin}: {layout} numbers a frame" in check.found
        assert f"port {game.port}" in check.found
        assert ("the map is StandInMapUid" in check.found) == (layout == 33)
        assert check.state in ("ok", "note")


def test_a_damaged_store_and_wrong_settings_are_bad(tmp_path):
    home = Home(tmp_path).create()
    home.store_path.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    assert by_name(home)["store"].state == "bad"
    (tmp_path / "settings.toml").write_text("[trackmania]\nlayout = 12\n")
    assert by_name(home)["telemetry"].state == "bad"


@pytest.mark.realtime
def test_a_full_disk_and_a_slow_clock_are_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "ROOM", 10**18)
    assert by_name(Home(tmp_path))["disk"].state == "bad"
    sleep = time.sleep
    own_time(monkeypatch, doctor, sleep=lambda s: sleep(s + 0.02))
    assert doctor._clock()[0] == "note"


def test_a_look_that_fails_is_a_line_and_no_traceback(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "_torch", lambda home: 1 / 0)
    check = by_name(Home(tmp_path))["torch"]
    assert check.state == "bad"
    assert "ZeroDivisionError" in check.found


def test_hidhide_is_told_the_program_that_really_runs(monkeypatch, tmp_path):
    (tmp_path / "Nefarius Software Solutions" / "HidHide").mkdir(parents=True)
    monkeypatch.setenv("PROGRAMFILES", str(tmp_path))
    monkeypatch.setattr(doctor.sys, "platform", "win32")
    monkeypatch.setattr(doctor.sys, "_base_executable", r"C:\Python313\python.exe", raising=False)
    assert doctor._hiding()[1].endswith(r": C:\Python313\python.exe")


def test_the_run_that_goes_on_is_measured_not_one_that_would_begin(tmp_path, monkeypatch):
    measured = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(
        "trainer.device.updates_per_second", lambda name, seen, done, config: measured.append(config) or 9.0
    )
    home = Home(tmp_path).create()
    drive(home.store_path, steps=30)
    own = TrainConfig().with_values(hidden=32, utd=3.0)
    with Store(home.store_path) as store:
        store.add_checkpoint("a.safetensors", "a", 10, 60, "train", own.to_dict())
    (home.checkpoints / "a.safetensors").touch()
    (tmp_path / "settings.toml").write_text("[train]\nbatch_size = 8\nhidden = 64\n")
    assert "60 are needed" in by_name(home)["torch"].found
    assert {(c.hidden, c.utd, c.batch_size) for c in measured} == {(32, 3.0, 8)}, "its own, what is set, and its networks"


def test_any_gymnasium_environment_is_looked_at_when_it_is_meant(tmp_path, capsys):
    assert "environment" not in by_name(Home(tmp_path))
    good, bad = (by_name(Home(tmp_path), f"gym:{name}")["environment"] for name in ("Pendulum-v1", "CartPole-v1"))
    assert (good.state, good.found, good.do) == ("ok", "3 observed numbers, 1 action number, 30 steps a second", "")
    assert bad.state == "bad"
    assert "only environments with a plain vector" in bad.found
    assert not any(tmp_path.iterdir())
    assert cli.main(["doctor", "--home", str(tmp_path), "--env", "gym:Nowhere-v0", "--json"]) == 1
    checks = {c["name"]: c for c in json.loads(capsys.readouterr().out)}
    assert "`--env gym:package:ID`" in checks["environment"]["found"]


@pytest.mark.parametrize("size", [2, 7])
def test_what_a_gymnasium_environment_lacks_is_a_note(tmp_path, size):
    class Arm(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
        action_space = gymnasium.spaces.Box(-1, 1, (size,), np.float32)

        def reset(self, *, seed=None, options=None):
            return np.zeros(3, np.float32), {}

        def step(self, action):
            return np.zeros(3, np.float32), 0.0, False, False, {}

    gymnasium.register("Arm-v0", Arm)
    try:
        check = by_name(Home(tmp_path), "gym:Arm-v0")["environment"]
    finally:
        del gymnasium.registry["Arm-v0"]
    assert check.state == "note"
    assert "cannot draw its picture" in check.do
    assert ("nothing moves" in check.do) == (size == 7)


@pytest.mark.parametrize(("words", "said"), [
    (["--env", "gmy"], "'gmy' is no environment"), (["--env", "gym:"], "'gym:' is no environment"),
    (["--env", "box3d"], "Did you mean 'box2d'?"), (["--env", "gym:Pendulum-v1", "--record"], "does not go with --env gym:ID"),
])  # fmt: skip
def test_an_environment_that_cannot_be_meant_is_refused(words, said, capsys):
    with pytest.raises(SystemExit):
        cli.main(["doctor", *words])
    assert said in capsys.readouterr().err
