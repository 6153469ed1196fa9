import json
import time

import pytest

from hitl import cli, doctor
from hitl.home import Home
from tests.support.stand_in_game import StandIn


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(doctor, "LISTEN_S", 0.4)


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


@pytest.mark.parametrize("layout", [11, 20])
def test_telemetry_is_named_with_its_rate(tmp_path, layout):
    with StandIn(layout=layout) as game:
        (tmp_path / "settings.toml").write_text(f"[trackmania]\nport = {game.port}\n")
        check = by_name(Home(tmp_path))["telemetry"]
        assert f"{layout} numbers a frame" in check.found
        assert f"port {game.port}" in check.found
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
    monkeypatch.setattr(doctor.time, "sleep", lambda s: sleep(s + 0.02))
    assert doctor._clock()[0] == "note"


def test_a_look_that_fails_is_a_line_and_no_traceback(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "_torch", lambda: 1 / 0)
    check = by_name(Home(tmp_path))["torch"]
    assert check.state == "bad"
    assert "ZeroDivisionError" in check.found
