"""A script's loop and that of `hitl play`: the same hands on the same drive leave the same in the store."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.records import HUMAN
from hitl import Arbiter, Takeover
from hitl.drivers.human import HumanDriver
from hitl.games.driving_env import DrivingEnv
from hitl.home import Home
from hitl.pads.base import MISSING, PadState
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import HelpSettings
from tests.hitl.scripting.test_takeover import PlannedPad, Track
from tests.support.held import Cruise

REST, HANDS = PadState(), PadState(gas=0.2, buttons=frozenset({"takeover"}))
SAYS = (
    "takeover", "hand_back", "pad_lost", "interrupted", "paused", "resumed", "panic", "star", "discard", "keep", "nothing_shown",
)  # fmt: skip


class Slow(Cruise):
    """Stays on the road for a while."""

    def act(self, observation: Any, deterministic: bool) -> Any:
        return np.array([0.06, 0.0], np.float32)


def presses(word: str) -> list[PadState]:
    return [PadState(buttons=frozenset({word})), REST]


def in_play(home: Path, plan: list[PadState], gating: Arbiter.GatingSettings) -> None:
    options = SessionOptions(greedy_every=0, gating=gating, help=HelpSettings(offer="off", requests_per_minute=0.0))
    with SessionSetup(Home(home), options, human=lambda track: HumanDriver(PlannedPad(*plan))) as rig:
        rig.session.policy = Slow()  # type: ignore[assignment]
        rig.session.episode(seed=0)


def in_a_loop(home: Path, plan: list[PadState], gating: Arbiter.GatingSettings) -> None:
    with Takeover(DrivingEnv(), PlannedPad(*plan), store=home, gating=gating, real_time=False) as env:
        env.reset(seed=0)
        while not any(env.step(Slow().act(None, False))[2:4]):
            pass


def left(home: Path) -> dict[str, list[Any]]:
    """Return what a store holds of a drive."""
    with sqlite3.connect(home / "store.sqlite") as db:
        return {
            "events": db.execute(
                f"SELECT kind, level, message, data FROM events WHERE kind IN {SAYS} ORDER BY id"
            ).fetchall(),
            "segments": db.execute(
                'SELECT kind, "trigger", corner, start, stop, outcome, interrupted, verdict FROM segments ORDER BY number'
            ).fetchall(),
            "steps": db.execute(
                "SELECT t, driver, executed, proposed, reward, terminated, truncated, progress, x, y, speed FROM steps ORDER BY t"
            ).fetchall(),
            "episodes": db.execute('SELECT purpose, "end", reason, length, "return" FROM episodes').fetchall(),
        }


@pytest.mark.parametrize("unplugged", ["agent", "brake"])
def test_the_same_hands_leave_the_same(tmp_path: Path, unplugged: Any) -> None:
    lost_and_back = [*[REST] * 12, *[HANDS] * 10, *[MISSING] * 4, *[REST] * 8]
    judged = [*[HANDS] * 12, *[REST] * 5, *presses("star"), *presses("pause"), *presses("pause"), *[HANDS] * 8, *[REST] * 5]
    plan = [*lost_and_back, *judged, *presses("discard"), *presses("keep"), *[REST] * 5, *[HANDS] * 3]
    gating = Arbiter.GatingSettings(unplugged=unplugged)
    in_play(tmp_path / "play", plan, gating)
    in_a_loop(tmp_path / "loop", plan, gating)
    play, loop = left(tmp_path / "play"), left(tmp_path / "loop")
    kinds = [kind for kind, *_ in play["events"]]
    assert {"takeover", "hand_back", "pad_lost", "paused", "resumed", "star", "discard", "keep"} <= set(kinds)
    assert len(play["segments"]) >= 3
    assert {HUMAN} < {driver for _, driver, *_ in play["steps"]}
    assert loop == play


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a person has set in their default home."""
    monkeypatch.setenv("HITL_HOME", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    return tmp_path / "own" / "settings.toml"


class Felt(PlannedPad):
    def __init__(self, *plan: PadState) -> None:
        super().__init__(*plan)
        self.felt = 0

    def rumble(self, strong: float, weak: float, seconds: float) -> None:
        self.felt += 1


@pytest.mark.parametrize(("said", "felt", "kept"), [("", 2, 20), ("[help]\nrumble = false\n[coach]\nkeep_s = 2.5\n", 0, 5)])
def test_a_persons_own_settings_hold_in_a_loop_too(tmp_path: Path, settings: Path, said: str, felt: int, kept: int) -> None:
    settings.write_text(said, encoding="utf-8")
    pad = Felt(REST, REST, *[HANDS] * 4, *[REST] * 19, *presses("keep"))
    with Takeover(Track(), "keys", store=tmp_path, real_time=False, hz=2.0) as env:
        env.wheel.human = HumanDriver(pad)
        env.reset(seed=0)
        for _ in range(28):
            env.step(np.zeros(2, np.float32))
    assert pad.felt == felt
    assert [stop - start for kind, _, _, start, stop, *_ in left(tmp_path)["segments"] if kind == "kept"] == [kept]
