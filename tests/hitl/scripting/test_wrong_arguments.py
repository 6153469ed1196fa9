"""What cannot be is refused with a sentence: sizes, devices, presets, and networks where they do not belong."""

from __future__ import annotations

import copy
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from data.errors import CheckpointError, UsageError
from hitl import TQC, SymmetricDataset, SymmetricReplay, Takeover, evaluate, open_env, presets

SMALL: dict[str, Any] = {"config": "plain", "hidden": 8, "batch_size": 8}


def replay(**changes: Any) -> SymmetricReplay:
    """Two steps as arrays."""
    made = SymmetricReplay(**{"observation_size": 3, "action_size": 1, **SMALL, **changes})
    made.add_episode(np.zeros((3, 3)), np.zeros((2, 1)), np.zeros(2), terminated=True)
    return made


def learner(observations: int = 3, actions: int = 1, **more: Any) -> TQC:
    return TQC(observations, actions, presets["plain"].with_values(hidden=8), **more)


def pendulum() -> gymnasium.Env[Any, Any]:
    return gymnasium.make("Pendulum-v1")


def policy(answer: Any) -> Callable[[Any], Any]:
    return lambda observation: answer


class Predicts:
    """A model of SB3's kind."""

    def predict(self, observation: Any, deterministic: bool) -> tuple[Any, None]:
        return np.full(1, np.nan), None


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        (lambda: replay(observation_size=-3), "observation_size is a whole number from 1 up, not -3"),
        (lambda: replay(observation_size=3.0), r"observation_size is a whole number from 1 up, not 3\.0"),
        (lambda: replay(action_size=0), "action_size is a whole number from 1 up, not 0"),
        (lambda: replay(hz=0), "hz is steps a second, above 0, not 0"),
        (lambda: replay(device="cudda"), "device=cudda is unknown: give cpu or cuda"),
        (lambda: replay(device="auto"), "device=auto is unknown: give cpu or cuda"),
        (lambda: replay(device="vulkan"), "device=vulkan cannot be used with this machine's torch: give cpu or cuda"),
        (lambda: learner(device="vulkan"), "device=vulkan cannot be used"),
        (lambda: learner(device="cudda"), "device=cudda is unknown: give cpu or cuda"),
        (lambda: replay().sample(0), "batch_size is a whole number from 1 up, not 0"),
        (lambda: replay().sample(-1), "batch_size is a whole number from 1 up, not -1"),
        (lambda: replay().sample(2.5), r"batch_size is a whole number from 1 up, not 2\.5"),
        (lambda: SymmetricDataset("nowhere", batch_size=0), "batch_size is a whole number from 1 up, not 0"),
        (lambda: SymmetricDataset("nowhere", poll_every=0), "poll_every is a whole number from 1 up, not 0"),
        (lambda: TQC(3, 1, "plain"), r"config is settings, for example presets\['plain'\], not plain"),
        (lambda: learner(-1), "observation_size is a whole number from 1 up, not -1"),
        (lambda: presets["plan"], r"^There is no preset 'plan'\. Known ones: hitl, plain.* Did you mean 'plain'"),
        (lambda: learner().act(np.zeros(4)), r"The observation has shape \(4,\), and the learner takes \(3,\)"),
        (lambda: learner().act(np.full(3, np.nan)), r"The observation has numbers that are not finite: \[nan nan nan\]"),
        (lambda: learner().act({"state": 1}), "The observation cannot be read as numbers: "),
        (lambda: learner().update(None), r"update takes a batch, as SymmetricReplay\.sample\(\) gives it, not None"),
        (lambda: learner(4).update(replay().sample(8)), "for 4 observed numbers and 1 action number, and this batch has 3 and 1"),
        (lambda: evaluate(policy([0.1] * 3), pendulum(), 1), r"^The policy's action has shape \(3,\), and the"),
        (lambda: evaluate(policy(np.full(1, np.nan)), pendulum(), 1), r"^The policy's action is \[nan\], which is no"),
        (lambda: evaluate(policy(None), pendulum(), 1), "^The policy's action is None, which is no action: give finite numbers"),
        (lambda: evaluate(Predicts(), pendulum(), 1), r"^The policy's action is \[nan\], which is no action: give"),
        (lambda: evaluate(5, pendulum(), 1), "A policy is a learner, .* not 5"),
        (lambda: evaluate(policy(0), gymnasium.make_vec("Pendulum-v1", 2), 1), "one single environment instead of a vectorised"),
        (lambda: evaluate(policy(0), "Pendulum-v1", 1), "'Pendulum-v1' is no Gymnasium environment: give the policy first"),
        (lambda: evaluate(pendulum(), policy(0), 1), "is no Gymnasium environment: give the policy first"),
        (lambda: evaluate(policy(0), pendulum(), 0), "episodes is a whole number from 1 up, not 0"),
        (lambda: evaluate(policy(0), pendulum(), 1, seed="x"), "seed is a whole number from 0 up, not x"),
        (lambda: learner().act(np.zeros((2, 6))), r"The observation has shape \(2, 6\), and"),
        (lambda: evaluate(learner(4), gymnasium.make("Pendulum-v1"), 1), "4 observed numbers .* has 3 and 1"),
        (lambda: evaluate(learner(3, 2), gymnasium.make("Pendulum-v1"), 1), "2 action numbers, and .* has 3 and 1"),
    ],
)
def test_there_is_a_sentence(attempt: Callable[[], Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        attempt()


def test_without_a_graphics_card_cuda_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match=r"or omit device='cuda'\.$"):
        replay(device="cuda")
    with pytest.raises(UsageError, match=r"or omit device='cuda'\.$"):
        learner(device="cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match=r"^device=cuda:3 is not on this machine: it has only cuda:0\.$"):
        learner(device="cuda:3")


@pytest.mark.parametrize("name", ["box2d", "gym:Pendulum-v1"])
def test_a_picture_that_there_is_none_of_is_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    env = open_env(name, home=tmp_path)
    for kind in (UsageError, NotImplementedError):
        with pytest.raises(kind, match="draws no picture for a script"):
            env.render()
    env.close()


def test_the_embedded_game_is_not_stepped_on_after_its_end(tmp_path: Path) -> None:
    env, back = open_env(home=tmp_path), np.array([-1.0, 1.0], np.float32)
    with pytest.raises(UsageError, match=r"call reset first"):
        env.step(back)
    env.reset(seed=0)
    while not any(env.step(back)[2:4]):
        pass
    with pytest.raises(UsageError, match=r"^The episode is over: call reset first"):
        env.step(back)
    env.close()
    with pytest.raises(UsageError, match=r"^This environment is closed"):
        env.reset()


def test_switches_and_one_control_may_come_in_other_types() -> None:
    for controls in ("-steer", ["-steer"], ("-steer",)):
        env = Takeover(pendulum(), None, controls=controls, real_time=np.bool_(False), overlay=0)  # type: ignore[arg-type]
        assert env.wheel.setting.controls == ("-steer",)


def test_what_is_right_in_another_type_is_taken() -> None:
    made = replay(observation_size=np.int64(3), hz=np.float32(10), device=torch.device("cpu"))
    assert len(made.sample(np.int64(4)).reward) == len(made.sample(4).reward) == 4
    assert len(made.sample().reward) == 8
    assert presets.get("plan") is None
    with pytest.raises(KeyError):
        presets["plan"]


def test_a_checkpoint_is_not_evaluated_in_an_environment_of_other_sizes(tmp_path: Path) -> None:
    env = Takeover(gymnasium.make("Pendulum-v1"), None, store=tmp_path)
    env.reset(seed=0)
    for _ in range(5):
        env.step(np.zeros(1, np.float32))
    env.close()
    with SymmetricReplay(tmp_path, **SMALL) as stored:
        file = stored.save(stored.learner())
    assert len(evaluate(file, gymnasium.make("Pendulum-v1"), 1)) == 1
    with pytest.raises(CheckpointError, match="3 observed numbers and 1 action number, and this environment has 2 and 1"):
        evaluate(file, gymnasium.make("MountainCarContinuous-v0"), 1)


@pytest.mark.parametrize("name", ["ppo.zip", "actor.safetensors"])
def test_a_file_of_another_library_is_not_called_damaged(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr("data", "{}")
    with pytest.raises(CheckpointError, match=rf"^'{name}' is no checkpoint of hitl: .*give `evaluate` the model"):
        evaluate(tmp_path / name, pendulum())
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    with pytest.raises(CheckpointError, match=r"^The checkpoint 'torn.safetensors' is damaged"):
        evaluate(str(tmp_path / "torn.safetensors"), pendulum())


def helps(seen: Any, info: dict[str, Any]) -> None:
    """Leave the wheel."""


@pytest.mark.parametrize("copied", [copy.deepcopy, pickle.dumps])
def test_a_takeover_says_that_it_cannot_be_copied(copied: Callable[[Any], Any]) -> None:
    env = Takeover(pendulum(), helps)
    with pytest.raises(UsageError, match=r"^A takeover stands for the wheel of one environment in one process") as refused:
        copied(env)
    assert isinstance(refused.value, TypeError), "which is what copying and pickling raise"
    env.close()


def test_one_in_which_nobody_takes_over_can_be_copied() -> None:
    env = Takeover(pendulum(), None)
    env.reset(seed=0)
    other = copy.deepcopy(env)
    for k in range(3):
        np.testing.assert_array_equal(env.step(np.full(1, k, np.float32))[0], other.step(np.full(1, k, np.float32))[0])
    assert copy.copy(env).wheel is env.wheel is not other.wheel
    with pytest.raises(UsageError, match="cannot be copied or pickled"):
        pickle.dumps(env)
    env.close()
    other.close()


def test_rows_of_a_store_can_be_asked_about_though_nobody_may_write_to_them() -> None:
    seen = np.zeros((2, 3), np.float32)
    seen.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert learner().act(seen).shape == (2, 1)
