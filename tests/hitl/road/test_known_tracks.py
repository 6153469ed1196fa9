"""Two maps whose files have one name, in one home: nothing of one is taken for the other's, and the player is told."""

import json
import shutil

import numpy as np
import pytest

from data.errors import InputFileError, UsageError
from data.store import Store
from hitl import cli
from hitl.drivers.human import ScriptedHuman
from hitl.drivers.scripted import HelpRule, ScriptedDriver, TakeoverRule
from hitl.home import Home
from hitl.road.known_tracks import chosen, drivable, road_of
from hitl.road.track import lay_segments, load_track
from hitl.screens.stored.scene import stored_scene
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.task.driving_task import TaskSettings

MAPS = {
    "a": [{"straight": 60}, {"radius": 12, "angle": 120}, {"straight": 120}],
    "b": [{"straight": 40}, {"radius": 14, "angle": -100}, {"straight": 60}],
}


def write_map(folder, name, file="line.csv", form="{:.3f}"):
    points, _ = lay_segments(name, MAPS[name])
    path = folder / name / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("x,y\n" + "\n".join(",".join(form.format(v) for v in point) for point in points.tolist()) + "\n")
    return path


def play(home, file, told=None, seconds: float | None = 2.0):
    """Drive it for so many seconds, or to its end, with a scripted takeover before each corner; return the rig's track."""

    def wheel(track):
        rule = TakeoverRule(track, HelpRule(corners=frozenset(c.name for c in track.corners), patient=False, danger=True))
        return ScriptedHuman(ScriptedDriver(track, seed=1), rule)

    said = (lambda level, text: told.append(text)) if told is not None else (lambda level, text: None)
    options = SessionOptions(track=str(file), task=TaskSettings(max_seconds=seconds))
    with SessionSetup(home, options, human=wheel, tell=said) as rig:
        rig.session.episode("drive", seed=0)
        return rig.track


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.fixture(scope="module")
def once_played(tmp_path_factory):
    """A folder with both maps and a home that has driven them, and what was said."""
    folder, told = tmp_path_factory.mktemp("played"), []
    home = Home(folder / "home")
    first = play(home, write_map(folder, "a"), told, seconds=None)
    assert told == []
    return folder, first, play(home, write_map(folder, "b"), told, seconds=None), told


@pytest.fixture
def played(once_played, tmp_path):
    folder, first, second, told = once_played
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return first, second, told


def test_each_map_has_its_own_corners_and_segments_and_the_player_is_told(home, played):
    first, second, told = played
    assert first.name == "line"
    assert second.name.startswith("line~")
    assert any("another line" in text and second.name in text for text in told)
    with Store(home.store_path) as store:
        spans = {(t, n): m for t, n, m in store.conn.execute("SELECT track, name, from_m FROM corners")}
        assert spans[("line", "corner 1")] == pytest.approx(60.0, abs=2.0)
        assert spans[(second.name, "corner 1")] == pytest.approx(40.0, abs=2.0)
        mine, other = (store.segments(track=track) for track in ("line", second.name))
        assert mine
        assert other
        assert not {s.id for s in mine} & {s.id for s in other}
        events = [m for (m,) in store.conn.execute("SELECT message FROM events WHERE kind = 'track'")]
        assert any("another line" in message for message in events)


def test_the_same_map_is_known_again_from_another_folder_with_other_decimals(home, played, tmp_path):
    (tmp_path / "moved").mkdir()
    again = write_map(tmp_path, "b", "spring.csv", "{:.7e}")
    told = []
    assert play(home, again, told).name == played[1].name
    assert any("spring" in text for text in told)


def test_a_file_of_a_built_in_tracks_name_is_not_that_track(home, tmp_path):
    mine = play(home, write_map(tmp_path, "a", "default.csv"))
    assert mine.name.startswith("default~")
    assert play(home, "default").name == "default"


def test_the_commands_ask_which_is_meant(home, played, capsys):
    for argv in (["corners", "--track", "line"], ["segments", "--track", "line"], ["segments", "--corner", "corner 1"],
                 ["report", "--track", "line"]):  # fmt: skip
        assert cli.main([*argv, "--home", str(home.root)]) == 2
        said = capsys.readouterr().err
        assert played[1].name in said
        assert "--track" in said
    assert cli.main(["corners", "--track", played[1].name, "--json", "--home", str(home.root)]) == 0
    assert json.loads(capsys.readouterr().out)["track"] == played[1].name
    assert cli.main(["segments", "--corner", "corner 1", "--track", played[1].name, "--ids", "--home", str(home.root)]) == 0
    ids = [int(i) for i in capsys.readouterr().out.split()]
    with Store(home.store_path) as store:
        assert ids == [s.id for s in store.segments(track=played[1].name, corner="corner 1")]


def test_a_corner_of_a_files_line_is_not_removed_where_it_was_moved(home, played, capsys):
    typed = ["corners", "--track", played[1].name, "--home", str(home.root)]
    assert cli.main([*typed, "--add", "corner 1", "90", "100"]) == 0
    assert cli.main([*typed, "--add", "mine", "5", "20"]) == 0
    assert cli.main([*typed, "--remove", "corner 1"]) == 2
    assert "You have moved 'corner 1'" in capsys.readouterr().err
    assert cli.main([*typed, "--remove", "mine"]) == 0


def test_a_track_is_chosen_by_its_file_and_drawn_without_it(home, played, tmp_path):
    with Store(home.store_path) as store:
        assert chosen(store, str(tmp_path / "a" / "line.csv")) == "line"
        assert chosen(store, str(tmp_path / "b" / "line.csv")) == played[1].name
        with pytest.raises(UsageError, match="Nothing was driven"):
            chosen(store, "hairpins")
        for file in tmp_path.glob("*/line.csv"):
            file.unlink()
        scene = stored_scene(store, played[1].name)
    assert scene.length == pytest.approx(played[1].line.length, abs=0.5)
    assert np.abs(scene.points[-1] - played[1].line.points[-1]).max() < 0.5


def test_a_known_track_can_be_driven_without_its_file(home, played):
    track = drivable(home, played[1].name)
    assert road_of(track).same(road_of(played[1]))
    assert play(home, played[1].name).name == played[1].name
    with pytest.raises(UsageError, match="2 tracks"):
        drivable(home, "line")
    with pytest.raises(InputFileError, match="no track 'nowhere"):
        drivable(home, "nowhere")


def test_an_agent_of_another_map_is_told_once(home, tmp_path):
    play(home, write_map(tmp_path, "a"))
    told = []
    options = SessionOptions(track=str(write_map(tmp_path, "b")))
    with SessionSetup(home, options, tell=lambda level, text: told.append(text)) as rig:
        told.clear()
        rig.policy.on_load({})  # of before tracks were known by their lines
        rig.policy.on_load(rig.known_by)
        assert told == []
        for _ in range(2):
            rig.policy.on_load({road_of(load_track(tmp_path / "a" / "line.csv")).digest: "line"})
    (sentence,) = told
    assert "another track called 'line'" in sentence
