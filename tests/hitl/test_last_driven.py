"""Which game and track are meant where none is named. One that is not opened unasked is asked for: none is driven instead."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from data.errors import UsageError
from data.recording.recorder import Recorder
from data.store import Store
from hitl.cli import main
from hitl.home import Home
from hitl.last_driven import as_last_time, goes_on_with, told
from hitl.road.known_tracks import file_under, known_corners
from hitl.road.track import load_track
from hitl.settings import load
from tests.support.recorded import drive, session_info
from tests.support.stand_in_game import stand_in_track

ENV = "gym:odd_games:Odd-v0"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    with Recorder(tmp_path / "store.sqlite", session_info(env=ENV, track="Odd-v0")) as recorder:
        drive(recorder)
    return Home(tmp_path)


@pytest.mark.parametrize("words", [["play", "--headless", "--pad", "none", "--episodes", "1"], ["eval", "--agent", "none"]])
def test_it_must_be_named_and_nothing_is_driven(home: Home, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--home", str(home.root)]) == 2
    told = capsys.readouterr().err
    assert f"add --env {ENV}" in told
    with Store(home.store_path) as store:
        assert len(store.sessions()) == 1


def test_one_that_is_set_or_another_track_is_driven(home: Home) -> None:
    typed = load(home, "play", over={"play": {"track": "esses"}})
    assert as_last_time(home, typed).play.env == "box2d"
    (home.root / "settings.toml").write_text(f'[play]\nenv = "{ENV}"\n')
    assert as_last_time(home, load(home, "play")).play.env == ENV


def test_the_settings_open_all_the_same(home: Home) -> None:
    assert as_last_time(home, load(home, "play"), asks=False).play.env == "box2d"


TYPED = [
    # set in the file, typed, meant
    ('track = "chicane"', {"env": "stk:minigolf"}, ("supertuxkart", "minigolf")),
    ('track = "chicane"\nonly_corner = "chicane"', {"env": "supertuxkart"}, ("supertuxkart", "default")),
    ('track = "minigolf"', {"env": "box2d"}, ("box2d", "default")),
    ('track = "minigolf"', {"env": "trackmania"}, ("trackmania", "default")),
    ('env = "stk:minigolf"', {"env": "stk:fortmagma"}, ("supertuxkart", "fortmagma")),
    ('track = "minigolf"', {"env": "supertuxkart"}, ("supertuxkart", "minigolf")),
    ('track = "line.csv"', {"env": "trackmania"}, ("trackmania", "line.csv")),
    ('env = "supertuxkart"', {"track": "minigolf"}, ("supertuxkart", "minigolf")),
]


@pytest.mark.parametrize(("text", "over", "meant"), TYPED)
def test_a_typed_game_overrules_a_set_track_of_another(
    tmp_path: Path, text: str, over: dict[str, str], meant: tuple[str, str]
) -> None:
    (tmp_path / "settings.toml").write_text(f"[play]\n{text}\n")
    home = Home(tmp_path)
    settings = load(home, "play", over={"play": over})
    assert (settings.play.env, settings.play.track) == meant
    assert ("play.track" in settings.origin) == (meant[1] != "default" and not str(over.get("env")).startswith("stk:"))
    assert (as_last_time(home, settings).play.env, settings.play.only_corner) == (meant[0], "")


def test_two_typed_tracks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leave one out"):
        load(Home(tmp_path), "play", over={"play": {"env": "stk:minigolf", "track": "chicane"}})


def reward_file(folder: Path, points: np.ndarray) -> Path:
    """Write a line as tmrl does: in the game's axes, where y is up."""
    folder.mkdir(parents=True, exist_ok=True)
    x, y = points.T
    (folder / "reward.pkl").write_bytes(pickle.dumps(np.stack([x, np.full(len(x), 10.0), -y], axis=1)))
    return folder / "reward.pkl"


def driven_by_file(home: Home, file: Path, env: str = "trackmania", takeover: tuple[int, int] | None = None) -> None:
    """Leave a session in the home as `hitl play --track FILE` does."""
    with Store(home.store_path) as store:
        track, digest, _ = file_under(store, load_track(file))
        known_corners(store, track)
    with Recorder(home.store_path, session_info(env=env, track=track.name, track_digest=digest)) as recorder:
        drive(recorder, takeover=takeover)


class TestADrivenFile:
    """A TrackMania home without a line of its own, in which a tmrl reward.pkl was driven."""

    @pytest.fixture
    def home(self, tmp_path: Path) -> Home:
        home = Home(tmp_path / "home").create()
        self.file = reward_file(tmp_path / "maps", stand_in_track().line.points)
        driven_by_file(home, self.file)
        return home

    def meant(self, home: Home, **play: str) -> tuple[str, str, str]:
        """The game, the track, and what is said of them."""
        named = load(home, "play", over={"play": play})
        found = as_last_time(home, named)
        return found.play.env, found.play.track, told(named, found)

    def test_both_are_as_last_time(self, home: Home) -> None:
        assert self.meant(home) == (
            "trackmania", "reward", "As last time here: reward in trackmania. `--env` and `--track` choose another."
        )
        assert self.meant(home, env="trackmania")[1:] == ("reward", "As last time here: reward. `--track` chooses another.")

    def test_the_game_is_that_of_the_track_however_it_is_spelt(self, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(self.file.parent)
        monkeypatch.setenv("HOME", str(self.file.parent))
        with Store(home.store_path) as store:
            (row,) = store.known_tracks("reward")
        for spelt in (str(self.file), "reward.pkl", "~/reward.pkl", "reward", row.alias, row.digest[:8]):
            env, track, said = self.meant(home, track=spelt)
            assert (env, track) == ("trackmania", spelt)
            assert said == "As last time here: trackmania. `--env` chooses another."

    def test_a_file_that_is_new_here_is_a_road_of_the_same_game(self, home: Home, tmp_path: Path) -> None:
        other = reward_file(tmp_path / "other", load_track("esses").line.points)
        assert self.meant(home, track=str(other))[0] == "trackmania"
        assert self.meant(home, track="esses")[0] == "box2d"  # it comes with the program

    def test_what_is_named_or_drives_no_file_is_left_alone(self, home: Home, tmp_path: Path) -> None:
        assert self.meant(home, env="box2d", track=str(self.file)) == ("box2d", str(self.file), "")
        driven_by_file(home, self.file, env="tmrl")
        assert self.meant(home)[:2] == ("tmrl", "default")  # which has its own line
        new = reward_file(tmp_path / "new", load_track("esses").line.points)
        assert self.meant(home, track=str(new))[0] == "trackmania"

    def test_the_line_of_the_home_goes_before_where_it_was_recorded_since(self, home: Home) -> None:
        home.line.write_text("\n".join(f"{x},{y}" for x, y in load_track("esses").line.points.tolist()))
        assert self.meant(home)[:2] == ("trackmania", "default")
        os.utime(home.line, (0, 0))  # long before
        assert self.meant(home)[:2] == ("trackmania", "reward")
        driven_by_file(home, home.line)
        assert self.meant(home)[:2] == ("trackmania", "default")

    def test_the_line_can_be_looked_at(self, home: Home, capsys: pytest.CaptureFixture[str]) -> None:
        for words in (["show", "reward"], ["show"]):
            assert main(["line", *words, "--home", str(home.root)]) == 0
            assert capsys.readouterr().out.startswith("reward: ")

    def test_the_other_commands_know_the_file_too(self, home: Home, capsys: pytest.CaptureFixture[str]) -> None:
        driven_by_file(home, self.file, takeover=(5, 6))  # too short to show anything
        for words in (["store", "clean", "--dry-run"], ["segments", "--ids"]):
            assert main([*words, "--track", str(self.file), "--home", str(home.root)]) == 0
            assert "1" in capsys.readouterr().out.split()


def test_the_line_that_is_shown_is_the_homes_own_else_the_one_driven_last(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def shown() -> str:
        assert main(["line", "show", "--home", str(home.root)]) == 0
        return capsys.readouterr().out.partition(":")[0]

    assert shown() == "default"  # what was driven has no line
    with Recorder(home.store_path, session_info(track="chicane")) as recorder:
        drive(recorder)
    assert shown() == "chicane"
    np.savetxt(home.line, load_track("esses").line.points, delimiter=",")
    assert shown() == home.line.stem
    assert main(["line", "show", "--home", str(tmp_path / "nothing")]) == 0
    assert capsys.readouterr().out.startswith("default: ")


def test_a_home_does_not_go_on_with_what_its_workers_drive(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for env, track in (("supertuxkart", "minigolf"), ("gym:Pendulum-v1", "Pendulum-v1")):
        with Recorder(home.store_path, session_info(env=env, track=track)) as recorder:
            drive(recorder)
    assert as_last_time(home, load(home, "play")).play.env == "gym:Pendulum-v1"
    with Store(home.store_path) as store:
        store.conn.execute("UPDATE sessions SET source = 'worker den 0a1b2c3d' WHERE env = 'gym:Pendulum-v1'")
    assert as_last_time(home, load(home, "play")).play.env == "supertuxkart"
    with Store(home.store_path) as store:
        store.conn.execute("UPDATE sessions SET source = 'worker den 0a1b2c3d'")
        assert "Nothing was driven in this home itself" in goes_on_with(home, store)
    assert as_last_time(home, load(home, "play")).play.env == "gym:Pendulum-v1"
