import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.reward import RewardSettings, speed_bonus
from hitl.task.reward import (
    Reward,
    progress_reward,
    reckless_penalty,
    squash,
    wall_hug_penalty,
)

# The reference recipe's numbers, as its configuration has them.
RECIPE = RewardSettings(
    progress=100.0,
    max_stray=50.0,
    safe_ratio=0.15,
    proximity_shaping=0.5,
    constant_penalty=0.0003,
    speed_bonus=0.0008,
    speed_min=30.0,
    speed_medium=20.0,
    reckless_speed=45.0,
    reckless_factor=0.006,
    wall_hug_speed=10.0,
    wall_hug_factor=0.005,
    failure_countdown=9,
    min_steps=70,
    end_of_track=5.0,
    reward_scale=2.0,
)


def test_a_car_that_stands_uses_up_its_time_and_one_that_has_not_set_off_has_half_of_it_for_that():
    reward = Reward(100.0, RewardSettings(standstill_s=2.0), 20.0)
    shares = []
    for _ in range(40):
        reward.step(0.0, 0.0, 0.0, False)
        shares.append(reward.stands)
    assert shares[:20] == [0.0] * 20
    assert shares[-1] == 1.0
    reward.begin(0.0)
    reward.step(5.0, 0.0, 50.0, False)
    for _ in range(10):
        reward.step(5.0, 0.0, 0.0, False)
    assert reward.stands == 0.25
    reward.step(6.0, 0.0, 50.0, False)
    assert reward.stands == 0.0


def test_a_car_that_stood_where_one_goes_back_to_has_time_to_set_off():
    reward = Reward(100.0, RewardSettings(standstill_s=2.0, least_s=3.0), 20.0)
    reward.step(30.0, 0.0, 50.0, False)
    for _ in range(39):
        reward.step(30.0, 0.0, 2.0, False)
    saved = reward.save()
    assert saved[0] == 30.0
    reward.begin(0.0)
    reward.restore(saved)
    ends = [(reward.step(30.0, 0.0, 2.0, False)[1], reward.stands) for _ in range(80)]
    assert [why for why, _ in ends] == [None] * 79 + ["stalled"]
    assert (ends[39][1], ends[59][1], ends[79][1]) == (0.0, 0.5, 1.0)
    reward.restore(saved)
    reward.step(31.0, 0.0, 20.0, False)
    assert [reward.step(31.0, 0.0, 2.0, False)[1] for _ in range(70)].index("stalled") == 59, "it had set off"


def test_the_whole_line_pays_a_hundred():
    assert sum(progress_reward(10.0, 1000.0, 0.0, RECIPE) for _ in range(100)) == pytest.approx(100.0)


def test_progress_pays_less_far_from_the_line_and_nothing_beyond_twice_the_stray():
    near, edge, far, gone = (progress_reward(10.0, 1000.0, m, RECIPE) for m in (7.5, 20.0, 60.0, 100.1))
    assert near == pytest.approx(1.0)
    assert edge == pytest.approx(1 - (20.0 - 7.5) / 42.5)
    assert far == pytest.approx(0.5)  # never less than 1 - PROXIMITY_REWARD_SHAPING
    assert gone == 0.0


def test_the_speed_bonus_has_two_slopes_and_only_holds_on_the_line():
    assert speed_bonus(20.0, 0.0, RECIPE) == 0.0
    assert speed_bonus(25.0, 0.0, RECIPE) == pytest.approx((25 - 15) * 0.0016)
    assert speed_bonus(130.0, 0.0, RECIPE) == pytest.approx(100 * 0.0008)
    assert speed_bonus(130.0, 7.6, RECIPE) == 0.0


def test_recklessness_costs_beyond_its_distance_and_speed():
    assert reckless_penalty(145.0, 17.5, RECIPE) == 0.0
    assert reckless_penalty(45.0, 35.0, RECIPE) == 0.0
    assert reckless_penalty(145.0, 35.0, RECIPE) == pytest.approx(-0.006 * 100 * 2)


def test_hugging_a_wall_costs_more_with_every_step():
    assert wall_hug_penalty(4, 15.0, RECIPE) == pytest.approx(-0.005 * 4 * 2)


def test_the_finish_is_paid_once_and_outside_the_squash():
    reward = Reward(1000.0, RECIPE)
    pay, reason = reward.step(1000.0, 0.0, 100.0, finished=True)
    assert reason == "finish"
    assert 5.0 < pay <= 6.0


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=40))
def test_progress_is_never_paid_twice(places):
    reward = Reward(1000.0, replace(RECIPE, speed_bonus=0, constant_penalty=0, reward_scale=1e-6))
    total = sum(reward.step(s, 0.0, 50.0, finished=False)[0] for s in places) * 1e6
    assert total == pytest.approx(100.0 * max(places) / 1000.0, abs=1e-3)


def test_what_lies_behind_a_start_is_not_paid():
    reward = Reward(1000.0, RECIPE)
    reward.begin(400.0)
    assert reward.step(399.0, 0.0, 20.0, finished=False)[0] == pytest.approx(math.tanh(-2 * 0.0003))


def test_standing_still_ends_after_the_countdown_but_not_before_the_minimum():
    reward = Reward(1000.0, RECIPE)
    reasons = [reward.step(5.0, 0.0, 0.0, finished=False)[1] for _ in range(80)]
    assert reasons.index("stalled") == 70  # the 71st step: after MIN_STEPS


@pytest.mark.parametrize("hz", [10.0, 20.0, 60.0])
def test_standing_still_ends_after_the_same_time_at_every_rate(hz):
    reward = Reward(1000.0, RewardSettings(), hz)
    reasons = [reward.step(5.0, 0.0, 0.0, finished=False)[1] for _ in range(200)]
    assert reasons.index("stalled") == 2 * hz  # the first step after two seconds
    assert RewardSettings().standstill(20.0) == (40, 40)  # as it was in steps
    assert RewardSettings.of({"failure_countdown": 9, "min_steps": 70}).standstill(hz) == (9, 70)  # in an older store


def test_crawling_below_five_kmh_counts_as_standing():
    reward = Reward(1000.0, replace(RECIPE, min_steps=0))
    reasons = [reward.step(k * 0.1, 0.0, 4.0, finished=False)[1] for k in range(12)]
    assert reasons.index("stalled") == 8


def test_straying_ends_the_episode():
    reward = Reward(1000.0, RECIPE)
    assert reward.step(1.0, 50.0, 20.0, finished=False)[1] is None
    assert reward.step(1.0, 50.1, 20.0, finished=False)[1] == "off_road"


@given(st.floats(-1e6, 1e6))
def test_no_single_step_dominates(total):
    assert abs(squash(total, RECIPE)) <= 1.0
