import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitl.line import ReferenceLine
from hitl.track import lay_segments, load_track, shipped_tracks


def test_a_circle_has_its_length_and_curvature():
    angle = np.linspace(0, 2 * math.pi, 2000)
    line = ReferenceLine(np.c_[20 * np.cos(angle), 20 * np.sin(angle)])
    assert line.length == pytest.approx(2 * math.pi * 20, rel=1e-3)
    assert np.median(line.curvatures) == pytest.approx(1 / 20, rel=1e-2)
    assert line.locate(19.0, 0.1, 0.0).offset == pytest.approx(1.0, abs=0.05)  # inside of a left bend is left


@settings(max_examples=60, deadline=None)
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


def test_looking_ahead_goes_straight_on_behind_the_end():
    line = ReferenceLine([[0, 0], [10, 0]])
    ahead = line.ahead(8.0, np.array([1.0, 2.0, 50.0]))
    np.testing.assert_allclose(ahead, [[9, 0], [10, 0], [58, 0]], atol=1e-9)


@pytest.mark.parametrize("points", [[[0, 0]], [[0, 0], [0, 0]], [[0, 0], [np.nan, 1]], [0, 1, 2]])
def test_what_is_no_line_is_refused(points):
    with pytest.raises(ValueError, match="line"):
        ReferenceLine(points)
