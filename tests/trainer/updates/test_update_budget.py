import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.tables.checkpoints import Evaluation
from trainer.checkpoints.verdicts import best, verdicts
from trainer.updates.update_budget import UpdateBudget


@given(
    utd=st.floats(0.1, 20),
    arrivals=st.lists(st.integers(0, 300), min_size=1, max_size=60),
    chunk=st.integers(1, 16),
    slow=st.booleans(),
)
def test_the_ratio_holds_however_fast_the_machine(utd: float, arrivals: list[int], chunk: int, slow: bool) -> None:
    budget = UpdateBudget(utd, warmup=50)
    online = done = 0
    for new in arrivals:
        online += new
        budget.count_steps(online)
        for _ in range(3 if slow else 10**6):  # a slow machine does three chunks a look, a fast one all it may
            if not budget.due:
                break
            count = min(chunk, budget.due)
            budget.pay(count)
            done += count
    counted = max(0, online - 50)
    assert done + budget.owed == pytest.approx(utd * counted, abs=1e-6)
    if not slow:
        assert abs(done - utd * counted) < 1  # within one update, hence within 5 % over any 1,000 steps
    assert done <= utd * counted + 1e-6


def test_long_past_steps_are_forgiven() -> None:
    budget = UpdateBudget(2.0, limit=100)
    budget.count_steps(10_000)
    assert budget.due == 100
    budget.pay(100)
    budget.count_steps(10_000)
    assert budget.due == 0
    assert budget.forgiven == 9_950
    budget.count_steps(10_040)
    assert (budget.due, budget.forgiven, budget.numbers()["forgiven_steps"]) == (80, 9_950, 9_950)


def evaluation(id_: int, passes: int, episodes: int = 20, mean: float = 50.0) -> Evaluation:
    return Evaluation(id_, episodes, mean, passes, {"hairpin": passes, "other": episodes}, "", "")


def test_best_needs_enough_episodes_and_corners_that_were_helped_count() -> None:
    weights = {"hairpin": 100.0}
    judged = verdicts([evaluation(1, 10), evaluation(2, 19), evaluation(3, 5, 5), evaluation(4, 2)], weights)
    assert [v.rate for v in judged] == [0.5, 0.95, 1.0, 0.1]
    top = best(judged)
    assert top is not None
    assert top.checkpoint_id == 2
    assert verdicts([evaluation(1, 10)], {})[0].rate == 0.5  # nothing was helped: laps finished


def test_twenty_drives_of_one_policy_are_no_twenty_trials() -> None:
    weights = {"hairpin": 1.0}
    alone, copies = (verdicts([dataclasses.replace(evaluation(1, 20), distinct=d)], weights)[0] for d in (20, 1))
    assert (alone.low, alone.high) == (pytest.approx(0.52, abs=0.01), 1.0)
    assert copies.low == pytest.approx(0.21, abs=0.01)
    none, some = verdicts([evaluation(2, 0), evaluation(3, 8)], weights)
    assert none.high < alone.low < some.high  # all of twenty against none tells; eight of twenty may be chance
    assert best(verdicts([evaluation(1, 18), evaluation(2, 20)], weights)).checkpoint_id == 2  # type: ignore[union-attr]
