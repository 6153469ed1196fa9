"""Going back three seconds and driving from there: what the store holds of it, and whose the wheel is."""

from __future__ import annotations

import sqlite3
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.demos import Reason, Why
from data.reading.drives import Drive
from data.reading.follow import Follower
from data.records import AGENT, HUMAN
from data.store import Store
from hitl.arbiter import GatingSettings
from hitl.coach.handed_wheel import UNUSED_S, HandedWheel
from hitl.coach.rewind import Moment, Rewind
from hitl.coach.sounds import Sounds
from hitl.drivers.human import HumanDriver
from hitl.drivers.scripted import ScriptedDriver
from hitl.games.base import Start, VehicleState
from hitl.games.box2d import Box2DGame
from hitl.games.driving_env import DrivingEnv
from hitl.home import Home
from hitl.pads.base import MISSING, PadState
from hitl.protocols import EpisodeResult, Tick
from hitl.screens.coach_screen import Caller
from hitl.screens.session_screen import SessionScreen
from hitl.session.playing.play_loop import PlayLoop
from hitl.session.practice import start_at
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import CoachSettings
from tests.hitl.coach.test_session import Shown
from tests.support.held import Cruise
from tests.support.recorded import summary

REST, BACK, HOLD = PadState(), PadState(buttons=frozenset({"rewind"})), PadState(gas=0.6, buttons=frozenset({"takeover"}))
OVER = PadState(buttons=frozenset({"restart"}))


class Crawl(Cruise):
    """Rolls on so slowly that it stays on the road for ten seconds."""

    def act(self, observation: Any, deterministic: bool) -> Any:
        return np.array([0.04, 0.0], np.float32)


class Stand(Cruise):
    """Never sets off."""

    def act(self, observation: Any, deterministic: bool) -> Any:
        return np.array([0.0, 0.0], np.float32)


class Planned:
    """A pad: its states by episode and tick; the last one of a row stays."""

    name = "planned"

    def __init__(self, *rows: list[PadState]) -> None:
        self.rows, self.episode, self.tick = rows, -1, 0

    def begin(self) -> None:
        self.episode, self.tick = self.episode + 1, 0

    def read(self) -> PadState:
        row = self.rows[min(self.episode, len(self.rows) - 1)]
        self.tick += 1
        return row[min(self.tick, len(row)) - 1]

    def rumble(self, *how: float) -> None:
        pass

    def close(self) -> None:
        pass


class Player(HumanDriver):
    def begin(self) -> None:
        self.pad.begin()  # type: ignore[attr-defined]


def play(home: Path, *rows: list[PadState], episodes: int | None = None, **options: Any) -> tuple[SessionSetup, list[Any]]:
    pad, told = Planned(*rows), []
    tell = lambda level, text: told.append(text)  # noqa: E731
    rig = SessionSetup(Home(home), SessionOptions(greedy_every=0, **options), human=lambda track: Player(pad), tell=tell)  # type: ignore[arg-type]
    with rig:
        rig.session.policy = Crawl()  # type: ignore[assignment]
        results = [rig.session.episode(seed=0) for _ in range(episodes or len(rows))]
        assert rig.written()
    rig.told = told  # type: ignore[attr-defined]
    return rig, results


def table(home: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(home / "store.sqlite") as db:
        return db.execute(query).fetchall()


def test_the_player_drives_from_three_seconds_ago_and_the_agents_stretch_stays_its_own(tmp_path: Path) -> None:
    _, (before, after) = play(tmp_path, [*[REST] * 80, BACK], [HOLD])
    assert (before.reason, before.steps, after.purpose) == ("rewound", 80, "practice")
    (first, second) = table(tmp_path, 'SELECT id, purpose, "end", reason, length, last_observation FROM episodes ORDER BY id')
    assert first[1:5] == ("drive", "truncated", "rewound", 80)
    old = table(tmp_path, f"SELECT x, y, observation, driver FROM steps WHERE episode_id = {first[0]} ORDER BY t")
    new = table(tmp_path, f"SELECT x, y, observation, driver FROM steps WHERE episode_id = {second[0]} ORDER BY t")
    assert new[0][:3] == old[20][:3]  # to the last bit
    assert {row[3] for row in old} == {AGENT}
    assert {row[3] for row in new[:20]} == {HUMAN}
    ((start, trigger, episode),) = table(tmp_path, 'SELECT start, "trigger", episode_id FROM segments')
    assert (start, trigger, episode) == (0, "rewind", second[0])
    ((data,),) = table(tmp_path, "SELECT data FROM events WHERE kind = 'rewind'")
    assert '"seconds": 3.0' in data
    assert '"exact": true' in data


def test_no_transition_leads_from_what_was_rewound_to_what_was_driven_instead(tmp_path: Path) -> None:
    from trainer.presets import PRESETS
    from trainer.replay.replay import Replay

    rig, _ = play(tmp_path, [*[REST] * 80, BACK], [HOLD] * 30)
    replay = Replay(len(rig.observation_names), len(rig.action_names), PRESETS["hitl"])
    with Follower(tmp_path / "store.sqlite") as follower:
        replay.add(follower.poll())
    ((last, after),) = table(
        tmp_path,
        "SELECT (SELECT observation FROM steps WHERE episode_id = e.id ORDER BY t DESC LIMIT 1), last_observation "
        "FROM episodes e WHERE reason = 'rewound'",
    )
    import torch

    batch = replay.sample(4096, torch.Generator().manual_seed(0))
    seen = np.frombuffer(last, "<f4")
    rows = np.flatnonzero((batch.observation.numpy() == seen).all(1))
    assert len(rows)
    for row in rows.tolist():
        np.testing.assert_array_equal(batch.next_observation.numpy()[row], np.frombuffer(after, "<f4"))
        assert float(batch.discount[row]) > 0.0  # cut off, not ended


def test_after_a_failure_it_goes_back_into_the_episode_that_failed(tmp_path: Path) -> None:
    _, results = play(tmp_path, [REST], [*[REST] * 10, BACK], [HOLD])
    assert [r.reason for r in results[:2]] == ["off_road", "rewound"]
    failed = results[0].steps
    ((old,),) = table(tmp_path, f"SELECT observation FROM steps WHERE episode_id = 1 AND t = {failed - 50}")
    ((new,),) = table(tmp_path, "SELECT observation FROM steps WHERE episode_id = 3 AND t = 0")
    assert new == old


def test_pressed_again_at_once_it_goes_back_twice_as_far(tmp_path: Path) -> None:
    play(tmp_path, [*[REST] * 125, BACK], [*[REST] * 10, BACK], [REST])
    ((old,),) = table(tmp_path, "SELECT observation FROM steps WHERE episode_id = 1 AND t = 5")
    ((new,),) = table(tmp_path, "SELECT observation FROM steps WHERE episode_id = 3 AND t = 0")
    assert new == old


def test_a_takeover_that_is_rewound_has_failed(tmp_path: Path) -> None:
    play(tmp_path, [*[REST] * 60, *[HOLD] * 30, PadState(gas=0.6, buttons=frozenset({"takeover", "rewind"}))], [REST])
    assert table(tmp_path, "SELECT outcome FROM segments WHERE start > 0") == [("failed",)]


@pytest.mark.parametrize("mode", ["hold", "toggle", "touch"])
def test_a_wheel_that_no_one_touches_goes_back_to_the_agent_and_shows_nothing(tmp_path: Path, mode: Any) -> None:
    play(tmp_path, [*[REST] * 80, BACK], [REST], gating=GatingSettings(mode=mode))
    with Store(tmp_path / "store.sqlite", read_only=True) as store:
        (segment,) = store.segments()
        assert segment.stop - segment.start == pytest.approx(UNUSED_S * 20, abs=12)  # and what a mode waits before it hands back
        assert segment.outcome == "unclear"
        assert not store.rule().judge(segment).counts


def test_a_short_takeover_of_a_handed_wheel_is_no_key_held_from_before(tmp_path: Path) -> None:
    play(tmp_path, [*[REST] * 80, BACK], [*[HOLD] * 16, REST])
    with Follower(tmp_path / "store.sqlite") as follower:
        (record,) = follower.poll().segments.values()
    with Store(tmp_path / "store.sqlite", read_only=True) as store:
        (segment,) = store.segments()
        assert (segment.start, segment.stop < 20) == (0, True)
        assert store.rule().judge(segment).counts
        assert store.rule().judge(record).counts


def test_who_goes_back_to_a_car_that_nearly_stands_has_time_to_set_off(tmp_path: Path) -> None:
    """It has stood so long that its drive was about to end as stalled, and 1.5 s pass until the hands have found the keys."""
    pad = Planned([REST] * 38 + [BACK, REST], [REST] * 30 + [HOLD])
    coach = CoachSettings(rewind_s=0.5)
    with SessionSetup(
        Home(tmp_path), SessionOptions(greedy_every=0, coach=coach), human=lambda track: Player(pad), stop=lambda: pad.tick > 50
    ) as rig:  # type: ignore[arg-type]
        rig.session.policy = Stand()  # type: ignore[assignment]
        results = [rig.session.episode(seed=0) for _ in range(2)]
    assert [result.reason for result in results] == ["rewound", "stopped"]
    assert results[1].human_steps == 50


def test_there_is_no_going_back_in_a_lap_nor_before_anything_was_driven(tmp_path: Path) -> None:
    told: list[str] = []
    with SessionSetup(Home(tmp_path), SessionOptions(), tell=lambda level, text: told.append(text)) as rig:
        session = rig.session
        session._result = EpisodeResult("lap")
        assert session.go_back() is None
        session._result = EpisodeResult("drive")
        assert session.go_back() is None
        session.rewind._save = None
        assert session.go_back() is None
    assert [text.partition(":")[0] for text in told] == [
        "A lap is driven from start to end", "There is nothing to go back to yet.", "This game cannot go back",
    ]  # fmt: skip


def test_a_game_that_cannot_restore_a_moment_puts_the_car_down_near_it() -> None:
    env = DrivingEnv()
    env.reset(seed=0)
    for _ in range(60):
        observation, _, _, _, info = env.step(np.array([0.4, 0.0], np.float32))
    rewind = Rewind(env, 20.0)
    rewind._save = lambda: None
    rewind.note(observation, info)
    moment = rewind.back()
    assert moment is not None
    assert moment.saved is None
    _, put = env.reset(options={"start": moment.start})
    assert put["progress"] == pytest.approx(info["progress"], abs=0.1)
    assert put["state"].speed == pytest.approx(info["state"].speed, rel=0.05)


@pytest.mark.parametrize(
    ("turns", "back_s"),
    [
        ((), 3.0),  # straight all the way
        (((0, 90),), 5.0),  # a bend to the end: half a second before it
        (((0, 200),), 3.0),  # a bend all the way: the calmest, and of those alike the latest
        (((70, 90),), 3.0),  # the bend is over three seconds before the end
        (((55, 65),), 3.75),  # a short bend three seconds before the end
    ],
)  # fmt: skip
def test_who_is_called_to_the_wheel_gets_it_where_the_car_hardly_turns(turns: Any, back_s: float) -> None:
    rewind = Rewind(SimpleNamespace(save=lambda: None), 20.0)
    for k in range(200, 0, -1):  # 10 s, counted from the end
        yaw = 1.0 if any(first < k <= last for first, last in turns) else 0.0
        info = {"state": SimpleNamespace(time=10.0 - k / 20.0, yaw_rate=yaw)}
        rewind.note(np.zeros(2, np.float32), info)
    moment = rewind.back("call")
    assert moment is not None
    assert moment.back_s == pytest.approx(back_s, abs=0.06)


def test_no_call_goes_back_into_the_drive_before() -> None:
    rewind = Rewind(SimpleNamespace(save=lambda: None), 20.0)
    for ticks, yaw in ((40, 0.0), (60, 1.0)):
        for k in range(ticks):
            rewind.note(np.zeros(2, np.float32), {"state": SimpleNamespace(time=k / 20.0, yaw_rate=yaw)})
    moment = rewind.back("call")
    assert moment is not None
    assert moment.back_s == pytest.approx(3.0, abs=0.06)


def test_in_such_a_game_too_the_session_goes_on_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Arcade(Box2DGame):
        save = None  # type: ignore[assignment]

    monkeypatch.setattr("hitl.games.box2d.Box2DGame", Arcade)  # as TrackMania, which only knows checkpoints
    rig, (before, after) = play(tmp_path, [*[REST] * 80, BACK], [HOLD])
    assert (before.reason, after.purpose) == ("rewound", "practice")
    assert rig.told == ["Back to the nearest place that this game can restore. The wheel is yours."]  # type: ignore[attr-defined]
    ((old,),) = table(tmp_path, "SELECT progress FROM steps WHERE episode_id = 1 AND t = 20")
    ((new, driver),) = table(tmp_path, "SELECT progress, driver FROM steps WHERE episode_id = 2 AND t = 0")
    assert (new, driver) == (pytest.approx(old, abs=0.2), HUMAN)
    ((data,),) = table(tmp_path, "SELECT data FROM events WHERE kind = 'rewind'")
    assert '"exact": false' in data


PADS = st.builds(
    PadState,
    connected=st.booleans() | st.just(True),
    steer=st.floats(-1, 1) | st.just(0.0),
    buttons=st.sampled_from([frozenset(), frozenset({"takeover"})]),
)


@given(st.lists(PADS, max_size=80), st.sampled_from(["hold", "toggle", "touch"]))
def test_the_wheel_is_handed_over_once(pads: list[PadState], mode: Any) -> None:
    hand, answers = HandedWheel("rewind", GatingSettings(mode=mode)), []
    for k, pad in enumerate(pads):
        answers.append(hand.holds(pad, k * 0.05))
    assert set(answers) <= {"rewind", ""}
    if "" in answers:
        assert set(answers[answers.index("") :]) == {""}  # what was given back is not taken again
    if MISSING.connected is False and any(not pad.connected for pad in pads):
        assert answers[-1] == ""


@given(st.sampled_from(["hold", "toggle", "touch"]), st.integers(3, 60))
def test_hands_that_hold_the_wheel_keep_it(mode: Any, ticks: int) -> None:
    hand, steers = HandedWheel("call", GatingSettings(mode=mode)), PadState(steer=0.8)
    assert [hand.holds(steers, k * 0.05) for k in range(ticks)] == ["call"] * ticks


def test_a_button_held_from_before_keeps_the_wheel_until_it_is_let_go() -> None:
    hand = HandedWheel("rewind", GatingSettings(mode="hold"))
    assert [bool(hand.holds(pad, k * 0.05)) for k, pad in enumerate([HOLD, HOLD, REST, HOLD])] == [True, True, False, False]
    hand = HandedWheel("rewind", GatingSettings(mode="toggle"))
    assert [bool(hand.holds(pad, k * 0.05)) for k, pad in enumerate([HOLD, REST, REST, HOLD])] == [True, True, True, False]


def test_what_was_driven_is_judged_within_the_session_and_undone(tmp_path: Path) -> None:
    bad, keep = (PadState(buttons=frozenset({name})) for name in ("discard", "keep"))
    took = [*[REST] * 5, *[HOLD] * 20, *[REST] * 5]
    play(tmp_path, [*took, bad, REST])
    assert table(tmp_path, "SELECT verdict FROM segments") == [("bad",)]
    play(tmp_path, [*took, bad, *[REST] * 3, bad, REST])
    assert table(tmp_path, "SELECT verdict FROM segments ORDER BY id DESC LIMIT 1") == [("unreviewed",)]
    play(tmp_path, [*[REST] * 70, keep, REST])
    assert table(tmp_path, "SELECT kind, start, stop FROM segments ORDER BY id DESC LIMIT 1") == [("kept", 0, 70)]


def test_what_is_kept_is_learned_from_and_no_help(tmp_path: Path) -> None:
    from trainer.presets import PRESETS
    from trainer.replay.replay import Replay

    keep = PadState(buttons=frozenset({"keep"}))
    rig, _ = play(tmp_path, [*[REST] * 100, keep, REST])
    replay = Replay(len(rig.observation_names), len(rig.action_names), PRESETS["hitl"])
    with Follower(tmp_path / "store.sqlite") as follower:
        replay.add(follower.poll())
    assert replay.demos.demo_table.kinds == {"kept": 100}
    with Store(tmp_path / "store.sqlite", read_only=True) as store:
        (episode,) = store.episodes()
        (kept,) = store.segments()
        assert (episode.human_steps, episode.helped, store.rule().judge(kept).counts) == (0, False, True)


def test_a_car_that_stood_while_it_was_kept_shows_nothing(tmp_path: Path) -> None:
    pad, told = Planned([*[REST] * 30, PadState(buttons=frozenset({"keep"})), REST, OVER]), []
    tell = lambda level, text: told.append(text)  # noqa: E731
    with SessionSetup(Home(tmp_path), SessionOptions(greedy_every=0), human=lambda track: Player(pad), tell=tell) as rig:
        rig.session.policy = Stand()  # type: ignore[assignment]
        rig.session.episode(seed=0)
        assert rig.written()
    with Store(tmp_path / "store.sqlite", read_only=True) as store:
        (kept,) = store.segments()
        assert kept.kind == "kept"
        assert told == ["That one did not count: the car hardly moved (0.0 m). star keeps it all the same, except in a pause."]
        assert store.rule().judge(kept).reason == Reason(Why.STILL, "0.0 m")


def test_driving_on_from_a_moment_is_no_drive_of_its_own(tmp_path: Path) -> None:
    pad = Planned([*[REST] * 80, BACK], [HOLD] * 5 + [OVER], [OVER], [OVER])
    with SessionSetup(Home(tmp_path), SessionOptions(greedy_every=2), human=lambda track: Player(pad)) as rig:
        rig.session.policy = Crawl()  # type: ignore[assignment]
        greedy = [(rig.session.episode(seed=0).purpose, rig.session.greedy) for _ in range(4)]
    assert greedy == [("drive", False), ("practice", False), ("drive", True), ("drive", False)]


def test_a_try_at_a_corner_does_not_go_back_into_the_one_before_it(tmp_path: Path) -> None:
    pad = Planned([*[REST] * 80, OVER], [REST, BACK, *[REST] * 5, OVER])
    with SessionSetup(Home(tmp_path), SessionOptions(greedy_every=0), human=lambda track: Player(pad)) as rig:
        rig.session.policy = Crawl()  # type: ignore[assignment]
        rig.session.episode("practice", seed=0, start=Start(2.0, speed=1.0))
        far = rig.session.rewind._past[-1].info["progress"]
        rig.session.episode("practice", seed=0, start=Start(2.0, speed=1.0))
        moment = rig.session.rewind.take()
    assert moment is not None
    assert far > 2.4
    assert moment.info["progress"] == pytest.approx(2.0, abs=0.1)


def test_a_lap_that_went_back_has_no_time_and_is_no_best_lap(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    class Able(Cruise):
        def begin_episode(self) -> None:
            driver.begin()
            seen.clear()

        def act(self, observation: Any, deterministic: bool) -> Any:
            return driver.act(seen["state"], seen["place"]) if seen else np.array([0.3, 0.0], np.float32)

    class LateBack(Planned):
        def read(self) -> PadState:
            return BACK if self.episode == 0 and seen and seen["progress"] > length - 25.0 else REST

    window = Shown()
    screen = SessionScreen(window)  # type: ignore[arg-type]

    def watch(tick: Tick) -> None:
        seen.update(tick.info)
        screen(tick)

    with SessionSetup(Home(tmp_path), SessionOptions(greedy_every=0), human=lambda track: Player(LateBack())) as rig:
        driver, length = ScriptedDriver(rig.track), rig.track.line.length
        rig.session.watch = watch
        screen.begin(rig, SimpleNamespace(newest=None))  # type: ignore[arg-type]
        rig.session.policy = Able()  # type: ignore[assignment]
        results = [rig.session.episode(seed=0) for _ in range(2)]
        assert [r.reason for r in results] == ["rewound", "finish"]
        assert screen._times is not None
        assert (screen._times.best, screen._times.last) == ({}, None)
        assert rig.written()
    assert table(tmp_path, "SELECT data FROM events WHERE kind = 'lap_time'") == []


def test_the_crash_at_the_end_of_what_is_kept_is_not_learned_from(tmp_path: Path) -> None:
    pad, told = Planned([REST], [*[REST] * 5, PadState(buttons=frozenset({"keep"})), OVER]), []
    tell = lambda level, text: told.append(text)  # noqa: E731
    with SessionSetup(Home(tmp_path), SessionOptions(greedy_every=0), human=lambda track: Player(pad), tell=tell) as rig:
        rig.session.policy = Cruise()  # type: ignore[assignment]
        crashed, _ = rig.session.episode(seed=0), rig.session.episode(seed=0)
        assert rig.written()
    assert crashed.reason == "off_road"
    driven_s = crashed.steps / 20
    assert [text for text in told if text.startswith("Kept")] == [
        f"Kept: of the last {driven_s:.1f} s the first {driven_s - 1:.1f} s are a demo. "
        "The end, where the drive failed, does not count."
    ]
    with Store(tmp_path / "store.sqlite", read_only=True) as store:
        (kept,) = store.segments()
        assert (kept.kind, kept.outcome, kept.stop) == ("kept", "failed", crashed.steps)
        assert store.rule().judge(kept).counts
        assert store.rule().shown_steps(kept)[1] == crashed.steps - 20  # without the last second


def test_one_episode_is_one_until_its_end_wherever_the_player_went_back_to(tmp_path: Path) -> None:
    pad = Planned([*[REST] * 80, BACK], [*[HOLD] * 5, OVER])
    args = Namespace(episodes=1, seed=0, practice="", lead=None, call_me=False, lap=False, pad="none", home=None)
    with SessionSetup(Home(tmp_path), SessionOptions(greedy_every=0), human=lambda track: Player(pad)) as rig:
        rig.session.policy = Crawl()  # type: ignore[assignment]
        loop = PlayLoop(rig, args, None, lambda text: None, Caller(rig, None, None, Sounds(on=False)))
        told = loop.run()
    assert [r.reason for r in loop.results] == ["rewound", "restart"]
    assert told.startswith("1 episode, ")


def test_at_the_very_beginning_a_try_is_a_new_run_and_who_goes_back_stays_in_theirs() -> None:
    line, state = DrivingEnv().track.line, VehicleState(0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.1, 0.2, 0.0, 0.0)
    x, y, heading = line.at(0.0)
    info = {"state": replace(state, heading=heading), "place": line.locate(x, y, 0.0)}
    back = Moment(None, np.zeros(1, np.float32), info).start
    columns = {"x": np.full(3, x), "y": np.full(3, y), "heading": np.full(3, heading), "progress": np.zeros(3)}
    tried = start_at(Drive(summary(), {**columns, "observation": np.zeros((3, 1), np.float32)}), line, 5.0)
    assert tried is not None
    assert (tried.s, tried.offset, tried.turn) == pytest.approx((0.0, back.offset, back.turn))
    assert 0.0 < back.s < 0.01
    assert (back.speed, back.side_speed) == pytest.approx((3.0 * np.cos(heading), -3.0 * np.sin(heading)))
