"""The measurements against stand-ins for pad, virtual pad, game and screen, and all of them as they run here."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
from pkgutil import resolve_name

import pytest

from hitl import cli
from hitl.field_kit import clock, overlay, pads, steering, takeover, telemetry, their_pad
from hitl.field_kit.kit import DONE, read
from hitl.field_kit.measurements import MEASUREMENTS
from hitl.field_kit.private import Private
from hitl.field_kit.record import make
from hitl.field_kit.site import MissingError, Site
from hitl.home import Home
from hitl.pads.devices import devices
from tests.support.places import MODULES
from tests.support.stand_in_game import StandIn, stand_in_track
from tests.support.vgamepad_double import X360
from tests.support.vgamepad_double import module as double
from tests.support.virtual_pad import VirtualPad

pytestmark = pytest.mark.realtime

with_20 = pytest.mark.parametrize("game", [20], indirect=True)  # what each layout tells is tested with the telemetry
PLANTED = {
    "USER": "planted-user-4711",
    "HITL_PASSWORD": "planted-password-4711",
    "COMPUTERNAME": "planted-pc-4711",
    "WANDB_API_KEY": "planted-wandb-4711",
}
SERIAL = "PLANTEDSERIAL"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """As short as it can be."""
    monkeypatch.setattr(clock, "SECONDS", 0.5)
    monkeypatch.setattr(pads, "HANDS_OFF_S", 0.1)
    monkeypatch.setattr(pads, "SWEEP_S", 0.6)
    monkeypatch.setattr(telemetry, "LISTEN_S", 1.0)
    monkeypatch.setattr(steering, "WAIT_S", 0.3)
    monkeypatch.setattr(steering, "HOLD_S", 0.4)
    monkeypatch.setattr(overlay, "GET_READY_S", 0.1)
    monkeypatch.setattr(overlay, "SHOW_S", 1.5)
    monkeypatch.setattr(takeover, "SECONDS", 4.0)


@pytest.fixture
def site(tmp_path):
    home = Home(tmp_path / "home")
    return Site(home, "box2d", Private(home), lambda text: None)


@pytest.fixture
def hub():
    with VirtualPad("Warm-up"):
        pass
    shared = devices()
    shared.guards.clear()
    shared.poll()
    yield shared
    X360.made.clear()
    shared.guards.clear()
    shared.poll()


@pytest.fixture(params=[11, 20, 33])
def game(request, site, monkeypatch):
    """A stand-in for the game, and one for vgamepad that it hears."""
    spec = importlib.util.spec_from_file_location("stand_in_vgamepad", MODULES / "vgamepad.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "vgamepad", module)
    with StandIn(layout=request.param, countdown=0.05) as game:
        monkeypatch.setenv("STAND_IN_PORT", str(game.port))
        site.home.create()
        (site.home.root / "settings.toml").write_text(f"[trackmania]\nport = {game.port}\n")
        yield game


def test_a_clock_in_a_quiet_loop_has_its_ticks(site):
    figures = clock.measure(site)
    for way in ("plain", "session"):
        assert figures[f"{way}_ticks"] == 10
        assert 0 <= figures[f"{way}_late_ms_p50"] <= figures[f"{way}_late_ms_p99"] <= figures[f"{way}_late_ms_max"]


def test_a_pad_is_moved_and_pressed(site, hub):
    with VirtualPad("Red Pad") as pad:
        ended = threading.Event()

        def move():
            ended.wait(0.85)  # hands off until then
            for k in range(300):
                pad.axis("leftx", (-1) ** (k // 20) * 0.8)
                pad.axis("gas", (k // 20) % 2)
                (pad.press if (k // 20) % 2 else pad.release)("rightshoulder")
                if ended.wait(0.002):
                    return

        hand = threading.Thread(target=move)
        hand.start()
        try:
            figures = pads.measure_own(site)
        finally:
            ended.set()
            hand.join()
    at = figures["controls"].index("leftx")
    assert figures["name"] == "Red Pad"
    assert (figures["vendor"], figures["product"]) == (0x045E, 0x028E)
    assert abs(figures["control_at_rest"][at]) < 0.05
    assert figures["control_least"][at] < -0.7 < 0.7 < figures["control_most"][at]
    assert figures["gas_most"] > 0.9
    assert "takeover" in figures["buttons_understood"]
    assert 0 < figures["changes_in_busiest_second"] <= figures["looks_per_s"]


def test_without_a_pad_the_line_says_so(site, hub):
    with pytest.raises(MissingError, match="no pad"):
        pads.measure_own(site)


def test_changes_are_counted_in_the_busiest_second():
    assert pads._busiest(()) == 0
    assert pads._busiest((0.0, 0.5, 0.9, 1.2, 5.0)) == 3


@pytest.mark.parametrize("deaf", [False, True])
def test_a_virtual_pad_is_heard_or_not(site, hub, monkeypatch, deaf):
    monkeypatch.setattr("hitl.games.trackmania.virtual_pad.FIND_S", 1.0)
    monkeypatch.setitem(sys.modules, "vgamepad", double(deaf=deaf))
    figures = pads.measure_virtual(site)
    assert figures["heard"] is not deaf
    assert figures["new_devices"] == 1


def test_telemetry_is_described_by_its_numbers(site, game):
    figures = telemetry.measure(site)
    assert figures["numbers_in_a_frame"] == game.layout == len(figures["number_least"])
    assert 50 < figures["frames_per_s"] < 130
    assert figures["frames_unusable"] == 0
    assert figures["numbers_that_never_change"]  # the car stands


@with_20
def test_a_telemetry_that_stumbles_shows_it(site, game):
    threading.Timer(0.6, game.fault, ("silent", 0.2)).start()
    figures = telemetry.measure(site)
    assert figures["gap_ms_max"] > 100
    assert figures["gaps_over_50_ms"] >= 1


@with_20
def test_steering_shows_the_curve_of_the_game(site, game, hub):
    game.curve = ([0.0, 0.2, 1.0], [0.0, 0.0, 1.0])  # a dead zone
    figures = steering.measure(site)
    seen = dict(zip(figures["stick_sent"], figures["steering_seen"], strict=True))
    assert seen[1.0] == pytest.approx(1.0)
    assert seen[-0.6] == pytest.approx(-0.5, abs=0.01)
    assert seen[0.1] == pytest.approx(0.0)
    assert 0 < figures["ms_until_it_moved"][0] < 200
    assert game.let_go()


def test_a_takeover_by_the_stand_in_takes_the_next_tick(site):
    figures = takeover.measure(site)
    assert figures["pressed_by"] == "stand-in"
    assert figures["presses_executed"] >= 2
    assert figures["press_to_action_ticks_median"] == 1
    assert 0 <= figures["press_to_reading_ms_median"] < 60
    assert not site.home.root.exists()


@with_20
def test_a_takeover_in_the_game_is_driven_by_its_own_settings(site, game, hub):
    site.home.line.write_text("\n".join(f"{x},{y}" for x, y in stand_in_track().line.points.tolist()))
    site.env = "trackmania"
    figures = takeover.measure(site)
    assert figures["env"] == "trackmania"
    assert figures["presses_executed"] >= 1
    assert game.restarts >= 1


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs Xvfb (an X server without a screen)")
def test_the_overlay_draws_and_its_focus_is_counted(site, monkeypatch):
    read_end, write_end = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write_end), "-nolisten", "tcp"], pass_fds=(write_end,), stderr=subprocess.DEVNULL
    )
    os.close(write_end)
    try:
        with os.fdopen(read_end) as numbers:
            monkeypatch.setenv("DISPLAY", f":{numbers.readline().strip()}")
        figures = overlay.measure(site)
    finally:
        server.terminate()
        server.wait()
    assert 5 < figures["pictures_per_s"] <= 32
    assert figures["got_the_focus_times"] == 1  # where no window manager runs, SDL takes it
    assert not figures["closed_by_itself"]


def test_all_of_it_runs_here_and_tells_nothing_of_whose_it_is(tmp_path, monkeypatch, capsys, hub):
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("platform.node", lambda: "planted-host-4711")
    monkeypatch.setattr("platform.release", lambda: "6.1.0-planted-user-4711")
    monkeypatch.setattr("hitl.pads.devices.serial_and_port", lambda instance: (SERIAL, "usb-planted-port"))
    home = tmp_path / "planted-place-4711"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / "settings.toml").write_text('[trackmania]\nhost = "planted-game-4711.invalid"\n')
    file = tmp_path / "kit.json"
    with VirtualPad(f"Pad of planted-user-4711 {SERIAL} 48151623AB"):
        assert cli.main(["doctor", "--record", str(file), "--yes", "--home", str(home)]) == 0
    said, text = capsys.readouterr().out, file.read_text()
    states = {m.name: m.state for m in read(file).measurements}
    assert [*states] == [m.name for m in MEASUREMENTS]
    assert "failed" not in states.values()
    assert {name for name, state in states.items() if state == DONE} >= {"machine", "clock", "pad", "takeover"}
    for word in (*PLANTED.values(), "planted", SERIAL, "48151623", str(tmp_path), os.getcwd(), *os.uname()[1:2]):
        assert word.lower() not in text.lower(), word
    assert json.loads(text)["measurements"][2]["figures"]["name"].startswith("Pad of …")
    assert "no serial number" in said
    assert "planted" not in said


@pytest.mark.parametrize("measurement", MEASUREMENTS, ids=lambda m: m.name)
def test_each_names_a_function_that_is_there(measurement, site, monkeypatch):
    monkeypatch.setattr("hitl.field_kit.measurements.resolve_name", lambda where: lambda site: {"a_ms": len(where)})
    assert make(measurement, site).state == DONE
    monkeypatch.undo()
    assert callable(resolve_name(f"hitl.field_kit.{measurement.where}"))


def test_the_pad_of_another_program_is_told_from_ours_and_read_as_it_sends(site, hub, monkeypatch):
    monkeypatch.setattr("hitl.games.trackmania.virtual_pad.FIND_S", 1.0)
    monkeypatch.setattr(their_pad, "FIND_S", 0.5)
    monkeypatch.setitem(sys.modules, "vgamepad", double())
    figures = their_pad.measure(site)
    assert figures["seen"]
    assert figures["stick_read"] == pytest.approx(figures["stick_sent"], abs=1e-3)
    assert max(figures["ms_until_read"]) < 500
    assert figures["still_theirs_beside_ours"]
    assert figures["ours_heard"]
    assert figures["game_obeys_theirs"] is None, "there is no game"
    assert hub.claimants == []


@with_20
def test_whose_pad_the_game_obeys_and_what_comes_through_the_relay(site, game, hub, monkeypatch):
    monkeypatch.setattr("hitl.games.trackmania.virtual_pad.FIND_S", 0.2)
    monkeypatch.setattr(their_pad, "FIND_S", 0.5)
    monkeypatch.setattr(their_pad, "HOLD_S", 0.4)
    monkeypatch.setattr(their_pad, "RELAY_S", 1.0)
    figures = their_pad.measure(site)
    assert figures["game_obeys_theirs"], "the stand-in hears every pad"
    assert figures["game_obeys_ours"]
    assert figures["relay_frames"] == pytest.approx(figures["relay_frames_direct"], rel=0.4)
    assert figures["relay_frames"] > 30
