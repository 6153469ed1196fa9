"""The benchmark of laps alone in small: laps, updates on them, driven steps, and what is said of it."""

import importlib
import math
import sys
from pathlib import Path

import pytest

from hitl.session.lockstep import Lockstep
from hitl.trials.drives import Solo
from tests.support.places import BENCHMARKS


@pytest.fixture
def from_laps(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    yield importlib.import_module("from_laps")
    for name in set(sys.modules) - before:  # `common` and its like are names that others use too
        if getattr(sys.modules[name], "__file__", None) and Path(sys.modules[name].__file__).parent == BENCHMARKS:
            del sys.modules[name]


@pytest.fixture
def passed(from_laps, monkeypatch):
    """What each evaluation finds, and when it was asked for: how many cars come to the end of the track."""
    plan, learned = [], []

    class Planned(from_laps.SoloDrives):
        def __call__(self, actor, first_seed):
            found = [Solo(steps=300, progress=0.0, reason="off_road") for _ in self.envs]
            for result in found[: plan.pop(0) if plan else 20]:
                result.progress, result.reason = math.inf, "finish"
            return found

    monkeypatch.setattr(from_laps, "SoloDrives", Planned)
    monkeypatch.setattr("hitl.trials.copies.ATTEMPTS", 2)  # trials are tested elsewhere
    learn = Lockstep.learn

    def noted(self):
        learn(self)
        learned.append((self.learner.updates, len(self.replay), self.replay.human_rows))  # rows: of online ones

    monkeypatch.setattr(Lockstep, "learn", noted)
    return plan, learned


def test_what_was_reached_late_is_watched_as_long_as_what_was_reached_at_once(from_laps, passed, monkeypatch):
    monkeypatch.setattr(from_laps, "EVERY", 1)  # before each episode
    monkeypatch.setattr(from_laps, "HELD_EVERY", 1)
    few = {"lap_utd": 0.02, "batch_size": 32, "hidden": 16, "warmup_steps": 10_000}
    monkeypatch.setitem(from_laps.ARMS, "few_updates", few)
    plan, learned = passed
    plan += [17, 18, 20, 17]
    found = from_laps.run("default", "few_updates", 0, 1, "good", 400, 390)
    curve = found["curve"]
    assert [passes for _, passes, *_ in curve[:4]] == [17, 18, 20, 17]
    assert 0 < found["steps_to_all"] == curve[1][0] < 400
    assert curve[-1][0] >= found["steps_to_all"] + 390 > 400
    assert found["held"] == pytest.approx(1 - 1 / len(curve[2:]))
    assert (found["lap_s"], found["human_lap_s"] > 15) == (15.0, True)
    steps = round(found["human_lap_s"] * 20)
    assert learned[0] == (int(0.02 * steps), 0, steps)  # on the lap, and on nothing else
    assert learned[-1][0] == learned[0][0]  # what is driven owes its own


def test_what_is_not_reached_has_held_nothing(from_laps, passed):
    plan, _ = passed
    plan += [17] * 10
    found = from_laps.run("default", "no_updates", 0, 1, "good", 60, 400)
    assert (found["steps_to_all"], found["held"]) == (None, None)
    assert found["curve"][-1][0] < 400
