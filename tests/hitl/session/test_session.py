import sqlite3

import numpy as np
import pytest

from data.errors import UsageError
from data.recording.recorder import Recorder
from data.records import AGENT, HUMAN, Corner, SessionInfo
from data.store import Store
from hitl.drivers.human import ScriptedHuman
from hitl.drivers.scripted import HelpRule, ScriptedDriver, TakeoverRule
from hitl.games.driving_env import DrivingEnv
from hitl.games.open_game import open_world
from hitl.home import Home
from hitl.pads.base import MISSING, PadState
from hitl.session.offers import CornerOffers
from hitl.session.outcome import OutcomeJudge
from hitl.session.session import Session
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions


class Cruise:
    """A policy that goes gently straight on, and so leaves the road at the first bend."""

    checkpoint_id = None

    def __init__(self, action=(0.3, 0.0)):
        self.action, self.began = np.array(action, np.float32), 0

    def act(self, observation, deterministic):
        return self.action

    def begin_episode(self):
        self.began += 1


class PlannedPad:
    """A pad whose states are given tick by tick; the last one stays."""

    name = "planned"

    def __init__(self, plan):
        self.plan, self.rumbles = plan, []

    def begin(self):
        self.left = list(self.plan)

    def read(self, info):
        return (self.left.pop(0) if len(self.left) > 1 else self.left[0]), ""

    def rumble(self, *how):
        self.rumbles.append(how)


@pytest.fixture
def recorded(tmp_path):
    """Return a function that runs episodes and gives the results and the open database."""
    recorders = []

    def run(human=None, policy=None, purposes=("drive",), stop=lambda: False, greedy_every=0, **more):
        options = SessionOptions(greedy_every=greedy_every)
        world = open_world(options, Home(tmp_path))
        info = SessionInfo("play", "box2d", world.track.name, 20.0, world.observation_names, world.action_names)
        recorder = Recorder(tmp_path / "store.sqlite", info)
        recorders.append(recorder)
        offers = CornerOffers(world.track.corners, "off")
        session = Session(world, policy or Cruise(), recorder, options, offers=offers, human=human, stop=stop, **more)
        results = [session.episode(purpose, seed=seed) for seed, purpose in enumerate(purposes)]
        recorder.close()
        db = sqlite3.connect(tmp_path / "store.sqlite")
        db.row_factory = sqlite3.Row
        return results, db

    yield run
    for recorder in recorders:
        recorder.close()


def scripted(rule=True, **limits):
    track = DrivingEnv().track
    chosen = TakeoverRule(track, HelpRule(corners=frozenset({"hairpin"}))) if rule else None
    return ScriptedHuman(ScriptedDriver(track), chosen, **limits)


def test_the_agent_alone_leaves_the_road_and_every_step_is_its_own(recorded):
    (result,), db = recorded()
    rows = db.execute("SELECT * FROM steps ORDER BY t").fetchall()
    assert result.reason == "off_road"
    assert result.passed == {"hairpin": False}
    assert len(rows) == result.steps
    assert {r["driver"] for r in rows} == {AGENT}
    assert all(r["executed"] == r["proposed"] for r in rows)
    assert [r["terminated"] for r in rows] == [0] * (len(rows) - 1) + [1]
    assert db.execute('SELECT reason, "end" FROM episodes').fetchone()[:] == ("off_road", "terminated")


def test_where_a_game_goes_on_beside_the_road_nothing_is_cleared_there(recorded, monkeypatch):
    step = DrivingEnv.step

    def beside(env, action):
        *seen, info = step(env, action)
        return *seen, info | {"off_road": True}

    def outcome():
        taken = PadState(gas=0.3, buttons=frozenset({"takeover"}))
        _, db = recorded(human=PlannedPad([PadState()] * 4 + [taken] * 20 + [PadState()]))
        return db.execute("SELECT outcome FROM segments ORDER BY id DESC LIMIT 1").fetchone()[0]

    assert outcome() == "cleared"
    monkeypatch.setattr(DrivingEnv, "step", beside)
    assert outcome() == "unclear"


def test_a_rescue_is_a_segment_with_both_actions_and_its_outcome(recorded):
    wheel = scripted()
    (result,), db = recorded(human=wheel)
    segment = db.execute("SELECT * FROM segments ORDER BY start").fetchone()
    rows = db.execute("SELECT * FROM steps ORDER BY t").fetchall()
    inside = rows[segment["start"] : segment["stop"]]
    assert {r["driver"] for r in inside} == {HUMAN}
    assert rows[segment["start"] - 1]["driver"] == AGENT
    proposed = np.frombuffer(inside[0]["proposed"], np.float32)
    np.testing.assert_allclose(proposed, [0.3, 0.0], atol=1e-6)
    assert any(r["executed"] != r["proposed"] for r in inside)
    assert segment["trigger"] == "scripted"
    assert result.takeovers == db.execute("SELECT count(*) FROM segments").fetchone()[0] > 0
    assert result.human_steps == sum(r["driver"] == HUMAN for r in rows)
    outcomes = [r[0] for r in db.execute("SELECT outcome FROM segments ORDER BY start")]
    assert set(outcomes) <= {"cleared", "failed", "unclear"}


def test_a_press_is_executed_in_the_very_next_step(recorded):
    press = PadState(steer=-0.5, gas=0.75, buttons=frozenset({"takeover"}))
    plan = [PadState()] * 5 + [press] * 20 + [PadState()] * 5
    _, db = recorded(human=PlannedPad(plan))
    rows = db.execute("SELECT * FROM steps ORDER BY t").fetchall()
    assert [r["driver"] for r in rows[:6]] == [AGENT] * 5 + [HUMAN]
    np.testing.assert_allclose(np.frombuffer(rows[5]["executed"], np.float32), [0.75, -0.5])


def test_an_unplugged_pad_ends_the_takeover_as_interrupted(recorded):
    press = PadState(gas=0.5, buttons=frozenset({"takeover"}))
    _, db = recorded(human=PlannedPad([PadState(), *[press] * 6, MISSING]))
    rows = db.execute("SELECT driver FROM steps ORDER BY t").fetchall()
    segment = db.execute("SELECT * FROM segments").fetchone()
    assert (segment["start"], segment["stop"], segment["interrupted"]) == (1, 7, 1)
    assert {r[0] for r in rows[7:]} == {AGENT}
    assert [tuple(row) for row in db.execute("SELECT level FROM events WHERE kind = 'pad_lost'")] == [("warning",)]


def test_a_pause_leaves_no_gap_in_the_recorded_steps(recorded):
    pause = PadState(buttons=frozenset({"pause"}))
    plan = [PadState(), PadState(), pause, *[PadState()] * 30, pause, PadState()]
    (paused,), db = recorded(human=PlannedPad(plan))
    with_pause = [r[0] for r in db.execute("SELECT observation FROM steps ORDER BY episode_id, t")]
    (through,), db = recorded(human=PlannedPad([PadState()]))
    assert paused.steps == through.steps
    everything = [r[0] for r in db.execute("SELECT observation FROM steps ORDER BY episode_id, t")]
    assert everything == with_pause + with_pause  # the second run is the same drive without the pause


def test_a_lap_is_the_humans_from_start_to_end(recorded):
    (result,), db = recorded(human=scripted(rule=False), purposes=("lap",))
    assert result.reason == "finish"
    assert result.passed == {"hairpin": True}
    assert {r[0] for r in db.execute("SELECT driver FROM steps")} == {HUMAN}
    segment = db.execute("SELECT kind, start, stop, outcome FROM segments").fetchone()
    assert segment[:] == ("lap", 0, result.steps, "cleared")


def test_an_evaluation_is_alone_and_greedy(recorded):
    policy = Cruise()
    seen = []
    policy.act = lambda observation, deterministic: (seen.append(deterministic), policy.action)[1]
    (result,), db = recorded(human=scripted(), policy=policy, purposes=("evaluation",))
    assert result.takeovers == 0
    assert set(seen) == {True}
    assert db.execute("SELECT purpose FROM episodes").fetchone()[0] == "evaluation"


def test_the_store_knows_the_place_to_which_the_last_step_led(recorded):
    """A car that leaves the road within a step of a corner's end has passed it, live and in every count from the store."""
    results, db = recorded(purposes=("drive", "evaluation"))
    rows = db.execute("SELECT max_progress, (SELECT max(progress) FROM steps WHERE episode_id = e.id) FROM episodes e").fetchall()
    assert [row[0] for row in rows] == [result.progress for result in results]
    assert all(farthest > before_the_last_step for farthest, before_the_last_step in rows)


def test_every_second_drive_is_without_noise_and_evaluations_are_not_counted(recorded):
    policy, seen = Cruise(), {}
    policy.act = lambda observation, deterministic: (seen.setdefault(policy.began, deterministic), policy.action)[1]
    recorded(policy=policy, purposes=("drive", "evaluation", "drive", "practice", "drive"), greedy_every=2)
    assert list(seen.values()) == [False, True, True, False, True]
    seen.clear()
    recorded(policy=policy, purposes=("drive",) * 3)
    assert list(seen.values()) == [False] * 3


def test_the_limit_of_help_holds_and_a_takeover_that_has_begun_is_finished(recorded):
    wheel = scripted(limit_s=0.25)
    results, _ = recorded(human=wheel, purposes=("drive",) * 3)
    assert wheel.spent
    assert results[0].human_steps >= 12  # the first takeover went on until the car was safe
    assert results[-1].takeovers == 0


def test_stopping_in_mid_episode_closes_it_as_truncated(recorded):
    count = iter(range(100))
    (result,), db = recorded(stop=lambda: next(count) >= 10)
    assert result.reason == "stopped"
    assert db.execute('SELECT "end", reason, length FROM episodes').fetchone()[:] == ("truncated", "stopped", 10)


@pytest.mark.parametrize(
    ("begin", "ticks", "pedal", "then", "said"),
    [
        (1, 12, 1.0, PadState(), "a key still held"),
        (30, 3, 1.0, MISSING, "too short"),
        (5, 30, -1.0, PadState(), "hardly moved"),  # braking at the start line: it teaches standing still
        (30, 6, -1.0, PadState(), ""),  # a short correction at speed
    ],
)
def test_a_takeover_that_shows_nothing_is_said_to_and_has_no_outcome(recorded, begin, ticks, pedal, then, said):
    press = PadState(gas=max(pedal, 0.0), brake=max(-pedal, 0.0), buttons=frozenset({"takeover"}))
    told = []
    wheel = PlannedPad([PadState()] * begin + [press] * ticks + [then])
    _, db = recorded(wheel, Cruise((1.0, 0.0)), tell=lambda level, text: told.append(text))
    segment = db.execute("SELECT * FROM segments").fetchone()
    assert segment["start"] == begin
    events = [r["message"] for r in db.execute("SELECT message FROM events WHERE kind = 'nothing_shown'")]
    told = [text for text in told if not text.startswith("The pad went away")]
    assert events == told
    assert [said in text for text in told] == ([True] if said else [])
    assert segment["outcome"] == "unclear"
    with Store(db.execute("PRAGMA database_list").fetchone()[2]) as store:
        (listed,) = store.segments()
        standing = store.rule().judge(listed)
    assert standing.counts == (not said)
    assert said in str(standing.reason)


class TestOutcome:
    corner = Corner("c", 100.0, 150.0)

    def judge(self):
        judge = OutcomeJudge()
        judge.taken(7, self.corner)
        return judge

    def test_leaving_the_corner_on_the_road_clears_it_even_after_the_hand_back(self):
        judge = self.judge()
        assert judge.step(1.0, 160.0) == []  # the human still drives
        judge.handed_back(1.0)
        assert judge.step(1.1, 140.0) == []
        assert judge.step(1.2, 150.0) == [(7, "cleared")]
        assert judge.step(1.3, 151.0) == []

    def test_a_crash_at_the_humans_hands_or_right_after_fails(self):
        judge = self.judge()
        assert judge.end_episode(2.0, "off_road") == [(7, "failed")]
        judge = self.judge()
        judge.handed_back(2.0)
        assert judge.end_episode(2.9, "off_road") == [(7, "failed")]
        judge = self.judge()
        judge.handed_back(2.0)
        assert judge.end_episode(3.5, "off_road") == [(7, "unclear")]

    def test_one_that_was_dismissed_has_no_outcome(self):
        judge = self.judge()
        judge.handed_back(1.0)
        judge.dismissed(7)
        assert judge.step(1.2, 150.0) == []
        assert judge.end_episode(1.5, "off_road") == []

    def test_away_from_corners_two_seconds_on_the_road_clear_it(self):
        judge = OutcomeJudge()
        judge.taken(1, None)
        judge.handed_back(5.0)
        assert judge.step(6.9, 10.0) == []
        assert judge.step(7.0, 10.0) == [(1, "cleared")]


def test_the_game_is_closed_when_the_session_is_left_and_when_it_cannot_begin(tmp_path, monkeypatch):
    closed = []
    monkeypatch.setattr("hitl.games.driving_env.DrivingEnv.close", lambda env: closed.append(env))
    with SessionSetup(Home(tmp_path), SessionOptions()):
        assert not closed
    assert len(closed) == 1
    with pytest.raises(UsageError):
        SessionSetup(Home(tmp_path), SessionOptions(only_corner="nowhere"))
    assert len(closed) == 2


@pytest.mark.parametrize(("source", "stays"), [("track", False), ("player", True)])
def test_a_corner_lies_where_its_track_says_unless_the_player_moved_it(tmp_path, source, stays):
    with SessionSetup(Home(tmp_path), SessionOptions()) as rig:
        own = rig.corners[0]
    with Store(tmp_path / "store.sqlite") as store:
        store.upsert_corner("default", own.name, own.from_m + 5.0, own.to_m + 5.0, source)
    with SessionSetup(Home(tmp_path), SessionOptions()) as rig:
        found = rig.corners[0]
    assert (found.from_m, found.to_m) == (pytest.approx(own.from_m + 5.0 * stays), pytest.approx(own.to_m + 5.0 * stays))


def test_what_is_pressed_to_go_on_after_a_pause_stars_nothing(recorded):
    """Enter is what one presses to go on, and it is the key of the star."""
    def press(*names):
        return PadState(buttons=frozenset(names))

    rest, held = PadState(), PadState(gas=1.0, buttons=frozenset({"takeover"}))
    plan = [*[rest] * 10, *[held] * 20, *[rest] * 10, press("pause"), rest, press("star"), rest, press("pause"), *[rest] * 10]
    said = []
    _, db = recorded(PlannedPad(plan), say=said.append)
    assert [r["verdict"] for r in db.execute("SELECT verdict FROM segments")] == ["unreviewed"]
    assert [one.values for one in said if one.name.startswith("press_")] == [{"go": "pause", "key": "star"}]
    said.clear()
    _, db = recorded(PlannedPad([*plan[:-10], press("star"), *[rest] * 10]), say=said.append)
    assert [r["verdict"] for r in db.execute("SELECT verdict FROM segments ORDER BY id")][-1] == "star"


def test_in_a_pause_the_risk_stays_what_it_was(recorded):
    class Foresight:
        asked = 0

        def begin(self):
            pass

        def step(self, observation, proposed, agent):
            self.asked += 1
            return self.asked / 100, False

    foresight, ticks = Foresight(), []
    pause = PadState(buttons=frozenset({"pause"}))
    plan = [*[PadState()] * 9, pause, *[PadState()] * 20, pause, *[PadState()] * 5]
    recorded(PlannedPad(plan), foresight=foresight, watch=ticks.append, stop=lambda: len(ticks) >= 35)
    risks = [(tick.decision.paused, tick.risk) for tick in ticks]
    assert risks[9:30] == [(True, 0.1)] * 21
    assert risks[30:32] == [(False, 0.1), (False, 0.11)], "the tick that goes on was foreseen as the pause began"
