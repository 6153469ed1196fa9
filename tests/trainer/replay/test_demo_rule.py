"""What is cloned, what is drawn as a demo and how often is what the one rule says, after any judgements in any order."""

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data.reading.follow import Follower
from data.reading.new_steps import NewSteps
from data.recording.recorder import Recorder
from data.records import SegmentRecord, SessionInfo, StepRow
from data.store import Store
from tests.support.batches import ACT, OBS, random_episode
from tests.support.examples import examples
from tests.trainer.replay.test_replay import pieces
from trainer.config import BARE, TrainConfig
from trainer.replay.device_copy import DeviceCopy
from trainer.replay.replay import Replay

CONFIG = BARE.with_values(
    hidden=8, layers=1, quantiles=5, batch_size=32, takeover_priority=3.0, lap_priority=0.5, star_priority=4.0, own_finishes=2,
    takeover_min_s=0.3, takeover_min_m=2.0, takeover_held_s=1.0, sequence=4, burn_in=2, rnn_size=4,
)  # fmt: skip
FORMS = {
    "plain": CONFIG,
    "one replay": CONFIG.with_values(one_replay=True, demo_fraction=0.0),
    "failed ones too": CONFIG.with_values(failed_takeovers=True, failed_cut_s=0.2),
    "recurrent": CONFIG.with_values(network="recurrent"),
    "answers come later": CONFIG.with_values(hand_delay_s=0.15),
    "recurrent, and later": CONFIG.with_values(network="recurrent", hand_delay_s=0.1),
}
Place = tuple[int, int]
"""Episode and step."""


def said(config: TrainConfig, s: Any) -> tuple[bool, float]:
    """The rule in plain words: whether a segment counts, and the weight of its steps in the demo half."""
    seconds = (s.stop - s.start) / s.hz
    chosen = s.verdict in ("good", "star")
    empty = s.kind == "takeover" and (
        seconds < 0.299 or (s.moved is not None and s.moved < 2.0) or (s.start <= 2 and seconds < 0.999)
    )
    if not s.closed or s.verdict == "bad" or s.priority == 0.0:
        return False, 0.0
    failed = s.outcome == "failed" and not chosen
    if failed and (s.kind == "lap" or not config.failed_takeovers):
        return False, 0.0
    if empty and not chosen and s.priority == 1.0:
        return False, 0.0
    weight = (3.0 if s.kind == "takeover" else 0.5) * s.priority * (4.0 if s.verdict == "star" else 1.0)
    return True, 0.0 if config.one_replay and s.kind == "takeover" else weight


def wanted(
    config: TrainConfig, segments: list[Any], human: set[Place], own: set[int], usable: set[Place]
) -> tuple[set[Place], dict[Place, float]]:
    """Return the steps that are cloned, and the weight of each that is a demo."""
    cloned: set[Place] = set()
    weights: dict[Place, float] = {}
    for s in segments:
        counts, weight = said(config, s)
        failed = s.outcome == "failed" and s.verdict not in ("good", "star")
        cut = max(s.trim_stop, min(round(0.2 * s.hz), (s.stop - s.start) // 2) if failed else 0)  # never more than half
        steps = {(s.episode_id, t) for t in range(s.start + s.trim_start, s.stop - cut)} & human & usable
        delay = round(config.hand_delay_s * s.hz)
        cloned |= {(e, t) for e, t in steps if (e, t + delay) in steps} if counts else set()
        for step in steps if weight else ():
            weights[step] = weights.get(step, 0.0) + weight
    of_own = {step for step in usable if step[0] in own}
    return cloned | of_own, weights | dict.fromkeys(of_own, 1.0)


def place_of(replay: Replay, row: int) -> Place:
    return int(replay.table.array[row, 0]), int(replay.table.array[row, 1])


def held(replay: Replay) -> tuple[set[Place], set[Place], dict[Place, float]]:
    """Return what the replay holds: the steps that may be drawn, those that are cloned, and the weights of demos."""
    rows = np.concatenate([e.rows[: e.ready] for e in replay._episodes.values()] or [np.empty(0, np.int64)])
    rows = rows[replay.table.next[rows] >= 0]
    usable = {place_of(replay, int(row)) for row in rows}
    cloned = {place_of(replay, int(row)) for row in rows if replay.table.array[row, replay.table.columns.cloned]}
    demo, weights = replay.demo_table, {}
    for start, length, weight in zip(demo.starts.tolist(), demo.lengths.tolist(), demo.weights.tolist(), strict=True):
        for row in demo.slots[start : start + length].tolist():
            weights[place_of(replay, row)] = weights.get(place_of(replay, row), 0.0) + weight
    return usable, cloned, weights


def actions(replay: Replay) -> Iterator[tuple[Place, list[float]]]:
    """What was done in every step that the replay holds."""
    for episode in replay._episodes.values():
        for row in episode.rows:
            yield place_of(replay, int(row)), replay.table.array[row, replay.table.columns.action].tolist()


def check(replay: Replay, segments: list[Any], human: set[Place], own: set[int]) -> None:
    usable, cloned, weights = held(replay)
    delay, did = round(replay.config.hand_delay_s * 20), dict(actions(replay))
    assert (cloned, weights) == wanted(replay.config, segments, human, own, usable)
    if not replay.online_rows:
        return
    for batch in replay.sample_many(2, 32, torch.Generator().manual_seed(0)):
        seen = batch.observation if isinstance(batch.observation, torch.Tensor) else batch.observation.observation
        for i, (episode, t) in enumerate(seen[:, :2].int().tolist()):
            assert bool(batch.cloned[i]) == ((episode, t) in cloned)
            if batch.cloned[i]:
                answer = t + delay if (episode, t) in human and episode not in own else t
                assert batch.answer[i].tolist() == did[episode, answer]
            if replay.chains is None and batch.demo[i]:
                assert (episode, t) in weights


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "verdict": st.sampled_from(["unreviewed", "good", "bad", "star"]),
        "priority": st.sampled_from([0.0, 0.5, 1.0, 3.0]),
        "outcome": st.sampled_from(["unclear", "cleared", "failed"]),
        "trim": st.tuples(st.integers(0, 6), st.integers(0, 6)),
        "closed": st.sampled_from([True, True, True, False]),
        "moved": st.sampled_from([None, 0.3, 1.9, 2.0, 40.0]),
    },
)
RUNS = st.lists(st.tuples(st.sampled_from([0, 0, 1]), st.sampled_from([1, 5, 6, 21])), min_size=1, max_size=5)


def judged(segment: SegmentRecord, changes: dict[str, Any]) -> SegmentRecord:
    values = {k: v for k, v in changes.items() if k != "trim"}
    if "trim" in changes:
        first = min(changes["trim"][0], segment.stop - segment.start - 1)
        values |= {"trim_start": first, "trim_stop": min(changes["trim"][1], segment.stop - segment.start - 1 - first)}
    return dataclasses.replace(segment, **values)


@pytest.mark.parametrize("form", [*FORMS, "copied"])
@settings(max_examples=examples(20), deadline=None)
@given(data=st.data())
def test_rows_and_weights_are_what_the_rule_says_after_any_judgements_in_any_order(form: str, data: st.DataObject) -> None:
    replay = Replay(OBS, ACT, FORMS.get(form, CONFIG))
    if form == "copied":
        replay.table.device_copy = DeviceCopy(torch.device("cpu"))
    human: set[Place] = set()
    finished: dict[int, float] = {}
    segments: dict[int, SegmentRecord] = {}
    queues: list[list[NewSteps]] = []
    for id_, runs in enumerate(data.draw(st.lists(RUNS, min_size=1, max_size=4)), 1):
        lap = data.draw(st.booleans()) and data.draw(st.booleans())
        who, long = zip(*runs, strict=True)
        driver = np.ones(12, np.uint8) if lap else np.repeat(np.array(who, np.uint8), long)
        new = random_episode(id_, len(driver), driver=driver, purpose="lap" if lap else "drive")
        reason = data.draw(st.sampled_from(["finish", "off_road"]))
        new.episodes[id_] = dataclasses.replace(new.episodes[id_], reason=reason)
        if data.draw(st.booleans()):  # a human's steps that belong to no segment
            new.segments.popitem() if new.segments else None
        human |= {(id_, int(t)) for t in np.flatnonzero(driver)}
        if reason == "finish" and not driver.any():
            finished[id_] = float(new.reward.sum())
        queues.append(pieces(new, data.draw(st.lists(st.integers(0, 30), max_size=3))))
    history: list[SegmentRecord] = []
    doings = data.draw(st.lists(st.sampled_from(["drive", "judge", "judge", "undo"]), max_size=20))
    for doing in [*doings, *["drive"] * sum(map(len, queues)), "judge"]:
        new, arrived = NewSteps.empty(OBS, ACT), {}
        choices = [i for i, queue in enumerate(queues) if queue]
        if doing == "drive" and choices:
            new = queues[data.draw(st.sampled_from(choices))].pop(0)
            arrived = {k: judged(s, data.draw(CHANGES)) for k, s in new.segments.items()}
        elif doing == "undo" and history:
            undone = history.pop()
            arrived = {undone.id: undone}
        elif doing == "judge" and segments:
            old = segments[data.draw(st.sampled_from(sorted(segments)))]
            history.append(old)
            arrived = {old.id: judged(old, data.draw(CHANGES))}
        new.segments = arrived
        segments |= arrived
        replay.add(new)
        complete = [i for i in finished if not queues[i - 1]]
        best = sorted(complete, key=lambda i: (-finished[i], i))[: replay.config.own_finishes]
        check(replay, list(segments.values()), human, set(best))


NAMES = ("episode", "t", "a", "b")


def record(path: Path) -> set[Place]:
    """Record two drives, each with a bogus takeover at the start line, a short one, a long one, and one in no segment."""
    human: set[Place] = set()
    plan = ((0, 12, True), (20, 26, True), (40, 70, True), (80, 84, False))
    info = SessionInfo("play", "box2d", "default", 20.0, NAMES, ("gas", "steer"))
    with Recorder(path, info) as recorder:
        for episode in (1, 2):
            recorder.begin_episode()
            for t in range(100):
                driven = [p for p in plan if p[0] <= t < p[1]]
                if driven and driven[0][0] == t and driven[0][2]:
                    number = recorder.begin_segment("takeover")
                if t in (12, 26, 70):
                    recorder.end_segment(number, "cleared")
                metres = 0.02 * t * t if t < 20 else 8.0 + t - 20.0
                seen = np.array([episode, t, 0.0, 0.0], np.float32)
                action = np.array([0.5, 0.1], np.float32)
                recorder.step(StepRow(seen, action, action, int(bool(driven)), 1.0, progress=metres, speed=5.0))
                if driven:
                    human.add((episode, t))
            recorder.end_episode("truncated", "time", np.zeros(4, np.float32))
        assert recorder.flush(20)
    return human


@pytest.fixture(scope="module")
def recorded() -> Iterator[tuple[bytes, set[Place]]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        human = record(path)
        yield path.read_bytes(), human


@settings(max_examples=examples(15), deadline=None)
@given(data=st.data())
def test_what_a_player_does_to_a_store_reaches_the_rows(recorded: tuple[bytes, set[Place]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        path.write_bytes(recorded[0])
        replay = Replay(OBS, ACT, CONFIG)
        with Store(path) as store, Follower(path) as follower:
            ids = [s.id for s in store.segments()]
            for _ in range(data.draw(st.integers(1, 8))):
                some = data.draw(st.lists(st.sampled_from(ids), min_size=1, unique=True))
                what = data.draw(st.sampled_from(["verdict", "priority", "trim", "undo", "undo some"]))
                if what == "undo":
                    store.undo()
                elif what == "undo some":
                    store.undo(some)
                elif what == "verdict":
                    store.label(some, verdict=data.draw(st.sampled_from(["unreviewed", "good", "bad", "star"])))
                elif what == "priority":
                    store.label(some, priority=data.draw(st.sampled_from([0.0, 0.5, 1.0, 2.0])))
                else:
                    store.label(some, trim=data.draw(st.tuples(st.integers(0, 2), st.integers(0, 3))))
                if data.draw(st.booleans()):
                    replay.add(follower.poll())
            replay.add(follower.poll())
            check(replay, store.segments(), recorded[1], set())
            known = {s.start: s.moved for s in store.segments()}
            assert known == pytest.approx({0: 0.02 * 121, 20: 5.0, 40: 29.0})


def test_untouched_the_bogus_takeover_and_the_steps_of_no_segment_are_not_learned_from(tmp_path: Path) -> None:
    record(tmp_path / "store.sqlite")
    replay = Replay(OBS, ACT, CONFIG)
    with Follower(tmp_path / "store.sqlite") as follower:
        replay.add(follower.poll())
    _, cloned, weights = held(replay)
    assert cloned == set(weights) == {(e, t) for e in (1, 2) for t in (*range(20, 26), *range(40, 70))}
    assert replay.online_rows == 200  # and all of it is experience
