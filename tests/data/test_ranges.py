"""From our actions to those of an environment."""

import gymnasium
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from data.errors import DeviceError
from data.ranges import ActionRange


@given(st.data())
def test_what_is_given_lies_in_the_space_and_rests_at_zero(data):
    """For bounds of any kind, in the environment's own type, to the last bit."""
    dtype = data.draw(st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.uint8, np.int32, np.int64]))
    whole = np.issubdtype(dtype, np.integer)
    info = np.iinfo(dtype) if whole else np.finfo(dtype)
    ends = st.integers(max(int(info.min), -(10**6)), min(int(info.max), 10**6))
    if not whole:
        ends = ends | st.floats(-1e4, 1e4) | st.sampled_from([-np.inf, np.inf, float(info.min), float(info.max), 0.0])
    pairs = [
        sorted(data.draw(st.tuples(ends, ends).filter(lambda p: p[0] != np.inf and p[1] != -np.inf))) for _ in range(3)
    ]
    # A range that lies beyond every number that can be learned from is refused elsewhere, by the first step.
    assume(all(low <= 1e9 and high >= -1e9 for low, high in pairs))
    low, high = (np.array([pair[k] for pair in pairs], dtype) for k in (0, 1))
    space = gymnasium.spaces.Box(low, high, dtype=dtype)
    scaled = ActionRange(space)
    action = np.array(data.draw(st.lists(st.floats(-2, 2, width=32), min_size=3, max_size=3)), np.float32)
    for ours in (action, -np.ones(3, np.float32), np.ones(3, np.float32), np.zeros(3, np.float32)):
        given = scaled(ours)
        assert given.dtype == space.dtype
        assert space.contains(given), (space, ours, given)
        assert (np.abs(given.astype(np.float64)) <= 1.1e9).all()
    around = (low <= 0) & (high >= 0)
    assert (scaled(np.zeros(3, np.float32))[around] == 0).all()
    stated = np.isfinite(low.astype(float)) & (np.abs(low.astype(float)) <= 1e9)
    np.testing.assert_array_equal(scaled(-np.ones(3, np.float32))[stated], low[stated])
    stated = np.isfinite(high.astype(float)) & (np.abs(high.astype(float)) <= 1e9)
    np.testing.assert_array_equal(scaled(np.ones(3, np.float32))[stated], high[stated])


@pytest.mark.parametrize(
    ("low", "high", "lower", "rest", "upper"),
    [
        (-5.0, 0.0, -5.0, 0.0, 0.0),
        (0.0, 255.0, 0.0, 0.0, 255.0),
        (-0.001, 3.0, -0.001, 0.0, 3.0),
        (2.0, 6.0, 2.0, 4.0, 6.0),
        (-6.0, -2.0, -6.0, -4.0, -2.0),
        (0.3, 0.3, 0.3, 0.3, 0.3),
        (-np.inf, np.inf, -1.0, 0.0, 1.0),
        (-np.inf, 5.0, -1.0, 0.0, 5.0),
        (0.0, np.inf, 0.0, 0.0, 1.0),
        (2.0, np.inf, 2.0, 2.5, 3.0),
        (-np.inf, -4.0, -5.0, -4.5, -4.0),
        (-np.finfo(np.float64).max, np.finfo(np.float64).max, -1.0, 0.0, 1.0),
    ],
)
def test_ranges_of_each_kind(low, high, lower, rest, upper):
    scaled = ActionRange(gymnasium.spaces.Box(np.array([low]), np.array([high]), dtype=np.float64))
    found = [float(scaled(np.array([x], np.float32))[0]) for x in (-1, 0, 1)]
    np.testing.assert_allclose(found, [lower, rest, upper])


def test_the_ends_of_a_wide_range_are_reached_to_the_last_bit():
    low, high = np.array([-131074.0, 1.1576223017946177]), np.array([-1.1576223017946177, 131074.0])
    scaled = ActionRange(gymnasium.spaces.Box(low, high, dtype=np.float64))
    np.testing.assert_array_equal(scaled(-np.ones(2, np.float32)), low)
    np.testing.assert_array_equal(scaled(np.ones(2, np.float32)), high)


def test_a_range_in_which_nothing_lies_is_refused():
    space = gymnasium.spaces.Box(np.zeros(2), np.ones(2), dtype=np.float64)
    space.low[1] = 3.0
    with pytest.raises(DeviceError, match="action number 1 is from 3 to 1"):
        ActionRange(space)


def test_what_lies_beyond_an_end_counts_as_that_end():
    scaled = ActionRange(gymnasium.spaces.Box(np.array([0.0, -5.0, 2.0, -2.0]), np.array([1.0, 0.0, 4.0, 3.0]), dtype=np.float64))
    np.testing.assert_array_equal(scaled.back(np.array([[-0.3, 0.3, 0.0, -9.0]])), [[0.0, 0.0, -1.0, -1.0]])
    np.testing.assert_array_equal(scaled.back(np.array([[1.3, -5.3, 9.0, 9.0]])), [[1.0, -1.0, 1.0, 1.0]])
