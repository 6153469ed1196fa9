"""Other people's trainers: each learns, on a problem that only the human's steps solve, what the human did."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch.utils.data import DataLoader

from data.errors import NoStoreError, UsageError
from hitl import Store, SymmetricDataset, SymmetricReplay, Takeover, evaluate


class Levers(gymnasium.Env[np.ndarray, np.ndarray]):
    """Pays where both levers are right, which is nowhere near where chance puts them. Their ranges are all but symmetric."""

    observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = spaces.Box(np.float32([0.0, -2.0]), np.float32([4.0, 2.0]), dtype=np.float32)

    def __init__(self, pays: float = 1.0) -> None:
        self.pays = pays

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.n = 0
        return self._look(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        good = float(np.abs(action - right(self.seen)).max() < 0.3)
        self.n += 1
        return self._look(), self.pays * good, False, self.n >= 25, {}

    def _look(self) -> np.ndarray:
        self.seen = self.np_random.uniform(-1, 1, 1).astype(np.float32)
        return self.seen


def right(seen: np.ndarray) -> np.ndarray:
    """Where the levers belong."""
    return np.array([3.2, 1.5 * np.sign(seen[0])], np.float32)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four episodes in which a human moves the levers, whatever the agent proposes."""
    folder = tmp_path_factory.mktemp("levers")
    env = Takeover(Levers(), lambda seen, info: right(seen), store=folder)
    for seed in range(4):
        env.reset(seed=seed)
        for _ in range(25):
            env.step(np.array([1.0, 0.0], np.float32))
    env.close()
    return folder


def test_sb3_draws_half_from_the_store_and_keeps_what_was_executed(home: Path) -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    from hitl import SymmetricReplayBuffer

    space = Levers.observation_space, Levers.action_space
    buffer = SymmetricReplayBuffer(100, *space, device="cpu", store=home)
    seen = np.zeros((1, 1), np.float32)
    for executed in ({"executed": np.array([4.0, -1.0], np.float32)}, {}):
        buffer.add(seen, seen, np.array([[0.5, 0.5]]), np.zeros(1), np.zeros(1, bool), [executed])
    assert buffer.actions[:2, 0].tolist() == [[1.0, -0.5], [0.5, 0.5]]
    batch = buffer.sample(64)
    mine, theirs = batch.actions[:32], batch.actions[32:]
    assert {tuple(row) for row in mine.tolist()} <= {(1.0, -0.5), (0.5, 0.5)}
    np.testing.assert_allclose(theirs[:, 0], 0.6, atol=1e-5)  # 3.2 of 0 to 4
    np.testing.assert_allclose(theirs[:, 1], 0.75 * batch.observations[32:, 0].sign(), atol=1e-5)
    assert batch.rewards[32:].min() == 1.0
    assert batch.dones[32:].max() == 0.0  # cut off, and so bootstrapped
    assert not torch.equal(batch.observations[32:], batch.next_observations[32:])

    torch.manual_seed(0)
    model = sb3.SAC(
        "MlpPolicy", Levers(pays=0.0), replay_buffer_class=SymmetricReplayBuffer, replay_buffer_kwargs={"store": home},
        learning_starts=60, train_freq=20, gradient_steps=40, batch_size=64, gamma=0.0, ent_coef=0.01, learning_rate=5e-3,
        policy_kwargs={"net_arch": [24]}, seed=0, device="cpu",
    )  # fmt: skip
    model.learn(140)
    for look in (-0.7, 0.7):
        levers = model.predict(np.array([look], np.float32), deterministic=True)[0]
        np.testing.assert_allclose(levers, right(np.array([look])), atol=0.5)


@pytest.mark.parametrize("is_open", [False, True])
def test_sb3_saves_and_loads_model_and_buffer(home: Path, is_open: bool, tmp_path: Path, monkeypatch: Any) -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    from hitl import SymmetricReplayBuffer

    monkeypatch.chdir(home.parent)
    with Store(home.name) as store:
        given: dict[str, Any] = {"store": store if is_open else home.name, "settings": {"takeover_min_s": 0.0}}
        model = sb3.SAC(
            "MlpPolicy", Levers(), replay_buffer_class=SymmetricReplayBuffer, replay_buffer_kwargs=given, learning_starts=5,
            buffer_size=50, policy_kwargs={"net_arch": [8]}, seed=0, device="cpu", batch_size=16,
        )  # fmt: skip
        model.learn(10)
        model.save(tmp_path / "model")
        model.save_replay_buffer(tmp_path / "buffer")
    monkeypatch.chdir(tmp_path)
    again = sb3.SAC.load(tmp_path / "model", env=Levers())
    again.load_replay_buffer(tmp_path / "buffer")
    for one in (model, again):
        np.random.seed(0)  # what SB3 draws by
        one.drawn = one.replay_buffer.sample(16)
    for mine, theirs in zip(model.drawn, again.drawn, strict=True):
        assert mine is theirs is None or torch.equal(mine, theirs)
    again.learn(10, reset_num_timesteps=False)
    assert again.replay_buffer.size() == 20
    assert again.replay_buffer.demos.config.takeover_min_s == 0.0


def test_a_buffer_whose_store_is_gone_says_so(home: Path, tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    from hitl import SymmetricReplayBuffer

    space = Levers.observation_space, Levers.action_space
    shutil.copytree(home, tmp_path / "moved")
    store = Store(tmp_path / "moved")
    saved = pickle.dumps(SymmetricReplayBuffer(10, *space, store=store)), pickle.dumps(store)
    store.close()
    shutil.rmtree(tmp_path / "moved")
    for one in saved:
        with pytest.raises(NoStoreError, match=r"saved with the store .*moved.*, which is not there: put it back"):
            pickle.loads(one)
    assert not (tmp_path / "moved").exists()
    empty = pickle.dumps(SymmetricReplayBuffer(10, *space, store=tmp_path / "empty"))  # as it may be at first
    assert pickle.loads(empty).demos.demo_rows == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"n_steps": 3, "gamma": 0.99}, "holds single steps.*omit n_steps and gamma"),
        ({"setings": {}}, "no argument 'setings'.*Did you mean 'settings'"),
    ],
)
def test_sb3s_buffer_refuses_what_it_has_not(home: Path, given: dict[str, Any], said: str) -> None:
    pytest.importorskip("stable_baselines3")
    from hitl import SymmetricReplayBuffer

    with pytest.raises(UsageError, match=said):
        SymmetricReplayBuffer(10, Levers.observation_space, Levers.action_space, store=home, **given)
    of_parts = gymnasium.spaces.Dict(seen=Levers.observation_space)
    with pytest.raises(UsageError, match=r"FlattenObservation .* HerReplayBuffer, would learn from what the policy proposed"):
        SymmetricReplayBuffer(10, of_parts, Levers.action_space, store=home)


@pytest.mark.parametrize(
    ("observations", "actions", "said"),
    [
        (3, 2, r"observations have 1 number, and this environment's 3"),
        (1, 1, r"actions have 2 numbers, and this environment's 1"),
        (1, 3, r"actions have 2 numbers, and this environment's 3"),
    ],
)
def test_sb3_takes_no_store_of_other_sizes(home: Path, observations: int, actions: int, said: str) -> None:
    pytest.importorskip("stable_baselines3")
    from hitl import SymmetricReplayBuffer

    def box(size: int) -> spaces.Box:
        return spaces.Box(-1, 1, (size,), np.float32)

    other = SymmetricReplayBuffer(10, box(observations), box(actions), device="cpu", store=home)
    seen = np.zeros((1, observations))
    other.add(seen, seen, np.zeros((1, actions)), np.zeros(1), np.zeros(1, bool), [{}])
    with pytest.raises(UsageError, match=said):
        other.sample(8)


def test_one_action_number_is_not_stretched_over_an_environment_with_more(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3")
    from hitl import SymmetricReplayBuffer

    env = Takeover(gymnasium.make("Pendulum-v1"), lambda seen, info: np.ones(1, np.float32), store=tmp_path)
    env.reset(seed=0)
    for _ in range(30):
        env.step(np.zeros(1, np.float32))
    env.close()
    space = env.observation_space, spaces.Box(-1, 1, (2,), np.float32)
    buffer = SymmetricReplayBuffer(10, *space, device="cpu", store=tmp_path)
    buffer.add(np.zeros((1, 3)), np.zeros((1, 3)), np.zeros((1, 2)), np.zeros(1), np.zeros(1, bool), [{}])
    with pytest.raises(UsageError, match="actions have 1 number, and this environment's 2"):
        buffer.sample(8)


def test_a_dataset_teaches_what_was_executed(home: Path) -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(1, 32), torch.nn.Tanh(), torch.nn.Linear(32, 2))
    optimiser = torch.optim.Adam(network.parameters(), 0.02)
    data = DataLoader(SymmetricDataset(home, batch_size=64, config="plain"), batch_size=None)
    for count, batch in enumerate(data):
        assert batch["demo"].float().mean() == 0.5
        loss = (network(batch["observation"]) - batch["action"])[batch["human"]].square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if count == 150:
            break
    acted = network(torch.tensor([[-0.7], [0.7]])).detach().numpy()
    np.testing.assert_allclose(acted, [[0.8, -0.75], [0.8, 0.75]], atol=0.15)


def test_workers_of_a_loader_draw_different_rows(home: Path) -> None:
    first, second = (SymmetricReplay(home, "plain") for _ in range(2))
    second.draw_as(0)
    assert not torch.equal(first.sample(32).observation, second.sample(32).observation)  # type: ignore[arg-type]


def test_what_comes_meanwhile_is_drawn(tmp_path: Path) -> None:
    replay = SymmetricReplay(tmp_path, "plain")
    env = Takeover(Levers(), scripted_by(3), store=tmp_path)
    for seed in range(2):
        env.reset(seed=seed)
        for _ in range(25):
            env.step(np.array([1.0, 0.0], np.float32))
        assert env.flush()
        assert replay.poll() >= 25 - replay.config.times().n_step
        assert replay.demo_rows >= 10 * (seed + 1)
    with Store(tmp_path) as store:  # a verdict counts at once
        store.label([t.id for t in store.takeovers()], verdict="bad")
    replay.poll()
    assert replay.demo_rows == 0
    env.close()


def scripted_by(from_step: int) -> Any:
    steps = iter(range(1000))

    def human(seen: np.ndarray, info: dict[str, Any]) -> np.ndarray | None:
        return right(seen) if next(steps) % 25 >= from_step else None

    return human


def test_our_learner_learns_it_too(home: Path) -> None:
    with SymmetricReplay(home, "plain", hidden=24, batch_size=64, lr_critic=5e-3, lr_actor=5e-3, gamma=1e-3) as replay:
        learner = replay.learner()
        for _ in range(120):
            learner.update(replay.sample())
    assert min(r.total for r in evaluate(learner, Levers(), 2)) >= 20
