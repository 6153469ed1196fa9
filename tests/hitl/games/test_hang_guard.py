"""Games that fail, rtgym interfaces that fail or hang, and clocks that leap: the session goes on, with no burst of ticks."""

import threading
import time

import gymnasium
import numpy as np
import pytest
import rtgym

from hitl import arbiter
from hitl.games.hang_guard import EnvironmentLost, Worker
from hitl.games.tmrl.env import TmrlEnv
from hitl.games.tmrl.rtgym_guard import GuardedInterface
from hitl.games.world import no_road
from hitl.home import Home
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.timing.clocks import PacedClock, RtgymClock

pytestmark = pytest.mark.realtime


class Still:
    checkpoint_id = None

    def act(self, observation, deterministic):
        return np.array([0.2, 0.0], np.float32)

    def begin_episode(self):
        pass


def rig(home, **more):
    made = SessionSetup(Home(home), SessionOptions(real_time=True, gating=arbiter.GatingSettings()), **more)
    made.session.policy = Still()
    return made


def break_after(rig, ticks, how):
    """Let the game's step call ``how`` from that one on."""
    game, seen = rig.env.game, []
    advance = game.advance

    def broken(dt):
        seen.append(dt)
        if len(seen) > ticks:
            how()
        advance(dt)

    game.advance = broken
    return lambda: setattr(game, "advance", advance)


def test_a_game_that_fails_ends_its_episode_and_the_next_one_begins(tmp_path):
    told, ticks = [], []

    def fail():
        raise RuntimeError("the tyres are square")

    with rig(
        tmp_path, tell=lambda level, text: told.append(text), watch=ticks.append, stop=lambda: len(ticks) >= 16
    ) as made:
        mend = break_after(made, 6, fail)
        assert made.session.episode(seed=0).reason == "env_lost"
        assert "square" in told[0]
        mend()
        before = len(ticks)
        assert made.session.episode(seed=1).steps > 3
        assert before < 10 < len(ticks)


class Interface(rtgym.RealTimeGymInterface):
    """An interface of a player's own, which calls ``trouble`` in each observation from the sixth on."""

    def __init__(self, trouble, calls):
        self.trouble, self.calls, self.looks, self.sent = trouble, calls, 0, []

    def send_control(self, control):
        self.sent.append(np.array(control))

    def reset(self, seed=None, options=None):
        self.calls.append(threading.get_ident())
        self.looks = 0
        return [np.zeros(2, np.float32)], {}

    def wait(self):
        self.calls.append(threading.get_ident())

    def get_obs_rew_terminated_info(self):
        self.calls.append(threading.get_ident())
        self.looks += 1
        if self.looks > 6 and self.trouble:
            self.trouble[0]()
        return [np.full(2, self.looks, np.float32)], 1.0, False, {}

    def get_observation_space(self):
        return gymnasium.spaces.Tuple((gymnasium.spaces.Box(-100, 100, (2,)),))

    def get_action_space(self):
        return gymnasium.spaces.Box(-1, 1, (3,))

    def get_default_action(self):
        return np.zeros(3, np.float32)


class Gentle:
    checkpoint_id = None

    def act(self, observation, deterministic):
        return np.array([0.5, 0.0, 0.1], np.float32)

    def begin_episode(self):
        pass


@pytest.fixture(params=["real-time-gym-v1", "real-time-gym-ts-v1"])
def rtgym_rig(request, tmp_path, monkeypatch):
    """Return a function that makes a session in an rtgym environment with trouble."""
    monkeypatch.setattr("hitl.session.environment.RETRY_S", (0.1,))

    def made(trouble, calls, **more):
        def make():
            config = {
                **rtgym.DEFAULT_CONFIG_DICT,
                "interface": Interface,
                "interface_args": (trouble, calls),
                "start_obs_capture": 0.04,
            }
            return gymnasium.make(request.param, config=config, disable_env_checker=True)

        def opened(folder, **where):
            return TmrlEnv(make, None, no_road("x"), has_line=False)

        monkeypatch.setattr("hitl.games.tmrl.env.open_tmrl", opened)
        rig = SessionSetup(Home(tmp_path), SessionOptions(env="tmrl", real_time=True), **more)
        rig.session.policy = Gentle()
        return rig

    return made


def test_an_rtgym_interface_that_fails_ends_its_episode_and_the_next_one_begins(rtgym_rig):
    def fail():
        raise RuntimeError("the lens is dirty")

    trouble, calls, told, ticks = [fail], [], [], []
    with rtgym_rig(
        trouble, calls, tell=lambda level, text: told.append(text), watch=ticks.append, stop=lambda: len(ticks) >= 16
    ) as made:
        assert isinstance(made.world.clock, RtgymClock)
        assert made.session.episode(seed=0).reason == "env_lost"
        assert "the lens is dirty" in told[0]
        trouble.clear()
        assert made.session.episode(seed=1).steps > 3
        assert len(set(calls)) == 1  # whatever rtgym's threads do, an interface is called on one


@pytest.mark.parametrize("seen", [None, ([np.zeros(2)], 1.0, False), (None, 1.0, False, {})])
def test_an_observation_that_rtgym_cannot_take_apart_is_a_failure_and_told(seen):
    interface, worker = Interface([], []), Worker()
    interface.get_obs_rew_terminated_info = lambda: seen
    guard = GuardedInterface(interface, worker, 5.0)
    observation, _, terminated, _ = guard.get_obs_rew_terminated_info()
    assert terminated
    assert len(observation) == 1
    with pytest.raises(EnvironmentLost, match="The environment failed"):
        guard.check()
    worker.close()


def test_an_rtgym_interface_that_hangs_ends_its_episode_and_never_the_session(rtgym_rig):
    back, leave, ticks = threading.Event(), threading.Event(), []
    trouble = [lambda: back.wait(20)]
    with rtgym_rig(trouble, [], watch=ticks.append, stop=lambda: leave.is_set() or len(ticks) >= 30) as made:
        began = time.monotonic()
        assert made.session.episode(seed=0).reason == "env_lost"
        hung = trouble.pop()
        before = len(ticks)
        assert made.session.episode(seed=1).reason == "stopped"  # in a new environment, while the old one hangs on
        assert len(ticks) - before > 10
        assert made.lateness.ticks == len(ticks)  # no burst to catch up
        assert made.lateness.worst < 0.2
        ticks.clear()
        trouble.append(hung)
        assert made.session.episode(seed=2).reason == "env_lost"
        leave.set()  # the player has enough
        assert made.session.episode(seed=3).reason == "stopped"
        closing = time.monotonic()
    assert time.monotonic() - closing < 5.0, "closing waited for a game that hangs"
    assert time.monotonic() - began < 20.0
    back.set()


def test_what_is_executed_is_sent_once_in_each_time_step(rtgym_rig):
    ticks = []
    with rtgym_rig([], [], watch=ticks.append, stop=lambda: len(ticks) >= 10) as made:
        made.session.episode(seed=0)
        made.env.wait()
        sent = made.env.guard.interface.sent
    assert [a.tolist() for a in sent[1:11]] == [pytest.approx([0.5, 0.0, 0.1])] * 10
    assert not np.any([sent[0], *sent[11:]])  # the episode's first, and letting go


class Leaping:
    """Stands for a module ``time`` whose monotonic clock leaps, as over a suspension; sleeping moves it on."""

    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        self.now += 1e-6  # so that who spins gets on
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_after_a_suspension_no_ticks_are_caught_up(monkeypatch):
    leaping = Leaping()
    monkeypatch.setattr("hitl.timing.clocks.time", leaping)
    clock, sent = PacedClock(20.0), []
    for tick in range(40):
        if tick == 20:
            leaping.now += 8 * 3600.0
        clock.wait_for_send()
        clock.sending()
        sent.append(leaping.now)
        leaping.now += 0.002
    assert np.diff(sent[:20]) == pytest.approx(0.05, abs=1e-5)
    assert np.diff(sent[20:]) == pytest.approx(0.05, abs=1e-5)
    assert clock.late == 1


def test_nothing_is_called_while_a_call_hangs():
    worker, gate, called = Worker(), threading.Event(), []
    with pytest.raises(EnvironmentLost, match="hangs: a step"):
        worker.call(lambda: gate.wait(10), 0.05, "a step")
    with pytest.raises(EnvironmentLost, match="still hangs"):
        worker.call(lambda: called.append(1), 5.0, "beginning an episode")
    assert worker.hangs
    assert not called
    gate.set()
    assert worker.call(threading.get_ident, 1.0, "a step") == worker.call(threading.get_ident, 1.0, "a step")
    assert not worker.hangs
    worker.close()


def test_a_player_who_wants_to_leave_is_heard_while_a_call_hangs(monkeypatch):
    monkeypatch.setattr("hitl.games.hang_guard.HEED_S", 0.1)
    worker, gate = Worker(), threading.Event()
    worker.leaving = lambda: True
    began = time.monotonic()
    with pytest.raises(EnvironmentLost, match="not waited for"):
        worker.call(lambda: gate.wait(20), 15.0, "beginning an episode")
    assert time.monotonic() - began < 5.0
    gate.set()
    worker.close()
