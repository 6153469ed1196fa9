"""A player's takeovers in a session without a road: judged as they end, told, and remembered by the next session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import pytest

from data.store import Store
from hitl.drivers.human import HumanSide
from hitl.home import Home
from hitl.pads.base import PadState
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from takeover_ui.language import LANGUAGES
from tests.support.roadless import PaysAtTheEnd

STEPS, BEGINS = 40, 10


class Player(HumanSide):
    """Holds the wheel from a step of each episode to its end, and steers as planned; None: does not touch it."""

    name = "planned"

    def __init__(self) -> None:
        self.steer: float | None = None

    def begin(self) -> None:
        self.reads = 0

    def read(self, info: Any) -> tuple[PadState, str]:
        self.reads += 1
        if self.steer is None or self.reads <= BEGINS:
            return PadState(), ""
        return PadState(steer=self.steer, buttons=frozenset({"takeover"})), ""

    def rumble(self, *how: Any) -> None:
        pass


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    gymnasium.register("Last-v0", lambda: PaysAtTheEnd(STEPS))
    (tmp_path / "settings.toml").write_text('[controls]\n"Last-v0" = ["steer"]\n')
    yield Home(tmp_path)
    del gymnasium.registry["Last-v0"]


def drive(home: Home, *steers: float | None) -> list[str]:
    """Drive an episode for each; return what the player was told."""
    player, told = Player(), []
    options = SessionOptions(env="gym:Last-v0", real_time=False)
    with SessionSetup(home, options, human=lambda track: player, say=told.append) as rig:
        for seed, player.steer in enumerate(steers):
            rig.session.episode("drive", seed=seed)
    return [said.name for said in told]


def test_a_takeover_that_earned_too_little_is_told_and_not_learned_from(home: Home) -> None:
    assert drive(home, None, None, None, 1.0, -1.0) == ["press_little"]
    assert drive(home, -1.0, 1.0) == ["press_little"], "the agent's drives are known from the session before"
    with Store(home.store_path) as store:
        takeovers = store.segments(kind="takeover")
        assert [t.outcome for t in takeovers] == ["cleared", "failed", "failed", "cleared"]
        assert [store.rule().judge(t).counts for t in takeovers] == [True, False, False, True]
        assert all(t.stop == STEPS for t in takeovers)


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_said_in_every_language(language: str) -> None:
    assert len(LANGUAGES[language]["press_little"]) > 20
