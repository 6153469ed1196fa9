"""The roads of SuperTuxKart's tracks, which are known without the game."""

import numpy as np
import pytest

from data.store import Store
from data.tables.tracks import SeveralTracksError
from hitl.drivers.scripted import CAR, ScriptedDriver, Skill
from hitl.games.base import VehicleState
from hitl.home import Home
from hitl.road.kart_tracks import KART_TRACKS
from hitl.road.known_tracks import drivable, file_under
from hitl.road.track import load_track
from hitl.task.driving_task import FALL_M, DrivingTask

LENGTHS = {"fortmagma": 1086, "lighthouse": 880, "olivermath": 496, "xr591": 1241, "zengarden": 710, "black_forest": 2613}
"""Of a lap as the game gives them (m), short cuts' detours and slopes included."""


@pytest.mark.parametrize("name", KART_TRACKS)
def test_each_is_a_lap_with_a_width_and_a_height_by_the_metre(name):
    track = load_track(name)
    line = track.line
    assert track.game == "supertuxkart"
    assert len(track.half_widths) == len(track.heights) == len(line.points)
    assert track.half_widths.min() >= 2.0
    assert np.hypot(*(line.points[-1] - line.points[0])) < 0.5, "the lap is closed"
    assert np.abs(np.diff(track.heights)).max() < 4.0
    assert 1 / np.abs(line.curvatures).max() > 3.0, "no kinks are left"
    assert track.corners
    if name in LENGTHS:
        assert line.length == pytest.approx(LENGTHS[name], rel=0.05)


def state(track, s, offset=0.0, z=0.0, speed=10.0):
    x, y, heading = track.line.at(s)
    x, y = x - np.sin(heading) * offset, y + np.cos(heading) * offset
    vx, vy = speed * np.cos(heading), speed * np.sin(heading)
    return VehicleState(0.0, x, y, track.height_at(s) + z, heading, vx, vy, 0.0, 0.0, 0.0, 0.0)


def test_the_edge_of_the_road_is_where_it_is_there():
    track = load_track("fortmagma")
    narrow, wide = (float(f(track.half_widths)) for f in (np.min, np.max))
    task = DrivingTask(track)
    for s in (int(track.half_widths.argmin()), int(track.half_widths[:900].argmax())):
        half = track.half_width_at(s)
        assert narrow <= half <= wide
        for offset, reason in ((0.9 * half, None), (1.1 * half, "off_road")):
            task.begin(state(track, s), s)
            observation, _, _, info = task.step(state(track, s, offset))
            assert info["reason"] == reason
            seen = dict(zip(task.observer.names, observation, strict=True))
            assert abs(seen["offset"]) == pytest.approx(offset / half, rel=0.1), "1 is the edge"


def test_a_fall_ends_the_drive():
    track = load_track("xr591")
    task = DrivingTask(track)
    for z, reason in ((-0.5 * FALL_M, None), (-1.5 * FALL_M, "off_road")):
        task.begin(state(track, 100.0), 100.0)
        assert task.step(state(track, 101.0, z=z))[3]["reason"] == reason


def test_a_track_of_the_players_own_keeps_its_name_and_its_game(tmp_path):
    own = tmp_path / "mines.csv"
    own.write_text("".join(f"{x},0\n" for x in range(200)))
    home = Home(tmp_path / "home").create()
    assert drivable(home, "mines").game == "supertuxkart"
    with Store(home.store_path) as store:
        track, digest, said = file_under(store, load_track(own))
        kart, other, told = file_under(store, load_track("mines"))
    assert (track.name, said) == ("mines", [])
    assert (kart.name, other != digest) == (f"mines~{other[:6]}", True)
    assert "another line" in told[0]
    with pytest.raises(SeveralTracksError, match="2 tracks are called 'mines'"):
        drivable(home, "mines")
    (home.store_path).unlink()
    with Store(home.store_path) as store:
        file_under(store, load_track(own))
    found = drivable(home, "mines")
    assert (found.name, found.game, round(found.line.length)) == ("mines", "", 199)


def test_a_driver_knows_what_a_kart_can_do():
    kart, car = ScriptedDriver(load_track("fortmagma")).skill, ScriptedDriver(load_track("default")).skill
    assert car == CAR
    assert (kart.top_speed, kart.corner_grip, kart.braking) == (22.0, 12.0, 8.0)
    rash = ScriptedDriver(load_track("fortmagma"), Skill(corner_grip=48.0)).skill
    assert rash.corner_grip == 2 * kart.corner_grip


def test_a_kart_turns_on_a_wider_arc_the_faster_it_is():
    kart, car = ScriptedDriver(load_track("fortmagma")).skill, ScriptedDriver(load_track("default")).skill
    for skill, speed in ((kart, 5.0), (kart, 20.0), (car, 10.0)):
        lock = skill.lock(0.05, speed)
        assert skill.turning(lock / skill.full_lock, speed) == pytest.approx(0.05 * speed, rel=0.05)
    assert kart.turning(1.0, 10.0) == pytest.approx(10.0 / 7.5)
    assert kart.lock(0.05, 20.0) > 2 * kart.lock(0.05, 5.0)
