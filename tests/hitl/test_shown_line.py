"""`hitl line show`, `hitl doctor` and the settings window show a line's corners as this home knows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.store import Store
from hitl.cli import main
from hitl.home import Home
from hitl.road.known_tracks import file_under, known_corners
from hitl.road.track import load_track
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings_desk.desk import SettingsDesk
from hitl.settings_desk.pad_desk import PadDesk


def shown(home: Home, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, str]:
    """The corners in what it prints, by name."""
    capsys.readouterr()
    assert main(["line", "show", *words, "--home", str(home.root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(f"{len(lines) - 1} corner{'s' * (len(lines) != 2)}")
    return {name.strip(): where.strip() for name, _, where in (line.partition("  ") for line in lines[1:])}


def test_a_built_in_track_has_the_homes_corners(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = Home(tmp_path)
    (own,) = load_track("default").corners
    assert list(shown(home, capsys, "default")) == [own.name]
    assert not home.store_path.exists(), "looking writes nothing"
    with SessionSetup(home, SessionOptions(real_time=False)):
        pass
    with Store(home.store_path) as store:
        store.rename_corner("default", own.name, "mine")
        store.upsert_corner("default", "kink", 60.0, 85.0, "player")
    assert shown(home, capsys, "default") == {"kink": "60 m to 85 m", "mine": "184 m to 240 m"}
    with Store(home.store_path) as store:
        store.remove_corner("default", "mine")
    assert list(shown(home, capsys, "default")) == ["kink", own.name], "as it will be with the next drive"


def test_a_file_has_the_homes_corners_also_where_another_track_has_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path).create()
    for track in ("chicane", "esses"):
        (tmp_path / track).mkdir()
        np.savetxt(tmp_path / track / "line.csv", load_track(track).line.points, delimiter=",")
    np.savetxt(home.line, load_track("esses").line.points, delimiter=",")
    before = shown(home, capsys)
    with Store(home.store_path) as store:
        for name in ("chicane", "esses"):
            track, _, _ = file_under(store, load_track(tmp_path / name / "line.csv"))
            known_corners(store, track)
        store.rename_corner(track.name, "corner 1", "climb")
        store.upsert_corner(track.name, "last", track.line.length - 5.0, track.line.length, "player")
    for words in ((), (str(tmp_path / "esses" / "line.csv"),)):
        assert list(shown(home, capsys, *words)) == ["climb", *list(before)[1:], "last"]
    assert "climb" not in shown(home, capsys, str(tmp_path / "chicane" / "line.csv"))
    main(["doctor", "--home", str(home.root)])
    assert f"{len(before) + 1} corners" in capsys.readouterr().out
    scene = SettingsDesk(home, PadDesk(None)).scene(str(home.line))
    assert scene is not None
    assert [c.name for c in scene.corners] == ["climb", *list(before)[1:], "last"]
