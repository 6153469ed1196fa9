"""`hitl play --record`: what a reviewer needs of a session, from end to end."""

from __future__ import annotations

import functools
import json
import re
import struct
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pygame
import pytest

from data.recording.recorder import Recorder
from data.records import AGENT, HUMAN
from data.store import Store
from hitl.arbiter import Decision
from hitl.cli import main
from hitl.demo.shipped import open_shipped
from hitl.home import Home
from hitl.protocols import Tick
from hitl.screens.recording import KeptPictures, Recording
from hitl.screens.stored.clips import ClipMaker
from hitl.screens.stored.session_files import NO_FILMS, SessionFiles
from hitl.settings import load
from takeover_ui.clips.files import can_write, write
from takeover_ui.clips.game_pictures import GamePictures, frame_name
from takeover_ui.report import texts as report_texts
from takeover_ui.review import texts as review_texts
from tests.support.recorded import drive_without_road, session_info

FILMS = any(map(can_write, (".mp4", ".gif")))


def record(folder: Path, *more: str, language: str = "en") -> tuple[int, Path]:
    """Let the shipped agent drive one lap with the scripted driver's help; return the exit status and what was recorded."""
    home = Home(folder / "home").create()
    if not home.store_path.exists():
        open_shipped(home)
    (home.root / "settings.toml").write_text(f'[overlay]\nlanguage = "{language}"\n[trackmania]\nhost = "10.1.2.3"\n')
    line = ["play", "--headless", "--pad", "scripted", "--skill", "expert", "--episodes", "1", "--home", str(home.root)]
    return main([*line, "--record", str(folder / "out"), *more]), max((folder / "out").glob("session-*"))


@pytest.mark.skipif(not FILMS, reason="needs the extra clips")
def test_a_session_is_kept_with_films_facts_and_a_page(tmp_path, monkeypatch, capsys):
    small = functools.partial(ClipMaker, width=320)  # to pack pictures of the usual size would take most of the time
    monkeypatch.setattr("hitl.screens.stored.session_files.ClipMaker", small)
    status, folder = record(tmp_path)
    assert status == 0
    facts = json.loads((folder / "session.json").read_text("utf-8"))
    page = (folder / "session.html").read_text("utf-8")
    with Store(tmp_path / "home" / "store.sqlite", read_only=True) as store:
        session = store.newest_session()
        (episode,) = store.episodes(session=session.id)
        segments = store.segments(session=session.id, kind="takeover")
    assert segments
    assert folder.name == f"session-{session.id}"
    assert [t["id"] for t in facts["takeovers"]] == [s.id for s in segments]
    (drive,) = facts["drives"]
    assert (drive["ended_by"], drive["lap_s"]) == (episode.reason, episode.lap_s)
    assert drive["human_s"] == pytest.approx(sum(w["to_s"] - w["from_s"] for w in facts["who_drove"] if w["driver"] == "human"))
    assert sum(w["to_s"] - w["from_s"] for w in facts["who_drove"]) == pytest.approx(drive["driven_s"])
    for taken, segment in zip(facts["takeovers"], segments, strict=True):
        (name,) = taken["films"]
        assert (folder / name).stat().st_size > 2000
        assert f'src="{name}"' in page
        assert taken["corner"] == segment.corner
        assert taken["seconds"] == pytest.approx(segment.seconds, abs=1e-3)
    assert facts["versions"]["hitl"]
    assert "media-src 'self' file:" in page
    assert "Takeovers of this session" in page
    printed = capsys.readouterr().out
    assert f"Recorded: session-{session.id} in {tmp_path / 'out'}: {len(segments)} film" in printed


def test_neither_paths_nor_addresses_are_in_it(tmp_path, monkeypatch):
    monkeypatch.setattr("hitl.screens.stored.session_files.can_write", lambda suffix: False)
    _, folder = record(tmp_path, "--agent-alone")
    text = (folder / "session.json").read_text("utf-8") + (folder / "session.html").read_text("utf-8")
    assert "10.1.2.3" not in text
    assert str(tmp_path) not in text
    assert str(Path.home()) + "/" not in text


def test_without_the_extra_it_is_said_what_to_type_and_the_rest_is_kept_beside_what_was_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("hitl.screens.stored.session_files.can_write", lambda suffix: False)
    _, folder = record(tmp_path, language="de")
    said = capsys.readouterr().out
    assert re.search(r"0 films, session\.json, session\.html\. Films need packages that are not installed: `.*clips", said)
    assert json.loads((folder / "session.json").read_text("utf-8"))["takeovers"][0]["films"] == []
    page = (folder / "session.html").read_text("utf-8")
    assert "Übernahmen dieser Sitzung" in page
    assert "<video" not in page
    from hitl.screens.stored.session_files import SessionFiles
    from hitl.settings import load
    from takeover_ui.report.texts import ENGLISH
    from takeover_ui.review.texts import ENGLISH as OF_REVIEW

    home = Home(tmp_path / "home")
    number = int(folder.name.removeprefix("session-"))
    again = SessionFiles(home, number, tmp_path / "out", settings=load(home), words=(OF_REVIEW, ENGLISH))
    assert again.folder.name == f"session-{number}-2"
    with Store(home.store_path, read_only=True) as store:
        taken = [str(s.id) for s in store.segments(kind="takeover")]
    assert main(["label", *taken, "--verdict", "bad", "--home", str(home.root)]) == 0
    assert "session-" in again.write()
    assert "not learned from" in (again.folder / "session.html").read_text("utf-8")


@pytest.mark.skipif(not FILMS, reason="needs the extra clips")
def test_what_is_broken_off_keeps_what_is_done(tmp_path, monkeypatch, capsys):
    def interrupted(path, clip):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr("hitl.screens.stored.session_files.write", interrupted)
    status, folder = record(tmp_path)
    assert status == 0
    assert "The films were broken off." in capsys.readouterr().out
    assert (folder / "session.html").exists()
    assert json.loads((folder / "session.json").read_text("utf-8"))["takeovers"]


def test_a_session_without_a_drive_leaves_nothing(tmp_path, monkeypatch, capsys):
    home = Home(tmp_path / "home").create()
    monkeypatch.setattr("hitl.session.session.Session.episode", lambda self, *a, **k: pytest.fail("nothing is driven"))
    monkeypatch.setattr("hitl.session.playing.play_loop.PlayLoop._goes_on", lambda self: False)
    line = ["play", "--headless", "--pad", "none", "--home", str(home.root), "--record", str(tmp_path / "out")]
    assert main(line) == 0
    assert "Nothing was driven in this session, so nothing of it is recorded." in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


ROWS, COLUMNS = 36, 64


class Drawn:
    """What a game draws: each picture has one grey, its number."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("w+b", buffering=0)
        self.file.truncate(16 + 3 * ROWS * COLUMNS * 3)
        self.number = 0

    def draw(self) -> None:
        self.number += 1
        self.file.seek(16 + self.number % 3 * ROWS * COLUMNS * 3)
        self.file.write(bytes([min(self.number, 255)]) * (ROWS * COLUMNS * 3))
        self.file.seek(0)
        self.file.write(struct.pack("<QII", self.number, ROWS, COLUMNS))


def tick(driver: int, event: str | None = None) -> Tick:
    nothing = np.zeros(2, np.float32)
    return Tick({}, Decision(driver, nothing, 0.0, event, "hold"), nothing, 0.0, "drive")


class Taken:
    id, started = 7, ""


@pytest.mark.realtime
def test_the_games_own_pictures_around_a_takeover_become_a_film(tmp_path):
    drawn = Drawn(tmp_path / "picture")
    kept, took = KeptPictures(tmp_path / "picture", tmp_path / "kept"), []
    began = time.monotonic()
    taken_at = 0.0

    def drive(seconds, driver, event=None):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            drawn.draw()
            then = time.perf_counter()
            kept.note(tick(driver, event))
            took.append(time.perf_counter() - then)
            event = None
            time.sleep(0.05)

    while time.monotonic() - began < 30.0 and not (tmp_path / "kept").exists():  # its process takes a while to start
        drive(0.2, AGENT)
        kept.note(tick(HUMAN, "takeover"))
        kept.note(tick(AGENT, "hand_back"))
    drive(3.0, AGENT)
    taken_at, first = datetime.now(UTC), drawn.number
    drive(1.0, HUMAN, "takeover")
    last = drawn.number
    drive(2.5, AGENT, "hand_back")
    kept.close()
    segment = Taken()
    segment.started = taken_at.isoformat()
    folder = kept.by_segment([segment])[7]
    frames = GamePictures(folder)
    assert 3.0 < frames.seconds < 5.5
    greys = [frames.draw(s).get_at((5, 5))[0] for s in (0.0, 2.5, frames.seconds)]
    assert greys[0] < first - 20, "some seconds before"
    assert first - 8 <= greys[1] <= first + 12
    assert last + 10 < greys[2] < last + 45, "and after"
    assert np.median(took) < 0.002
    if FILMS:
        path = tmp_path / ("film.mp4" if can_write(".mp4") else "film.gif")
        assert list(write(path, frames))[-1] == 1.0
        assert path.stat().st_size > 500


def test_without_a_road_the_games_pictures_are_the_films(tmp_path):
    home, frames = Home(tmp_path / "home").create(), tmp_path / "frames"
    with Recorder(home.store_path, session_info(env="gym:Pendulum-v1", track="Pendulum-v1")) as recorder:
        drive_without_road(recorder)
    frames.mkdir()
    for moment in (0, 400, 800):
        pygame.image.save(pygame.Surface((64, 48)), frames / frame_name(moment))

    def written(pictures):
        words = review_texts.LANGUAGES["en"], report_texts.LANGUAGES["en"]
        files = SessionFiles(home, 1, tmp_path / "out", settings=load(home), words=words, pictures=pictures)
        return files.write(), sorted(path.name for path in files.folder.iterdir())

    if FILMS:
        said, there = written(lambda segments: {segments[0].id: frames})
        assert "1 film, session.json." in said
        assert "no page, and the films are the game's own pictures" in said
        assert there[0] == "session.json"
        assert there[1].startswith("takeover-1-game.")
        said, there = written(lambda segments: {})
        assert NO_FILMS in said
        assert there == ["session.json"]


def test_where_nothing_can_be_filmed_it_is_said_before_the_drive(tmp_path, capsys):
    line = ["play", "--headless", "--pad", "none", "--episodes", "1", "--home", str(tmp_path / "home")]
    assert main([*line, "--env", "gym:Pendulum-v1", "--record", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert said.index(NO_FILMS) < said.index("1 episode")
    assert main([*line, "--env", "box2d", "--record", str(tmp_path / "out")]) == 0
    assert NO_FILMS not in capsys.readouterr().out


def test_pictures_that_cannot_be_kept_cost_nothing_else(tmp_path):
    kept = KeptPictures(tmp_path / "none", tmp_path / "kept")
    kept._process.kill()
    kept._process.wait()
    for _ in range(3):
        kept.note(tick(HUMAN, "takeover"))
        kept.note(tick(AGENT, "hand_back"))
    kept.close()
    segment = Taken()
    segment.started = datetime.now(UTC).isoformat()
    assert GamePictures(kept.by_segment([segment])[7]).seconds == 0.0


def test_a_session_that_ends_with_an_error_is_kept_all_the_same(tmp_path, monkeypatch, capsys):
    from data.errors import DeviceError
    from hitl.session.playing.play_loop import PlayLoop

    drives = PlayLoop.run

    def lost(self):
        drives(self)
        raise DeviceError("The game is gone.")

    monkeypatch.setattr(PlayLoop, "run", lost)
    monkeypatch.setattr("hitl.screens.stored.session_files.can_write", lambda suffix: False)
    status, folder = record(tmp_path)
    assert status != 0
    told = capsys.readouterr()
    assert "Recorded: session-" in told.out
    assert "The game is gone." in told.err
    assert json.loads((folder / "session.json").read_text("utf-8"))["drives"]


def test_a_folder_that_cannot_be_is_refused_before_anything_is_driven(tmp_path, monkeypatch, capsys):
    (tmp_path / "afile").write_text("in the way")
    monkeypatch.setattr("hitl.session.session.Session.episode", lambda self, *a, **k: pytest.fail("nothing is driven"))
    line = ["play", "--headless", "--pad", "none", "--home", str(tmp_path / "home"), "--record"]
    for folder in ("afile", "afile/below"):
        assert main([*line, str(tmp_path / folder)]) == 2
        assert "name another with --record" in capsys.readouterr().err


def test_pictures_are_forgotten_where_nothing_is_written(tmp_path):
    recording = Recording(Home(tmp_path / "home").create(), tmp_path / "out", {})
    recording._temporary = tmp_path / "pictures"
    recording._temporary.mkdir()
    recording.left(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert not recording._temporary.exists()


def test_one_ctrl_c_breaks_the_films_off():
    import signal

    from hitl.processes import interruptible, stop_on_signal

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    try:
        asked = stop_on_signal()
        with pytest.raises(KeyboardInterrupt), interruptible():
            signal.raise_signal(signal.SIGINT)
        assert not asked()
        signal.raise_signal(signal.SIGINT)  # after the block it is a request again
        assert asked()
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
