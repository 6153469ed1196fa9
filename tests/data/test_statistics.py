"""Intervals against published values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.statistics import independent, wilson


def test_wilson_agrees_with_published_values() -> None:
    # Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 3
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    assert wilson(18, 20) == pytest.approx((0.6990, 0.9721), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(20, 20)[1] == 1.0


@given(st.integers(0, 300), st.integers(0, 300))
def test_wilson_holds_the_share(k: int, more: int) -> None:
    low, high = wilson(k, k + more)
    assert 0.0 <= low <= high <= 1.0
    if k + more:
        assert low <= k / (k + more) <= high


def test_twenty_drives_of_one_policy_are_no_twenty_trials() -> None:
    assert independent(0) == 0.0
    assert independent(1) == 1.0
    assert independent(20) == pytest.approx(4.17, abs=0.01)
    assert independent(2000) < 5.0  # more of the same say no more
    assert independent(20, distinct=1) == 1.0  # a game without chance: the same drive twenty times
