"""How corners go, and where new ones are found."""

from __future__ import annotations

import itertools
import json
import math
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import StoreError, UsageError
from data.reading.attempts import CornerAttempt, approaches, outcome
from data.reading.drives import Drive
from data.recording.recorder import Recorder
from data.records import AGENT, HUMAN, Corner, SessionInfo, StepRow
from data.store import Store
from hitl.commands import corners as command
from hitl.home import Home
from hitl.road.corner_mining import End, FailurePlace, ends, mine, same_stretch
from hitl.road.corner_stats import braking_onset, corner_stats, trend, visit
from hitl.road.line import ReferenceLine
from tests.support.recorded import summary

CORNER = Corner("hairpin", 100.0, 140.0)


def drive(
    stop: float,
    reason: str,
    *,
    start: float = 0.0,
    human: tuple[float, float] | None = None,
    brake: tuple[float, float] | None = None,
    speed: float = 20.0,
    number: int = 1,
    purpose: str = "drive",
    farthest: float | None = None,
) -> Drive:
    """A drive at one metre a step; inside ``brake`` the car loses half a metre a second each step."""
    progress = np.arange(start, stop, 1.0)

    def within(span: tuple[float, float] | None) -> np.ndarray:
        return np.zeros(len(progress), bool) if span is None else (progress >= span[0]) & (progress < span[1])

    braked = within(brake)
    driver = np.where(within(human), HUMAN, AGENT).astype(np.uint8)
    lost = 0.5 * np.cumsum(np.r_[False, braked[:-1]])
    columns = {
        "t": np.arange(len(progress)), "driver": driver, "progress": progress, "speed": speed - lost,
        "executed": braked.astype("f4")[:, None],
    }  # fmt: skip
    return Drive(summary(number, purpose, reason, farthest or stop, ("brake",)), columns)


START = CORNER.from_m - 30.0  # of its approach
# Visits


def test_who_passes_who_fails_and_who_does_not_count() -> None:
    passed = visit(drive(160.0, "finish"), CORNER, START)
    assert passed is not None
    assert passed.passed
    failed = visit(drive(120.0, "off_road"), CORNER, START)
    assert failed is not None
    assert not failed.passed
    assert visit(drive(90.0, "off_road"), CORNER, START) is None  # never came there
    assert visit(drive(120.0, "stopped"), CORNER, START) is None  # nobody's driving ended it
    assert visit(drive(120.0, ""), CORNER, START) is None  # its session was killed
    assert visit(drive(200.0, "off_road", start=150.0), CORNER, START) is None  # began behind it
    assert visit(drive(200.0, "finish", start=120.0), CORNER, START) is None  # began in the middle


def test_a_crash_in_the_last_step_before_the_end_line_is_no_pass_but_the_step_over_it_is() -> None:
    over = drive(140.0, "off_road", farthest=140.5)  # the steps hold the places before them
    seen = visit(over, CORNER, START)
    assert seen is not None
    assert seen.passed
    short = drive(140.0, "off_road", farthest=139.5)
    seen = visit(short, CORNER, START)
    assert seen is not None
    assert not seen.passed


def test_the_approach_does_not_reach_into_the_corner_before() -> None:
    near, far = Corner("near", 20.0, 85.0), Corner("far", 200.0, 220.0)
    assert approaches([far, CORNER, near]) == {"near": 0.0, "hairpin": 85.0, "far": 170.0}


def test_what_is_cut_off_at_a_corners_end_has_passed_it_and_inside_says_nothing() -> None:
    assert outcome(CORNER, 90.0, 138.0, "through") is True
    assert outcome(CORNER, 90.0, 138.0, "off_road") is False
    assert outcome(CORNER, 90.0, 150.0, "stopped") is True
    assert outcome(CORNER, 90.0, 138.0, "stopped") is None
    assert outcome(CORNER, 103.0, 150.0, "finish") is None


def test_entry_speed_and_braking_point() -> None:
    seen = visit(drive(160.0, "finish", brake=(85.0, 105.0)), CORNER, START)
    assert seen is not None
    assert seen.braking_m == 15.0
    assert seen.entry_speed == 20.0 - 0.5 * 15
    late = visit(drive(160.0, "finish", brake=(108.0, 118.0)), CORNER, START)
    assert late is not None
    assert late.braking_m == -8.0
    none = visit(drive(160.0, "finish"), CORNER, START)
    assert none is not None
    assert none.braking_m is None


def test_braking_for_the_corner_before_is_not_this_ones() -> None:
    seen = visit(drive(160.0, "finish", brake=(72.0, 92.0)), CORNER, 95.0)
    assert seen is not None
    assert seen.braking_m is None


def test_the_main_braking_is_the_one_that_took_off_most() -> None:
    speed = np.array([30, 30, 29, 29, 29, 25, 20, 15, 15, 15.0])
    brake = np.array([0, 1, 0, 0, 1, 1, 1, 0, 0, 0.0])
    assert braking_onset(speed, brake) == 4
    assert braking_onset(speed, np.zeros(10)) is None
    assert braking_onset(np.arange(10.0), np.ones(10)) is None  # pressed, and it got faster


def test_the_table_of_a_corner() -> None:
    driven = [
        *(drive(120.0, "off_road", number=k) for k in range(10)),
        *(drive(160.0, "finish", number=10 + k, brake=(90.0, 110.0)) for k in range(10)),
        drive(160.0, "finish", number=20, human=(80.0, 145.0), brake=(80.0, 100.0)),
        drive(160.0, "finish", number=21, human=(0.0, 160.0), purpose="lap"),
        drive(160.0, "finish", number=22, purpose="evaluation"),
    ]
    by = dict.fromkeys(range(20), "agent") | {20: "you", 21: "you", 22: "agent"}
    attempts = [CornerAttempt(d.episode.id, d.episode.purpose, by[d.episode.id], d.farthest > 140.0) for d in driven]
    (stats,) = corner_stats(driven, [CORNER], {CORNER.name: attempts})
    assert stats.visits == 23
    assert (stats.agent.k, stats.agent.n) == (11, 21)
    assert [(who, of.k, of.n) for who, of in stats.by.items()] == [("you", 2, 2)]
    assert (stats.takeovers.k, stats.takeovers.n) == (1, 21)  # laps and evaluations could not be taken over
    assert (stats.newest.k, stats.newest.n) == (11, 20)
    assert stats.trend == pytest.approx(0.9)
    assert stats.agent_braking == 10.0
    assert stats.human_braking == 20.0


def test_trend_needs_enough_attempts() -> None:
    assert trend([True] * 5) is None
    assert trend([False] * 3 + [True] * 3) == 1.0
    assert trend([True] * 500 + [False] * 20 + [True] * 20) == 1.0


# Mining


def test_places_are_found_by_how_they_end() -> None:
    driven = [drive(118.0 + k % 5, "off_road", number=k, speed=25.0, brake=(100.0, 130.0)) for k in range(20)]
    driven += [drive(40.0, "off_road", number=90), drive(200.0, "finish", number=91)]
    failures, deceleration = ends(driven)
    assert len(failures) == 21
    assert deceleration == pytest.approx(10.0)
    (place,) = mine(failures, deceleration)
    assert place.failures == 20
    need = (25.0**2 - 15.0**2) / 20.0  # from 25 m/s to what cornering leaves of it
    assert place.corner.from_m == pytest.approx(118.0 - need, abs=2.0)
    assert place.corner.from_m < 118.0 < 122.0 < place.corner.to_m
    assert place.corner.name == "corner 1"


def test_faster_arrival_makes_a_longer_zone() -> None:
    slow = mine([End(100.0, 10.0, 10.0)] * 5, 8.0)[0].corner
    fast = mine([End(100.0, 30.0, 30.0)] * 5, 8.0)[0].corner
    assert fast.from_m < slow.from_m


def test_touching_zones_are_one_and_far_ones_are_numbered_along_the_line() -> None:
    failures = [End(m, 20.0, 18.0) for m in (300, 301, 302, 100, 101, 102, 120, 121, 122)]
    places = mine(failures, 8.0)
    assert [p.corner.name for p in places] == ["corner 1", "corner 2"]
    assert [p.failures for p in places] == [6, 3]


def test_known_corners_are_not_found_again_and_names_stay_apart() -> None:
    failures = [End(m, 20.0, 18.0) for m in (100, 101, 102, 300, 301, 302)]
    known = [Corner("my bend", 90.0, 115.0), Corner("corner 2", 500.0, 520.0)]
    (place,) = mine(failures, 8.0, known)
    assert place.corner.name == "corner 2b"
    assert mine(failures, 8.0, [*known, place.corner]) == []


def test_a_corner_ends_where_the_road_is_straight() -> None:
    angle = np.linspace(0.0, np.pi, 60)
    bend = np.stack([100.0 + 15.0 * np.sin(angle), 15.0 - 15.0 * np.cos(angle)], axis=1)
    straight = np.stack([np.linspace(0.0, 99.0, 100), np.zeros(100)], axis=1)
    back = np.stack([np.linspace(99.0, 0.0, 100), np.full(100, 30.0)], axis=1)
    line = ReferenceLine(np.vstack([straight, bend, back]))
    (place,) = mine([End(110.0, 20.0, 18.0)] * 5, 8.0, line=line)
    assert place.corner.to_m == pytest.approx(100.0 + 15.0 * np.pi, abs=6.0)


def test_a_beginners_crashes_are_forgotten() -> None:
    driven = [drive(50.0, "off_road", number=k) for k in range(100)]
    driven += [drive(160.0, "finish", number=100 + k) for k in range(200)]
    assert ends(driven)[0] == []


zones = st.tuples(st.floats(0, 500), st.floats(1, 60)).map(lambda z: (z[0], z[0] + z[1]))


@given(zones, zones)
def test_the_same_stretch_is_the_same_both_ways(one: tuple[float, float], other: tuple[float, float]) -> None:
    assert same_stretch(one, other) == same_stretch(other, one)
    assert same_stretch(one, one)


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 60), st.floats(0, 60)), max_size=60))
def test_mined_places_are_apart_named_once_and_in_order(found: list[tuple[float, float, float]]) -> None:
    places = mine([End(*f) for f in found], 8.0)
    corners = [p.corner for p in places]
    assert len({c.name for c in corners}) == len(corners)
    assert all(0.0 <= c.from_m < c.to_m for c in corners)
    assert all(a.to_m <= b.from_m for a, b in itertools.pairwise(corners))
    assert sum(p.failures for p in places) <= len(found)


# With a store


@pytest.fixture
def home(tmp_path: Path) -> Path:
    info = SessionInfo("play", "box2d", "default", 20.0, ("a",), ("gas_brake", "steer"))
    Home(tmp_path).create()
    recorder = Recorder(Home(tmp_path).store_path, info)
    for episode in range(8):
        recorder.begin_episode("drive")
        number = None
        for m in range(0, 200 if episode == 7 else 150, 2):
            human = episode == 7 and m >= 100
            if human and number is None:
                number = recorder.begin_segment("takeover", "button", "hairpin")
            action = np.array([-0.8 if 110 <= m < 130 else 0.6, 0.0], np.float32)
            recorder.step(
                StepRow(np.zeros(1, np.float32), action, action, int(human), 0.1, progress=float(m), speed=20.0 - 0.1 * (m > 110))
            )
        if number is not None:
            recorder.end_segment(number)
        recorder.end_episode("terminated", "finish" if episode == 7 else "off_road", np.zeros(1, np.float32))
    recorder.close()
    with Store(Home(tmp_path).store_path) as store:
        store.upsert_corner("default", "hairpin", 120.0, 170.0, "track")
    return tmp_path


def run(home: Path, capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert command.main(["--home", str(home), *args]) == 0
    return capsys.readouterr().out


def test_drives_come_back_as_they_were_recorded(home: Path) -> None:
    with Store(Home(home).store_path) as store:
        read = list(store.placed("default"))
        assert list(store.placed("elsewhere")) == []
    assert len(read) == 8
    assert read[0].episode.reason == "off_road"
    assert read[0].progress.tolist() == list(range(0, 150, 2))
    assert read[0].brake[55] == pytest.approx(0.8)
    assert read[0].brake[54] == 0.0
    assert read[7].driver.sum() == 50


def test_commands_that_are_printed_are_about_the_same_track_and_game(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = FailurePlace(Corner("corner 9", 70.0, 90.0), 5)
    monkeypatch.setattr("hitl.road.corner_mining.mine", lambda *_: [place])
    track = json.loads(run(home, capsys, "--json"))["track"]

    def said(*words: str) -> str:
        return " ".join(run(home, capsys, *words).split())

    with Store(home / "store.sqlite") as store:
        (game,) = store.games(track)
    of_track = f"--track {track} --home"
    assert f"--mine {of_track}" in said("--track", track)
    assert f"--mine --track {track} --env {game} --home" in said("--track", track, "--env", game)
    assert f'--rename "corner 9" NAME {of_track}' in said("--track", track, "--mine")


def test_eighty_columns_lose_no_digit(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_pair", lambda *_: "11,153/11,154")
    monkeypatch.setenv("COLUMNS", "80")
    assert run(home, capsys).split("Agent alone")[0].count("11,154") == 2


@pytest.mark.parametrize(
    ("pair", "said"), [((None, None), "–"), ((-0.3, None), "0/–"), ((12.4, -20.0), "12/-20"), ((math.nan, 1.0), "nan/1")]
)
def test_a_pair_of_what_is_known(pair: tuple[float | None, float | None], said: str) -> None:
    assert command._pair(*pair, 1.0) == said


def test_a_road_of_many_corners_takes_a_line_for_each(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_pair", lambda *_: "-16/-20")
    monkeypatch.setenv("COLUMNS", "80")
    run(home, capsys, "--add", "corner 15", "170", "190")
    out = run(home, capsys)
    for name in ("hairpin", "corner 15"):
        assert re.search(rf"^ {name} +\d+–\d+ .* -16/-20 +-16/-20 *$", out, re.M), out


def test_the_command_lists_mines_renames_and_adds(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(run(home, capsys, "--json"))
    (corner,) = told["corners"]
    assert corner["agent"]["attempts"] == 7
    assert corner["agent"]["passes"] == 0
    assert corner["human"] == {"passes": 1, "attempts": 1, "share": 1.0, "interval": pytest.approx([0.2065, 1.0], abs=1e-3)}
    assert told["candidates"] == []
    assert "hairpin" in run(home, capsys)
    run(home, capsys, "--rename", "hairpin", "my hairpin")
    with Store(Home(home).store_path) as store:
        assert store.corner_sources("default") == {"my hairpin": "player"}
        assert [s.corner for s in store.segments()] == ["my hairpin"]
    run(home, capsys, "--add", "exit", "170", "190")
    assert [c["name"] for c in json.loads(run(home, capsys, "--json"))["corners"]] == ["my hairpin", "exit"]


@pytest.mark.parametrize("metres", [("120", "170"), ("170", "122"), ("130", "140"), ("100", "300")])
def test_a_second_corner_on_the_same_stretch_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str], metres: tuple[str, str]
) -> None:
    with pytest.raises(UsageError, match="same stretch as 'hairpin' \\(120 to 170 m\\)") as refused:
        command.main(["--home", str(home), "--add", "foo", *metres])
    moves, renames = (shlex.split(typed)[2:] for typed in re.findall("`(.+?)`", str(refused.value)))
    run(home, capsys, *moves)
    run(home, capsys, *renames)
    with Store(Home(home).store_path) as store:
        assert store.corners("default") == [("foo", *sorted(map(float, metres)))]
    run(home, capsys, "--add", "foo", "10", "30")
    run(home, capsys, "--add", "bar", "30", "50")
    with pytest.raises(UsageError, match="same stretch as 'foo'"):
        command.main(["--home", str(home), "--add", "bar", "20", "30"])


def test_mining_adds_what_the_list_offers(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store(Home(home).store_path) as store:
        store.conn.execute("DELETE FROM corners")
    (candidate,) = json.loads(run(home, capsys, "--json"))["candidates"]
    assert candidate["failures"] == 7
    assert candidate["from_m"] < 148 < candidate["to_m"]
    assert "--mine" in run(home, capsys)
    assert "Added 'corner 1'" in run(home, capsys, "--mine")
    assert "Added" not in run(home, capsys, "--mine")
    with Store(Home(home).store_path) as store:
        assert store.corner_sources("default") == {"corner 1": "mined"}


@pytest.mark.parametrize(
    "args",
    [
        ("--rename", "nothing", "x"),
        ("--rename", "hairpin", " "),
        ("--add", "x", "5", "5"),
        ("--add", "x", "a", "b"),
        ("--track", "moon"),
    ],
)
def test_what_cannot_be_is_one_sentence(home: Path, args: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        command.main(["--home", str(home), *args])
    assert "\n" not in str(caught.value)


def test_without_a_store_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        command.main(["--home", str(tmp_path)])
