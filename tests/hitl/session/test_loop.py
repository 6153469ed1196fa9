"""The live loop in real time, for some seconds: the ten-minute figures are `benchmarks/loop.py`'s."""

import importlib.util
import sys
import time

import numpy as np
import pytest

from hitl import arbiter
from hitl.drivers.human import HumanSide
from hitl.home import Home
from hitl.pads.base import PadState
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.timing.clocks import Lateness, punctual
from tests.support.places import BENCHMARKS

pytestmark = pytest.mark.realtime


@pytest.fixture(scope="module")
def loop():
    sys.path.insert(0, str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("loop_benchmark", BENCHMARKS / "loop.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(BENCHMARKS))


def test_every_press_acts_in_the_very_next_tick_while_a_trainer_runs(loop, tmp_path):
    figures, _ = loop.drive(Home(tmp_path / "home"), 7.0, seed=1, trainer=True)
    assert figures["trainer_updates"] > 0
    assert figures["ticks"] > 125  # of 140, less the moments between episodes
    assert figures["missed"] <= 0.02 * figures["ticks"]  # none on a machine of its own: benchmarks/loop.py
    assert figures["takeovers"] >= 5
    assert figures["next_tick_takeovers"] == 1.0
    assert figures["arbiter_ms"] < 0.1
    assert figures["late_ms_p50"] < 5.0  # the machine that tests run on may be busy


def test_presses_that_the_next_tick_misses_are_counted(loop):
    notes = loop.Notes(read=[1.0, 2.0, 3.0, 4.0, 5.0], driver=[0, 1, 0, 0, 1])
    assert loop.next_tick([(1.5, 1.6), (2.5, 2.6)], notes) == (1, 1, 0)  # the second came while the human drove
    assert loop.next_tick([(3.5, 3.6)], notes) == (0, 1, 0)
    assert loop.next_tick([(0.5, 0.6), (9.0, 9.1)], notes) == (0, 1, 0)


def test_presses_between_two_episodes_are_no_takeovers(loop):
    notes = loop.Notes(read=[1.0, 2.0, 3.0, 4.0, 5.0], first=[0, 3], driver=[0, 1, 0, 0, 1])
    assert loop.next_tick([(3.5, 3.6), (4.5, 4.6)], notes) == (1, 1, 1)
    assert loop.next_tick([(2.5, 3.5)], notes) == (0, 0, 0)  # the human drove until then


class PauseWheel(HumanSide):
    """Presses pause at two ticks."""

    name = "pauses"

    def __init__(self, *at):
        self.at, self.n = at, -1

    def begin(self):
        pass

    def read(self, info):
        self.n += 1
        return PadState(buttons=frozenset({"pause"} if self.n in self.at else ())), ""

    def rumble(self, *how):
        pass


class Still:
    checkpoint_id = None

    def act(self, observation, deterministic):
        return np.array([0.2, 0.0], np.float32)

    def begin_episode(self):
        pass


def test_a_pause_costs_no_late_ticks_and_lets_go_of_the_game(tmp_path):
    ticks, sent = [], []
    wheel = PauseWheel(6, 14)
    with SessionSetup(
        Home(tmp_path),
        SessionOptions(real_time=True, gating=arbiter.GatingSettings()),
        human=lambda track: wheel,
        watch=ticks.append,
        stop=lambda: len(ticks) >= 24,
    ) as rig:
        rig.session.policy = Still()
        game = rig.env.game
        original = game.send
        game.send = lambda action: sent.append(action.copy()) or original(action)
        began = time.perf_counter()
        rig.session.episode(seed=0)
        taken = time.perf_counter() - began
        assert rig.lateness.missed == 0
        assert rig.lateness.ticks == 24 - 8
    assert [t.decision.paused for t in ticks] == [False] * 6 + [True] * 8 + [False] * 10
    assert 24 * 0.05 - 0.1 < taken < 24 * 0.05 + 0.5
    zeros = [k for k, a in enumerate(sent) if not a.any()]
    assert zeros == [0, 7]  # the episode's first, and the pause


def test_a_blocked_session_counts_its_late_and_missed_ticks(tmp_path):
    def block(tick):
        if len(seen) == 5:
            time.sleep(0.075)
        if len(seen) == 12:
            time.sleep(0.2)
        seen.append(tick)

    seen = []
    with SessionSetup(Home(tmp_path), SessionOptions(real_time=True), watch=block, stop=lambda: len(seen) >= 20) as rig:
        rig.session.policy = Still()
        rig.session.episode(seed=0)
        assert rig.lateness.missed == 1
        assert rig.lateness.late >= 2
        assert rig.lateness.worst > 0.1
    assert seen[-1].late == rig.lateness.late


def test_lateness_is_counted():
    lateness = Lateness()
    for value in (0.0, 0.004, 0.006, 0.06):
        lateness.note(value, 0.05)
    assert (lateness.ticks, lateness.late, lateness.missed, lateness.worst) == (4, 2, 1, 0.06)


def test_a_punctual_process_is_put_back_as_it_was():
    import gc

    before = sys.getswitchinterval()
    with punctual():
        assert not gc.isenabled()
        assert sys.getswitchinterval() < before
    assert gc.isenabled()
    assert sys.getswitchinterval() == pytest.approx(before)
