"""What an end is called, by what was seen of the car."""

import pytest

from hitl.games.base import VehicleState
from hitl.games.ending import Ending

HZ = 20.0


def driven(speeds, heights=None):
    """An episode of a car with these speeds (m/s), at these heights (m)."""
    ending = Ending(HZ)
    ending.begin()
    for k, speed in enumerate(speeds):
        z = heights[k] if heights else 0.0
        ending.step(VehicleState(k / HZ, float(k), 0.0, z, 0.0, speed, 0.0, 0.0, 0.0, 0.0, 0.0))
    return ending


@pytest.mark.parametrize(
    ("speeds", "heights", "reason"),
    [
        ([30.0] * 20 + [0.0] * 10, None, "stalled"),
        ([30.0] * 30, None, "off_road"),  # it flies off at full speed
        ([30.0] * 28 + [0.0] * 2, None, "off_road"),  # a wall, this very moment
        ([0.2] * 30, [100.0 - 1.5 * k for k in range(30)], "off_road"),  # it falls
        ([0.0], None, "off_road"),  # too short to have stood
        ([], None, "over"),  # never seen
    ],
)
def test_an_end_that_is_no_finish_says_what_it_is(speeds, heights, reason):
    assert driven(speeds, heights).reason(terminated=True, truncated=False, finished=False) == reason


def test_a_finish_a_time_limit_and_no_end():
    standing = driven([0.0] * 30)
    assert standing.reason(terminated=True, truncated=False, finished=True) == "finish"
    assert standing.reason(terminated=False, truncated=True, finished=False) == "time_limit"
    assert standing.reason(terminated=False, truncated=False, finished=False) is None


def test_what_was_seen_in_the_episode_before_does_not_count():
    ending = driven([0.0] * 30)
    ending.begin()
    ending.step(VehicleState(0.0, 0.0, 0.0, 0.0, 0.0, 20.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    assert ending.reason(terminated=True, truncated=False, finished=False) == "off_road"


def test_a_car_that_goes_out_of_sight_was_not_seen_to_stand():
    ending = driven([0.0] * 30)
    ending.step(None)
    assert ending.reason(terminated=True, truncated=False, finished=False) == "over"
