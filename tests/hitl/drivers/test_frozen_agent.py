"""Beside a frozen agent: who drives where."""

import numpy as np
import pytest

from data.store import Store
from hitl.demo.shipped import open_shipped
from hitl.drivers.human import scripted_human
from hitl.drivers.scripted import HelpRule
from hitl.home import Home
from hitl.session.lockstep import Lockstep
from hitl.session_options import SessionOptions
from trainer.presets import PRESETS


class Straight:
    """A frozen agent that knows one thing."""

    ACTION = np.array([0.25, 0.0], np.float32)

    def __init__(self) -> None:
        self.began = self.seen = 0

    def act(self, observation, deterministic):
        self.seen += 1
        return self.ACTION

    def begin_episode(self):
        self.began += 1

    def stepped(self, executed):
        pass


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def test_it_drives_until_there_was_help_and_afterwards_everywhere_else(home):
    frozen, config = Straight(), PRESETS["hitl"].with_values(frozen_agent=True, utd=0.05, batch_size=32, hidden=16)

    def human(track):
        return scripted_human(track, "expert", HelpRule(danger=True), seed=0, corners=track.corners, limit_s=3.0)

    with Lockstep(home, SessionOptions(kind="demo"), config, human=human, frozen=frozen) as run:
        first = run.drive(0)
        assert frozen.began == 1
        assert first.human_steps > 10
        ((low, high),) = run.policy.zones
        run.drive(1)
        run.rig.written()
    with Store(home.store_path, read_only=True) as store:
        rows = store.db.execute("SELECT episode_id, driver, progress, proposed FROM steps ORDER BY id").fetchall()
    second = max(number for number, *_ in rows)
    seen = set()
    for episode, _, progress, proposed in rows:
        is_frozen = np.array_equal(np.frombuffer(proposed, np.float32), Straight.ACTION)
        inside = episode == second and low <= progress <= high
        assert is_frozen != inside, progress
        seen.add(inside)
    assert seen == {True, False}


def test_its_actions_are_its_own_bit_for_bit(home):
    config = PRESETS["hitl"].with_values(frozen_agent=True, hidden=16)
    open_shipped(home)
    frozen = Straight()
    with Lockstep(home, SessionOptions(kind="demo"), config, frozen=frozen) as run:
        run.policy.zones = [(10.0, 20.0)]
        seen = np.linspace(-1, 1, run.learner.observation_size, dtype=np.float32)
        run.policy.at(9.9)
        assert (run.policy.act(seen, False) == Straight.ACTION).all()
        run.policy.at(15.0)
        assert frozen.seen == 1
        assert not (run.policy.act(seen, True) == Straight.ACTION).any()
        assert frozen.seen == 2, "it may remember what it saw"
