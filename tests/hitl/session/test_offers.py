import sqlite3

import numpy as np
import pytest

from data.recording.recorder import Recorder
from data.records import HUMAN, Corner, SessionInfo, StepRow
from data.store import Store
from hitl.drivers.human import HumanSide, ScriptedHuman
from hitl.drivers.scripted import HelpRule, ScriptedDriver, TakeoverRule
from hitl.games.base import Start
from hitl.games.driving_env import DrivingEnv
from hitl.games.open_game import open_world
from hitl.home import Home
from hitl.pads.base import MISSING, PadState
from hitl.session.offers import CornerOffers, next_corner
from hitl.session.practice import Practice
from hitl.session.session import Session
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import HelpSettings, load

CORNERS = (Corner("a", 50.0, 70.0), Corner("b", 100.0, 130.0))
PRESS = PadState(gas=0.4, buttons=frozenset({"takeover"}))


class Straight:
    checkpoint_id = None

    def act(self, observation, deterministic):
        return np.array([0.3, 0.0], np.float32)

    def begin_episode(self):
        pass


class Plan(HumanSide):
    """Pad states by tick; the last one stays."""

    name = "plan"

    def __init__(self, *states):
        self.states, self.rumbles, self.at = states, [], -1

    def begin(self):
        pass

    def read(self, info):
        self.at += 1
        return self.states[min(self.at, len(self.states) - 1)], ""

    def rumble(self, *how):
        self.rumbles.append(how)


class Asks:
    """A foresight that asks from one tick to another."""

    def __init__(self, first, last):
        self.span, self.n = (first, last), -1

    def begin(self):
        self.n = -1

    def step(self, observation, proposed, agent):
        self.n += 1
        return 0.25, agent and self.span[0] <= self.n < self.span[1]


@pytest.fixture
def drive(tmp_path):
    def run(wheel, purpose="drive", episodes=1, until_m=None, start=None, **kwargs):
        options = SessionOptions(greedy_every=0)
        world = open_world(options, Home(tmp_path))
        world.release = kwargs.pop("release", world.release)
        info = SessionInfo("play", "box2d", "default", 20.0, world.observation_names, world.action_names)
        ticks = []
        with Recorder(tmp_path / "s.sqlite", info) as recorder:
            kwargs.setdefault("offers", CornerOffers(world.track.corners, "off"))
            session = Session(world, Straight(), recorder, options, human=wheel, watch=ticks.append, **kwargs)
            results = [session.episode(purpose, seed=0, until_m=until_m, start=start) for _ in range(episodes)]
        db = sqlite3.connect(tmp_path / "s.sqlite")
        db.row_factory = sqlite3.Row
        return session, results, ticks, db

    return run


def test_the_countdown_goes_by_the_cars_own_speed():
    assert next_corner(CORNERS, 10.0, 20.0) == ("a", 2.0)
    assert next_corner(CORNERS, 10.0, 40.0) == ("a", 1.0)
    assert next_corner(CORNERS, 10.0, 5.0) == ("", None)
    assert next_corner(CORNERS, 60.0, 5.0) == ("a", 0.0)
    assert next_corner(CORNERS, 140.0, 5.0) == ("", None)


def test_the_wheel_is_offered_where_the_agent_fails():
    offers = CornerOffers(CORNERS, "failing", lead_s=2.0)
    assert offers.at(5.0, 20.0) == ""
    assert offers.at(20.0, 20.0) == "a"
    for _ in range(3):
        offers.tried("a", True)
    assert offers.at(20.0, 20.0) == ""
    assert offers.at(90.0, 20.0) == "b"
    offers.tried("a", False)
    assert offers.at(20.0, 20.0) == "a"
    assert CornerOffers(CORNERS, "off").at(20.0, 20.0) == ""
    assert CornerOffers(CORNERS, "all", only="b").at(20.0, 20.0) == ""


def test_what_the_agent_did_alone_before_the_session_counts(tmp_path):
    options = SessionOptions(kind="evaluation", help=HelpSettings(offer="failing"))

    def offered():
        with SessionSetup(Home(tmp_path), options, policy=lambda *names: Straight()) as rig:
            return rig, rig.offers.at(rig.corner("hairpin").from_m - 10.0, 20.0)

    rig, there = offered()
    assert there == "hairpin"
    for passed in (True, False, True, True, True):
        info = rig.recorder.info
        with Recorder(tmp_path / "store.sqlite", info) as recorder:
            recorder.begin_episode("drive")
            seen = np.zeros(len(info.observation_names), np.float32)
            for metre in (0.0, 190.0, 300.0 if passed else 200.0):
                row = StepRow(seen, np.zeros(2, np.float32), np.zeros(2, np.float32), 0, 0.0, progress=metre)
                recorder.step(row)
            recorder.end_episode("terminated", "off_road", seen)
        assert offered()[1] == "hairpin" or passed
    assert offered()[1] == ""
    with SessionSetup(Home(tmp_path), options, policy=lambda *names: Straight()) as rig:
        rig.offers.tried("hairpin", False)
        assert rig.offers.at(rig.corner("hairpin").from_m - 10.0, 20.0) == "hairpin"


def test_with_only_one_corner_the_wheel_can_be_taken_nowhere_else(drive):
    wheel = Plan(PadState(), PRESS)
    corner = DrivingEnv().track.corners[0]
    _, (result,), _, _ = drive(wheel, offers=CornerOffers((corner,), "off", only="hairpin"))
    assert result.takeovers == 0
    start = Start(s=corner.from_m - 20.0, speed=15.0)
    wheel = Plan(PadState(), PRESS)
    _, (result,), _, _ = drive(wheel, start=start, offers=CornerOffers((corner,), "off", only="hairpin"))
    assert result.takeovers == 1


def test_a_takeover_that_answers_an_offer_says_which(drive):
    wheel = Plan(*[PadState()] * 12, PRESS)
    _, _, ticks, db = drive(wheel, foresight=Asks(8, 30))
    assert db.execute('SELECT "trigger" FROM segments').fetchone()[0] == "asked-for"
    assert [t.offer for t in ticks[6:10]] == ["", "", "asked-for", "asked-for"]
    assert {t.offer for t in ticks[13:20]} == {""}  # the player drives: nothing is offered
    assert {r[0] for r in db.execute("SELECT risk FROM steps")} == {0.25}
    kinds = [r[0] for r in db.execute("SELECT kind FROM events ORDER BY id")]
    assert kinds[:2] == ["offer asked-for", "takeover"]
    assert len(wheel.rumbles) == 2


def test_the_pad_rumbles_when_the_wheel_changes_hands(drive):
    wheel = Plan(*[PadState()] * 3, *[PRESS] * 10, PadState())
    _, _, _, db = drive(wheel)
    assert len(wheel.rumbles) == 2
    assert wheel.rumbles[0] != wheel.rumbles[1]
    assert [r[0] for r in db.execute("SELECT kind FROM events")] == ["takeover", "hand_back"]


def test_panic_lets_go_ends_the_episode_and_waits_for_the_player(drive):
    panic, pause = PadState(buttons=frozenset({"panic"})), PadState(buttons=frozenset({"pause"}))
    released = []
    wheel = Plan(*[PadState()] * 5, panic, *[PadState()] * 4, pause, PadState())
    _, results, ticks, db = drive(wheel, episodes=2, release=lambda: released.append(True))
    assert [r.reason for r in results] == ["panic", "off_road"]
    assert results[0].steps == 5
    assert released == [True]
    assert [t.decision.paused for t in ticks[5:10]] == [True] * 4 + [False]
    assert db.execute('SELECT "end", last_observation IS NULL FROM episodes').fetchone()[:] == ("truncated", 0)


def test_restart_and_quit_end_the_episode(drive):
    press = PadState(buttons=frozenset({"restart"}))
    session, (result,), _, _ = drive(Plan(*[PadState()] * 4, press))
    assert (result.reason, result.steps, session.leaving) == ("restart", 4, False)
    session, (result,), _, _ = drive(Plan(PadState(), PadState(buttons=frozenset({"quit"}))))
    assert (result.reason, session.leaving) == ("stopped", True)


def test_time_stands_still_while_a_laps_pad_is_missing(drive):
    wheel = Plan(*[PadState(gas=0.5)] * 3, *[MISSING] * 5, PadState(gas=0.5))
    _, _, ticks, db = drive(wheel, "lap")
    assert [t.decision.paused for t in ticks[:9]] == [False] * 3 + [True] * 5 + [False]
    assert {r[0] for r in db.execute("SELECT driver FROM steps")} == {HUMAN}
    assert db.execute("SELECT count(*), min(kind) FROM segments").fetchone()[:] == (1, "lap")


def test_an_episode_that_is_cut_is_truncated_with_its_successor(drive):
    _, (result,), _, db = drive(Plan(PadState()), "practice", until_m=15.0)
    assert result.reason == "through"
    row = db.execute("SELECT terminated, truncated, progress FROM steps ORDER BY t DESC LIMIT 1").fetchone()
    assert row[:2] == (0, 1)
    assert row[2] < 15.0 <= result.progress
    episode = db.execute('SELECT purpose, "end", reason, last_observation FROM episodes').fetchone()
    assert episode[:3] == ("practice", "truncated", "through")
    assert len(episode["last_observation"]) > 0


def test_what_is_learned_from_a_cut_try_is_bootstrapped(tmp_path):
    from data.reading.follow import Follower
    from trainer.presets import PRESETS
    from trainer.replay.replay import Replay

    with SessionSetup(Home(tmp_path), SessionOptions()) as rig:
        rig.session.episode("practice", seed=0, until_m=12.0)
        sizes = len(rig.observation_names), len(rig.action_names)
        rig.written()
    replay = Replay(*sizes, PRESETS["hitl"])
    with Follower(tmp_path / "store.sqlite") as follower:
        replay.add(follower.poll())
    import torch

    batch = replay.sample(64, torch.Generator().manual_seed(0))
    assert (batch.discount > 0).all()


class TestPractice:
    @pytest.fixture
    def home(self, tmp_path):
        home = Home(tmp_path)
        lap = lambda track: ScriptedHuman(ScriptedDriver(track), None)  # noqa: E731
        with SessionSetup(home, SessionOptions(), human=lap) as rig:
            rig.session.episode("lap", seed=0)
            rig.written()
        return home

    def test_tries_begin_shortly_before_the_corner_as_it_was_approached(self, home):
        with SessionSetup(home, SessionOptions()) as rig:
            practice = Practice(rig, "hairpin", 0)
            start = practice.starts[0]
            corner = rig.corner("hairpin")
            assert corner.from_m - 35.0 < start.s < corner.from_m - 10.0
            lap = rig.recorder.path
            result = practice.attempt(0)
            rig.written()
        db = sqlite3.connect(lap)
        recorded = db.execute(
            "SELECT speed, x, y FROM steps JOIN episodes e ON e.id = episode_id WHERE purpose = 'lap' "
            "ORDER BY abs(progress - ?) LIMIT 1",
            (start.s,),
        ).fetchone()
        begun = db.execute(
            "SELECT speed, x, y FROM steps JOIN episodes e ON e.id = episode_id WHERE purpose = 'practice' ORDER BY t LIMIT 1"
        ).fetchone()
        np.testing.assert_allclose(begun, recorded, atol=0.6)
        assert result.reason in ("off_road", "stalled", "through")

    def test_a_try_that_gets_through_ends_behind_the_corner(self, home):
        with SessionSetup(home, SessionOptions(), human=lambda track: ScriptedHuman(ScriptedDriver(track), None)) as rig:
            practice = Practice(rig, "hairpin", 0)
            result = practice.attempt(0)
        assert (result.reason, result.passed) == ("through", {"hairpin": True})
        assert result.progress < rig.corner("hairpin").to_m + 2.0

    def test_a_takeover_that_drives_to_the_tries_end_has_cleared_the_corner(self, home):
        def helper(track):
            return ScriptedHuman(ScriptedDriver(track), TakeoverRule(track, HelpRule(corners=frozenset({"hairpin"}))))

        with SessionSetup(home, SessionOptions(), human=helper) as rig:
            rig.session.policy = Straight()
            assert Practice(rig, "hairpin", 0).attempt(0).reason == "through"
        with Store(home.store_path) as store:
            assert [(s.corner, s.outcome) for s in store.segments(kind="takeover")] == [("hairpin", "cleared")]

    def test_where_the_agent_fails_a_try_begins_as_late_as_it_can_still_go_well(self, home):
        with SessionSetup(home, SessionOptions()) as rig:
            driver = ScriptedDriver(rig.track)
            seen = {}
            rig.session.watch = lambda tick: seen.update(tick.info)

            class Fails(Straight):
                def begin_episode(self):
                    driver.begin()
                    seen.clear()

                def act(self, observation, deterministic):
                    if not seen or seen["progress"] > 214.0:
                        return np.array([0.3, 0.0], np.float32)
                    return driver.act(seen["state"], seen["place"])

            rig.session.policy = Fails()
            assert not rig.session.episode("drive", seed=0).passed["hairpin"]
            rig.written()
            corner = rig.corner("hairpin")
            (start,) = Practice(rig, "hairpin", 0).starts
            (early,) = Practice(rig, "hairpin", 0, lead_s=1.0).starts
            assert early.s < start.s < corner.from_m
            rig.session.human = ScriptedHuman(driver, None)
            assert rig.session.episode("practice", start=start, until_m=corner.to_m).passed["hairpin"]

    def test_a_restored_car_drives_on_as_the_recorded_one_did(self, home):
        """The lap's own actions from a start within the hairpin lead along the lap's own road."""
        from hitl.session.practice import first_at, passage_at, start_at

        with Store(home.store_path) as store:
            lap = store.steps(store.episodes()[0])
        env = DrivingEnv()
        for metre in (175.0, 192.0, 205.0, 225.0):
            t = first_at(lap, metre)
            with Store(home.store_path) as store:
                passage = passage_at(store, lap.episode, t)
            start = start_at(passage, env.track.line, env.track.half_width)
            assert abs(start.s - lap.progress[t]) < 0.1
            env.reset(options={"start": start})
            for k in range(10):
                _, _, _, _, info = env.step(lap.executed[t + k])
            state = info["state"]
            # The first time-step coasts, as every episode's does: it costs a braking car about this much.
            assert np.hypot(*(lap.points[t + 10] - (state.x, state.y))) < 0.9

    def test_tries_count_in_no_evaluation(self, home):
        with Store(home.store_path) as store:
            checkpoint = store.add_checkpoint("x", "0", 1, 1, "train", {})
        home.create()
        (home.checkpoints / "x").touch()
        with SessionSetup(home, SessionOptions()) as rig:
            rig.session.policy = Straight()
            rig.session.policy.checkpoint_id = checkpoint
            Practice(rig, "hairpin", 0).attempt(0)
            rig.session.episode("evaluation", seed=0)
            rig.written()
        with Store(home.store_path) as store:
            (evaluation,) = store.evaluations()
        assert evaluation.episodes == 1


@pytest.mark.parametrize("args", [["--lead", "2"], ["--practice", "hairpin", "--lead", "-1"]])
def test_a_lead_without_practice_or_below_nothing_is_refused(args, capsys):
    from hitl.commands import play

    with pytest.raises(SystemExit):
        play.main(args)
    assert "--lead goes with --practice" in capsys.readouterr().err


def test_help_is_set_in_its_section(tmp_path):
    (tmp_path / "settings.toml").write_text('[help]\noffer = "all"\nrequests_per_minute = 2\n')
    assert load(Home(tmp_path)).help == HelpSettings("all", 2.0, 2.0)


def test_starred_takeovers_get_the_verdict(tmp_path):
    star = PadState(buttons=frozenset({"star"}))
    wheel = Plan(*[PadState()] * 3, *[PRESS] * 10, *[PadState()] * 5, star, PadState())
    with SessionSetup(Home(tmp_path), SessionOptions(), human=lambda track: wheel) as rig:
        rig.session.policy = Straight()
        rig.session.episode(seed=0)
    with Store(tmp_path / "store.sqlite") as store:
        assert [s.verdict for s in store.segments(kind="takeover")] == ["star"]


def test_a_star_that_comes_in_the_next_episode_is_for_the_takeover_before_it(tmp_path):
    told = []
    star, rest = PadState(buttons=frozenset({"star"})), PadState()
    wheel = Plan(*[rest] * 3, *[PRESS] * 10, rest)
    with SessionSetup(
        Home(tmp_path), SessionOptions(), human=lambda track: wheel, tell=lambda level, text: told.append(text)
    ) as rig:
        rig.session.policy = Straight()
        rig.session.episode(seed=0)
        wheel.states, wheel.at = [rest] * 5 + [star, rest], -1
        rig.session.episode(seed=1)
    assert "Starred: what you drove or kept last. It counts, whatever came of it." in told
    with Store(tmp_path / "store.sqlite") as store:
        assert [s.verdict for s in store.segments(kind="takeover")] == ["star"]


def test_the_steps_before_a_takeover_are_marked_and_both_actions_are_kept(tmp_path):
    from data.reading.follow import Follower
    from trainer.presets import PRESETS
    from trainer.replay.replay import Replay

    wheel = Plan(*[PadState()] * 30, *[PRESS] * 12, PadState())
    with SessionSetup(Home(tmp_path), SessionOptions(), human=lambda track: wheel) as rig:
        rig.session.policy = Straight()
        rig.session.episode(seed=0)
        sizes = len(rig.observation_names), len(rig.action_names)
        rig.written()
    with Follower(tmp_path / "store.sqlite") as follower:
        new = follower.poll()
    human = new.driver == HUMAN
    assert human.sum() >= 12
    np.testing.assert_allclose(new.proposed[human], [[0.3, 0.0]] * int(human.sum()), atol=1e-6)
    np.testing.assert_allclose(new.executed[human][:12], [[0.4, 0.0]] * 12, atol=1e-6)
    replay = Replay(*sizes, PRESETS["hitl"])
    replay.add(new)
    import torch

    batch = replay.sample(512, torch.Generator().manual_seed(0))
    assert bool(batch.before_takeover.any())
    assert not bool((batch.before_takeover & batch.human).any())
