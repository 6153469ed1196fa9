"""New weights are tried in copies of Gymnasium's own environments, by what they earn there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from data.reading.new_steps import Layout
from data.store import Store
from hitl import Takeover
from hitl.games.gym.ids import is_gymnasiums_own
from hitl.home import Home
from hitl.trials.copies import Trials, earned_between
from hitl.trials.drives import ATTEMPTS, LEAST, GymDrives
from trainer.daemon.proving import FARTHER

HILL = "MountainCarContinuous-v0"


def drive(home: Path, *episodes: str, env: Any = None) -> None:
    """Drive an episode for each of these: ``alone`` rests, ``helped`` is pushed up the hill."""
    helped = False

    def human(seen: np.ndarray, info: dict[str, Any]) -> np.ndarray | None:
        return np.float32([1.0 if seen[1] >= 0 else -1.0]) if helped else None

    with Takeover(env or gymnasium.make(HILL), human=human, store=home, real_time=False) as wrapped:
        for number, word in enumerate(episodes):
            helped, over = word == "helped", False
            wrapped.reset(seed=number)
            while not over:
                *_, terminated, truncated, _ = wrapped.step(np.float32([0.1]))
                over = terminated or truncated


def layout_of(home: Path) -> Layout:
    with Store(Home(home).store_path) as store:
        session = store.newest_session()
        assert session is not None
        return session.observation_names, session.action_names


class Pushes:
    """Stands for an actor: it pushes the way the car rolls, with this force."""

    def __init__(self, force: float) -> None:
        self.force = force

    def parameters(self) -> Any:
        return iter(())

    def act(self, seen: torch.Tensor, deterministic: bool) -> torch.Tensor:
        return self.force * torch.where(seen[:, 1:] >= 0, 1.0, -1.0)


def test_weights_are_tried_by_what_they_earn_between_the_agent_alone_and_the_best_help(tmp_path: Path) -> None:
    drive(tmp_path, "alone", "alone")
    home, trials = Home(tmp_path), Trials(Home(tmp_path))
    trial = trials(layout_of(tmp_path))
    assert trial is not None
    assert trial.worth == FARTHER
    assert trial.share(Pushes(1.0), 1) == 0.0, "no help has shown yet what can be earned"
    drive(tmp_path, "helped", "helped")
    trial = trials(layout_of(tmp_path))
    assert trial is not None
    between = earned_between(home, tracks(home))
    assert between is not None
    low, high = between
    assert low < 0 < 80 < high
    best, worse = trial.share(Pushes(1.0), 2), trial.share(Pushes(0.0), 2)
    assert 0.8 < best < 1.1
    assert -0.2 < worse < 0.3
    assert trial.share(Pushes(1.0), 2) == best, "the same starts"
    assert trial.told(best).startswith(("earned 9", "earned 8"))
    trials.close()


def tracks(home: Home) -> str:
    with Store(home.store_path, read_only=True) as store:
        return store.tracks()[0]


def test_an_environment_with_something_around_it_is_no_copy(tmp_path: Path) -> None:
    """What a script's agent sees there, and is paid, is another thing."""
    env = gymnasium.wrappers.TransformReward(gymnasium.make(HILL), lambda reward: 10.0 * float(reward))
    drive(tmp_path, "alone", "helped", env=env)
    assert Trials(Home(tmp_path))(layout_of(tmp_path)) is None


def test_a_copy_is_looked_for_again_once_a_drive_has_ended(tmp_path: Path) -> None:
    """A trainer that is there before the first drive is over must not go without trials for good."""
    trials = Trials(Home(tmp_path))
    env = Takeover(gymnasium.make(HILL), human=None, store=tmp_path, real_time=False)
    env.reset(seed=3)
    for _ in range(200):
        env.step(np.float32([0.1]))
    env.flush()
    layout = layout_of(tmp_path)
    assert trials(layout) is None, "the drive is not over"
    over = False
    while not over:
        *_, terminated, truncated, _ = env.step(np.float32([0.1]))
        over = terminated or truncated
    env.flush()
    trial = trials(layout)
    assert trial is not None
    env.close()
    assert trials(layout) == trial
    trials.close()
    with Takeover(gymnasium.make(HILL), human=None, store=tmp_path, real_time=False) as env:
        env.reset(seed=4)
        env.step(np.float32([0.1]))
        env.flush()
        other = Trials(Home(tmp_path))
        assert other(layout) is not None, "in a later session the drives before it do, and proven weights stay proven"
        other.close()


def test_help_that_earns_no_more_than_the_agent_is_no_measure(tmp_path: Path) -> None:
    drive(tmp_path, "helped")
    assert earned_between(Home(tmp_path), tracks(Home(tmp_path))) is None, "the agent has not driven alone"


@pytest.mark.parametrize(
    ("name", "own"), [(HILL, True), ("CarRacing-v3", True), ("no-such-v0", False), ("package:Pendulum-v1", False)]
)
def test_only_gymnasiums_own_environments_are_opened_beside_a_session(name: str, own: bool) -> None:
    assert is_gymnasiums_own(name) == own


def test_a_slow_environment_is_tried_by_fewer_drives(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    class Slow:
        """Each of its drives takes two seconds."""

        def reset(self, *, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
            return np.zeros(2, np.float32), {}

        def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
            now[0] += 2.0
            return np.zeros(2, np.float32), 1.0, True, False, {"progress": 0.0, "reason": "over"}

        def close(self) -> None:
            pass

    monkeypatch.setattr("hitl.trials.drives.time.monotonic", lambda: now[0])
    drives = GymDrives(Slow, lambda: (0.0, 2.0))
    assert drives.episodes == ATTEMPTS
    assert drives.share(Pushes(1.0), 1) == 0.5
    assert drives.episodes == 5
    assert drives.episodes >= LEAST
