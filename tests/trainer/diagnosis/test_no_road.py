"""Where there is no road, nothing is asked or praised that only a car on one can do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.recording.recorder import Recorder
from data.store import Store
from tests.support.recorded import drive_without_road, session_info
from trainer.diagnosis.case import Case
from trainer.diagnosis.checks.drives import start_checks
from trainer.diagnosis.drives import Drives, from_store
from trainer.diagnosis.finding import Finding, Sound
from trainer.diagnosis.recipe import from_settings
from trainer.diagnosis.run import diagnose

OF_ROADS = (
    "takeovers-fail", "laps-unfinished", "lookahead-short", "never-sets-off", "failures-in-one-corner", "demos-uncovered",
    "far-below-human",
)  # fmt: skip


@pytest.fixture
def arm(tmp_path: Path) -> Drives:
    with Recorder(tmp_path / "store.sqlite", replace(session_info(env="gym:Arm-v0", track="Arm-v0"))) as recorder:
        for _ in range(8):
            drive_without_road(recorder)
    with Store(tmp_path / "store.sqlite") as store:
        found = from_store(store)
    assert found is not None
    assert not found.has_road
    return found


def test_nothing_is_asked_that_needs_one(arm: Drives) -> None:
    def named(drives: Drives) -> set[str]:
        report = diagnose([Case(drives=drives, recipe=from_settings({}, None, 20.0, None))])
        return {o.fault for o in (*report.findings, *report.sound, *report.lacking)}

    assert named(replace(arm, has_road=True)) >= set(OF_ROADS)
    assert not named(arm) & set(OF_ROADS)
    assert "nothing-paid" in named(arm)


def alike(drives: Drives, reward: float, other: int, reason: str = "time_limit") -> Finding | Sound:
    """Ask of the drives with that reward in all steps but some, and that end."""
    rewards = np.full(500, reward)
    rewards[:other] = 7.0
    few = {name: np.resize(getattr(drives, name), 500) for name in ("speed", "executed")}
    ended = [replace(e, reason=reason) for e in drives.episodes]
    (found,) = start_checks.paid(Case(drives=replace(drives, reward=rewards, episodes=ended, **few)))
    assert isinstance(found, Finding | Sound)
    return found


def test_a_reward_that_is_nearly_always_the_same_is_not_praised(arm: Drives) -> None:
    few, cost = alike(arm, -1.0, 5), alike(arm, -1.0, 0, "over")
    assert isinstance(few, Sound)
    assert few.text == "99.0% of 500 steps are paid -1, and only the other 1.0% tell what is better"
    assert isinstance(cost, Sound), "a shorter episode costs less"
    assert cost.text == "100.0% of 500 steps are paid -1"
    many = alike(arm, -1.0, 200)
    assert isinstance(many, Sound)
    assert many.text == "100% of 500 steps are paid something, more or less than 0"


@pytest.mark.parametrize(("reward", "said"), [(-1.0, "Whatever it does is paid alike"), (0.0, "Nothing that was driven so far")])
def test_a_reward_that_is_always_the_same_is_a_finding(arm: Drives, reward: float, said: str) -> None:
    found = alike(arm, reward, 0)
    assert isinstance(found, Finding)
    assert said in found.sentence
    assert "Take over and go on to where it is paid (`hitl play`)" in found.advice
