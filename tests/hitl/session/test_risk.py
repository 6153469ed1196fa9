import shutil
import time
from dataclasses import replace

import numpy as np
import pytest

from data.recording.recorder import Recorder
from data.records import AGENT, StepRow
from data.store import Store
from hitl.demo.shipped import open_shipped
from hitl.home import Home
from hitl.session.risk import Asker, Attempt, calibrate, critic_numbers, features, fit, labels, requests
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import HelpSettings

HZ = 20.0


def attempts(count, rng):
    """Half of the attempts meet a sign 3 s before they fail; the others fail never and see none."""
    made = []
    for k in range(count):
        x = rng.normal(size=(120, 5))
        failed = k % 2 == 0
        if failed:
            x[-80:, 2] += 4.0
        made.append(Attempt(x, failed))
    return made


def test_the_critics_numbers_are_mean_spread_disagreement_and_tail():
    q = np.array([[[0.0, 1.0, 2.0, 3.0, 4.0]], [[6.0, 5.0, 4.0, 3.0, 2.0]]], np.float32)
    ((mean, spread, apart, low),) = critic_numbers(q)
    assert (mean, apart, low) == (3.0, 1.0, 1.0)
    assert spread == pytest.approx(np.std([1, 2, 3, 4, 5]))


def test_a_value_that_falls_lies_below_its_recent_level():
    q = np.zeros((2, 10, 5), np.float32)
    q[:, 5:] = -2.0
    rows = features(np.zeros((10, 3), np.float32), q)
    assert rows.shape == (10, 9)
    assert (rows[:5, 7] == 0).all()
    assert (rows[5:, 7] < -1.0).all()


def test_it_learns_the_seconds_before_a_failure():
    rng = np.random.default_rng(0)
    model = fit(attempts(40, rng), HZ)
    fresh = attempts(20, rng)
    before = np.concatenate([model.risk(a.features)[-75:-25] for a in fresh if a.failed])
    calm = np.concatenate([model.risk(a.features) for a in fresh if not a.failed])
    assert np.median(before) > 0.7
    assert np.median(calm) < 0.1


def test_without_failures_there_is_nothing_to_learn():
    rng = np.random.default_rng(0)
    assert fit([a for a in attempts(40, rng) if not a.failed], HZ) is None
    assert fit([], HZ) is None
    assert labels(100, True, HZ).sum() == 60
    assert labels(100, True, HZ)[-20:].sum() == 0
    assert labels(10, True, HZ).sum() == 0


@pytest.mark.parametrize("seed", range(5))
def test_requests_are_those_that_the_asker_begins_and_stay_within_the_budget(seed):
    rng = np.random.default_rng(seed)
    risks = [np.clip(np.cumsum(rng.normal(size=300)) * 0.05 + 0.3, 0, 1) for _ in range(20)]
    for budget in (3, 20):
        threshold = calibrate(risks, budget, HZ)
        found = [requests(r, threshold, HZ) for r in risks]
        assert sum(map(len, found)) <= budget
        for risk, begun in zip(risks, found, strict=True):
            asker = Asker(threshold, HZ)
            assert [t for t, v in enumerate(risk.tolist()) if asker.step(v)[1]] == begun


def test_a_request_ends_when_the_human_drives_or_the_risk_is_gone():
    asker = Asker(0.5, HZ)
    assert asker.step(0.6) == (True, True)
    assert asker.step(0.6) == (True, False)
    assert asker.step(0.1) == (False, False)
    assert asker.step(0.6) == (False, False)  # too soon after the last one
    asker.begin()
    assert asker.step(0.6) == (True, True)
    assert asker.step(0.6, agent=False) == (False, False)


@pytest.fixture(scope="module")
def stalled(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("home"))
    open_shipped(home)
    with SessionSetup(home, SessionOptions(seed=1)) as rig:
        for seed in range(6):
            rig.session.episode("drive", seed=seed)
        rig.written()
    return home


def test_the_stalled_agent_asks_before_it_fails_and_its_risk_is_recorded(stalled):
    ticks = []
    options = SessionOptions(seed=2, help=HelpSettings("off", requests_per_minute=8.0))
    with SessionSetup(stalled, options, watch=ticks.append) as rig:
        session = rig.recorder
        result = rig.session.episode("drive", seed=99)
        rig.written()
        number = session.session_id
    asked = [k for k, tick in enumerate(ticks) if tick.offer == "asked-for"]
    assert result.reason == "off_road"
    assert asked
    assert len(ticks) - asked[0] > 20  # more than a second before
    with Store(stalled.store_path, read_only=True) as store:
        (known,) = store.conn.execute(
            "SELECT count(risk) FROM steps JOIN episodes e ON e.id = episode_id WHERE e.session_id = ?", (number,)
        ).fetchone()
        (events,) = store.conn.execute(
            "SELECT count(*) FROM events WHERE session_id = ? AND kind = 'offer asked-for'", (number,)
        ).fetchone()
    assert known == result.steps
    assert events >= 1


def test_an_agent_that_will_not_fail_does_not_ask(stalled, monkeypatch):
    """Whatever the budget allows: of one that fails nowhere, it allows a threshold of nearly 0."""
    from hitl.session import help_requests

    monkeypatch.setattr(help_requests, "calibrate", lambda risks, budget, hz: 0.01)
    with SessionSetup(stalled, SessionOptions(help=HelpSettings("off"))) as rig:
        rig.policy.begin_episode()
        rig.foresight.begin()
        o, a = np.zeros(rig.policy.observation_size, np.float32), np.zeros(2, np.float32)
        for risk, asks in ((0.0, False), (0.2, False), (0.3, True)):
            monkeypatch.setattr(type(rig.foresight.model), "risk", lambda self, rows, risk=risk: np.full(len(rows), risk))
            assert rig.foresight.step(o, a, True) == (risk, asks)


class Stops:
    """Sets off, and then stands on the brake."""

    checkpoint_id = None

    def __init__(self):
        self.acted = 0

    def act(self, observation, deterministic):
        self.acted += 1
        return np.array([0.5 if self.acted < 40 else -1.0, 0.0], np.float32)

    def begin_episode(self):
        pass


def test_a_car_that_stands_is_at_risk_whatever_the_predictor_says(stalled, monkeypatch):
    ticks = []
    with SessionSetup(stalled, SessionOptions(help=HelpSettings("off")), watch=ticks.append) as rig:
        rig.policy.begin_episode()
        rig.foresight.begin()
        monkeypatch.setattr(type(rig.foresight.model), "risk", lambda self, rows: np.zeros(len(rows)))
        rig.session.policy = Stops()
        result = rig.session.episode("drive", seed=3)
    assert result.reason == "stalled"
    risks = [tick.risk for tick in ticks]
    assert max(risks[:30]) == 0.0, "it sets off"
    standing = [k for k, tick in enumerate(ticks) if tick.info["state"].speed < 0.1 and k > 40]
    assert len(standing) > 10
    assert risks[-1] > 0.9
    assert min(risks[-20:]) > 0.4
    assert not any(tick.offer for tick in ticks), "a request keeps to the predictor and its budget"


def test_judging_a_step_takes_about_a_millisecond(stalled):
    with SessionSetup(stalled, SessionOptions(help=HelpSettings("off"))) as rig:
        rig.policy.begin_episode()
        rig.foresight.begin()
        assert rig.foresight.model is not None
        o, a = np.zeros(rig.policy.observation_size, np.float32), np.zeros(2, np.float32)
        taken = []
        for _ in range(200):
            began = time.thread_time()
            rig.foresight.step(o, a, True)
            taken.append(time.thread_time() - began)
    assert np.median(taken) < 0.003  # of the processor; measured: 0.2 ms


def test_attempts_of_another_layout_take_no_place_among_the_newest(stalled, monkeypatch, tmp_path):
    """As after some drives with one setting of the observation changed: they cannot be judged by this agent's critics."""
    from hitl.session import help_requests

    home = Home(tmp_path / "home")
    shutil.copytree(stalled.root, home.root)
    with SessionSetup(home, SessionOptions(help=HelpSettings("off"))) as rig:
        rig.policy.begin_episode()
        assert rig.policy.can_judge()
        layout = rig.observation_names, rig.action_names
        before = len(help_requests.stored_attempts(home, rig.policy, rig.track.name, layout, HZ))
        assert before > 0
        other = replace(rig.recorder.info, observation_names=("one", "two"))
        monkeypatch.setattr(help_requests, "NEWEST", before)
        with Recorder(home.store_path, other) as recorder:
            for _ in range(before):
                recorder.begin_episode("drive")
                recorder.step(StepRow(*[np.zeros(2, np.float32)] * 3, AGENT, 0.0))
                recorder.end_episode("terminated", "off_road", np.zeros(2, np.float32))
        assert len(help_requests.stored_attempts(home, rig.policy, rig.track.name, layout, HZ)) == before


def test_it_is_fitted_anew_only_when_there_is_something_new_to_fit_it_to(stalled, monkeypatch):
    from hitl.session import help_requests

    monkeypatch.setattr(help_requests, "REFIT", 1)
    fitted = []
    monkeypatch.setattr(help_requests, "fit", lambda attempts, hz: fitted.append(len(attempts)))
    with SessionSetup(stalled, SessionOptions(help=HelpSettings("off"))) as rig:
        for purpose, until in (("practice", 5.0), ("practice", 5.0), ("drive", 5.0), ("practice", 5.0)):
            rig.session.episode(purpose, seed=0, until_m=until)
            rig.written()
    assert len(fitted) == 2
    assert fitted[1] == fitted[0] + 1 or fitted[1] == help_requests.NEWEST
