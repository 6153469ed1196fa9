import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitl.road.line import ReferenceLine
from hitl.road.track import lay_segments, load_track, shipped_tracks
from tests.support.examples import examples


def test_a_circle_has_its_length_and_curvature():
    angle = np.linspace(0, 2 * math.pi, 2000)
    line = ReferenceLine(np.c_[20 * np.cos(angle), 20 * np.sin(angle)])
    assert line.length == pytest.approx(2 * math.pi * 20, rel=1e-3)
    assert np.median(line.curvatures) == pytest.approx(1 / 20, rel=1e-2)
    assert line.locate(19.0, 0.1, 0.0).offset == pytest.approx(1.0, abs=0.05)  # inside of a left bend is left


@settings(max_examples=examples(60), deadline=None)
@given(s=st.floats(0, 1), offset=st.floats(-4, 4), track=st.sampled_from(shipped_tracks()))
def test_a_point_beside_the_line_is_found_where_it_was_put(s, offset, track):
    line = load_track(track).line
    s *= line.length
    x, y, heading = line.at(s)
    place = line.locate(x - math.sin(heading) * offset, y + math.cos(heading) * offset, s)
    assert place.s == pytest.approx(s, abs=0.6)  # in a bend of 9 m a grid of 1 m is this exact
    assert place.offset == pytest.approx(offset, abs=0.1)


def test_the_search_never_jumps_to_a_neighbouring_stretch():
    points, _ = lay_segments("fold", [{"straight": 60}, {"radius": 3, "angle": 180}, {"straight": 60}])
    line = ReferenceLine(points)
    there, back = line.locate(10.0, 2.5, 10.0), line.locate(10.0, 3.5, line.length - 10.0)
    assert there.s == pytest.approx(10.0, abs=0.1)
    assert back.s == pytest.approx(line.length - 10.0, abs=0.5)
    assert line.locate(10.0, 5.9, 10.0).s == pytest.approx(10.0, abs=0.1)  # even when the other stretch is nearer


@pytest.mark.parametrize(("metres", "drives"), [(300.0, 20), (400.0, 20), (800.0, 10), (1_069.0, 7), (40_000.0, 6)])
def test_an_agent_is_judged_by_fewer_drives_on_a_long_road(metres, drives):
    assert ReferenceLine(np.array([[0.0, 0.0], [metres, 0.0]])).drives(6) == drives


def test_looking_ahead_goes_straight_on_behind_the_end():
    line = ReferenceLine([[0, 0], [10, 0]])
    ahead = line.ahead(8.0, np.array([1.0, 2.0, 50.0]))
    np.testing.assert_allclose(ahead, [[9, 0], [10, 0], [58, 0]], atol=1e-9)


def test_one_point_ahead_is_the_one_that_many_would_be():
    line = load_track("default").line
    places = np.random.default_rng(0).uniform(-20.0, line.length + 400.0, 500)
    assert [line.point_ahead(s) for s in places.tolist()] == list(map(tuple, line.ahead(0.0, places).tolist()))


@pytest.mark.parametrize("points", [[[0, 0]], [[0, 0], [0, 0]], [[0, 0], [np.nan, 1]], [0, 1, 2]])
def test_what_is_no_line_is_refused(points):
    with pytest.raises(ValueError, match="line"):
        ReferenceLine(points)


def ring(radius, gap, wobble=0.0, waves=3, late=0.0):
    """A closed line that ends ``gap`` metres before its beginning (below 0: beyond it) and begins ``late`` metres along."""
    around = 2 * math.pi * radius
    angle = np.linspace(late / radius, (around - gap) / radius, max(60, round(around * 2)))
    r = radius * (1 + wobble * np.sin(waves * angle))
    return np.c_[r * np.cos(angle), r * np.sin(angle)]


def open_ends(points, x, y):
    """Where a restarted car is found, with the whole way that the task goes: the first search and the window's."""
    line = ReferenceLine(points)
    return line, line.locate(x, y, line.begin_at(x, y).s)


rings = st.builds(
    lambda radius, gap, wobble, waves, late: (ring(radius, gap, wobble, waves, late), ring(radius, 0.0, wobble, waves)),
    st.floats(25, 150), st.floats(-20, 12), st.floats(0, 0.15), st.integers(2, 5), st.floats(-6, 12),
)  # fmt: skip


@settings(max_examples=examples(100), deadline=None)
@given(made=rings, aside=st.floats(-3, 3))
def test_the_start_of_a_circuit_is_its_beginning_and_never_its_end(made, aside):
    points, road = made
    ahead = road[1] - road[0]
    ahead /= np.hypot(*ahead)
    x, y = road[0] + aside * np.array([-ahead[1], ahead[0]])  # where the game puts the car, whatever the line's beginning
    line, place = open_ends(points, x, y)
    assert place.s <= 10.0
    assert abs(place.offset) <= 20.0  # the line may begin 12 m ahead, in a bend of 5 m
    if line.overlap() is not None:
        assert abs(line.overlap()) <= 33.0


@settings(max_examples=examples(50), deadline=None)
@given(made=rings)
def test_a_circuit_is_known_as_one_and_a_road_is_not(made):
    points, _ = made
    if np.hypot(*(points[0] - points[-1])) < 8.0:
        assert ReferenceLine(points).overlap() is not None
    half = ReferenceLine(points[: len(points) // 2])
    assert half.overlap() is None


@settings(max_examples=examples(40), deadline=None)
@given(made=rings, back=st.floats(1, 40))
def test_who_is_pushed_back_over_the_start_of_a_circuit_stays_at_its_beginning(made, back):
    points, road = made
    line = ReferenceLine(points)
    s = line.begin_at(*road[0]).s
    steps = np.hypot(*np.diff(road, axis=0).T).mean()
    for k in range(1, int(back / steps)):  # backwards along the road, which is where the line ends
        s = line.locate(*road[-k], s).s
        assert s <= 10.0


def test_a_respawn_on_a_circuit_is_behind_where_the_car_had_come_to():
    points = ring(60, -10.0)  # the beginning is passed twice
    line = ReferenceLine(points)
    x, y, _ = line.at(4.0)
    assert line.begin_at(x, y).s == pytest.approx(4.0, abs=0.6)
    assert line.begin_at(x, y, at_most=300.0).s == pytest.approx(4.0, abs=0.6)
    assert line.begin_at(x, y, at_most=line.length).s > 370.0
    x, y, _ = line.at(200.0)
    assert line.begin_at(x, y, at_most=120.0).s == pytest.approx(200.0, abs=0.6)  # wherever the game put it


@pytest.mark.parametrize("late", [0.7, 5.0, 30.0])
def test_a_car_before_the_lines_beginning_is_on_its_road(late):
    line = ReferenceLine([[0, 0], [100, 0]])
    place = line.locate(-late, 2.0, 0.0)
    assert (place.s, place.offset) == (0.0, pytest.approx(2.0))
    assert line.before(-late, 2.0) == pytest.approx(late)
    assert abs(line.locate(-150.0, 0.0, 0.0).offset) == pytest.approx(100.0)  # but not for ever
