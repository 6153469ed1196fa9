"""A diagnosis of figures that lack some, hold no numbers, or are beyond all bounds: each check still gives an answer."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.trained_runs import CONFIG, train
from trainer.diagnosis import live, run
from trainer.diagnosis.case import BROKEN, Case, history_check
from trainer.diagnosis.checks.history.policy_checks import uniform_policy
from trainer.diagnosis.finding import Finding, Lacking
from trainer.diagnosis.history import History, from_rows
from trainer.diagnosis.live import LiveChecks
from trainer.diagnosis.recipe import from_settings

ODD = (np.nan, np.inf, -np.inf, 0.0, 1e300, -1e300)


@cache
def rows() -> tuple[dict[str, float], ...]:
    return tuple({**row, "updates": float(i)} for i, row in enumerate(train(40)[1]))


def broken(history: History) -> list[str]:
    report = run.diagnose([Case(history, recipe=from_settings(CONFIG.to_dict(), None, 20.0, None))])
    return [o.needs for o in report.lacking if BROKEN in o.needs]


@settings(max_examples=examples(150), deadline=None)
@given(st.data())
def test_a_check_gives_an_answer_whatever_is_missing(data: st.DataObject) -> None:
    count = data.draw(st.sampled_from((1, 2, 3, 7, 30)))
    odd = [dict(row) for row in rows()[:count]]
    for name in data.draw(st.lists(st.sampled_from(sorted(rows()[-1])), max_size=12, unique=True)):
        value = data.draw(st.sampled_from(ODD))
        for row in odd[: data.draw(st.sampled_from((1, count // 2, count)))]:
            row[name] = value
    history = from_rows(odd, "metrics", ours=True)
    assert not broken(history)
    assert not broken(replace(history, ours=False))


@pytest.mark.parametrize("lacking", [["debug/log_pi"], ["debug/a1_0"], ["debug/a1_0", "debug/a1_0_std", "debug/log_pi"]])
def test_a_policy_whose_first_figures_are_missing_is_not_said_to_stand_still(lacking: list[str]) -> None:
    """The first rows of a run that goes on come before any update: there is nothing to compare with yet."""
    rng = np.random.default_rng(0)
    columns = {"debug/a1_0": 0.3, "debug/a1_0_std": 0.2, "debug/log_pi": 3.0}  # neither uniform nor as wide as random weights
    history = History({n: v + 1e-4 * rng.standard_normal(40) for n, v in columns.items()}, "metrics", ours=True)
    assert [type(o) for o in uniform_policy(Case(history))] == [Finding]
    for name in lacking:
        history.columns[name][:4] = np.nan
    (answer,) = uniform_policy(Case(history))
    assert isinstance(answer, Finding) == (len(lacking) < len(columns))
    assert BROKEN not in str(answer)


def test_a_check_that_fails_takes_neither_the_others_nor_the_training_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    @history_check("exploded")
    def odd(history: History, case: Case) -> Finding:
        raise ZeroDivisionError

    (answer,) = odd(Case(from_rows(rows(), "metrics")))
    assert isinstance(answer, Lacking)
    assert "ZeroDivisionError in `odd`" in answer.needs
    learner, _, batch = train(20)
    monkeypatch.setattr(live, "CHECKS", (odd, *live.CHECKS))
    checks = LiveChecks(CONFIG, every_s=0.0)
    checks._all(learner, batch, 0, (20.0,))


def test_what_is_no_number_and_what_has_no_end_is_left_open() -> None:
    rows = [{"a": 1.0, "b": float("inf"), 3: 4.0}, {"b": "-Infinity", "a": "2"}, {"b": 5.0, "a": None}, {"a": 7, "late": 8.0}]
    history = from_rows(rows)  # type: ignore[arg-type]
    assert set(history.columns) == {"a", "b", "late"}
    np.testing.assert_array_equal(history.columns["a"], [1.0, 2.0, np.nan, 7.0])
    np.testing.assert_array_equal(history.columns["b"], [np.nan, np.nan, 5.0, np.nan])
    np.testing.assert_array_equal(history.columns["late"], [np.nan, np.nan, np.nan, 8.0])
