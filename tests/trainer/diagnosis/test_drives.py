"""Checks on recorded drives: driven and written down with one fault each, and without; then what only a store can hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from planted import Plan, make
from planted_faults import FAULTS

from data.reading.episodes import EpisodeData, EpisodeWriter, SegmentData
from data.store import Store
from hitl.demo.shipped import open_shipped
from hitl.diagnosis.cases import BOUNDED, of_home
from hitl.drivers.scripted import Skill
from hitl.home import Home
from tests.support.batches import ACT, OBS, TINY, random_batch
from tests.support.daemon_runs import drive, info
from trainer.daemon.heartbeat import Heartbeat, write_heartbeat
from trainer.diagnosis.case import Case
from trainer.diagnosis.drives import Drives, from_store
from trainer.diagnosis.probe import Probe, look
from trainer.diagnosis.run import diagnose
from trainer.learner.make import make_learner


def drives_of(root: Path) -> Drives:
    with Store(root / "store.sqlite", create=False) as store:
        drives = from_store(store, BOUNDED)
    assert drives is not None
    return drives


def driven(folder: Path, plan: Plan, seed: int = 5, track: str = "default") -> Path:
    """Drive a plan; of the learning there is as little as can be, for the driving is what is looked at here."""
    return make(folder, replace(plan, config=plan.config.with_values(utd=0.004, batch_size=16)), seed, track)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Drives:
    return drives_of(driven(tmp_path_factory.mktemp("sound"), Plan(drives=5, evaluations=6)))


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return driven(tmp_path_factory.mktemp("failing"), replace(FAULTS["one corner too fast"][0], evaluations=0))


RECORDED: dict[tuple[str, ...], int] = {
    # faults that do not disturb each other, in one run: drives that it takes to show
    ("short look-ahead", "speed bonus with a dip", "sensor that is not read", "nothing evaluated"): 6,
    ("finish squashed", "standing costs more than driving pays", "heading in world axes, clipped"): 3,
    ("laps steered the other way", "observations of laps stale"): 3,
    ("two evaluations each", "weights in mid-episode", "pedals of laps from 0 to 1", "rewards of laps stale"): 12,
}


def together(faults: tuple[str, ...]) -> Plan:
    """Return one plan with all these faults; an interface is put around the one before it."""
    plans = [FAULTS[name][0] for name in faults]

    def all_of(name: str) -> Callable[[Any], Any]:
        def through(value: Any) -> Any:
            for plan in plans:
                value = getattr(plan, name)(value)
            return value

        return through

    return replace(
        plans[-1],
        lap_task=next((p.lap_task for p in plans if p.lap_task), None),
        task=all_of("task"),
        interface=all_of("interface"),
        label=all_of("label"),
        mid_episode=any(p.mid_episode for p in plans),
    )


@pytest.mark.parametrize("faults", RECORDED, ids=lambda f: f[0])
def test_driven_and_written_down_with_a_fault(faults: tuple[str, ...], tmp_path: Path) -> None:
    evaluations = 2 if "two evaluations each" in faults else 0
    root = driven(tmp_path, replace(together(faults), drives=RECORDED[faults], evaluations=evaluations))
    found = {f.fault for f in diagnose([replace(of_home(root), probe=None)]).above_notes}
    for fault in faults:
        assert found & set(FAULTS[fault][1]), (fault, found)
    # and nothing else is named; such a bonus outweighs progress as well
    assert len(found - {"reward-dominated"}) <= len(faults), found


def names(drives: Drives) -> list[str]:
    return [f.fault for f in diagnose([Case(drives=drives)]).above_notes]


def test_sound_drives(sound: Drives) -> None:
    found = diagnose([Case(drives=sound)])
    assert not found.above_notes
    looked = {s.fault for s in found.sound}
    assert {
        "observation-constant", "observation-clipped", "actions-saturated", "demo-units", "demos-stale", "evaluation-missing",
        "weights-swapped", "finish-unpaid", "failures-in-one-corner", "far-below-human",
    } <= looked  # fmt: skip


def laps(drives: Drives, values: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    result = values.copy()
    result[drives.demo] = change(values[drives.demo])
    return result


def test_full_lock_and_full_pedal(sound: Drives) -> None:
    assert names(replace(sound, proposed=np.sign(sound.proposed + 1e-6))) == ["actions-saturated"]


def test_an_agent_from_elsewhere_that_asks_for_full_lock_is_not_mended_here(sound: Drives) -> None:
    wide = replace(sound, proposed=np.sign(sound.proposed + 1e-6))
    theirs = replace(wide, foreign=frozenset(wide.episode.tolist()), checkpoint_id=np.full(len(wide), -1))
    assert theirs.theirs_at_limit == 1.0
    assert names(theirs) == []
    assert names(replace(theirs, foreign=frozenset())) == ["actions-saturated"]


@pytest.mark.parametrize(("shown", "told"), [(0.0, True), (0.6, True), (0.95, False)])
def test_a_policy_that_is_taught_full_lock_is_not_told_of_it(shown: float, told: bool) -> None:
    probe = Probe(rows=512, updates=2000, spread=0.5, gain=0.5, twins=0.1, saturated=1.0, shown=shown)
    found = diagnose([Case(probe=probe)])
    assert ("actions-saturated" in [f.fault for f in found.findings]) == told


def test_what_a_policy_is_taught_is_looked_at_in_its_batches() -> None:
    cloned = torch.arange(32) < 16
    batch = random_batch(1, cloned=cloned, answer=torch.where(cloned[:, None], 1.0, 0.0).expand(32, ACT))
    for taught in (True, False):
        learner = make_learner(OBS, ACT, TINY.with_values(frozen_agent=taught, frozen_teaches=taught))
        assert look(learner, batch).shown == float(taught)


def test_past_actions_and_pictures_lie_at_their_ends_by_nature(sound: Drives) -> None:
    """Full gas is shown again a step later, in a game's own units; a sky is white."""
    shown = np.concatenate((np.zeros((1, 2), np.float32), sound.executed[:-1]))
    pressed = np.round(127.5 + 127.5 * np.clip(3.0 * shown, -1.0, 1.0))
    sky = np.where(np.arange(len(shown)) % 3 == 0, np.arange(len(shown)) % 97, 255.0)
    more = np.concatenate((sound.observation, pressed, sky[:, None]), 1).astype(np.float32)

    def with_names(*added: str) -> Drives:
        return replace(sound, observation=more, observation_names=(*sound.observation_names, *added))

    asked = replace(with_names("byte 1", "byte 2", "sky"), executed=np.clip(3.0 * sound.executed, -1.0, 1.0))
    one = next(f for f in diagnose([Case(drives=asked)]).findings if f.fault == "observation-clipped")
    assert set(one.data["share"]) == {"sky"}
    assert names(replace(asked, bounded=sound.bounded | {"sky"})) == []


@pytest.mark.parametrize("factor", [(0.1, 1.0), (180.0, 1.0)])
def test_demos_in_other_units(sound: Drives, factor: tuple[float, float]) -> None:
    executed = laps(sound, sound.executed, lambda a: a * np.array(factor, np.float32))
    assert names(replace(sound, executed=executed)) == ["demo-units"]


def test_a_car_that_follows_slowly_answers_an_agent_at_random_less(sound: Drives) -> None:
    """Random steering is over before the car has followed it; what is held turns it."""
    steer = np.where(sound.agent, np.random.default_rng(1).uniform(-1, 1, len(sound)), np.sin(np.arange(len(sound)) / 20))
    angle, heading = 0.0, np.zeros(len(sound))
    for step in range(len(sound) - 1):
        angle += 0.18 * (steer[step] - angle)
        heading[step + 1] = heading[step] + 0.1 * angle * sound.speed[step] / sound.hz
    executed = np.stack((sound.executed[:, 0], steer), 1).astype(np.float32)
    slow = replace(sound, executed=executed, heading=heading)
    assert "demo-units" not in names(slow)
    assert "demo-units" in names(replace(slow, executed=laps(slow, executed, lambda a: a * np.array((1.0, 0.02), np.float32))))
    assert "demo-units" in names(replace(slow, executed=laps(slow, executed, lambda a: a * np.array((1.0, -1.0), np.float32))))


def test_demos_paid_by_other_rules(sound: Drives) -> None:
    now = {**sound.reward_settings, "progress": 2 * sound.reward_settings["progress"]}
    assert names(replace(sound, reward_settings=now)) == ["demos-stale"]
    assert names(replace(sound, repaid=((50.0, 310.0), (60.0, 330.0)))) == ["demos-stale"]
    assert names(replace(sound, repaid=((300.0, 310.0), (320.0, 330.0)))) == []


def test_demos_seen_by_other_rules(sound: Drives) -> None:
    assert names(replace(sound, other_layouts=("900 imported steps have 81 numbers in each observation.",))) == ["layouts-mixed"]


def test_demos_of_another_speed_than_the_agents_are_not_of_other_rules(tmp_path: Path) -> None:
    """An agent that drives nearly alike each time, and slower than the laps: at each place it has never seen their numbers."""
    slow = Plan(skill=Skill(corner_grip=12.0, braking=8.0, top_speed=12.0), noise=0.005, drives=3, evaluations=0)
    found = diagnose([Case(drives=drives_of(driven(tmp_path, slow)))])
    assert "demos-stale" not in {f.fault for f in found.findings}


def test_the_games_bent_stick(sound: Drives) -> None:
    asked = sound.executed[:, sound.action_names.index("steer")]
    seen, column = sound.observation.copy(), sound.observation_names.index("steer")

    def with_curve(curve: Callable[[np.ndarray], np.ndarray]) -> list[str]:
        wide = np.where(np.arange(len(asked)) % 5 == 0, np.sign(asked), asked)  # full lock now and then
        seen[:, column] = np.concatenate(([0.0], curve(wide)[:-1]))  # a step later
        executed = sound.executed.copy()
        executed[:, sound.action_names.index("steer")] = wide
        found = diagnose([Case(drives=replace(sound, observation=seen, executed=executed))])
        return [f.fault for f in found.findings if f.fault == "stick-bent"]

    assert with_curve(lambda a: a) == []
    assert with_curve(lambda a: np.sign(a) * np.maximum(0, np.abs(a) - 0.5) * 2) == ["stick-bent"]


def test_what_the_plugin_does_not_send(sound: Drives) -> None:
    names_ = list(sound.observation_names)
    names_[names_.index("yaw_rate")] = "slip_left"
    seen = sound.observation.copy()
    seen[:, names_.index("slip_left")] = 0
    deaf = replace(sound, observation=seen, observation_names=tuple(names_), bounded=sound.bounded | {"slip_left"})
    (found,) = (f for f in diagnose([Case(drives=deaf)]).above_notes if f.fault == "observation-constant")
    assert "Nothing fills slip_left" in found.sentence
    assert "plugin" in found.advice


def test_what_a_game_never_tells_is_no_finding(sound: Drives) -> None:
    seen = sound.observation.copy()
    seen[:, sound.observation_names.index("slip")] = 0.0
    untold = frozenset({"slip"})
    assert "observation-constant" in names(replace(sound, observation=seen))
    assert "observation-constant" not in names(replace(sound, observation=seen, untold=untold))


def test_pulses_that_are_shorter_than_what_a_human_holds(sound: Drives) -> None:
    rng = np.random.default_rng(0)
    flicker = sound.executed.copy()
    flicker[sound.agent] = rng.uniform(-1, 1, (int(sound.agent.sum()), flicker.shape[1]))
    held = np.where(np.arange(len(flicker)) // 15 % 2 == 0, 0.8, -0.8).astype(np.float32)
    flicker[sound.demo] = held[sound.demo, None]
    found = {f.fault for f in diagnose([Case(drives=replace(sound, executed=flicker))]).findings}
    assert "exploration-short" in found
    calm = flicker.copy()
    calm[:] = held[:, None]
    assert "exploration-short" not in {f.fault for f in diagnose([Case(drives=replace(sound, executed=calm))]).findings}


def test_all_failures_in_one_corner(failing: Path) -> None:
    case = of_home(failing)
    assert case.drives is not None
    found = diagnose([Case(drives=case.drives)])
    one = next(f for f in found.findings if f.fault == "failures-in-one-corner")
    assert "hairpin" in one.sentence
    assert "█" in one.picture
    poor = [replace(e, total=0.4 * e.total) if e.purpose == "drive" else e for e in case.drives.episodes]
    found = diagnose([Case(drives=replace(case.drives, episodes=poor))])
    assert "far-below-human" in [f.fault for f in found.findings]


def test_the_shipped_stalled_agent_is_told_where_it_stalls(tmp_path: Path) -> None:
    open_shipped(Home(tmp_path))
    found = diagnose([of_home(tmp_path)])
    assert [f.fault for f in found.above_notes] == ["failures-in-one-corner"]
    assert "--practice \"hairpin\"" in found.findings[0].advice
    assert "critic-ignores-actions" in {s.fault for s in found.sound}
    write_heartbeat(tmp_path, Heartbeat(state="training", owed_updates=6_000, updates_per_second=30.0))
    assert of_home(tmp_path).owed == (6_000, 200.0), "a trainer that catches up is not taken for a slow one"


def test_demos_that_never_reach_the_place(failing: Path) -> None:
    drives = of_home(failing).drives
    assert drives is not None
    short = replace(drives, demo=drives.demo & (drives.progress < 60))
    found = diagnose([Case(drives=short)])
    assert next(f for f in found.findings if f.fault == "demos-uncovered").sentence.startswith("No demo")
    # A person who drives from the very states that fail covers them.
    own = replace(drives, demo=np.ones(len(drives), bool))
    assert "demos-uncovered" not in names(own)


@pytest.mark.parametrize(("outcome", "steps"), [("cleared", 10), ("failed", 5)])
def test_steps_are_demos_where_the_trainer_takes_them_for_such(tmp_path: Path, outcome: str, steps: int) -> None:
    drive(tmp_path / "store.sqlite", 100, 2)  # with a takeover of half a second in each
    with Store(tmp_path / "store.sqlite") as store:
        store.db.execute("UPDATE segments SET outcome = ?", (outcome,))
        drives = from_store(store)
    assert drives is not None
    assert drives.demo.sum() == 2 * steps


def test_what_a_failed_takeover_shows_ends_where_the_car_stood_as_in_training(tmp_path: Path) -> None:
    """100 steps, taken over from 10 on; from 60 on the car stands. A second before that is cut, too."""
    with Store(tmp_path / "store.sqlite") as store:
        session = store.start_session(info())
        speed = np.where(np.arange(100) < 60, 10.0, 0.0)
        places = np.cumsum(speed) / 20.0
        taken = SegmentData("takeover", 10, 100, "pad", outcome="failed")
        rows, columns = np.zeros((100, 3), np.float32), {"progress": places, "x": places, "y": 0 * places, "speed": speed}
        episode = EpisodeData(
            rows, rows[:, :2], np.ones(100), driver=np.where(np.arange(100) < 10, 0, 1), terminated=np.arange(100) == 99,
            columns=columns, reason="stalled", segments=[taken],
        )  # fmt: skip
        with EpisodeWriter(store.conn, session) as writer:
            writer.add(episode)
    found = np.flatnonzero(drives_of(tmp_path).demo)
    assert (found.min(), found.max()) == (10, 39)
