"""Which corner a takeover belongs to: the one it is offered for or begins at, else the first that it drives into."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.connect import open_store
from data.exchange.merge import merge
from data.reading.attempts import corner_most, corner_of
from data.recording.applier import Applier
from data.recording.operations import BeginEpisode, BeginSegment, EndSegment
from data.recording.recorder import Recorder
from data.records import Corner
from data.store import Store
from hitl import Takeover
from hitl.drivers.human import ScriptedHuman
from hitl.drivers.scripted import HelpRule, ScriptedDriver, TakeoverRule
from hitl.games.base import Start
from hitl.games.driving_env import DrivingEnv
from hitl.home import Home
from hitl.pads.base import PadState
from hitl.remote.outbox import Outbox
from hitl.remote.receive import Inbox
from hitl.road.track import Track
from hitl.session.outcome import OutcomeJudge
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import CoachSettings, HelpSettings
from tests.hitl.coach.test_rewind import Planned, Player
from tests.support.held import Cruise
from tests.support.workers import INFO, carry, row

CORNERS = (Corner("b", 200.0, 220.0), Corner("a", 100.0, 150.0))


def helper(track: Track, approach_m: float = 70.0) -> ScriptedHuman:
    rule = HelpRule(corners=frozenset({"hairpin"}), approach_m=approach_m)
    return ScriptedHuman(ScriptedDriver(track), TakeoverRule(track, rule))


@pytest.mark.parametrize(
    ("way", "corner"),
    [((10.0, 60.0), None), ((60.0, 75.0), "a"), ((140.0, 155.0), "a"), ((160.0, 180.0), "b"), ((225.0,), None), ((), None)],
)
def test_a_way_belongs_to_the_first_corner_that_it_comes_to(way: tuple[float, ...], corner: str | None) -> None:
    found = corner_of(CORNERS, way)
    assert (found.name if found else None) == corner


@pytest.mark.parametrize("offer", ["off", "all"])
def test_a_takeover_that_begins_far_before_a_corner_is_filed_there(tmp_path: Path, offer: str) -> None:
    said: list[Any] = []
    options = SessionOptions(greedy_every=0, help=HelpSettings(offer=offer, offer_s=3.5), coach=CoachSettings(say="all"))
    with SessionSetup(Home(tmp_path), options, human=helper, say=said.append) as rig:
        rig.session.policy = Cruise()  # type: ignore[assignment]
        hairpin = rig.corner("hairpin")
        rig.session.episode(start=Start(s=hairpin.from_m - 65.0, speed=24.0))
        assert rig.session.coaching is not None
        ended = rig.session.coaching.takeovers
    with Store(tmp_path / "store.sqlite") as store:
        first = store.segments(kind="takeover")[0]
        taken = json.loads(store.conn.execute("SELECT data FROM events WHERE kind = 'takeover'").fetchone()[0])
    assert first.from_m is not None
    assert hairpin.from_m - 65.0 < first.from_m < hairpin.from_m - 35.0
    assert (first.corner, first.outcome) == ("hairpin", "cleared")
    assert ended[0].corner == "hairpin"
    assert taken["corner"] == ("hairpin" if offer == "all" else None)


def test_a_loop_of_a_script_files_it_there_too(tmp_path: Path) -> None:
    env = DrivingEnv()
    hairpin = next(c for c in env.track.corners if c.name == "hairpin")
    with Takeover(env, lambda observation, info: np.array([0.2, 0.0], np.float32), store=tmp_path) as shared:
        shared.reset(options={"start": Start(s=hairpin.from_m - 60.0, speed=20.0)})
        for _ in range(60):
            if any(shared.step(np.zeros(2, np.float32))[2:4]):
                break
    with Store(tmp_path / "store.sqlite") as store:
        (taken,) = store.segments(kind="takeover")
    assert taken.corner == "hairpin"


def test_an_outcome_is_that_of_the_corner_that_it_came_to() -> None:
    judge = OutcomeJudge()
    judge.taken(1, None)
    judge.filed(1, CORNERS[1])
    judge.handed_back(1.0)
    assert judge.step(9.0, 140.0) == []
    assert judge.step(9.1, 150.0) == [(1, "cleared")]


@pytest.mark.parametrize(
    ("way", "corner"),
    [((60.0, 75.0), "a"), ((140.0, 145.0, 151.0, 180.0), "a"), ((140.0, 180.0, 190.0), "b"), ((140.0, 205.0), "b"), ((), None)],
)
def test_a_way_that_is_kept_belongs_to_the_corner_at_which_most_of_it_lies(way: tuple[float, ...], corner: str | None) -> None:
    found = corner_most(CORNERS, way)
    assert (found.name if found else None) == corner


@pytest.mark.parametrize(("first", "second", "corners"), [(186.0, 5.0, ["hairpin"]), (5.0, 186.0, [None])])
def test_what_is_kept_of_the_drive_before_belongs_to_its_corner(
    tmp_path: Path, first: float, second: float, corners: list[str | None]
) -> None:
    rest, keep, over = (PadState(buttons=frozenset(held)) for held in ((), ("keep",), ("restart",)))
    pad = Planned([*[rest] * 60, over], [*[rest] * 5, keep, over])
    with SessionSetup(Home(tmp_path), SessionOptions(greedy_every=0), human=lambda track: Player(pad)) as rig:
        rig.session.policy = Cruise()  # type: ignore[assignment]
        rig.session.episode(start=Start(s=first, speed=8.0))
        rig.session.episode(start=Start(s=second, speed=5.0))
    assert filed(tmp_path / "store.sqlite") == corners


def filed(path: Path) -> list[str | None]:
    with Store(path) as store:
        return [s.corner for s in store.segments()]


def test_it_is_filed_while_it_is_driven_and_on_the_way_to_the_trainer(tmp_path: Path) -> None:
    worker, trainer = (Home(tmp_path / name).create() for name in ("worker", "trainer"))
    inbox, outbox = Inbox(trainer), Outbox(worker, "one")
    with Recorder(worker.store_path, INFO) as recorder:
        recorder.begin_episode()
        number = recorder.begin_segment("takeover", "pad")
        recorder.step(row(0, 1))
        assert recorder.flush()
        carry(outbox, inbox)
        assert filed(trainer.store_path) == [None]
        recorder.file_segment(number, "hairpin")
        recorder.step(row(1, 1))
        recorder.end_segment(number)
        assert recorder.flush()
        assert filed(worker.store_path) == ["hairpin"]
        carry(outbox, inbox)
        assert filed(trainer.store_path) == ["hairpin"]
        with Store(trainer.store_path) as store:
            store.remove_corner("default", "hairpin")
        recorder.set_outcome(number, "cleared")
        assert recorder.flush()
        carry(outbox, inbox)
    inbox.close()
    assert filed(trainer.store_path) == [None]  # what the player did since then holds


def test_an_older_recording_that_is_read_twice_stays_where_the_player_filed_it(tmp_path: Path) -> None:
    conn = open_store(tmp_path / "store.sqlite")
    at = "2026-01-01T00:00:00.000Z"
    begun = BeginSegment(0, 0, "takeover", 0, "pad", None, 1.0, at)
    ops = [
        BeginEpisode(0, "drive", None, None, at), begun, BeginSegment(0, 0, "takeover", 0, "pad", "hairpin", 1.0, at),
        EndSegment(0, 5, "unclear", False),
    ]  # fmt: skip
    applier = Applier(conn, "1" * 32, INFO, at)
    for corner in ("hairpin", "mine"):
        applier.apply(ops)
        assert conn.execute("SELECT corner FROM segments").fetchall() == [(corner,)]
        conn.execute("UPDATE segments SET corner = 'mine'")
    conn.close()


def test_a_takeover_that_ran_when_its_store_was_taken_over_is_filed_with_its_end(tmp_path: Path) -> None:
    with Recorder(tmp_path / "there.sqlite", INFO) as recorder, Store(tmp_path / "here.sqlite") as here:
        recorder.begin_episode()
        number = recorder.begin_segment("takeover", "pad")
        recorder.step(row(0, 1))
        assert recorder.flush()
        merge(here.conn, here.path, recorder.path)
        recorder.file_segment(number, "hairpin")
        recorder.step(row(1, 1))
        recorder.end_segment(number)
        recorder.end_episode("terminated", "finish", np.array([9.0, 9.0], np.float32))
        assert recorder.flush()
        merge(here.conn, here.path, recorder.path)
        assert [(s.corner, s.stop) for s in here.segments()] == [("hairpin", 2)]
