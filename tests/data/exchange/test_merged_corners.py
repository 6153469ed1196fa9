"""A corner is known by where it is: stores that call it differently, or call different ones alike, are merged rightly."""

import numpy as np
import pytest

from data.exchange.merge import merge
from data.recording.recorder import Recorder
from data.store import Store
from data.tables.corners import bring_corners
from data.tables.roads import Road
from hitl.cli import main
from tests.support.recorded import drive, session_info


def recorded(folder, *corners, **info):
    """A store in which each corner (name, from, to) of 'hairpin' was driven by hand from there to there."""
    folder.mkdir()
    path = folder / "store.sqlite"
    with Store(path) as store:
        for name, from_m, to_m in corners:
            store.upsert_corner("hairpin", name, from_m, to_m, "mined")
    with Recorder(path, session_info(**info)) as recorder:
        for name, from_m, to_m in corners:
            drive(recorder, to_m + 5, (from_m, to_m), name)
    return path


@pytest.fixture
def here(tmp_path):
    (tmp_path / "here").mkdir()
    with Store(tmp_path / "here" / "store.sqlite") as store:
        yield store


def takeovers(store):
    return [(s.corner, round(s.from_m)) for s in store.segments()]


def test_a_corner_with_another_name_here_keeps_it(here, tmp_path):
    source = recorded(tmp_path / "s", ("hairpin", 20, 40))
    merge(here.conn, here.path, source)
    here.rename_corner("hairpin", "hairpin", "Große Kehre")
    with Recorder(source, session_info()) as recorder:
        drive(recorder, 45, (22, 41), "hairpin")
    for _ in range(2):
        merge(here.conn, here.path, source)
        assert here.corners("hairpin") == [("Große Kehre", 20.0, 40.0)]
        assert takeovers(here) == [("Große Kehre", 20), ("Große Kehre", 22)]


def test_a_corner_that_comes_in_takes_what_was_driven_there_before(here, tmp_path):
    with Recorder(here.path, session_info()) as recorder:
        drive(recorder, 45, (22, 41), None)
        drive(recorder, 90, (60, 80), None)
    merge(here.conn, here.path, recorded(tmp_path / "s", ("hairpin", 20, 40)))
    assert takeovers(here) == [("hairpin", 22), (None, 60), ("hairpin", 20)]


def test_another_stretch_of_a_name_that_is_taken_gets_one_of_its_own(here, tmp_path):
    sources = [
        recorded(tmp_path / name, ("corner 2", *span)) for name, span in zip("abc", ((50, 60), (10, 20), (30, 40)), strict=True)
    ]
    for _ in range(2):
        for source in sources:
            merge(here.conn, here.path, source)
        assert here.corners("hairpin") == [("corner 2 (2)", 10, 20), ("corner 2 (3)", 30, 40), ("corner 2", 50, 60)]
        assert takeovers(here) == [("corner 2", 50), ("corner 2 (2)", 10), ("corner 2 (3)", 30)]


def test_two_that_have_swapped_their_names_and_one_in_the_other(here):
    for name, from_m, to_m in (("one", 0.0, 10.0), ("two", 50.0, 60.0)):
        here.upsert_corner("t", name, from_m, to_m, "player")
    swapped = [("one", 51.0, 61.0, "mined"), ("two", 1.0, 11.0, "mined")]
    assert bring_corners(here.conn, "t", swapped) == {"one": "two", "two": "one"}
    apex = [("apex", 4.0, 6.0, "mined"), ("one", 0.0, 10.0, "player")]
    assert bring_corners(here.conn, "t", apex) == {"apex": "apex", "one": "one"}
    assert [c.name for c in here.corners("t")] == ["one", "apex", "two"]


def test_a_session_that_is_filed_under_another_track_brings_its_corners_so(here):
    """It was known by the track's name alone; then the line came, with a corner of that name elsewhere."""
    here.enter_track("hairpin", Road(np.stack([np.arange(0.0, 300.0), np.full(300, 5000.0)], axis=1), 4.0))
    here.upsert_corner("hairpin~unknown", "corner 2", 10.0, 20.0, "mined")
    with Recorder(here.path, session_info()) as recorder:
        drive(recorder, 80, (10, 20), "corner 2")
    assert {s.track for s in here.sessions()} == {"hairpin~unknown"}
    road = Road(np.stack([np.arange(0.0, 300.0), 2.0 * np.arange(0.0, 300.0)], axis=1), 400.0)
    mine = f"hairpin~{road.digest[:6]}"
    here.upsert_corner(mine, "corner 2", 50.0, 60.0, "mined")
    assert here.enter_track("hairpin", road)[0] == mine
    assert {s.track for s in here.sessions()} == {mine}
    assert takeovers(here) == [("corner 2 (2)", 10)]
    assert here.corners(mine) == [("corner 2 (2)", 10.0, 20.0), ("corner 2", 50.0, 60.0)]


def test_a_corner_is_removed_and_what_was_driven_there_filed_anew(tmp_path, capsys):
    source = recorded(tmp_path / "s", ("late", 30, 40), ("wide", 10, 33), ("alone", 60, 70))
    home = ["--home", str(source.parent)]
    with Store(source) as store:
        assert main(["corners", "--remove", "wide", *home]) == 0
        assert "'wide' was removed. What was driven there is filed anew: 1 segment to 'late'." in capsys.readouterr().out
        assert main(["corners", "--remove", "alone", *home]) == 0
        assert "filed anew: 1 segment to no corner." in capsys.readouterr().out
        assert takeovers(store) == [("late", 30), ("late", 10), (None, 60)]
        assert main(["corners", "--remove", "lat", *home]) == 2
        assert "Did you mean 'late'?" in capsys.readouterr().err
        store.upsert_corner("hairpin", "of the track", 80.0, 90.0, "track")
        assert main(["corners", "--remove", "of the track", *home]) == 2
        assert '--rename "of the track" NAME --track "hairpin" --home' in capsys.readouterr().err
        store.upsert_corner("hairpin", "mine", 79.0, 91.0, "player")
        assert main(["corners", "--remove", "of the track", *home]) == 0
        assert [c.name for c in store.corners("hairpin")] == ["late", "mine"]
