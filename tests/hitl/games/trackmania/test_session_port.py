"""The plugin's second port: which map is loaded, and when the car may drive; and the game's own lap clock."""

from __future__ import annotations

import socket
import time

import numpy as np
import pytest

from data.errors import DeviceError
from data.store import Store
from hitl.games.base import Start
from hitl.games.trackmania.frames import Frame, time_at_finish
from hitl.games.trackmania.game import open_trackmania
from hitl.games.trackmania.line_recorder import LineRecorder
from hitl.games.trackmania.session_port import SessionPort
from hitl.games.trackmania.virtual_pad import VirtualPad
from hitl.home import Home
from hitl.road.track import load_track
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from tests.support.places import MODULES
from tests.support.stand_in_game import stand_in_track

with_port = pytest.mark.parametrize("stand_in", [33], indirect=True)


@with_port
def test_the_plugin_is_asked_in_its_own_words(stand_in):
    port = SessionPort("127.0.0.1", stand_in.session_port)
    assert port.map_uid() == "StandInMapUid"
    assert port.ready(time.perf_counter())
    stand_in.hold(60.0)
    assert not port.ready(time.perf_counter())
    assert port.answers(), "not ready is an answer, too"
    stand_in.map_uid = ""
    assert port.map_uid() == ""
    assert stand_in.asked[0] == '{"protocol_version":"2","command":"verify_loaded_map"}'


@pytest.mark.parametrize("answer", [b"", b"[1]\n", b"\xff\xfe\n", b'{"status":"error"}\n', b"x" * 20_000, None])
def test_whatever_else_listens_there_is_no_one(answer):
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        if answer is not None:
            import threading

            def serve():
                link, _ = server.accept()
                with link:
                    link.sendall(answer)

            threading.Thread(target=serve, daemon=True).start()
        else:
            server.close()
        assert SessionPort("127.0.0.1", number).map_uid() == ""


@with_port
def test_readiness_comes_from_the_port_and_not_from_a_waiting_time(stand_in, vgamepad):
    stand_in.countdown = 0.4
    game = open_trackmania(
        stand_in_track(), host="127.0.0.1", port=stand_in.port, layout=0, hz=20.0, settle_s=60.0,
        session_port=stand_in.session_port,
    )  # fmt: skip
    game.pad = VirtualPad(module=vgamepad)
    try:
        assert game.map_uid == "StandInMapUid"
        began = time.perf_counter()
        game.restart(Start())
        took = time.perf_counter() - began
        assert 0.4 <= took < 5.0, "the car was held for so long, and settle_s would be a minute"
        assert not stand_in.held
        assert stand_in.restarts == 1
    finally:
        game.close()


@with_port
def test_the_map_is_stored_and_another_one_is_refused_with_both_names(tmp_path, stand_in, monkeypatch):
    monkeypatch.syspath_prepend(str(MODULES))
    monkeypatch.delitem(__import__("sys").modules, "vgamepad", raising=False)
    home = Home(tmp_path / "home").create()
    lines = "\n".join(f"{x},{y}" for x, y in stand_in_track().line.points.tolist())
    home.line.write_text(lines)
    ports = f"port = {stand_in.port}\nsession_port = {stand_in.session_port}\n"
    (home.root / "settings.toml").write_text(f"[trackmania]\n{ports}settle_s = 0.1\n")
    options = SessionOptions(env="trackmania", real_time=True)
    with SessionSetup(home, options):
        pass
    with Store(home.store_path, read_only=True) as store:
        assert store.map_uids() == {"line": "StandInMapUid"}
    stand_in.map_uid = "AnotherMap"
    with pytest.raises(DeviceError, match=r"loaded the map AnotherMap, and the line 'line' is of the map\s+StandInMapUid"):
        SessionSetup(home, options)
    home.line.write_text(f"# map_uid,AnotherMap\n{lines}")  # recorded again: what the file says counts
    with SessionSetup(home, options) as rig:
        assert rig.world.map_uid == "AnotherMap"
    with Store(home.store_path, read_only=True) as store:
        assert len(store.sessions()) == 2, "a refused session leaves nothing behind"


def test_a_recorded_line_names_its_map(tmp_path):
    recorder = LineRecorder()
    for k in range(100):
        recorder.take(Frame(0.01 * k, 20.0, 100.0 + k, 10.0, 50.0, 0.0, 1.0, 0.0, False, 0.0))
    recorder.write(tmp_path / "line.csv", "SomeUid")
    track = load_track(tmp_path / "line.csv")
    assert (track.map_uid, round(track.line.length)) == ("SomeUid", 99)


def test_a_lap_has_the_time_of_the_games_clock_at_the_first_frame_that_says_finished():
    def frames(race, finished):
        return [
            Frame(100.0 + 0.01 * k, 20.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0, done, 0.0, clock)
            for k, (clock, done) in enumerate(zip(race, finished, strict=True))
        ]

    end = [False, False, True, True]
    assert time_at_finish(frames([36.1, 36.11, 36.123, 36.123], end), 64.0) == 36.123
    assert time_at_finish(frames([36.1, 36.11, 0.0, 0.0], end), 64.0) == 36.11, "the clock is at 0 again"
    nan = [float("nan")] * 4
    assert time_at_finish(frames(nan, end), 64.0) == pytest.approx(36.02), "without a clock: when it was seen"
    assert np.isfinite(time_at_finish(frames(nan, [True] * 4), 64.0))
