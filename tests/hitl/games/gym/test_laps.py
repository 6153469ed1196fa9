"""A whole episode of the player's where there is no road: who drove it to its end meant to show it."""

import gymnasium
import numpy as np
import pytest

from data.demos import DemoRule
from data.store import Store
from hitl import SymmetricReplay
from hitl.coach.first_touch import FirstTouch
from hitl.drivers.human import HumanDriver
from hitl.home import Home
from hitl.pads.base import PadState
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from tests.hitl.games.gym.test_gym_env import Fixed


class Goal(gymnasium.Env):
    """Reached in twenty steps, in a second."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.steps += 1
        return np.full(2, self.steps / 20, np.float32), 1.0, self.steps == 20, False, {}


@pytest.fixture(params=["Pendulum-v1", "Goal-v0"])
def env(request):
    gymnasium.register("Goal-v0", Goal)
    yield request.param
    del gymnasium.registry["Goal-v0"]


@pytest.mark.parametrize("leaves", [False, True])
def test_one_that_ends_by_itself_is_learned_from(tmp_path, env, leaves):
    pad = Fixed(PadState(steer=0.5, gas=1.0))
    hand, options = HumanDriver(pad), SessionOptions(env=f"gym:{env}")
    with SessionSetup(Home(tmp_path), options, human=lambda track: hand, stop=lambda: leaves and pad.reads > 9) as rig:
        rig.session.episode("lap", seed=0)
    with Store(tmp_path / "store.sqlite", read_only=True) as store:
        [lap] = store.segments()
        assert (store.glance().laps, store.info().laps) == ((0, 0) if leaves else (1, 1))
    assert (lap.kind, lap.outcome) == ("lap", "failed" if leaves else "unclear")
    assert DemoRule().judge(lap).counts is not leaves


def test_the_agent_is_cloned_from_it_before_its_first_drive(tmp_path, env):
    hand = HumanDriver(Fixed(PadState(steer=0.5, gas=1.0)))
    with SessionSetup(Home(tmp_path), SessionOptions(env=f"gym:{env}"), human=lambda track: hand) as rig:
        steps = sum(rig.session.episode("lap", seed=seed).steps for seed in range(2))
    replay = SymmetricReplay(tmp_path, hidden=8, batch_size=16, lap_utd=0.25)
    replay.poll()
    learner = replay.learner()
    for batch in replay.batches(learner):
        assert batch.cloned.any()
        learner.update(batch)
    assert learner.updates == steps // 4


class Late(Fixed):
    """At rest for some looks, then as given."""

    def read(self):
        state = super().read()
        return state if self.reads > 30 else PadState()


def lap(home, env, pad, **how):
    said = []
    with SessionSetup(
        Home(home), SessionOptions(env=f"gym:{env}"), human=lambda track: HumanDriver(pad), say=lambda one: said.append(one.name)
    ) as rig:
        result = rig.session.episode("lap", seed=0, **how)
    with Store(home / "store.sqlite", read_only=True) as store:
        return result, said, store.segments(), store.steps(1).executed


def test_it_stands_until_the_first_touch(tmp_path, env):
    shown = []
    result, said, segments, actions = lap(tmp_path, env, Late(PadState(steer=0.5, gas=1.0)), awaits=FirstTouch(shown.append))
    assert (shown, said) == ([True, False], [])
    assert [(s.start, s.stop) for s in segments] == [(0, result.steps)]
    assert actions[0].any(), "the touch itself is driven"
    assert DemoRule().judge(segments[0]).counts


def test_one_in_which_nothing_was_touched_does_not_count(tmp_path, env):
    result, said, [segment], actions = lap(tmp_path, env, Fixed(PadState()))
    assert (result.human_steps, actions.any()) == (result.steps, False)
    assert said == ["lap_untouched"]
    assert not DemoRule().judge(segment).counts


def test_one_that_runs_on_between_its_steps_is_not_waited_for(tmp_path, env, monkeypatch):
    monkeypatch.setattr(Goal, "time_step_duration", 0.05, raising=False)
    shown = []
    lap(tmp_path, env, Late(PadState(gas=1.0)), awaits=FirstTouch(shown.append))
    assert shown == ([] if env == "Goal-v0" else [True, False])
