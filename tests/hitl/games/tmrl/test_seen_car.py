"""What is told of the car that tmrl drives: nothing counts that it does beside the road, or that the run before has left."""

import math

import pytest

from hitl.games.base import AT_REST
from hitl.games.tmrl.seen_car import SeenCar
from hitl.games.trackmania.frames import Frame
from tests.support.stand_in_game import stand_in_track

TRACK = stand_in_track()
NOWHERE = Frame(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, False, math.nan)


def seen(car, at_s, metre, offset=0.0, finished=False):
    """Let the car be seen there, so far (m) to the left of the line."""
    x, y, _ = TRACK.line.beside(metre, offset)
    car.see(Frame(at_s, 10.0, x, 10.0, -y, 0.0, 1.0, 0.0, finished, math.nan))
    return car.info(None)


@pytest.fixture
def car():
    return SeenCar(TRACK, has_line=True)


def test_a_car_far_from_the_line_is_told_once_and_passes_nothing(car):
    corner = TRACK.corners[0]
    for episode in range(2):
        car.begin()
        first = seen(car, 0.0, corner.to_m + 1.0, 60.0)
        said = first.get("notices", ())
        assert len(said) == (episode == 0)
        assert all("beside the line 'default', so no corner counts" in s and "--record-reward" in s for s in said)
        assert (first["progress"], first["off_road"]) == (0.0, True)
        assert "notices" not in seen(car, 0.1, corner.to_m + 2.0, 60.0)
    ended = car.info("finish")  # of the other map
    assert ended["progress"] == 0.0
    assert "lap_s" not in ended


def test_beside_the_road_no_metre_is_driven(car):
    for k in range(20):
        info = seen(car, k / 20, float(k))
    assert (info["progress"], info["off_road"]) == (pytest.approx(19.0, abs=0.5), False)
    for k in range(20, 30):
        info = seen(car, k / 20, float(k), TRACK.half_width + 2.0)
        assert (info["progress"], info["off_road"]) == (pytest.approx(19.0, abs=0.5), True)
        assert info["place"].s > 19.0
    info = seen(car, 1.5, 30.0)
    assert (info["progress"], info["off_road"]) == (pytest.approx(30.0, abs=0.5), False)


def test_a_finish_that_was_there_before_is_none_of_this_episode(car):
    car.see(NOWHERE._replace(received=1.0, finished=True))
    assert (car.finished, car.is_seen, car.state) == (False, False, AT_REST)
    assert car.info("over")["progress"] == 0.0
    seen(car, 2.0, 0.0)
    car.see(NOWHERE._replace(received=12.0, finished=True))
    assert car.finished
    ended = car.info("finish")
    assert (ended["progress"], ended["lap_s"]) == (TRACK.line.length, pytest.approx(10.0))


def test_without_a_line_nothing_is_said_of_it():
    car = SeenCar(TRACK, has_line=False)
    info = seen(car, 0.0, 40.0, 60.0)
    assert (info["progress"], info["off_road"], info.get("notices")) == (0.0, False, None)
