"""TakeoverInterface around a real rtgym environment: what is sent, what its action buffer holds, what is recorded."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import rtgym
from gymnasium import spaces

from data.errors import UsageError
from hitl import Store, Takeover, TakeoverInterface

FAST = {"time_step_duration": 0.004, "start_obs_capture": 0.004, "act_buf_len": 2, "time_step_timeout_factor": 1e6}


class Sum(rtgym.RealTimeGymInterface):  # type: ignore[misc]
    """Adds up what it is sent, and is over after some observations."""

    def __init__(self) -> None:
        self.sent: list[float] = []

    def get_observation_space(self) -> spaces.Tuple:
        return spaces.Tuple((spaces.Box(-100.0, 100.0, (1,), np.float32),))

    def get_action_space(self) -> spaces.Box:
        return spaces.Box(-1.0, 1.0, (1,), np.float32)

    def get_default_action(self) -> np.ndarray:
        return np.zeros(1, np.float32)

    def send_control(self, control: np.ndarray) -> None:
        self.sent.append(float(control[0]))

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[list[np.ndarray], dict[str, Any]]:
        self.sent, self.seen = [], 0
        return [np.zeros(1, np.float32)], {}

    def get_obs_rew_terminated_info(self) -> tuple[list[np.ndarray], float, bool, dict[str, Any]]:
        self.seen += 1
        return [np.full(1, sum(self.sent), np.float32)], float(self.seen), self.seen >= 12, {}


def human(seen: Any, info: dict[str, Any]) -> np.ndarray | None:
    return np.array([-0.5], np.float32) if seen[0][0] > 0.9 else None


def transitions(env: gymnasium.Env[Any, Any], episodes: int = 2) -> list[list[float]]:
    """Drive; return what a learner sees of each step but the last of an episode, whose action is not sent any more."""
    rows = []
    for _ in range(episodes):
        seen, _ = env.reset()
        over = False
        while not over:
            mine = np.array([0.25], np.float32)
            after, reward, over, _, info = env.step(mine)
            assert mine[0] == 0.25  # the script's own array is left alone
            if not over:
                assert after[-1][0] == info["executed"][0]
                rows.append([*np.concatenate(seen), info["executed"][0], float(info["driver"] == "human"), reward])
            seen = tuple(np.array(part) for part in after)
    env.close()
    return rows


def test_the_action_buffer_and_the_store_hold_what_was_sent(tmp_path: Path) -> None:
    interval = sys.getswitchinterval()
    try:
        sys.setswitchinterval(1.0)  # rtgym's thread gets its turn late: no reader of the buffer may come before it
        around = transitions(TakeoverInterface.make(Sum(), FAST, human, store=tmp_path / "at-the-interface"))
    finally:
        sys.setswitchinterval(interval)
    assert sum(row[-2] for row in around) >= 8
    with Store(tmp_path / "at-the-interface") as store:
        recorded = []
        for episode in store.episodes():
            steps = store.steps(episode)
            assert (episode.reason, len(steps)) == ("over", 12)
            columns = steps["observation"], steps["executed"], steps["driver"][:, None], steps["reward"][:, None]
            recorded += np.hstack(columns)[:-1].tolist()
        assert {t.trigger for t in store.takeovers()} == {"function"}
    np.testing.assert_allclose(recorded, around)


def test_a_takeover_around_rtgyms_environment_gives_the_same_steps() -> None:
    config = {**rtgym.DEFAULT_CONFIG_DICT, **FAST, "interface": Sum}
    outside = Takeover(gymnasium.make("real-time-gym-v1", config=config, disable_env_checker=True), human)
    assert outside.wheel.setting.info.hz == 250.0
    # Its function sees what the loop sees, one observation earlier than at the moment of sending.
    rows = transitions(outside)
    assert sum(row[-2] for row in rows) >= 8
    for row in rows:
        assert row[-3] == (-0.5 if row[-2] else 0.25)


@pytest.mark.parametrize("in_observations", [True, False])
def test_the_last_step_before_rtgym_cuts_an_episode_off_is_recorded(in_observations: bool, tmp_path: Path) -> None:
    config = {**FAST, "ep_max_length": 8, "act_in_obs": in_observations}
    env = TakeoverInterface.make(Sum(), config, human, store=tmp_path)
    seen = []
    for _ in range(2):
        env.reset()
        over = False
        while not over:
            after, _, terminated, over, _ = env.step(np.array([0.25], np.float32))
            assert not terminated
            seen.append(float(after[0][0]))
    env.close()
    with Store(tmp_path) as store:
        first, second = store.episodes()
        assert (first.reason, first.length, second.length) == ("time_limit", 8, 8)
        drive = store.steps(first)
        assert drive["reward"].tolist() == list(range(1, 9))
        assert drive["truncated"].tolist() == [False] * 7 + [True]
        assert not drive["terminated"].any()
        np.testing.assert_allclose(drive["observation"][1:, 0], seen[:7])
        final = np.frombuffer(store.conn.execute("SELECT last_observation FROM episodes").fetchone()[0], "<f4")
        np.testing.assert_allclose(final, [seen[7], *[-0.5] * (2 * in_observations)])
        assert {t.stop for t in store.takeovers()} == {8}
        assert drive["executed"][-1] == -0.5


def refuses(seen: Any, info: dict[str, Any]) -> np.ndarray | None:
    raise RuntimeError("the pad of this test is gone")


def in_two_axes(seen: Any, info: dict[str, Any]) -> np.ndarray | None:
    return np.zeros(2, np.float32)


@pytest.mark.parametrize(
    ("function", "error", "said"),
    [(refuses, RuntimeError, "the pad of this test is gone"), (in_two_axes, UsageError, r"human's action has shape \(2,\)")],
)
def test_an_error_of_the_humans_function_reaches_the_loop(function: Any, error: type[Exception], said: str) -> None:
    env = TakeoverInterface.make(Sum(), FAST, function)
    env.reset()
    for _ in range(2):
        with pytest.raises(error, match=said):
            env.step(np.array([0.25], np.float32))
    env.close()


class Fails(Sum):
    """Its third observation of an episode fails, in the way asked for."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def get_obs_rew_terminated_info(self) -> Any:
        found = super().get_obs_rew_terminated_info()
        if self.seen < 3:
            return found
        if self.how == "raises":
            raise ValueError("no frame from the game")
        return found[:3] if self.how == "misses one" else (None, *found[1:])


FAILURES = {"raises": (ValueError, "no frame"), "misses one": (ValueError, "unpack"), "sees nothing": (TypeError, "iterable")}


def within(seconds: float, job: Callable[[], Any]) -> Any:
    """Return what a call returns, on a thread that may hang."""
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(job).result(seconds)
    finally:
        pool.shutdown(wait=False)


@pytest.mark.parametrize("how", FAILURES)
def test_an_error_of_the_interfaces_observation_reaches_the_loop(how: str, tmp_path: Path) -> None:
    env = TakeoverInterface.make(Fails(how), FAST, None, store=tmp_path)
    error, said = FAILURES[how]

    def drive() -> None:
        env.reset()
        for _ in range(6):
            env.step(np.array([0.25], np.float32))

    for _ in range(2):
        with pytest.raises(error, match=said):
            within(10.0, drive)
    env.close()
    with Store(tmp_path) as store:
        assert store.count_steps() > 0


@pytest.mark.parametrize("how", FAILURES)
def test_in_an_environment_of_ones_own_a_failed_observation_ends_the_episode_and_the_reset_says_why(how: str) -> None:
    around = TakeoverInterface(Fails(how), None, act_buf_len=2)
    config = around.in_place_of_theirs({**rtgym.DEFAULT_CONFIG_DICT, **FAST})
    env = gymnasium.make("real-time-gym-v1", config=config, disable_env_checker=True)
    error, said = FAILURES[how]

    def drive() -> int:
        env.reset()
        for number in range(6):
            if env.step(np.array([0.25], np.float32))[2]:
                return number
        return -1

    with pytest.warns(UserWarning, match="The interface failed"):
        assert within(10.0, drive) == 2
    with pytest.raises(error, match=said):
        env.reset()
    with pytest.warns(UserWarning, match="The interface failed"):
        assert within(10.0, drive) == 2
    around.close()


def test_an_error_at_an_episodes_end_reaches_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    env = TakeoverInterface.make(Sum(), {**FAST, "ep_max_length": 3}, None)
    env.reset()

    def refused(action: Any) -> Any:
        raise RuntimeError("nothing can be written")

    def drive() -> None:
        for _ in range(3):
            env.step(np.array([0.25], np.float32))

    monkeypatch.setattr(env.interface.wheel, "unsent", refused)
    with pytest.raises(RuntimeError, match="nothing can be written"):
        drive()
    env.close()


def test_what_is_no_action_and_what_comes_after_close_is_refused_in_a_sentence(tmp_path: Path) -> None:
    env = TakeoverInterface.make(Sum(), FAST, None, store=tmp_path)
    env.reset()
    for wrong in (np.full(1, np.nan), None, np.zeros(2)):
        with pytest.raises(UsageError, match=r"^The action "):
            env.step(wrong)
    *_, info = env.step(np.array([7.0], np.float32))
    assert (info["proposed"], info["executed"]) == (7.0, 1.0)
    env.close()
    env.close()
    for use in (env.reset, lambda: env.step(np.zeros(1, np.float32))):
        with pytest.raises(UsageError, match="closed: make a new one"):
            use()
    with Store(tmp_path) as store:
        assert store.steps(1).executed.max() == 1.0


def test_it_gives_way_to_the_next_one_that_a_person_drives() -> None:
    first = TakeoverInterface.make(Sum(), FAST, "keys", controls=("steer",))
    first.reset()
    first.step(np.zeros(1, np.float32))
    second = Takeover(gymnasium.make("Pendulum-v1"), "keys", real_time=False, controls=("steer",))
    with pytest.raises(UsageError, match=r"^This environment was closed when .* another one"):
        first.reset()
    second.reset()
    second.step(np.zeros(1, np.float32))
    second.close()
    first.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_in_a_forked_process_that_of_the_other_one_is_left_alone() -> None:
    first = TakeoverInterface.make(Sum(), FAST, "keys", controls=("steer",))
    first.reset()
    child = os.fork()
    if not child:
        well = 1
        try:
            Takeover(gymnasium.make("Pendulum-v1"), "keys", real_time=False, controls=("steer",)).close()
            well = 0
        finally:
            os._exit(well)
    end = time.monotonic() + 20
    while not (done := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < end:
        time.sleep(0.01)
    if not done[0]:
        os.kill(child, signal.SIGKILL)
    assert done[0]
    assert os.waitstatus_to_exitcode(done[1]) == 0
    first.step(np.zeros(1, np.float32))
    first.close()
