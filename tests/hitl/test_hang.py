"""An embedded game that fails or hangs in real time, and clocks that leap: the session goes on, with no burst of ticks."""

import threading
import time

import numpy as np
import pytest

from hitl import arbiter
from hitl.games.hang_guard import EnvironmentLost
from hitl.home import Home
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.timing.clocks import RealTimeClock
from hitl.timing.paced_clock import PacedClock


class Still:
    checkpoint_id = None

    def act(self, observation, deterministic):
        return np.array([0.2, 0.0], np.float32)

    def begin_episode(self):
        pass


def rig(home, **more):
    made = SessionSetup(Home(home), SessionOptions(real_time=True, gating=arbiter.Settings()), **more)
    made.session.policy = Still()
    return made


def break_after(rig, ticks, how):
    """Let the game's step call ``how`` from that one on."""
    game, seen = rig.env.unwrapped.interface.game, []
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


def test_a_game_that_hangs_ends_its_episode_and_never_the_session(tmp_path, monkeypatch):
    monkeypatch.setattr("hitl.games.embedded_env.HANG_S", 0.3)
    monkeypatch.setattr("hitl.timing.clocks.LOST_S", 0.3)
    monkeypatch.setattr("hitl.session.session.RETRY_S", (0.1,))
    back, leave, ticks = threading.Event(), threading.Event(), []
    with rig(tmp_path, watch=ticks.append, stop=lambda: leave.is_set() or len(ticks) >= 30) as made:
        mend = break_after(made, 6, lambda: back.wait(20))
        began = time.monotonic()
        assert made.session.episode(seed=0).reason == "env_lost"
        threading.Timer(0.5, back.set).start()  # it hangs on for a while; the next episode waits for it
        before = len(ticks)
        mend()
        result = made.session.episode(seed=1)
        assert back.is_set()
        assert result.reason == "stopped"
        assert len(ticks) - before > 10
        assert made.lateness.ticks == len(ticks) + 1  # the send in vain, and no burst to catch up
        back.clear()
        ticks.clear()
        break_after(made, 6, lambda: back.wait(20))
        assert made.session.episode(seed=2).reason == "env_lost"
        leave.set()  # the player has enough
        assert made.session.episode(seed=3).reason == "stopped"
        closing = time.monotonic()
    assert time.monotonic() - closing < 5.0, "closing waited for a game that hangs"
    assert time.monotonic() - began < 20.0
    back.set()


class Leaping:
    """Stands for a module ``time`` whose monotonic clock leaps, as over a suspension; sleeping moves it on."""

    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_after_a_suspension_no_ticks_are_caught_up(monkeypatch):
    leaping = Leaping()
    monkeypatch.setattr("hitl.timing.paced_clock.time", leaping)
    clock, sent = PacedClock(20.0), []
    for tick in range(40):
        if tick == 20:
            leaping.now += 8 * 3600.0
        clock.wait_for_send()
        sent.append(leaping.now)
        leaping.now += 0.002
    assert np.diff(sent[:20]) == pytest.approx(0.05)
    assert np.diff(sent[20:]) == pytest.approx(0.05)
    assert clock.late == 1


def test_the_guard_is_between_the_clock_and_the_game(tmp_path):
    """Else an exception in the game would end rtgym's thread, and its next step would wait for ever."""
    with rig(tmp_path, stop=lambda: True) as made:
        assert isinstance(made._clock, RealTimeClock)
        made.session.episode(seed=0)
        assert made.env._guard.failure is None
        made.env._guard.failure = RuntimeError("x")
        with pytest.raises(EnvironmentLost):
            made.env.step(np.zeros(2, np.float32))
