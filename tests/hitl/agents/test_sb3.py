"""Archives that Stable-Baselines3 and sb3-contrib wrote drive as their own ``predict`` does, action for action."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecNormalize

from data.errors import InputFileError, UsageError
from data.ranges import ActionRange
from hitl.agents.agent import AgentIdentity
from tests.hitl.agents.conftest import Small, box

OBSERVATIONS = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32) * 3
PAIR = ("steer", "gas")


@pytest.mark.parametrize("name", ["sac", "gsde", "tqc", "td3", "ddpg", "ppo"])
def test_continuous_agents_do_what_their_library_does(archives, opened, name):
    model = archives.models[name]
    agent = opened(archives.folder / name, done=PAIR[: model.action_space.shape[0]])
    theirs, _ = model.predict(OBSERVATIONS, deterministic=True)
    space = ActionRange(model.action_space)
    ours = np.stack([agent.act(o) for o in OBSERVATIONS])
    np.testing.assert_allclose([space(a) for a in ours], theirs, atol=2e-6)
    np.testing.assert_allclose(agent.act_many(OBSERVATIONS), ours, atol=2e-6)
    np.testing.assert_allclose(agent.follow(OBSERVATIONS), ours, atol=2e-6)
    assert ours.dtype == np.float32
    assert ours.std() > 0.05
    assert agent.identity.kind == {"gsde": "SAC", "ddpg": "TD3"}.get(name, name.upper())
    assert agent.identity.name == f"{name}.zip"
    assert len(agent.identity.sha256) == 64


@pytest.mark.parametrize("name", ["choice", "dqn", "qrdqn"])
def test_agents_that_choose_drive_the_chosen_row(archives, opened, table, name):
    agent = opened(archives.folder / f"{name}.zip", actions=str(table))
    theirs, _ = archives.models[name].predict(OBSERVATIONS, deterministic=True)
    assert len(set(theirs.tolist())) > 1
    np.testing.assert_allclose(agent.act_many(OBSERVATIONS)[:, 0], np.linspace(-1, 1, 5)[theirs])


def test_nothing_of_the_libraries_is_needed_or_run(archives, opened, monkeypatch):
    for name in [n for n in sys.modules if n.split(".")[0] in ("stable_baselines3", "sb3_contrib", "cloudpickle")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("pickle.loads", None)
    began = time.thread_time()
    opened(archives.folder / "tqc", done=PAIR).act(OBSERVATIONS[0])
    assert time.thread_time() - began < 1.0


def test_a_stack_of_gymnasium_is_taken_from_the_archive(archives, opened):
    agent = opened(archives.folder / "stacked.zip")
    assert agent.remembers
    assert agent.identity.settings == {"stack": 4}
    frames = np.repeat(OBSERVATIONS[:1], 4, 0)
    for observation in OBSERVATIONS[:6]:  # its own wrapper begins with the first one repeated
        frames = np.concatenate((frames[1:], observation[None]))
        theirs, _ = archives.models["stacked"].predict(frames, deterministic=True)
        np.testing.assert_allclose(agent.act(observation) * 2, theirs, atol=2e-6)
    with pytest.raises(ValueError, match="follow"):
        agent.act_many(OBSERVATIONS)


class Played(Small):
    """Shows a row of observations."""

    def __init__(self, rows):
        super().__init__(box((-2, 2)))
        self.rows = rows

    def reset(self, *, seed=None, options=None):
        self.t = 0
        return self.rows[0], {}

    def step(self, action):
        self.t += 1
        return self.rows[self.t], 0.0, False, False, {}


@pytest.mark.parametrize("order", ["stack of normalised", "normalised stack", "normalised"])
@pytest.mark.parametrize("seeded", [True, False])
def test_statistics_and_stacks_are_those_of_the_training(tmp_path, opened, order, seeded):
    from stable_baselines3 import SAC

    env = DummyVecEnv([lambda: Played(OBSERVATIONS)])
    if order == "normalised stack":
        env = VecFrameStack(env, 3)
    env = normalized = VecNormalize(env, clip_obs=1.5)
    if order == "stack of normalised":
        env = VecFrameStack(env, 3)
    if seeded:
        env.action_space.seed(3)  # as `SAC(seed=3)` does: its generator is pickled, too
    model = SAC("MlpPolicy", env, policy_kwargs={"net_arch": [8]}, buffer_size=1, device="cpu")
    env.reset()
    for _ in range(20):
        env.step(np.zeros((1, 1)))
    normalized.training = False
    model.save(tmp_path / "agent")
    normalized.save(tmp_path / "vecnormalize.pkl")
    agent = opened(
        tmp_path / "agent", normalize=str(tmp_path / "vecnormalize.pkl"), stack=1 if order == "normalised" else 3
    )
    seen = env.reset()
    for t in range(12):
        theirs, _ = model.predict(seen, deterministic=True)
        np.testing.assert_allclose(agent.act(OBSERVATIONS[t]) * 2, theirs[0], atol=2e-6)
        seen, *_ = env.step(theirs)
    assert set(agent.identity.settings) >= {"normalize"}


def test_statistics_may_be_plain_numbers(tmp_path, archives, opened):
    mean, var = np.arange(3.0), np.arange(3.0) + 1
    np.savez(tmp_path / "s.npz", mean=mean, var=var)
    (tmp_path / "s.json").write_text('{"mean": [0, 1, 2], "var": [1, 2, 3], "clip": 10}')
    shown = ((OBSERVATIONS - mean) / np.sqrt(var + 1e-8)).astype(np.float32)
    expected, _ = archives.models["ddpg"].predict(shown, deterministic=True)
    for name in ("s.npz", "s.json"):
        agent = opened(archives.folder / "ddpg", normalize=str(tmp_path / name))
        np.testing.assert_allclose(agent.act_many(OBSERVATIONS) * 2, expected, atol=2e-6)


def test_what_does_not_fit_is_said_with_both_sides_numbers(archives, opened, table, tmp_path):
    folder = archives.folder
    for match, use, more in (
        ("takes 3 numbers, and this session shows it 4: use the environment", "ddpg", {"seen": tuple("abcd")}),
        ("takes 12 numbers, and this session shows it 4: if it was trained with 3 stacked observations, add --agent-stack 3",
         "stacked", {"seen": tuple("abcd")}),
        ("takes 3 numbers, and this session shows it 3 in a stack of 2", "ddpg", {"stack": 2}),
        (r"has 2 action numbers, and this session has 1 \(torque\)", "sac", {}),
        (r"chooses one of 5 actions, and this session has 1 action numbers \(torque\): give a table of 5 rows", "dqn", {}),
    ):  # fmt: skip
        with pytest.raises(InputFileError, match=match):
            opened(folder / f"{use}.zip", **more)
    short = tmp_path / "short.json"
    short.write_text("[[-1], [1]]")
    with pytest.raises(InputFileError, match=r"chooses one of 5 actions, and the table of --actions has 2 rows"):
        opened(folder / "dqn", actions=str(short))
    (tmp_path / "s.json").write_text('{"mean": [0, 1], "var": [1, 2]}')
    with pytest.raises(InputFileError, match="are of 2 numbers, and this session shows the agent 3"):
        opened(folder / "ddpg", normalize=str(tmp_path / "s.json"))
    with pytest.raises(UsageError, match="omit --actions"):
        opened(folder / "ddpg", actions=str(table))
    with pytest.raises(UsageError, match="omit --agent-range"):
        opened(folder / "ddpg", range=(-2.0, 2.0))


@pytest.mark.parametrize(("kind", "policy"), [("RecurrentPPO", "MlpLstmPolicy"), ("CrossQ", "MlpPolicy")])
def test_an_archive_of_a_make_that_cannot_be_rebuilt_names_the_way(tmp_path, opened, kind, policy):
    import sb3_contrib

    more = {"policy_kwargs": {"net_arch": [8]}, "device": "cpu"} | ({"buffer_size": 1} if kind == "CrossQ" else {})
    getattr(sb3_contrib, kind)(policy, Small(box((-2, 2))), **more).save(tmp_path / "a")
    with pytest.raises(InputFileError, match=rf"\({kind}\).*cannot be rebuilt here.*give --agent mine:model"):
        opened(tmp_path / "a.zip")


@pytest.fixture
def in_a_module(monkeypatch):
    """What makes a model the ``model`` of a module, and returns how an agent names it."""

    def put(model):
        monkeypatch.setitem(sys.modules, "mine_model", SimpleNamespace(model=model))
        return "mine_model:model"

    return put


@pytest.mark.parametrize("name", ["sac", "ppo", "td3"])
def test_a_model_in_a_module_drives_as_its_archive_does(archives, opened, in_a_module, name):
    agent, archive = opened(in_a_module(archives.models[name]), done=PAIR), opened(archives.folder / name, done=PAIR)
    np.testing.assert_allclose(agent.follow(OBSERVATIONS), archive.follow(OBSERVATIONS), atol=2e-6)
    assert agent.actions.farthest is None


def test_what_is_typed_of_a_model_in_a_module_holds(archives, opened, in_a_module, table):
    use = in_a_module(archives.models["ddpg"])
    np.testing.assert_allclose(
        opened(use, range=(-4.0, 4.0)).follow(OBSERVATIONS), opened(use).follow(OBSERVATIONS) / 2, atol=2e-6
    )
    with pytest.raises(InputFileError, match="has 1 action numbers, and this session has 2"):
        opened(use, done=PAIR)
    chooses = in_a_module(archives.models["dqn"])
    with pytest.raises(InputFileError, match=r"chooses one of 5 actions.*give a table of 5 rows with --actions FILE"):
        opened(chooses)
    rows, _ = archives.models["dqn"].predict(OBSERVATIONS, deterministic=True)
    driven = opened(chooses, actions=str(table)).follow(OBSERVATIONS)
    np.testing.assert_allclose(driven[:, 0], np.linspace(-1, 1, 5)[rows])


def test_a_model_in_a_module_remembers_until_the_episode_ends(opened, in_a_module):
    from sb3_contrib import RecurrentPPO

    model = RecurrentPPO("MlpLstmPolicy", Small(box((-2, 2))), policy_kwargs={"net_arch": [8]}, device="cpu", seed=1)
    with torch.no_grad():
        model.policy.action_net.weight.mul_(100)
    state, expected = None, []
    for observation in OBSERVATIONS[:8]:
        action, state = model.predict(observation, state=state, deterministic=True)
        expected.append(action / 2)
    agent = opened(in_a_module(model))
    for _ in range(2):
        np.testing.assert_allclose([agent.act(o) for o in OBSERVATIONS[:8]], expected, atol=1e-5)
        agent.reset()
    forgetful = [model.predict(o, deterministic=True)[0] / 2 for o in OBSERVATIONS[:8]]
    assert np.abs(np.subtract(forgetful, expected)).max() > 1e-3


@pytest.mark.parametrize("off", ["norm_obs", "both"])
def test_statistics_of_rewards_alone_are_told_so(tmp_path, archives, opened, off):
    normalized = VecNormalize(DummyVecEnv([lambda: Played(OBSERVATIONS)]), norm_obs=False, norm_reward=off == "norm_obs")
    normalized.save(tmp_path / "v.pkl")
    with pytest.raises(InputFileError, match="normalised rewards only, so the agent needs no --agent-normalize"):
        opened(archives.folder / "ddpg", normalize=str(tmp_path / "v.pkl"))


def test_an_identity_holds_no_folder(archives, opened):
    known = opened(archives.folder / "ddpg").identity
    assert isinstance(known, AgentIdentity)
    assert str(archives.folder) not in str(known.as_dict())
