"""Loops that end without `close`, go on after an error, or step where nothing can be recorded: what is in the store is true."""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from data.errors import UsageError
from data.recording.operations import BeginEpisode
from data.recording.recorder import Recorder
from hitl import Store, SymmetricReplay, Takeover
from tests.support.places import ROOT
from tests.support.recorded import drive, session_info

ACTION = np.zeros(1, np.float32)


class Counter(gymnasium.Env[np.ndarray, np.ndarray]):
    """Shows how many steps it has made since it was made; fails at some of them, once each, after it has moved."""

    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, fails: tuple[int, ...] = (), misfits: tuple[int, ...] = (), length: int = 1000) -> None:
        self.fails, self.misfits, self.length, self.n = list(fails), misfits, length, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=None)
        return np.full(1, self.n, np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.n += 1
        action *= 5.0  # as some do
        if self.n in self.fails:
            self.fails.remove(self.n)
            raise KeyboardInterrupt
        size = 2 if self.n in self.misfits else 1
        return np.full(size, self.n, np.float32), float(self.n), False, self.n >= self.length, {}


def steps_of(home: Path) -> list[list[tuple[float, float]]]:
    """Return by episode the observation and the reward of each step, and what followed the last one."""
    with Store(home) as store:
        found = []
        for episode in store.episodes():
            drive = store.steps(episode.id)
            (last,) = store.conn.execute("SELECT last_observation FROM episodes WHERE id = ?", (episode.id,)).fetchone()
            rows = list(zip(drive.observation[:, 0].tolist(), drive.reward.tolist(), strict=True))
            found.append([*rows, (float(np.frombuffer(last, np.float32)[0]), 0.0)])
        return found


@pytest.mark.parametrize("breaks", [{"fails": (5,)}, {"misfits": (5,)}, {"fails": (5, 6)}, {"fails": (5,), "misfits": (6,)}])
def test_no_step_leads_across_one_that_failed(tmp_path: Path, breaks: dict[str, Any]) -> None:
    def human(seen: np.ndarray, info: dict[str, Any]) -> np.ndarray | None:
        return ACTION if seen[0] >= 3 else None  # it has the wheel where the step fails, and wants it again afterwards

    env = Takeover(Counter(**breaks), human, store=tmp_path)
    env.reset()
    for _ in range(20):
        with contextlib.suppress(KeyboardInterrupt, ValueError):
            env.step(ACTION)
    assert env.flush()
    env.close()
    before, after = steps_of(tmp_path)
    assert before == [(float(k), k + 1.0) for k in range(4)] + [(4.0, 0.0)]
    first = int(after[0][0])
    assert first == 5 + sum(map(len, breaks.values())), "the first step whose beginning was seen"
    assert after == [(float(k), k + 1.0) for k in range(first, 20)] + [(20.0, 0.0)]
    with Store(tmp_path) as store:
        assert [(s.episode_id, s.start, s.stop) for s in store.takeovers()] == [(1, 3, 4), (2, 0, 20 - first)]


def test_an_episode_that_ends_with_the_lost_step_leaves_nothing(tmp_path: Path) -> None:
    env = Takeover(Counter(fails=(3,), length=4), store=tmp_path, human=None)
    env.reset()
    for _ in range(2):
        env.step(ACTION)
    with pytest.raises(KeyboardInterrupt):
        env.step(ACTION)
    assert env.step(ACTION)[3]
    with pytest.raises(UsageError, match="reset first"):
        env.step(ACTION)
    env.close()
    assert [len(steps) - 1 for steps in steps_of(tmp_path)] == [2]


def test_what_an_environment_makes_of_its_action_is_not_what_was_proposed(tmp_path: Path) -> None:
    env = Takeover(Counter(), store=tmp_path, human=None)
    env.reset()
    info = env.step(np.full(1, 0.2, np.float32))[4]
    env.close()
    assert (info["proposed"], info["executed"]) == (np.float32(0.2), np.float32(0.2))
    with Store(tmp_path) as store:
        assert store.steps(1).proposed[0, 0] == np.float32(0.2)


def test_an_episode_without_a_step_is_not_kept(tmp_path: Path) -> None:
    with Takeover(Counter(length=3), store=tmp_path, human=None) as env:
        env.reset()
        for _ in range(3):
            if env.step(ACTION)[3]:
                env.reset()  # as loops do, and then they end
        env.reset()
    assert [len(steps) - 1 for steps in steps_of(tmp_path)] == [3]


@pytest.mark.parametrize("seed", [2**63, 2**64 - 1, -(2**63) - 1])
def test_a_seed_that_a_store_has_no_room_for_costs_no_step(tmp_path: Path, seed: int) -> None:
    with Recorder(tmp_path / "store.sqlite", session_info()) as recorder:
        recorder.begin_episode("drive", seed)
        recorder.end_episode("terminated", "finish")
        drive(recorder, seed=2**63 - 1)
        assert recorder.flush()
    with Store(tmp_path) as store:
        assert store.conn.execute("SELECT seed FROM episodes").fetchall() == [(None,), (2**63 - 1,)]


def test_what_the_store_refused_is_not_said_to_be_in_it(tmp_path: Path) -> None:
    with Recorder(tmp_path / "store.sqlite", session_info()) as recorder:
        drive(recorder)
        assert recorder.flush()
        recorder._queue.append(BeginEpisode(99, "drive", 2**70, None, "2026-01-01T00:00:00.000Z"))
        assert not recorder.flush()
        assert "refused" in (recorder.status.problem or "")


LEFT_OPEN = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[3])
from test_loops_that_break import ACTION, Counter
from hitl import Takeover
env = Takeover(Counter(), human=None, store=sys.argv[1])
env.reset()
for _ in range(15):
    env.step(ACTION)
if sys.argv[2] == "raise":
    raise RuntimeError("as programs do")
if sys.argv[2] == "lost":
    del env
"""


@pytest.mark.realtime
@pytest.mark.parametrize("how", ["end", "raise", "lost"])
def test_a_program_that_ends_without_close_loses_nothing(tmp_path: Path, how: str) -> None:
    line = [sys.executable, "-c", LEFT_OPEN, str(tmp_path), how, str(Path(__file__).parent)]
    done = subprocess.run(line, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60)
    assert done.returncode == (how == "raise"), done.stderr
    (steps,) = steps_of(tmp_path)
    assert len(steps) == 16
    with Store(tmp_path) as store:
        assert store.episodes()[0].reason == "stopped"
        assert store.conn.execute("SELECT status FROM sessions").fetchall() == [("ended",)]


def test_why_an_episode_was_cut_is_told_from_a_players_restart(tmp_path: Path) -> None:
    env = Takeover(Counter(fails=(6, 9)), human=None, store=tmp_path)
    limited = gymnasium.wrappers.TimeLimit(env, 2)

    def steps(count: int) -> bool:
        return [limited.step(ACTION)[3] for _ in range(count)][-1]

    env.reset()
    env.step(ACTION)
    env.step(ACTION)
    limited.reset()  # 1: by the loop
    assert steps(2)
    limited.reset()  # 2: by a TimeLimit outside
    with pytest.raises(KeyboardInterrupt):
        steps(2)
    limited.reset()  # 3: the environment had raised an error
    steps(2)
    with pytest.raises(KeyboardInterrupt):
        env.step(ACTION)
    env.step(ACTION)  # 4: and here the loop goes on all the same
    env.step(ACTION)
    env.close()  # 5
    with Store(tmp_path) as store:
        episodes = store.episodes()
    assert [episode.reason for episode in episodes] == ["stopped", "stopped", "env_lost", "env_lost", "stopped"]
    assert [episode.length for episode in episodes] == [2, 2, 1, 2, 1]
    assert all(episode.cut_off for episode in episodes)


class Torn(Counter):
    """Shows NaN, and is paid it, now and then."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        return np.zeros(2, np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        _, reward, *rest = super().step(action)
        torn = self.n in (2, 3, 5)
        return np.array([self.n, np.nan if torn else 0.0], np.float32), np.inf if self.n == 4 else reward, *rest  # type: ignore


def test_numbers_that_cannot_be_learned_from_are_said_once(tmp_path: Path, logged: list[str]) -> None:
    env = Takeover(Torn(), human=None, store=tmp_path)
    env.reset()
    for _ in range(8):
        env.step(ACTION)
    env.close()
    said = "The environment gives numbers that cannot be learned from: "
    assert [line.partition(". ")[0] for line in logged] == [
        f"{said}observation_1 (nan)", f"{said}the reward (inf)"
    ]  # fmt: skip
    with Store(tmp_path) as store:
        steps = store.steps(1)
    assert np.isnan(steps.observation[:, 1]).sum() == 3
    assert steps.reward.tolist() == [1, 2, 3, 0, 5, 6, 7, 8]
    with SymmetricReplay(tmp_path, "plain", hidden=8) as replay:
        assert replay.online_rows == 3, "steps that begin with or lead to such an observation are left out"


def test_a_closed_one_is_not_driven_on(tmp_path: Path) -> None:
    env = Takeover(Counter(), human=None, store=tmp_path)
    env.reset()
    env.step(ACTION)
    env.close()
    env.close()
    for use in (env.reset, lambda: env.step(ACTION)):
        with pytest.raises(UsageError, match=r"^This environment is closed: make a new one to go on\.$"):
            use()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_is_told_that_nothing_is_recorded_there(tmp_path: Path, logged: list[str]) -> None:
    env = Takeover(Counter(), human=None, store=tmp_path)
    env.reset()
    env.step(ACTION)
    child = os.fork()
    if not child:
        well = 1
        try:
            env.step(ACTION)
            env.step(ACTION)
            well = int(env.flush()) + (["forked" in said for said in logged] != [True])
            env.reset()
        except UsageError as error:
            well += "forked" not in str(error)
        finally:
            env.close()
            os._exit(well)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    env.step(ACTION)
    env.close()
    assert [len(steps) - 1 for steps in steps_of(tmp_path)] == [2]


def test_a_step_that_failed_is_told_as_in_a_session_whose_game_was_lost(tmp_path: Path) -> None:
    with Takeover(Counter(fails=(5,)), lambda seen, info: ACTION, store=tmp_path) as env:
        env.reset()
        for _ in range(8):
            with contextlib.suppress(KeyboardInterrupt):
                env.step(ACTION)
    with Store(tmp_path) as store:
        ends = store.conn.execute('SELECT "end", reason FROM episodes ORDER BY id').fetchall()
        assert [tuple(row) for row in ends] == [("interrupted", "env_lost"), ("truncated", "stopped")]
        assert [s.interrupted for s in store.segments(kind="takeover")] == [True, False]
        told = store.conn.execute("SELECT level, data FROM events WHERE kind = 'env_lost'").fetchall()
        assert [tuple(row) for row in told] == [("warning", '{"steps": 4}')]


def closed_by(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def driven_and_forgotten(home: Path) -> tuple[Recorder, threading.Thread]:
    env = Takeover(Counter(), lambda seen, info: None, store=home)
    env.reset()
    env.step(ACTION)
    return env.wheel.recorder, env.wheel.recorder._thread


def test_what_nothing_holds_any_more_is_closed(tmp_path: Path) -> None:
    recorder, thread = driven_and_forgotten(tmp_path)
    gc.collect()
    assert closed_by(lambda: not thread.is_alive())
    assert recorder.closed
    assert [len(steps) - 1 for steps in steps_of(tmp_path)] == [1]
    with Store(tmp_path) as store:
        assert store.episodes()[0].reason == "stopped"
    assert not list(tmp_path.glob("*.live-*"))


def test_one_name_bound_anew_each_time_leaves_two_open_at_most(tmp_path: Path) -> None:
    threads: list[threading.Thread] = []
    for _ in range(5):
        env = Takeover(Counter(), human=None, store=tmp_path)
        threads.append(env.wheel.recorder._thread)
        env.reset()
        env.step(ACTION)
    assert sum(thread.is_alive() for thread in threads) <= 2
    env.close()


def test_what_a_function_has_left_open_is_no_reason_against_the_next_one() -> None:
    def fails() -> None:
        env = Takeover(Counter(), "keys", controls=("steer",), real_time=False)
        env.reset()
        raise RuntimeError("as tests do")

    with pytest.raises(RuntimeError) as told:  # its traceback holds the environment
        fails()
    with Takeover(Counter(), "keys", controls=("steer",), real_time=False) as env:
        env.reset()
        env.step(ACTION)
    assert told.traceback
