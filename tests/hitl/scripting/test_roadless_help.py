"""Help in a game without a road, from the player's hands to the batches: what earned too little is not learned from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from data.demos import Reason, Why
from hitl import Store, SymmetricReplay, Takeover
from tests.support.roadless import PaysAtTheEnd

STEPS, BEGINS = 60, 10


def drive(home: Path, *helped: tuple[float, int] | None) -> None:
    """Drive an episode for each of these: alone it crashes; help has an action, and lasts to a step."""
    now: tuple[float, int] | None = None

    def human(seen: np.ndarray, info: dict[str, Any]) -> np.ndarray | None:
        return np.float32([now[0]]) if now is not None and BEGINS <= seen[0] < now[1] else None

    with Takeover(PaysAtTheEnd(STEPS), human=human, store=home, hz=20.0) as env:
        for hands in helped:
            now, over = hands, False
            env.reset(seed=0)
            while not over:
                *_, over, _, _ = env.step(np.float32([-1.0]))


def test_help_is_judged_by_what_it_earned_and_what_earned_little_teaches_nothing(tmp_path: Path) -> None:
    drive(tmp_path, (-0.9, STEPS), None, None, (1.0, STEPS), (-0.9, STEPS), (0.2, STEPS), (1.0, 20))
    with Store(tmp_path) as store:
        takeovers = store.segments(kind="takeover")
        assert [t.outcome for t in takeovers] == ["failed", "cleared", "failed", "cleared", "unclear"]
        rule, little = store.rule(), Reason(Why.LITTLE)
        assert [rule.judge(t).reason for t in takeovers] == [little, None, little, None, None]
        held = sum(t.stop - t.start for t in takeovers if rule.judge(t).counts)
    with SymmetricReplay(tmp_path) as replay:
        replay.poll()
        assert replay.demo_rows == held
    with Store(tmp_path) as store:
        store.label([takeovers[2].id], verdict="good")
    with SymmetricReplay(tmp_path) as replay:
        replay.poll()
        assert replay.demo_rows == held + takeovers[2].stop - takeovers[2].start, "the player knows better"


def test_the_next_session_knows_what_was_earned_before(tmp_path: Path) -> None:
    drive(tmp_path, None, None, (1.0, STEPS))
    drive(tmp_path, (-0.8, STEPS), (1.0, STEPS))
    with Store(tmp_path) as store:
        assert [t.outcome for t in store.segments(kind="takeover")] == ["cleared", "failed", "cleared"]
