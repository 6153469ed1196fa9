"""Corners that the player renames, adds, moves and removes: what was driven there follows, and what is the track's comes back."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from data.recording.recorder import Recorder
from data.store import Store
from hitl import cli
from hitl.home import Home
from hitl.road.corner_changes import rename
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from tests.support.recorded import drive, session_info


def test_a_renamed_corner_does_not_come_back_under_its_old_name(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with SessionSetup(home, SessionOptions(real_time=False)) as rig:
        before = rig.corners
    old = before[0]
    with Store(home.store_path) as store:
        rename(store, rig.track.name, old.name, "mine")
    with SessionSetup(home, SessionOptions(real_time=False)) as rig:
        assert {c.name for c in rig.corners} == {c.name for c in before} - {old.name} | {"mine"}


def test_the_scripted_driver_knows_corners_by_the_players_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = Home(tmp_path)
    with SessionSetup(home, SessionOptions()) as rig:
        old = rig.corners[0].name
    with Store(home.store_path) as store:
        rename(store, "default", old, "mine")
    play = ["play", "--home", str(tmp_path), "--headless", "--pad", "scripted", "--episodes", "1"]
    assert cli.main([*play, "--corners", "mine"]) == 0
    assert cli.main([*play, "--corners", old]) == 2
    assert "its corner is 'mine'" in capsys.readouterr().err


WAYS = {(60, 83): None, (100, 129): None, (159, 180): "hairpin", (170, 259): "hairpin"}


@pytest.fixture
def driven(tmp_path: Path) -> Home:
    """Takeovers on the default track, whose hairpin is at 184 to 240 m, filed as they were while they were driven; and a lap."""
    home = Home(tmp_path)
    with SessionSetup(home, SessionOptions(real_time=False)) as rig:
        road = {"track": rig.track.name, "track_digest": rig.recorder.info.track_digest}
    with Recorder(home.store_path, session_info(**road)) as recorder:
        for (begin, end), corner in WAYS.items():
            drive(recorder, end + 5, (begin, end), corner)
        drive(recorder, 260, None, purpose="lap")
    with Store(home.store_path) as store:
        (hairpin,) = store.corners("default")
        assert (round(hairpin.from_m), round(hairpin.to_m)) == (184, 240)
        store.conn.execute("INSERT INTO segments (session_id, episode_id, number, kind, start, stop, started) SELECT session_id, "
                           "id, 99, 'lap', 0, 260, started FROM episodes WHERE purpose = 'lap'")  # fmt: skip
    return home


def filed(home: Home) -> list[str | None]:
    with Store(home.store_path) as store:
        assert [s.corner for s in store.segments(kind="lap")] == [None], "a lap is of no corner"
        return [s.corner for s in store.segments(kind="takeover")]


def corners(home: Home, *args: str) -> int:
    return cli.main(["corners", *args, "--home", str(home.root)])


def test_a_moved_corner_takes_its_takeovers_with_it(driven: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert corners(driven, "--add", "hairpin", "100", "130") == 0
    assert "filed anew: 2 segments to no corner and 2 segments to 'hairpin'." in " ".join(capsys.readouterr().out.split())
    assert filed(driven) == ["hairpin", "hairpin", None, None]


def test_one_that_is_moved_a_little_keeps_what_was_meant_for_it(driven: Home) -> None:
    with Store(driven.store_path) as store:
        store.conn.execute("UPDATE segments SET corner = 'hairpin' WHERE start = 100")  # offered from far off
    assert corners(driven, "--add", "hairpin", "186", "240") == 0
    assert filed(driven) == [None, "hairpin", "hairpin", "hairpin"]


def test_a_new_corner_takes_what_lies_there_and_no_more(driven: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert corners(driven, "--add", "kink", "60", "85") == 0
    assert "filed anew: 1 segment to 'kink'." in capsys.readouterr().out
    assert filed(driven) == ["kink", None, "hairpin", "hairpin"]
    assert corners(driven, "--add", "before", "150", "183") == 0
    assert filed(driven) == ["kink", "before", "before", "hairpin"]
    assert corners(driven, "--remove", "before") == 0
    assert filed(driven) == ["kink", None, "hairpin", "hairpin"]


def test_a_track_corner_that_comes_back_has_its_takeovers_again(driven: Home) -> None:
    with Store(driven.store_path) as store:
        store.remove_corner("default", "hairpin")
    assert filed(driven) == [None] * 4
    with SessionSetup(driven, SessionOptions(real_time=False)):
        pass
    assert filed(driven) == [None, None, "hairpin", "hairpin"]


@pytest.mark.parametrize(
    "change", [(), ("--add", "hairpin", "100", "130"), ("--add", "hairpin", "190", "250"), ("--rename", "hairpin", "mine")]
)
def test_a_corner_of_the_track_itself_is_not_removed_whatever_it_was_made_into(
    driven: Home, capsys: pytest.CaptureFixture[str], change: tuple[str, ...]
) -> None:
    assert not change or corners(driven, *change) == 0
    name = "mine" if "mine" in change else "hairpin"
    before = filed(driven)
    assert corners(driven, "--remove", name) == 2
    said = capsys.readouterr().err
    assert "would be back with the next drive" in " ".join(said.split())
    assert filed(driven) == before
    for typed in re.findall("`hitl (.+?)`", said):
        assert cli.main(shlex.split(typed)) == 0, typed
    with Store(driven.store_path) as store:
        (corner,) = store.corners("default")
    if change:
        assert (round(corner.from_m), round(corner.to_m)) == (184, 240)


def test_the_players_own_corners_are_removed_and_a_second_name_for_the_tracks(driven: Home) -> None:
    assert corners(driven, "--add", "hairpin", "100", "130") == 0
    assert corners(driven, "--add", "mine", "180", "240") == 0
    assert corners(driven, "--add", "kink", "60", "80") == 0
    assert corners(driven, "--remove", "kink") == 0
    assert corners(driven, "--remove", "hairpin") == 0
    with SessionSetup(driven, SessionOptions(real_time=False)) as rig:
        assert [c.name for c in rig.corners] == ["mine"]
    assert corners(driven, "--remove", "mine") == 2
