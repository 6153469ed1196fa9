"""Where the agent would go: that it goes there, that it is told where it leaves the road, and that asking changes nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pygame
import pytest

from hitl.arbiter import Decision
from hitl.coach import way_ahead as way_ahead_module
from hitl.coach.way_ahead import STEPS, Foreseen, Recalled, Way, way_ahead
from hitl.demo.shipped import open_shipped
from hitl.games.base import VehicleState
from hitl.games.driving_env import DrivingEnv
from hitl.home import Home
from hitl.protocols import Tick
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import CoachSettings
from takeover_ui import theme
from takeover_ui.window.game_view import GameView
from tests.support import sample_screens as samples
from tests.support.clocks import own_time

QUIET = CoachSettings(say="off", sound=False)


def driven(
    home: Path, seed: int, *, greedy: bool, looks: bool = True, from_tick: int = 0, until_m: float | None = None
) -> tuple[list[Tick], list[Way | None]]:
    """Let the stalled agent drive an episode alone, as fast as it goes, and look ahead in each tick from ``from_tick`` on."""
    open_shipped(Home(home))
    ticks: list[Tick] = []
    ways: list[Way | None] = []
    options = SessionOptions(greedy_every=int(greedy), coach=QUIET)
    with SessionSetup(Home(home), options) as rig:
        ahead = Foreseen(DrivingEnv(rig.track, rig.task.settings), rig.policy.would, budget_s=10.0)

        def watch(tick: Tick) -> None:
            ticks.append(tick)
            ways.append(ahead.tick(tick) if looks and len(ticks) > from_tick else None)

        rig.session.watch = watch
        result = rig.session.episode("drive", seed=seed, until_m=until_m)
        assert result.reason == ("off_road" if until_m is None else "through")
    return ticks, ways


def test_the_car_goes_where_it_was_seen_to_go_and_the_end_is_foreseen(tmp_path: Path) -> None:
    ticks, ways = driven(tmp_path, 3, greedy=True, from_tick=80)  # half of its way: to look ahead is what takes time
    at = np.array([(t.info["state"].x, t.info["state"].y) for t in ticks])
    seen = [(k, way.points[9]) for k, way in enumerate(ways[:-10]) if way is not None and len(way.points) > 9]
    gaps = [float(np.hypot(*(at[k + 10] - point))) for k, point in seen]
    assert len(gaps) > 60
    assert np.median(gaps) < 0.5
    assert np.percentile(gaps, 95) < 1.5
    leaves = [way is not None and way.off < len(way.points) for way in ways]
    assert any(leaves[-STEPS:-3])
    assert not any(leaves[: -2 * STEPS])


def test_looking_ahead_changes_nothing_that_the_agent_does(tmp_path: Path) -> None:
    with_noise = [driven(tmp_path / str(looks), 5, greedy=False, looks=looks, until_m=80.0)[0] for looks in (True, False)]
    first, second = (np.array([t.decision.executed for t in ticks]) for ticks in with_noise)
    assert len(first) > 2 * STEPS
    assert np.array_equal(first, second)


class Road:
    """A tick on a straight, at 20 m/s."""

    def __init__(self) -> None:
        self.env = DrivingEnv("default")
        self.seen, self.info = self.env.reset(seed=0)
        self.steps = 0

    def tick(self, late: int = 0, **changes: Any) -> Tick:
        self.steps += 1
        action = np.array([0.5, 0.0], np.float32)
        decision = Decision(0, action, 0.0, None, "", **changes)
        self.seen, _, _, _, self.info = self.env.step(action)
        return Tick(self.info, decision, action, 0.0, "drive", late=late, steps=self.steps)


def test_a_tick_that_was_late_and_a_pause_are_left_alone() -> None:
    road, asked = Road(), []

    def would(seen: Any) -> Any:
        asked.append(seen)
        return np.zeros(2, np.float32)

    ahead = Foreseen(DrivingEnv("default"), would, budget_s=10.0)
    assert ahead.tick(road.tick()) is not None
    assert len(asked) == STEPS
    ahead.tick(road.tick(late=1))
    ahead.tick(road.tick(late=1, paused=True))
    assert len(asked) == STEPS
    ahead.tick(road.tick(late=1))
    assert len(asked) == 2 * STEPS


def test_a_way_is_driven_over_several_ticks_and_never_longer_than_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    road, now = Road(), [0.0]
    own_time(monkeypatch, way_ahead_module, perf_counter=lambda: now[0])

    def would(seen: Any) -> Any:
        now[0] += 0.001
        return np.zeros(2, np.float32)

    ahead, spent = Foreseen(DrivingEnv("default"), would, budget_s=0.004), []
    ways = []
    for _ in range(11):
        before = now[0]
        ways.append(ahead.tick(road.tick()))
        spent.append(now[0] - before)
    assert max(spent) < 0.0055
    assert [way is not None for way in ways] == [False] * 4 + [True] * 7
    assert ways[4] is not None
    assert len(ways[4].points) == STEPS - 4  # what was driven meanwhile lies behind


def test_of_an_agent_that_cannot_be_asked_a_drive_is_recalled_and_it_can_be_switched_off(tmp_path: Path) -> None:
    mute, road = Foreseen(DrivingEnv("default"), lambda seen: None, 10.0), Road()
    assert mute.tick(road.tick()) is None
    for _ in range(60):
        mute.tick(road.tick())
    again = Road()
    ways = [mute.tick(again.tick()) for _ in range(30)]
    assert ways[-1] is not None, "its newest drive is recalled"
    assert ways[-1].points[0, 0] > again.info["state"].x
    options = SessionOptions(real_time=True, coach=CoachSettings(say="off", sound=False, ahead=False))
    with SessionSetup(Home(tmp_path), options) as rig:
        assert way_ahead(rig) is None
        assert rig.policy.would(np.zeros(len(rig.observation_names), np.float32)) is None  # it has learned nothing yet


def test_where_the_game_cannot_be_copied_its_newest_drive_there_is_shown() -> None:
    recalled = Recalled(lambda s: 5.0)

    class Place:
        offset = 0.0

    def tick(steps: int, x: float, y: float, driver: int = 0, reason: str = "") -> Tick:
        state = VehicleState(0.0, x, y, 0.0, 0.0, 20.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        place = Place()
        place.offset = y
        info = {"state": state, "place": place, "progress": x, "reason": reason}
        rest = np.zeros(2, np.float32)
        return Tick(info, Decision(driver, rest, 0.0, None, ""), rest, 0.0, "drive", steps=steps)

    for k in range(1, 61):
        y = max(0.0, (k - 50) * 0.6)
        assert recalled.tick(tick(k, float(k), y, reason="off_road" if k == 60 else "")) is None
    way = recalled.tick(tick(1, 45.0, 0.5, driver=1))
    assert way is not None
    assert way.points[0].tolist() == [46.0, 0.0]
    assert way.off == int(np.flatnonzero(way.points[:, 1] > 5.0)[0])
    assert recalled.tick(tick(2, 45.0, 4.0, driver=1)) is None


def test_the_way_is_red_where_it_ends_off_the_road() -> None:
    pictures = []
    for off in (20, 19):
        view = samples.view()
        c, s = np.cos(view.heading), np.sin(view.heading)
        along = np.arange(1.0, 21.0)
        view.ahead = np.stack([view.x + c * along, view.y + s * along], axis=1).astype(np.float32)
        view.ahead_off = off
        surface = pygame.Surface((800, 600))
        GameView(view.scene).draw(surface, view, view.at, with_map=False)
        pictures.append(pygame.surfarray.array3d(surface))

    def shows(picture: np.ndarray, colour: theme.Colour) -> bool:
        return bool((picture == colour).all(2).any())

    red = theme.mix(theme.HEAT, theme.TEXT, 0.25)
    assert not shows(pictures[0], red)
    assert shows(pictures[1], red)
    assert shows(pictures[1], theme.HEAT)
