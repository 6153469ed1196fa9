"""SuperTuxKart's own picture: an engine that follows, what it draws, and what the window makes of it."""

import contextlib
import json
import os
import sys
import threading
import time

import pygame
import pytest

from hitl.games.base import Start
from hitl.games.supertuxkart.engine import Frames, columns_of
from hitl.games.supertuxkart.engine_process import EngineProcess
from hitl.games.supertuxkart.game import SuperTuxKartGame
from hitl.games.supertuxkart.mirror import NO_PICTURE, Mirror
from hitl.home import Home
from hitl.road.track import load_track
from takeover_ui.window.composer import Composer
from takeover_ui.window.picture import Picture, cover, picture_path
from tests.support.ended import ended_process
from tests.support.places import ROOT
from tests.support.sample_screens import view

ROWS = 180
FOLLOWS = """
import json, sys
from pathlib import Path
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    with Path("followed").open("a") as file:
        file.write(line)
"""
READS_NOTHING = "import time; print('\"ready\"', flush=True); time.sleep(600)"
CANNOT_DRAW = "print('no OpenGL'); raise SystemExit(1)"


def frame(colour):
    return bytes(colour) * (ROWS * columns_of(ROWS))


def until(what, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def mirror(tmp_path):
    made = []

    def start(program):
        notices = []
        command = [sys.executable, "-c", program]
        made.append(Mirror(lambda: EngineProcess(command, {}, tmp_path / "log"), tmp_path / "picture-1", notices))
        return made[-1], notices

    yield start
    for one in made:
        one.close()


def test_the_newest_picture_is_seen_and_none_before_there_is_one(tmp_path):
    path = tmp_path / "picture-1"
    picture = Picture(path)
    assert picture.newest() is None, "no file yet"
    frames = Frames(str(path), ROWS)
    assert picture.newest() is None, "and nothing in it yet"
    for number in range(1, 6):
        frames.add(frame((number, 0, 0)))
        assert picture.has_new
        seen = picture.newest()
        assert not picture.has_new
        assert seen is picture.newest(), "it is taken once"
        assert seen.get_size() == (columns_of(ROWS), ROWS)
        assert seen.get_at((5, 5))[:3] == (number, 0, 0)
    picture.close()


@pytest.mark.parametrize(("rows", "columns"), [(ROWS // 2, 40), (2 * ROWS, 3 * ROWS)])
def test_a_picture_of_another_size_than_was_asked_for_is_seen_as_it_is(tmp_path, rows, columns):
    """The engine draws what fits its screen; a picture of 720 rows was the end of the drawing on a smaller one."""
    picture, frames = Picture(tmp_path / "picture-1"), Frames(str(tmp_path / "picture-1"), ROWS)
    frames.add(frame((1, 0, 0)))
    assert picture.newest().get_size() == (columns_of(ROWS), ROWS)
    for number in (2, 3):
        frames.add(bytes((number, 7, 0)) * rows * columns, (rows, columns))
        seen = picture.newest() or picture.newest()  # one that is larger than the file was: after it is opened anew
        assert seen.get_size() == (columns, rows)
        assert seen.get_at((5, 5))[:3] == (number, 7, 0)
    picture.close()


def test_the_window_shows_the_picture_and_the_road_while_there_is_none(tmp_path):
    composer, surface = Composer(size=None), pygame.Surface((960, 540))
    composer.picture = Picture(tmp_path / "picture-1")
    composer.draw(surface, view())
    road = surface.get_at((480, 400))[:3]
    frames = Frames(str(tmp_path / "picture-1"), ROWS)
    frames.add(frame((7, 200, 9)))
    marks = composer.draw(surface, view())
    assert surface.get_at((480, 400))[:3] == (7, 200, 9) != road
    assert "map" in {mark.name for mark in marks}, "the small map lies over it"
    composer.picture.close()


def test_a_picture_of_another_shape_fills_the_window_and_is_not_squeezed():
    picture = pygame.Surface((320, 180))
    picture.fill((0, 0, 255))
    pygame.draw.rect(picture, (255, 0, 0), (70, 0, 180, 180))
    surface = pygame.Surface((100, 100))
    cover(surface, picture)
    assert {surface.get_at(at)[:3] for at in ((2, 2), (97, 97), (50, 50))} == {(255, 0, 0)}
    cover(pygame.Surface((1, 900)), picture)  # a window that is being squeezed


def test_it_follows_request_by_request_and_leaves_out_what_was_begun_anew(mirror, tmp_path):
    followed, _ = mirror(FOLLOWS)
    for request in (("restart", 1), ("step", 1), ("restart", 2), ("step", 2), ("step", 3)):
        followed.follow(*request)
    file = tmp_path / "followed"

    def requests():
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    until(lambda: requests()[-1:] == [["step", 3]])
    assert requests()[-3:] == [["restart", 2], ["step", 2], ["step", 3]]
    followed.follow("replay", [1.0], [])
    until(lambda: requests()[-1:] == [["replay", [1.0], []]])


def test_an_engine_that_cannot_draw_costs_the_picture_alone(mirror, tmp_path):
    frames = Frames(str(tmp_path / "picture-1"), ROWS)
    frames.add(frame((1, 2, 3)))
    seen = Picture(tmp_path / "picture-1")
    assert seen.newest() is not None
    follows, notices = mirror(CANNOT_DRAW)
    follows.follow("restart", 1)
    until(lambda: notices)
    assert notices[0] == f"{NO_PICTURE}(SuperTuxKart's program answered what is no JSON, so it was ended.)"
    until(lambda: seen.newest() is None)
    follows.follow("step", 1)  # and nothing is waited for
    seen.close()


def test_a_picture_that_comes_later_goes_back_as_far_as_the_game_did(tmp_path):
    class Late:
        def __init__(self):
            self.asked = []

        def follow(self, *request):
            self.asked.append(request)

        def close(self):
            pass

    program = [sys.executable, str(ROOT / "tests" / "support" / "stand_in_engine.py"), "well"]
    game = SuperTuxKartGame(load_track("fortmagma"), Home(tmp_path).create(), program)
    with contextlib.closing(game):
        game.restart(Start())
        for _ in range(3):
            game.advance(0.05)
        saved = game.save()
        game.mirror = late = Late()
        game.restore(saved)
        game.advance(0.05)
        (name, _, steps), _ = late.asked
        assert (name, len(steps)) == ("replay", 3), "the step after it is a request of its own"


def test_an_engine_that_reads_no_more_does_not_hold_up_the_end(mirror):
    follows, notices = mirror(READS_NOTHING)
    follows.follow("replay", [0.0] * 500_000)  # more than any pipe holds
    until(lambda: follows._requests.empty())
    time.sleep(0.5)  # it is being written now
    ending = threading.Thread(target=follows.close, daemon=True)
    ending.start()
    ending.join(15.0)
    assert not ending.is_alive()
    assert notices == []


def test_one_that_is_closed_while_its_engine_starts_leaves_no_engine_behind(tmp_path):
    begins, goes_on, made = threading.Event(), threading.Event(), []

    def start():
        begins.set()
        goes_on.wait(20.0)
        made.append(EngineProcess([sys.executable, "-c", FOLLOWS], {}, tmp_path / "log"))
        return made[0]

    one = Mirror(start, tmp_path / "picture-1", [])
    assert begins.wait(20.0)
    threading.Timer(0.3, goes_on.set).start()
    one.close()
    until(lambda: made and made[0]._process.poll() is not None)


def test_nothing_is_kept_for_an_engine_that_is_gone(mirror):
    follows, notices = mirror(CANNOT_DRAW)
    until(lambda: notices)
    assert notices[0] == f"{NO_PICTURE}(SuperTuxKart's program answered what is no JSON, so it was ended.)"
    until(lambda: follows._requests.empty())
    follows.follow("step", 1)
    assert follows._requests.empty()


def test_what_sessions_that_have_ended_left_behind_is_removed(tmp_path):
    (tmp_path / f"picture-{ended_process()}").touch()
    (tmp_path / f"picture-{os.getpid()}").touch()  # of an earlier process of the same number
    assert not picture_path(tmp_path).exists()
    assert list(tmp_path.iterdir()) == []


def test_the_picture_of_another_session_that_is_driven_now_stays(tmp_path):
    other = tmp_path / f"picture-{os.getppid()}"
    other.touch()
    assert picture_path(tmp_path) != other
    assert other.exists()
