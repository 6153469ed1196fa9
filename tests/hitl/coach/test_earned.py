"""Where there is no road, takeovers are judged by what they earned beyond what the agent earns alone."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from hitl.coach.earned import NEWEST, Earned

CRASH, LAND = [0.0] * 9 + [-100.0], [0.0] * 9 + [100.0]


def after(*alone: list[float]) -> Earned:
    earned = Earned()
    for rewards in alone:
        earned.alone(rewards)
    return earned


def test_nothing_is_known_before_the_agent_drove_alone() -> None:
    assert Earned().helped(3, LAND) == "unclear"


def test_help_that_lands_went_well_and_one_that_crashes_did_not() -> None:
    earned = after(CRASH, CRASH, CRASH)
    assert [earned.helped(5, rewards) for rewards in (LAND, CRASH, LAND)] == ["cleared", "failed", "cleared"]


def test_help_that_gains_less_than_half_of_the_best_did_not_go_well() -> None:
    earned = after([-1.0] * 10)  # from step 2 on it earns -8
    assert earned.helped(2, [-1.0] * 2 + [1.0] * 8) == "cleared"  # 16 more
    assert earned.helped(2, [-1.0] * 2 + [-0.2] * 8) == "failed"  # 6.4 more
    assert earned.helped(2, [-1.0] * 2 + [0.1] * 8) == "cleared"  # 8.8 more


def test_keeping_alive_what_the_agent_loses_is_a_gain() -> None:
    earned = after([1.0] * 30, [1.0] * 34)
    assert earned.helped(25, [1.0] * 400) == "cleared"
    assert earned.helped(25, [1.0] * 28) == "failed"


def test_what_the_agent_earned_before_the_takeover_does_not_matter() -> None:
    earned = after([0.0] * 10)
    assert earned.helped(5, [-50.0] * 5 + [1.0] * 5) == "cleared"
    assert earned.helped(5, [50.0] * 5 + [0.1] * 5) == "failed"


def test_an_agent_that_has_become_good_is_what_help_is_compared_with() -> None:
    earned = after(*[CRASH] * NEWEST)
    assert earned.helped(0, LAND) == "cleared"
    for _ in range(NEWEST):
        earned.alone([0.0] * 9 + [50.0])
    assert earned.helped(0, [0.0] * 9 + [80.0]) == "cleared"  # 30 more, and the best help would be 50 more
    assert earned.helped(0, [0.0] * 9 + [60.0]) == "failed"


def test_better_help_shows_that_help_before_was_not_good() -> None:
    earned = after(CRASH)
    assert earned.helped(5, [0.0] * 9 + [-80.0], number=1) == "cleared"  # 20 more
    assert earned.again() == []
    assert earned.helped(5, LAND, number=2) == "cleared"  # 200 more
    assert earned.again() == [(1, "failed")]
    assert earned.again() == []


def test_help_before_any_drive_alone_is_judged_by_the_first_one() -> None:
    earned = Earned()
    assert [earned.helped(5, rewards, number) for number, rewards in enumerate((LAND, CRASH))] == ["unclear", "unclear"]
    earned.alone(CRASH)
    assert earned.again() == [(0, "cleared"), (1, "failed")]


def test_an_agent_that_becomes_good_does_not_make_earlier_help_bad() -> None:
    earned = after(*[CRASH] * NEWEST)
    assert earned.helped(5, [0.0] * 9 + [40.0], number=1) == "cleared"
    for _ in range(NEWEST):
        earned.alone(LAND)
    assert earned.again() == []


def test_rewards_that_are_no_numbers_say_nothing() -> None:
    earned = after([math.nan])
    assert earned.helped(0, LAND) == "unclear"
    earned.alone(CRASH)
    assert earned.helped(0, [math.inf]) == "unclear"
    assert earned.helped(0, LAND) == "cleared"


rewards = st.lists(st.floats(-10, 10), min_size=1, max_size=8)


@given(st.lists(rewards, min_size=1, max_size=5), st.lists(st.tuples(st.integers(0, 7), rewards), min_size=1, max_size=5))
def test_the_unit_of_rewards_does_not_matter(alone: list[list[float]], helped: list[tuple[int, list[float]]]) -> None:
    def judged(unit: float) -> list[str]:
        earned = after(*[[unit * r for r in drive] for drive in alone])
        return [earned.helped(min(start, len(drive) - 1), [unit * r for r in drive]) for start, drive in helped]

    assert judged(1.0) == judged(1024.0)
